"""From the readings of a meter to raw facts by time bucket (schemas/statement.md, "meter").

A channel is a rising series of offsets (ms from the window's start) with power (mW) or a cumulative register
(mJ). The stretch between two readings is a step, and its energy is known: the difference of a register, or power,
which is the mean over the step that the reading ends, times its length. mW x ms is exact in microjoules, and is rounded
to mJ once for each bucket of a statement, down and up. Where in a step the energy went nobody knows: a step over a
bucket edge counts in full in every bucket it touches for HIGH and in none for LOW, and STARTING and ENDING let longer
windows count it once (`attest.compute.tree`).

A step longer than 2.5 times the nominal one, or the median where none is stated, is a gap: not covered, no energy.
So is a step in which a register fell: a reset, which is data and no error. Before the first reading and after the
last nothing is covered; a statement may open with a reading at offset 0 and close with one at its very end, which
the next one repeats.

    >>> rows = integrate([1_000, 1_000, 3_000], [0, 1_500, 2_500], start=0, end=4, bucket=2)
    >>> [dict(zip(Row.__members__, row)) for row in rows.tolist()][1] == {
    ...     "BUCKET": 1, "LOW": 0, "HIGH": 3_000, "GAP": 1_500, "COVERED": 500, "LARGEST": 3_000,
    ...     "PEAK": 3_000, "STARTING": 0, "ENDING": 3_000, "RUNS": 0, "RESETS": 0}
    True
"""

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attest.compute.exact import LIMIT, total
from attest.errors import EvidenceError, MalformedError
from attest.format.bodies import MeterBody
from attest.format.vocabulary import Quantity

MAX_WINDOW_MS: Final = 1 << 32  # what offsets can reach: 49 days
_APART: Final = 64  # buckets of a gap that is stepped over

Table = npt.NDArray[np.int64]
Values = Sequence[int] | npt.NDArray[Any]


class Row(IntEnum):
    """Columns of a row: one bucket of one channel of one statement.

    LOW, HIGH: mJ, rounded down and up; GAP, COVERED: ms of the window without and with readings; LARGEST, PEAK:
    the most energy (mJ, up) and the highest mean power (mW, up) of a covered step that touches the bucket;
    STARTING, ENDING: mJ (down) of steps that go on into a later bucket, or came from an earlier one; RUNS:
    unbroken runs of steps that begin here; RESETS: how often a register fell.
    """

    BUCKET = 0
    LOW = 1
    HIGH = 2
    GAP = 3
    COVERED = 4
    LARGEST = 5
    PEAK = 6
    STARTING = 7
    ENDING = 8
    RUNS = 9
    RESETS = 10


def read_meter(values: Values, offsets: Values, body: MeterBody, start: int, end: int, bucket: int) -> Table:
    """The rows that `integrate` gives a channel of a meter statement with the window [start, end), without those of
    buckets in which nothing is covered: few bytes can name a window of millions, so long gaps are stepped over."""
    at, read = np.asarray(offsets, np.int64), np.asarray(values)
    _require_window(at, start, end)
    register, found = body.quantity is Quantity.REGISTER, [np.zeros((0, len(Row)), np.int64)]
    steps = np.diff(at)
    nominal = body.step if body.step is not None or not len(steps) else _median(steps)
    cuts = np.flatnonzero((2 * steps > 5 * (nominal or 0)) & (steps > _APART * bucket * 1_000)) + 1
    for part in (slice(*ends) for ends in pairwise([0, *cuts.tolist(), len(at)]) if ends[1] - ends[0] > 1):
        first, last = int(at[part.start]) // 1_000, -(-int(at[part.stop - 1]) // 1_000)
        rows = integrate(
            read[part], at[part] - first * 1_000,
            register=register, step_ms=nominal, start=start + first, end=start + last, bucket=bucket,
        )  # fmt: skip
        found.append(rows[rows[:, Row.COVERED] > 0])
    rows = np.concatenate(found)
    within = np.minimum((rows[:, Row.BUCKET] + 1) * bucket, end) - np.maximum(rows[:, Row.BUCKET] * bucket, start)
    rows[:, Row.GAP] = within * 1_000 - rows[:, Row.COVERED]
    if register:
        _require_range(total(rows[:, Row.LOW]) + total(rows[:, Row.STARTING]))
        fell = cuts[read[cuts] < read[cuts - 1]]
        after = (start * 1_000 + at[fell] - 1) // (bucket * 1_000)
        rows[:, Row.RESETS] += np.isin(rows[:, Row.BUCKET], after)  # no two falls over such gaps are in one bucket
    return rows


def integrate(
    values: Values,
    offsets: Values,
    *,
    register: bool = False,
    step_ms: int | None = None,
    start: int,
    end: int,
    bucket: int,
) -> Table:
    """A row for each bucket that the window [start, end) touches; times and `bucket` in s.

    Raises MalformedError `meter/window` (longer than offsets reach), `meter/order` (offsets that do not rise),
    `meter/outside`; EvidenceError `meter/range`.
    """
    length = (end - start) * 1_000
    _require_window(np.asarray(offsets, np.int64), start, end)
    first = start // bucket
    lead = (start - first * bucket) * 1_000
    size = bucket * 1_000
    at = np.asarray(offsets, np.int64) + lead
    edges = np.clip(np.arange((lead + length - 1) // size + 2) * size, lead, lead + length)
    rows = np.zeros((len(edges) - 1, len(Row)), np.int64)
    rows[:, Row.BUCKET] = np.arange(first, first + len(rows))
    if len(at) > 1:
        steps = np.diff(at)
        nominal = _median(steps) if step_ms is None else step_ms
        covered = 2 * steps <= 5 * nominal
        before, after = at[:-1] // size, (at[1:] - 1) // size  # the first and last bucket that a step touches
        if register:
            energy = _register(rows, values, covered, before, after)
        else:
            energy = _power(rows, values, covered, steps, before, after)
        place = _Place(at, np.clip(edges, at[0], at[-1]))
        rows[:, Row.COVERED] = np.diff(place.reached(covered.astype(np.int64), steps))
        begins = covered & np.concatenate(([True], ~covered[:-1]))
        np.add.at(rows[:, Row.RUNS], before[begins], 1)
        _largest(rows[:, Row.LARGEST], energy, covered, before, after)
        _largest(rows[:, Row.PEAK], _mean_power(energy, steps), covered, before, after)
    rows[:, Row.GAP] = np.diff(edges) - rows[:, Row.COVERED]
    return rows


class _Place:
    """Where bucket edges fall among the readings."""

    def __init__(self, at: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> None:
        self.step = np.clip(np.searchsorted(at, edges, "right") - 1, 0, len(at) - 2)
        self.into = edges - at[self.step]

    def reached(self, rate: npt.NDArray[Any], steps: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The integral of a rate, constant in each step, up to each edge."""
        done = np.concatenate((np.zeros(1, rate.dtype), np.cumsum(rate * steps)))
        return np.asarray(done[self.step] + rate[self.step] * self.into)


def _power(
    rows: Table,
    values: Values,
    covered: npt.NDArray[np.bool_],
    steps: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
) -> Table:
    power = np.asarray(values, np.int64)[1:]
    if int(power.max()) * int(steps.sum()) >= LIMIT:
        power = power.astype(object)
    energy = power * steps * covered  # uJ
    inside = before == after
    within = np.zeros(len(rows), energy.dtype)
    np.add.at(within, before[inside], energy[inside])
    rows[:, Row.LOW] = within // 1_000
    whole = np.where(inside, 0, energy // 1_000).astype(np.int64)
    part = (~inside & (energy % 1_000 > 0)).astype(np.int64)  # of STARTING and ENDING, which are rounded down
    rows[:, Row.HIGH] = -(-within // 1_000) + _over_edges(rows, whole, before, after, part)
    return np.asarray(-(-energy // 1_000), np.int64)


def _register(
    rows: Table,
    values: Values,
    covered: npt.NDArray[np.bool_],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
) -> Table:
    energy = np.diff(np.asarray(values, np.int64))
    fell = energy < 0
    np.add.at(rows[:, Row.RESETS], after[fell], 1)
    covered &= ~fell
    energy[~covered] = 0
    _require_range(total(energy))
    inside = before == after
    np.add.at(rows[:, Row.LOW], before[inside], energy[inside])
    rows[:, Row.HIGH] = rows[:, Row.LOW] + _over_edges(rows, np.where(inside, 0, energy), before, after)
    return np.asarray(energy)


def _over_edges(
    rows: Table,
    energy: Table,
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    rest: Table | int = 0,
) -> Table:
    """Notes where steps over bucket edges start and end; what of them, with a rest of each, touches each bucket."""
    np.add.at(rows[:, Row.STARTING], before, energy)
    np.add.at(rows[:, Row.ENDING], after, energy)
    edges = np.zeros(len(rows) + 1, np.int64)
    np.add.at(edges, before, energy + rest)
    np.add.at(edges, after + 1, -(energy + rest))
    return np.cumsum(edges)[:-1]


def _median(steps: npt.NDArray[np.int64]) -> int:
    """The lower one of two middles: a shorter step makes more gaps, never fewer."""
    middle = (len(steps) - 1) // 2
    return int(np.partition(steps, middle)[middle])


def _mean_power(energy: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """mW, rounded up, of mJ and ms; LIMIT where it would be more, which is more than any energy in mJ."""
    most = LIMIT // 1_000
    return np.where(energy < most, -(-np.minimum(energy, most) * 1_000 // steps), LIMIT)


def _largest(
    column: npt.NDArray[np.int64],
    amount: npt.NDArray[np.int64],
    covered: npt.NDArray[np.bool_],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
) -> None:
    np.maximum.at(column, before[covered], amount[covered])
    for step in np.flatnonzero(covered & (before < after)):
        touched = slice(before[step] + 1, after[step] + 1)
        column[touched] = np.maximum(column[touched], amount[step])


def _require_window(offsets: npt.NDArray[np.int64], start: int, end: int) -> None:
    length = (end - start) * 1_000
    if not 0 < length <= MAX_WINDOW_MS:
        raise MalformedError("meter/window", f"a window of {end - start} s", path="meter")
    falls = np.flatnonzero(np.diff(offsets) <= 0)
    if falls.size:
        at = int(falls[0])
        detail = f"offset {offsets[at + 1]} ms after {offsets[at]} ms"
        raise MalformedError("meter/order", detail, path=f"meter.readings[{at + 1}]")
    if len(offsets) and (offsets[0] < 0 or offsets[-1] > length):
        raise MalformedError("meter/outside", f"offset {offsets[-1]} ms in a window of {length} ms", path="meter")


def _require_range(climbed: int) -> None:
    if climbed >= LIMIT:
        raise EvidenceError("meter/range", f"a register that climbs {climbed} mJ in one statement")
