"""The files of a log (c2sp.org/tlog-tiles): which there are, what they are called, what is in them.

    tile/<level>/<index>[.p/<width>]    hashes, 32 bytes each, up to 256 (8,192 bytes); level 0 are leaf hashes,
                                        one at level n + 1 is the root of a full tile at level n
    tile/entries/<index>[.p/<width>]    entries, each after its length as u16, big endian
    blocks/<index>[.p/<width>]          the detached blocks of those entries, in order, padded to 8 bytes each
    blocks/sha256/<digest>              one block by itself

The index is written in groups of three digits, all but the last marked with an x; the width, 1 to 255,
only where the tile is not full yet:

    >>> path(Tile(ENTRIES, 1234067, 8))
    'tile/entries/x001/x234/067.p/8'
    >>> parse_path("tile/2/000.p/17")
    Tile(level=2, index=0, width=17)
    >>> [path(tile) for tile in needed(70_000)][-4:]
    ['tile/0/273.p/112', 'tile/1/000', 'tile/1/001.p/17', 'tile/2/000.p/1']

A path is accepted only as `path` would write it. Raises MalformedError for a path, TreeError for contents.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from attest.errors import MalformedError, TreeError
from attest.log.merkle import HASH_SIZE, CompactRange, Hashes, compact_range, decompose

WIDTH: Final = 256
MAX_ENTRY: Final = 65_535
MAX_LEVEL: Final = 7  # 256**8 leaves is more than a size can say
ENTRIES: Final = -1  # in the place of a level
BLOCKS: Final = -2
PADDING: Final = 8

CHECKPOINT: Final = "checkpoint"

_BLOCK = re.compile(r"blocks/sha256/[0-9a-f]{64}")
_PATH = re.compile(r"(tile/(?P<level>[0-7]|entries)|blocks)/(?P<index>(x\d{3}/)*\d{3})(\.p/(?P<width>[1-9]\d{0,2}))?")


class Tile(NamedTuple):
    """One file: `level` is 0 to 7, ENTRIES or BLOCKS; `width` counts hashes or entries."""

    level: int
    index: int  # type: ignore[assignment]  # the standard's word; nobody searches a tile
    width: int


def path(tile: Tile) -> str:
    """The path of a tile below the log's directory."""
    kind = {ENTRIES: "tile/entries", BLOCKS: "blocks"}.get(tile.level, f"tile/{tile.level}")
    digits = f"{tile.index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    partial = "" if tile.width == WIDTH else f".p/{tile.width}"
    return "/x".join((kind, *groups[:-1])) + f"/{groups[-1]}{partial}"


def parse_path(text: str) -> Tile:
    """The tile of a path. Raises MalformedError."""
    match = _PATH.fullmatch(text) if len(text) < 100 and text.isascii() else None
    if match is None:
        raise MalformedError("tile/path", "not the path of a tile", path=text)
    level = {"entries": ENTRIES, None: BLOCKS}.get(match["level"])
    tile = Tile(
        int(match["level"]) if level is None else level,
        int(match["index"].replace("/", "").replace("x", "")),
        int(match["width"] or WIDTH),
    )
    if tile.width > WIDTH or path(tile) != text:
        raise MalformedError(
            "tile/path", f"a tile is written {path(tile._replace(width=min(WIDTH, tile.width)))}", path=text
        )
    return tile


def block_path(digest: bytes) -> str:
    """The path of a block that stands by itself."""
    return f"blocks/sha256/{digest.hex()}"


def hashes_at(level: int, size: int) -> int:
    """How many hashes (or entries, for ENTRIES and BLOCKS) level `level` of a tree of `size` leaves has."""
    return size >> 8 * max(level, 0)


def tile_at(level: int, index: int, size: int) -> Tile:
    """Tile `index` of a level as wide as a tree of `size` leaves has it; width 0 if it has none."""
    return Tile(level, index, max(0, min(WIDTH, hashes_at(level, size) - index * WIDTH)))


def is_needed(tile: Tile, size: int) -> bool:
    """Whether a checkpoint of `size` leaves needs the file (of blocks: may need)."""
    return tile.width > 0 and tile == tile_at(tile.level, tile.index, size)


def belongs(text: str, size: int) -> bool:
    """Whether a path is one that a copy of a log with a checkpoint of `size` leaves has."""
    if text == CHECKPOINT or _BLOCK.fullmatch(text):
        return True
    try:
        return is_needed(parse_path(text), size)
    except MalformedError:
        return False


def needed(size: int) -> Iterator[Tile]:
    """The tiles that a checkpoint of `size` leaves needs, blocks apart."""
    for level in (ENTRIES, *range(MAX_LEVEL + 1)):
        for index in range(-(-hashes_at(level, size) // WIDTH)):
            yield tile_at(level, index, size)


def format_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle. Raises ValueError for an entry that is too long."""
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError(f"an entry is at most {MAX_ENTRY} bytes")
    return b"".join([part for entry in entries for part in (len(entry).to_bytes(2, "big"), entry)])


def parse_entries(data: bytes | memoryview, count: int) -> list[bytes]:
    """The entries of a bundle that must hold exactly `count`. Raises TreeError."""
    data = bytes(data)
    entries = []
    offset = 0
    for _ in range(count):
        start = offset + 2
        offset = start + int.from_bytes(data[offset:start], "big")
        entries.append(data[start:offset])
    if offset != len(data):
        found = "ends early" if offset > len(data) else f"goes on after byte {offset:,}"
        raise TreeError("tree/entries", f"a bundle of {count} entries {found}")
    return entries


def block_slots(sizes: Sequence[int | None]) -> tuple[list[int | None], int]:
    """Where in a pack each entry's block begins, and the pack's size, from the sizes the entries state."""
    offset = 0
    slots: list[int | None] = []
    for size in sizes:
        slots.append(None if size is None else offset)
        offset += 0 if size is None else -(-size // PADDING) * PADDING
    return slots, offset


def grow(size: int, edge: Sequence[bytes], leaf_hashes: bytes) -> tuple[list[tuple[Tile, bytes]], list[bytes]]:
    """The hash tiles that new leaves add or change, and the new edge.

    `edge` has for each level the hashes of its last, not full tile (b"" where there is none), as the tree of
    `size` leaves has them.
    """
    written: list[tuple[Tile, bytes]] = []
    after: list[bytes] = []
    fresh = leaf_hashes
    for level in range(MAX_LEVEL + 1):
        data = (edge[level] if level < len(edge) else b"") + fresh
        index = hashes_at(level, size) // WIDTH
        roots = []
        while len(data) >= WIDTH * HASH_SIZE:
            full, data = data[: WIDTH * HASH_SIZE], data[WIDTH * HASH_SIZE :]
            written.append((Tile(level, index, WIDTH), full))
            roots.append(tile_root(full))
            index += 1
        if data and fresh:
            written.append((Tile(level, index, len(data) // HASH_SIZE), data))
        after.append(data)
        fresh = b"".join(roots)
    return written, after


def tile_root(hashes: bytes) -> bytes:
    """The root of a full tile: the hash that stands for it one level up."""
    (found,) = compact_range(0, hashes).hashes
    return found


def tile_hashes(read: Callable[[int, int, int], bytes], size: int) -> Hashes:
    """The perfect subtrees of a tree of `size` leaves, out of its hash tiles: a source for proofs.

    `read` takes level, index and width; nothing here checks that the tiles belong to the tree.
    """

    def hashes(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, 8)
        first = index << height
        tile = tile_at(tile_level, first // WIDTH, size)
        begin = first % WIDTH * HASH_SIZE
        below = read(tile.level, tile.index, tile.width)[begin : begin + (HASH_SIZE << height)]
        if len(below) != HASH_SIZE << height:
            raise TreeError("tree/tile", f"{path(tile)} is too short")
        (found,) = compact_range(0, below).hashes
        return found

    return hashes


def edge_root(size: int, edge: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves, from the hashes of its last tiles."""
    # Every perfect subtree of a whole tree lies in the last tile of its level.
    parts: list[bytes] = []
    for level, index in decompose(0, size):
        tile_level, height = divmod(level, 8)
        begin = (index << height) % WIDTH * HASH_SIZE
        parts.extend(compact_range(0, edge[tile_level][begin : begin + (HASH_SIZE << height)]).hashes)
    return CompactRange(0, size, tuple(parts)).root()
