"""RFC 8949 appendix A: which of its 82 examples are values of our profile, and why each of the others is not.

Accepted are the deterministic encodings of integers up to 64 bits, strings, arrays, maps, true, false and null.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attest.errors import MalformedError
from attest.format.cbor import decode, encode


def value_of(case: dict[str, Any]) -> Any:
    """The decoded value, where JSON or plain hex in the diagnostic notation can say it."""
    if "decoded" in case:
        return case["decoded"]
    diagnostic = case["diagnostic"]
    return bytes.fromhex(diagnostic[2:-1]) if diagnostic.startswith("h'") else {1: 2, 3: 4}


def reason(case: dict[str, Any]) -> str | None:
    """Why an example must be refused; None if it must not be.

    Apart from floats, the examples that a generic encoder would write otherwise are those of indefinite length.
    """
    first = bytes.fromhex(case["hex"])[0]
    if 0xF9 <= first <= 0xFB:
        return "cbor/float"
    if first >> 5 == 7 and first not in (0xF4, 0xF5, 0xF6):
        return "cbor/simple"
    if first >> 5 == 6:
        return "cbor/tag"
    return None if case["roundtrip"] else "cbor/indefinite"


def test_every_example(shared: Path) -> None:
    seen: Counter[str | None] = Counter()
    for case in json.loads((shared / "vectors/cbor-appendix-a/appendix_a.json").read_text()):
        data = bytes.fromhex(case["hex"])
        expected = reason(case)
        if expected is None:
            assert decode(data) == value_of(case), case
            assert encode(value_of(case)) == data, case
        else:
            with pytest.raises(MalformedError) as caught:
                decode(data)
            assert caught.value.code == expected, case
        seen[expected] += 1
    assert seen == {None: 37, "cbor/float": 22, "cbor/indefinite": 11, "cbor/tag": 8, "cbor/simple": 4}
    assert seen.total() == 82
