"""What a site declares, in device-seconds by time bucket: what everything said is held against.

Rosters take turns, and a site may have many: each is added up once, in the buckets that its times touch. An array by
group of accelerators is as large as rosters say, and rosters are cheap: there is never one of all groups, but of some
at a time, and beyond MAX_EXPECTED there is none.

Two rosters, of 8 and of 16 accelerators, that change at 00:30:

    >>> rosters = [Declared(np.array([[0, 1_800]]), np.array([0]), np.array([8])),
    ...            Declared(np.array([[1_800, 7_200]]), np.array([0, 1]), np.array([8, 8]))]
    >>> expected = Expected(rosters, groups=2, window=(0, 2), bucket=3_600)
    >>> [expected.of(groups).tolist() for groups in expected.blocks(facts=0)], expected.total
    ([[[28800, 28800], [14400, 28800]]], 100800)
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np

from attest.compute.columns import Ints
from attest.compute.exact import Array, gathered
from attest.errors import UnsupportedError
from attest.facts import Mask
from attest.layout import Declared
from attest.metering import Window

MAX_EXPECTED: Final = 1 << 30  # groups x buckets that are gone through: 120,000 groups in a year of hours
BLOCK: Final = 1 << 22  # of them that are held at a time


class Expected:
    """The device-seconds of `rosters`, whose times lie in the window, over its buckets [first, end)."""

    def __init__(self, rosters: Sequence[Declared], groups: int, window: Window, bucket: int) -> None:
        self.rosters, self.groups = rosters, groups
        self.first, self.buckets, self.bucket = window[0], window[1] - window[0], bucket
        self._touched = [self._spread(roster.times) for roster in rosters]

    @cached_property
    def total(self) -> int:
        """Device-seconds in all."""
        return sum(int(r.devices.sum()) * int((r.times[:, 1] - r.times[:, 0]).sum()) for r in self.rosters)

    @cached_property
    def most(self) -> Ints:
        """The most devices of each group that are declared at one time."""
        most = np.zeros(self.groups, np.int64)
        for roster in self.rosters:
            most[roster.groups] = np.maximum(most[roster.groups], roster.devices)
        return most

    def blocks(self, facts: int) -> Iterator[slice]:
        """All groups, so many at a time as there are rows of facts about them, since each block goes through these.
        Raises UnsupportedError `unsupported/size` where they are too many."""
        if self.groups * self.buckets > MAX_EXPECTED:
            detail = f"{self.groups:,} groups of accelerators over {self.buckets:,} buckets"
            raise UnsupportedError("unsupported/size", f"{detail}, at most {MAX_EXPECTED:,} of both multiplied")
        step = max(max(BLOCK, facts) // self.buckets, 1)
        return (slice(at, min(at + step, self.groups)) for at in range(0, self.groups, step))

    def of(self, groups: slice) -> Array:
        """Device-seconds of some groups, [group, bucket]."""
        out = np.zeros((groups.stop - groups.start, self.buckets), np.int64)
        for roster, (bucket, seconds) in zip(self.rosters, self._touched, strict=True):
            here = slice(*np.searchsorted(roster.groups, (groups.start, groups.stop)))
            out[roster.groups[here, None] - groups.start, bucket] += roster.devices[here, None] * seconds
        return out

    def added(self, row: Ints, rows: int, counts: Ints) -> Array:
        """Device-seconds of groups, each `counts` times, added up by the row that each has, [row, bucket]."""
        out = np.zeros((rows, self.buckets), np.int64)
        for roster, (bucket, seconds) in zip(self.rosters, self._touched, strict=True):
            chosen, at = np.unique(row[roster.groups], return_inverse=True)
            devices = gathered(roster.devices * counts[roster.groups], at, len(chosen))
            out[chosen[:, None], bucket] += devices[:, None] * seconds
        return out

    def at_once(self, row: Ints, rows: int) -> Array:
        """The most devices that are declared at one time in each bucket, by the row that groups have, [row, bucket]."""
        out = np.zeros((rows, self.buckets), np.int64)
        for roster, (bucket, _) in zip(self.rosters, self._touched, strict=True):
            chosen, at = np.unique(row[roster.groups], return_inverse=True)
            devices = gathered(roster.devices, at, len(chosen))
            here = np.ix_(chosen, bucket)
            out[here] = np.maximum(out[here], devices[:, None])
        return out

    def due(self, row: Ints) -> Iterator[tuple[int, Mask]]:
        """Of the rows that groups have, each in which any are declared, and in which buckets."""
        rows, at = np.unique(row, return_inverse=True)
        step = max(BLOCK // self.buckets, 1)
        for begin in range(0, len(rows), step):
            due = np.zeros((len(rows[begin : begin + step]), self.buckets), bool)
            for roster, (bucket, _) in zip(self.rosters, self._touched, strict=True):
                place = at[roster.groups] - begin
                due[place[(place >= 0) & (place < step), None], bucket] = True
            yield from zip(rows[begin : begin + step].tolist(), due, strict=True)

    def _spread(self, times: Ints) -> tuple[Ints, Ints]:
        """The buckets that some times touch, from the first of the window on, and the seconds in each."""
        start, end = times.T
        first = start // self.bucket
        count = (end - 1) // self.bucket + 1 - first
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        bucket = np.repeat(first, count) + place
        begin, stop = np.repeat(start, count), np.repeat(end, count)
        seconds = np.minimum(stop, (bucket + 1) * self.bucket) - np.maximum(begin, bucket * self.bucket)
        touched, at = np.unique(bucket - self.first, return_inverse=True)
        return touched, gathered(seconds, at, len(touched))
