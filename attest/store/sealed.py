"""The sealed entries of a log, read one by one: what is read is what the checkpoint's root vouches for.

An entry tile counts only where the hashes of its entries are those of the tree: they lead through the hash tiles above
them to the last, not full tile of some level, and the last tiles of all levels together give the root. So a log that is
not read from its beginning is still written on with nothing that it does not hold. Tiles that were read lately are
kept, so that neighbours cost one reading. Damage is LogError (log/damaged); signatures are not verified.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from attest.errors import EvidenceError, LogError, MissingError
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import peek
from attest.log import tiles
from attest.log.merkle import HASH_SIZE, leaf_hash
from attest.log.tiles import ENTRIES, MAX_LEVEL, WIDTH, hashes_at
from attest.packs import Room, open_pack
from attest.store.directory import DirectoryBundle

MAX_TILES: Final = 8  # entry tiles that are kept

_HINT: Final = "restore the log from a copy; nothing was changed"


class Sealed:
    """The first `size` entries of a log. edge: of each level the hashes of its last, not full tile."""

    def __init__(self, path: Path, head: Checkpoint | None) -> None:
        """Those under a checkpoint, whose root the last tiles have to give; none without one."""
        self.path, self.size = path, head.size if head else 0
        self._entries: OrderedDict[int, list[bytes]] = OrderedDict()
        self._hashes: dict[tuple[int, int], bytes] = {}  # of full tiles above the leaves
        self.edge = []
        for level in range(MAX_LEVEL + 1):
            tile = tiles.tile_at(level, hashes_at(level, self.size) // WIDTH, self.size)
            with damage():
                self.edge.append(self._bundle.hash_tile(*tile) if tile.width else b"")
        if head and tiles.edge_root(self.size, self.edge) != head.root:
            raise damaged(f"the last hash tiles do not give the checkpoint's root {head.root.hex()}")

    @classmethod
    def of(cls, path: Path, head: Checkpoint | None) -> Self:
        """The same, or what has come to be: a writer beside this reader sweeps partial tiles as soon as a newer
        checkpoint supersedes them."""
        try:
            return cls(path, head)
        except LogError:
            now = _head(path)
            if head is None or now.size <= head.size:
                raise
            return cls.of(path, now)

    @classmethod
    def newest(cls, path: Path) -> Self:
        """The same under the newest checkpoint. Raises LogError where there is none."""
        return cls.of(path, _head(path))

    @cached_property
    def _bundle(self) -> DirectoryBundle:
        return DirectoryBundle(self.path)

    def grow(self, size: int, edge: list[bytes]) -> None:
        """The log was sealed at another size."""
        self._entries.pop(self.size // WIDTH, None)
        self.size, self.edge = size, edge

    def entry(self, index: int) -> bytes:
        """One entry."""
        return self.tile(index // WIDTH)[index % WIDTH]

    def block(self, index: int) -> bytes | None:
        """The block of one entry, None if it has none."""
        tile, place = divmod(index, WIDTH)
        while True:
            with damage():
                stated = [peek(entry).block for entry in self.tile(tile)]
                found = open_pack(self._bundle, tile, len(stated), stated, Room())(place)
            if found is not None or stated[place] is None:
                return None if found is None else bytes(found)
            del self._entries[tile]  # a writer beside this reader may have put another pack in place of this one
            if len(self.tile(tile)) == len(stated):
                return None

    def tile(self, index: int) -> list[bytes]:
        """The entries of an entry tile."""
        found = self._entries.get(index)
        if found is None:
            found = self._entries[index] = self._read(index)
            if len(self._entries) > MAX_TILES:
                self._entries.popitem(last=False)
        self._entries.move_to_end(index)
        return found

    def leaves(self, index: int) -> bytes:
        """The hashes of an entry tile's entries, as level 0 of the tree has them, whether they are or not."""
        with damage():
            return self._bundle.hash_tile(*tiles.tile_at(0, index, self.size))

    def hash_tile(self, level: int, index: int, width: int) -> bytes:
        """A tile of hashes above the leaves, `width` of them."""
        if index == hashes_at(level, self.size) // WIDTH:
            return self.edge[level][: width * HASH_SIZE]
        if (level, index) not in self._hashes:
            with damage():
                data = self._bundle.hash_tile(level, index, WIDTH)
            self._require(level, index, data)
            self._hashes[level, index] = data
        return self._hashes[level, index]

    def _read(self, index: int) -> list[bytes]:
        tile = tiles.tile_at(ENTRIES, index, self.size)
        try:
            with damage():
                found = tiles.parse_entries(self._bundle.entries(tile.index, tile.width), tile.width)
            self._require(0, index, b"".join(map(leaf_hash, found)))
        except LogError:
            now = _head(self.path)
            if now.size <= self.size:
                raise
            return Sealed.of(self.path, now)._read(index)
        return found

    def _require(self, level: int, index: int, hashes: bytes) -> None:
        """Raise LogError unless a tile of hashes is the tree's."""
        if index == hashes_at(level, self.size) // WIDTH:
            right = hashes == self.edge[level]
        else:
            above = self.hash_tile(level + 1, index // WIDTH, index % WIDTH + 1)
            right = tiles.tile_root(hashes) == above[index % WIDTH * HASH_SIZE :][:HASH_SIZE]
        if not right:
            tile = tiles.tile_at(level or ENTRIES, index, self.size)
            raise damaged(f"{tiles.path(tile)} is not what the checkpoint's root was made of")


def _head(path: Path) -> Checkpoint:
    with damage():
        return parse_checkpoint(parse_note(DirectoryBundle(path).checkpoint()).text)


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Bad evidence in one's own log is damage; what this user may not read is none."""
    try:
        yield
    except (EvidenceError, MissingError) as error:
        if isinstance(error.__cause__, PermissionError):
            raise LogError("log/denied", error.detail, hint="work as the user whose log it is") from error
        raise damaged(str(error)) from error


def damaged(detail: str) -> LogError:
    """The error for a log that cannot be written on as it is."""
    return LogError("log/damaged", detail, hint=_HINT)
