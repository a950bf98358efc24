"""What acts leave a party's site free of, as times and places: outages for coverage, exemptions for caps.

>>> half = Stretch(3_600, 7_200, (Place("dc1", None), Place("dc2", "row 4")))
>>> half.buckets(1_800, (0, 3)).tolist(), half.feeds("dc1"), half.feeds("dc2"), half.feeds("dc3")
([False, False, True], None, frozenset({'row 4'}), frozenset())
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from attest.format.event import Place


class Stretch(NamedTuple):
    """Places in [start, end), Unix s; `budget` in FLOP, 0 where it has none."""

    start: int
    end: int
    places: tuple[Place, ...]
    budget: int = 0

    def buckets(self, bucket_s: int, window: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Which buckets of a window lie wholly in it."""
        edges = np.arange(window[0], window[1] + 1) * bucket_s
        return (edges[:-1] >= self.start) & (edges[1:] <= self.end)

    def feeds(self, site: str) -> frozenset[str] | None:
        """The feeds of a site that it names, None for all of them."""
        mine = [place.feed for place in self.places if place.site == site]
        return None if None in mine else frozenset(feed for feed in mine if feed is not None)


class Relief(NamedTuple):
    """What counts for one party. `outage_ppm`: the share of declared device-time that outages excuse at most."""

    outages: tuple[Stretch, ...] = ()
    exemptions: tuple[Stretch, ...] = ()
    outage_ppm: int = 0
