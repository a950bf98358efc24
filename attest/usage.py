"""Pass 4 for one usage statement: spans, columns and counters to rows of facts (schemas/statement.md, "usage").

What the statement itself contradicts is found here: energy where nothing was sampled, counters that fell or do
not add up with the sampled intervals. Everything stays raw: mJ, 10^6 cycles, device-seconds.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from attest.compute.columns import Ints, Segments, segments, sums
from attest.errors import EvidenceError, MalformedError
from attest.facts import Cell, Gap, Table, Work
from attest.format.bodies import MAX_INTERVALS, NO_RUN, UsageBody
from attest.format.vocabulary import Column, State
from attest.layout import Layout

CLASS_STEP: Final = 16  # class = label * CLASS_STEP + precision
ENERGY_KNOWN: Final = 1
CYCLES_KNOWN: Final = 2
DERIVED_KNOWN: Final = 4
_STATES: Final = len(State)
_COUNTED: Final = (Column.ENERGY, Column.CYCLES)
_KNOWN: Final = {Column.ENERGY: ENERGY_KNOWN, Column.CYCLES: CYCLES_KNOWN, Column.DERIVED_CYCLES: DERIVED_KNOWN}

Columns = Mapping[int, Any]


class UsageFacts(NamedTuple):
    """Rows of one statement."""

    cells: Table
    gaps: Table
    work: Table


def intervals_of(body: UsageBody, start: int, end: int, bucket: int) -> int:
    """Intervals of the window. Raises MalformedError `usage/grid` unless they lie on the grid and in buckets."""
    count, rest = divmod(end - start, body.interval)
    if count < 1 or rest or start % body.interval or bucket % body.interval:
        raise MalformedError("usage/grid", f"window and buckets of {bucket} s must be whole intervals", path="usage")
    if count * body.devices > MAX_INTERVALS:
        raise MalformedError("usage/size", f"{count * body.devices} device-intervals, at most {MAX_INTERVALS}")
    return count


def read_usage(
    index: int, body: UsageBody, start: int, end: int, layout: Layout, columns: Columns | None, bucket: int
) -> UsageFacts:
    """The rows of a usage statement. `columns` are its block's, None where the block is absent: then what was
    sampled is known by its counters alone. Raises EvidenceError."""
    intervals = intervals_of(body, start, end, bucket)
    if body.devices != len(layout.groups):
        detail = f"{body.devices} devices, the roster gives the source {len(layout.groups)}"
        raise EvidenceError("usage/devices", detail)
    cut = segments(
        body.spans,
        runs=len(body.runs),
        devices=body.devices,
        intervals=intervals,
        phase=start % bucket // body.interval,
        per_bucket=bucket // body.interval,
    )
    sampled = cut.state == State.SAMPLED
    sampled_sums: dict[int, Ints] = {
        column: _sampled(columns[column], cut, sampled)
        for column in _KNOWN
        if columns is not None and column in columns
    }
    per_device: dict[int, Ints] = {c: _by_device(sampled_sums[c], cut) for c in _COUNTED if c in sampled_sums}
    return UsageFacts(
        _cells(index, body, cut, layout, sampled_sums, start // bucket, columns is None and body.block is not None),
        _gaps(index, body, cut, layout, per_device, start // bucket, (end - 1) // bucket),
        _work(index, body, cut, layout),
    )


def _sampled(values: Any, cut: Segments, sampled: Any) -> Ints:
    """Sums where sampled; anything else must be zero there."""
    summed = sums(values, cut)
    if summed[~sampled].any():
        raise EvidenceError(
            "usage/value-in-gap", "a column has values where the statement says that nothing was sampled"
        )
    return summed


def _by_device(summed: Ints, cut: Segments) -> Ints:
    return np.add.reduceat(summed, np.flatnonzero(np.diff(cut.device, prepend=-1)))


def _cells(
    index: int,
    body: UsageBody,
    cut: Segments,
    layout: Layout,
    summed: Mapping[int, Ints],
    first_bucket: int,
    lost: bool,
) -> Table:
    classes = np.array([r.label * CLASS_STEP + r.precision for r in body.runs] + [0], np.int64)
    present, local = np.unique(classes, return_inverse=True)
    groups = len(layout.present)
    run = np.where(cut.run == NO_RUN, len(body.runs), cut.run)
    buckets = int(cut.bucket.max()) + 1
    key = (cut.bucket * groups + layout.local[cut.device]) * len(present) + local[run]
    size = buckets * groups * len(present)
    # float64 adds these integers exactly: MAX_INTERVALS and the columns' maxima keep every sum below 2^53
    seconds = np.bincount(key * _STATES + cut.state, cut.length, size * _STATES).reshape(size, _STATES)
    used = np.flatnonzero(seconds.any(axis=1))
    rows = np.zeros((len(used), len(Cell)), np.int64)
    place, klass = np.divmod(used, len(present))
    rows[:, Cell.INDEX] = index
    rows[:, Cell.GROUP] = np.array(layout.present)[place % groups]
    rows[:, Cell.BUCKET] = first_bucket + place // groups
    rows[:, Cell.CLASS] = present[klass]
    rows[:, Cell.SAMPLED : Cell.STEP + 1] = seconds[used] * body.interval
    for column, at in (
        (Column.ENERGY, Cell.ENERGY),
        (Column.CYCLES, Cell.CYCLES),
        (Column.DERIVED_CYCLES, Cell.DERIVED),
    ):
        if column in summed:
            rows[:, at] = np.bincount(key, summed[column], size)[used]
    rows[:, Cell.MEASURED] = sum(_KNOWN[Column(c)] for c in summed)
    if lost:
        rows[:, Cell.MISSING] += rows[:, Cell.SAMPLED]
        rows[:, Cell.SAMPLED] = 0
    return rows


def _gaps(
    index: int,
    body: UsageBody,
    cut: Segments,
    layout: Layout,
    per_device: Mapping[int, Ints],
    first_bucket: int,
    last_bucket: int,
) -> Table:
    """Counters against sums, device by device; a row for each device with unsampled seconds."""
    dark = cut.state != State.SAMPLED if per_device else cut.state != State.OFF
    unsampled = np.bincount(cut.device, np.where(dark & (cut.state != State.OFF), cut.length, 0), body.devices)
    reset = np.bincount(cut.device, cut.state == State.RESET, body.devices) > 0
    before_of: dict[int, Ints] = {}
    rest_of: dict[int, Ints] = {}
    for column, before_bytes, after_bytes in body.counters:
        before = np.frombuffer(before_bytes, "<i8")
        rest = np.frombuffer(after_bytes, "<i8") - before
        fell = (rest < 0) & ~reset
        if fell.any() or before.min() < 0:
            raise EvidenceError("counter/backwards", f"{_name(column)} of device {int(np.argmax(fell))} runs backwards")
        if column in per_device:
            rest = rest - per_device[column]
            wrong = ~reset & ((rest < 0) | ((rest > 0) & (unsampled == 0)))
            if wrong.any():
                device = int(np.argmax(wrong))
                detail = f"{_name(column)} of device {device}: counter and intervals differ by {int(rest[device])}"
                raise EvidenceError("counter/mismatch", detail)
        before_of[column], rest_of[column] = np.where(reset, -1, before), np.where(reset, -1, rest)
    where = np.flatnonzero(unsampled)
    rows = np.full((len(where), len(Gap)), -1, np.int64)
    rows[:, Gap.INDEX] = index
    rows[:, Gap.GROUP] = layout.groups[where]
    rows[:, Gap.FIRST] = first_bucket
    rows[:, Gap.LAST] = last_bucket
    rows[:, Gap.SECONDS] = unsampled[where] * body.interval
    for column, before_at, rest_at in (
        (Column.ENERGY, Gap.BEFORE, Gap.ENERGY),
        (Column.CYCLES, Gap.CYCLES_BEFORE, Gap.CYCLES),
    ):
        if column in rest_of:
            rows[:, before_at] = before_of[column][where]
            rows[:, rest_at] = rest_of[column][where]
    return rows


def _work(index: int, body: UsageBody, cut: Segments, layout: Layout) -> Table:
    """Device-seconds of each run by group; what is declared stands in the run's first row."""
    if not body.runs:
        return np.empty((0, len(Work)), np.int64)
    groups = len(layout.present)
    busy = cut.run != NO_RUN
    key = cut.run[busy] * groups + layout.local[cut.device[busy]]
    seconds = np.bincount(key, cut.length[busy], len(body.runs) * groups) * body.interval
    rows = []
    for number, run in enumerate(body.runs):
        declared = -1 if run.declared is None else run.declared
        for place, group in enumerate(layout.present):
            named = int(seconds[number * groups + place])
            if named or place == 0:
                klass = run.label * CLASS_STEP + run.precision
                rows.append((index, number, group, klass, run.lineage, named, declared))
                declared = -1
    return np.array(rows, np.int64)


def _name(column: int) -> str:
    return Column(column).name.lower()
