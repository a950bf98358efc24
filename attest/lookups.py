"""What the replay of control entries looks up in a bundle: roots of the tree at earlier sizes, and detached bodies.

Both are asked for in index order, and keep what neighbours have in common; how much of it is bounded.
"""

from typing import Final

from attest.bundle import Bundle
from attest.errors import EvidenceError
from attest.format.bodies import Block, block_of
from attest.format.statement import parse_statement
from attest.log.merkle import root_at
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at, tile_hashes
from attest.packs import block_after

MAX_SUBTREES: Final = 1 << 16  # kept in memory to compute roots from, with the tiles that they are made of
MAX_TILES: Final = 64


class Roots:
    """The tree's root at any size, out of hash tiles that the scan has compared; None beyond its own.

    Heads follow each other closely and have most of their subtrees in common, so these are kept, so many at a time.
    """

    def __init__(self, bundle: Bundle, size: int) -> None:
        self.bundle, self.size = bundle, size
        self._roots: dict[int, bytes] = {}
        self._subtrees: dict[tuple[int, int], bytes] = {}
        self._tiles: dict[tuple[int, int, int], bytes] = {}

    def __call__(self, size: int) -> bytes | None:
        if size > self.size:
            return None
        if size not in self._roots:
            self._roots[size] = root_at(size, self._subtree)
        return self._roots[size]

    def _subtree(self, level: int, index: int) -> bytes:
        key = level, index
        if key not in self._subtrees:
            if len(self._subtrees) >= MAX_SUBTREES:
                self._subtrees.clear()
            self._subtrees[key] = tile_hashes(self._tile, self.size)(level, index)
        return self._subtrees[key]

    def _tile(self, level: int, index: int, width: int) -> bytes:
        key = level, index, width
        if key not in self._tiles:
            if len(self._tiles) >= MAX_TILES:
                self._tiles.clear()
            self._tiles[key] = self.bundle.hash_tile(level, index, width)
        return self._tiles[key]


class Bodies:
    """The detached body of a control entry, found by the sizes that the entries before it state; of one that is
    `known` only a copy in a pack, whose bytes no other entry answers for. Entries are asked for in index order."""

    def __init__(self, bundle: Bundle, size: int) -> None:
        self.bundle, self.size = bundle, size
        self._tile: tuple[int, list[Block | None]] = -1, []

    def __call__(self, index: int, block: Block, known: bool) -> bytes | None:
        number, place = divmod(index, WIDTH)
        width = tile_at(ENTRIES, number, self.size).width
        if self._tile[0] != number:
            entries = parse_entries(self.bundle.entries(number, width), width)
            self._tile = number, [_block(entry) for entry in entries]
        pack = self.bundle.blocks(number, width)
        if pack is not None:
            return block_after(pack, number, self._tile[1][:place], block)
        return None if known else self.bundle.block(block.digest, block.size)


def _block(entry: bytes) -> Block | None:
    try:
        return block_of(parse_statement(entry).statement.body)
    except EvidenceError:
        return None
