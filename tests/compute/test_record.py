"""Windows of energy from records of meters, by hand and against a plain reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.exact import total
from attest.compute.record import Record


def test_energy_of_windows() -> None:
    record = Record.of([[1, 2, 4, 8]], [[0] * 4], low_mj=[[1, 1, 3, 7]])
    windows = np.array([[0, 4], [1, 3], [2, 2]])
    assert record.most(0, windows).tolist() == [15, 6, 0]
    assert record.fewest(0, windows).tolist() == [12, 4, 0]


def test_a_register_step_over_edges_counts_once_in_every_window_it_touches() -> None:
    """10 mJ from bucket 1 to bucket 3, and 1 mJ within each of four buckets. Buckets 0 and 1 may have had 12 mJ,
    bucket 2 alone 11 mJ, all of them 14 mJ; all must have had 14 mJ, buckets 1 to 2 at least 2."""
    record = Record.of(
        [[1, 11, 11, 11]],
        [[0] * 4],
        low_mj=[[1, 1, 1, 1]],
        starting_mj=[[0, 10, 0, 0]],
        ending_mj=[[0, 0, 0, 10]],
    )
    windows = np.array([[0, 2], [2, 3], [0, 4], [0, 1], [1, 3]])
    assert record.most(0, windows).tolist() == [12, 11, 14, 1, 12]
    assert record.fewest(0, windows).tolist() == [2, 1, 14, 1, 2]


def test_rows_add_up_in_any_order_and_silence_is_not_covered() -> None:
    rows = {"high": [5, 7, 1], "low": [4, 6, 0], "covered": [10, 20, 30], "starting": [0] * 3, "ending": [0] * 3}
    record = Record.tabulate([0, 1, 0], [8, 7, 8], **rows, runs=[1, 1, 1], meters=2, first=7, buckets=3)
    each = np.array([[0, 1], [1, 2], [2, 3]])
    assert record.shape == (2, 3)
    assert [record.most(i, each).tolist() for i in (0, 1)] == [[0, 6, 0], [7, 0, 0]]
    assert record.within(record.covered_ms, 0, each).tolist() == [0, 40, 0]
    assert record.within(record.runs, 0, each).tolist() == [0, 2, 0]


def test_a_step_from_before_the_record_counts_from_its_beginning() -> None:
    """9 mJ from bucket 1 to bucket 4, of a record that begins at bucket 3; 2 mJ ended before it."""
    record = Record.tabulate(
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 2, 3, 4],
        high=[2, 11, 0, 9, 9, 9],
        low=[0] * 6,
        covered=[0] * 6,
        starting=[2, 0, 9, 0, 0, 0],
        ending=[0, 2, 0, 0, 0, 9],
        runs=[0] * 6,
        meters=1,
        first=3,
        buckets=3,
    )
    assert record.most(0, np.array([[0, 1], [1, 2], [2, 3], [0, 3]])).tolist() == [9, 9, 0, 9]


def test_steps_beyond_int64_are_exact() -> None:
    huge = [1 << 61] * 4
    record = Record.tabulate(
        [0] * 4,
        [0] * 4,
        high=huge,
        low=[0] * 4,
        covered=[0] * 4,
        starting=huge,
        ending=[0] * 4,
        runs=[0] * 4,
        meters=1,
        first=1,
        buckets=1,
    )
    assert record.shape == (1, 1)


def test_energy_beyond_int64_is_exact() -> None:
    record = Record.tabulate(
        [0] * 4,
        [0] * 4,
        high=[1 << 61] * 4,
        low=[1 << 61] * 4,
        covered=[0] * 4,
        starting=[0] * 4,
        ending=[0] * 4,
        runs=[0] * 4,
        meters=1,
        first=0,
        buckets=1,
    )
    assert total(record.most(0, np.array([[0, 1]]))) == 1 << 63


def test_arrays_of_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Record.of([[1, 2]], [[1]])


def test_silenced_buckets_keep_what_passed_their_edges() -> None:
    record = Record.of([[3, 13]], [[0, 0]], starting_mj=[[2, 0]], ending_mj=[[0, 2]])
    silent = record.silenced(np.array([[True, False]]))
    assert silent.most(0, np.array([[0, 1], [0, 2]])).tolist() == [2, 13]


STEPS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 9)), max_size=8)


@given(STEPS, st.integers(0, 4), st.integers(1, 5))
def test_against_steps_one_by_one(steps: list[tuple[int, int, int]], first: int, buckets: int) -> None:
    """Any set of steps (first bucket, last bucket, energy): the most and the fewest of every window."""
    steps = [(min(a, b), max(a, b), e) for a, b, e in steps]
    rows: list[tuple[int, int, int, int, int]] = []
    for a, b, energy in steps:
        for bucket in range(a, b + 1):
            inside = energy if a == b else 0
            rows.append((bucket, energy, inside, energy * (a == bucket < b), energy * (a < bucket == b)))
    columns = [list(c) for c in zip(*rows, strict=True)] or [[]] * 5
    names = dict(zip(("high", "low", "starting", "ending"), columns[1:], strict=True))
    zeros = [0] * len(rows)
    record = Record.tabulate(
        zeros, columns[0], **names, covered=zeros, runs=zeros, meters=1, first=first, buckets=buckets
    )
    for begin in range(buckets):
        for end in range(begin + 1, buckets + 1):
            window = np.array([[begin, end]])
            low, high = first + begin, first + end
            most = sum(e for a, b, e in steps if a < high and b >= low)
            within = sum(e for a, b, e in steps if a >= low and b < high)
            assert record.most(0, window).tolist() == [most]
            assert record.fewest(0, window)[0] <= within
