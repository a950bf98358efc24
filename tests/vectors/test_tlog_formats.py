"""transparency-dev/formats: checkpoints, verifier keys, a cosignature's time and policies, every case.

Where we refuse what Go accepts the reason stands beside the case.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from attest.errors import MalformedError, UnsupportedError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import Vkey, format_vkey, parse_vkey
from attest.trust.quorum import parse_policy


def load(shared: Path, name: str) -> Any:
    return json.loads((shared / "vectors/tlog-formats" / name).read_text())


def test_checkpoints(shared: Path) -> None:
    """The roots of Go's cases are 7 or 38 bytes of text, so each is tried with a root of 32 bytes in its place."""
    cases = load(shared, "checkpoint_unmarshal.json")["cases"]
    assert len(cases) == 12
    root = base64.b64encode(b"r" * 32).decode()
    accepted = 0
    for case in cases:
        with pytest.raises(MalformedError, match="checkpoint/malformed"):
            parse_checkpoint(case["body"])
        body = case["body"]
        for theirs in ("YmFuYW5hcw==", "dGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ=="):
            body = body.replace(theirs, root)
        if case["wantErr"] or "trailing" in case["desc"]:  # no extension lines
            with pytest.raises(MalformedError, match="checkpoint/malformed"):
                parse_checkpoint(body)
        else:
            accepted += 1
            assert parse_checkpoint(body).root == b"r" * 32
    assert accepted == 2


def test_verifier_keys(shared: Path) -> None:
    cases = load(shared, "vkeys.json")["vkeys"]
    assert len(cases) == 7
    for case in cases:
        if "0x02" in case["desc"] or "0x05" in case["desc"]:  # real types, which no log of ours uses
            with pytest.raises(UnsupportedError, match="vkey/unsupported"):
                parse_vkey(case["vkey"])
        elif case["ok"]:
            assert format_vkey(parse_vkey(case["vkey"])) == case["vkey"]
        else:
            with pytest.raises((MalformedError, UnsupportedError), match="vkey/"):
                parse_vkey(case["vkey"])


def test_the_time_of_a_cosignature(shared: Path) -> None:
    case = load(shared, "vkeys.json")["cosig_timestamp"]
    assert int.from_bytes(base64.b64decode(case["sig_b64"])[4:12], "big") == case["time"]


def test_policies(shared: Path) -> None:
    cases = load(shared, "policy.json")["cases"]
    assert len(cases) == 7
    for case in cases:
        with pytest.raises(MalformedError, match="policy/malformed") as caught:
            parse_policy(case["policy"])
        assert str(caught.value.path).startswith("line ")
        # Go takes a log's key (0x01) for a witness's and a file without its last newline; the specification not.
        text = _as_witness_keys(case["policy"]).removesuffix("\n") + "\n"
        if case["wantErr"] is None:
            policy = parse_policy(text)
            assert [group.threshold for group in policy.groups] == [2]
            assert policy.colluders() == 2
        else:
            with pytest.raises(MalformedError, match="policy/malformed"):
                parse_policy(text)


def _as_witness_keys(text: str) -> str:
    for word in text.split():
        if "+" in word:
            vkey = parse_vkey(word)
            text = text.replace(word, format_vkey(Vkey(vkey.name, 4, vkey.key)))
    return text
