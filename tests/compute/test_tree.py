"""The tree of meters: each rule with numbers worked by hand, then against plain references and made-up truths.

Buckets are hours. Devices do at most 10 MFLOP per mJ and 4 MFLOP/s each unless said otherwise.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attest.compute.record import Record
from attest.compute.tree import ROOT, Bounds, Meter, bound
from attest.errors import EvidenceError

HOUR = 3_600
FULL = HOUR * 1_000
NODE = Meter(error_ppm=0, efficiency_mflop_per_mj=10, peak_mflop_per_s=4)


def _bound(meters: Sequence[Meter], high: Any, direct: Any, windows: Sequence[tuple[int, int]], **more: Any) -> Bounds:
    covered = more.pop("covered", np.full(np.shape(high), FULL))
    options = {name: more.pop(name) for name in ("off", "device_mj", "first_bucket") if name in more}
    record = Record.of(high, covered, **more)
    return bound(meters, record, direct, windows=windows, bucket_seconds=HOUR, **options)


def test_the_meter_bounds_what_is_behind_it() -> None:
    """100 mJ x 1.01 = 101 mJ, + 5 mJ resolution = 106 mJ; x 10 = 1,060 MFLOP, below the devices' own 14,400."""
    meter = NODE._replace(error_ppm=10_000, resolution_mj=5)
    found = _bound([meter], [[100]], [[14_400]], [(0, 1)])
    assert (found.windows.tolist(), found.total) == ([[1_060]], (1_060,))


def test_the_devices_bound_what_is_behind_the_meter() -> None:
    found = _bound([NODE], [[100]], [[999]], [(0, 1)])
    assert (found.windows.tolist(), found.total) == ([[999]], (999,))


def test_a_resolution_for_every_run() -> None:
    """Two runs begin in the window beside the one that may go on in it: 100 + 3 x 5 mJ."""
    found = _bound([NODE._replace(resolution_mj=5)], [[100]], [[14_400]], [(0, 1)], runs=[[2]])
    assert found.windows.tolist() == [[1_150]]


def test_a_gap_is_charged_inside_the_minimum() -> None:
    """90 s unmetered at 4 MFLOP/s: 360 MFLOP, + 100 mJ x 10; yet never more than the devices' own 1,200."""
    covered = [[FULL - 90_000]]
    assert _bound([NODE], [[100]], [[14_400]], [(0, 1)], covered=covered).windows.tolist() == [[1_360]]
    assert _bound([NODE], [[100]], [[1_200]], [(0, 1)], covered=covered).windows.tolist() == [[1_200]]


def test_a_meter_that_was_silent_bounds_nothing() -> None:
    found = _bound([NODE], [[0]], [[14_400]], [(0, 1)], covered=[[0]])
    assert found.windows.tolist() == [[14_400]]


def test_storage_behind_the_meter_is_added() -> None:
    """100 mJ through the meter and 7 mJ from a battery behind it: 1,070 MFLOP."""
    meter = NODE._replace(storage_mj=7)
    assert _bound([meter], [[100]], [[14_400]], [(0, 1)]).windows.tolist() == [[1_070]]


def test_a_battery_may_give_a_days_energy_in_any_hour_and_again_the_next_day() -> None:
    """22:00 to 02:00, 7 mJ a day: each hour alone 7, both of one day 7, over midnight 14, all four 14. The clock does
    not matter, since no meter sees the battery; it reaches an hour of 100 mJ further on either side."""
    hours, windows = [[100] * 4], [(0, 1), (0, 2), (1, 3), (0, 4)]
    for clock, energy in ((0, [100, 200, 200, 400]), (1, [200, 300, 400, 400])):
        meter = NODE._replace(storage_mj=7, clock_uncertainty_s=clock, peak_mflop_per_s=0)
        found = _bound([meter], hours, [[99_999] * 4], windows, first_bucket=22)
        stored = [7, 7, 14, 14]
        assert found.windows.tolist() == [[10 * sum(pair) for pair in zip(energy, stored, strict=True)]]


def test_generation_counts_for_as_long_as_the_window_lasts() -> None:
    """2 mW for two hours: 14,400 mJ beside 200."""
    found = _bound([NODE._replace(generation_mw=2)], [[100, 100]], [[999_999]], [(0, 2)])
    assert found.windows.tolist() == [[146_000]]


def test_storage_behind_a_child_is_behind_its_feed_too() -> None:
    """30 mJ through the feed and the node's meter, 70 mJ from a battery behind both: the node had 100 mJ."""
    meters = [Meter(0), NODE._replace(parent=0, storage_mj=70)]
    found = _bound(meters, [[30], [30]], [[0], [14_400]], [(0, 1)])
    assert found.windows.tolist() == [[1_000], [1_000]]


def test_a_tree_takes_the_least_of_meter_and_children() -> None:
    """A site (0) with a row (1) of two nodes (2, 3) and one node (4) beside it, k 10; the site's own office draws.

    nodes: M = 1,000, 2,000, 3,000; u of node 3 is 500, so H = 1,000, 500, 3,000.
    row:   M = 10 x 120 = 1,200, children 1,500: H = 1,200.   site: M = 10 x 900, children 4,200: H = 4,200.
    """
    meters = [
        Meter(0),
        Meter(0, parent=0),
        NODE._replace(parent=1),
        NODE._replace(parent=1),
        NODE._replace(parent=0),
    ]
    high = [[900], [320], [100], [200], [300]]
    direct = [[0], [0], [14_400], [500], [14_400]]
    found = _bound(meters, high, direct, [(0, 1)])
    assert found.windows.ravel().tolist() == [4_500, 1_500, 1_000, 500, 3_000]
    assert found.negative == ()
    high[1] = [120]
    found = _bound(meters, high, direct, [(0, 1)], low_mj=[[900], [120], [0], [0], [300]])
    assert found.windows.ravel().tolist() == [4_200, 1_200, 1_000, 500, 3_000]
    assert found.high(meters) == 4_200


def test_the_best_model_behind_a_meter_bounds_it() -> None:
    """Of two models behind a site, 10 and 20 MFLOP/mJ: the site's 100 mJ may all have gone to the better."""
    meters = [Meter(0), NODE._replace(parent=0), NODE._replace(parent=0, efficiency_mflop_per_mj=20)]
    found = _bound(meters, [[100], [60], [60]], [[0], [9_999], [9_999]], [(0, 1)], low_mj=[[100], [40], [40]])
    assert found.windows.ravel().tolist() == [1_800, 600, 1_200]
    found = _bound(meters, [[80], [60], [60]], [[0], [9_999], [9_999]], [(0, 1)], low_mj=[[80], [40], [40]])
    assert found.windows.ravel().tolist() == [1_600, 600, 1_200]


def test_gaps_of_a_feed_are_charged_for_all_devices_behind_it() -> None:
    """10 s at 4 + 4 MFLOP/s and 10 mJ at 10 MFLOP/mJ."""
    meters = [Meter(0), NODE._replace(parent=0), NODE._replace(parent=0)]
    covered = [[FULL - 10_000], [FULL], [FULL]]
    found = _bound(meters, [[10], [50], [50]], [[0], [9_999], [9_999]], [(0, 1)], covered=covered)
    assert found.windows[0].tolist() == [180]


def test_clock_uncertainty_widens_windows_to_whole_buckets() -> None:
    """Four hours of 1, 2, 4 and 8 mJ, a clock within 30 min: the window of hours 1 and 2 takes in 0 and 3."""
    meter = NODE._replace(clock_uncertainty_s=1_800)
    found = _bound([meter], [[1, 2, 4, 8]], [[999]], [(1, 3)])
    assert found.windows.tolist() == [[150]]
    exact = _bound([NODE], [[1, 2, 4, 8]], [[999]], [(1, 3)])
    assert exact.windows.tolist() == [[60]]


def test_time_that_the_clock_may_have_put_outside_the_record_is_a_gap() -> None:
    """A record of just the window and a clock within 30 s: 30 s at either end are charged at 4 MFLOP/s."""
    meter = NODE._replace(clock_uncertainty_s=30)
    found = _bound([meter], [[5, 5]], [[9_999]], [(0, 2)])
    assert found.windows.tolist() == [[100 + 2 * 120]]


def test_a_clock_of_unknown_offset_bounds_the_whole_only() -> None:
    """Two windows of 70 MFLOP by the devices; the meter saw 9 mJ in all its record, at no known time."""
    meter = NODE._replace(clock_uncertainty_s=None)
    found = _bound([meter], [[3, 3, 3]], [[70, 70]], [(0, 1), (1, 2)])
    assert (found.windows.tolist(), found.total) == ([[70, 70]], (90,))


def test_the_whole_is_widened_once_not_for_each_window() -> None:
    """Four days in hours of 1 mJ, a clock within 1 h: each day takes in 26 h, all four 98 h, not 104."""
    meter = NODE._replace(clock_uncertainty_s=HOUR)
    days = [(1 + 24 * i, 25 + 24 * i) for i in range(4)]
    found = _bound([meter], [[1] * 98], [[10**6] * 4], days)
    assert (found.windows.tolist(), found.total) == ([[260] * 4], (980,))


def test_a_negative_balance_makes_the_feed_bound_nothing() -> None:
    """Children took 60 + 50 mJ, less 1 % each, 59 + 49; the feed says 100 mJ, + 1 % 101: something goes past it."""
    feed, node = Meter(10_000), NODE._replace(parent=0, error_ppm=10_000)
    meters, direct = [feed, node, node], [[0], [9_999], [9_999]]
    found = _bound(meters, [[100], [60], [50]], direct, [(0, 1)])
    assert found.negative == (0,)
    assert found.windows.ravel().tolist() == [610 + 510, 610, 510]
    within_errors = _bound(meters, [[107], [60], [50]], direct, [(0, 1)])
    assert within_errors.negative == ()
    assert within_errors.windows.ravel().tolist() == [1_090, 610, 510]


def test_the_devices_own_energy_stands_against_their_meter() -> None:
    """Devices directly behind a meter of 100 mJ count 101 mJ by their own counters."""
    assert _bound([NODE], [[100]], [[9_999]], [(0, 1)], device_mj=[[101]]).negative == (0,)
    assert _bound([NODE], [[100]], [[9_999]], [(0, 1)], device_mj=[[100]]).negative == ()


def test_residuals_are_not_netted_over_windows_or_meters() -> None:
    """Two hours of 100 mJ; the node took 150 and then 0: the first hour is negative, whatever the second."""
    meters = [Meter(0), NODE._replace(parent=0)]
    found = _bound(meters, [[100, 100], [150, 0]], [[0, 0], [9_999, 9_999]], [(0, 1), (1, 2)])
    assert found.negative == (0,)


def test_storage_behind_a_feed_explains_its_balance() -> None:
    meters = [Meter(0, storage_mj=50), NODE._replace(parent=0)]
    found = _bound(meters, [[100], [150]], [[0], [9_999]], [(0, 1)])
    assert found.negative == ()


def test_a_gap_of_the_feed_excuses_what_its_circuit_carries() -> None:
    """A gap of 10 s in a circuit of 2 mW may hide 20 mJ of the 150: 100 + 20 is negative still. Rated 5 mW, 50 mJ,
    it is not; where the rating is not stated, the window is not judged."""
    meters = [Meter(0, rated_mw=2), NODE._replace(parent=0)]
    covered = [[FULL - 10_000], [FULL]]
    for rated, negative in ((2, (0,)), (5, ()), (None, ())):
        meters[0] = meters[0]._replace(rated_mw=rated)
        found = _bound(meters, [[100], [150]], [[0], [9_999]], [(0, 1)], covered=covered)
        assert found.negative == negative


def test_buckets_that_were_off_did_no_work() -> None:
    """Hours of 3, 3 and 50 mJ, the first two off: the windows (0, 2) and (1, 3) are 0 and 500 MFLOP. The whole
    window off, not even the resolution is charged."""
    off = np.array([[True, True, False]])
    meter = NODE._replace(resolution_mj=1)
    found = _bound([meter], [[3, 3, 50]], [[9_999, 9_999]], [(0, 2), (1, 3)], off=off)
    assert found.windows.tolist() == [[0, 510]]


def test_off_reaches_as_far_as_the_clock_does() -> None:
    """A clock within 1 s: hour 1 is off only if its neighbours are."""
    meter = NODE._replace(clock_uncertainty_s=1)
    found = _bound([meter], [[3, 3, 50]], [[9_999]], [(1, 2)], off=np.array([[True, True, False]]))
    assert found.windows.tolist() == [[500]]
    found = _bound([meter], [[3, 3, 3]], [[9_999]], [(1, 2)], off=np.array([[True, True, True]]))
    assert found.windows.tolist() == [[0]]
    beyond = _bound([meter], [[3, 3]], [[9_999]], [(0, 2)], off=np.array([[True, True]]))
    assert beyond.windows.tolist() == [[2 * 4]]


def test_a_bucket_covered_longer_than_it_lasts() -> None:
    with pytest.raises(EvidenceError) as error:
        _bound([NODE], [[1]], [[1]], [(0, 1)], covered=[[FULL + 1]])
    assert error.value.code == "meter/overlap"


@pytest.mark.parametrize("parent", [0, 1, -2])
def test_a_meter_comes_after_the_one_above_it(parent: int) -> None:
    with pytest.raises(ValueError, match="after"):
        _bound([NODE._replace(parent=parent)], [[1]], [[1]], [(0, 1)])


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="one row"):
        _bound([NODE], [[1]], [[1, 2]], [(0, 1)])


def test_a_site_beyond_int64() -> None:
    """100,000 B200 for a day, 1.06e10 MFLOP/s: 9.2e19 MFLOP by presence; 100 MW x 20,000 MFLOP/mJ: 1.7e20."""
    peak = 100_000 * 10_600_000_000
    meters = [Meter(0), Meter(0, 20_000, peak, parent=0)]
    hourly = 100_000_000_000 * HOUR
    found = _bound(meters, [[hourly] * 24] * 2, [[0], [peak * 86_400]], [(0, 24)])
    assert found.high(meters) == peak * 86_400
    found = _bound(meters, [[hourly // 2] * 24] * 2, [[0], [peak * 86_400]], [(0, 24)])
    assert found.high(meters) == 24 * hourly // 2 * 20_000


def _site(rng: random.Random, buckets: int, *, first: int = 0, edge: int = 0) -> tuple[list[Meter], Any, Any]:
    """A random site and its truth: meters, work done directly behind each, energy through each. Batteries give what
    they give in any hours of a day; the record's first hour is `first` of the epoch. Nothing runs in the first and
    last `edge` hours."""
    count = rng.randint(1, 6)
    meters = [
        Meter(
            error_ppm=rng.choice([0, 10_000, 200_000]),
            efficiency_mflop_per_mj=rng.randint(1, 20),
            peak_mflop_per_s=rng.randint(1, 9),
            parent=rng.randint(ROOT, i - 1),
            resolution_mj=rng.randint(0, 5),
            clock_uncertainty_s=rng.choice([0, 0, 10, HOUR, None]),
            rated_mw=rng.choice([None, 10]),
        )
        for i in range(count)
    ]
    work = np.zeros((count, buckets), np.int64)
    through = np.zeros((count, buckets), np.int64)
    day = (np.arange(buckets) + first) // 24
    for i, meter in enumerate(meters):
        for b in range(buckets):
            energy = rng.choice([0, rng.randint(0, 50), rng.randint(0, 5_000)])
            could = min(energy * meter.efficiency_mflop_per_mj, meter.peak_mflop_per_s * HOUR)
            work[i, b] = rng.choice([0, could, rng.randint(0, could)])
            through[i, b] = energy + rng.randint(0, 20)  # fans and such
    for array in (work, through):
        array[:, :edge] = array[:, buckets - edge :] = 0
    for i in range(count - 1, -1, -1):
        storage = np.array([rng.choice([0, rng.randint(0, int(e))]) for e in through[i]])
        meters[i] = meters[i]._replace(storage_mj=max(int(storage[day == d].sum()) for d in set(day)))
        through[i] -= storage
        if meters[i].parent != ROOT:
            through[meters[i].parent] += through[i]
    return meters, work, through


def _recorded(rng: random.Random, meters: list[Meter], through: Any) -> Record:
    """What meters of a true energy record: shifted by their clocks, wrong by up to their errors, with gaps."""
    high, covered = np.zeros_like(through), np.zeros_like(through)
    buckets = through.shape[1]
    for i, meter in enumerate(meters):
        uncertainty = meter.clock_uncertainty_s
        shift = rng.randint(-1, 1) if uncertainty is None or uncertainty >= HOUR else 0
        for b in range(buckets):
            true = int(through[i, b - shift]) if 0 <= b - shift < buckets else 0
            if rng.random() < 0.15 and uncertainty is not None:
                continue  # a gap
            error = meter.error_ppm * rng.choice([-1, 0, 1])
            # e is of what was read: true <= read x (1 + e)
            high[i, b] = -(-true * 10**6 // (10**6 - error)) if error < 0 else -(-true * 10**6 // (10**6 + error))
            covered[i, b] = FULL
    return Record.of(high, covered, low_mj=np.zeros_like(high))


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_what_was_truly_done_is_never_above_the_bound(seed: int) -> None:
    """Windows are hours 2 to 4 and 4 to 7 of 9, as every meter shifts its record by at most one."""
    rng = random.Random(seed)
    first = rng.randint(0, 47)
    meters, work, through = _site(rng, 9, first=first, edge=1)
    windows = [(2, 4), (4, 7)]
    true = np.stack([work[:, a:b].sum(axis=1) for a, b in windows], axis=1)
    direct = true + np.array([[rng.choice([0, 5, 10**6]) for _ in windows] for _ in meters])
    record = _recorded(rng, meters, through)
    widest = np.array([[max(a - 1, 0), min(b + 1, 9)] for a, b in windows])
    assert all((record.most(i, widest) >= 0).all() for i in range(len(meters)))
    found = bound(meters, record, direct, windows=windows, bucket_seconds=HOUR, first_bucket=first)
    behind = true.copy()
    for i in range(len(meters) - 1, -1, -1):
        if meters[i].parent != ROOT:
            behind[meters[i].parent] += behind[i]
    assert (found.windows >= behind).all()
    assert all(t >= b for t, b in zip(found.total, behind.sum(axis=1).tolist(), strict=True))
    assert all(t <= w for t, w in zip(found.total, found.windows.sum(axis=1).tolist(), strict=True))


def _plain(meters: Sequence[Meter], high: Any, direct: Any, covered: Any) -> list[list[int]]:
    """H as the design has it, window by window and meter by meter, for exact clocks and windows of one bucket."""
    count, found = len(meters), []
    for w in range(high.shape[1]):

        def behind(i: int) -> list[int]:
            return [i, *(d for c in range(count) if meters[c].parent == i for d in behind(c))]

        def most(i: int, w: int = w) -> int:
            energy = -(-int(high[i, w]) * (10**6 + meters[i].error_ppm) // 10**6) + meters[i].resolution_mj
            energy += sum(meters[d].storage_mj for d in behind(i))
            best = max(meters[d].efficiency_mflop_per_mj for d in behind(i))
            peak = sum(meters[d].peak_mflop_per_s for d in behind(i))
            return best * energy + -(-peak * (FULL - int(covered[i, w])) // 1_000)

        def h(i: int, w: int = w) -> int:
            children = sum(h(c, w) for c in range(count) if meters[c].parent == i)
            own = sum(int(direct[d, w]) for d in behind(i))
            return min(own, most(i, w), children + int(direct[i, w]))

        found.append([h(i) for i in range(count)])
    return np.array(found).T.tolist()


@given(st.integers(0, 2**32))
def test_against_the_definition(seed: int) -> None:
    rng = random.Random(seed)
    meters, work, through = _site(rng, 3)
    meters = [m._replace(clock_uncertainty_s=0) for m in meters]
    direct = work + rng.randint(0, 1_000)
    covered = np.array([[FULL - rng.choice([0, 0, 7, FULL]) for _ in range(3)] for _ in meters])
    windows = [(0, 1), (1, 2), (2, 3)]
    found = _bound(meters, through, direct, windows, covered=covered, low_mj=np.zeros_like(through))
    assert found.windows.tolist() == _plain(meters, through, direct, covered)


@given(st.integers(0, 2**32))
def test_less_evidence_never_lowers_a_bound(seed: int) -> None:
    """More energy, a longer gap, more by the devices, a worse clock: nothing of this may help who is judged."""
    rng = random.Random(seed)
    meters, work, through = _site(rng, 6)
    windows = [(1, 3), (3, 5)]
    direct = np.stack([work[:, a:b].sum(axis=1) for a, b in windows], axis=1) + rng.randint(0, 1_000)
    covered = np.array([[FULL - rng.choice([0, 0, 7, FULL]) for _ in range(6)] for _ in meters])
    low = np.zeros_like(through)
    before = _bound(meters, through, direct, windows, covered=covered, low_mj=low)
    i, b = rng.randrange(len(meters)), rng.randrange(6)
    match rng.randrange(4):
        case 0:
            through[i, b] += rng.randint(1, 10**6)
        case 1:
            covered[i, b] = rng.randint(0, int(covered[i, b]))
        case 2:
            direct[i, rng.randrange(2)] += rng.randint(1, 10**6)
        case _:
            worse = rng.choice([None, (meters[i].clock_uncertainty_s or 0) + rng.randint(1, 2 * HOUR)])
            # an unknown offset rests on its own premise, that the record holds all of the windows
            known = meters[i].clock_uncertainty_s is not None and worse is not None
            meters[i] = meters[i]._replace(clock_uncertainty_s=worse if known else meters[i].clock_uncertainty_s)
    after = _bound(meters, through, direct, windows, covered=covered, low_mj=low)
    assert (after.windows >= before.windows).all()
    assert all(x >= y for x, y in zip(after.total, before.total, strict=True))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 9)), max_size=12), st.randoms())
def test_the_order_and_the_cut_of_facts_do_not_matter(rows: list[tuple[int, int, int]], rng: random.Random) -> None:
    """Rows of facts in any order, and each split in two, are the same record."""

    def table(parts: list[tuple[int, int, int]]) -> Record:
        meter, bucket, energy = ([r[i] for r in parts] for i in range(3))
        zeros = [0] * len(parts)
        columns = {"low": energy, "covered": zeros, "starting": zeros, "ending": zeros, "runs": zeros}
        return Record.tabulate(meter, bucket, high=energy, **columns, meters=3, first=0, buckets=5)

    split = [(m, b, part) for m, b, e in rows for part in (e // 2, e - e // 2)]
    rng.shuffle(split)
    whole, parts = table(rows), table(split)
    assert whole.inside.tolist() == parts.inside.tolist()
    assert whole.low.tolist() == parts.low.tolist()
