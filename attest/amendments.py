"""Amendments: what a later version says of the one that is judged by (schemas/events.md, "Amendments").

An amendment names the digest and the version of the agreement before it. Found beside that one, and signed by enough of
the root holders whom *that* one names for a party, it takes the party's verdict back to unproven: the party must be
judged by the amendment. It hides no breach, and a version that a party did not sign concerns the others alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from attest.acts import Paper
from attest.agreement import CONTENT_TYPE, Agreement, Party, verify_agreement
from attest.errors import AttestError, EvidenceError
from attest.format.cbor import encode
from attest.format.cose import parse_document
from attest.verdict import Finding, Outcome


class Amended(NamedTuple):
    """By party, what amendments say of it; and what is to be said of files that amend nothing here."""

    parties: Mapping[str, Sequence[Finding]]
    findings: Sequence[Finding]


def is_agreement(document: bytes) -> bool:
    """Whether a document says that it is an agreement."""
    try:
        return parse_document(document).protected == encode({3: CONTENT_TYPE})
    except EvidenceError:
        return False


def amended(agreement: Agreement, papers: Iterable[Paper]) -> Amended:
    """What each agreement among the papers means for the one that is judged by."""
    parties: dict[str, list[Finding]] = {party.iss: [] for party in agreement.parties}
    notes: list[Finding] = []
    for paper in papers:
        try:
            other = verify_agreement(paper.document).agreement
        except AttestError as error:
            notes.append(Finding("event/unreadable", Outcome.HOLDS, f"{paper.name}: {error}"))
            continue
        amends = other.life.amends
        if other.digest == agreement.digest:
            continue
        if amends is None or (amends.digest, amends.version) != (agreement.digest, agreement.version):
            text = f"{paper.name}: version {other.version} of {other.name} does not amend the agreement judged by"
            notes.append(Finding("event/other-agreement", Outcome.HOLDS, text))
            continue
        bound = [party for party in agreement.parties if _binds(paper.document, party)]
        for party in bound:
            text = f"{party.name} signed version {other.version}, SHA-256 {other.digest.hex()}, which amends this one"
            settle = f"--agreement with version {other.version}"
            parties[party.iss].append(Finding("agreement/amended", Outcome.UNPROVEN, text, settle=settle))
        if not bound:
            text = f"{paper.name}: fewer root holders signed the amendment than any party's threshold asks for"
            notes.append(Finding("event/no-quorum", Outcome.HOLDS, text))
    return Amended(parties, notes)


def _binds(document: bytes, party: Party) -> bool:
    """Whether enough of the holders whom the version before names for a party signed, each counted once."""
    kids = {signature.protected[-32:] for signature in parse_document(document).signatures}
    names = {name for kid, (name, _) in party.holders.by_kid.items() if kid in kids}
    return len(names) >= party.holders.threshold
