"""The duplicate-series test between logs on rows of energy, by hand: what is a copy, whose, and what is chance."""

from typing import NamedTuple

import numpy as np

from attest.across import _copies, _Series
from attest.stretches import STRETCH


class Host(NamedTuple):
    """What one source of a log drew, bucket by bucket, and when its statements of a day each were witnessed first."""

    energy: list[int]
    upper: int


def series(*hosts: Host) -> _Series:
    """A log of these sources, with a statement for every 24 buckets."""
    count = [len(host.energy) for host in hosts]
    bucket = np.concatenate([np.arange(n) for n in count])
    source = np.repeat(np.arange(len(hosts)), count)
    upper = np.concatenate([host.upper + np.arange(len(host.energy)) // STRETCH for host in hosts])
    statements = source * 1_000 + bucket // STRETCH
    energy = np.concatenate([host.energy for host in hosts]).astype(np.int64)
    return _Series(statements, np.arange(len(bucket)), source, bucket, energy, upper)


def work(seed: int, days: int = 2) -> list[int]:
    """Energy of devices at work, mJ."""
    return np.random.default_rng(seed).integers(10**9, 10**10, days * STRETCH).tolist()


def found(*logs: _Series, original: tuple[bool, ...] = ()) -> list[tuple[list[int], set[int]]]:
    return [(s.tolist(), others) for s, others in _copies(logs, original or (True,) * len(logs))]


NOTHING: tuple[list[int], set[int]] = ([], set())


def test_a_day_of_another_log_is_a_copy_whatever_day_it_is_told_of() -> None:
    mine, other = work(1), work(2)
    first = series(Host(mine, 100))
    assert found(first, series(Host(other[:STRETCH] + mine[:STRETCH], 200))) == [NOTHING, ([1], {0})]
    assert found(series(Host(other[:STRETCH] + mine[:STRETCH], 200)), first) == [([1], {1}), NOTHING]


def test_the_one_witnessed_first_is_the_original_of_all_others() -> None:
    day = work(1, 1)
    assert found(*(series(Host(day, upper), Host(work(upper), 0)) for upper in (300, 100, 200))) == [
        ([0], {1}),
        NOTHING,
        ([0], {1}),
    ]


def test_two_at_the_same_time_are_copies_of_each_other() -> None:
    day = work(1)
    assert found(series(Host(day, 100)), series(Host(day, 100))) == [([0, 1], {1}), ([0, 1], {0})]


def test_a_log_that_can_be_no_original_is_always_the_copy() -> None:
    day = work(1)
    logs = series(Host(day, 100)), series(Host(day, 200))
    assert found(*logs, original=(False, True)) == [([0, 1], {1}), NOTHING]
    assert found(*logs, original=(False, False)) == [NOTHING, NOTHING]


def test_a_statement_with_one_bucket_of_its_own_is_no_copy() -> None:
    day = work(1, 1)
    assert found(series(Host(work(2) + day, 100)), series(Host([*day[:-1], day[-1] + 1], 200))) == [NOTHING, NOTHING]


def test_idle_devices_in_whole_watts_are_no_copies_by_chance() -> None:
    """A fleet of 60 hosts a lab, whose hourly sums have twenty values, for a month."""
    draw = np.random.default_rng(5)
    logs = [
        series(*(Host((draw.integers(0, 20, 30 * STRETCH) * 60_000 + 2_000_000_000).tolist(), lab) for _ in range(60)))
        for lab in range(3)
    ]
    assert found(*logs) == [NOTHING] * 3
    steady = [2_000_000_000] * (2 * STRETCH)
    assert found(series(Host(steady, 100)), series(Host(steady, 200))) == [NOTHING] * 2


def test_lockstep_idling_of_few_values_is_no_copy() -> None:
    """The same daily course in both labs, in six steps that everybody has."""
    course = [2_000_000_000 + 60_000 * (hour // 4) for hour in range(STRETCH)] * 20
    logs = [series(*(Host(course, lab) for _ in range(10))) for lab in range(2)]
    assert found(*logs) == [NOTHING] * 2


def test_a_day_that_is_told_ten_thousand_times_is_found_in_no_time() -> None:
    day = work(1, 1)
    many = [Host([*day, 10**10 + number], 200) for number in range(10_000)]
    (mine, _), (theirs, others) = found(series(Host(day + work(3, 400), 100)), series(*many))
    assert (mine, len(theirs), others) == ([], 10_000, {0})


def test_nothing_at_all() -> None:
    empty = series(Host([], 0))
    assert found(empty, empty) == [NOTHING, NOTHING]
