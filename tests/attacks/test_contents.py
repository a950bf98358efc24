"""Attacks inside a statement: spans, columns, counters and blocks that say what cannot be, or belong elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from attest.compute.columns import format_spans
from attest.format.block import DTYPES, Binding, format_header, format_usage
from attest.format.bodies import Block, UsageBody
from attest.format.runs import NO_RUN, Run
from attest.format.vocabulary import Column, Label, Precision, State
from attest.simulate.lab import Lab
from attest.simulate.source import Draft
from attest.simulate.telemetry import Observed, observe
from tests.attacks.vectors import (
    COPY,
    EVENING,
    HOUR,
    NOON,
    SOURCE,
    Vector,
    attacks,
    ended,
    holds,
    invalid,
    play,
    ran,
    tampered,
    unproven,
)
from tests.check.world import END, START, lab, site

INTERVALS = 360  # of the window of the evening
DEVICES = 8
HEADER = 104
Change = Callable[[Lab, Draft], Draft]


def body(draft: Draft) -> UsageBody:
    found = draft.statement.body
    assert isinstance(found, UsageBody)
    return found


def columns_of(draft: Draft) -> dict[int, Any]:
    """The columns of a draft's block, free to be changed."""
    assert draft.block is not None
    out, at = {}, HEADER
    for column in body(draft).columns:
        size = INTERVALS * DEVICES * DTYPES[column].itemsize
        out[column] = np.frombuffer(draft.block[at : at + size], DTYPES[column]).copy()
        at += size
    return out


def with_columns(made: Lab, draft: Draft, columns: dict[int, Any]) -> Draft:
    source = made.host(0)
    block = format_usage(bytes(32), Binding(made.log, source.sub, source.seq), columns)
    return draft.but_block(block).but_body(columns=tuple(sorted(columns)))


def value(column: int, amount: int, *, counters: bool = False) -> Change:
    """One interval's value of a column is `amount`; without counters, so that nothing else contradicts it."""

    def change(made: Lab, draft: Draft) -> Draft:
        columns = columns_of(draft)
        columns[column][5] = amount
        altered = with_columns(made, draft, columns)
        return altered if counters else altered.but_body(counters=())

    return change


def bound_to(log: bool = False, sub: bool = False, seq: bool = False) -> Change:
    """The block is bound to another log, source or seq."""

    def change(made: Lab, draft: Draft) -> Draft:
        source = made.host(0)
        other = Binding(
            bytes(32) if log else made.log,
            made.host(1).sub if sub else source.sub,
            source.seq + 1 if seq else source.seq,
        )
        assert draft.block is not None
        return draft.but_block(format_header(bytes(32), other) + draft.block[HEADER:])

    return change


def resized(by: int) -> Change:
    def change(made: Lab, draft: Draft) -> Draft:
        assert draft.block is not None
        return draft.but_block(draft.block + bytes(by) if by > 0 else draft.block[:by])

    return change


def spans(*records: tuple[int, int, int]) -> Change:
    """A span table; the block goes, since its columns go by the spans."""
    return lambda made, draft: draft.but_body(
        spans=format_spans(records), block=None, columns=(), counters=(), runs=()
    )._replace(block=None)


def every_device(*records: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    return [(d * INTERVALS + first, state, run) for d in range(DEVICES) for first, state, run in records]


def counter(change: Callable[[Any, Any], tuple[Any, Any]], which: int = Column.ENERGY) -> Change:
    """The counters of one column before and after, as arrays of one number for each device."""

    def apply(made: Lab, draft: Draft) -> Draft:
        out = []
        for column, before, after in body(draft).counters:
            if column == which:
                changed = change(np.frombuffer(before, "<u8").copy(), np.frombuffer(after, "<u8").copy())
                before, after = (np.asarray(c, "<u8").tobytes() for c in changed)
            out.append((column, before, after))
        return draft.but_body(counters=tuple(out))

    return apply


def shifted(before: Any, after: Any) -> tuple[Any, Any]:
    return before + np.uint64(10**9), after + np.uint64(10**9)


def climbs_too_far(before: Any, after: Any) -> tuple[Any, Any]:
    after[3] += np.uint64(1)
    return before, after


def climbs_too_little(before: Any, after: Any) -> tuple[Any, Any]:
    after[3] -= np.uint64(1)
    return before, after


def wraps(before: Any, after: Any) -> tuple[Any, Any]:
    return before, after | np.uint64(1 << 63)


def hides_in_a_gap(made: Lab, draft: Draft) -> Draft:
    """An hour is said to be missing, and what the devices drew in it stands in its column still."""
    states = every_device((0, State.SAMPLED, NO_RUN), (60, State.MISSING, NO_RUN), (120, State.SAMPLED, NO_RUN))
    return draft.but_body(spans=format_spans(states), runs=())


def drops_the_hour(made: Lab, draft: Draft) -> Draft:
    """An hour is said to be off, its values are gone, and the counters still have them."""
    columns = columns_of(draft)
    for values in columns.values():
        values.reshape(DEVICES, INTERVALS)[:, 60:120] = 0
    states = every_device((0, State.SAMPLED, NO_RUN), (60, State.OFF, NO_RUN), (120, State.SAMPLED, NO_RUN))
    return with_columns(made, draft, columns).but_body(spans=format_spans(states), runs=())


def loses_a_device(made: Lab, draft: Draft) -> Draft:
    """The statement speaks for seven of eight devices."""
    seven = every_device((0, State.MISSING, NO_RUN))[:-1]
    return spans(*seven)(made, draft).but_body(devices=DEVICES - 1)


def half_an_interval() -> Lab:
    made = ran()
    source = made.host(0)
    short = spans(*every_device((0, State.MISSING, NO_RUN)))(made, made.usage(0, EVENING))
    source.append(short.but(end=EVENING - 30))
    return made


def interval_beside_the_bucket(made: Lab, draft: Draft) -> Draft:
    """Intervals of seven minutes: no bucket is made of them."""
    short = spans(*((d, State.MISSING, NO_RUN) for d in range(DEVICES)))(made, draft)
    return short.but_body(interval=6 * HOUR + 1)


def an_age(devices: int, seconds: int) -> Callable[[], Lab]:
    """One statement that covers more than is read, and costs a few bytes."""

    def story() -> Lab:
        made = ran()
        source = made.host(0)
        count = seconds // 60
        claims = spans(*((d * count, State.MISSING, NO_RUN) for d in range(devices)))(made, made.usage(0, EVENING))
        source.append(claims.but(end=source.until + seconds).but_body(devices=devices))
        made.run(mute=lambda sub, start, end: sub == source.sub)
        return made

    return story


def block_of_nobody(made: Lab, draft: Draft) -> Draft:
    """The statement commits to other bytes than those that lie in the bundle."""
    block = body(draft).block
    assert block is not None
    return draft.but_body(block=Block(bytes(32), block.size))


def another_days_telemetry() -> Lab:
    """The night's quiet readings are told again for the evening, of which the counters know nothing."""
    made = ran()
    quiet = observe(made.site, 0, START, START + 2 * HOUR, made.columns)
    columns = {c: np.tile(np.asarray(v).reshape(DEVICES, -1), 3).ravel() for c, v in quiet.columns.items()}
    draft = made.usage(0, EVENING)
    told = format_spans(every_device((0, State.SAMPLED, NO_RUN)))
    made.host(0).append(with_columns(made, draft, columns).but_body(spans=told, runs=()))
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def another_devices_telemetry() -> Lab:
    """A host that trains tells what its idle neighbour saw, and all of it fits but the counters."""
    made = ran()
    seen = observe(made.site, 1, made.host(0).until, EVENING, made.columns)
    made.host(0).append(made.usage(0, EVENING, seen))
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def another_devices_telemetry_made_to_fit() -> Lab:
    """The same, with the counters of a device that goes on where this one's stood."""
    made = ran()
    seen = observe(made.site, 1, made.host(0).until, EVENING, made.columns)
    made.host(0).append(made.usage(0, EVENING, climbing_on(seen, body(made.usage(0, EVENING)))))
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def climbing_on(seen: Observed, own: UsageBody) -> Observed:
    """What another host saw, with counters that climb as much from where this host's stand."""
    stood = {column: before for column, before, _ in own.counters}
    return replace(seen, counters=tuple((c, stood[c], climbed(stood[c], b, a)) for c, b, a in seen.counters))


def climbed(stood: bytes, before: bytes, after: bytes) -> bytes:
    """Counters that stood there and climbed as others did from before to after."""
    return (np.frombuffer(stood, "<u8") + np.frombuffer(after, "<u8") - np.frombuffer(before, "<u8")).tobytes()


def hour_by_hour(copied: bool) -> Lab:
    """A host that trains tells each hour what its idle neighbour saw in it, with counters of its own that fit."""
    made = lab()
    stands: dict[int, bytes] = {}
    for hour in range(1, 25):
        made.now = START + hour * HOUR
        made.host(1).append(made.usage(1, made.now))
        draft = made.usage(0, made.now)
        if copied:
            seen = observe(made.site, 1, made.host(0).until, made.now, made.columns)
            stood = stands or {column: before for column, before, _ in body(draft).counters}
            counters = tuple((c, stood[c], climbed(stood[c], b, a)) for c, b, a in seen.counters)
            stands = {column: after for column, _, after in counters}
            draft = made.usage(0, made.now, replace(seen, counters=counters))
        made.host(0).append(draft)
        if made.meter is not None and hour % 6 == 0:
            made.meter.append(made.metering(made.now))
        made.witness()
        made.head()
    return made


def counters_dropped(made: Lab, draft: Draft) -> Draft:
    return draft.but_body(counters=())


def fewer_rows(made: Lab, draft: Draft) -> Draft:
    return draft.but_body(columns=(*body(draft).columns[1:],))


RUN = Run(bytes(32), Label.TRAINING, Precision.BF16, 0, None)
WHOLE = every_device((0, State.MISSING, NO_RUN))
LIMITS = {
    Column.ENERGY: 4_000_000 * 60,
    Column.CYCLES: 4_000 * 60,
    Column.FABRIC: 4_000_000 * 60,
    Column.SM: 10_000,
    Column.DRAM: 10_000,
    Column.CLOCK: 4_000,
}

VECTORS = (
    # columns
    *(
        invalid(
            f"more {column.name.lower()} than any device can do",
            lambda c=column, m=most: ended(value(c, m + 1)),
            "block/range",
            SOURCE,
            "counter/discontinuous",
        )
        for column, most in LIMITS.items()
    ),
    invalid(
        "a sum that would wrap",
        lambda: ended(value(Column.ENERGY, 0xFFFFFFFF)),
        "block/range",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "one joule more than the counter rose by",
        lambda: tampered(value(Column.ENERGY, 10**7, counters=True)),
        "counter/mismatch",
        SOURCE,
    ),
    invalid("energy in an hour said to be missing", lambda: tampered(hides_in_a_gap), "usage/value-in-gap", SOURCE),
    invalid("an hour of work said to be off", lambda: tampered(drops_the_hour), "counter/mismatch", SOURCE),
    # counters
    invalid(
        "a counter that runs backwards",
        lambda: tampered(counter(lambda b, a: (b, b - np.uint64(1)))),
        "counter/backwards",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "a counter beyond what counters hold",
        lambda: tampered(counter(wraps)),
        "counter/backwards",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "a counter that is negative",
        lambda: tampered(counter(lambda b, a: (wraps(a, b)[1], a))),
        "counter/backwards",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid("a counter that does not go on", lambda: tampered(counter(shifted)), "counter/discontinuous", SOURCE),
    invalid(
        "a counter of cycles that does not go on",
        lambda: tampered(counter(shifted, Column.CYCLES)),
        "counter/discontinuous",
        SOURCE,
    ),
    invalid(
        "a counter that rose by more than its intervals",
        lambda: tampered(counter(climbs_too_far)),
        "counter/mismatch",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "a counter that rose by less than its intervals",
        lambda: tampered(counter(climbs_too_little)),
        "counter/mismatch",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid("counters left out of one statement", lambda: tampered(counters_dropped), "counter/discontinuous", SOURCE),
    invalid("another day's telemetry", another_days_telemetry, "counter/mismatch", SOURCE),
    unproven("another device's telemetry, made to fit", another_devices_telemetry_made_to_fit, "usage/repeated"),
    unproven("another device's telemetry, hour by hour", lambda: hour_by_hour(copied=True), "usage/repeated"),
    holds("one's own telemetry, hour by hour", lambda: hour_by_hour(copied=False)),
    invalid("another device's telemetry", another_devices_telemetry, "counter/discontinuous", SOURCE),
    # spans and grid
    invalid(
        "spans that do not begin at the window",
        lambda: ended(spans(*[(1, 1, NO_RUN), *WHOLE[1:]])),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "spans that fall",
        lambda: ended(spans(WHOLE[0], *WHOLE[2:], WHOLE[1])),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "spans that go beyond the window",
        lambda: ended(spans(*WHOLE, (DEVICES * INTERVALS, 1, NO_RUN))),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "spans without one device",
        lambda: ended(spans(*WHOLE[:-1], (WHOLE[-1][0] + 1, 1, NO_RUN))),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "a state that is not known",
        lambda: ended(spans(*WHOLE[:-1], (WHOLE[-1][0], 6, NO_RUN))),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "a run that the table does not have",
        lambda: ended(spans(*WHOLE[:-1], (WHOLE[-1][0], 1, 0))),
        "usage/spans",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "half a span",
        lambda: tampered(lambda made, d: d.but_body(spans=body(d).spans + bytes(4))),
        "usage/spans",
        SOURCE,
    ),
    invalid("half an interval", half_an_interval, "usage/grid", SOURCE, "counter/discontinuous"),
    invalid(
        "an interval that fits no bucket",
        lambda: ended(interval_beside_the_bucket),
        "usage/grid",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "more device-intervals than are read",
        an_age(DEVICES, 60 * (1 << 22)),
        "usage/size",
        SOURCE,
        "counter/discontinuous",
    ),
    invalid(
        "more buckets than are read", an_age(DEVICES, 60 * (1 << 21)), "usage/size", SOURCE, "counter/discontinuous"
    ),
    invalid(
        "a statement for seven of eight devices",
        lambda: ended(loses_a_device),
        "usage/devices",
        SOURCE,
        "counter/discontinuous",
    ),
    # blocks
    invalid("a block of another log", lambda: tampered(bound_to(log=True)), "block/binding", SOURCE),
    invalid("a block of another source", lambda: tampered(bound_to(sub=True)), "block/binding", SOURCE),
    invalid("a block of another statement", lambda: tampered(bound_to(seq=True)), "block/binding", SOURCE),
    invalid("a block with a byte too many", lambda: tampered(resized(1)), "block/size", SOURCE),
    invalid("a block cut short", lambda: tampered(resized(-8)), "block/size", SOURCE),
    invalid("a block without its header", lambda: tampered(lambda made, d: d.but_block(b"x")), "block/size", SOURCE),
    invalid("a column left out of the list", lambda: tampered(fewer_rows), "block/size", SOURCE),
    invalid("a block that is not the one committed to", lambda: tampered(block_of_nobody), "block/digest", COPY),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_the_stories_are_of_the_same_window() -> None:
    made = ran()
    draft = made.usage(0, EVENING)
    assert (draft.statement.start, draft.statement.end) == (NOON, EVENING)
    assert len(columns_of(draft)[Column.ENERGY]) == INTERVALS * DEVICES
    assert site().plan.end == END
