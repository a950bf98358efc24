"""What a lab admits by the sizes that its run tables declare, against a plain reference, row by row."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.account import Account, Models
from attest.admitted import active, admission, behind, shared
from attest.agreement import verify_agreement
from attest.check import examine
from attest.compute.accelerators import default_pin
from attest.compute.bounds import capacity
from attest.evaluate import View
from attest.facts import Cell, Table, Work
from attest.figures import INDEPENDENT
from attest.format.vocabulary import Precision
from attest.usage import CYCLES_KNOWN
from tests.check.world import HOUR, INFERENCE, PACT, START, TRAINING, honest

FIRST = START // HOUR
DAY = (FIRST, FIRST + 24)
MORNING = (FIRST, FIRST + 8)


@cache
def account() -> Account:
    """A day of two nodes with a training run on both and a chat on the first."""
    signed = verify_agreement(PACT.signed())
    view = View.of(examine(honest((TRAINING, INFERENCE)).bundle(), signed), signed.agreement, DAY)
    assert view is not None
    return view.account


INDICES = sorted(set(account().cells[:, Cell.INDEX].tolist()))
CLASSES = sorted(set(account().cells[:, Cell.CLASS].tolist()))
SIZE = st.one_of(st.just(-1), st.just(0), st.integers(1, 1 << 62), st.integers(1, 10**13))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Work rows as statements make them: by index, run and group, what a run declares in its first row."""
    rows = []
    for index in draw(st.lists(st.sampled_from(INDICES), unique=True, max_size=4).map(sorted)):
        for run in range(draw(st.integers(0, 4))):
            klass, size = draw(st.sampled_from([*CLASSES, 250])), draw(SIZE)
            for group in range(draw(st.integers(1, 2))):
                rows.append((index, run, group, klass, run, 0, draw(st.integers(0, 8 * HOUR)), -1 if group else size))
    return np.array(rows, np.int64).reshape(len(rows), len(Work))


def reference(made: Account, rows: Table, window: tuple[int, int]) -> int:
    """Cycles of the window's buckets; of each statement and class in the window, what declared sizes add to them."""
    pin = default_pin("NVIDIA H100 SXM5 80GB")
    work = active(made.cells, made.models)
    inside = (made.cells[:, Cell.BUCKET] >= window[0]) & (made.cells[:, Cell.BUCKET] < window[1])
    low = int(work[inside].sum())
    for index, klass in {(int(r[Work.INDEX]), int(r[Work.CLASS])) for r in rows}:
        here = rows[(rows[:, Work.INDEX] == index) & (rows[:, Work.CLASS] == klass)]
        size = 0
        for run in {int(r[Work.RUN]) for r in here}:
            of_run = here[here[:, Work.RUN] == run]
            could = sum(int(capacity(int(s), pin)) for s in of_run[:, Work.SECONDS])
            size += min(max(int(of_run[:, Work.DECLARED].max()), 0), could)
        at = (made.cells[:, Cell.INDEX] == index) & (made.cells[:, Cell.CLASS] == klass)
        buckets = made.cells[made.cells[:, Cell.INDEX] == index, Cell.BUCKET]
        if at.any() and window[0] <= buckets.min() and buckets.max() < window[1]:
            low += max(size - int(work[at].sum()), 0)
    return low


@given(tables())
def test_declared_sizes_count_where_they_exceed_the_cycles(rows: Table) -> None:
    made = account()
    made.work = rows
    found = admission(made, [MORNING, DAY], None, made.worth.admitted)
    assert found.tolist() == [reference(made, rows, MORNING), reference(made, rows, DAY)]


def test_of_one_label_the_others_sizes_do_not_count() -> None:
    """One class of one statement declares a day of its devices' peak: only a cap on its label sees that."""
    made = account()
    index, klass = (int(v) for v in made.cells[-1, [Cell.INDEX, Cell.CLASS]])
    rows = made.work

    def low(label: int) -> int:
        return int(admission(made, [DAY], label, made.worth.admitted)[0])

    made.work = np.array([(index, 0, 0, klass, 0, 0, 8 * 24 * HOUR, 1 << 62)], np.int64)
    declared = [low(label) for label in range(8)]
    made.work = rows[:0]
    assert [label for label in range(8) if declared[label] > low(label)] == [klass // 16]


@pytest.mark.parametrize("models", [("NVIDIA H100 SXM5 80GB",), ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 SXM5 80GB")])
def test_values_beyond_64_bits_stay_exact(models: tuple[str, ...]) -> None:
    """2^60 s at 2.141e9 MFLOP/s do not fit 64 bits, and are no reason to fail."""
    pins = {name: default_pin(name) for name in models}
    group = np.arange(len(models))
    found = Models(models, pins).over(group, lambda pin, rows: capacity(np.full(len(group), 1 << 60)[rows], pin))
    assert found.tolist() == [(1 << 60) * pins[name].peak_flop_per_s // 10**6 for name in models]


def test_what_is_declared_for_devices_stays_on_their_feeds() -> None:
    """A run names 10 s of the first group and 1 h of the second and declares more than all of that: to each its own."""
    made = account()
    index, klass = (int(v) for v in made.cells[0, [Cell.INDEX, Cell.CLASS]])
    rows = made.work
    metering = made.metering(INDEPENDENT)
    without = behind(made, metering, [DAY], None, made.worth.admitted)
    made.work = np.array(
        [(index, 0, 0, klass, 0, 0, 10, 1 << 62), (index, 0, 1, klass, 0, 0, 8 * 24 * HOUR, -1)], np.int64
    )
    found = behind(made, metering, [DAY], None, made.worth.admitted) - without
    made.work = rows
    least, most = (int(capacity(s, default_pin("NVIDIA H100 SXM5 80GB"))) for s in (10, 8 * 24 * HOUR))
    first, second = metering.row_of[made.group_feed[:2]]
    assert first != second
    assert 0 < found[first, 0] <= least
    assert least < found[second, 0] <= most
    assert found.sum() == found[first, 0] + found[second, 0]


def test_amounts_are_shared_out_in_order() -> None:
    assert shared(np.array([5, 4]), np.array([0, 0, 1, 1]), np.array([3, 9, 1, 1])).tolist() == [3, 2, 1, 1]


@pytest.mark.parametrize("models", [("NVIDIA H100 SXM5 80GB",), ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 SXM5 80GB")])
def test_cycles_that_admit_more_than_64_bits_hold_are_added_up_exactly(models: tuple[str, ...]) -> None:
    """A rack of 1,024 devices pinned at 1 EFLOP/s, busy for a day: 8.8e19 MFLOP of presence, of each format."""
    most = 10**18
    figures = {"peak_flop_per_s": most, "peak_bf16_flop_per_s": most, "admitted_operations_per_cycle": 10**9}
    work = {"operations_per_cycle": 10**9, "operations_per_cycle_bf16": 10**9}
    pins = {name: default_pin(name).with_overrides(**figures, **work) for name in models}
    cells = np.zeros((4, len(Cell)), np.int64, "F")
    cells[:, Cell.GROUP] = np.arange(4) % len(models)
    cells[:, Cell.CLASS] = [16 + Precision.BF16, 16 + Precision.BF16, 16 + Precision.TF32, 16 + Precision.INT8]
    cells[:, Cell.SAMPLED] = 1_024 * 24 * HOUR
    cells[:, Cell.MEASURED] = CYCLES_KNOWN
    cells[:, Cell.CYCLES] = [1 << 40, 1, 1 << 40, 1 << 40]
    found = active(cells, Models(models, pins)).tolist()
    tf32 = 250_000_000 * (1 << 40) * 10**6 // 1_070_000
    assert found == [1_024 * 24 * HOUR * 10**12, 10**9 * 10**6 // 1_070_000, min(tf32, found[0]), 0]
