"""Meter statements from series: what check integrates is what the meter read, and nothing is stated twice."""

from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attest.collect import meter_statements
from attest.collect.irregular import Irregularity, Kind
from attest.collect.meter_statements import MeterOptions, meter_drafts, uncertainty
from attest.collect.readings import Series
from attest.collect.statements import Chain, Draft, windows
from attest.errors import ImportDataError, LogError
from attest.evidence.meter import Row, read_meter
from attest.format.block import parse_meter
from attest.format.bodies import MeterBody
from attest.format.statement import Statement, format_payload, parse_payload
from attest.format.vocabulary import Kind as StatementKind

LOG, SUB = b"g" * 32, "https://acme.example/m1"
T = 1_745_514_000


def series(*at_ms: int, power: int = 500_000, step: int | None = None) -> Series:
    return Series(np.array(at_ms, np.int64) + T * 1000, np.full(len(at_ms), power, np.uint32), step)


def draft(
    feeds: dict[str, Series], until: int | None = None, options: MeterOptions | None = None
) -> tuple[list[Draft], list[Irregularity]]:
    found: list[Irregularity] = []
    chain = Chain(LOG, SUB, 3, until)
    drafts = list(meter_drafts(feeds, [], chain, options or MeterOptions(), lambda: b"s" * 32, found))
    for each in drafts:
        statement = Statement(StatementKind.METER, LOG, 3, b"p" * 32, each.start, each.end, None, each.body)
        assert parse_payload(format_payload(statement)) == statement
    return drafts, found


def said(drafts: list[Draft]) -> list[list[int]]:
    """The first channel's stamps in ms after T, draft by draft, as check reads them."""
    found = []
    for number, each in enumerate(drafts):
        body = cast(MeterBody, each.body)
        for values, at in parse_meter(each.block or b"", Chain(LOG, SUB, 3, None).binding(number), body)[:1]:
            read_meter(values, at, body, each.start, each.end, 3600)
            found.append((at.astype(np.int64) + (each.start - T) * 1000).tolist())
    return found


def test_a_window_covers_its_readings_in_whole_seconds() -> None:
    (only,), _ = draft({"a": series(303, 1_303, 2_303)})
    assert (only.start, only.end) == (T, T + 3)
    (only,), _ = draft({"a": series(0)})
    assert (only.start, only.end, cast(MeterBody, only.body).step) == (T, T + 1, None)


def test_the_nominal_step_is_the_least_of_the_channels() -> None:
    feeds = {"a": series(0, 2_003, step=2_003), "b": series(7, 2_018, step=2_011), "c": series(9)}
    (only,), _ = draft(feeds)
    assert cast(MeterBody, only.body).step == 2_003
    assert [c.readings for c in cast(MeterBody, only.body).channels] == [2, 2, 1]


def test_a_reading_on_the_edge_of_a_day_closes_one_statement_and_opens_the_next() -> None:
    edge = (86_400 - T % 86_400) * 1000
    drafts, _ = draft({"a": series(edge - 1_000, edge, edge + 1_000)})
    assert said(drafts) == [[edge - 1_000, edge], [edge, edge + 1_000]]


def test_the_reading_that_closed_the_last_statement_opens_the_next() -> None:
    drafts, found = draft({"a": series(8_000, 9_000, 10_000, 11_000)}, T + 10, MeterOptions(opening={"a": 400_000}))
    assert said(drafts) == [[10_000, 11_000]]
    assert [(i.kind, i.numbers) for i in found] == [(Kind.LATE, {"readings": 2})]
    drafts, _ = draft({"a": series(12_000, 13_000)}, T + 10, MeterOptions(opening={"a": 400_000}))
    assert said(drafts) == [[10_000, 12_000, 13_000]]


def test_nothing_new_is_refused() -> None:
    for last in (9_000, 10_000):
        with pytest.raises(LogError) as info:
            draft({"a": series(8_000, last)}, T + 10)
        assert info.value.code == "import/nothing-new"
    assert said(draft({"a": series(8_000, 10_001)}, T + 10)[0]) == [[10_001]]


def test_a_channel_that_has_nothing_new_is_stated_as_silent() -> None:
    drafts, _ = draft({"a": series(12_000), "b": series(3_000)}, T + 10)
    assert [c.readings for c in cast(MeterBody, drafts[0].body).channels] == [1, 0]


def test_a_full_window_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_statements, "MAX_VALUES", 100)
    drafts, _ = draft({"a": series(*range(0, 600_000, 1_000))})
    assert len(drafts) > 6
    assert all(cast(MeterBody, d.body).channels[0].readings <= 102 for d in drafts)


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ImportDataError) as info:
        draft({f"{n}" * 100: series(0) for n in range(1_000)})
    assert info.value.code == "import/bounds"


def test_a_clocks_uncertainty_is_no_less_than_the_record_shows() -> None:
    back = Irregularity(Kind.BACKWARDS, "", "a", 0, {"step_ms": 3_500, "set_aside": 3, "same": 1})
    again = back._replace(numbers={"step_ms": 9_000, "set_aside": 3, "same": 3})
    zone = Irregularity(Kind.SHIFT, "", "a", 0, {"shift_s": -28_800, "least_s": -28_801, "most_s": -28_777})
    assert uncertainty(None, [back]) is None
    assert uncertainty(1, []) == 1
    assert uncertainty(1, [back, again]) == 4
    assert uncertainty(9, [back]) == 9
    assert uncertainty(1, [zone]) == 28_801


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(3_600, 10**6), st.lists(st.integers(0, 10**6)))
def test_windows_cut_without_holes(start: int, length: int, window: int, edges: list[int]) -> None:
    cut = list(windows(start, start + length, window, edges))
    assert (cut[0][0], cut[-1][1]) == (start, start + length)
    assert all(a < b for a, b in cut)
    assert all(a[1] == b[0] for a, b in pairwise(cut))
    assert all(b - a <= window for a, b in cut)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40_000_000), st.integers(0, 5_000_000)), min_size=1, max_size=60),
    st.integers(0, 999),
    st.integers(1, 59),
)
def test_two_imports_say_what_one_would(readings: list[tuple[int, int]], lead: int, cut: int) -> None:
    """Every reading is stated once (on an edge twice), and the energy is that of the whole but for edges."""
    at = np.cumsum([step for step, _ in readings]) + T * 1000 + lead
    power = np.array([value for _, value in readings], np.uint32)
    step = int(np.sort(np.diff(at))[(len(at) - 2) // 2]) if len(at) > 1 else None
    first = Series(at[:cut], power[:cut], step)
    drafts, _ = draft({"a": first})
    try:
        drafts += draft({"a": Series(at, power, step)}, drafts[-1].end)[0]
    except LogError:
        assert at[-1] <= drafts[-1].end * 1000
    assert all(a.end == b.start for a, b in pairwise(drafts))
    stated = np.concatenate([np.array(part, np.int64) + T * 1000 for part in _numbered(drafts)])
    late = at[(at < np.ceil(at[:cut][-1] / 1000) * 1000) & (np.arange(len(at)) >= cut)]
    assert set(stated.tolist()) == set(at.tolist()) - set(late.tolist())


def _numbered(drafts: list[Draft]) -> list[list[int]]:
    """As `said`, for drafts of several imports, whose blocks begin to count anew."""
    found, number = [], 0
    for each in drafts:
        body = cast(MeterBody, each.body)
        for candidate in (number, 0):
            binding = Chain(LOG, SUB, 3, None).binding(candidate)
            if (each.block or b"")[96:104] == binding.seq.to_bytes(8, "little"):
                ((values, at),) = parse_meter(each.block or b"", binding, body)
                read_meter(values, at, body, each.start, each.end, 3600)
                found.append((at.astype(np.int64) + (each.start - T) * 1000).tolist())
                number = candidate + 1
                break
    assert len(found) == len(drafts)
    return found


def test_the_energy_of_the_drafts_is_that_of_the_readings() -> None:
    times = np.arange(0, 200_000_000, 2_003)
    power = (np.sin(times / 7_000_000) * 1_000_000 + 5_000_000).astype(np.uint32)
    drafts, _ = draft({"a": Series(times + T * 1000, power, 2_003)})
    stated = 0
    for number, each in enumerate(drafts):
        body = cast(MeterBody, each.body)
        ((values, at),) = parse_meter(each.block or b"", Chain(LOG, SUB, 3, None).binding(number), body)
        stated += int(read_meter(values, at, body, each.start, each.end, 3600)[:, [Row.LOW, Row.STARTING]].sum())
    whole = int((power[1:].astype(np.int64) * 2_003).sum()) // 1_000
    assert len(drafts) == 4
    assert stated <= whole <= stated * 1.0001
