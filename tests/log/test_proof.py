"""Receipts and growths: written one way, read only so, and verified against the log's key."""

from dataclasses import replace

import pytest

from attest.errors import EvidenceError, ForkError, MalformedError, SignatureError, TreeError
from attest.log.checkpoint import Checkpoint, format_checkpoint
from attest.log.merkle import CompactRange, Hashes, compact_range, consistency_proof, inclusion_proof, leaf_hash, root
from attest.log.proof import (
    Growth,
    Receipt,
    format_growth,
    format_receipt,
    parse_growth,
    parse_receipt,
    verify_growth,
    verify_receipt,
)
from attest.sign.notes import sign_note
from attest.sign.seeded import seeded_key as key
from attest.trust.notes import log_vkey

ORIGIN = "example.com/log"
KEY, OTHER = key("proof log"), key("proof other")
KEYS = (log_vkey(ORIGIN, KEY.public_key()),)
LEAVES = [leaf_hash(str(number).encode()) for number in range(20)]


def hashes(level: int, index: int) -> bytes:
    part = LEAVES[index << level : (index + 1) << level]
    found: CompactRange = compact_range(0, b"".join(part))
    return found.root()


SOURCE: Hashes = hashes


def note(size: int, signer: str = "proof log") -> bytes:
    return sign_note(format_checkpoint(Checkpoint(ORIGIN, size, root(LEAVES[:size]))), ORIGIN, [key(signer)])


def head(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root(LEAVES[:size]))


def receipt(index: int, size: int) -> Receipt:
    return Receipt(index, tuple(inclusion_proof(index, size, SOURCE)), note(size))


def growth(old: int, new: int) -> Growth:
    return Growth(old, tuple(consistency_proof(old, new, SOURCE)) if old else (), note(new))


@pytest.mark.parametrize("size", range(1, 20))
def test_every_entry_of_every_size_has_a_receipt(size: int) -> None:
    for index in range(size):
        data = format_receipt(receipt(index, size))
        assert verify_receipt(parse_receipt(data), LEAVES[index], ORIGIN, KEYS) == head(size)


@pytest.mark.parametrize("new", range(1, 20))
def test_every_size_grows_from_every_smaller_one(new: int) -> None:
    for old in range(new + 1):
        data = format_growth(growth(old, new))
        assert verify_growth(parse_growth(data), head(old) if old else None, ORIGIN, KEYS) == head(new)


def test_the_text_is_that_of_the_specification() -> None:
    lines = format_receipt(receipt(2, 3)).decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 2"]
    assert lines[3:6] == ["", ORIGIN, "3"]
    assert format_growth(growth(0, 3)).startswith(f"old 0\n\n{ORIGIN}\n3\n".encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 2", b"index 02"),
        (b"index 2", b"index -2"),
        (b"index 2", b"index 99999999999999999999"),
        (b"index 2\n", b"extra aGVsbG8=\nindex 2\n"),
        (b"=\n\n", b"=\nAAAA\n\n"),
        (b"=\n\n", b"=\n!\n\n"),
        (b"=\n\n", b"=\r\n\n"),
        (b"\n\n", b"\n"),
    ],
)
def test_another_way_to_write_a_receipt_is_refused(old: bytes, new: bytes) -> None:
    data = format_receipt(receipt(2, 3))
    assert old in data
    with pytest.raises(EvidenceError):
        verify_receipt(parse_receipt(data.replace(old, new, 1)), LEAVES[2], ORIGIN, KEYS)


def test_endless_paths_are_refused() -> None:
    with pytest.raises(MalformedError):
        parse_receipt(format_receipt(Receipt(0, (bytes(32),) * 64, note(1))))
    with pytest.raises(MalformedError):
        parse_growth(format_growth(Growth(1, (bytes(32),) * 127, note(1))))


def test_a_receipt_of_another_entry_or_another_key_is_refused() -> None:
    with pytest.raises(TreeError):
        verify_receipt(receipt(2, 9), LEAVES[3], ORIGIN, KEYS)
    with pytest.raises(TreeError):
        verify_receipt(replace(receipt(2, 9), index=3), LEAVES[2], ORIGIN, KEYS)
    with pytest.raises(SignatureError):
        verify_receipt(replace(receipt(2, 9), note=note(9, "proof other")), LEAVES[2], ORIGIN, KEYS)


def test_a_tree_that_shrinks_forks_or_does_not_continue_is_refused() -> None:
    with pytest.raises(TreeError, match="checkpoint/older"):
        verify_growth(growth(5, 9), head(10), ORIGIN, KEYS)
    with pytest.raises(ForkError, match="log/fork"):
        verify_growth(growth(9, 9), Checkpoint(ORIGIN, 9, bytes(32)), ORIGIN, KEYS)
    with pytest.raises(TreeError, match="proof/consistency"):
        verify_growth(growth(5, 9), Checkpoint(ORIGIN, 5, bytes(32)), ORIGIN, KEYS)
    with pytest.raises(TreeError, match="proof/consistency"):
        verify_growth(growth(4, 9), head(5), ORIGIN, KEYS)
    with pytest.raises(SignatureError):
        verify_growth(replace(growth(5, 9), note=note(9, "proof other")), head(5), ORIGIN, KEYS)
