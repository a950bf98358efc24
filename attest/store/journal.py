"""The journal of a log: entries that were accepted and are under no checkpoint yet, each with its block.

    attest journal 1                        a header of two lines: the format and the log's origin
    example.com/dc2
    u64 size of the payload, its SHA-256    a frame: what one append or extend accepted; all numbers big endian
    payload                                 records: u64 position in the log, u16 size of the entry, u64 size
                                            of its block (2**64 - 1 for none), entry, block

A frame is accepted when it is written and synced, so only the last one can be torn. A torn frame was never
accepted: opening cuts it off and says so. A bad frame that others follow is damage, which is refused. What opening
finds whole may have been written by a process that was killed before it synced, and is made to last first.

A sealing empties the journal in place. Who only reads it may do so while a writer seals and accepts more, and then sees
some frames of each: it reads again until the first frame, whose positions never come back, is the same after as before.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from attest.errors import LogError
from attest.store import disk

_MAGIC: Final = b"attest journal 1\n"
_FRAME: Final = struct.Struct(">Q32s")
_RECORD: Final = struct.Struct(">QHQ")
_NO_BLOCK: Final = (1 << 64) - 1
MAX_FRAME: Final = 1 << 40
SECTOR: Final = 512  # bytes, the least that a disk writes at once
MAX_SOUGHT: Final = 1 << 32  # bytes that are hashed to find a whole frame after a torn one
_LENGTH: Final = re.compile(rb"(?=\0{4}(?!\0{4}))")  # of a frame with something in it, below 4 GiB


class Record(NamedTuple):
    """An accepted entry and its position in the log; `block` is the offset and size of its block in the journal."""

    position: int
    entry: bytes
    block: tuple[int, int] | None


class Journal:
    """The journal file at `path`. `torn` is the number of bytes of an unfinished frame at its end."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Raises LogError (log/not-a-log, log/journal-damaged), OSError."""
        self.path = path
        self._file = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
        try:
            self.origin, self._begin = self._header()
            self.end = self._begin
            self.records = self._settled()
            self.torn = os.fstat(self._file).st_size - self.end
            if not read_only:
                if self.torn:
                    disk.truncate(self._file, self.end)
                disk.sync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    @staticmethod
    def create(path: Path, temporary: Path, origin: str) -> None:
        """Writes an empty journal; its name lasts once its directory is synced."""
        disk.replace(temporary, path, [_MAGIC + origin.encode() + b"\n"])

    def append(self, items: Sequence[tuple[int, bytes, bytes | None]]) -> list[Record]:
        """Accepts entries (position, entry, block) as one frame, all of them or, on an exception, none."""
        records = []
        parts: list[bytes] = []
        offset = self.end + _FRAME.size
        for position, entry, block in items:
            parts += (
                _RECORD.pack(position, len(entry), _NO_BLOCK if block is None else len(block)),
                entry,
                block or b"",
            )
            offset += _RECORD.size + len(entry)
            records.append(Record(position, entry, None if block is None else (offset, len(block))))
            offset += len(block or b"")
        payload = b"".join(parts)
        os.lseek(self._file, self.end, os.SEEK_SET)
        disk.write(self._file, _FRAME.pack(len(payload), hashlib.sha256(payload).digest()) + payload)
        disk.sync(self._file)
        self.end = offset
        self.records += records
        return records

    def block(self, record: Record) -> bytes:
        """The block of a record that has one; whatever is in its place once a writer beside this reader sealed it."""
        assert record.block is not None
        offset, size = record.block
        return self._pread(offset, size)

    def clear(self) -> None:
        """Drops all records: they are under a checkpoint."""
        disk.truncate(self._file, self._begin)
        disk.sync(self._file)
        self.end = self._begin
        self.records = []

    def close(self) -> None:
        os.close(self._file)

    def _header(self) -> tuple[str, int]:
        magic, _, rest = self._pread(0, 1024).partition(b"\n")
        origin, newline, _ = rest.partition(b"\n")
        try:
            if magic + b"\n" == _MAGIC and newline:
                return origin.decode(), len(_MAGIC) + len(origin) + 1
        except UnicodeDecodeError:
            pass
        raise LogError("log/not-a-log", f"{self.path} is no journal of a log")

    def _settled(self) -> list[Record]:
        """What `_scan` finds with no sealing in between."""
        while True:
            first = self._pread(self._begin, _FRAME.size)
            try:
                records = list(self._scan())
            except LogError:
                if self._pread(self._begin, _FRAME.size) == first:
                    raise
            else:
                if self._pread(self._begin, _FRAME.size) == first:
                    return records

    def _scan(self) -> Iterator[Record]:
        size, self.end = os.fstat(self._file).st_size, self._begin
        while len(head := self._pread(self.end, _FRAME.size)) == _FRAME.size:
            start = self.end + _FRAME.size
            length, digest = _FRAME.unpack(head)
            if start + length > size:
                return
            payload = self._pread(start, length)
            if hashlib.sha256(payload).digest() != digest:
                # A tear leaves the last frame short of bytes or with zeros for them, on some systems all of it.
                if start + length < size:
                    self._require_torn(self._pread(self.end, size - self.end))
                return
            yield from self._parse(payload, start)
            self.end = start + length

    def _parse(self, payload: bytes, start: int) -> Iterator[Record]:
        offset = 0
        while offset < len(payload):
            position, length, size = _RECORD.unpack_from(payload, offset)
            offset += _RECORD.size
            entry = payload[offset : offset + length]
            offset += length
            yield Record(position, entry, None if size == _NO_BLOCK else (start + offset, size))
            offset += 0 if size == _NO_BLOCK else size

    def _require_torn(self, rest: bytes) -> None:
        """Raise LogError `log/journal-damaged` unless this is what is left of one frame without its length."""
        edge = min(SECTOR - self.end % SECTOR, _FRAME.size)
        unwritten = any(part and not any(part) for part in (rest[:edge], rest[edge : _FRAME.size]))
        if any(rest) and (not unwritten or _has_frame(rest)):
            self._damaged()

    def _damaged(self) -> NoReturn:
        hint = "keep the file, restore it from a copy, or remove it and append again what it held"
        raise LogError("log/journal-damaged", f"{self.path} is damaged at byte {self.end:,}", hint=hint)

    def _pread(self, offset: int, size: int) -> bytes:
        parts = []
        while size:
            part = os.pread(self._file, size, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)


def _has_frame(data: bytes) -> bool:
    """Whether a whole frame stands anywhere in it, or too much looks like one."""
    sought = 0
    for found in _LENGTH.finditer(data, 0, len(data) - _FRAME.size):
        length, digest = _FRAME.unpack_from(data, found.start())
        start = found.start() + _FRAME.size
        if start + length <= len(data):
            sought += length
            if sought > MAX_SOUGHT or hashlib.sha256(data[start : start + length]).digest() == digest:
                return True
    return False
