"""Pass 4 for usage statements: spans, columns and counters to rows of facts (schemas/statement.md, "usage").

What a statement itself contradicts is found here: energy where nothing was sampled, counters that fell or do not add
up with the sampled intervals. Everything stays raw: mJ, 10^6 cycles, device-seconds. Statements that are alike are read
together, since numpy's price is per call; whoever gets an error for several reads them one by one to learn whose it is.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from attest.compute.columns import Ints, Shape, segments, sums
from attest.errors import EvidenceError, MalformedError
from attest.facts import Cell, Gap, Table, Work
from attest.format.block import Columns
from attest.format.bodies import MAX_INTERVALS, UsageBody
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, State
from attest.layout import Layout

MAX_CELLS: Final = 1 << 18  # devices x buckets that are read at a time, and so of one statement
CLASS_STEP: Final = 16  # class = label * CLASS_STEP + precision
ENERGY_KNOWN: Final = 1
CYCLES_KNOWN: Final = 2
DERIVED_KNOWN: Final = 4
_SHAPES: Final = 256  # of a site's statements, remembered
_DENSE: Final = 1 << 19  # keys of cells that are worth an array
_KNOWN: Final = {Column.ENERGY: ENERGY_KNOWN, Column.CYCLES: CYCLES_KNOWN, Column.DERIVED_CYCLES: DERIVED_KNOWN}
_SUM_AT: Final = {Column.ENERGY: Cell.ENERGY, Column.CYCLES: Cell.CYCLES, Column.DERIVED_CYCLES: Cell.DERIVED}
_GAP_AT: Final = {Column.ENERGY: (Gap.BEFORE, Gap.ENERGY), Column.CYCLES: (Gap.CYCLES_BEFORE, Gap.CYCLES)}


class Usage(NamedTuple):
    """A usage statement at `place` in the log and what goes with it. `columns` reads its block: None where that is
    absent, then what was sampled is known by its counters alone."""

    place: int
    body: UsageBody
    start: int
    end: int
    layout: Layout
    columns: Callable[[], Columns | None]


class UsageFacts(NamedTuple):
    """Rows of facts, and how many blocks are absent."""

    cells: Table
    gaps: Table
    work: Table
    absent: int


def shape_of(body: UsageBody, start: int, end: int, bucket: int) -> Shape:
    """The shape of a usage statement. Raises MalformedError `usage/grid` unless window and buckets are made of whole
    intervals, and `usage/size`."""
    return _shape(body.devices, body.interval, start % bucket, end - start, bucket)


@lru_cache(_SHAPES)
def _shape(devices: int, interval: int, phase: int, length: int, bucket: int) -> Shape:
    count, rest = divmod(length, interval)
    if count < 1 or rest or phase % interval or bucket % interval:
        raise MalformedError("usage/grid", f"window and buckets of {bucket} s must be whole intervals", path="usage")
    if count * devices > MAX_INTERVALS:
        raise MalformedError("usage/size", f"{count * devices} device-intervals, at most {MAX_INTERVALS}")
    shape = Shape(devices, count, phase // interval, bucket // interval)
    if shape.buckets * devices > MAX_CELLS:
        detail = f"{devices} devices over {shape.buckets} buckets, at most {MAX_CELLS} of both multiplied"
        raise MalformedError("usage/size", detail)
    return shape


def read_usage(statements: Sequence[Usage], bucket: int) -> UsageFacts:
    """The rows of usage statements that have shape, interval and columns in common. Raises EvidenceError for the first
    rule that any of them breaks."""
    first = statements[0]
    batch = _Batch(statements, shape_of(first.body, first.start, first.end, bucket), first.body.interval, bucket)
    return UsageFacts(batch.cells(), batch.gaps(), batch.work(), int(batch.lost.sum()))


class _Batch:
    def __init__(self, statements: Sequence[Usage], shape: Shape, interval: int, bucket: int) -> None:
        self.statements, self.shape, self.interval = statements, shape, interval
        bodies = [s.body for s in statements]
        self.cut = segments([b.spans for b in bodies], [len(b.runs) for b in bodies], shape)
        self.index = np.array([s.place for s in statements], np.int64)
        self.first_bucket = np.array([s.start // bucket for s in statements], np.int64)
        self.last_bucket = np.array([(s.end - 1) // bucket for s in statements], np.int64)
        self.sampled = self._where(State.SAMPLED)
        # Groups and classes are numbered within the batch: local numbers make dense keys.
        self.groups = max(len(s.layout.present) for s in statements)
        self.group = np.concatenate([s.layout.groups for s in statements])
        self.local = np.concatenate([s.layout.local for s in statements])
        self._runs(bodies)
        self._blocks()

    def _runs(self, bodies: Sequence[UsageBody]) -> None:
        """Each span's place in the run tables of all statements, which end with a row for no run."""
        classes = [[r.label * CLASS_STEP + r.precision for r in b.runs] + [0] for b in bodies]
        counts = np.array([len(c) for c in classes])
        self.run_ends = np.cumsum(counts)
        self.run_begins = self.run_ends - counts
        self.klass = np.array([k for of_one in classes for k in of_one], np.int64)
        none = (self.run_ends - 1)[self.cut.statement]
        begin = self.run_begins[self.cut.statement]
        self.run = np.where(self.cut.run == NO_RUN, none, begin + self.cut.run)

    def _blocks(self) -> None:
        """Sums of columns where sampled; anything else must be zero there. One block after the other is read, checked
        and summed, since what was just hashed is still near the processor."""
        self.lost = np.zeros(len(self.statements), bool)
        summed = [column for column in _KNOWN if column in self.statements[0].body.columns]
        found = np.zeros((len(summed), len(self.cut.first)), np.int64)
        for number, statement in enumerate(self.statements):
            columns = statement.columns()
            if columns is None:
                self.lost[number] = True
                continue
            if summed:
                here = slice(self.cut.edges[number], self.cut.edges[number + 1])
                found[:, here] = sums(columns.first(len(summed)), self.cut.first[here], self.cut.longest)
        if found[:, ~self.sampled].any():
            raise EvidenceError("usage/value-in-gap", "a column has values where the statement sampled nothing")
        self.sums = dict(zip(summed, found, strict=True))

    def _where(self, state: State) -> Any:
        """Which segments have a state."""
        return (self.cut.state == state)[self.cut.span]

    def _by_device(self, values: Any) -> Ints:
        return np.add.reduceat(np.asarray(values, np.int64), self.cut.begins)

    def cells(self) -> Table:
        """A row for each statement, bucket, group and class with any device-seconds."""
        present, local = np.unique(self.klass, return_inverse=True)
        buckets = self.shape.buckets
        grid = self.cut.grid
        place = (grid.row // self.shape.devices * buckets + grid.bucket) * self.groups + self.local[grid.row]
        key = (place * len(present))[self.cut.cell] + local[self.run][self.cut.span]
        size = len(self.statements) * buckets * self.groups * len(present)
        codes = np.arange(size)
        if size > _DENSE:  # a statement of a few kilobytes can name many buckets and classes, and few of both together
            codes, key = np.unique(key, return_inverse=True)
            size = len(codes)
        named = np.zeros(size, bool)
        named[key] = True
        used = np.flatnonzero(named)
        place, klass = _divided(codes[used], len(present))
        place, group = _divided(place, self.groups)
        statement, bucket = _divided(place, buckets)
        rows = np.zeros((len(used), len(Cell)), np.int64, "F")
        rows[:, Cell.INDEX] = self.index[statement]
        rows[:, Cell.GROUP] = self.present[statement, group]
        rows[:, Cell.BUCKET] = self.first_bucket[statement] + bucket
        rows[:, Cell.CLASS] = present[klass]
        # float64 adds these integers exactly: MAX_INTERVALS and the columns' maxima keep every sum below 2^53
        for state in State:
            if (self.cut.state == state).any():
                seconds = np.bincount(key, self.cut.length * self._where(state), size)[used]
                rows[:, Cell.SAMPLED + state] = seconds * self.interval
        rows[:, Cell.READINGS] = np.bincount(key, self.sampled, size)[used]
        for column, values in self.sums.items():
            rows[:, _SUM_AT[column]] = np.bincount(key, values, size)[used]
        rows[:, Cell.MEASURED] = sum(_KNOWN[column] for column in self.sums)
        if self.lost.any():
            lost = self.lost[statement]
            rows[lost, Cell.LOST] = rows[lost, Cell.SAMPLED]
            rows[lost, Cell.MISSING] += rows[lost, Cell.SAMPLED]
            rows[lost, Cell.SAMPLED] = 0
            rows[lost, Cell.MEASURED] = 0
        return rows

    @cached_property
    def present(self) -> Ints:
        """The group of each local number, [statement, number]."""
        out = np.zeros((len(self.statements), self.groups), np.int64)
        for number, statement in enumerate(self.statements):
            out[number, : len(statement.layout.present)] = statement.layout.present
        return out

    def gaps(self) -> Table:
        """Counters against sums, device by device; a row for each device with seconds that no interval measures."""
        state, lost = self.cut.state, self.lost[self.cut.statement]
        measured = (state == State.SAMPLED) & ~lost & (Column.ENERGY in self.sums)
        unmeasured = (~measured & (state != State.OFF))[self.cut.span]
        intervals = self._by_device(np.where(unmeasured, self.cut.length, 0))
        reset = self._by_device(self._where(State.RESET)) > 0
        where = np.flatnonzero(intervals)
        statement = where // self.shape.devices
        rows = np.full((len(where), len(Gap)), -1, np.int64, "F")
        rows[:, Gap.INDEX] = self.index[statement]
        rows[:, Gap.GROUP] = self.group[where]
        rows[:, Gap.FIRST] = self.first_bucket[statement]
        rows[:, Gap.LAST] = self.last_bucket[statement]
        rows[:, Gap.SECONDS] = intervals[where] * self.interval
        rows[:, Gap.READINGS] = self._by_device(unmeasured)[where] + 1
        for column, (before_at, rest_at) in _GAP_AT.items():
            before, rest = self._counter(column, reset, intervals)
            rows[:, before_at] = before[where]
            rows[:, rest_at] = rest[where]
        return rows

    def _counter(self, column: Column, reset: Any, unmeasured: Ints) -> tuple[Ints, Ints]:
        """By device: the counter at the window's start, and what of its climb no sampled interval accounts for; -1
        where there is no counter or it was reset."""
        none = bytes(8 * self.shape.devices)
        given = [_pair(s.body.counters, column, none) for s in self.statements]
        has = np.repeat([pair[0] is not none for pair in given], self.shape.devices)
        before, after = (np.frombuffer(b"".join(side), "<i8") for side in zip(*given, strict=True))
        rest = after - before
        fell = has & ((before < 0) | ((rest < 0) & ~reset))
        if fell.any():
            self._refuse("counter/backwards", fell, column, "runs backwards")
        if column in self.sums:
            rest = rest - self._by_device(self.sums[column])
            summed = has & np.repeat(~self.lost, self.shape.devices) & ~reset
            wrong = summed & ((rest < 0) | ((rest > 0) & (unmeasured == 0)))
            if wrong.any():
                self._refuse("counter/mismatch", wrong, column, "does not add up with its intervals")
        known = has & ~reset
        return np.where(known, before, -1), np.where(known, rest, -1)

    def _refuse(self, code: str, where: Any, column: Column, what: str) -> None:
        device = int(np.argmax(where)) % self.shape.devices
        raise EvidenceError(code, f"the {column.name.lower()} counter of device {device} {what}")

    def work(self) -> Table:
        """Device-seconds of each run by group; what is declared stands in the run's first row."""
        runs = [run for s in self.statements for run in s.body.runs]
        busy = (self.cut.run != NO_RUN)[self.cut.span]
        key = self.run[self.cut.span[busy]] * self.groups + self.local[self.cut.grid.row[self.cut.cell[busy]]]
        length = self.cut.length[busy]
        size = len(self.klass) * self.groups
        first = np.delete(np.arange(len(self.klass)), self.run_ends - 1) * self.groups
        if size > _DENSE:  # a statement can name many runs and groups, few of which have to do with each other
            codes, place = np.unique(np.concatenate((first, key)), return_inverse=True)
            seconds = np.bincount(place[len(first) :], length, len(codes))
        else:
            seconds = np.bincount(key, length, size)
            used = seconds > 0
            used[first] = True
            codes = np.flatnonzero(used)
            seconds = seconds[codes]
        place, group = _divided(codes, self.groups)
        statement = self.run_ends.searchsorted(place, "right")
        lineage, owner = (
            np.array([getattr(r, name) for r in runs], np.uint64).view(np.int64) for name in ("lineage", "owner")
        )
        declared = np.array([-1 if r.declared is None else r.declared for r in runs], np.int64)
        run = place - statement  # each statement before has a row for no run
        rows = np.empty((len(codes), len(Work)), np.int64, "F")
        rows[:, Work.INDEX] = self.index[statement]
        rows[:, Work.RUN] = place - self.run_begins[statement]
        rows[:, Work.GROUP] = self.present[statement, group]
        rows[:, Work.CLASS] = self.klass[place]
        rows[:, Work.LINEAGE] = lineage[run]
        rows[:, Work.OWNER] = owner[run]
        rows[:, Work.SECONDS] = seconds * self.interval
        rows[:, Work.DECLARED] = np.where(group == 0, declared[run], -1)
        return rows


def _divided(values: Ints, by: int) -> tuple[Ints, Ints]:
    """Quotients and rests of what is not negative; numpy's own function for both takes five times as long."""
    whole = values // by
    return whole, values - whole * by


def _pair(counters: Sequence[tuple[int, bytes, bytes]], column: int, none: bytes) -> tuple[bytes, bytes]:
    for kept, before, after in counters:
        if kept == column:
            return before, after
    return none, none
