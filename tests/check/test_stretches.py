"""The duplicate-series test over statements of an hour: what is a copy, and what honest labs must be free to draw."""

from collections.abc import Sequence

import numpy as np
import pytest

from attest.compute.columns import Ints
from attest.facts import Cell
from attest.repeated import repeated
from attest.stretches import STRETCH, copied_stretches
from attest.usage import ENERGY_KNOWN

HOURS = 24 * 7
RNG = np.random.default_rng(7)


def noise(hours: int = HOURS, step: int = 1) -> Ints:
    """Hours of a busy host in mJ, measured in steps."""
    return RNG.integers(10**9, 2 * 10**10, hours) // step * step


def found(*hosts: Sequence[int] | Ints, buckets: Sequence[range] = ()) -> list[tuple[int, int]]:
    """(host, hour) of the copies, where each host tells each of its hours in a statement, hour by hour."""
    spans = buckets or [range(len(series)) for series in hosts]
    rows = sorted(
        (bucket, host, int(energy))
        for host, series in enumerate(hosts)
        for bucket, energy in zip(spans[host], series, strict=True)
    )
    bucket, host, energy = np.array(rows, np.int64).T
    copies = copied_stretches(np.arange(len(rows)), host, bucket, energy)
    return sorted((rows[index][1], rows[index][0]) for index in copies.tolist())


def test_a_day_of_another_host_is_found_and_the_first_to_tell_it_counts() -> None:
    a, b = noise(), noise()
    b[50 : 50 + STRETCH] = a[50 : 50 + STRETCH]
    assert found(a, b) == [(1, hour) for hour in range(50, 50 + STRETCH)]
    assert found(b, a) == [(1, hour) for hour in range(50, 50 + STRETCH)]


def test_a_day_that_the_host_told_before_is_found_at_any_distance() -> None:
    a = noise()
    a[61 : 61 + 30] = a[10:40]
    assert found(a) == [(0, hour) for hour in range(61, 91)]
    assert found(a, noise()) == [(0, hour) for hour in range(61, 91)]


def test_less_than_a_stretch_is_not_compared() -> None:
    a, b = noise(), noise()
    b[50 : 49 + STRETCH] = a[50 : 49 + STRETCH]
    assert found(a, b) == []
    assert found(noise(STRETCH), noise(STRETCH - 1)) == []
    assert found(a[:STRETCH], a[:STRETCH]) == [(1, hour) for hour in range(STRETCH)]
    assert found(a[:STRETCH]) == []


def test_one_mj_more_is_no_copy() -> None:
    a = noise(STRETCH)
    b = a.copy()
    b[11] += 1
    assert found(a, b, noise()) == []


def test_a_hole_ends_a_stretch() -> None:
    a = noise(2 * STRETCH)
    holed = [range(40), [*range(20), *range(21, 41)]]
    assert found(a[:40], a[:40], buckets=holed) == []  # type: ignore[arg-type]


def test_idle_hosts_that_draw_the_same_are_no_copies() -> None:
    idle = np.full(HOURS, 2_880_000_000)
    stepped = idle + 60_000 * (np.arange(HOURS) % 5)
    assert found(*[idle] * 20) == []
    assert found(*[stepped] * 20) == []


@pytest.mark.parametrize("levels", [6, 8, 12])
def test_hosts_in_lockstep_of_few_levels_are_no_copies(levels: int) -> None:
    """The same few sums in the same order on all hosts, as where a scheduler turns all of them up and down."""
    series = 2_880_000_000 + 60_000 * RNG.integers(0, levels, HOURS)
    assert found(*[series] * 50) == []


@pytest.mark.parametrize("step", [1, 1_000, 60_000, 3_600_000])
def test_honest_hosts_are_free_to_be_alike(step: int) -> None:
    """A hundred idle hosts for a week, whatever the steps of their gauges."""
    drawn = 2_880_000_000 + RNG.normal(0, 3_000_000, (100, HOURS)).astype(np.int64) // step * step
    assert found(*drawn) == []


def test_statements_of_a_part_of_an_hour_are_summed_and_those_that_reach_beyond_the_copy_count() -> None:
    a, halves = noise(STRETCH), []
    for number in (0, 1):
        for hour, energy in enumerate(a.tolist()):
            parts = (energy // 3, energy - energy // 3) if number == 0 else (energy // 2, energy - energy // 2)
            halves += [(number, hour, part) for part in parts]
    halves.append((1, STRETCH, 17))
    host, bucket, energy = np.array(halves, np.int64).T
    index = np.arange(len(halves))
    index[-1] -= 1  # the last statement reaches into the next hour
    assert copied_stretches(index, host, bucket, energy).tolist() == [*range(2 * STRETCH, 4 * STRETCH - 1)]


def test_hourly_statements_in_cells() -> None:
    a = noise(STRETCH).tolist()
    rows = np.zeros((2 * STRETCH, len(Cell)), np.int64)
    rows[:, Cell.INDEX] = np.arange(2 * STRETCH)
    rows[:, Cell.BUCKET] = [*range(100, 100 + STRETCH), *range(500, 500 + STRETCH)]
    rows[:, Cell.ENERGY] = a + a
    rows[:, Cell.MEASURED] = ENERGY_KNOWN
    said, sources = rows[:, Cell.INDEX], np.repeat([3, 4], STRETCH)
    every = np.ones(len(rows), bool)
    assert repeated(rows, every, said, sources).tolist() == [*range(STRETCH, 2 * STRETCH)]
    assert repeated(rows, rows[:, Cell.INDEX] != 0, said, sources).tolist() == []
