"""A bundle in a directory: the files of attest.log.tiles, read as they are asked for.

Nothing is mapped: what was hashed is what is used, whoever writes to the file meanwhile, and a file that is cut short
is a short read. Of packs, blocks are read one by one; at most 16 are held open, and a pack that was handed out stays
open for as long as it is used. Symbolic links are followed only as far as they stay inside the directory.

What those who write keep their balance by lies beside the log and is no part of the bundle: `.lock` and `.asked`
(attest.store.handover), `.journal` (entries not yet under a checkpoint), `.index` (attest.store.index), `.tmp`, and
`.outbox/` (what sources are about to sign, attest.record.chain).

Raises MissingError for what cannot be had (exit 6: nothing was verified), TreeError for a hash tile of the
wrong length.
"""

import os
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final

from attest.errors import MalformedError, MissingError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.log import tiles
from attest.packs import read_block
from attest.store.by_path import ByPath
from attest.store.inside import Inside, reason

LOCK: Final = ".lock"
ASKED: Final = ".asked"
JOURNAL: Final = ".journal"
INDEX: Final = ".index"
TEMPORARY: Final = ".tmp"
OUTBOX: Final = ".outbox"
MAX_PACKS: Final = 16  # held open
MAX_EXTRA: Final = 100

_BESIDE: Final = (LOCK, ASKED, JOURNAL, INDEX, TEMPORARY)
_HINT: Final = "a bundle is a directory that holds `checkpoint` and `tile/`; get another copy if this one is incomplete"


class FilePack:
    """Implements attest.bundle.Pack over an open file, which is closed when nobody has the pack any more."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._descriptor, self._path = os.dup(file.fileno()), path
        weakref.finalize(self, os.close, self._descriptor)
        self._size = os.fstat(self._descriptor).st_size
        file.close()

    def __len__(self) -> int:
        return self._size

    def readinto(self, begin: int, room: memoryview) -> int:
        """Fill `room` from one place on; how much there was. Raises MissingError where the device fails."""
        try:
            return os.preadv(self._descriptor, [room], begin)
        except OSError as error:
            raise MissingError("bundle/missing", f"{self._path}: {reason(error)}", hint=_HINT) from error


class DirectoryBundle(ByPath):
    """Implements attest.bundle.Bundle."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises MissingError unless `path` is a directory with a checkpoint that can be read."""
        self.path = Path(path)
        self._open()
        self.checkpoint()

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self._inside.name

    def blocks(self, index: int, width: int) -> FilePack | None:
        """The pack of an entry bundle's blocks; None if it is absent."""
        path = tiles.path(tiles.Tile(tiles.BLOCKS, index, width))
        pack = self._packs.get(path)
        if pack is None:
            pack = self._opened(path)
        if pack is None:
            return None
        self._packs[path] = pack
        self._packs.move_to_end(path)
        if len(self._packs) > MAX_PACKS:
            self._packs.popitem(last=False)
        return pack

    def block(self, digest: bytes, size: int) -> bytes | None:
        """One block that stands by itself, no more than a byte over `size`; None if it is absent."""
        pack = self._opened(tiles.block_path(digest))
        return None if pack is None else read_block(pack, 0, size + 1)

    def extra(self) -> tuple[str, ...]:
        """Paths of files that the checkpoint does not need, at most 100, in order."""
        try:
            size = parse_checkpoint(parse_note(self.checkpoint()).text).size
        except MalformedError:
            return ()  # nothing says what is needed; the checkpoint is the finding
        found = []
        for path in self._inside.walk():
            if not (beside(path) or tiles.belongs(path, size)):
                found.append(path)
                if len(found) == MAX_EXTRA:
                    break
        return tuple(found)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def _open(self) -> None:
        self._packs: OrderedDict[str, FilePack] = OrderedDict()
        self._inside = Inside(self.path, _HINT)

    def read(self, path: str, limit: int) -> bytes:
        """A whole file, but no more than one byte over the limit: its content is judged by the caller."""
        try:
            with self._inside.open(path) as file:
                # As much memory as the limit would cost more than to read the file.
                return file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)
        except OSError as error:
            self._inside.missing(path, error)

    def _opened(self, path: str) -> FilePack | None:
        try:
            return FilePack(self._inside.open(path), f"{self.path}/{path}")
        except FileNotFoundError:
            return None
        except OSError as error:
            self._inside.missing(path, error)


def beside(path: str) -> bool:
    """Whether a file is one that those who write a log keep by it: of no copy."""
    return path in _BESIDE or path.startswith(f"{OUTBOX}/")
