"""Whether a log may publish or record a checkpoint that came back from outside.

    require_verified(note, signed.agreement)      # returns None, or raises LogError

Nothing but its signatures covers the bytes of a bundle's checkpoint, so one bad signature refuses the whole copy, and
one that nobody can verify leaves it unproven, until the next seal (schemas/log.md, Checkpoint, rules 2 and 3). A log
directory holds no public key of a witness, nor of the log: the agreement that the parties signed names them. Of a
checkpoint that an entry records, what a witness gave may be bad and counts for nothing; what the log's key signed not.
"""

from attest.agreement import Agreement, Site
from attest.errors import EvidenceError, LogError
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.log.checkpoint import open_checkpoint
from attest.trust.notes import unknown_signatures
from attest.trust.quorum import cosignature_times

_HINT = "nothing was changed; ask the witness for its cosignature of the log's `checkpoint` again"


def require_verified(note: bytes, agreement: Agreement) -> None:
    """Keys that the agreement names made every signature. Raises LogError; EvidenceError for no note."""
    site = _site(parse_checkpoint(parse_note(note).text), agreement)
    try:
        _, parsed = open_checkpoint(note, site.origin, site.log_keys)
        cosignature_times(parsed, agreement.policy, covered=False)
    except EvidenceError as error:
        raise LogError(error.code, error.detail, hint=_HINT) from error
    known = (*site.log_keys, *(witness.vkey for witness in agreement.policy.witnesses))
    if strange := unknown_signatures(parsed, known):
        names = ", ".join(sorted({signature.name for signature in strange}))
        detail = f"the agreement has no such key of {names}, or it signed twice: nobody can verify that"
        raise LogError("unsupported/signature", detail, hint=_HINT)


def require_signed_by_log(note: bytes, agreement: Agreement) -> None:
    """One of the log's keys signed, and none wrongly. Raises LogError, EvidenceError for no note."""
    site = _site(parse_checkpoint(parse_note(note).text), agreement)
    try:
        open_checkpoint(note, site.origin, site.log_keys)
    except EvidenceError as error:
        raise LogError(error.code, error.detail, hint="nothing was changed; record a copy that is whole") from error


def _site(checkpoint: Checkpoint, agreement: Agreement) -> Site:
    named = agreement.site(checkpoint.origin)
    if named is None:
        raise LogError("head/unknown-origin", f"the agreement names no log {checkpoint.origin}: give the one that does")
    return named[1]
