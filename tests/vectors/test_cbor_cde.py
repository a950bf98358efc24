"""CBOR Common Deterministic Encoding, its 76 examples (draft-ietf-cbor-cde, appendix).

CDE is RFC 8949 section 4.2.1 and allows what we leave out: of its good examples we accept the 20 integers of 64 bits
and refuse two bignums and 44 floating point numbers. Of its ten bad ones we accept none, each for the reason below.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from attest.errors import MalformedError
from attest.format.cbor import decode, encode

BAD = {
    "a2616200616101": "cbor/key-order",
    "98020405": "cbor/head",
    "1900ff": "cbor/head",
    "c34a00010000000000000000": "cbor/tag",  # a bignum with a leading zero; we take none
    "fa41280000": "cbor/float",  # 10.5 in four bytes; we take none
    "fa7fc00000": "cbor/float",
    "c243010000": "cbor/tag",
    "5f4101420203ff": "cbor/indefinite",
    "f818": "cbor/simple",
    "fc": "cbor/reserved",
}
CODES = {"int": "cbor/tag", "flt": "cbor/float"}


def test_every_example(shared: Path) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    with (shared / "vectors/cbor-cde/example-table-input.csv").open(newline="") as file:
        for kind, notation, hexadecimal, _ in csv.reader(file):
            data = bytes.fromhex(hexadecimal)
            if kind == "int" and -(2**64) <= int(notation) < 2**64:
                assert decode(data) == int(notation)
                assert encode(int(notation)) == data
                seen[kind, "accepted"] += 1
                continue
            with pytest.raises(MalformedError) as caught:
                decode(data)
            assert caught.value.code == (BAD[hexadecimal] if kind == "bad" else CODES[kind]), notation
            seen[kind, caught.value.code] += 1
    assert seen.total() == 76
    assert {key: count for key, count in seen.items() if key[0] != "bad"} == {
        ("int", "accepted"): 20,
        ("int", "cbor/tag"): 2,
        ("flt", "cbor/float"): 44,
    }
    assert sum(count for (kind, _), count in seen.items() if kind == "bad") == len(BAD) == 10
