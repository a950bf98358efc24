"""Sunlight's skylight test log: the paths of its tiles, its checkpoints and its witness.

Its tiles hold placeholders, and its log signs as RFC 6962 logs do (type 0x05), so what applies is: the paths,
that a placeholder is no tile, a checkpoint whose signatures are of unknown types, and a 0x04 cosignature.
"""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest

from attest.errors import MalformedError, SignatureError, TreeError, UnsupportedError
from attest.format.note import parse_note, parse_vkey
from attest.log import tiles
from attest.log.checkpoint import open_checkpoint, parse_checkpoint
from attest.log.tiles import ENTRIES, Tile
from attest.store.directory import DirectoryBundle
from attest.trust.notes import unknown_signatures, verify_note

LOG = "rome2026h1.example.org"


@pytest.fixture
def skylight(shared: Path) -> Path:
    return shared / "vectors/sunlight-skylight"


def test_the_tree_needs_the_tiles_that_are_there(skylight: Path) -> None:
    tree = skylight / "tree"
    size = parse_checkpoint(parse_note((tree / "checkpoint").read_bytes()).text).size
    needed = {tiles.path(tile) for tile in tiles.needed(size) if tile.level != ENTRIES}
    assert needed == {
        p.relative_to(tree).as_posix() for level in "01" for p in tree.glob(f"tile/{level}/**/*") if p.is_file()
    }
    (mirror,) = skylight.glob("witness/mirror/*/tile/entries")
    entries = {p.relative_to(mirror.parents[1]).as_posix() for p in mirror.rglob("*") if p.is_file()}
    assert entries == {tiles.path(tile) for tile in tiles.needed(size) if tile.level == ENTRIES}
    # A log of certificates has other files beside them.
    for other in ("tile/data/000", "tile/names/000", "log.v3.json"):
        with pytest.raises(MalformedError, match="tile/path"):
            tiles.parse_path(other)
        assert other in DirectoryBundle(tree).extra()


def test_a_placeholder_is_no_tile(skylight: Path) -> None:
    bundle = DirectoryBundle(skylight / "tree")
    for tile in (Tile(0, 0, 256), Tile(0, 1, 44), Tile(1, 0, 1)):
        with pytest.raises(TreeError, match="tree/tile"):
            bundle.hash_tile(*tile)


def test_a_checkpoint_signed_by_no_known_key(skylight: Path) -> None:
    data = (skylight / "tree/checkpoint").read_bytes()
    assert len(unknown_signatures(parse_note(data), ())) == 1
    witness = parse_vkey(json.loads((skylight / "witness/witness.v0.json").read_text())["verifier_keys"][0])
    with pytest.raises(SignatureError, match="checkpoint/unsigned"):
        open_checkpoint(data, LOG, (witness,))
    with pytest.raises(MalformedError, match="note/malformed"):
        parse_note((skylight / "witness/checkpoint").read_bytes())  # "decoy, must never be served"


@pytest.mark.parametrize(
    ("place", "names", "origin"),
    [
        ("witness", "witness.v0.json", LOG),
        ("witness2", "witness.v0.json", "milan2026h1.example.org"),
        ("witness/mirror", "mirror.v0.json", LOG),
    ],
)
def test_witnesses_cosigned(skylight: Path, place: str, names: str, origin: str) -> None:
    (vkey,) = map(parse_vkey, json.loads((skylight / place / names).read_text())["verifier_keys"])
    (path,) = [path for path in (skylight / place).glob("*/checkpoint") if len(path.parent.name) == 64]
    note = parse_note(path.read_bytes())
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == (origin, 300)
    assert path.parent.name == sha256(origin.encode()).hexdigest()
    assert verify_note(note, vkey) == 1767139200  # the "timestamp" of the tree head in log.v3.json
    with pytest.raises(SignatureError, match="note/signature"):
        verify_note(note._replace(text=note.text.replace("300", "301")), vkey)


def test_a_key_for_rfc_6962_signatures_is_unsupported(skylight: Path) -> None:
    key = json.loads((skylight / "tree/log.v3.json").read_text())["key"]
    encoded = base64.b64encode(b"\5" + base64.b64decode(key)).decode()
    with pytest.raises(UnsupportedError, match="vkey/unsupported"):
        parse_vkey(f"{LOG}+90507526+{encoded}")
