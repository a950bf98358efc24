"""A bundle in memory: the files of a log by their paths, easy to alter, checked like any other bundle.

bundle = lab.bundle()
bundle.flip("tile/entries/000.p/9", 77)              # another byte
del bundle.files["blocks/000.p/9"]                    # a pack that is absent
bundle.save(Path("copy"))                             # what it now is, as a directory
"""

from collections.abc import Sequence
from pathlib import Path

from attest.errors import MalformedError, MissingError, TreeError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.log import tiles
from attest.log.merkle import HASH_SIZE, leaf_hash
from attest.log.tiles import BLOCKS, CHECKPOINT, ENTRIES, PADDING, WIDTH, Tile


class MemoryPack(bytes):
    """Implements attest.bundle.Pack."""

    def readinto(self, begin: int, room: memoryview) -> int:
        """Fill `room` from one place on."""
        data = self[begin : begin + len(room)]
        room[: len(data)] = data
        return len(data)


class MemoryBundle:
    """Implements attest.bundle.Bundle over `files`; `name` is what verdicts call it."""

    def __init__(self, name: str, files: dict[str, bytes]) -> None:
        self._name = name
        self.files = files

    @property
    def name(self) -> str:
        """What to call it in a verdict."""
        return self._name

    def checkpoint(self) -> bytes:
        """The signed note of the newest head."""
        return self._file(CHECKPOINT)

    def hash_tile(self, level: int, index: int, width: int) -> bytes:
        """`width` hashes of 32 bytes."""
        path = tiles.path(Tile(level, index, width))
        data = self._file(path)
        if len(data) != width * HASH_SIZE:
            raise TreeError("tree/tile", f"{path} has {len(data):,} bytes, not {width * HASH_SIZE:,}")
        return data

    def entries(self, index: int, width: int) -> bytes:
        """An entry bundle."""
        return self._file(tiles.path(Tile(ENTRIES, index, width)))

    def blocks(self, index: int, width: int) -> "MemoryPack | None":
        """The pack of an entry bundle's blocks; None if it is absent."""
        path = tiles.path(Tile(BLOCKS, index, width))
        return MemoryPack(self.files[path]) if path in self.files else None

    def block(self, digest: bytes, size: int) -> bytes | None:
        """One block that stands by itself; None if it is absent."""
        data = self.files.get(tiles.block_path(digest))
        return None if data is None else data[: size + 1]

    def extra(self) -> tuple[str, ...]:
        """Paths of files that the checkpoint does not need."""
        try:
            size = parse_checkpoint(parse_note(self.checkpoint()).text).size
        except MalformedError:
            return ()
        return tuple(path for path in sorted(self.files) if not tiles.belongs(path, size))

    def flip(self, path: str, place: int, bit: int = 0) -> None:
        """Change one bit of one byte of a file."""
        data = bytearray(self.files[path])
        data[place] ^= 1 << bit
        self.files[path] = bytes(data)

    def save(self, directory: Path) -> None:
        """Write the files as they are into a directory."""
        for path, data in self.files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)

    def _file(self, path: str) -> bytes:
        if path not in self.files:
            raise MissingError("bundle/missing", f"{self._name}/{path}: there is no such file")
        return self.files[path]


def bundle_files(note: bytes, entries: Sequence[bytes], blocks: Sequence[bytes | None]) -> dict[str, bytes]:
    """The files of a log with these entries and their blocks, under this note, whatever it says."""
    files = {CHECKPOINT: note}
    size = len(entries)
    written, _ = tiles.grow(0, [], b"".join(leaf_hash(entry) for entry in entries))
    for tile, data in written:
        files[tiles.path(tile)] = data
    for index in range(-(-size // WIDTH)):
        here = slice(index * WIDTH, (index + 1) * WIDTH)
        files[tiles.path(tiles.tile_at(ENTRIES, index, size))] = tiles.format_entries(entries[here])
        pack = b"".join(block + bytes(-len(block) % PADDING) for block in blocks[here] if block is not None)
        if pack:
            files[tiles.path(tiles.tile_at(BLOCKS, index, size))] = pack
    return files
