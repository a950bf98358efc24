"""The feeds of a site as a tree of meters: what `attest.compute.tree` needs, out of facts and agreement.

A feed bounds by its meter's readings if they are timely, their source has no fault, and the meter stands at the
level asked for: L4 where the agreement names its key, L1 where the lab enrolled it. A feed without such a meter is
one whose meter is a single gap, and bounds nothing. A feed that changed its place in the tree within the time judged
hangs on nothing there, which is looser and sound.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from attest.agreement import Meter as PinnedMeter
from attest.compute import tree
from attest.compute.bounds import narrowed, presence_ms, widened
from attest.compute.exact import Amount, Array, amounts
from attest.compute.off import Off
from attest.compute.pins import Pin
from attest.compute.record import Record
from attest.errors import AgreementError
from attest.facts import Metered, Table
from attest.layout import Layouts

SOFTWARE: Final = 1  # L1: the lab's software key
INDEPENDENT: Final = 4  # L4: an independent party's measurement
LAB_METER_ERROR_PPM: Final = 50_000  # of a meter about which the agreement says nothing
DAY: Final = 86_400

Window = tuple[int, int]  # first bucket and end bucket


class Figures(NamedTuple):
    """What is known of the meters of a feed: the worst of each figure where rosters name several, one after another."""

    error_ppm: int
    clock_uncertainty_s: int | None
    storage_mj: int
    generation_mw: int
    boot_mj: int | None

    @classmethod
    def of(cls, meter: PinnedMeter | None) -> Self:
        """The agreement's figures, or those of a meter about which it says nothing."""
        if meter is None:
            return cls(LAB_METER_ERROR_PPM, 0, 0, 0, None)
        return cls(meter.error_ppm, meter.clock_uncertainty_s, meter.storage_mj, meter.generation_mw, meter.boot_mj)

    def worse(self, other: Self) -> Self:
        """The worse of each figure."""
        clocks = [f.clock_uncertainty_s for f in (self, other)]
        return type(self)(
            max(self.error_ppm, other.error_ppm),
            None if None in clocks else max(clock or 0 for clock in clocks),
            max(self.storage_mj, other.storage_mj),
            max(self.generation_mw, other.generation_mw),
            min((f.boot_mj for f in (self, other) if f.boot_mj is not None), default=None),
        )


LAB_METER: Final = Figures.of(None)


class Metering:
    """The meters of a site that stand at `level`, over the buckets of `window` and as many around as clocks need.

    `rows` are the metered facts that may be used; `devices` are the most devices of each group that are declared at
    one time. Feeds are numbered as in `layouts`.
    """

    def __init__(
        self,
        rows: Table,
        layouts: Layouts,
        devices: Sequence[int],
        pinned: Mapping[str, PinnedMeter],
        pins: Mapping[str, Pin],
        level: int,
        window: Window,
        bucket: int,
    ) -> None:
        self.layouts, self.bucket = layouts, bucket
        self.pinned, self.pins = pinned, pins
        self.figures: dict[int, Figures] = {}
        for (sub, _), feed in layouts.meters.items():
            if (INDEPENDENT if sub in pinned else SOFTWARE) >= level:
                mine = Figures.of(pinned.get(sub))
                self.figures[feed] = mine.worse(self.figures.get(feed, mine))
        self.pad = 1 + max((-(-(m.clock_uncertainty_s or 0) // bucket) for m in pinned.values()), default=0)
        self.first, self.end = window[0] - self.pad, window[1] + self.pad
        self.meters = self._meters(devices, window)
        self.rows = rows[np.isin(rows[:, Metered.FEED], list(self.figures))]
        self.record = self._record()
        self._silent, certain = self._spread()
        self.off = self._cut(certain)

    def bound(self, direct: Amount, windows: Sequence[Window], device_mj: Amount | None = None) -> tree.Bounds:
        """H by feed and window, from the sums of u of the devices directly on each feed."""
        shifted = [(begin - self.first, end - self.first) for begin, end in windows]
        return tree.bound(
            self.meters,
            self.record,
            direct,
            windows=shifted,
            bucket_seconds=self.bucket,
            device_mj=device_mj,
            off=self._silent,
        )

    def roots(self) -> list[int]:
        """The feeds that hang on nothing."""
        return [i for i, meter in enumerate(self.meters) if meter.parent == tree.ROOT]

    def covered_ms(self) -> Array:
        """Milliseconds with readings, [feed, bucket] of the window."""
        return self._cut(np.diff(self.record.covered_ms))

    def most_mj(self) -> Array:
        """The most energy that went through each feed, E+, [feed, bucket] of the window."""
        return self._cut(self._widened())

    def fewest_mj(self) -> Array:
        """The least energy that went through each feed, [feed, bucket] of the window."""
        rows = [narrowed(self.record.fewest(i, self._each()), meter.error_ppm) for i, meter in enumerate(self.meters)]
        return self._cut(np.stack(rows) if rows else np.zeros((0, self.end - self.first), np.int64))

    def _cut(self, values: Array) -> Array:
        return values[:, self.pad : values.shape[1] - self.pad]

    def _meters(self, devices: Sequence[int], window: Window) -> list[tree.Meter]:
        peak = [0] * len(self.layouts.feeds)
        best = [0] * len(self.layouts.feeds)
        for group, count in zip(self.layouts.groups, devices, strict=True):
            pin = self.pins[group.model]
            peak[group.feed] += int(presence_ms(1_000 * count, pin.peak_flop_per_s))
            if count:
                best[group.feed] = max(best[group.feed], pin.efficiency_mflop_per_mj)
        parents = self.layouts.parents(window[0] * self.bucket, window[1] * self.bucket)
        meters = []
        for feed in range(len(self.layouts.feeds)):
            figures = self.figures.get(feed, LAB_METER)
            parent = parents.get(feed)
            meters.append(
                tree.Meter(
                    figures.error_ppm,
                    best[feed],
                    peak[feed],
                    tree.ROOT if parent is None or parent >= feed else parent,
                    clock_uncertainty_s=figures.clock_uncertainty_s,
                    present=feed in self.figures,
                )
            )
        return meters

    def _record(self) -> Record:
        rows, buckets = self.rows, self.end - self.first
        storage = np.zeros((len(self.meters), buckets), np.int64)
        for feed, figures in self.figures.items():
            storage[feed] = -(-figures.storage_mj * self.bucket // DAY) + figures.generation_mw * self.bucket
        return Record.tabulate(
            rows[:, Metered.FEED],
            rows[:, Metered.BUCKET],
            high=rows[:, Metered.HIGH],
            low=rows[:, Metered.LOW],
            covered=rows[:, Metered.COVERED],
            starting=rows[:, Metered.STARTING],
            ending=rows[:, Metered.ENDING],
            runs=rows[:, Metered.RUNS],
            meters=len(self.meters),
            first=self.first,
            buckets=buckets,
            storage_mj=storage,
        )

    def _widened(self) -> Array:
        rows = [widened(self.record.most(i, self._each()), meter.error_ppm) for i, meter in enumerate(self.meters)]
        return np.stack(rows) if rows else np.zeros((0, self.end - self.first), np.int64)

    def _each(self) -> npt.NDArray[np.int64]:
        """Every bucket of the record as a window of its own."""
        first = np.arange(self.end - self.first)
        return np.stack([first, first + 1], axis=1)

    def _off(self) -> npt.NDArray[np.bool_]:
        """Where the meter of a feed, by its own stamps, shows that nothing behind it ran, [feed, bucket]."""
        energy = self._widened()
        complete = np.diff(self.record.covered_ms) == self.bucket * 1_000
        off = np.zeros(energy.shape, bool)
        models: list[set[str]] = [set() for _ in self.meters]
        for group in self.layouts.groups:
            feed: int = group.feed
            while feed != tree.ROOT:
                models[feed].add(group.model)
                feed = self.meters[feed].parent
        for feed in range(len(self.meters)):
            rule = self._rule(feed, [self.pins[model] for model in models[feed]])
            if rule is not None:
                stored = np.diff(self.record.storage[feed])
                off[feed] = rule.buckets(amounts(energy[feed] + stored), complete[feed])
        return off

    def _spread(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Off by each feed's own stamps or for certain by a meter above; and off for certain, whatever clocks were
        off by: in every bucket that a bucket touches when it is widened by the clock's error."""
        own = self._off()
        by_stamps, certain = own.copy(), np.zeros_like(own)
        for feed, meter in enumerate(self.meters):
            certain[feed] = self._widest(feed, own[feed])
            if meter.parent != tree.ROOT:
                certain[feed] |= certain[meter.parent]
                by_stamps[feed] |= self._widest(feed, certain[meter.parent])
        return by_stamps, certain

    def _widest(self, feed: int, off: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        clock = self.figures.get(feed, LAB_METER).clock_uncertainty_s
        if clock is None:
            return np.zeros_like(off)
        pad = -(-clock // self.bucket)
        return np.asarray(np.lib.stride_tricks.sliding_window_view(np.pad(off, pad), 2 * pad + 1).all(axis=1))

    def _rule(self, feed: int, pins: Sequence[Pin]) -> Off | None:
        """When the feed's meter shows it to be off; None where it cannot."""
        if feed not in self.figures or not pins:
            return None
        boot = self.figures[feed].boot_mj or min(pin.boot_mj for pin in pins)
        try:
            return Off(boot, min(pin.idle_mw for pin in pins), self.bucket)
        except AgreementError:
            return None  # in buckets this short an idle circuit would pass for one that is off
