"""What acts leave a party's sites free of, as times and places: outages for coverage, exemptions for caps.

>>> half = Stretch("pause", 3_600, 7_200, (Place("dc1", None), Place("dc2", "row 4")))
>>> half.buckets(1_800, (0, 3)).tolist(), half.feeds("dc1"), half.feeds("dc2"), half.feeds("dc3")
([False, False, True], None, frozenset({'row 4'}), frozenset())
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from attest.format.event import Place

Mask = npt.NDArray[np.bool_]


class Stretch(NamedTuple):
    """Places in [start, end), Unix s, of one phase; `budget` in FLOP, 0 where it has none."""

    phase: str
    start: int
    end: int
    places: tuple[Place, ...]
    budget: int = 0

    def buckets(self, bucket_s: int, window: tuple[int, int]) -> Mask:
        """Which buckets of a window lie wholly in it."""
        edges = np.arange(window[0], window[1] + 1) * bucket_s
        return (edges[:-1] >= self.start) & (edges[1:] <= self.end)

    def feeds(self, site: str) -> frozenset[str] | None:
        """The feeds of a site that it names, None for all of them."""
        mine = [place.feed for place in self.places if place.site == site]
        return None if None in mine else frozenset(feed for feed in mine if feed is not None)

    def names(self, site: str, known: Mapping[str, int], feeds: npt.NDArray[np.int64]) -> Mask:
        """Which of the feeds, numbered as `known` has them by name, it names; what hangs on one is not meant."""
        chosen = self.feeds(site)
        if chosen is None:
            return np.ones(len(feeds), bool)
        return np.isin(feeds, [known[name] for name in chosen if name in known])


class Relief(NamedTuple):
    """What counts for one party. `outage_ppm`: the share of declared device-time that outages excuse at most."""

    outages: tuple[Stretch, ...] = ()
    exemptions: tuple[Stretch, ...] = ()
    outage_ppm: int = 0

    def of(self, phase: str) -> "Relief":
        """What of it is for a phase."""
        return Relief(_of(self.outages, phase), _of(self.exemptions, phase), self.outage_ppm)


def _of(stretches: Iterable[Stretch], phase: str) -> tuple[Stretch, ...]:
    return tuple(stretch for stretch in stretches if stretch.phase == phase)
