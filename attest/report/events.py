"""An event in sentences: what `attest event show` prints, and `attest agreement show` of each that it is given."""

from collections.abc import Iterator
from typing import Final

from attest.acts import read_event, require_named, signers_of
from attest.agreement import Agreement
from attest.agreement.units import FLOP
from attest.errors import EvidenceError
from attest.format.cose import parse_document
from attest.format.event import CONTENT_TYPE, TFLOP, Deed, EventAct
from attest.report.style import utc
from attest.trust.holders import verify_signatures

_EFFECT: Final = {
    Deed.TRIGGER: "the phase begins at `from`, wherever this is found",
    Deed.LIFT: "the phase ends, from when the party's own log shows this witnessed",
    Deed.EXIT: "the party is let go until `until`, from when its own log shows this witnessed; it is unproven then",
    Deed.EXEMPTION: "what is admitted there breaks no cap up to the budget; all of it is charged to the worst case",
    Deed.OUTAGE: "what is missing there is excused, as far as the agreement's share goes, if told within the lag",
    Deed.WITHDRAWAL: "the party's duties end, the notice after its own log shows this witnessed; it is unproven then",
}


def event_lines(document: bytes, agreement: Agreement) -> Iterator[str]:
    """What an event says, who signed it, and whether that is enough. Raises EvidenceError where it is none."""
    event = read_event(document)
    yield headline(event)
    yield f"  agreement  {_agreement(event, agreement)}"
    yield f"  party      {event.party or 'every party'}"
    yield f"  valid      {utc(event.start)} to {utc(event.end)}"
    if event.allowance is not None:
        for place in event.allowance.places:
            yield f"  place      {place.site}" + ("" if place.feed is None else f", feed {place.feed}")
        if event.allowance.budget is not None:
            budget = FLOP.format(event.allowance.budget * TFLOP)
            yield f"  budget     {budget}, charged to the worst case and never taken off it"
    yield f"  effect     {_EFFECT[event.deed]}"
    yield f"  signed     {_signed(document, event, agreement)}"


def headline(event: EventAct) -> str:
    """An event in a few words."""
    return f"{event.deed.name.lower()} {event.number}" + ("" if event.phase is None else f" of phase {event.phase}")


def _agreement(event: EventAct, agreement: Agreement) -> str:
    name = f"{agreement.name}, version {agreement.version}"
    if event.agreement != agreement.digest:
        return f"SHA-256 {event.agreement.hex()}, which is not {name}"
    try:
        require_named(agreement, event)
    except EvidenceError as error:
        return f"{name}, but {error.detail}"
    return name


def _signed(document: bytes, event: EventAct, agreement: Agreement) -> str:
    try:
        holders = signers_of(agreement, event)
        _, names = verify_signatures(parse_document(document), holders.by_kid, content_type=CONTENT_TYPE)
    except EvidenceError as error:
        return f"not as it must be: {error.code}: {error.detail}"
    signers = sorted(set(names))
    missing = holders.threshold - len(signers)
    state = "enough" if missing <= 0 else f"{missing} more must sign"
    return f"{'; '.join(signers)} ({state}; {holders.threshold} of {len(holders.holders)} bind)"
