"""Torchwood's litewitness scripts: the requests of logs as a witness sees them, and an ML-DSA-44 log (0x06)."""

import base64
import re
from pathlib import Path

import pytest

from attest.errors import EvidenceError, SignatureError
from attest.format.note import Vkey, parse_note, parse_vkey
from attest.log.checkpoint import open_checkpoint
from attest.log.merkle import verify_consistency
from attest.trust.notes import verify_note

SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = Vkey(SIGSUM, 1, bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"))
REQUEST = re.compile(r"```\nold (\d+)\n((?:[^\n]+\n)*)\n(.*?)```\nHTTP (\d+)\n", re.DOTALL)


class Witness:
    """The rules of tlog-witness in a few lines, over this package's parts."""

    def __init__(self, origin: str, key: Vkey) -> None:
        self.origin, self.key = origin, key
        self.size, self.root = 0, b""

    def add(self, old: int, proof: list[bytes], note: bytes) -> int:
        try:
            checkpoint, _ = open_checkpoint(note, self.origin, (self.key,))
        except EvidenceError:
            return 403
        if old != self.size:
            return 409
        try:
            if old:
                verify_consistency(old, checkpoint.size, proof, self.root, checkpoint.root)
        except EvidenceError:
            return 422
        self.size, self.root = checkpoint.size, checkpoint.root
        return 200


@pytest.mark.parametrize(
    ("script", "origin", "key", "requests", "size"),
    [
        ("litewitness.txt", SIGSUM, SIGSUM_KEY, 9, 5),
        (
            "sumdb.txt",
            "go.sum database tree",
            parse_vkey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"),
            1,
            35225469,
        ),
    ],
)
def test_requests(shared: Path, script: str, origin: str, key: Vkey, requests: int, size: int) -> None:
    text = (shared / "vectors/torchwood-litewitness" / script).read_text()
    found = REQUEST.findall(text)
    assert len(found) == text.count("POST ") == requests
    witness = Witness(origin, key)
    for old, proof, note, status in found:
        hashes = [base64.b64decode(line) for line in proof.splitlines()]
        assert witness.add(int(old), hashes, note.encode()) == int(status)
    assert witness.size == size


def test_a_log_that_signs_with_ml_dsa(shared: Path) -> None:
    vectors = shared / "vectors/torchwood-litewitness"
    vkey = parse_vkey((vectors / "mldsa.vkey").read_text().strip())
    data = (vectors / "mldsa.note").read_bytes()
    assert (vkey.algorithm, vkey.key_id.hex()) == (6, "b5df45c5")
    checkpoint, note = open_checkpoint(data, "example.com/mldsa-log", (vkey,))
    assert checkpoint.size == 1
    assert verify_note(note, vkey) == 0  # a log states no time


@pytest.mark.parametrize("change", ["size", "root", "time", "signature", "origin"])
def test_an_ml_dsa_signature_covers_the_tree_and_the_time(shared: Path, change: str) -> None:
    vectors = shared / "vectors/torchwood-litewitness"
    vkey = parse_vkey((vectors / "mldsa.vkey").read_text().strip())
    note = parse_note((vectors / "mldsa.note").read_bytes())
    (signature,) = note.signatures
    origin, size, root, _ = note.text.split("\n")
    raw = bytearray(signature.signature)
    if change == "size":
        size = "2"
    elif change == "root":
        root = base64.b64encode(b"r" * 32).decode()
    elif change == "origin":
        origin += "x"
    else:
        raw[7 if change == "time" else 8] ^= 1
    changed = note._replace(text=f"{origin}\n{size}\n{root}\n", signatures=(signature._replace(signature=bytes(raw)),))
    with pytest.raises(SignatureError, match="note/signature"):
        verify_note(changed, vkey)
