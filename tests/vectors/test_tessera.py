"""Tessera's test log: 16 checkpoints of one log, its entry bundles and tiles, read as a bundle."""

from pathlib import Path

import pytest

from attest.errors import MissingError, TrustError
from attest.format.note import parse_vkey
from attest.log import merkle, tiles
from attest.log.checkpoint import Checkpoint, open_checkpoint
from attest.store.directory import DirectoryBundle

VKEY = parse_vkey("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
SIZE = 15


@pytest.fixture
def log(shared: Path) -> Path:
    return shared / "vectors/tessera-testlog/log"


def head(log: Path, size: int) -> Checkpoint:
    return open_checkpoint((log / f"checkpoint.{size}").read_bytes(), "example.com/log/testdata", (VKEY,))[0]


def test_every_checkpoint_is_of_the_entries(log: Path) -> None:
    bundle = DirectoryBundle(log)
    for size in range(SIZE + 1):
        found = head(log, size)
        assert found.size == size
        entries = tiles.parse_entries(bundle.entries(0, size), size) if size else []
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        assert merkle.root(leaves) == found.root
        if size:
            assert bundle.hash_tile(0, 0, size) == b"".join(leaves)
            (tile, data), *_ = tiles.grow(0, [], b"".join(leaves))[0]
            assert (tiles.path(tile), data) == (f"tile/0/000.p/{size}", b"".join(leaves))
            assert tiles.format_entries(entries) == bundle.entries(0, size)
    assert bundle.checkpoint() == (log / "checkpoint.15").read_bytes()


def test_every_checkpoint_continues_every_earlier_one(log: Path) -> None:
    bundle = DirectoryBundle(log)
    hashes = tiles.tile_hashes(bundle.hash_tile, SIZE)
    for new in range(1, SIZE + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, hashes)
            merkle.verify_consistency(old, new, proof, head(log, old).root, head(log, new).root)
        for index in range(new):
            leaf = bundle.hash_tile(0, 0, SIZE)[32 * index :][:32]
            merkle.verify_inclusion(leaf, index, new, merkle.inclusion_proof(index, new, hashes), head(log, new).root)


def test_what_the_newest_checkpoint_does_not_need_is_extra(log: Path) -> None:
    extra = DirectoryBundle(log).extra()
    present = {path.relative_to(log).as_posix() for path in log.rglob("*") if path.is_file()}
    assert set(extra) == present - {"checkpoint", "tile/0/000.p/15", "tile/entries/000.p/15"}
    with pytest.raises(MissingError, match=r"bundle/missing: .*tile/entries/000"):
        DirectoryBundle(log).entries(0, 256)


def test_a_checkpoint_of_another_origin(log: Path) -> None:
    with pytest.raises(TrustError, match="checkpoint/origin"):
        open_checkpoint((log / "checkpoint").read_bytes(), "example.com/log/other", (VKEY,))
