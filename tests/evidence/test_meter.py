"""Readings to facts by bucket, each rule with numbers worked by hand, and against a plain reference."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.exact import LIMIT
from attest.errors import EvidenceError, MalformedError
from attest.evidence.meter import MAX_WINDOW_MS, Row, integrate, read_meter
from attest.format.bodies import Block, Channel, MeterBody
from attest.format.vocabulary import Quantity


def _columns(rows: np.ndarray, *columns: Row) -> list[list[int]]:
    return [rows[:, c].tolist() for c in columns]


def test_power_is_the_mean_of_the_step_that_its_reading_ends() -> None:
    """100 W, 300 W, 200 W at 0, 1 and 2 s: 300 J + 200 J = 500,000 mJ; the largest step 300,000 mJ."""
    (row,) = integrate([100_000, 300_000, 200_000], [0, 1_000, 2_000], start=0, end=2, bucket=60)
    assert (row[Row.LOW], row[Row.HIGH], row[Row.GAP], row[Row.COVERED]) == (500_000, 500_000, 0, 2_000)
    assert (row[Row.LARGEST], row[Row.PEAK], row[Row.RUNS]) == (300_000, 300_000, 1)


def test_rounding_happens_once_and_outwards() -> None:
    """Steps of 2, 1 and 2 mW x 333 ms = 666, 333 and 666 uJ, 1,665 uJ in all: between 1 and 2 mJ.
    Rounding each step up would give 3."""
    (row,) = integrate([1, 2, 1, 2], [0, 333, 666, 999], start=0, end=1, bucket=60)
    assert (row[Row.LOW], row[Row.HIGH]) == (1, 2)


def test_a_mean_over_a_bucket_edge_counts_fully_in_each_and_in_none() -> None:
    """200 W from 1.5 s to 2.5 s: 200 J, all of it on either side of 2 s."""
    rows = integrate([100_000, 200_000], [1_500, 2_500], start=0, end=4, bucket=2)
    assert _columns(rows, Row.LOW, Row.HIGH) == [[0, 0], [200_000, 200_000]]
    assert _columns(rows, Row.STARTING, Row.ENDING) == [[200_000, 0], [0, 200_000]]
    assert _columns(rows, Row.COVERED, Row.GAP, Row.LARGEST) == [[500, 500], [1_500, 1_500], [200_000, 200_000]]
    assert _columns(rows, Row.PEAK, Row.RUNS) == [[200_000, 200_000], [1, 0]]


def test_a_mean_over_bucket_edges_is_rounded_outwards() -> None:
    """1 mW for 2.5 s over three buckets of 1 s: 2.5 mJ, 2 at least and 3 at most."""
    rows = integrate([0, 1], [250, 2_750], start=0, end=3, bucket=1)
    assert _columns(rows, Row.HIGH, Row.STARTING, Row.ENDING) == [[3, 3, 3], [2, 0, 0], [0, 0, 2]]


def test_a_gap_is_longer_than_two_and_a_half_median_steps() -> None:
    """Steps of 1,000, 1,000, 2,500 and 2,501 ms at 1 W: the median is 1,000 ms, the lower of two middles; 2,500 ms
    is covered, 2,501 ms is a gap. 4,500 mJ."""
    offsets = [0, 1_000, 2_000, 4_500, 7_001]
    (row,) = integrate([1_000] * 5, offsets, start=0, end=8, bucket=60)
    assert (row[Row.HIGH], row[Row.COVERED], row[Row.GAP]) == (4_500, 4_500, 3_500)
    assert row[Row.RUNS] == 1


def test_a_nominal_step_decides_what_a_gap_is() -> None:
    """Readings once a minute by a meter that says 1 s: all of it is a gap. Saying nothing, none."""
    readings, offsets = [1_000] * 3, [0, 60_000, 120_000]
    assert integrate(readings, offsets, step_ms=1_000, start=0, end=120, bucket=3_600)[0, Row.COVERED] == 0
    assert integrate(readings, offsets, start=0, end=120, bucket=3_600)[0, Row.COVERED] == 120_000


def test_runs_are_counted_where_they_begin() -> None:
    """1 s steps from 0 to 2 s and from 12 s to 14 s, in buckets of 10 s."""
    offsets = [0, 1_000, 2_000, 12_000, 13_000, 14_000]
    rows = integrate([1_000] * 6, offsets, start=0, end=20, bucket=10)
    assert _columns(rows, Row.RUNS, Row.COVERED, Row.GAP) == [[1, 1], [2_000, 2_000], [8_000, 8_000]]


def test_before_the_first_and_after_the_last_reading_nothing_is_covered() -> None:
    (row,) = integrate([1_000, 1_000], [3_000, 4_000], start=0, end=10, bucket=60)
    assert (row[Row.COVERED], row[Row.GAP]) == (1_000, 9_000)


@pytest.mark.parametrize("readings", [[], [(5_000, 1_000)]])
def test_one_reading_or_none_covers_nothing(readings: list[tuple[int, int]]) -> None:
    rows = integrate([v for _, v in readings], [o for o, _ in readings], start=5, end=25, bucket=10)
    assert _columns(rows, Row.BUCKET, Row.GAP, Row.HIGH) == [[0, 1, 2], [5_000, 10_000, 5_000], [0, 0, 0]]


def test_a_statement_may_open_and_close_on_a_reading() -> None:
    """Two statements that share the reading at 10 s cover what one would."""
    left = integrate([1_000, 2_000], [0, 10_000], start=0, end=10, bucket=20)
    right = integrate([2_000, 4_000], [0, 10_000], start=10, end=20, bucket=20)
    whole = integrate([1_000, 2_000, 4_000], [0, 10_000, 20_000], start=0, end=20, bucket=20)
    for column in (Row.LOW, Row.HIGH, Row.COVERED, Row.GAP):
        assert left[0, column] + right[0, column] == whole[0, column]


def test_a_register_within_a_bucket() -> None:
    """5, 7 and 12 kJ: 7 kJ in all, 5 kJ in the largest step, 5.56 kW in it."""
    (row,) = integrate([5_000_000, 7_000_000, 12_000_000], [0, 900, 1_800], register=True, start=0, end=2, bucket=60)
    assert (row[Row.LOW], row[Row.HIGH], row[Row.COVERED]) == (7_000_000, 7_000_000, 1_800)
    assert (row[Row.LARGEST], row[Row.PEAK], row[Row.STARTING], row[Row.ENDING]) == (5_000_000, 5_555_556, 0, 0)


def test_a_register_step_over_bucket_edges_counts_fully_in_each_and_in_none() -> None:
    """4 J from 1 s to 6 s in buckets of 2 s: it touches three of them. Its time is known, 1 + 2 + 2 s."""
    rows = integrate([0, 4_000], [1_000, 6_000], register=True, start=0, end=8, bucket=2)
    assert _columns(rows, Row.LOW, Row.HIGH) == [[0, 0, 0, 0], [4_000, 4_000, 4_000, 0]]
    assert _columns(rows, Row.STARTING, Row.ENDING) == [[4_000, 0, 0, 0], [0, 0, 4_000, 0]]
    assert _columns(rows, Row.COVERED, Row.GAP) == [[1_000, 2_000, 2_000, 0], [1_000, 0, 0, 2_000]]
    assert _columns(rows, Row.LARGEST, Row.PEAK) == [[4_000, 4_000, 4_000, 0], [800, 800, 800, 0]]


def test_the_highest_power_is_not_of_the_step_with_the_most_energy() -> None:
    """6 J in 2 s, 4 J in 1 s: 3 W and 4 W. More than an int64 holds in mW is more than any energy in mJ."""
    (row,) = integrate([0, 6_000, 10_000], [0, 2_000, 3_000], register=True, start=0, end=3, bucket=60)
    assert (row[Row.LARGEST], row[Row.PEAK]) == (6_000, 4_000)
    (row,) = integrate([0, LIMIT - 1], [0, 1], register=True, start=0, end=1, bucket=60)
    assert (row[Row.LARGEST], row[Row.PEAK]) == (LIMIT - 1, LIMIT)


def test_a_register_that_falls_was_reset() -> None:
    """9 J, then 1 J: that step is a gap, and said to be a reset; from 1 J to 3 J are 2 J."""
    rows = integrate([9_000, 1_000, 3_000], [0, 1_000, 2_000], register=True, start=0, end=2, bucket=60)
    (row,) = rows
    assert (row[Row.LOW], row[Row.HIGH], row[Row.RESETS], row[Row.GAP]) == (2_000, 2_000, 1, 1_000)


@pytest.mark.parametrize(
    ("offsets", "code", "path"),
    [
        ([0, 1_000, 1_000], "meter/order", "meter.readings[2]"),
        ([0, 2_000, 1_000], "meter/order", "meter.readings[2]"),
        ([0, 1_000, 10_001], "meter/outside", "meter"),
    ],
)
def test_offsets_that_cannot_be(offsets: list[int], code: str, path: str) -> None:
    with pytest.raises(MalformedError) as error:
        integrate([1, 1, 1], offsets, start=0, end=10, bucket=60)
    assert (error.value.code, error.value.path) == (code, path)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 4), (0, MAX_WINDOW_MS // 1_000 + 1)])
def test_windows_that_cannot_be(start: int, end: int) -> None:
    with pytest.raises(MalformedError) as error:
        integrate([], [], start=start, end=end, bucket=3_600)
    assert error.value.code == "meter/window"


def test_a_register_that_climbs_beyond_arithmetic_is_refused() -> None:
    """Two climbs of 2^61 between resets come to 2^62."""
    with pytest.raises(EvidenceError) as error:
        integrate([0, 1 << 61, 0, 1 << 61], [0, 1, 2, 3], register=True, start=0, end=1, bucket=60)
    assert error.value.code == "meter/range"


def test_the_largest_power_over_the_longest_window_does_not_wrap() -> None:
    """4 MW for 4,294,967 s: 4e9 mW x 4,294,967 s = 1.7179868e16 mJ; in half microjoules beyond int64."""
    rows = integrate([4 * 10**9] * 2, [0, 4_294_967_000], start=0, end=4_294_967, bucket=10**7)
    assert rows[0, Row.HIGH] == 4 * 10**9 * 4_294_967


def test_a_meter_statement() -> None:
    body = MeterBody(Quantity.REGISTER, 1_000, 0, 1, (Channel("pdu-1", 2, 0),), Block(b"d" * 32, 128))
    rows = read_meter([7_000, 9_000], [0, 1_000], body, 3_600, 3_660, 3_600)
    assert _columns(rows, Row.BUCKET, Row.HIGH, Row.COVERED) == [[1], [2_000], [1_000]]
    power = body._replace(quantity=Quantity.MEAN_POWER)
    assert read_meter([7_000, 9_000], [0, 1_000], power, 3_600, 3_660, 3_600)[0, Row.HIGH] == 9_000


@given(
    st.lists(
        st.tuples(st.integers(1, 40) | st.integers(1_000, 90_000), st.integers(0, 5_000) | st.just(1 << 60)),
        max_size=20,
    ),
    st.booleans(),
    st.none() | st.integers(1, 5_000),
    st.integers(1, 5),
    st.integers(0, 9),
    st.integers(0, 500),
)
def test_what_is_stepped_over_is_what_nothing_covers(
    moves: list[tuple[int, int]], register: bool, step: int | None, bucket: int, start: int, room: int
) -> None:
    """Gaps of up to 90 buckets and more: the rows of `integrate`, but for those that are a gap throughout."""
    offsets = [room * 7 + sum(d * 100 for d, _ in moves[: i + 1]) for i in range(len(moves))]
    values = [value if register else value % 5_001 for _, value in moves]
    end = start + (offsets[-1] if offsets else 0) // 1_000 + 1 + room
    quantity = Quantity.REGISTER if register else Quantity.MEAN_POWER
    body = MeterBody(quantity, step, 0, 1, (Channel("pdu-1", len(values), 0),), Block(b"d" * 32, 128))
    arguments = {"start": start, "end": end, "bucket": bucket}
    try:
        whole = integrate(values, offsets, register=register, step_ms=step, **arguments)  # type: ignore[arg-type]
    except EvidenceError as error:
        with pytest.raises(EvidenceError) as raised:
            read_meter(values, offsets, body, **arguments)
        assert (raised.value.code, raised.value.detail) == (error.code, error.detail)
        return
    assert read_meter(values, offsets, body, **arguments).tolist() == whole[whole[:, Row.COVERED] > 0].tolist()


@pytest.mark.parametrize("readings", [0, 1, 4])
def test_a_long_window_of_short_buckets_takes_no_memory_for_its_gaps(readings: int) -> None:
    """Two readings at either end of 49 days of seconds: the rows of `integrate` are 373 MB."""
    offsets = [0, 1_000, MAX_WINDOW_MS // 1_000 * 1_000 - 1_000, MAX_WINDOW_MS // 1_000 * 1_000][:readings]
    body = MeterBody(Quantity.REGISTER, None, 0, 1, (Channel("pdu-1", readings, 0),), Block(b"d" * 32, 128))
    tracemalloc.start()
    try:
        rows = read_meter([7_000] * readings, offsets, body, 0, MAX_WINDOW_MS // 1_000, 1)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert rows[:, Row.BUCKET].tolist() == ([0, 4_294_966] if readings == 4 else [])


READINGS = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 5_000)), min_size=1, max_size=20)


def _reference(readings: list[tuple[int, int]], register: bool, size: int, count: int) -> list[dict[str, Fraction]]:
    """Step by step and bucket by bucket, in fractions."""
    steps = sorted(b[0] - a[0] for a, b in pairwise(readings))
    median = steps[(len(steps) - 1) // 2] if steps else 0
    rows = [dict.fromkeys(("low", "over", "covered"), Fraction(0)) for _ in range(count)]
    for (t0, v0), (t1, v1) in pairwise(readings):
        if 2 * (t1 - t0) > 5 * median or (register and v1 < v0):
            continue
        for bucket, row in enumerate(rows):
            overlap = min(t1, (bucket + 1) * size) - max(t0, bucket * size)
            if overlap <= 0:
                continue
            row["covered"] += overlap
            energy = Fraction(v1 - v0) if register else Fraction(v1 * (t1 - t0), 1_000)
            if overlap == t1 - t0:
                row["low"] += energy
            else:
                row["over"] += energy.__ceil__()
    return rows


@given(READINGS, st.integers(0, 500), st.booleans(), st.integers(1, 4), st.integers(0, 3))
def test_against_the_reference(
    moves: list[tuple[int, int]], first: int, register: bool, bucket: int, start: int
) -> None:
    offsets = [first + sum(d * 10 for d, _ in moves[1 : i + 1]) for i in range(len(moves))]
    values = [v for _, v in moves]
    end = start + offsets[-1] // 1_000 + 1
    rows = integrate(values, offsets, register=register, start=start, end=end, bucket=bucket)
    assert rows[0, Row.BUCKET] == start // bucket
    lead = start % bucket * 1_000
    readings = [(o + lead, v) for o, v in zip(offsets, values, strict=True)]
    for row, plain in zip(rows, _reference(readings, register, bucket * 1_000, len(rows)), strict=True):
        assert row[Row.COVERED] == plain["covered"]
        assert row[Row.LOW] == plain["low"].__floor__()
        assert row[Row.HIGH] == plain["low"].__ceil__() + plain["over"]
    assert rows[:, [Row.GAP, Row.COVERED]].sum() == (end - start) * 1_000


@given(READINGS, st.booleans(), st.integers(0, 20))
def test_statements_cut_at_a_reading_add_up(moves: list[tuple[int, int]], register: bool, cut: int) -> None:
    """The facts of two statements that share a reading are those of one, but for a rounding of 1 mJ each."""
    seconds = [sum(d for d, _ in moves[1 : i + 1]) for i in range(len(moves))]
    values = [v for _, v in moves]
    cut = min(cut, len(moves) - 1)
    at, end = seconds[cut], seconds[-1] + 1
    arguments = {"register": register, "step_ms": 100_000, "bucket": 300}

    def part(first: int, last: int, start: int, stop: int) -> np.ndarray:
        offsets = [(s - start) * 1_000 for s in seconds[first:last]]
        return integrate(values[first:last], offsets, start=start, end=stop, **arguments)  # type: ignore[arg-type]

    whole = part(0, len(moves), 0, end)
    parts = [part(cut, len(moves), at, end)] + ([part(0, cut + 1, 0, at)] if at else [])
    for column in (Row.LOW, Row.HIGH, Row.COVERED, Row.GAP, Row.STARTING, Row.ENDING, Row.RESETS):
        sums = np.zeros(len(whole), np.int64)
        for rows in parts:
            sums[rows[:, Row.BUCKET]] += rows[:, column]
        slack = 1 if column in (Row.LOW, Row.HIGH) else 0
        assert (abs(sums - whole[:, column]) <= slack).all(), column.name
