"""Signing notes: a log signs its checkpoints, witnesses cosign them (c2sp.org/signed-note, tlog-cosignature).

With Ed25519 a log signs the text (0x01); with ML-DSA-44 it signs as a cosigner that states no time (0x06, time
0), for that is the only ML-DSA signature there is in notes. A log that signs with both:

    note = sign_note(format_checkpoint(checkpoint), origin, (ed25519_signer, ml_dsa_signer))
    note = cosign(note, "witness.example/w1", witness_signer, time)
"""

from collections.abc import Sequence

from attest.format.note import (
    ML_DSA_44_COSIGNATURE,
    Note,
    NoteSignature,
    Vkey,
    format_note,
    parse_note,
)
from attest.sign.signer import Signer
from attest.trust.notes import log_vkey, timed_message, witness_vkey


def sign_note(text: str, name: str, signers: Sequence[Signer]) -> bytes:
    """A note over `text` by the keys of one log. Raises MalformedError for what no note can say."""
    signatures = []
    for signer in signers:
        vkey = log_vkey(name, signer.public_key())
        if vkey.algorithm == ML_DSA_44_COSIGNATURE:
            signatures.append(_timed(text, vkey, signer, 0))
        else:
            signatures.append(NoteSignature(name, vkey.key_id, signer.sign(text.encode())))
    return _checked(Note(text, tuple(signatures)))


def cosign(note: bytes, name: str, signer: Signer, time: int) -> bytes:
    """The note with the cosignature of witness `name` at `time`, Unix seconds; replaces an earlier one."""
    old = parse_note(note)
    vkey = witness_vkey(name, signer.public_key())
    kept = tuple(s for s in old.signatures if (s.name, s.key_id) != (name, vkey.key_id))
    return _checked(Note(old.text, (*kept, _timed(old.text, vkey, signer, time))))


def _timed(text: str, vkey: Vkey, signer: Signer, time: int) -> NoteSignature:
    signature = signer.sign(timed_message(vkey.algorithm, vkey.name, text, time))
    return NoteSignature(vkey.name, vkey.key_id, time.to_bytes(8, "big") + signature)


def _checked(note: Note) -> bytes:
    data = format_note(note)
    parse_note(data)
    return data
