"""Pass 6, the arithmetic: facts of one site against pins and meters, to bounds by window (schemas/bounds.md).

Sums are made in dense arrays, bucket by bucket and by the meter that devices are behind, so that any set of windows is
a difference of running sums. Only what `attest.worth` finds usable lowers `high`; what a lab admits is summed up by
`attest.admitted`.

Where rosters declare more groups than `attest.expected` lists, what devices said counts beside their presence and not
in its place: `high` is looser, and of `low` nothing is hidden.

Levels: a host's statements and the lab's own meters stand at L1, an independent meter at L4. Below the level that a
term asks for evidence is not used, and what it would have bounded is charged at presence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from attest.agreement import Agreement, Party
from attest.compute import bounds
from attest.compute.columns import Ints
from attest.compute.exact import Array, add, gathered, running
from attest.compute.pins import Pin
from attest.errors import UnsupportedError
from attest.expected import BLOCK, Expected
from attest.facts import Cell, Facts, Gap, Mask, Metered, Table
from attest.figures import INDEPENDENT, SOFTWARE
from attest.layout import Layouts
from attest.metering import Metering, Window, elsewhere
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


class Rows(NamedTuple):
    """Where what is known of groups is added up: the row of each group, and how many rows there are."""

    of: Ints
    size: int


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
        self._meterings: dict[tuple[int, bool], Metering] = {}
        self.group_feed = np.array([g.feed for g in layouts.groups], np.int64)
        self.models = Models([g.model for g in layouts.groups], pins)
        rosters = list(layouts.declared(self.first * self.bucket, self.end * self.bucket))
        self.expected = Expected(rosters, len(layouts.groups), window, self.bucket)

    def behind(self, metering: Metering) -> Rows:
        """A row for what is behind each meter, and a last one for what is behind none."""
        return Rows(metering.row_of[self.group_feed], len(metering.feeds) + 1)

    def dense(self, rows: Rows, group: Ints, bucket: Ints, values: Array) -> Array:
        """Values of groups in buckets added up, [row, bucket]."""
        buckets = self.end - self.first
        place = rows.of[group] * buckets + (bucket - self.first)
        return gathered(values, place, rows.size * buckets).reshape(rows.size, buckets)

    def across(self, rows: Rows, group: Ints, values: Array, low: Ints, high: Ints, windows: int) -> Array:
        """Values of groups, each in full in all windows from number `low` to before `high`, [row, window]."""
        edges, row = windows + 1, rows.of[group]
        begun, ended = (
            gathered(values, row * edges + at, rows.size * edges).reshape(rows.size, edges)
            for at in (low, np.maximum(low, high))
        )
        return np.asarray((running(begun) - running(ended))[:, 1:-1])

    def by_group(self, cells: Table, values: Array, groups: slice) -> Array:
        """A value of each cell added up, for some groups, [group, bucket]."""
        count, buckets = groups.stop - groups.start, self.end - self.first
        group, bucket = cells[:, Cell.GROUP], cells[:, Cell.BUCKET]
        if count < len(self.layouts.groups):
            here = (group >= groups.start) & (group < groups.stop)
            group, bucket, values = group[here] - groups.start, bucket[here], values[here]
        return gathered(values, group * buckets + (bucket - self.first), count * buckets).reshape(count, buckets)

    def by_window(self, values: Array, windows: Sequence[Window]) -> Array:
        """[row, bucket] summed to [row, window]."""
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

    def declared(self, metering: Metering, model: int | None = None) -> Array:
        """Declared device-seconds, of one model by its number or of all, [meter, bucket]."""
        counts = np.ones(len(self.group_feed), np.int64) if model is None else (self.models.number == model) * 1
        return self.expected.added(*self.behind(metering), counts)

    @cached_property
    def usable(self) -> Table:
        """The cells that may lower `high`."""
        return self.worthy(self.cells, self.worth.usable)

    @cached_property
    def unsaid(self) -> Array:
        """Presence of declared device-seconds that no usable statement accounts for, or of all that are declared where
        those are too many, by the meter of any level that they are behind, [meter, bucket]."""
        metering = self.metering(SOFTWARE)
        said = _summed(self.usable, range(Cell.SAMPLED, Cell.STEP + 1))
        rows, none = self.behind(metering), self._nothing(metering)
        silent = [none.copy() for _ in self.models.pins]
        try:
            for groups in self.expected.blocks(len(self.usable)):
                short = np.maximum(self.expected.of(groups) - self.by_group(self.usable, said, groups), 0)
                for number, seconds in enumerate(silent):
                    mine = self.models.number[groups] == number
                    np.add.at(seconds, rows.of[groups][mine], short[mine])
        except UnsupportedError:
            return self.present(metering)
        return add(
            none, *(bounds.presence(seconds, pin) for seconds, pin in zip(silent, self.models.pins, strict=True))
        )

    def present(self, metering: Metering) -> Array:
        """Presence of all declared device-seconds, [meter, bucket], MFLOP."""
        pins = enumerate(self.models.pins)
        parts = (bounds.presence(self.declared(metering, number), pin) for number, pin in pins)
        return add(self._nothing(metering), *parts)

    def _nothing(self, metering: Metering) -> Array:
        return np.zeros((len(metering.feeds) + 1, self.end - self.first), np.int64)

    def sampled(self, metering: Metering, label: int | None) -> Array:
        """u of what was sampled, by the lab's own counters, [meter, bucket]."""
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

        group, bucket = cells[:, Cell.GROUP], cells[:, Cell.BUCKET]
        return self.dense(self.behind(metering), group, bucket, self.models.over(group, most))

    def in_gaps(self, metering: Metering, windows: Sequence[Window]) -> Array:
        """What gaps can hold: of each feed presence, or what cumulative counters leave, each gap in full in every
        window it touches, if that is less, [meter, window]. Feeds are gone through so many at a time."""
        seconds = _summed(self.usable, _DARK)
        group, bucket = (self.usable[seconds > 0, column] for column in (Cell.GROUP, Cell.BUCKET))
        present = self.presence(seconds[seconds > 0], group)
        gaps = self.gaps[self.worth.of(self.gaps[:, Gap.INDEX], self.worth.usable)]
        starts, ends = np.array(windows, np.int64).T
        low = np.searchsorted(ends, gaps[:, Gap.FIRST], "right")
        high = np.searchsorted(starts, gaps[:, Gap.LAST], "right")
        bridged = self._bridged(gaps)
        dark = np.unique(self.group_feed[group])
        out = np.zeros((len(metering.feeds) + 1, len(windows)), np.int64)
        step = max(max(BLOCK, len(group), len(gaps)) // (self.end - self.first), 1)
        for feeds in (dark[at : at + step] for at in range(0, len(dark), step)):
            numbers = np.full(len(self.layouts.feeds), len(feeds))
            numbers[feeds] = np.arange(len(feeds))
            rows = Rows(numbers[self.group_feed], len(feeds) + 1)  # the last one is of all other feeds
            by_presence = self.by_window(self.dense(rows, group, bucket, present), windows)
            by_counters = self.across(rows, gaps[:, Gap.GROUP], bridged, low, high, len(windows))
            fewest = np.minimum(by_presence, by_counters)[:-1]
            out = add(out, gathered(fewest, metering.row_of[feeds], len(out)))
        return out

    def _bridged(self, gaps: Table) -> Array:
        """What each gap can hold by cumulative counters, MFLOP."""

        def most(pin: Pin, rows: Any) -> Array:
            seconds, before, drawn, before_cycles, cycles, readings = (gaps[rows, c] for c in _GAP_COLUMNS)
            return bounds.gaps(seconds, before, drawn, before_cycles, cycles, readings, pin)

        return self.models.over(gaps[:, Gap.GROUP], most)

    def devices_bound(self, windows: Sequence[Window], level: int, label: int | None) -> tuple[Array, dict[str, Array]]:
        """Sum of u of the devices directly behind each meter, [meter, window], and its parts."""
        metering = self.metering(level)
        if level > SOFTWARE:
            everything = self.by_window(self.present(metering), windows)
            return everything, {"presence": everything}
        parts = {
            "sampled": self.by_window(self.sampled(metering, label), windows),
            "gaps": self.in_gaps(metering, windows),
            "silent": self.by_window(self.unsaid, windows),
        }
        return add(*parts.values()), parts

    def device_mj(self, metering: Metering, windows: Sequence[Window]) -> Array:
        """The least energy that the devices directly behind each meter took by their own counters, [meter, window]."""
        energy, group, bucket = (self.usable[:, column] for column in (Cell.ENERGY, Cell.GROUP, Cell.BUCKET))
        least = self.models.over(group, lambda pin, rows: bounds.narrowed(energy[rows], pin.energy_error_ppm))
        return self.by_window(self.dense(self.behind(metering), group, bucket, least), windows)

    def metering(self, level: int, *, claimed: bool = False) -> Metering:
        """The meters that stand at a level, by what they may be used for; `claimed` by what is disputed, too."""
        level = INDEPENDENT if level > SOFTWARE else SOFTWARE
        if (level, claimed) not in self._meterings:
            stands = self.worth.independent | (level == SOFTWARE)
            rows = self._metered(self.worth.usable & stands)
            if claimed:
                disputed = self._metered(self.worth.disputed & self.worth.timely & stands)
                rows = np.concatenate((disputed, elsewhere(rows, disputed)))
            self._meterings[level, claimed] = Metering(
                rows,
                self.layouts,
                self.expected.most,
                self.pinned,
                self.pins,
                level,
                (self.first, self.end),
                self.bucket,
            )
        return self._meterings[level, claimed]

    def _metered(self, mask: Mask) -> Table:
        return np.asarray(self.metered[self.worth.of(self.metered[:, Metered.INDEX], mask)])

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
