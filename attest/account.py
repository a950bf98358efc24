"""Pass 6, the arithmetic: facts of one site against pins and meters, to bounds by window (schemas/bounds.md).

What may count is decided first, statement by statement. A statement lowers `high` only if it is timely, not
disputed by a revocation or a void, and its source has no fault; it counts for `low`, as the lab's own admission, if a
quorum witnessed it before the source's first fault; what is disputed is kept apart. Then sums are made
in dense arrays, feed by bucket, so that any set of windows is a difference of running sums.

Levels: a host's statements and the lab's own meters stand at L1, an independent meter at L4. Below the level that a
term asks for evidence is not used, and what it would have bounded is charged at presence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attest.agreement import Agreement, Party
from attest.compute import bounds
from attest.compute.exact import Array, add, running, total
from attest.compute.pins import Pin
from attest.control import Control
from attest.errors import Fault, Scope
from attest.facts import Cell, Facts, Gap, Metered, Said, Work
from attest.format.vocabulary import Precision
from attest.layout import Layouts
from attest.metering import INDEPENDENT, SOFTWARE, Metering, Window
from attest.timeline import Timeline
from attest.usage import CLASS_STEP, CYCLES_KNOWN, DERIVED_KNOWN, ENERGY_KNOWN

MFLOP: Final = 10**6
_GAP_COLUMNS: Final = (Gap.SECONDS, Gap.BEFORE, Gap.ENERGY, Gap.CYCLES_BEFORE, Gap.CYCLES, Gap.READINGS)
DARK: Final = (Cell.MISSING, Cell.STALE, Cell.RESET, Cell.STEP)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Quality:
    """For each log index of a usage or meter statement: its source, window and *upper* (-1: none), whether its key is
    one that the agreement names, and what it may be used for."""

    indices: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64]
    windows: npt.NDArray[np.int64]
    upper: npt.NDArray[np.int64]
    independent: Mask
    timely: Mask
    usable: Mask
    admitted: Mask
    disputed: Mask

    def of(self, column: npt.NDArray[np.int64], mask: Mask) -> Mask:
        """A mask over statements as a mask over rows that name their statement by index."""
        if not len(self.indices):
            return np.zeros(len(column), bool)
        return np.asarray(mask[np.searchsorted(self.indices, column)])


def quality(facts: Facts, control: Control, timeline: Timeline, faults: Iterable[Fault], max_lag: int) -> Quality:
    """Judge every statement once (design section 3, "Time, exactly" and "Who is accused")."""
    said = facts.said[np.argsort(facts.said[:, Said.INDEX], kind="stable")]
    index, source = said[:, Said.INDEX], said[:, Said.SOURCE]
    upper = np.array([_or(timeline.upper(int(i)), -1) for i in index], np.int64)
    lower, end = said[:, Said.LOWER], said[:, Said.END]
    timely = (lower >= 0) & (upper >= 0) & (end - max_lag <= lower) & (upper <= end + max_lag)
    first_fault = np.full(len(control.sources), np.iinfo(np.int64).max)
    numbers = {s.sub: s.number for s in control.sources}
    for fault in faults:
        if fault.scope is Scope.SOURCE and fault.source in numbers:
            at = numbers[fault.source]
            first_fault[at] = min(first_fault[at], fault.index)
    # What the root holders void is gone for `high`, and no more taken back from `low` than what a key's revocation
    # disputes.
    disputed = np.isin(index, list(control.voided))
    for record in control.keys.values():
        mine = (source == record.source.number) & (index >= record.first) & (index < record.retired)
        disputed |= mine & (index > record.last)
    sound = first_fault[source] == np.iinfo(np.int64).max if len(said) else np.zeros(0, bool)
    before = index < first_fault[source] if len(said) else np.zeros(0, bool)
    independent = np.array([s.independent for s in control.sources], bool)
    return Quality(
        index,
        source,
        said[:, [Said.START, Said.END]],
        upper,
        independent[source],
        timely,
        timely & sound & ~disputed,
        (upper >= 0) & before & ~disputed,
        (upper >= 0) & before & disputed,
    )


@dataclass(frozen=True)
class Compute:
    """Bounds in MFLOP: `high` by window, `total` of all windows together, the lab's admission by window, and that
    with what is disputed. `parts` (FLOP) are the summands of the devices' own bounds before meters take their
    minimum; `negative` are feeds whose balance is negative."""

    high: Array
    total: int
    low: Array
    disputed: Array
    parts: Mapping[str, int]
    negative: tuple[str, ...]


class Account:
    """One site's facts over the buckets [first, end), ready for bounds and sums."""

    def __init__(
        self,
        facts: Facts,
        layouts: Layouts,
        worth: Quality,
        agreement: Agreement,
        party: Party,
        pins: Mapping[str, Pin],
        window: Window,
    ) -> None:
        self.layouts = layouts
        self.first, self.end = window
        self.bucket = agreement.bucket_s
        self.pinned = {meter.sub: meter for meter in party.meters}
        self.pins = pins
        self.worth = worth
        cells = facts.cells
        inside = (cells[:, Cell.BUCKET] >= self.first) & (cells[:, Cell.BUCKET] < self.end)
        self.cells = np.asfortranarray(cells[inside])  # columns are what is read
        self.gaps = facts.gaps
        self.work = facts.work
        self.metered = facts.metered
        self._meterings: dict[int, Metering] = {}
        self.feeds = len(layouts.feeds)
        self.group_feed = np.array([g.feed for g in layouts.groups], np.int64)
        models = sorted({g.model for g in layouts.groups})
        self.model_groups = {m: np.array([g.model == m for g in layouts.groups], bool) for m in models}
        self.group_peak = np.array([self._pin(g.model).peak_flop_per_s for g in layouts.groups], np.int64)

    def _pin(self, model: str) -> Pin:
        return self.pins[model]

    def dense(self, feed: Any, bucket: Any, values: Array) -> Array:
        """Values added up by feed and bucket, [feed, bucket]."""
        out = np.zeros((self.feeds, self.end - self.first), values.dtype)
        np.add.at(out, (feed, bucket - self.first), values)
        return out

    def presence(self, seconds: Array, group: Any) -> Array:
        """P t for device-seconds of each row's group, MFLOP."""
        # peak x seconds of one bucket and group stays far below 2^63 only in MFLOP/s: scale does the rounding once
        out = np.zeros(len(seconds), np.int64)
        for peak in np.unique(self.group_peak[group]):
            mask = self.group_peak[group] == peak
            out[mask] = bounds.presence_ms(seconds[mask] * 1_000, int(peak))
        return out

    @cached_property
    def expected(self) -> Array:
        """Declared device-seconds, [group, bucket]."""
        out = np.zeros((len(self.layouts.groups), self.end - self.first), np.int64)
        edges = np.arange(self.first, self.end + 1) * self.bucket
        for part in self.layouts.expected():
            seconds = np.clip(part.end, edges[:-1], edges[1:]) - np.clip(part.start, edges[:-1], edges[1:])
            out[part.group] += part.devices * seconds
        return out

    @cached_property
    def usable(self) -> npt.NDArray[np.int64]:
        """The cells that may lower `high`."""
        usable = self.worth.of(self.cells[:, Cell.INDEX], self.worth.usable)
        return self.cells if usable.all() else np.asfortranarray(self.cells[usable])

    @cached_property
    def silent(self) -> Array:
        """Declared device-seconds that no usable statement accounts for, [group, bucket]."""
        said = np.zeros_like(self.expected)
        states = self.usable[:, Cell.SAMPLED : Cell.STEP + 1].sum(axis=1)
        np.add.at(said, (self.usable[:, Cell.GROUP], self.usable[:, Cell.BUCKET] - self.first), states)
        return np.asarray(np.maximum(self.expected - said, 0))

    def by_feed(self, seconds: Array) -> Array:
        """Presence of device-seconds [group, bucket] as [feed, bucket], MFLOP."""
        group, bucket = np.nonzero(seconds)
        return self.dense(self.group_feed[group], bucket + self.first, self.presence(seconds[group, bucket], group))

    def sampled(self, label: int | None) -> Array:
        """u of what was sampled, by the lab's own counters, [feed, bucket]."""
        cells = self.usable
        if label is not None:
            cells = cells[cells[:, Cell.CLASS] // CLASS_STEP == label]
        value = np.zeros(len(cells), np.int64)
        for model, mask in self._by_model(cells[:, Cell.GROUP]):
            rows = cells[mask]
            seconds = rows[:, Cell.SAMPLED]
            known = rows[:, Cell.MEASURED]
            value[mask] = bounds.upper(
                bounds.Raw(seconds, rows[:, Cell.ENERGY], runs=rows[:, Cell.READINGS], cycles=rows[:, Cell.CYCLES]),
                self._pin(model),
                bounds.Admitted(energy=known & ENERGY_KNOWN > 0, activity=known & CYCLES_KNOWN > 0),
            )
        return self.dense(self.group_feed[cells[:, Cell.GROUP]], cells[:, Cell.BUCKET], value)

    def _by_model(self, group: Any) -> Iterable[tuple[str, Mask]]:
        for model, mine in self.model_groups.items():
            mask = mine[group]
            if mask.any():
                yield model, mask

    def bridged(self, windows: Sequence[Window]) -> Array:
        """What gaps can hold by cumulative counters, each in full in every window it touches, [feed, window]."""
        gaps = self.gaps[self.worth.of(self.gaps[:, Gap.INDEX], self.worth.usable)]
        value = np.zeros(len(gaps), np.int64)
        for model, mask in self._by_model(gaps[:, Gap.GROUP]):
            seconds, before, drawn, before_cycles, cycles, readings = (gaps[mask, column] for column in _GAP_COLUMNS)
            value[mask] = bounds.gaps(seconds, before, drawn, before_cycles, cycles, readings, self._pin(model))
        starts, ends = np.array(windows, np.int64).T
        out = np.zeros((self.feeds, len(windows) + 1), np.int64)
        feed = self.group_feed[gaps[:, Gap.GROUP]]
        low = np.searchsorted(ends, gaps[:, Gap.FIRST], "right")
        high = np.maximum(np.searchsorted(starts, gaps[:, Gap.LAST], "right"), low)
        np.add.at(out, (feed, low), value)
        np.add.at(out, (feed, high), -value)
        return np.asarray(np.cumsum(out, axis=1)[:, :-1])

    def devices_bound(self, windows: Sequence[Window], level: int, label: int | None) -> tuple[Array, dict[str, Array]]:
        """Sum of u of the devices directly on each feed, [feed, window], and its parts."""
        if level > SOFTWARE:
            everything = self.by_window(self.by_feed(self.expected), windows)
            return everything, {"presence": everything}
        gap_seconds = self.usable[:, list(DARK)].sum(axis=1)
        group = self.usable[:, Cell.GROUP]
        in_gaps = self.dense(self.group_feed[group], self.usable[:, Cell.BUCKET], self.presence(gap_seconds, group))
        gaps = np.minimum(self.by_window(in_gaps, windows), self.bridged(windows))
        parts = {
            "sampled": self.by_window(self.sampled(label), windows),
            "gaps": gaps,
            "silent": self.by_window(self.by_feed(self.silent), windows),
        }
        return add(*parts.values()), parts

    def by_window(self, values: Array, windows: Sequence[Window]) -> Array:
        """[feed, bucket] summed to [feed, window]."""
        sums = running(values)
        starts, ends = np.array(windows, np.int64).T - self.first
        return np.asarray(sums[:, ends] - sums[:, starts])

    def compute(
        self, windows: Sequence[Window], level: int, label: int | None, low_windows: Sequence[Window]
    ) -> Compute:
        """Bounds over `windows` (sorted by both ends), and admission over `low_windows`."""
        direct, parts = self.devices_bound(windows, level, label)
        metering = self.metering(level)
        found = metering.bound(direct, windows, self.device_mj(windows))
        names = {number: name for name, number in self.layouts.feeds.items()}
        low = self.admission(low_windows, label, self.worth.admitted)
        everything = self.worth.admitted | self.worth.disputed
        return Compute(
            add(np.zeros(len(windows), np.int64), *(found.windows[i] for i in metering.roots())),
            found.high(metering.meters),
            low,
            low if not self.worth.disputed.any() else self.admission(low_windows, label, everything),
            {name: total(value) * MFLOP for name, value in parts.items()},
            tuple(names[i] for i in found.negative),
        )

    def metering(self, level: int) -> Metering:
        """The meters that stand at a level."""
        level = INDEPENDENT if level > SOFTWARE else SOFTWARE
        if level not in self._meterings:
            stands = self.worth.usable & (self.worth.independent | (level == SOFTWARE))
            rows = self.metered[self.worth.of(self.metered[:, Metered.INDEX], stands)]
            most = (
                (-(-self.expected.max(axis=1) // self.bucket)).tolist()
                if self.end > self.first
                else [0] * len(self.expected)
            )
            self._meterings[level] = Metering(
                rows, self.layouts, most, self.pinned, self.pins, level, (self.first, self.end), self.bucket
            )
        return self._meterings[level]

    def device_mj(self, windows: Sequence[Window]) -> Array:
        """The least energy that the devices directly on each feed took by their own counters, [feed, window]."""
        cells = self.usable
        value = np.zeros(len(cells), np.int64)
        for model, mask in self._by_model(cells[:, Cell.GROUP]):
            value[mask] = bounds.narrowed(cells[mask, Cell.ENERGY], self._pin(model).energy_error_ppm)
        return self.by_window(self.dense(self.group_feed[cells[:, Cell.GROUP]], cells[:, Cell.BUCKET], value), windows)

    def admission(self, windows: Sequence[Window], label: int | None, mask: Mask) -> Array:
        """What the lab admits, clipped to what independent meters leave possible, [window], MFLOP."""
        by_feed = self.admitted_by_feed(windows, label, mask)
        found = self.metering(INDEPENDENT).bound(by_feed, windows)
        return add(np.zeros(len(windows), np.int64), *(found.windows[i] for i in self.metering(INDEPENDENT).roots()))

    def admitted_by_feed(self, windows: Sequence[Window], label: int | None, mask: Mask) -> Array:
        """Admitted work of whole buckets, and of declared runs where the statement lies in the window."""
        cells = self.cells[self.worth.of(self.cells[:, Cell.INDEX], mask)]
        if label is not None:
            cells = cells[cells[:, Cell.CLASS] // CLASS_STEP == label]
        work = self._active(cells)
        feed = self.group_feed[cells[:, Cell.GROUP]]
        sums = self.by_window(self.dense(feed, cells[:, Cell.BUCKET], work), windows)
        return add(sums, self._declared(cells, work, windows, mask))

    def _active(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Admitted by cycles, of each cell, never above its presence."""
        work = np.zeros(len(cells), np.int64)
        for model, mask in self._by_model(cells[:, Cell.GROUP]):
            for precision in np.unique(cells[mask, Cell.CLASS] % CLASS_STEP):
                rows = mask & (cells[:, Cell.CLASS] % CLASS_STEP == precision)
                counted = np.where(cells[rows, Cell.MEASURED] & CYCLES_KNOWN, cells[rows, Cell.CYCLES], 0)
                derived = np.where(cells[rows, Cell.MEASURED] & DERIVED_KNOWN, cells[rows, Cell.DERIVED], 0)
                cycles = np.maximum(counted, derived)
                found = bounds.admitted(cycles, self._pin(model), Precision(int(precision)), clocked=True)
                work[rows] = bounds.declared(found, cells[rows, Cell.SAMPLED], self._pin(model))
        return work

    def _declared(
        self, cells: npt.NDArray[np.int64], work: npt.NDArray[np.int64], windows: Sequence[Window], mask: Mask
    ) -> Array:
        """By how much declared sizes exceed what cycles admit, statement by statement and class, [feed, window]."""
        out = np.zeros((self.feeds, len(windows)), np.int64)
        rows = self.work[self.worth.of(self.work[:, Work.INDEX], mask)]
        if not len(rows) or not len(cells) or not (rows[:, Work.DECLARED] > 0).any():
            return out
        could = np.zeros(len(rows), np.int64)
        for model, of_model in self._by_model(rows[:, Work.GROUP]):
            could[of_model] = bounds.declared(
                np.full(of_model.sum(), 1 << 62), rows[of_model, Work.SECONDS], self._pin(model)
            )
        for index in np.unique(rows[rows[:, Work.DECLARED] > 0, Work.INDEX]).tolist():
            mine, said = rows[:, Work.INDEX] == index, cells[:, Cell.INDEX] == index
            first, last = self.reach(index)
            inside = [n for n, (begin, end) in enumerate(windows) if begin <= first and last < end]
            for klass in np.unique(rows[mine, Work.CLASS]).tolist():
                here = mine & (rows[:, Work.CLASS] == klass)
                runs = np.unique(rows[here, Work.RUN]).tolist()
                size = sum(
                    min(
                        int(rows[here & (rows[:, Work.RUN] == run), Work.DECLARED].max()),
                        int(could[here & (rows[:, Work.RUN] == run)].sum()),
                    )
                    for run in runs
                )
                at = said & (cells[:, Cell.CLASS] == klass)
                extra = size - int(work[at].sum())
                if extra > 0 and at.any() and inside:
                    # it is all of one source; the feed of the run's first devices takes it
                    feed = int(self.group_feed[rows[here, Work.GROUP][0]])
                    out[feed, inside] += extra
        return out

    def reach(self, index: int) -> Window:
        """First and last bucket of the window of a statement."""
        place = int(np.searchsorted(self.worth.indices, index))
        start, end = self.worth.windows[place].tolist()
        return start // self.bucket, (end - 1) // self.bucket


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
