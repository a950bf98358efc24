"""Proofs about a log as files: that an entry is in it (c2sp.org/tlog-proof), that a tree continues an earlier one.

A receipt is the entry's index, its audit path and the checkpoint that the path leads to:

    c2sp.org/tlog-proof@v1
    index 2
    eyS2XAWHfwCAwJjfiOiazmSOawwkyDMcyzHhVvgK2Jg=

    acme.example/dc1
    3
    ...

A growth is a checkpoint with the path from a tree of `old` leaves to it (the body of c2sp.org/tlog-witness,
add-checkpoint); old 0 has no path:

    old 2
    eyS2XAWHfwCAwJjfiOiazmSOawwkyDMcyzHhVvgK2Jg=

    acme.example/dc1
    ...

Both are read only as they would be written. The extra data that a tlog-proof may have is refused: nobody here writes
it. Raises MalformedError for bytes, and what `open_checkpoint` and `attest.log.merkle` raise for what they say.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from attest.errors import ForkError, MalformedError, TreeError
from attest.format.checkpoint import MAX_SIZE
from attest.format.note import MAX_NOTE, Vkey
from attest.log.checkpoint import Checkpoint, open_checkpoint
from attest.log.merkle import HASH_SIZE, verify_consistency, verify_inclusion

VERSION: Final = "c2sp.org/tlog-proof@v1"
MAX_PATH: Final = 63  # hashes: the height of a tree
MAX_GROWTH: Final = 2 * MAX_PATH
MAX_PROOF: Final = MAX_NOTE + MAX_GROWTH * 45 + 64  # bytes

_NUMBER: Final = re.compile(r"0|[1-9]\d{0,18}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A tlog-proof, not verified: `note` is the checkpoint's."""

    index: int
    path: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """A checkpoint's note, and the consistency path from a tree of `old` leaves to it."""

    old: int
    path: tuple[bytes, ...]
    note: bytes


def format_receipt(receipt: Receipt) -> bytes:
    """A tlog-proof."""
    return _format([VERSION, f"index {receipt.index}"], receipt.path, receipt.note)


def parse_receipt(data: bytes) -> Receipt:
    """Bytes to receipt."""
    lines, note = _split(data)
    if lines[0] != VERSION or len(lines) < 2:
        _bad("is no tlog-proof of version 1")
    receipt = Receipt(_number(lines[1], "index "), _hashes(lines[2:], MAX_PATH), note)
    if format_receipt(receipt) != data:
        _bad("not the one way to write this receipt")
    return receipt


def verify_receipt(receipt: Receipt, leaf: bytes, origin: str, keys: tuple[Vkey, ...]) -> Checkpoint:
    """The entry with this leaf hash is in the log of this name; returns the tree that its key signed."""
    head, _ = open_checkpoint(receipt.note, origin, keys)
    verify_inclusion(leaf, receipt.index, head.size, receipt.path, head.root)
    return head


def format_growth(growth: Growth) -> bytes:
    """A checkpoint with what leads to it."""
    return _format([f"old {growth.old}"], growth.path, growth.note)


def parse_growth(data: bytes) -> Growth:
    """Bytes to growth."""
    lines, note = _split(data)
    growth = Growth(_number(lines[0], "old "), _hashes(lines[1:], MAX_GROWTH), note)
    if format_growth(growth) != data:
        _bad("not the one way to write this checkpoint's growth")
    return growth


def verify_growth(growth: Growth, last: Checkpoint | None, origin: str, keys: tuple[Vkey, ...]) -> Checkpoint:
    """The checkpoint is the log's and continues the `last` one that was seen, None for the first.

    Raises TreeError where it is smaller or the path does not lead to it, ForkError where two roots of one size are
    signed.
    """
    head, _ = open_checkpoint(growth.note, origin, keys)
    if last is None:
        return head
    if head.size < last.size:
        raise TreeError("checkpoint/older", f"of size {head.size}, after one of size {last.size} was seen")
    if head.size == last.size and head.root != last.root:
        detail = f"two roots of size {head.size}: {last.root.hex()} was seen, {head.root.hex()} is signed now"
        raise ForkError("log/fork", detail)
    if growth.old != last.size:
        raise TreeError("proof/consistency", f"leads on from size {growth.old}, not from {last.size}")
    verify_consistency(last.size, head.size, growth.path, last.root, head.root)
    return head


def _format(lines: list[str], path: Sequence[bytes], note: bytes) -> bytes:
    lines += [base64.b64encode(each).decode() for each in path]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + note


def _split(data: bytes) -> tuple[list[str], bytes]:
    """The lines up to the first empty one, and what follows."""
    if len(data) > MAX_PROOF:
        _bad(f"{len(data)} bytes, at most {MAX_PROOF}")
    head, separator, note = data.partition(b"\n\n")
    if not separator or not head.isascii():
        _bad("must be lines, an empty line and a checkpoint")
    return head.decode("ascii").split("\n"), note


def _number(line: str, word: str) -> int:
    digits = line.removeprefix(word)
    if digits == line or not _NUMBER.fullmatch(digits) or int(digits) > MAX_SIZE:
        _bad(f"must say {word}and a number")
    return int(digits)


def _hashes(lines: Sequence[str], limit: int) -> tuple[bytes, ...]:
    if len(lines) > limit:
        _bad(f"{len(lines)} hashes, at most {limit}")
    try:
        found = tuple(base64.b64decode(line, validate=True) for line in lines)
    except (binascii.Error, ValueError) as error:
        _bad(f"not base64: {error}")
    if any(len(each) != HASH_SIZE for each in found):
        _bad("a hash that is not of 32 bytes")
    return found


def _bad(detail: str) -> NoReturn:
    raise MalformedError("proof/malformed", detail)
