"""Events: what adjudicators and root holders sign in the life of an agreement (schemas/events.md, event.cddl).

An event is the payload of a threshold document (COSE_Sign, `attest.trust.holders`): a map of eight fields, the same for
every kind. It names the agreement by the digest of its text, a party (null: every party), a phase (null: none in
particular), an act number, and from when and until when it is valid.

    {1: kind, 2: agreement, 3: party, 4: phase, 5: number, 6: from, 7: until, 8: allowance}

`allowance` is null, or [places, budget]: places are [site, feed], of which the feed may be null, and the budget is in
TFLOP, null in an outage.

    >>> lift = EventAct(Deed.LIFT, b"a" * 32, None, "pause", 2, 1_794_182_400, 1_794_787_200, None)
    >>> parse_event(format_event(lift)) == lift
    True
"""

from enum import IntEnum
from typing import Final, NamedTuple

from attest.errors import UnsupportedError
from attest.format.cbor import Value, decode, encode
from attest.format.fields import array, bad, bytes_, map_, text, uint
from attest.format.key_acts import MAX_DOCUMENT

CONTENT_TYPE: Final = "application/vnd.attest.event+cbor"
MAX_EVENT: Final = MAX_DOCUMENT  # bytes of a document: what an entry of a log has room for
MAX_PLACES: Final = 64
MAX_NUMBER: Final = (1 << 63) - 1
MAX_TIME: Final = 1 << 40
MAX_BUDGET: Final = 10**18  # TFLOP: 1e30 FLOP
TFLOP: Final = 10**12


class Deed(IntEnum):
    """What an event does."""

    TRIGGER = 1
    LIFT = 2
    EXIT = 3
    EXEMPTION = 4
    OUTAGE = 5
    WITHDRAWAL = 6


FOR_ALL: Final = frozenset({Deed.TRIGGER, Deed.LIFT})  # may leave the party open


class Place(NamedTuple):
    """A site, or one feed of it as its inventory names it."""

    site: str
    feed: str | None


class Allowance(NamedTuple):
    """What is exempt or out of order; `budget` in TFLOP, None in an outage."""

    places: tuple[Place, ...]
    budget: int | None


class EventAct(NamedTuple):
    """What holders signed; `start` and `end` are its `from` and `until`, Unix s."""

    deed: Deed
    agreement: bytes
    party: str | None
    phase: str | None
    number: int
    start: int
    end: int
    allowance: Allowance | None


def format_event(act: EventAct) -> bytes:
    """The document's payload."""
    allowance: Value = None
    if act.allowance is not None:
        places: list[Value] = [[place.site, place.feed] for place in act.allowance.places]
        allowance = [places, act.allowance.budget]
    fields: list[Value] = [
        int(act.deed),
        act.agreement,
        act.party,
        act.phase,
        act.number,
        act.start,
        act.end,
        allowance,
    ]
    return encode(dict(enumerate(fields, 1)))


def parse_event(payload: bytes) -> EventAct:
    """The event in a document's payload. Raises MalformedError, or UnsupportedError for an unknown kind."""
    value = decode(payload)
    kind = value.get(1) if type(value) is dict else None
    if type(kind) is not int:
        bad("event/keys", "an event is a map that begins with its kind", "event")
    try:
        deed = Deed(kind)
    except ValueError:
        raise UnsupportedError("unsupported/event", f"event kind {kind}") from None
    _, agreement, party, phase, number, start, end, allowance = map_(value, 8, "event")
    if (phase is None) != (deed is Deed.WITHDRAWAL) or (party is None and deed not in FOR_ALL):
        bad("event/keys", f"a {deed.name.lower()} names its party and phase as its kind asks", "event")
    if (allowance is not None) != (deed in (Deed.EXEMPTION, Deed.OUTAGE)):
        bad("event/keys", "exemptions and outages, and nothing else, name places", "event.allowance")
    begin = uint(start, "event.from", MAX_TIME - 1)
    return EventAct(
        deed,
        bytes_(agreement, "event.agreement"),
        None if party is None else text(party, "event.party"),
        None if phase is None else text(phase, "event.phase"),
        uint(number, "event.number", MAX_NUMBER, 1),
        begin,
        uint(end, "event.until", MAX_TIME, begin + 1),
        None if allowance is None else _allowance(allowance, budgeted=deed is Deed.EXEMPTION),
    )


def _allowance(value: Value, *, budgeted: bool) -> Allowance:
    places, budget = array(value, 2, 2, "event.allowance")
    if (budget is not None) != budgeted:
        bad("event/keys", "an exemption has a budget, an outage has none", "event.allowance")
    found = tuple(_place(place) for place in array(places, 1, MAX_PLACES, "event.allowance"))
    if list(found) != sorted(set(found), key=lambda place: (place.site, place.feed or "")):
        bad("event/places", "places are sorted, each once", "event.allowance")
    return Allowance(found, None if budget is None else uint(budget, "event.budget", MAX_BUDGET))


def _place(value: Value) -> Place:
    site, feed = array(value, 2, 2, "event.place")
    return Place(text(site, "event.site"), None if feed is None else text(feed, "event.feed"))
