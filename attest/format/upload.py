"""An upload: statements of one source with the blocks they commit to, as an agent hands them to its site's log.

    u32 size of the entry, u32 size of the block (2**32 - 1: none), entry, block        all numbers big endian

one after the other, at least one, at most `MAX_ITEMS`, and nothing after the last (schemas/site.md).

>>> parse_upload(format_upload([(b"first", None), (b"second", b"its block")]))
[(b'first', None), (b'second', b'its block')]
>>> parse_upload(b"")
Traceback (most recent call last):
attest.errors.MalformedError: upload/malformed: holds no statement (offset 0)
"""

import struct
from collections.abc import Iterable
from typing import Final

from attest.errors import MalformedError
from attest.format.bodies import MAX_BLOCK
from attest.format.statement import MAX_STATEMENT

CONTENT_TYPE: Final = "application/vnd.attest.upload"
MAX_ITEMS: Final = 256

Item = tuple[bytes, bytes | None]

_HEAD: Final = struct.Struct(">II")
_NO_BLOCK: Final = (1 << 32) - 1


def format_upload(items: Iterable[Item]) -> bytes:
    """Entries and their blocks to bytes."""
    parts: list[bytes] = []
    for entry, block in items:
        parts += (_HEAD.pack(len(entry), _NO_BLOCK if block is None else len(block)), entry, block or b"")
    return b"".join(parts)


def room(entry: int, block: int | None) -> int:
    """Bytes that a statement of these sizes takes in an upload."""
    return _HEAD.size + entry + (block or 0)


def parse_upload(data: bytes) -> list[Item]:
    """Bytes to entries and blocks; what they say is not looked at. Raises MalformedError `upload/malformed`."""
    items: list[Item] = []
    at = 0
    while at < len(data):
        if len(items) == MAX_ITEMS:
            _bad(f"more than {MAX_ITEMS} statements", at)
        if at + _HEAD.size > len(data):
            _bad("ends in the middle of a head", at)
        size, block_size = _HEAD.unpack_from(data, at)
        begin = at + _HEAD.size
        end = begin + size
        stop = end if block_size == _NO_BLOCK else end + block_size
        if not 0 < size <= MAX_STATEMENT or (block_size != _NO_BLOCK and not 0 < block_size <= MAX_BLOCK):
            _bad("a statement or block of a size that none has", at)
        if stop > len(data):
            _bad("ends in the middle of a statement", at)
        items.append((data[begin:end], None if block_size == _NO_BLOCK else data[end:stop]))
        at = stop
    if not items:
        _bad("holds no statement", 0)
    return items


def _bad(detail: str, offset: int) -> None:
    raise MalformedError("upload/malformed", detail, offset=offset)
