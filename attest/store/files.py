"""The tile files of a log that is being written: put whole, made to last together, swept when superseded.

A partial tile continues: the next one is the old one's bytes and what is new, under another name, so the tree
of the old checkpoint stays whole until the new one is published.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attest.errors import LogError
from attest.log import tiles
from attest.log.tiles import BLOCKS, ENTRIES, MAX_LEVEL, PADDING, WIDTH, Tile
from attest.store import disk
from attest.store.directory import TEMPORARY
from attest.store.journal import Journal, Record


class TileFiles:
    """Files below a log's directory; what is changed lasts once `sync` returned. Raises OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changed: set[Path] = set()
        self._lasting: set[Path] = set()  # directories whose names last once `sync` returned

    def put(self, path: str, parts: Iterable[bytes]) -> None:
        """Writes a file in one piece, in place of one that may be there."""
        target = self._root / path
        self._make(target.parent)
        disk.replace(self._root / TEMPORARY, target, parts)
        self._changed.add(target.parent)
        for folder in target.parents:
            # Also of directories that were there: whoever was killed after making one may not have synced its name.
            if folder == self._root or folder in self._lasting:
                break
            self._changed.add(folder.parent)
            self._lasting.add(folder)

    def put_entries(self, size: int, pack: int, records: Sequence[Record], journal: Journal) -> int:
        """Adds records to a log of `size` leaves: entry bundles and packs of blocks.

        `pack` is the size of the last, partial pack; returns that of the new one.
        """
        new = size + len(records)
        for index in range(size // WIDTH, -(-new // WIDTH)):
            begin = max(size, index * WIDTH)
            part = records[begin - size : (index + 1) * WIDTH - size]
            old, target = Tile(ENTRIES, index, begin % WIDTH), tiles.tile_at(ENTRIES, index, new)
            bundle = tiles.format_entries([record.entry for record in part])
            self.put(tiles.path(target), [self._read(old), bundle])
            before = pack if old.width else 0
            pack = before + sum(padded(record.block[1]) for record in part if record.block)
            if pack:
                kept = self._read(old._replace(level=BLOCKS)) if before else b""
                if len(kept) != before:
                    raise LogError("log/damaged", f"pack {index} has {len(kept):,} bytes, not {before:,}")
                self.put(tiles.path(target._replace(level=BLOCKS)), _pack(kept, part, journal))
        return pack if new % WIDTH else 0

    def sync(self) -> None:
        """All names put or removed so far are on the disk."""
        for directory in sorted(self._changed):
            disk.sync_directory(directory)
        self._changed.clear()

    def sweep(self, begin: int, end: int, size: int, *, again: bool = False) -> None:
        """Removes every tile over leaves [begin, end) that a checkpoint of `size` leaves does not need. If somebody has
        begun to do so before, and was killed, it is `again` that makes what he did last."""
        for level in (ENTRIES, BLOCKS, *range(MAX_LEVEL + 1)):
            first, last = (tiles.hashes_at(level, leaf) // WIDTH for leaf in (begin, end))
            for index in range(first, last + 1):
                whole = self._root / tiles.path(Tile(level, index, WIDTH))
                folders = (whole.parent, Path(f"{whole}.p")) if again else ()
                self._changed.update(folder for folder in folders if folder.is_dir())
                for tile in self._present(level, index):
                    if not tiles.is_needed(tile, size):
                        self._remove(self._root / tiles.path(tile))

    def beyond(self, size: int) -> int:
        """The number of leaves that the entry bundles from the last one of a log of `size` leaves on reach to."""
        reach = size
        index = size // WIDTH
        while present := list(self._present(ENTRIES, index)):
            reach = max(reach, index * WIDTH + max(tile.width for tile in present))
            index += 1
        return reach

    def _read(self, tile: Tile) -> bytes:
        return (self._root / tiles.path(tile)).read_bytes() if tile.width else b""

    def _present(self, level: int, index: int) -> Iterator[Tile]:
        """The full and partial tiles that there are at a place."""
        whole = Tile(level, index, WIDTH)
        path = self._root / tiles.path(whole)
        if path.exists():
            yield whole
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(item.name for item in Path(f"{path}.p").iterdir()):
                if name.isdecimal() and 0 < int(name) < WIDTH and str(int(name)) == name:
                    yield Tile(level, index, int(name))

    def _make(self, directory: Path) -> None:
        if not directory.is_dir():
            self._make(directory.parent)
            disk.make_directory(directory)
            self._lasting.discard(directory)

    def _remove(self, path: Path) -> None:
        disk.unlink(path)
        self._changed.add(path.parent)
        if path.parent.suffix == ".p" and not any(path.parent.iterdir()):
            disk.remove_directory(path.parent)
            self._changed.discard(path.parent)
            self._changed.add(path.parent.parent)


def padded(size: int) -> int:
    """The room that a block takes in a pack."""
    return -(-size // PADDING) * PADDING


def _pack(kept: bytes, records: Sequence[Record], journal: Journal) -> Iterator[bytes]:
    yield kept
    for record in records:
        if record.block:
            yield journal.block(record)
            yield bytes(-record.block[1] % PADDING)
