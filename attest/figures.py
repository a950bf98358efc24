"""What is known of the meters of a site's feeds: error, clock, storage and generation behind them, what a boot takes.

The agreement says it of the meters that it names (L4). A meter that the lab enrolled (L1) has an error of 5 %, and is
as sure of its clock as its own statements say: the worst of them counts, and one that says nothing makes it unknown.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import numpy as np

from attest.agreement import Meter as PinnedMeter
from attest.facts import UNKNOWN, Metered, Table
from attest.layout import Layouts

SOFTWARE: Final = 1  # L1: the lab's software key
INDEPENDENT: Final = 4  # L4: an independent party's measurement
LAB_METER_ERROR_PPM: Final = 50_000  # of a meter about which the agreement says nothing


class Figures(NamedTuple):
    """What is known of the meters of a feed: the worst of each figure where rosters name several, one after another.

    boot_mj: the least that the agreement gives a meter; `boot_of_pins` where it gives one of them none, so that the
    pins' figure stands for that.
    """

    error_ppm: int
    clock_uncertainty_s: int | None
    storage_mj: int
    generation_mw: int
    boot_mj: int | None
    boot_of_pins: bool

    @classmethod
    def of(cls, meter: PinnedMeter | None, stated_s: int | None) -> Self:
        """The agreement's figures, or those of a meter about which it says nothing and which itself says by how many s
        its clock may be wrong."""
        if meter is None:
            return cls(LAB_METER_ERROR_PPM, stated_s, 0, 0, None, True)
        given = meter.error_ppm, meter.clock_uncertainty_s, meter.storage_mj, meter.generation_mw, meter.boot_mj
        return cls(*given, meter.boot_mj is None)

    def worse(self, other: Self) -> Self:
        """The worse of each figure."""
        clocks = [f.clock_uncertainty_s for f in (self, other)]
        return type(self)(
            max(self.error_ppm, other.error_ppm),
            None if None in clocks else max(clock or 0 for clock in clocks),
            max(self.storage_mj, other.storage_mj),
            max(self.generation_mw, other.generation_mw),
            min((f.boot_mj for f in (self, other) if f.boot_mj is not None), default=None),
            self.boot_of_pins or other.boot_of_pins,
        )


def figures(layouts: Layouts, pinned: Mapping[str, PinnedMeter], level: int, rows: Table) -> dict[int, Figures]:
    """Of each feed with a meter at the level; `rows` are the metered facts that may be used."""
    stated = _stated(rows)
    found: dict[int, Figures] = {}
    for (sub, _), feed in layouts.meters.items():
        if (INDEPENDENT if sub in pinned else SOFTWARE) >= level:
            mine = Figures.of(pinned.get(sub), stated.get(feed, 0))
            found[feed] = mine.worse(found.get(feed, mine))
    return found


def _stated(rows: Table) -> dict[int, int | None]:
    """By how many s the statements about a feed say at worst that their clock may be wrong."""
    feeds, at = np.unique(rows[:, Metered.FEED], return_inverse=True)
    worst, unknown = np.zeros(len(feeds), np.int64), np.zeros(len(feeds), bool)
    np.maximum.at(worst, at, rows[:, Metered.CLOCK])
    unknown[at[rows[:, Metered.CLOCK] == UNKNOWN]] = True
    said = zip(feeds.tolist(), worst.tolist(), unknown.tolist(), strict=True)
    return {feed: None if nothing else clock for feed, clock, nothing in said}
