"""Pass 2: every entry hashed, the tree rebuilt, hash tiles compared (schemas/verification.md, clause 2).

A scan covers whole tiles and merges with its neighbour's; it interprets nothing but the byte that tells control
entries apart, and hands those on with their leaf hashes.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from attest.bundle import Bundle
from attest.control import CONTROL_KINDS
from attest.errors import TreeError
from attest.format.statement import kind_of
from attest.log.merkle import HASH_SIZE, CompactRange, compact_range, leaf_hash
from attest.log.tiles import BLOCKS, ENTRIES, MAX_LEVEL, WIDTH, Tile, hashes_at, parse_entries, path, tile_at, tile_root

Entry = tuple[int, bytes, bytes]  # log index, leaf hash, bytes
RANGE_TILES: Final = 16  # tiles that one worker takes at a time


class Scan(NamedTuple):
    """`range` of the tree, the roots of its full tiles, and its control entries in order."""

    range: CompactRange
    roots: bytes
    control: tuple[Entry, ...]


def ranges(size: int) -> Iterator[tuple[int, int]]:
    """The tree's entry tiles in parts of RANGE_TILES: [first, last) tile."""
    tiles = -(-size // WIDTH)
    for first in range(0, tiles, RANGE_TILES):
        yield first, min(first + RANGE_TILES, tiles)


def scan(bundle: Bundle, size: int, first: int, last: int) -> Scan:
    """Scan the entry tiles [first, last) of a tree of `size`. Raises TreeError where a tile is not the tree's."""
    parts, roots, control = [], [], []
    for index in range(first, last):
        tile = tile_at(ENTRIES, index, size)
        entries = parse_entries(bundle.entries(index, tile.width), tile.width)
        leaves = [leaf_hash(entry) for entry in entries]
        joined = b"".join(leaves)
        require_tile(bundle, Tile(0, index, tile.width), joined)
        parts.append(joined)
        if tile.width == WIDTH:
            roots.append(tile_root(joined))
        for place, entry in enumerate(entries):
            if kind_of(entry) in CONTROL_KINDS:
                control.append((index * WIDTH + place, leaves[place], entry))
    return Scan(compact_range(first * WIDTH, b"".join(parts)), b"".join(roots), tuple(control))


def merge(left: Scan, right: Scan) -> Scan:
    """Two neighbouring scans as one."""
    return Scan(left.range.merge(right.range), left.roots + right.roots, left.control + right.control)


def require_upper_tiles(bundle: Bundle, size: int, roots: bytes) -> None:
    """Raise TreeError unless the hash tiles above level 0 are what the roots of the full tiles make."""
    for level in range(1, MAX_LEVEL + 1):
        above = []
        for index in range(-(-hashes_at(level, size) // WIDTH)):
            tile = tile_at(level, index, size)
            found = roots[index * WIDTH * HASH_SIZE :][: tile.width * HASH_SIZE]
            require_tile(bundle, tile, found)
            if tile.width == WIDTH:
                above.append(tile_root(found))
        roots = b"".join(above)


def require_tile(bundle: Bundle, tile: Tile, hashes: bytes) -> None:
    """Raise TreeError unless the bundle's hash tile is this."""
    if bundle.hash_tile(*tile) != hashes:
        raise TreeError(
            "tree/tile", f"{path(tile)} is not what the entries hash to", hint="get another copy of the bundle"
        )


def pack_name(index: int, size: int) -> str:
    """The path of the pack with the blocks of an entry tile."""
    return path(tile_at(BLOCKS, index, size))
