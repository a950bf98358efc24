"""The duplicate-series test on rows of facts, by hand."""

import numpy as np

from attest.facts import Cell, Table
from attest.repeated import MIN_SERIES, repeated
from attest.usage import ENERGY_KNOWN

SERIES = (5_000, 7_001, 9_002, 4_003, 6_004, 8_005)


def cells(*statements: tuple[int, int, tuple[int, ...]], measured: int = ENERGY_KNOWN) -> Table:
    """(log index, first bucket, mJ by bucket) as cells, each bucket's energy in two classes."""
    rows = []
    for index, first, series in statements:
        for place, energy in enumerate(series):
            for klass, part in ((0, energy // 3), (17, energy - energy // 3)):
                row = np.zeros(len(Cell), np.int64)
                row[[Cell.INDEX, Cell.BUCKET, Cell.CLASS, Cell.ENERGY]] = index, first + place, klass, part
                row[Cell.MEASURED] = measured
                rows.append(row)
    return np.array(rows, np.int64).reshape(len(rows), len(Cell))


def found(rows: Table) -> list[int]:
    said = np.unique(rows[:, Cell.INDEX])
    return repeated(rows, np.ones(len(rows), bool), said, said).tolist()


def test_a_copy_of_another_day_is_found_and_the_first_of_its_kind_is_not() -> None:
    assert found(cells((3, 0, SERIES), (4, 0, SERIES[::-1]), (8, 24, SERIES), (9, 100, SERIES))) == [8, 9]
    assert found(cells((9, 0, SERIES), (3, 24, SERIES))) == [9]  # whatever was read first


def test_one_mj_more_is_another_series() -> None:
    assert found(cells((3, 0, SERIES), (8, 24, (*SERIES[:-1], SERIES[-1] + 1)))) == []


def test_short_or_constant_series_may_repeat_by_chance() -> None:
    short, constant = SERIES[: MIN_SERIES - 1], (5_000,) * 24
    assert found(cells((1, 0, short), (2, 0, short), (3, 0, constant), (4, 24, constant))) == []


def test_what_is_not_measured_repeats_nothing() -> None:
    assert found(cells((1, 0, SERIES), (2, 0, SERIES), measured=0)) == []
    assert found(cells()) == []


def test_what_does_not_count_is_no_original() -> None:
    rows = cells((3, 0, SERIES), (8, 24, SERIES), (9, 48, SERIES))
    said = np.array([3, 8, 9])
    assert repeated(rows, rows[:, Cell.INDEX] != 3, said, said).tolist() == [9]
