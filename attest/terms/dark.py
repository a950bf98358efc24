"""What evidence could still be given of a site, and what its bound would be with some of it (`attest.terms.settle`).

A cell is a feed in a slot of time: device-seconds for which evidence is missing, and how much of the bound rests on
them. At L1 that is what is dark (silence and gaps), which records or a metered power-off would take away. Above it,
where only independent meters count, it is the presence of accelerators behind no such meter, and what a meter's own
gaps let through. Evidence is taken to show that nothing was done; what shows more than that takes away less.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from attest.account import Account
from attest.compute import bounds
from attest.compute.exact import PPM, Array, add, gathered, minus, running, scale
from attest.compute.tree import ROOT
from attest.facts import Cell
from attest.figures import SOFTWARE
from attest.metering import High, Metering, Window

_DARK: Final = [Cell.MISSING, Cell.STALE, Cell.RESET, Cell.STEP]


class Missing(NamedTuple):
    """By feed and slot: device-seconds without evidence, and MFLOP of the bound that rest on these; `gaps` are those
    that counters may bridge. `whole` are feeds of which a part of a slot takes nothing away."""

    seconds: Array
    silent: Array
    gaps: Array
    whole: Array


class Dark:
    """A site against windows of time; `slots` are the pieces of time that windows are made of, in order."""

    def __init__(
        self, account: Account, windows: Sequence[Window], slots: Sequence[Window], level: int, label: int | None
    ) -> None:
        self.account, self.windows, self.slots = account, windows, slots
        self.metering = account.metering(level)
        self.direct, parts = account.devices_bound(windows, level, label)
        self.in_gaps = parts.get("gaps", np.zeros_like(self.direct))
        self.device_mj = account.device_mj(self.metering, windows) if self.metering.meters else None
        starts = np.array([slot[0] for slot in slots])
        self._reach = np.searchsorted(starts, np.array(windows, np.int64))  # first and last slot of each window
        self.missing = self._recordless() if level <= SOFTWARE else self._meterless()
        self._gap_presence = self._by_row(self.missing.gaps)

    def high(self, share: Array | None = None) -> High:
        """The bound with evidence for so many ppm of each cell."""
        direct = self.direct if share is None else self._left(share)
        return self.metering.bound(direct, self.windows, self.device_mj)

    def behind_none(self, share: Array) -> Array:
        """The bound of what is behind no meter, with evidence for so many ppm of each cell, [window]."""
        return np.asarray(self._left(share)[-1])

    def gain(self) -> Array:
        """What evidence for a whole cell takes away for certain, MFLOP, [feed, slot]: of what is behind meters the
        first part goes to what these leave out already."""
        worth = add(self.missing.silent, self.missing.gaps)
        if not self.metering.feeds or len(self.slots) != len(self.windows):
            return worth
        found = self.metering.by_meter(self.direct, self.windows, self.device_mj).windows
        slack = add(self.direct[:-1], _of_children(found, self.metering)) - found
        for node, meter in enumerate(self.metering.meters):  # those above come first
            if meter.parent != ROOT:
                slack[node] = slack[node] + slack[meter.parent]
        slack = np.concatenate((slack, np.zeros((1, slack.shape[1]), slack.dtype)))
        return np.asarray(np.maximum(worth - slack[self.metering.row_of], 0))

    def bare(self) -> list[str]:
        """The feeds with accelerators that are behind no meter of the level."""
        names = {number: name for name, number in self.account.layouts.feeds.items()}
        feeds = np.unique(self.account.group_feed)
        return [names[feed] for feed in feeds[self.metering.row_of[feeds] == len(self.metering.feeds)].tolist()]

    def _left(self, share: Array) -> Array:
        """The bounds of devices directly behind each meter, [meter, window]; a gap holds no more than presence of what
        is left of it."""
        left = minus(self._gap_presence, self._by_row(_portion(self.missing.gaps, share)))
        gone = add(self._by_row(_portion(self.missing.silent, share)), minus(self.in_gaps, left))
        return minus(self.direct, gone)

    def _by_row(self, cells: Array) -> Array:
        """Cells added up by the meter that feeds are behind, and by window, [meter, window]."""
        sums = running(gathered(cells, self.metering.row_of, len(self.metering.feeds) + 1))
        return np.asarray(sums[:, self._reach[:, 1]] - sums[:, self._reach[:, 0]])

    def _recordless(self) -> Missing:
        """At L1: what no usable statement accounts for, and gaps of those that do."""
        account, usable = self.account, self.account.usable
        inside = (usable[:, Cell.BUCKET] >= self.slots[0][0]) & (usable[:, Cell.BUCKET] < self.slots[-1][1])
        usable = usable[inside]
        dark, group = usable[:, _DARK].sum(axis=1), usable[:, Cell.GROUP]
        said = usable[:, Cell.SAMPLED] + usable[:, Cell.OFF] + dark
        slot = np.searchsorted(np.array([start for start, _ in self.slots]), usable[:, Cell.BUCKET], "right") - 1
        place = account.group_feed[group] * len(self.slots) + slot
        shape = (len(account.layouts.feeds), len(self.slots))
        in_gaps, gaps = (
            gathered(values, place, shape[0] * shape[1]).reshape(shape)
            for values in (dark, account.presence(dark, group))
        )

        def short(groups: slice) -> Array:
            return np.asarray(np.maximum(account.expected.of(groups) - account.by_group(usable, said, groups), 0))

        seconds, silent = self._declared(short)
        return Missing(add(seconds, in_gaps), silent, gaps, np.zeros(shape[0], bool))

    def _declared(self, of: Callable[[slice], Array]) -> tuple[Array, Array]:
        """Device-seconds of some groups at a time, [group, bucket], and their presence, by feed and slot."""
        account = self.account
        shape = (len(account.layouts.feeds), len(self.slots))
        seconds, present = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for groups in account.expected.blocks(len(account.usable)):
            feeds = account.group_feed[groups]
            by_slot = account.by_window(of(groups), self.slots)
            seconds = add(seconds, gathered(by_slot, feeds, shape[0]))
            for pin, mine in account.models.of(np.arange(groups.start, groups.stop)):
                present = add(present, gathered(bounds.capacity(by_slot[mine], pin), feeds[mine], shape[0]))
        return seconds, present

    def _meterless(self) -> Missing:
        """Above L1: accelerators behind no independent meter, and the gaps of the others' meters."""
        account, metering = self.account, self.metering
        bare = metering.row_of == len(metering.feeds)
        seconds, worth = self._declared(account.expected.of)
        seconds[~bare] = worth[~bare] = 0
        if metering.feeds:
            by_slot = account.by_window(account.present(metering), self.slots)
            now = metering.by_meter(by_slot, self.slots).windows
            then = metering.without_gaps().by_meter(by_slot, self.slots).windows
            leaf = np.ones(len(metering.feeds), bool)
            leaf[[meter.parent for meter in metering.meters if meter.parent != ROOT]] = False
            gap_ms = account.by_window(metering.gap_ms(), self.slots)
            for node in np.flatnonzero(leaf & (gap_ms.sum(axis=1) > 0)).tolist():
                feed = metering.feeds[node]
                worth[feed] = np.where(now[node] > then[node], by_slot[node] - then[node], 0)
                devices = account.expected.most[metering.node_of[account.group_feed] == node].sum()
                seconds[feed] = np.where(now[node] > then[node], -(-gap_ms[node] * devices // 1_000), 0)
        return Missing(seconds, worth, np.zeros_like(worth), ~bare)


def _of_children(values: Array, metering: Metering) -> Array:
    """Values of the meters that hang on each meter added up, [meter, window]."""
    sums = np.zeros_like(values)
    for node, meter in enumerate(metering.meters):
        if meter.parent != ROOT:
            sums[meter.parent] = sums[meter.parent] + values[node]
    return sums


def _portion(values: Array, ppm: Array) -> Array:
    """So many ppm of each value, rounded down; numbers that do not fit are Python's."""
    if not values.size or int(values.max()) < (1 << 62) // PPM:
        return np.asarray(values * ppm // PPM)
    return scale(values.astype(object) * ppm, 1, PPM, up=False)
