"""Events: what a writer makes is read back, and each field is refused one step beyond its limit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError, UnsupportedError
from attest.format.cbor import decode, encode
from attest.format.event import (
    FOR_ALL,
    MAX_BUDGET,
    MAX_NUMBER,
    MAX_PLACES,
    MAX_TIME,
    Allowance,
    Deed,
    EventAct,
    Place,
    format_event,
    parse_event,
)
from tests.format.values import hashes, lines
from tests.schemas.example import exemption

LIFT = EventAct(Deed.LIFT, b"a" * 32, "https://acme.example", "pause", 2, 10, 20, None)
EXEMPT = exemption()
places = st.builds(Place, lines, st.none() | lines)


@st.composite
def events(draw: st.DrawFn) -> EventAct:
    """Any event."""
    deed = draw(st.sampled_from(Deed))
    start = draw(st.integers(0, MAX_TIME - 1))
    allowance = None
    if deed in (Deed.EXEMPTION, Deed.OUTAGE):
        some = draw(st.sets(places, min_size=1, max_size=3))
        chosen = tuple(sorted(some, key=lambda place: (place.site, place.feed or "")))
        budget = draw(st.integers(0, MAX_BUDGET)) if deed is Deed.EXEMPTION else None
        allowance = Allowance(chosen, budget)
    return EventAct(
        deed,
        draw(hashes),
        draw(st.none() | lines if deed in FOR_ALL else lines),
        None if deed is Deed.WITHDRAWAL else draw(lines),
        draw(st.integers(1, MAX_NUMBER)),
        start,
        draw(st.integers(start + 1, MAX_TIME)),
        allowance,
    )


@given(events())
def test_what_is_written_is_read(event: EventAct) -> None:
    assert parse_event(format_event(event)) == event


def changed(event: EventAct, *path: Any) -> bytes:
    """The payload with the place that all but the last name set to the last."""
    value: Any = decode(format_event(event))
    place = value
    for key in path[:-2]:
        place = place[key]
    place[path[-2]] = path[-1]
    return encode(value)


PLACE = ["acme-dc1", "dc1-n1"]
REFUSED = {
    "no map": (b"\x80", "event/keys"),
    "another field": (changed(LIFT, 9, None), "statement/keys"),
    "a kind true": (changed(LIFT, 1, True), "event/keys"),
    "a digest of 31 bytes": (changed(LIFT, 2, b"a" * 31), "statement/bytes"),
    "a party of two lines": (changed(LIFT, 3, "a\nb"), "statement/text"),
    "an exit for everybody": (changed(LIFT._replace(deed=Deed.EXIT), 3, None), "event/keys"),
    "a lift of no phase": (changed(LIFT, 4, None), "event/keys"),
    "a withdrawal from one phase": (changed(LIFT, 1, 6), "event/keys"),
    "number zero": (changed(LIFT, 5, 0), "statement/integer"),
    "a number of 2^63": (changed(LIFT, 5, MAX_NUMBER + 1), "statement/integer"),
    "from before time": (changed(LIFT, 6, -1), "statement/integer"),
    "until no later than from": (changed(LIFT, 7, 10), "statement/integer"),
    "until beyond time": (changed(LIFT, 7, MAX_TIME + 1), "statement/integer"),
    "a lift with places": (changed(LIFT, 8, [[PLACE], None]), "event/keys"),
    "an exemption without places": (changed(EXEMPT, 8, None), "event/keys"),
    "an exemption of nothing": (changed(EXEMPT, 8, 0, []), "statement/array"),
    "an exemption without a budget": (changed(EXEMPT, 8, 1, None), "event/keys"),
    "an outage with a budget": (changed(EXEMPT, 1, 5), "event/keys"),
    "a budget beyond all": (changed(EXEMPT, 8, 1, MAX_BUDGET + 1), "statement/integer"),
    "a place twice": (changed(EXEMPT, 8, 0, [PLACE, PLACE]), "event/places"),
    "places in another order": (changed(EXEMPT, 8, 0, [["b", None], ["a", None]]), "event/places"),
    "a place without its feed": (changed(EXEMPT, 8, 0, [["acme-dc1"]]), "statement/array"),
    "too many places": (
        changed(EXEMPT, 8, 0, [[f"s{n:02}", None] for n in range(MAX_PLACES + 1)]),
        "statement/array",
    ),
}


@pytest.mark.parametrize(("payload", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_an_event_is_refused(payload: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_event(payload)
    assert caught.value.code == code


def test_a_kind_to_come_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="unsupported/event"):
        parse_event(encode({1: 7}))


def test_the_numbers_of_the_kinds() -> None:
    assert [deed.name for deed in Deed] == ["TRIGGER", "LIFT", "EXIT", "EXEMPTION", "OUTAGE", "WITHDRAWAL"]
    assert [int(deed) for deed in Deed] == list(range(1, 7))
