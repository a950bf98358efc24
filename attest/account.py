"""Pass 6, the arithmetic: facts of one site against pins and meters, to bounds by window (schemas/bounds.md).

Sums are made in dense arrays, feed by bucket, so that any set of windows is a difference of running sums. Only what
`attest.worth` finds usable lowers `high`; what a lab admits is summed up by `attest.admitted`.

Levels: a host's statements and the lab's own meters stand at L1, an independent meter at L4. Below the level that a
term asks for evidence is not used, and what it would have bounded is charged at presence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from attest.agreement import Agreement, Party
from attest.compute import bounds
from attest.compute.columns import Ints
from attest.compute.exact import Array, add, gathered, running
from attest.compute.pins import Pin
from attest.facts import Cell, Facts, Gap, Mask, Metered, Table
from attest.layout import Layouts
from attest.metering import INDEPENDENT, SOFTWARE, Metering, Window
from attest.usage import CLASS_STEP, CYCLES_KNOWN, ENERGY_KNOWN
from attest.worth import Quality

_GAP_COLUMNS: Final = (Gap.SECONDS, Gap.BEFORE, Gap.ENERGY, Gap.CYCLES_BEFORE, Gap.CYCLES, Gap.READINGS)
_DARK: Final = (Cell.MISSING, Cell.STALE, Cell.RESET, Cell.STEP)


class Models:
    """The pins of a site's groups of accelerators, and arithmetic that differs by model."""

    def __init__(self, models: Sequence[str], pins: Mapping[str, Pin]) -> None:
        """`models` are those of the groups, in their order."""
        names = sorted(set(models))
        self.pins = [pins[name] for name in names]
        numbers = {name: number for number, name in enumerate(names)}
        self.number = np.array([numbers[model] for model in models], np.int64)

    def of(self, group: Ints) -> Iterator[tuple[Pin, Mask]]:
        """Each pin that any of the rows' groups has, and which of the rows."""
        if len(self.pins) == 1:
            yield self.pins[0], np.ones(len(group), bool)
            return
        model = self.number[group]
        for number in np.unique(model).tolist():
            yield self.pins[number], model == number

    def over(self, group: Ints, value: Callable[[Pin, Any], Array]) -> Array:
        """Values of all rows, of each model by `value(pin, its rows)`."""
        if len(self.pins) == 1:
            return value(self.pins[0], slice(None))
        parts = [(mask, value(pin, mask)) for pin, mask in self.of(group)]
        out = np.zeros(len(group), object if any(part.dtype == object for _, part in parts) else np.int64)
        for mask, part in parts:
            out[mask] = part
        return out


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
        self.layouts, self.worth, self.pins = layouts, worth, pins
        self.first, self.end = window
        self.bucket = agreement.bucket_s
        self.pinned = {meter.sub: meter for meter in party.meters}
        bucket = facts.cells[:, Cell.BUCKET]
        self.cells = _chosen(facts.cells, (bucket >= self.first) & (bucket < self.end))
        self.gaps, self.work, self.metered = facts.gaps, facts.work, facts.metered
        self._meterings: dict[int, Metering] = {}
        self.feeds = len(layouts.feeds)
        self.group_feed = np.array([g.feed for g in layouts.groups], np.int64)
        self.models = Models([g.model for g in layouts.groups], pins)

    def place(self, group: Ints, bucket: Ints) -> Ints:
        """Where the feed of each row's group and its bucket lie in an array [feed, bucket]."""
        return np.asarray(self.group_feed[group] * (self.end - self.first) + (bucket - self.first))

    def dense(self, place: Ints, values: Array) -> Array:
        """Values added up by their places, [feed, bucket]."""
        buckets = self.end - self.first
        return gathered(values, place, self.feeds * buckets).reshape(self.feeds, buckets)

    def by_group(self, cells: Table, values: Array) -> Array:
        """A value of each cell added up, [group, bucket]."""
        groups, buckets = len(self.layouts.groups), self.end - self.first
        place = cells[:, Cell.GROUP] * buckets + (cells[:, Cell.BUCKET] - self.first)
        return gathered(values, place, groups * buckets).reshape(groups, buckets)

    def by_window(self, values: Array, windows: Sequence[Window]) -> Array:
        """[feed, bucket] summed to [feed, window]."""
        sums = running(values)
        starts, ends = np.array(windows, np.int64).T - self.first
        return np.asarray(sums[:, ends] - sums[:, starts])

    def presence(self, seconds: Array, group: Ints) -> Array:
        """P t for device-seconds of each row's group, MFLOP."""
        return self.models.over(group, lambda pin, rows: bounds.presence(seconds[rows], pin))

    def worthy(self, cells: Table, mask: Mask) -> Table:
        """The cells whose statement is in a mask over statements."""
        return _chosen(cells, self.worth.of(cells[:, Cell.INDEX], mask))

    def of_label(self, cells: Table, label: int | None) -> Table:
        """The cells of a label, all of them if it is None."""
        return cells if label is None else _chosen(cells, cells[:, Cell.CLASS] // CLASS_STEP == label)

    @cached_property
    def expected(self) -> Array:
        """Declared device-seconds, [group, bucket]."""
        out = np.zeros((len(self.layouts.groups), self.end - self.first), np.int64)
        edges = np.arange(self.first, self.end + 1) * self.bucket
        for start, end, devices in self.layouts.expected():
            out += devices[:, None] * (np.clip(end, edges[:-1], edges[1:]) - np.clip(start, edges[:-1], edges[1:]))
        return out

    @cached_property
    def usable(self) -> Table:
        """The cells that may lower `high`."""
        return self.worthy(self.cells, self.worth.usable)

    @cached_property
    def usable_place(self) -> Ints:
        """Where they lie, as `place` says."""
        return self.place(self.usable[:, Cell.GROUP], self.usable[:, Cell.BUCKET])

    @cached_property
    def silent(self) -> Array:
        """Declared device-seconds that no usable statement accounts for, [group, bucket]."""
        said = self.by_group(self.usable, _summed(self.usable, range(Cell.SAMPLED, Cell.STEP + 1)))
        return np.asarray(np.maximum(self.expected - said, 0))

    def by_feed(self, seconds: Array) -> Array:
        """Presence of device-seconds [group, bucket] as [feed, bucket], MFLOP."""
        group, bucket = np.nonzero(seconds)
        return self.dense(self.place(group, bucket + self.first), self.presence(seconds[group, bucket], group))

    def sampled(self, label: int | None) -> Array:
        """u of what was sampled, by the lab's own counters, [feed, bucket]."""
        cells = self.of_label(self.usable, label)

        def most(pin: Pin, rows: Any) -> Array:
            known = cells[rows, Cell.MEASURED]
            return bounds.upper(
                bounds.Raw(
                    cells[rows, Cell.SAMPLED],
                    cells[rows, Cell.ENERGY],
                    runs=cells[rows, Cell.READINGS],
                    cycles=cells[rows, Cell.CYCLES],
                ),
                pin,
                bounds.Admitted(energy=known & ENERGY_KNOWN > 0, activity=known & CYCLES_KNOWN > 0),
            )

        place = self.usable_place if label is None else self.place(cells[:, Cell.GROUP], cells[:, Cell.BUCKET])
        return self.dense(place, self.models.over(cells[:, Cell.GROUP], most))

    def bridged(self, windows: Sequence[Window]) -> Array:
        """What gaps can hold by cumulative counters, each in full in every window it touches, [feed, window]."""
        gaps = self.gaps[self.worth.of(self.gaps[:, Gap.INDEX], self.worth.usable)]
        group = gaps[:, Gap.GROUP]

        def most(pin: Pin, rows: Any) -> Array:
            seconds, before, drawn, before_cycles, cycles, readings = (gaps[rows, c] for c in _GAP_COLUMNS)
            return bounds.gaps(seconds, before, drawn, before_cycles, cycles, readings, pin)

        value = self.models.over(group, most)
        starts, ends = np.array(windows, np.int64).T
        low = np.searchsorted(ends, gaps[:, Gap.FIRST], "right")
        high = np.maximum(np.searchsorted(starts, gaps[:, Gap.LAST], "right"), low)
        across = len(windows) + 1
        begun, ended = (
            gathered(value, self.group_feed[group] * across + at, self.feeds * across).reshape(self.feeds, across)
            for at in (low, high)
        )
        return np.asarray((running(begun) - running(ended))[:, 1:-1])

    def devices_bound(self, windows: Sequence[Window], level: int, label: int | None) -> tuple[Array, dict[str, Array]]:
        """Sum of u of the devices directly on each feed, [feed, window], and its parts."""
        if level > SOFTWARE:
            everything = self.by_window(self.by_feed(self.expected), windows)
            return everything, {"presence": everything}
        dark = self.presence(_summed(self.usable, _DARK), self.usable[:, Cell.GROUP])
        in_gaps = self.by_window(self.dense(self.usable_place, dark), windows)
        parts = {
            "sampled": self.by_window(self.sampled(label), windows),
            "gaps": np.minimum(in_gaps, self.bridged(windows)),
            "silent": self.by_window(self.by_feed(self.silent), windows),
        }
        return add(*parts.values()), parts

    def device_mj(self, windows: Sequence[Window]) -> Array:
        """The least energy that the devices directly on each feed took by their own counters, [feed, window]."""
        energy = self.usable[:, Cell.ENERGY]
        least = self.models.over(
            self.usable[:, Cell.GROUP], lambda pin, rows: bounds.narrowed(energy[rows], pin.energy_error_ppm)
        )
        return self.by_window(self.dense(self.usable_place, least), windows)

    def metering(self, level: int) -> Metering:
        """The meters that stand at a level."""
        level = INDEPENDENT if level > SOFTWARE else SOFTWARE
        if level not in self._meterings:
            stands = self.worth.usable & (self.worth.independent | (level == SOFTWARE))
            rows = self.metered[self.worth.of(self.metered[:, Metered.INDEX], stands)]
            most = np.zeros(len(self.layouts.groups), np.int64)
            for start, end, devices in self.layouts.expected():
                if start < self.end * self.bucket and end > self.first * self.bucket:
                    most = np.maximum(most, devices)
            self._meterings[level] = Metering(
                rows, self.layouts, most, self.pinned, self.pins, level, (self.first, self.end), self.bucket
            )
        return self._meterings[level]

    def reach(self, index: Ints) -> tuple[Ints, Ints]:
        """First and last bucket of the windows of statements."""
        windows = self.worth.windows[np.searchsorted(self.worth.indices, index)]
        return windows[:, 0] // self.bucket, (windows[:, 1] - 1) // self.bucket


def _chosen(cells: Table, mask: Mask) -> Table:
    """Rows of a table whose columns are what is read."""
    return cells if mask.all() else np.asfortranarray(cells[mask])


def _summed(cells: Table, columns: Any) -> Ints:
    first, *rest = (cells[:, column] for column in columns)
    return np.asarray(sum(rest, start=first))
