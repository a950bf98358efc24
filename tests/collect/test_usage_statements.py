"""Usage statements from series: one state an interval, counters that add up and go on, nothing that was not read."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.grid import Last, phase_of
from attest.collect.irregular import Irregularity, Kind
from attest.collect.statements import Chain, Draft
from attest.collect.usage_statements import Roster, UsageOptions, usage_drafts
from attest.errors import ImportDataError, LogError
from attest.format.block import parse_usage
from attest.format.bodies import UsageBody
from attest.format.statement import Statement, format_payload, parse_payload
from attest.format.vocabulary import Column, State
from attest.format.vocabulary import Kind as StatementKind
from attest.layout import Layout
from attest.usage import Usage, read_usage

T = 1_745_514_000  # on the grid of minutes
LOG = b"g" * 32
SUB = "https://acme.example/dc1/n1"
ROSTER = Roster(0, b"r" * 32, ("GPU-1",))


def scrape(at: float, uid: str = "GPU-1", number: int | None = None, **values: int) -> Scrape:
    time_ms = T * 1000 + int(at * 1000)
    fields = {Field(name): value for name, value in values.items()}
    return Scrape(time_ms if number is None else number, time_ms, "f:1", "n1", uid, "", "NVIDIA L4", fields)


def draft(
    scrapes: Sequence[Scrape],
    *,
    rosters: Sequence[Roster] = (ROSTER,),
    until: int | None = None,
    options: UsageOptions | None = None,
) -> tuple[list[Draft], list[Irregularity]]:
    found: list[Irregularity] = []
    (host,) = gather_series(scrapes, found).values()
    chain = Chain(LOG, SUB, 0, until)
    return list(usage_drafts(host, rosters, chain, options or UsageOptions(), lambda: b"s" * 32, found)), found


def read(draft: Draft, number: int = 0) -> tuple[list[list[State]], dict[int, list[int]], UsageBody]:
    """A draft as `check` reads it: states by device, columns by id. Raises where `check` would find fault."""
    body = cast(UsageBody, draft.body)
    statement = Statement(StatementKind.USAGE, LOG, 0, b"p" * 32, draft.start, draft.end, None, body)
    assert parse_payload(format_payload(statement)) == statement
    devices = np.zeros(body.devices, np.int64)
    layout = Layout(devices, (0,), devices, ("x",) * body.devices)
    intervals = (draft.end - draft.start) // body.interval
    columns: dict[int, Any] = {}
    if draft.block is not None:
        binding = Chain(LOG, SUB, 0, None).binding(number)
        columns = parse_usage(draft.block, binding, body.columns, intervals * body.devices, interval=body.interval)
    read_usage([Usage(0, body, draft.start, draft.end, layout, lambda: columns)], 3600)
    spans = np.frombuffer(body.spans, "<u4,<u2,<u2")
    edges = np.append(spans["f0"], intervals * body.devices)
    states = np.repeat(spans["f1"], np.diff(edges)).reshape(body.devices, intervals)
    return [[State(s) for s in row] for row in states], {c: v.values.tolist() for c, v in columns.items()}, body


def states_of(*scrapes: Scrape, options: UsageOptions | None = None, until: int | None = None) -> list[State]:
    (only,), _ = draft(scrapes, options=options, until=until)
    return read(only)[0][0]


def counters(draft: Draft) -> tuple[list[int], list[int]]:
    ((column, before, after),) = cast(UsageBody, draft.body).counters
    assert column == Column.ENERGY
    return np.frombuffer(before, "<u8").tolist(), np.frombuffer(after, "<u8").tolist()


S, M, R, STALE, STEP = State.SAMPLED, State.MISSING, State.RESET, State.STALE, State.STEP


def test_energy_is_the_difference_of_the_counter_and_gauges_are_means() -> None:
    values = {"tensor": 500_000, "clock": 1_500, "sm": 250_000, "dram": 125_000, "nvlink_tx": 1 << 20}
    scrapes = [scrape(60 * k, energy=1_000_000 + 42_000_000 * k, power=k, **values) for k in range(4)]
    (only,), found = draft(scrapes)
    states, columns, body = read(only)
    assert (only.start, only.end, states, found) == (T, T + 180, [[S, S, S]], [])
    assert columns == {
        Column.ENERGY: [42_000_000] * 3,
        Column.DERIVED_CYCLES: [45_000] * 3,  # 0.5 x 1,500 MHz x 60 s, in 10^6
        Column.FABRIC: [60] * 3,
        Column.SM: [2_500] * 3,
        Column.DRAM: [1_250] * 3,
        Column.CLOCK: [1_500] * 3,
    }
    assert counters(only) == ([1_000_000], [127_000_000])
    assert body.runs == ()


def test_a_missed_scrape_leaves_two_intervals_missing_and_the_counter_whole() -> None:
    scrapes = [scrape(60 * k, energy=10_000 * k) for k in (0, 1, 3, 4)]
    (only,), found = draft(scrapes)
    assert read(only)[0] == [[S, M, M, S]]
    assert counters(only) == ([0], [40_000])
    assert found == []  # twice the median is no gap


def test_a_hole_is_a_gap_and_missing() -> None:
    scrapes = [scrape(60 * k, energy=10_000 * k) for k in (0, 1, 2, 3, 7, 8)]
    (only,), found = draft(scrapes)
    assert read(only)[0] == [[S, S, S, M, M, M, M, S]]
    assert [(i.kind, i.who, i.numbers["gap_ms"]) for i in found] == [(Kind.GAP, "n1", 240_000)]


def test_scrapes_beside_the_grid_belong_to_it_by_their_phase() -> None:
    jitter = (0, 900, -900, 300, -600)
    scrapes = [scrape(60 * k + 29.9 + j / 1000, energy=10_000 * (k + 1)) for k, j in enumerate(jitter)]
    (host,) = gather_series(scrapes, []).values()
    assert 29_000 < phase_of(host, 60) < 30_000
    assert states_of(*scrapes) == [S, S, S, S]


def test_of_frequent_scrapes_the_one_nearest_to_the_boundary_counts() -> None:
    scrapes = [scrape(15 * k + 1, energy=1_000 * k) for k in range(9)]
    (only,), _ = draft(scrapes)
    assert read(only)[1][Column.ENERGY] == [4_000, 4_000]


def test_a_counter_that_falls_is_a_reset() -> None:
    (only,), found = draft([scrape(60 * k, energy=e) for k, e in enumerate((500, 900, 100, 600))])
    assert read(only)[0] == [[S, R, S]]
    assert read(only)[1][Column.ENERGY] == [400, 0, 500]
    assert [(i.kind, i.numbers) for i in found] == [(Kind.RESET, {"before_mj": 900, "after_mj": 100})]


def test_a_reset_inside_a_hole_is_a_reset() -> None:
    scrapes = [scrape(60 * k, energy=e) for k, e in ((0, 500), (1, 900), (4, 100), (5, 200))]
    (only,), _ = draft(scrapes)
    assert read(only)[0] == [[S, M, M, R, S]]


def test_a_counter_that_leaps_is_no_counter() -> None:
    (only,), found = draft([scrape(60 * k, energy=e) for k, e in enumerate((0, 1, 10**9, 10**9 + 1))])
    assert read(only)[0] == [[S, R, S]]
    assert [(i.kind, i.numbers) for i in found] == [(Kind.JUMP, {"before_mj": 1, "after_mj": 10**9})]


def test_a_counter_that_stands_still_is_stale() -> None:
    (only,), found = draft([scrape(60 * k, energy=e) for k, e in enumerate((1, 2, 2, 2, 3))])
    assert read(only)[0] == [[S, STALE, STALE, S]]
    assert [(i.kind, i.numbers) for i in found] == [(Kind.STALE, {"duration_ms": 120_000})]


def test_profiling_that_stands_still_is_stale_though_the_counter_runs() -> None:
    gauges = [(300_000, 1_500), (400_000, 1_510), (400_000, 1_510), (400_000, 1_510), (300_000, 1_500)]
    scrapes = [scrape(60 * k, energy=k, tensor=t, clock=c) for k, (t, c) in enumerate(gauges)]
    assert states_of(*scrapes) == [S, STALE, STALE, S]
    idle = [scrape(60 * k, energy=k, tensor=0, clock=210) for k in range(5)]
    assert states_of(*idle) == [S] * 4


def test_a_clock_that_steps_back_is_a_clock_step() -> None:
    at = (0, 60, 120, 180, 90, 150, 210, 240, 300)
    (only,), found = draft([scrape(t, number=n, energy=1_000 * n) for n, t in enumerate(at)])
    assert read(only)[0] == [[S, S, S, STEP, S]]
    assert [(i.kind, i.numbers) for i in found if i.kind is Kind.BACKWARDS] == [
        (Kind.BACKWARDS, {"step_ms": 90_000, "set_aside": 2})
    ]


def test_a_stamp_again_keeps_the_larger_counter() -> None:
    scrapes = [scrape(t, number=n, energy=e) for n, (t, e) in enumerate(((0, 5), (60, 9), (60, 7), (60, 9), (120, 20)))]
    (only,), found = draft(scrapes)
    assert read(only)[1][Column.ENERGY] == [4, 11]
    assert [i.kind for i in found] == [Kind.CONFLICT, Kind.DUPLICATE]


def test_a_declared_device_that_nothing_mentions_is_missing() -> None:
    roster = ROSTER._replace(uids=("GPU-0", "GPU-1"))
    (only,), found = draft([scrape(60 * k, energy=k + 1) for k in range(3)], rosters=[roster])
    assert read(only)[0] == [[M, M], [S, S]]
    assert counters(only) == ([0, 1], [0, 3])
    assert [(i.kind, i.who, i.numbers) for i in found] == [(Kind.MISSING, "GPU-0", {"intervals": 2})]


def test_a_device_that_drops_out_is_missing_from_then_on() -> None:
    roster = ROSTER._replace(uids=("GPU-0", "GPU-1"))
    scrapes = [scrape(60 * k, uid, energy=k + 1) for k in range(5) for uid in roster.uids if uid == "GPU-1" or k != 2]
    (only,), found = draft(scrapes, rosters=[roster])
    assert read(only)[0] == [[S, M, M, S], [S, S, S, S]]
    assert [(i.kind, i.who, i.numbers) for i in found] == [(Kind.MISSING, "GPU-0", {"expositions": 1})]


def test_an_undeclared_device_ends_the_import() -> None:
    with pytest.raises(ImportDataError) as info:
        draft([scrape(60 * k, "GPU-9", energy=k) for k in range(3)])
    assert info.value.code == "import/roster"


def test_a_device_may_be_declared_by_its_serial() -> None:
    scrapes = [scrape(60 * k, energy=k + 1)._replace(serial="1650522") for k in range(3)]
    (only,), _ = draft(scrapes, rosters=[ROSTER._replace(uids=("1650522",))])
    assert read(only)[0] == [[S, S]]


def test_a_host_without_counters_is_sampled_by_presence_alone() -> None:
    (only,), found = draft([scrape(60 * k) for k in (0, 1, 2, 4)])
    states, columns, body = read(only)
    assert (states, columns, body.block) == ([[S, S, M, M]], {}, None)
    assert counters(only) == ([0], [0])
    assert [i.kind for i in found] == [Kind.PRESENCE]


def test_beside_devices_with_a_counter_one_without_is_missing() -> None:
    roster = ROSTER._replace(uids=("GPU-1", "vGPU"))
    scrapes = [s for k in range(3) for s in (scrape(60 * k, energy=k + 1), scrape(60 * k, "vGPU"))]
    (only,), found = draft(scrapes, rosters=[roster])
    assert read(only)[0] == [[S, S], [M, M]]
    assert [(i.kind, i.who) for i in found] == [(Kind.PRESENCE, "vGPU")]


def test_a_column_that_lacks_one_value_is_left_out() -> None:
    scrapes = [scrape(60 * k, energy=k + 1, **({"sm": 7} if k != 2 else {}), dram=100 * k) for k in range(4)]
    (only,), _ = draft(scrapes)
    assert cast(UsageBody, only.body).columns == (Column.ENERGY, Column.DRAM)


def test_windows_end_with_the_day_and_where_the_roster_changes() -> None:
    start = 86_400 - T % 86_400 - 300
    scrapes = [scrape(start + 60 * k, energy=1_000 * k) for k in range(11)]
    later = Roster(T + start + 120, b"q" * 32, ("GPU-1",))
    drafts, _ = draft(scrapes, rosters=[ROSTER, later])
    assert [(d.start - T - start, d.end - T - start) for d in drafts] == [(0, 120), (120, 300), (300, 600)]
    assert [cast(UsageBody, d.body).roster for d in drafts] == [b"r" * 32, b"q" * 32, b"q" * 32]
    for number, each in enumerate(drafts):
        read(each, number)


def test_no_roster_in_force_is_refused() -> None:
    for roster in (ROSTER._replace(start=T + 60), ROSTER._replace(uids=())):
        with pytest.raises(ImportDataError) as info:
            draft([scrape(60 * k, energy=k) for k in range(3)], rosters=[roster])
        assert info.value.code == "import/roster"


def test_a_window_is_halved_until_its_spans_fit() -> None:
    uids = tuple(f"GPU-{n}" for n in range(200))
    scrapes = [
        scrape(60 * k, uid, energy=k + 1)
        for k in range(260)
        for n, uid in enumerate(uids)
        if (k + n) % 5 or k in (0, 259)
    ]
    drafts, _ = draft(scrapes, rosters=[ROSTER._replace(uids=uids)])
    assert len(drafts) > 1
    assert all(a.end == b.start for a, b in pairwise(drafts))
    for number, each in enumerate(drafts):
        read(each, number)


def test_one_exposition_is_no_interval() -> None:
    with pytest.raises(ImportDataError) as info:
        draft([scrape(0, energy=1)])
    assert info.value.code == "import/short"


def test_what_was_imported_is_not_imported_again() -> None:
    scrapes = [scrape(60 * k, energy=k) for k in range(3)]
    with pytest.raises(LogError) as info:
        draft(scrapes, until=T + 120)
    assert info.value.code == "import/nothing-new"


def test_an_import_goes_on_from_the_last_statement() -> None:
    scrapes = [scrape(60 * k, energy=100 * k) for k in range(6)]
    options = UsageOptions(last={"GPU-1": Last(200, True)})
    (only,), found = draft(scrapes, until=T + 120, options=options)
    assert (only.start, read(only)[0]) == (T + 120, [[S, S, S]])
    assert counters(only) == ([200], [500])
    assert [(i.kind, i.numbers) for i in found] == [(Kind.LATE, {"readings": 2})]


def test_a_counter_whose_last_state_is_not_known_is_bridged_by_a_missing_interval() -> None:
    scrapes = [scrape(60 * k, energy=100 * k) for k in range(2, 6)]
    options = UsageOptions(last={"GPU-1": Last(50, False)})
    (only,), _ = draft(scrapes, until=T + 120, options=options)
    assert read(only)[0] == [[M, S, S]]
    assert counters(only) == ([50], [500])


def test_the_interval_must_fit_the_chain() -> None:
    with pytest.raises(ImportDataError) as info:
        draft([scrape(60 * k, energy=k) for k in range(9)], until=T + 60, options=UsageOptions(interval=300))
    assert info.value.code == "import/grid"


histories = st.lists(
    st.tuples(
        st.integers(1, 200_000),  # ms since the last scrape
        st.one_of(st.none(), st.integers(-1_000_000, 40_000_000), st.just(0)),  # mJ since the last one, or no value
    ),
    min_size=2,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(histories, histories, st.integers(0, 59_999), st.sampled_from([600, 3600, 86_400]))
def test_whatever_was_scraped_the_statements_hold_together(
    first: list[tuple[int, int | None]], second: list[tuple[int, int | None]], offset: int, window: int
) -> None:
    """Two imports of two devices, one after the other: `check` finds no fault, and counters go on."""
    time, energy, scrapes = T * 1000 + offset, [10**9, 10**9], list[list[Scrape]]()
    for part in (first, second):
        taken = []
        for number, (step, rise) in enumerate(part):
            time += step
            for device in range(2):
                energy[device] = max(energy[device] + (rise or 0) * (device + 1), 0)
                values = {} if rise is None and device else {Field.ENERGY: energy[device]}
                taken.append(Scrape(number, time, "f:1", "n1", f"GPU-{device}", "", "", values))
        scrapes.append(taken)
    roster = ROSTER._replace(uids=("GPU-0", "GPU-1"))
    until: int | None = None
    last: dict[str, Last] = {}
    for taken in scrapes:
        options = UsageOptions(60, window, last)
        try:
            drafts, _ = draft(taken, rosters=[roster], until=until, options=options)
        except (ImportDataError, LogError) as error:
            assert error.code in ("import/short", "import/nothing-new")
            continue
        for number, each in enumerate(drafts):
            assert until is None or each.start == until
            states, _, body = read(each, number)
            before, after = counters(each)
            if last:
                assert before == [last[uid].counter for uid in roster.uids]
            measured = Column.ENERGY in body.columns
            last = {
                uid: Last(counter, measured and row[-1] is S)
                for uid, counter, row in zip(roster.uids, after, states, strict=True)
            }
            until = each.end
