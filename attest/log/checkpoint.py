"""Checkpoints: signed notes whose text is a tree head (c2sp.org/tlog-checkpoint), opened under the log's keys.

A checkpoint is believed only as far as it is signed: `open_checkpoint` demands a valid signature by at least
one of the log's keys and none by any of them that fails, and the origin that the caller expects; what
witnesses add to it is counted in attest.trust.quorum.
"""

from attest.errors import SignatureError, TrustError
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.note import Note, Vkey, parse_note
from attest.trust.notes import find_signature, verify_note

__all__ = ["Checkpoint", "format_checkpoint", "open_checkpoint", "parse_checkpoint"]


def open_checkpoint(data: bytes, origin: str, log_keys: tuple[Vkey, ...]) -> tuple[Checkpoint, Note]:
    """The tree head of a signed note of this log.

    Raises MalformedError, SignatureError if no log key signed it or one did so wrongly, TrustError if it is
    another log's.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise TrustError("checkpoint/origin", f"is of log {checkpoint.origin!r}, not {origin!r}")
    signers = [vkey for vkey in log_keys if find_signature(note, vkey)]
    if not signers:
        raise SignatureError("checkpoint/unsigned", f"no key of {origin} signed it")
    for vkey in signers:
        verify_note(note, vkey)
    return checkpoint, note
