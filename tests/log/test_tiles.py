"""Tile paths, entry bundles, and a log that grows tile by tile."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError, TreeError
from attest.log import merkle, tiles
from attest.log.tiles import BLOCKS, ENTRIES, Tile

LEAVES = [sha256(f"leaf {i}".encode()).digest() for i in range(70_000)]


@given(st.sampled_from([BLOCKS, ENTRIES, 0, 1, 7]), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_is_of_one_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert tiles.parse_path(tiles.path(tile)) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/8/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/x001/x234",
        "tile/0/000.p",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0//000",
        "tile/0/000\n",
        "tile/data/000",
        "tile/0/٠٠٠",
        "blocks/x000/001",
        "blocks/sha256",
        "tile/0/" + "x001/" * 40 + "001",
    ],
)
def test_no_other_path_is(path: str) -> None:
    with pytest.raises(MalformedError, match="tile/path") as caught:
        tiles.parse_path(path)
    assert caught.value.path == path


def test_the_tree_of_70_000_of_the_specification() -> None:
    needed = [tiles.path(tile) for tile in tiles.needed(70_000)]
    assert sum(p.startswith("tile/0/") and ".p/" not in p for p in needed) == 273
    assert sum(p.startswith("tile/entries/") for p in needed) == 274
    assert needed[-4:] == ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tiles.path(t) for t in tiles.needed(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles.needed(0)) == []


def test_what_a_checkpoint_needs() -> None:
    for size in (0, 1, 255, 256, 257, 65_536, 70_000):
        needed = set(tiles.needed(size))
        for level in (ENTRIES, 0, 1, 2):
            for index in (0, 1, 272, 273, 274):
                for width in (1, 17, 112, 255, 256):
                    tile = Tile(level, index, width)
                    assert tiles.is_needed(tile, size) == (tile in needed)
    assert not tiles.is_needed(Tile(0, 3, 0), 256)


def test_entry_bundles() -> None:
    entries = [b"", b"one", b"x" * 65_535]
    data = tiles.format_entries(entries)
    assert data[:7] == b"\0\0\0\3one"
    assert tiles.parse_entries(data, 3) == entries
    assert tiles.parse_entries(memoryview(data), 3) == entries
    assert tiles.parse_entries(b"", 0) == []
    with pytest.raises(ValueError, match="at most"):
        tiles.format_entries([b"x" * 65_536])
    for count in (0, 1, 2, 4, 256):
        with pytest.raises(TreeError, match="tree/entries"):
            tiles.parse_entries(data, count)
    for cut in (1, 2, 3, 6, 8, len(data) - 1):
        with pytest.raises(TreeError, match="tree/entries"):
            tiles.parse_entries(data[:cut], 3)
    with pytest.raises(TreeError, match="goes on after"):
        tiles.parse_entries(data + b"\0", 3)


def test_blocks_are_laid_out_by_the_sizes_that_entries_state() -> None:
    assert tiles.block_slots([5, None, 0, 16, 1]) == ([0, None, 8, 8, 24], 32)
    assert tiles.block_slots([]) == ([], 0)
    assert tiles.block_path(b"\1" * 32) == "blocks/sha256/" + "01" * 32


@pytest.mark.parametrize("step", [1, 7, 255, 256, 257, 20_000])
def test_a_log_that_grows_has_the_tiles_of_its_tree(step: int) -> None:
    limit = min(len(LEAVES), 100 * step)
    kept: dict[Tile, bytes] = {}
    edge: list[bytes] = []
    for size in range(0, limit, step):
        end = min(size + step, limit)
        written, edge = tiles.grow(size, edge, b"".join(LEAVES[size:end]))
        kept |= dict(written)
        assert all(tiles.is_needed(tile, end) for tile, _ in written)
        assert tiles.edge_root(end, edge) == merkle.root(LEAVES[:end])
    for tile in tiles.needed(limit):
        if tile.level != ENTRIES:
            height = 8 * tile.level
            first = tile.index * 256
            expected = [merkle.root(LEAVES[i << height : (i + 1) << height]) for i in range(first, first + tile.width)]
            assert kept[tile] == b"".join(expected)
    # The same tiles are a source of proofs.
    hashes = tiles.tile_hashes(lambda *tile: kept[Tile(*tile)], limit)
    root = merkle.root(LEAVES[:limit])
    assert merkle.root_at(limit, hashes) == root
    for index in (0, 1, limit // 3, limit - 1):
        merkle.verify_inclusion(LEAVES[index], index, limit, merkle.inclusion_proof(index, limit, hashes), root)
    old = limit // 2
    proof = merkle.consistency_proof(old, limit, hashes)
    merkle.verify_consistency(old, limit, proof, merkle.root_at(old, hashes), root)


def test_a_short_tile_is_no_source_of_proofs() -> None:
    hashes = tiles.tile_hashes(lambda level, index, width: LEAVES[0], 256)
    with pytest.raises(TreeError, match="tile/0/000 is too short"):
        hashes(1, 0)
