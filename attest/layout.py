"""Which accelerators a source speaks for, under which roster: what the rosters of a `Control` come to.

Accelerators that share source, feed and model form a group: the grain at which facts are kept. Groups and feeds
are numbered in the order in which the rosters first name them, so that every worker numbers them alike.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from attest.control import FOREVER, Control, RosterRecord, Source
from attest.format.roster import Host, Roster


@dataclass(frozen=True, slots=True)
class Group:
    """Accelerators of one model on one feed that one source speaks for."""

    number: int
    sub: str
    feed: int
    model: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A source's devices under one roster: the group of each, the groups present, and what tells device lists
    apart (`uids`)."""

    groups: npt.NDArray[np.int64]
    present: tuple[int, ...]
    local: npt.NDArray[np.int64]
    uids: tuple[str, ...]


class Declared(NamedTuple):
    """What one roster declares: `devices` of each of `groups`, at times [(start, end)]."""

    times: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    devices: npt.NDArray[np.int64]


class Layouts:
    """Groups, feeds and layouts of a log."""

    def __init__(self, control: Control) -> None:
        self.groups: list[Group] = []
        self.feeds: dict[str, int] = {}
        self.meters: dict[tuple[str, str], int] = {}  # (the meter's sub, feed) -> feed number
        self._numbers: dict[tuple[str, int, str], int] = {}
        self._layouts: dict[tuple[bytes, str], Layout] = {}
        self._records = sorted(control.rosters, key=lambda r: (r.start, r.index))
        self._starts = [r.start for r in self._records]
        self._absent = list(accumulate((r.roster is None for r in self._records), initial=0))
        self._metering: dict[tuple[str, str], set[bytes]] = {}  # (the meter's sub, feed) -> digests of rosters
        self._digests = [b"" if r.roster is None else r.block.digest for r in self._records]
        self._asked: tuple[range, set[bytes]] = range(0), set()
        rosters = {r.block.digest: r.roster for r in control.rosters if r.roster is not None}
        for digest, roster in rosters.items():
            feeds = [self.feeds.setdefault(f.name, len(self.feeds)) for f in roster.feeds]
            for number, feed in zip(feeds, roster.feeds, strict=True):
                if feed.meter is not None:
                    self.meters[feed.meter, feed.name] = number
                    self._metering.setdefault((feed.meter, feed.name), set()).add(digest)
            for host in roster.hosts:
                self._layouts[digest, host.sub] = self._layout(host, feeds)

    def _layout(self, host: Host, feeds: list[int]) -> Layout:
        groups = np.array([self._group(host.sub, feeds[d.feed], d.model) for d in host.devices], np.int64)
        present, local = np.unique(groups, return_inverse=True)
        return Layout(groups, tuple(present.tolist()), local, tuple(d.uid for d in host.devices))

    def _group(self, sub: str, feed: int, model: str) -> int:
        key = (sub, feed, model)
        if key not in self._numbers:
            self._numbers[key] = len(self.groups)
            self.groups.append(Group(len(self.groups), sub, feed, model))
        return self._numbers[key]

    def layout(self, digest: bytes, source: Source) -> Layout | None:
        """The source's devices under the roster with this digest; None where the roster does not name it."""
        return self._layouts.get((digest, source.sub))

    def in_force(self, time: int) -> RosterRecord | None:
        """The roster in force at a time."""
        place = bisect_right(self._starts, time) - 1
        return self._records[place] if place >= 0 else None

    def throughout(self, start: int, end: int) -> RosterRecord | None:
        """The one roster in force at all times between two; None where there is none, or more than one."""
        places = self._places(start, end)
        return self._records[places.start] if len(places) == 1 else None

    def metered(self, sub: str, feed: str, start: int, end: int) -> bool:
        """Whether every roster in force between two times has this source meter the feed."""
        places = self._places(start, end)
        if self._asked[0] != places:  # the next channel of a statement asks for the same time
            self._asked = places, set(self._digests[places.start : places.stop])
        return bool(places) and self._asked[1] <= self._metering.get((sub, feed), set())

    def readable(self, start: int, end: int) -> bool:
        """Whether every roster in force between two times is shown."""
        places = self._places(start, end)
        return self._absent[places.start] == self._absent[places.stop]

    def _places(self, start: int, end: int) -> range:
        """The rosters in force between two times; none where any of it has none."""
        first = bisect_right(self._starts, start) - 1
        return range(first, max(bisect_left(self._starts, end), first + 1)) if first >= 0 else range(0)

    def parents(self, start: int, end: int) -> dict[int, int | None]:
        """What each feed hangs on between two times; None where it comes from outside or was moved meanwhile."""
        parents: dict[int, int | None] = {}
        for _, roster, _ in self._rosters(start, end):
            numbers = [self.feeds[feed.name] for feed in roster.feeds]
            for number, feed in zip(numbers, roster.feeds, strict=True):
                parent = None if feed.parent is None else numbers[feed.parent]
                parents[number] = parent if parents.get(number, parent) == parent else None
        return parents

    def above(self, start: int, end: int) -> dict[int, frozenset[int]]:
        """Each feed with all that it hangs on, directly or not, at some time between two."""
        found: dict[int, frozenset[int]] = {}
        for _, roster, _ in self._rosters(start, end):
            chains: list[frozenset[int]] = []  # a roster names what is above first
            for feed in roster.feeds:
                number = self.feeds[feed.name]
                chains.append(frozenset({number}) | (frozenset() if feed.parent is None else chains[feed.parent]))
                found[number] = found.get(number, frozenset()) | chains[-1]
        return found

    def tops(self, chosen: Collection[int], start: int, end: int) -> tuple[list[int], list[int]]:
        """Of some feeds those that hang on none of the others, directly or not: at some time between two, and at all
        times that a roster names them.

        A feed that rosters named before and none names any more is one of the former: whatever may hang on it now.
        """
        top: set[int] = set()
        under: set[int] = set()
        for _, roster, _ in self._rosters(start, end):
            behind: list[bool] = []  # a roster names what is above first
            numbers = [self.feeds[feed.name] for feed in roster.feeds]
            for number, feed in zip(numbers, roster.feeds, strict=True):
                above = feed.parent
                behind.append(above is not None and (behind[above] or numbers[above] in chosen))
                if number in chosen:
                    (under if behind[-1] else top).add(number)
        before = (feed.name for _, roster, _ in self._rosters(-FOREVER, start) for feed in roster.feeds)
        once = {self.feeds[name] for name in before}
        return sorted(top | (once & set(chosen)) - under), sorted(top - under)

    def periods(self) -> Iterator[tuple[int, int, RosterRecord]]:
        """(start, end, roster) of each time in which one roster is in force, in order."""
        edges = [*self._starts, FOREVER]
        for (start, end), record in zip(pairwise(edges), self._records, strict=True):
            if start < end:
                yield start, end, record

    def hosts(self, start: int, end: int) -> Iterator[tuple[str, Layout]]:
        """Each host under each roster that is in force at some time between two: its sub and its devices."""
        for digest, roster, _ in self._rosters(start, end):
            yield from ((host.sub, self._layouts[digest, host.sub]) for host in roster.hosts)

    def declared(self, start: int, end: int) -> Iterator[Declared]:
        """What each roster declares that is in force at some time between two."""
        for digest, roster, times in self._rosters(start, end):
            each = [self._layouts[digest, host.sub].groups for host in roster.hosts]
            groups, devices = np.unique(np.concatenate([np.zeros(0, np.int64), *each]), return_counts=True)
            yield Declared(np.array(times, np.int64), groups, devices)

    def _rosters(self, start: int, end: int) -> list[tuple[bytes, Roster, list[tuple[int, int]]]]:
        """Each roster in force at some time between two, with its digest, and when; however often they take turns."""
        found: dict[bytes, tuple[bytes, Roster, list[tuple[int, int]]]] = {}
        for begin, stop, record in self.periods():
            if begin < end and stop > start and record.roster is not None:
                key = record.block.digest
                found.setdefault(key, (key, record.roster, []))[2].append((max(begin, start), min(stop, end)))
        return list(found.values())
