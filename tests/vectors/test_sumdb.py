"""golang.org/x/mod/sumdb: every case of its note tests, its verifier keys, tile paths and trees.

`opened` puts together from our parts what note.Open does. Its tiles may be of any height (`new_tiles_h10`); ours
have the one of tlog-tiles, so their counts do not apply.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from attest.errors import EvidenceError, MalformedError, SignatureError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import Vkey, format_vkey, parse_note, parse_vkey
from attest.log import merkle, tiles
from attest.sign.notes import sign_note
from attest.trust.keys import Alg, PublicKey
from attest.trust.notes import find_signature, unknown_signatures, verify_note


def load(shared: Path, name: str) -> Any:
    return json.loads((shared / "vectors/go-sumdb" / name).read_text())


def opened(data: bytes, keys: list[Vkey]) -> tuple[list[str], int]:
    """As note.Open: the names of verified signatures and the number of others."""
    note = parse_note(data)
    known = [key for key in keys if find_signature(note, key)]
    if len({(key.name, key.key_id) for key in known}) != len(known):
        raise MalformedError("test/ambiguous", "ambiguous key")
    if not known:
        raise SignatureError("test/unverified", "note has no verifiable signatures")
    for key in known:
        verify_note(note, key)
    return [key.name for key in known], len(unknown_signatures(note, tuple(keys)))


ERRORS = {
    "malformed note": "note/",
    "note has no verifiable signatures": "test/unverified",
    "ambiguous key": "test/ambiguous",
    "invalid signature": "note/signature",
}


def test_opening_notes(shared: Path) -> None:
    cases = load(shared, "note_open.json")["cases"]
    assert len(cases) == 16
    for case in cases:
        data, keys = bytes.fromhex(case["msg_hex"]), [parse_vkey(text) for text in case["vkeys"]]
        error = case["want_error"]
        if error:
            code = next(code for words, code in ERRORS.items() if error.startswith(words))
            with pytest.raises(EvidenceError, match=code):
                opened(data, keys)
                pytest.fail(case["desc"])
        else:
            assert opened(data, keys)[0] == case["want_verified"], case["desc"]


def test_verifier_keys(shared: Path) -> None:
    vectors = load(shared, "vkeys.json")
    good = vectors["good_vkey"]
    assert format_vkey(parse_vkey(good)) == good
    refused = list(vectors["bad_vkeys"])
    refused += [good[i:j] for i in range(len(good)) for j in range(i, len(good) + 1) if (i, j) != (0, len(good))]
    refused += [good[:i] + chr(ord(good[i]) + 1) + good[i + 1 :] for i in range(len(good))]
    for text in refused:
        with pytest.raises(EvidenceError, match="vkey/"):
            parse_vkey(text)
            pytest.fail(text)


def test_signing_gives_the_same_bytes(shared: Path) -> None:
    from nacl.signing import SigningKey

    vectors = load(shared, "vkeys.json")
    seed = base64.b64decode(vectors["good_skey"].split("+", 4)[4])[1:]

    class Signer:
        def public_key(self) -> PublicKey:
            return PublicKey(Alg.ED25519, bytes(SigningKey(seed).verify_key))

        def sign(self, message: bytes) -> bytes:
            return SigningKey(seed).sign(message).signature

    assert sign_note(vectors["sign_text"], "PeterNeumann", [Signer()]).decode() == vectors["sign_expected"]


def test_tile_paths(shared: Path) -> None:
    """Go writes the height first, which tlog-tiles fixes at 8 and drops; `data` became `entries`."""
    paths = load(shared, "tlog.json")["tile_paths"]
    assert len(paths) == 8
    for text, tile in paths:
        _, _, rest = text.split("/", 2)
        ours = "tile/" + rest.replace("data/", "entries/")
        if tile is None:
            with pytest.raises(MalformedError, match="tile/path"):
                tiles.parse_path(ours)
            continue
        height, level, index, width = tile
        expected = tiles.Tile(level, index, tiles.WIDTH if width == 1 << height else width)
        assert tiles.parse_path(ours) == expected
        assert tiles.path(expected) == ours


def test_hashes_and_trees(shared: Path) -> None:
    vectors = load(shared, "tlog.json")
    record = vectors["record_hash"]
    assert merkle.leaf_hash(record["data"].encode()) == base64.b64decode(record["b64"])
    # The first bad tree is bad only to Go, whose trees have one name; to us an origin is any.
    assert parse_checkpoint(vectors["bad_trees"][0]).size == 123456789012
    for text in vectors["bad_trees"][1:]:
        with pytest.raises(MalformedError, match="checkpoint/malformed"):
            parse_checkpoint(text)
