"""What a term is judged on: the evidence of one site, and a view of it over the buckets of one phase.

A phase that is still open is judged up to the last bucket that ends `max_lag` before the time of judgement: what
is younger cannot have been witnessed yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from attest.account import Account
from attest.agreement import Agreement, Party, Site
from attest.compute.exact import Array
from attest.compute.pins import Pin
from attest.control import Control
from attest.errors import Fault, UnsupportedError
from attest.facts import Cell, Facts
from attest.figures import INDEPENDENT, SOFTWARE
from attest.layout import Layouts
from attest.metering import Window
from attest.relief import Relief
from attest.series import Series
from attest.timeline import Head, Timeline
from attest.traffic import Traffic
from attest.worth import Quality

NONE: Final = Relief()
DAY: Final = 86_400  # s


class Copied(NamedTuple):
    """Statements of a log that have the energy of another log's: how many, the first by log index, and the other logs'
    origins, sorted."""

    statements: int
    first: int
    origins: tuple[str, ...]


@dataclass(frozen=True)
class SiteEvidence:
    """What steps 1 to 5 made of one bundle; what a step could not make is None, and a fault says why. `series` is None
    where nobody asked for it, and `traffic` tells of nothing where no term did."""

    bundle: str
    party: Party | None
    site: Site | None
    head: Head | None = None
    faults: tuple[Fault, ...] = ()
    control: Control | None = None
    layouts: Layouts | None = None
    timeline: Timeline | None = None
    facts: Facts | None = None
    worth: Quality | None = None
    extra: tuple[str, ...] = ()
    colluders: int = 0
    copied: Copied | None = None
    series: Series | None = None
    traffic: Traffic = field(default_factory=Traffic)


def longest(evidence: Sequence[SiteEvidence]) -> list[SiteEvidence]:
    """Of several copies of one log the longest that could be read: what it admits is admitted once."""
    chosen: dict[str, SiteEvidence] = {}
    for e in evidence:
        if e.site is not None and e.head is not None and e.worth is not None:
            before = chosen.get(e.site.origin)
            if before is None or before.head is None or before.head.size < e.head.size:
                chosen[e.site.origin] = e
    return list(chosen.values())


class Holes(NamedTuple):
    """By group: device-seconds not accounted for, and the first and the last bucket of the window with any."""

    seconds: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    @classmethod
    def of(cls, seconds: Array) -> Self:
        """Of device-seconds [group, bucket]."""
        there = seconds > 0
        return cls(seconds.sum(axis=1), there.argmax(axis=1), there.shape[1] - 1 - there[:, ::-1].argmax(axis=1))


def judged(start: int, end: int, agreement: Agreement, at: int) -> Window | None:
    """The buckets of [start, end) that can be judged at a time, or None if there are none yet."""
    end = end if at >= end else min(end, at - agreement.max_lag_s)
    window = start // agreement.bucket_s, end // agreement.bucket_s
    return window if window[0] < window[1] else None


@dataclass
class View:
    """One site over the buckets of `window`: everything here is about readable evidence."""

    evidence: SiteEvidence
    agreement: Agreement
    party: Party
    site: Site
    control: Control
    layouts: Layouts
    timeline: Timeline
    facts: Facts
    worth: Quality
    head: Head
    window: Window
    relief: Relief = NONE
    _pins: dict[str, Pin] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: SiteEvidence, agreement: Agreement, window: Window, relief: Relief = NONE) -> "View | None":
        """A view, or None where the evidence could not be read so far."""
        e = evidence
        if e.party is None or e.site is None or e.control is None or e.layouts is None or e.head is None:
            return None
        if e.timeline is None or e.facts is None or e.worth is None:
            return None
        site = e, agreement, e.party, e.site, e.control, e.layouts, e.timeline, e.facts, e.worth, e.head
        return cls(*site, window, relief)

    @property
    def start(self) -> int:
        """Unix s."""
        return self.window[0] * self.agreement.bucket_s

    @property
    def end(self) -> int:
        """Unix s."""
        return self.window[1] * self.agreement.bucket_s

    def most_buckets(self, window_s: int) -> int:
        """How many buckets a rolling window can touch; it may begin inside one, which then counts for high."""
        return min(-(-window_s // self.agreement.bucket_s) + 1, self.window[1] - self.window[0])

    def fewest_buckets(self, window_s: int) -> int:
        """How many whole buckets lie in a rolling window that begins on the edge of one: what counts for low."""
        return min(window_s // self.agreement.bucket_s, self.window[1] - self.window[0])

    def days(self, span: Window) -> list[Window]:
        """The UTC days of some buckets; a bucket longer than a day is a piece of its own."""
        first, end = span
        bucket = self.agreement.bucket_s
        days = sorted({b * bucket // DAY for b in range(first, end)})
        edges = sorted({first, end, *(min(max(-(-d * DAY // bucket), first), end) for d in days)})
        return list(pairwise(edges))

    @cached_property
    def unpinned(self) -> tuple[str, ...]:
        """Models of the rosters that neither the agreement nor the table bounds."""
        missing = []
        for model in sorted({g.model for g in self.layouts.groups}):
            try:
                self._pins[model] = self.agreement.pin(model)
            except UnsupportedError:
                missing.append(model)
        return tuple(missing)

    @property
    def pins(self) -> Mapping[str, Pin]:
        """What bounds each model of the rosters."""
        return {} if self.unpinned else self._pins

    @cached_property
    def account(self) -> Account:
        """The site's facts in arrays; only where no model is unpinned."""
        return Account(self.facts, self.layouts, self.worth, self.agreement, self.party, self.pins, self.window)

    def forget(self) -> None:
        """Give back what was only needed to judge: the arrays of one phase are large, and agreements have many."""
        for name in ("account", "holes"):
            self.__dict__.pop(name, None)

    @property
    def expected_s(self) -> int:
        """Declared device-seconds."""
        return self.account.expected.total

    @property
    def accounted_s(self) -> int:
        """Declared device-seconds that are sampled, said to be off, or shown to be off by a meter."""
        return self.expected_s - int(self.holes.seconds.sum())

    @cached_property
    def holes(self) -> "Holes":
        """What is not accounted for. Raises UnsupportedError `unsupported/size`."""
        none = np.zeros((0, self.window[1] - self.window[0]), np.int64)
        found = [Holes.of(none), *(Holes.of(seconds) for _, seconds in self.unaccounted())]
        return Holes(*map(np.concatenate, zip(*found, strict=True)))

    def unaccounted(self) -> Iterator[tuple[slice, Array]]:
        """Device-seconds not accounted for, [group, bucket], of some groups at a time. Raises as `holes`."""
        account = self.account
        cells = account.usable
        known = cells[:, Cell.SAMPLED] + cells[:, Cell.OFF]
        meterings = [account.metering(level) for level in (INDEPENDENT, SOFTWARE)]
        for metering in meterings:
            metering.nodes(metering.figures)  # what one that is left out shows to be off would be missing
        for groups in account.expected.blocks(len(cells)):
            seconds = np.maximum(account.expected.of(groups) - account.by_group(cells, known, groups), 0)
            for metering in meterings:
                seconds[metering.off[metering.row_of[account.group_feed[groups]]]] = 0
            yield groups, seconds

    def witnessed_end(self) -> dict[str, int]:
        """Until when each source's own witnessed and undisputed statements reach, Unix s; what one says of a time after
        it was witnessed is no account of that time."""
        worth = self.worth
        reach = np.zeros(len(self.control.sources), np.int64)
        ends = np.minimum(worth.windows[:, 1], worth.upper)
        np.maximum.at(reach, worth.sources[worth.admitted], ends[worth.admitted])
        return {source.sub: int(reach[source.number]) for source in self.control.sources}
