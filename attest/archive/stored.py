"""A delivered bundle, read from the store: what `attest check` needs of a bundle, over the objects of a manifest.

Nothing is verified on the way: check hashes what it uses, and `fixity` hashes everything. Picklable where the store is.
"""

import weakref
from bisect import bisect_right
from contextlib import ExitStack
from itertools import accumulate
from typing import Final

from attest.archive.address import Address, address_of
from attest.archive.manifest import Copy, File
from attest.archive.objects import Objects, Reader
from attest.errors import MalformedError, MissingError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.log import tiles
from attest.packs import read_block
from attest.store.by_path import ByPath
from attest.store.directory import MAX_EXTRA

MAX_WHOLE: Final = 1 << 30  # bytes of an object that is read at once
_HINT: Final = "attest archive fixity says what the store has lost"


def read_whole(objects: Objects, address: Address) -> bytes:
    """All of a small object, and its digests are those of the address: what a store did to it shows.

    Raises MissingError.
    """
    if address.size > MAX_WHOLE:
        raise MissingError("archive/size", f"{address.path} has {address.size:,} bytes, at most {MAX_WHOLE:,}")
    with objects.open(address) as reader:
        data = reader.read(0, address.size)
    if address_of(data) != address:
        raise MissingError("archive/changed", f"{objects.name}/{address.path} is not what was stored", hint=_HINT)
    return data


class Joined:
    """The objects of one file, one after the other; implements attest.bundle.Pack. Closed by
    `close`, or when nobody has it any more."""

    def __init__(self, objects: Objects, file: File) -> None:
        with ExitStack() as stack:
            self._readers: list[Reader] = [stack.enter_context(objects.open(part)) for part in file.objects]
            self.close = weakref.finalize(self, stack.pop_all().close)
        self._begins = [0, *accumulate(len(reader) for reader in self._readers)]

    def __len__(self) -> int:
        return self._begins[-1]

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from one place on, fewer at the end."""
        found = bytearray()
        end = min(begin + size, len(self))
        while begin < end:
            number = bisect_right(self._begins, begin) - 1
            within = begin - self._begins[number]
            piece = self._readers[number].read(within, min(end, self._begins[number + 1]) - begin)
            if not piece:
                break
            found += piece
            begin += len(piece)
        return bytes(found)

    def readinto(self, begin: int, room: memoryview) -> int:
        """Fill `room` from one place on; how much there was."""
        found = self.read(begin, len(room))
        room[: len(found)] = found
        return len(found)


class StoredBundle(ByPath):
    """Implements attest.bundle.Bundle."""

    def __init__(self, objects: Objects, copy: Copy) -> None:
        self._objects, self._copy = objects, copy
        self._files = {file.path: file for file in copy.files}

    @property
    def name(self) -> str:
        """The name that the bundle was delivered under."""
        return self._copy.name

    def blocks(self, index: int, width: int) -> Joined | None:
        """The pack of an entry bundle's blocks; None if it is absent."""
        file = self._files.get(tiles.path(tiles.Tile(tiles.BLOCKS, index, width)))
        return None if file is None else Joined(self._objects, file)

    def block(self, digest: bytes, size: int) -> bytes | None:
        """One block that stands by itself, no more than a byte over `size`; None if it is absent."""
        file = self._files.get(tiles.block_path(digest))
        return None if file is None else read_block(Joined(self._objects, file), 0, size + 1)

    def extra(self) -> tuple[str, ...]:
        """Paths of files that the checkpoint does not need, at most 100, in order."""
        try:
            size = parse_checkpoint(parse_note(self.checkpoint()).text).size
        except MalformedError:
            return ()
        return tuple(path for path in sorted(self._files) if not tiles.belongs(path, size))[:MAX_EXTRA]

    def read(self, path: str, limit: int) -> bytes:
        """A whole file, but no more than one byte over the limit."""
        file = self._files.get(path)
        if file is None:
            raise MissingError("bundle/missing", f"{self.name}/{path}: was not delivered", hint="ask for another copy")
        joined = Joined(self._objects, file)
        try:
            return joined.read(0, limit + 1)
        finally:
            joined.close()
