"""The feeds of a site as a tree of meters: what `attest.compute.tree` needs, out of facts and agreement.

A feed bounds by its meter's readings if they are timely, their source has no fault, and the meter stands at the
level asked for: L4 where the agreement names its key, L1 where the lab enrolled it. Only such meters are in the tree,
numbered in the order of their feeds; what hangs on a feed without one, or one without a reading, is directly behind the
next meter above, or behind none. A feed that changed its place in the tree within the time judged hangs on nothing
there, which is looser and sound.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.agreement import Meter as PinnedMeter
from attest.compute import tree
from attest.compute.bounds import MFLOP, widened
from attest.compute.exact import Array, add, running, total
from attest.compute.off import Off, surrounded
from attest.compute.pins import Pin
from attest.compute.record import Record
from attest.errors import AgreementError, UnsupportedError
from attest.facts import Metered, Table
from attest.figures import figures
from attest.layout import Layouts

NONE: Final = -1  # no meter, or no feed, above
MAX_GRID: Final = 1 << 27  # meters x buckets that are held at a time: 15,000 of them in a year of hours

Window = tuple[int, int]  # first bucket and end bucket


class High(NamedTuple):
    """H in MFLOP of a whole site, by window and of all windows together, and the feeds whose balance is negative."""

    windows: Array
    total: int
    negative: tuple[int, ...]


class Metering:
    """The meters of a site that stand at `level`, over the buckets of `window` and as many around as clocks need.

    `rows` are the metered facts that may be used; `devices` are the most devices of each group that are declared at
    one time. Feeds are numbered as in `layouts`; `figures` has those with a meter, `feeds` those with a reading, one
    for each meter, and `row_of` the meter that each feed is behind, one more than there are where it is behind none.
    `contradicted` are meters below which more was taken than they let through, in some bucket: there they show nothing
    to be off. Where meters are too many for an array, the lab's own bound nothing: `left_out`. Raises UnsupportedError
    `unsupported/size` if those that the agreement names are too many.
    """

    def __init__(
        self,
        rows: Table,
        layouts: Layouts,
        devices: Array,
        pinned: Mapping[str, PinnedMeter],
        pins: Mapping[str, Pin],
        level: int,
        window: Window,
        bucket: int,
    ) -> None:
        self.layouts, self.bucket = layouts, bucket
        self.pinned, self.pins = pinned, pins
        self.figures = figures(layouts, pinned, level, rows)
        self.pad = 1 + max((-(-(f.clock_uncertainty_s or 0) // bucket) for f in self.figures.values()), default=0)
        self.first, self.end = window[0] - self.pad, window[1] + self.pad
        self.feeds, self.left_out = self._read(rows)
        self.numbers = {feed: number for number, feed in enumerate(self.feeds)}
        self.above = self._above(window)
        self.node_of = self._nodes()
        self.row_of = np.where(self.node_of == NONE, len(self.feeds), self.node_of)
        self.meters = self._meters(devices)
        self.rows = rows[np.isin(rows[:, Metered.FEED], self.feeds)]
        self.record = self._record()
        denied = tree.contradicted(self.meters, self.record, bucket, self.first)
        self.contradicted = np.asarray(self.cut(denied).any(axis=1), bool)
        self._silent, certain = self._spread(self._off() & ~denied)
        self.off = self.behind(self.cut(certain))

    def behind(self, values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """What holds behind a meter, [meter, bucket], with a row for what is behind none: there nothing does."""
        return np.concatenate([values, np.zeros((1, values.shape[1]), bool)])

    def bound(self, direct: Array, windows: Sequence[Window], device_mj: Array | None = None) -> High:
        """H from the sums of u of the devices directly behind each meter and behind none, [meter, window]."""
        unmetered = direct[len(self.feeds)]
        if not self.feeds:
            return High(unmetered, total(unmetered), ())
        found = self.by_meter(direct, windows, device_mj)
        roots = (found.windows[i] for i, meter in enumerate(self.meters) if meter.parent == tree.ROOT)
        return High(
            add(unmetered, *roots),
            total(unmetered) + found.high(self.meters),
            tuple(self.feeds[i] for i in found.negative),
        )

    def by_meter(self, direct: Array, windows: Sequence[Window], device_mj: Array | None = None) -> tree.Bounds:
        """The same, meter by meter, of those with a reading; there must be one."""
        nodes = len(self.feeds)
        return tree.bound(
            self.meters,
            self.record,
            direct[:nodes],
            windows=[(begin - self.first, end - self.first) for begin, end in windows],
            bucket_seconds=self.bucket,
            first_bucket=self.first,
            device_mj=None if device_mj is None else device_mj[:nodes],
            off=self._silent,
        )

    def without_gaps(self) -> "Metering":
        """The same meters, had they read nothing in their gaps."""
        other = copy(self)
        full = np.full((len(self.feeds), self.end - self.first), self.bucket * 1_000)
        other.record = replace(self.record, covered_ms=running(full))
        return other

    def covered_ms(self) -> Array:
        """Milliseconds with readings, [meter, bucket] of the window."""
        return self.cut(np.diff(self.record.covered_ms))

    def gap_ms(self) -> Array:
        """Milliseconds without readings, [meter, bucket] of the window."""
        return self.bucket * 1_000 - self.covered_ms()

    def nodes(self, feeds: Collection[int]) -> list[int]:
        """The meters of those feeds that have a reading. Raises UnsupportedError where one of them was left out."""
        if not self.left_out.isdisjoint(feeds):
            raise UnsupportedError("unsupported/size", f"readings of {len(self.left_out):,} feeds are too many to hold")
        return [self.numbers[feed] for feed in feeds if feed in self.numbers]

    def cut(self, values: Array) -> Array:
        """Of [meter, bucket of the record] the buckets of the window."""
        return values[:, self.pad : values.shape[1] - self.pad]

    def _read(self, rows: Table) -> tuple[list[int], set[int]]:
        """The feeds with a reading, and those with one that are too many."""
        within = (rows[:, Metered.BUCKET] >= self.first) & (rows[:, Metered.BUCKET] < self.end)
        read = [feed for feed in np.unique(rows[within, Metered.FEED]).tolist() if feed in self.figures]
        most = MAX_GRID // (self.end - self.first)
        if len(read) <= most:
            return read, set()
        agreed = {feed for (sub, _), feed in self.layouts.meters.items() if sub in self.pinned}
        chosen = [feed for feed in read if feed in agreed]
        if len(chosen) > most:
            detail = f"readings of {len(chosen):,} feeds over {self.end - self.first:,} buckets, at most {most:,} feeds"
            raise UnsupportedError("unsupported/size", detail)
        return chosen, set(read).difference(chosen)

    def _above(self, window: Window) -> list[int]:
        """The feed that each feed hangs on; a roster names what is above first."""
        parents = self.layouts.parents(window[0] * self.bucket, window[1] * self.bucket)
        found = (parents.get(feed) for feed in range(len(self.layouts.feeds)))
        return [NONE if above is None or above >= feed else above for feed, above in enumerate(found)]

    def _nodes(self) -> npt.NDArray[np.int64]:
        nodes = np.full(len(self.above), NONE, np.int64)
        for feed, above in enumerate(self.above):
            nodes[feed] = self.numbers.get(feed, NONE if above == NONE else nodes[above])
        return nodes

    def _meters(self, devices: Array) -> list[tree.Meter]:
        peak, best = [0] * len(self.feeds), [0] * len(self.feeds)
        for group, count in zip(self.layouts.groups, devices.tolist(), strict=True):
            node, pin = int(self.node_of[group.feed]), self.pins[group.model]
            if node != NONE and count:
                peak[node] += -(-count * pin.peak_flop_per_s // MFLOP)
                best[node] = max(best[node], pin.efficiency_mflop_per_mj)
        storage, generation = [0] * len(self.feeds), [0] * len(self.feeds)
        for feed, known in self.figures.items():  # those of feeds without a reading, too
            node = int(self.node_of[feed])
            if node != NONE:
                storage[node] += known.storage_mj
                generation[node] += known.generation_mw
        meters = []
        for node, feed in enumerate(self.feeds):
            known, above = self.figures[feed], self.above[feed]
            meters.append(
                tree.Meter(
                    known.error_ppm,
                    best[node],
                    peak[node],
                    tree.ROOT if above == NONE else int(self.node_of[above]),
                    clock_uncertainty_s=known.clock_uncertainty_s,
                    storage_mj=storage[node],
                    generation_mw=generation[node],
                )
            )
        return meters

    def _record(self) -> Record:
        rows, buckets = self.rows, self.end - self.first
        return Record.tabulate(
            self.node_of[rows[:, Metered.FEED]],
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
        )

    def _widened(self) -> Array:
        rows = [widened(self.record.most(i, self.each()), meter.error_ppm) for i, meter in enumerate(self.meters)]
        return np.stack(rows) if rows else np.zeros((0, self.end - self.first), np.int64)

    def each(self) -> npt.NDArray[np.int64]:
        """Every bucket of the record as a window of its own."""
        first = np.arange(self.end - self.first)
        return np.stack([first, first + 1], axis=1)

    def _off(self) -> npt.NDArray[np.bool_]:
        """Where a meter, by its own stamps, shows that nothing behind it ran, [meter, bucket]."""
        energy = self._widened()
        complete = np.diff(self.record.covered_ms) == self.bucket * 1_000
        off = np.zeros(energy.shape, bool)
        models: list[set[str]] = [set() for _ in self.meters]
        for node, model in {(int(self.node_of[group.feed]), group.model) for group in self.layouts.groups}:
            while node != NONE:
                models[node].add(model)
                node = self.meters[node].parent
        for node, source in enumerate(tree.behind(self.meters)):
            rule = self._rule(node, [self.pins[model] for model in models[node]])
            if rule is not None:
                unseen = source.storage_mj + source.generation_mw * self.bucket  # a day's storage in any bucket
                off[node] = rule.buckets(add(energy[node], unseen), complete[node])
        return off

    def _spread(self, own: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Off by each meter's own stamps or for certain by a meter above; and off for certain, whatever clocks were
        off by: in every bucket that a bucket touches when it is widened by the clock's error."""
        by_stamps, certain = own.copy(), np.zeros_like(own)
        for node, meter in enumerate(self.meters):
            certain[node] = self._widest(node, own[node])
            if meter.parent != tree.ROOT:
                certain[node] |= certain[meter.parent]
                by_stamps[node] |= self._widest(node, certain[meter.parent])
        return by_stamps, certain

    def _widest(self, node: int, off: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        clock = self.meters[node].clock_uncertainty_s
        if clock is None:
            return np.zeros_like(off)
        return surrounded(off, -(-clock // self.bucket))

    def _rule(self, node: int, pins: Sequence[Pin]) -> Off | None:
        """When a meter shows what is behind it to be off; None where it cannot."""
        if not pins:
            return None
        known = self.figures[self.feeds[node]]
        boots = [pin.boot_mj for pin in pins if known.boot_of_pins]
        boots += [known.boot_mj] if known.boot_mj is not None else []
        try:
            return Off(min(boots), min(pin.idle_mw for pin in pins), self.bucket)
        except AgreementError:
            return None  # in buckets this short an idle circuit would pass for one that is off


def elsewhere(rows: Table, disputed: Table) -> Table:
    """The metered rows of statements that tell of no feed and bucket of which a disputed one tells: who voids a
    statement and tells of its time again has not used the energy twice."""
    size = 1 + max((int(each[:, Metered.BUCKET].max(initial=0)) for each in (rows, disputed)), default=0)
    keys, again = (each[:, Metered.FEED] * size + each[:, Metered.BUCKET] for each in (rows, disputed))
    told = np.unique(rows[np.isin(keys, again), Metered.INDEX])
    return np.asarray(rows[np.isin(rows[:, Metered.INDEX], told, invert=True)])
