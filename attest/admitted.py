"""What a lab admits: work of its own witnessed statements, for `low` (schemas/bounds.md, "Admission").

Two things admit work: tensor-active cycles, deflated by what the method overshot real runs by, and the sizes that run
tables declare, never beyond what the devices named could have done. Where both speak of the runs of one class in one
statement the larger counts. A declared size counts in windows that hold the whole statement: nobody knows how it is
spread.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from attest.account import Account, Models, Rows
from attest.compute import bounds
from attest.compute.columns import Ints
from attest.compute.exact import Array, add, gathered, running
from attest.compute.pins import Pin
from attest.facts import Cell, Mask, Table, Work
from attest.figures import INDEPENDENT
from attest.format.vocabulary import Precision
from attest.metering import Metering, Window
from attest.usage import CLASS_STEP


def admission(account: Account, windows: Sequence[Window], label: int | None, mask: Mask) -> Array:
    """What the statements of `mask` admit, clipped to what independent meters leave possible, [window], MFLOP."""
    metering = account.metering(INDEPENDENT)
    return metering.bound(behind(account, metering, windows, label, mask), windows).windows


def behind(account: Account, metering: Metering, windows: Sequence[Window], label: int | None, mask: Mask) -> Array:
    """Admitted work of whole buckets, and of declared runs where the statement lies in the window, [meter, window];
    windows are sorted by both ends."""
    cells = account.of_label(account.worthy(account.cells, mask), label)
    work = active(cells, account.models)
    meters = account.behind(metering)
    sums = account.by_window(account.dense(meters, cells[:, Cell.GROUP], cells[:, Cell.BUCKET], work), windows)
    rows = account.work[account.worth.of(account.work[:, Work.INDEX], mask)]
    if (rows[:, Work.DECLARED] > 0).any():
        return add(sums, _declared(account, meters, rows, cells, work, windows))
    return sums


def active(cells: Table, models: Models) -> Array:
    """Admitted by cycles, of each cell, MFLOP; never above its presence."""
    cycles = np.maximum(cells[:, Cell.CYCLES], cells[:, Cell.DERIVED])  # 0 where not measured
    precision = cells[:, Cell.CLASS] % CLASS_STEP
    present = np.flatnonzero(np.bincount(precision[cycles > 0])).tolist()
    by_precision = {n: cycles if len(present) == 1 else np.where(precision == n, cycles, 0) for n in present}

    def clipped(pin: Pin, rows: Any) -> Array:
        found = (bounds.admitted(of[rows], pin, Precision(n), clocked=True) for n, of in by_precision.items())
        seconds = cells[rows, Cell.SAMPLED]
        return bounds.declared(add(np.zeros(len(seconds), np.int64), *found), seconds, pin)

    return models.over(cells[:, Cell.GROUP], clipped)


def _declared(
    account: Account, meters: Rows, rows: Table, cells: Table, work: Array, windows: Sequence[Window]
) -> Array:
    """By how much declared sizes exceed what cycles admit, statement by statement and class, [meter, window]."""
    rows = rows[np.isin(rows[:, Work.INDEX], rows[rows[:, Work.DECLARED] > 0, Work.INDEX])]
    rows = rows[np.lexsort((rows[:, Work.RUN], rows[:, Work.CLASS], rows[:, Work.INDEX]))]
    run = _numbered(rows[:, [Work.INDEX, Work.CLASS, Work.RUN]])
    seconds = rows[:, Work.SECONDS]
    could = account.models.over(rows[:, Work.GROUP], lambda pin, at: bounds.capacity(seconds[at], pin))
    begins = np.flatnonzero(np.diff(run, prepend=-1))
    said = np.maximum(np.maximum.reduceat(rows[:, Work.DECLARED], begins), 0)
    size = shared(said, run, could)
    klass = _numbered(rows[:, [Work.INDEX, Work.CLASS]])
    of_class = rows[np.flatnonzero(np.diff(klass, prepend=-1))]
    known, there = _matched(of_class, cells)
    admitted = gathered(work[known], there, len(of_class))
    extra = np.maximum(gathered(size, klass, len(of_class)) - admitted, 0)
    extra = shared(np.where(np.bincount(there, minlength=len(of_class)) > 0, extra, 0), klass, size)
    first, last = account.reach(rows[:, Work.INDEX])
    starts, ends = np.array(windows, np.int64).T
    low, high = np.searchsorted(ends, last, "right"), np.searchsorted(starts, first, "right")
    return account.across(meters, rows[:, Work.GROUP], extra, low, high, len(windows))


def shared(amount: Array, number: Ints, most: Array) -> Array:
    """Amounts shared out over the rows that have their numbers, in order, to none more than its most. A size that a
    host declares for some of its devices is never another's work: that may be behind a meter which says otherwise."""
    before = running(most)[:-1]
    before = before - before[np.flatnonzero(np.diff(number, prepend=-1))][number]
    return np.asarray(np.minimum(np.maximum(amount[number] - before, 0), most))


def _numbered(keys: Table) -> Ints:
    """Neighbouring rows numbered by their keys, which are sorted: 0 for the first, one more for each new key."""
    return np.asarray(np.cumsum(np.concatenate(([0], (keys[1:] != keys[:-1]).any(axis=1)))), np.int64)


def _matched(rows: Table, cells: Table) -> tuple[Ints, Ints]:
    """The cells of a statement and class that has a row, and the places of those rows."""
    step = int(max(rows[:, Work.CLASS].max(), cells[:, Cell.CLASS].max(initial=0))) + 1
    keys = rows[:, Work.INDEX] * step + rows[:, Work.CLASS]
    wanted = cells[:, Cell.INDEX] * step + cells[:, Cell.CLASS]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = np.flatnonzero(keys[place] == wanted)
    return known, place[known]
