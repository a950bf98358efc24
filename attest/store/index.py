"""What has to be known of a log to write on: which places it holds, and where the entries are that change its rules.

Reading all entries takes some 20 us each, so what was found in full tiles is kept beside the log, in a file that is an
index of it and no more. It counts if the log's tree has its root at its size, and then only what came since is read;
else, or where it is missing or not as it was written, everything is read and it is written anew. Each entry that it
points to is looked at before anything rests on it. That it leaves none out, its sum alone says: whoever can write it
can write the log, and no source signs a place twice by it (attest.store.outbox).

    attest index 1 little                       the order of bytes of the machine that wrote it
    SHA-256 of what follows, 32 bytes
    size, root of the first `size` entries      u64, 32 bytes; of full tiles alone
    entries of some kinds                       u64 how many, the log index of each, i64
    runs, up to the end                         u64 bytes of the source's URI, first seq, how many; the URI, and the log
                                                index of each statement, i64
"""

import contextlib
import hashlib
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import numpy as np

from attest.format.statement import Peek, peek
from attest.format.vocabulary import Kind
from attest.log.merkle import HASH_SIZE, leaf_hash, root_at
from attest.log.tiles import WIDTH, tile_hashes
from attest.store import disk
from attest.store.directory import TEMPORARY
from attest.store.files import padded
from attest.store.places import Places, Run
from attest.store.sealed import Sealed, damage, damaged

LISTED: Final = frozenset({Kind.GENESIS, Kind.KEYS, Kind.INVENTORY})
STEP: Final = 4 * WIDTH  # entries that are read again rather than that the file is written anew
MAX_INDEX: Final = 1 << 32  # bytes

_MAGIC: Final = f"attest index 1 {sys.byteorder}\n".encode()
_HEAD: Final = struct.Struct(f"=Q{HASH_SIZE}sQ")
_RUN: Final = struct.Struct("=QQQ")


class Index:
    """Of the first entries of a log. size: how many were read. pack: bytes of the last, partial pack of blocks."""

    def __init__(self) -> None:
        self.size = self.pack = 0
        self.places = Places()
        self._listed = array("q")

    @classmethod
    def of(cls, sealed: Sealed, size: int, path: Path) -> Self:
        """Of the first `size` entries of a log that is only looked at, with the help of the file."""
        index = cls._load(sealed, size, path) or cls()
        index._read(sealed, size)
        return index

    @classmethod
    def to_write(cls, sealed: Sealed, path: Path, *, anew: bool = False) -> Self:
        """The same of a log that is written on: level 0 of its tree is compared, too, and the file is kept up."""
        index = (None if anew else cls._load(sealed, sealed.size, path)) or cls()
        begin = index.size
        index._read(sealed, sealed.size // WIDTH * WIDTH, whole=True)
        if anew or index.size - begin >= STEP:
            index._save(sealed, path)
        index._read(sealed, sealed.size, whole=True)
        return index

    def add(self, index: int, found: Peek) -> None:
        """The next entry."""
        self.places.add(found.sub, found.seq, index)
        if found.kind in LISTED:
            self._listed.append(index)
        self.size = index + 1

    def listed(self, begin: int) -> Iterator[int]:
        """The entries of the kinds LISTED, from one on."""
        yield from self._listed[bisect_left(self._listed, begin) :]

    def _read(self, sealed: Sealed, size: int, *, whole: bool = False) -> None:
        """The entries that follow, from the beginning of a tile, up to `size`."""
        for number in range(self.size // WIDTH, -(-size // WIDTH)):
            entries = sealed.tile(number)[: size - number * WIDTH]
            with damage():
                found = [peek(entry) for entry in entries]
            if whole and sealed.leaves(number) != b"".join(map(leaf_hash, entries)):
                raise damaged(f"hash tile {number} is not of the entries")
            for place, each in enumerate(found, number * WIDTH):
                self.add(place, each)
            self.pack = 0 if len(found) == WIDTH else sum(padded(each.block.size) for each in found if each.block)

    # -- the file

    @classmethod
    def _load(cls, sealed: Sealed, size: int, path: Path) -> Self | None:
        """What is kept of the first `size` entries or fewer, None where there is nothing that is."""
        begin = len(_MAGIC) + HASH_SIZE
        try:
            if path.stat().st_size > MAX_INDEX:
                return None
            data = memoryview(path.read_bytes())
            if data[:begin] != _MAGIC + hashlib.sha256(data[begin:]).digest():
                return None
            index, root = cls._parse(data[begin:])
        except (OSError, struct.error, ValueError):
            return None
        whole = 0 < index.size <= size and not index.size % WIDTH
        return index if whole and _root(sealed, index.size) == root else None

    @classmethod
    def _parse(cls, body: memoryview) -> tuple[Self, bytes]:
        """An index, and the root of what it is of. Raises struct.error, ValueError."""
        index, at = cls(), _HEAD.size
        index.size, root, count = _HEAD.unpack_from(body)
        index._listed, at = _array(body, at, count, index.size)
        while at < len(body):
            length, first, count = _RUN.unpack_from(body, at)
            at += _RUN.size + length
            sub = str(body[at - length : at], "utf-8")
            run, at = _array(body, at, count, index.size)
            index.places.put(sub, Run(first, run))
        return index, root

    def _save(self, sealed: Sealed, path: Path) -> None:
        parts = [_HEAD.pack(self.size, _root(sealed, self.size), len(self._listed)), self._listed.tobytes()]
        for sub, run in self.places:
            name = sub.encode()
            parts += [_RUN.pack(len(name), run.first, len(run.at)), name, run.at.tobytes()]
        body = b"".join(parts)
        with contextlib.suppress(OSError):  # without it everything is read again
            disk.replace(path.with_name(TEMPORARY), path, [_MAGIC, hashlib.sha256(body).digest(), body])


def _root(sealed: Sealed, size: int) -> bytes:
    """The root of the first `size` entries of a log, in full tiles."""
    return root_at(size, tile_hashes(sealed.hash_tile, sealed.size))


def _array(body: memoryview, at: int, count: int, size: int) -> tuple["array[int]", int]:
    """So many indices below `size` from one place on, and where they end. Raises ValueError."""
    found = array("q")
    end = at + count * found.itemsize
    if end > len(body):
        raise ValueError("ends early")
    values = np.frombuffer(body[at:end], np.int64)
    if count and not 0 <= values.min() <= values.max() < size:
        raise ValueError("an entry that is not in the log")
    found.frombytes(body[at:end])
    return found, end
