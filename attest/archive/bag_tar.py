"""The headers of a tar file: ustar (POSIX.1), with names and sizes by pax or by GNU's long names.

Our own, because a bag may come from anybody: Python's tarfile reads on in the next header by recursion, takes
damage for the end, and keeps every header that it saw. What may be in a bag needs few kinds of them.

Raises MalformedError `bag/member` for everything else: links, devices, holes, and what follows the end.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from attest.errors import MalformedError

BLOCK: Final = 512
MAGIC: Final = (257, b"ustar")
MAX_HEADER: Final = 1 << 16  # bytes of a long name, or of what pax says of one member

Pread = Callable[[int, int], bytes]

_OCTAL: Final = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD: Final = re.compile(rb"([1-9]\d{0,4}) ([^=]+)=", re.DOTALL)
_USED: Final = (b"path", b"size")
_END: Final = bytes(BLOCK)


class Member(NamedTuple):
    """A file, or a directory (its name ends in a slash), and where its bytes lie."""

    name: str
    begin: int
    size: int


def members(pread: Pread, length: int) -> Iterator[Member]:
    """The members of a tar file of so many bytes; `pread` reads so many at a place."""
    at, said = 0, dict[bytes, bytes]()
    while at < length and (block := pread(BLOCK, at)) != _END:
        kind, size = _header(block, at)
        if kind not in b"Lgx" and b"size" in said:
            size = _decimal(said[b"size"], at)
        begin, at = at + BLOCK, at + BLOCK + size + -size % BLOCK
        if begin + size > length:
            raise _damage("goes on beyond the file", begin - BLOCK)
        if kind in b"Lgx":
            if size > MAX_HEADER:
                raise _damage(f"is a header of more than {MAX_HEADER:,} bytes", begin - BLOCK)
            said |= _records(kind, pread(size, begin), begin)
            continue
        name = said.get(b"path", _name(block)).decode("utf-8", "surrogateescape")
        if kind not in b"\x0005":
            raise _damage(f"{name[:200]!r} is neither a file nor a directory", begin - BLOCK)
        yield Member(name.rstrip("/") + "/" * (kind == b"5"), begin, size if kind != b"5" else 0)
        said = {}
    while at < length:  # another program might read on there
        piece = pread(1 << 20, at)
        if piece.count(0) != len(piece) or not piece:
            raise _damage("is something other than zeros after the end", at)
        at += len(piece)


def _header(block: bytes, at: int) -> tuple[bytes, int]:
    """The kind and the size of what follows a header."""
    place, magic = MAGIC
    if len(block) != BLOCK or block[place : place + len(magic)] != magic:
        raise _damage("is no header of a tar file", at)
    if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _number(block[148:156], at):
        raise _damage("is a header whose sum is wrong", at)
    return block[156:157], _number(block[124:136], at)


def _name(block: bytes) -> bytes:
    name, prefix = block[:100].split(b"\0")[0], b""
    if block[257:263] == b"ustar\0":  # GNU has times there
        prefix = block[345:500].split(b"\0")[0]
    return prefix + b"/" + name if prefix else name


def _records(kind: bytes, data: bytes, at: int) -> dict[bytes, bytes]:
    """What a header says of the next one's path and size: by pax, a length, a key, = and a value, and a line's end."""
    if kind == b"L":
        return {b"path": data.split(b"\0")[0]}
    found, begin = dict[bytes, bytes](), 0
    while begin < len(data):
        record = _RECORD.match(data, begin)
        end = begin + int(record[1]) if record else 0
        if record is None or not record.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise _damage("is no record of pax", at + begin)
        if record[2].startswith(b"GNU.sparse") or (kind == b"g" and record[2] in _USED):
            raise _damage("is a member with holes, or one name or size for all members", at + begin)
        if record[2] in _USED:  # and of whatever else there is, nothing is kept
            found[record[2]] = data[record.end() : end - 1]
        begin = end
    return found


def _number(field: bytes, at: int) -> int:
    if field[0] == 0x80:  # GNU's, for what is too large for octal
        return int.from_bytes(field[1:])
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise _damage("is a header with a number that is none", at)
    return int(found[1] or b"0", 8)


def _decimal(text: bytes, at: int) -> int:
    if not re.fullmatch(rb"\d{1,20}", text):
        raise _damage("is a member whose size is no number", at)
    return int(text)


def _damage(what: str, at: int) -> MalformedError:
    return MalformedError("bag/member", f"at byte {at:,} {what}")
