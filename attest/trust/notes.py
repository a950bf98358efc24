"""Who signed a note: verifying its signatures under verifier keys.

The signature type of a vkey says what is signed: 0x01 the text; 0x04 and 0x06 the text, as a checkpoint, at a
time of their own (attest.format.checkpoint). Signatures of unknown keys are ignored, also where they share a
name or a key id, but not both, with a known key. The first signature of a key counts and further ones
are ignored, as golang.org/x/mod/sumdb/note has it. A signature of a known key that does not verify refuses
the note, for bytes then are not what was signed.
"""

from functools import lru_cache
from typing import Final

from attest.errors import MalformedError, SignatureError
from attest.format.checkpoint import (
    MAX_TIME,
    cosignature_message,
    cosigned_message,
    parse_checkpoint,
)
from attest.format.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, Note, NoteSignature, Vkey
from attest.trust.keys import Alg, PublicKey

_SIGNATURE_SIZE: Final = {ED25519: 64, ED25519_COSIGNATURE: 8 + 64, ML_DSA_44_COSIGNATURE: 8 + 2420}


def log_vkey(name: str, key: PublicKey) -> Vkey:
    """The verifier key of a log that signs its checkpoints with `key` (Ed25519 or ML-DSA-44)."""
    return Vkey(name, _type_of(key, ED25519), key.raw)


def witness_vkey(name: str, key: PublicKey) -> Vkey:
    """The verifier key of a witness that cosigns with `key` (Ed25519 or ML-DSA-44)."""
    return Vkey(name, _type_of(key, ED25519_COSIGNATURE), key.raw)


@lru_cache(1024)
def public_key(vkey: Vkey) -> PublicKey:
    """The key inside a vkey. Raises TrustError where it is weak."""
    alg = Alg.ML_DSA_44 if vkey.algorithm == ML_DSA_44_COSIGNATURE else Alg.ED25519
    return PublicKey(alg, vkey.key)


def find_signature(note: Note, vkey: Vkey) -> NoteSignature | None:
    """The signature that claims to be by this key, unverified; None if there is none."""
    for signature in note.signatures:
        if signature.name == vkey.name and signature.key_id == vkey.key_id:
            return signature
    return None


def unknown_signatures(note: Note, known: tuple[Vkey, ...]) -> tuple[NoteSignature, ...]:
    """The signatures that are by none of these keys, or repeat one: whatever verifying them would ignore."""
    counted = [find_signature(note, vkey) for vkey in known]
    return tuple(s for s in note.signatures if not any(s is c for c in counted))


def verify_note(note: Note, vkey: Vkey) -> int:
    """The key signed the note; returns the time it states, Unix seconds, 0 for none.

    Raises SignatureError if the signature is absent or does not verify, MalformedError if a cosigned text
    is no checkpoint, TrustError if the key is weak.
    """
    found = find_signature(note, vkey)
    if found is None:
        raise SignatureError("note/unsigned", f"no signature by {vkey.name}, key id {vkey.key_id.hex()}")
    if len(found.signature) != _SIGNATURE_SIZE[vkey.algorithm]:
        raise SignatureError("note/signature", f"the signature of {vkey.name} has {len(found.signature)} bytes")
    if vkey.algorithm == ED25519:
        _verify(vkey, found.signature, note.text.encode())
        return 0
    time = int.from_bytes(found.signature[:8], "big")
    if time > MAX_TIME:
        raise SignatureError("note/signature", f"the cosignature of {vkey.name} is at time {time}")
    _verify(vkey, found.signature[8:], timed_message(vkey.algorithm, vkey.name, note.text, time))
    return time


def timed_message(algorithm: int, name: str, text: str, time: int) -> bytes:
    """What a cosigner of this signature type signs over a checkpoint's text. Raises MalformedError."""
    checkpoint = parse_checkpoint(text)
    if algorithm == ML_DSA_44_COSIGNATURE:
        return cosigned_message(name, checkpoint, time)
    return cosignature_message(text, time)


def _type_of(key: PublicKey, ed25519: int) -> int:
    try:
        return {Alg.ED25519: ed25519, Alg.ML_DSA_44: ML_DSA_44_COSIGNATURE}[key.alg]
    except KeyError:
        raise MalformedError(
            "vkey/malformed", f"notes are signed with Ed25519 or ML-DSA-44, not {key.alg.name}"
        ) from None


def _verify(vkey: Vkey, signature: bytes, message: bytes) -> None:
    try:
        public_key(vkey).verify(signature, message)
    except SignatureError as error:
        detail = f"the signature of {vkey.name}, key id {vkey.key_id.hex()}, does not verify"
        raise SignatureError("note/signature", detail) from error
