"""Rosters: one encoding each, every name once, every feed below one that comes before it."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import EvidenceError, MalformedError
from attest.format.bodies import MAX_DEVICES
from attest.format.cbor import encode
from attest.format.roster import (
    MAX_DEPTH,
    MAX_NESTING,
    MAX_ROSTER,
    Device,
    Feed,
    Host,
    Roster,
    format_roster,
    parse_roster,
)
from tests.format.values import altered, rosters

FEEDS = [["dc1", None, None], ["n1", 0, "meter"]]


def nested(deep: int, first: int = 0) -> list[Any]:
    """Feeds of which each hangs on the one before."""
    return [[f"f{n}", first + n - 1 if n else None, None] for n in range(deep)]


HOST = ["h1", [["u1", "H100", 1], ["u2", "H100", 1]]]


@given(rosters())
def test_what_is_written_is_read(roster: Roster) -> None:
    body = format_roster(roster)
    assert parse_roster(body) == roster
    assert format_roster(parse_roster(body)) == body
    assert roster.count() == sum(len(host.devices) for host in roster.hosts)


@given(st.data())
def test_bytes_that_are_nearly_a_roster(data: st.DataObject) -> None:
    body = data.draw(altered(format_roster(data.draw(rosters()))))
    try:
        roster = parse_roster(body)
    except MalformedError as error:
        assert error.offset is not None or error.path is not None
        return
    assert format_roster(roster) == body


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_roster(data)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({1: FEEDS, 2: [HOST]}, ""),
        ({1: FEEDS, 2: []}, ""),
        ({1: [], 2: []}, "statement/array"),
        ({1: FEEDS}, "statement/keys"),
        ({1: FEEDS, 2: [], 3: []}, "statement/keys"),
        ([FEEDS, []], "statement/keys"),
        ({1: [["dc1", 0, None]], 2: []}, "roster/feed-order"),
        ({1: [["a", 1, None], ["b", None, None]], 2: []}, "roster/feed-order"),
        ({1: [["a", -1, None]], 2: []}, "statement/integer"),
        ({1: [["a", True, None]], 2: []}, "statement/integer"),
        ({1: [["a", None, ""]], 2: []}, "statement/text"),
        ({1: [["a", None]], 2: []}, "statement/array"),
        ({1: [*FEEDS, FEEDS[0]], 2: []}, "roster/feed-twice"),
        ({1: nested(MAX_NESTING), 2: []}, ""),
        ({1: nested(MAX_NESTING + 1), 2: []}, "roster/feed-nesting"),
        ({1: [["dc0", None, None], *nested(MAX_NESTING, first=1)], 2: []}, ""),
        ({1: FEEDS, 2: [HOST, ["h1", [["u3", "H100", 0]]]]}, "roster/host-twice"),
        ({1: FEEDS, 2: [HOST, ["h2", [["u1", "H100", 0]]]]}, "roster/device-twice"),
        ({1: FEEDS, 2: [["h1", [["u1", "H100", 0], ["u1", "H100", 0]]]]}, "roster/device-twice"),
        ({1: FEEDS, 2: [["h1", []]]}, "statement/array"),
        ({1: FEEDS, 2: [["h1", [["u1", "H100", 2]]]]}, "statement/integer"),
        ({1: FEEDS, 2: [["h1", [["u1", "H100"]]]]}, "statement/array"),
        ({1: FEEDS, 2: [["h1", [["u1", "", 0]]]]}, "statement/text"),
        ({1: FEEDS, 2: [["h1\u202e", HOST[1]]]}, "statement/text"),
        ({1: FEEDS, 2: [["h", [[f"u{i}", "m", 0] for i in range(MAX_DEVICES)]]]}, ""),
        ({1: FEEDS, 2: [["h", [[f"u{i}", "m", 0] for i in range(MAX_DEVICES + 1)]]]}, "statement/array"),
        ({1: FEEDS, 2: [["h1", [["u1", "m", [[]]]]]]}, "cbor/depth"),
    ],
)
def test_rules(value: Any, code: str) -> None:
    if not code:
        assert format_roster(parse_roster(encode(value))) == encode(value)
        return
    with pytest.raises(EvidenceError) as caught:
        parse_roster(encode(value))
    assert caught.value.code == code


def test_a_roster_that_is_too_long_is_not_read() -> None:
    with pytest.raises(MalformedError, match="cbor/size"):
        parse_roster(bytes(MAX_ROSTER + 1))


def test_a_site_of_ten_thousand_takes_a_multiple_of_its_bytes() -> None:
    feeds = (Feed("site", None, None), *(Feed(f"rack-{i:03}", 0, "meter") for i in range(100)))
    hosts = tuple(
        Host(
            f"https://acme.example/dc1/n{h:04}", tuple(Device(f"GPU-{h:04}-{d}", "H100", 1 + h % 100) for d in range(8))
        )
        for h in range(1_250)
    )
    body = format_roster(Roster(feeds, hosts))
    tracemalloc.start()
    try:
        assert parse_roster(body).count() == 10_000
        assert tracemalloc.get_traced_memory()[1] < 30 * len(body)
    finally:
        tracemalloc.stop()
    assert MAX_DEPTH == 5
