"""Opening checkpoints: whose they are, who signed them, what is ignored and what is not."""

import pytest

from attest.errors import MalformedError, SignatureError, TrustError
from attest.format.note import Note, NoteSignature, format_note, parse_note
from attest.log.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from attest.sign.notes import cosign, sign_note
from attest.sign.seeded import seeded_key as key
from attest.trust.keys import Alg
from attest.trust.notes import log_vkey, unknown_signatures, verify_note, witness_vkey

ORIGIN = "example.com/log"
HEAD = Checkpoint(ORIGIN, 3, b"r" * 32)
TEXT = format_checkpoint(HEAD)
ED, PQ = key("checkpoint ed25519"), key("checkpoint ml-dsa-44", Alg.ML_DSA_44)
OTHER = key("checkpoint other")
KEYS = (log_vkey(ORIGIN, ED.public_key()), log_vkey(ORIGIN, PQ.public_key()))
NOTE = sign_note(TEXT, ORIGIN, (ED, PQ))


def test_one_key_suffices_and_both_are_verified() -> None:
    for signers in ((ED,), (PQ,), (ED, PQ)):
        assert open_checkpoint(sign_note(TEXT, ORIGIN, signers), ORIGIN, KEYS)[0] == HEAD
    assert verify_note(parse_note(NOTE), KEYS[1]) == 0


def test_no_key_signed_it() -> None:
    with pytest.raises(SignatureError, match="checkpoint/unsigned"):
        open_checkpoint(sign_note(TEXT, ORIGIN, (OTHER,)), ORIGIN, KEYS)
    with pytest.raises(SignatureError, match="checkpoint/unsigned"):
        open_checkpoint(NOTE, ORIGIN, ())
    with pytest.raises(SignatureError, match="note/unsigned"):
        verify_note(parse_note(NOTE), log_vkey(ORIGIN, OTHER.public_key()))


def test_a_witness_cannot_speak_for_the_log() -> None:
    lone = parse_note(cosign(sign_note(TEXT, ORIGIN, (OTHER,)), ORIGIN, ED, 9))
    with pytest.raises(SignatureError, match="checkpoint/unsigned"):
        open_checkpoint(format_note(lone), ORIGIN, KEYS)


def test_one_wrong_signature_of_a_log_key_refuses_the_checkpoint() -> None:
    note = parse_note(NOTE)
    for which in (0, 1):
        signatures = list(note.signatures)
        raw = signatures[which].signature
        for wrong in (raw[:-1] + bytes([raw[-1] ^ 1]), raw[:-1], raw + b"\0"):
            signatures[which] = signatures[which]._replace(signature=wrong)
            with pytest.raises(SignatureError, match="note/signature"):
                open_checkpoint(format_note(Note(note.text, tuple(signatures))), ORIGIN, KEYS)


def test_a_checkpoint_of_another_log() -> None:
    with pytest.raises(TrustError, match="checkpoint/origin"):
        open_checkpoint(NOTE, "example.com/log2", KEYS)


def test_what_is_no_checkpoint() -> None:
    for text in (TEXT + "extension\n", "hello\n"):
        with pytest.raises(MalformedError, match="checkpoint/malformed"):
            open_checkpoint(sign_note(text, ORIGIN, (ED,)), ORIGIN, KEYS)


def test_the_first_signature_of_a_key_counts() -> None:
    note = parse_note(NOTE)
    junk = NoteSignature(ORIGIN, KEYS[0].key_id, b"j" * 64)
    open_checkpoint(format_note(Note(TEXT, (*note.signatures, junk))), ORIGIN, KEYS)
    with pytest.raises(SignatureError, match="note/signature"):
        open_checkpoint(format_note(Note(TEXT, (junk, *note.signatures))), ORIGIN, KEYS)


def test_unknown_signatures_are_ignored_and_can_be_listed() -> None:
    note = parse_note(NOTE)
    near = (
        NoteSignature(ORIGIN, b"\0\0\0\0", b"x"),
        NoteSignature("example.com/other", KEYS[0].key_id, b"x"),
        NoteSignature(ORIGIN, KEYS[0].key_id, b"j" * 64),
    )
    crowded = Note(TEXT, (*note.signatures, *near))
    assert open_checkpoint(format_note(crowded), ORIGIN, KEYS)[0] == HEAD
    assert unknown_signatures(crowded, KEYS) == near
    assert unknown_signatures(note, KEYS) == ()
    assert (
        unknown_signatures(parse_note(cosign(NOTE, "w", OTHER, 3)), (*KEYS, witness_vkey("w", OTHER.public_key())))
        == ()
    )


def test_what_cannot_be_signed() -> None:
    with pytest.raises(MalformedError, match="note/malformed"):
        sign_note("no newline", ORIGIN, (ED,))
    with pytest.raises(MalformedError, match="checkpoint/malformed"):
        sign_note("no checkpoint\n", ORIGIN, (PQ,))
    with pytest.raises(MalformedError, match="vkey/malformed"):
        sign_note(TEXT, "a name", (ED,))
