"""How much energy went through each meter of a site in buckets of the window judged, at the most and at the least.

A meter's clock is good to so many seconds, and its readings lie in buckets by its own stamps. So what was used in some
true hours was stamped in these hours, or as many seconds before or after them; and how much that can be, the highest
power and the largest step of the neighbouring buckets say. With a clock good to 30 s, an hour of 4 kWh beside hours of
at most 6 kW, read every 10 s, had 4 kWh + 2 x (30 s x 6 kW + 10 s x 6 kW) = 4.13 kWh at the most.

What a meter read beyond the ends of a phase is asked for unless its clock is good to one part in `GOOD_CLOCK` of a
bucket.
"""

import numpy as np
import numpy.typing as npt

from attest.agreement.kinds import GOOD_CLOCK
from attest.compute.bounds import narrowed, widened
from attest.compute.exact import Array, add, least, scale
from attest.compute.off import surrounded
from attest.facts import Mask, Metered
from attest.metering import Metering


def most_mj(metering: Metering, length: int = 1) -> Array:
    """The most energy that went through each meter, E+, in every so many neighbouring buckets of the window,
    [meter, first bucket]; it is so where they are `read`."""
    windows = _neighbouring(metering, length)
    begin, end = windows.T
    moved = _moved(metering)
    rows = [
        widened(add(metering.record.most(i, windows), moved[i][begin - 1], moved[i][end]), meter.error_ppm)
        for i, meter in enumerate(metering.meters)
    ]
    return np.stack(rows) if rows else np.zeros((0, len(windows)), np.int64)


def fewest_mj(metering: Metering, length: int = 1) -> Array:
    """The least energy by the stamps of each meter, likewise."""
    windows = _neighbouring(metering, length)
    rows = [narrowed(metering.record.fewest(i, windows), meter.error_ppm) for i, meter in enumerate(metering.meters)]
    return np.stack(rows) if rows else np.zeros((0, len(windows)), np.int64)


def read(metering: Metering) -> Mask:
    """Where a meter read all of a bucket by a clock that is good to one, and all of those beside it unless its clock
    is as good as GOOD_CLOCK asks, [meter, bucket of the window]."""
    full = np.diff(metering.record.covered_ms) == metering.bucket * 1_000
    for node, meter in enumerate(metering.meters):
        clock = meter.clock_uncertainty_s
        if clock is None or clock >= metering.bucket:
            full[node] = False
        elif clock * GOOD_CLOCK > metering.bucket:
            full[node] = surrounded(full[node], 1)
    return np.asarray(metering.cut(full), bool)


def _moved(metering: Metering) -> Array:
    """What may have been stamped beyond an edge of each bucket, [meter, bucket of the record]: as many seconds of its
    highest power as the clock may be wrong by, and the step in which they end; or all that there was."""
    rows, size = metering.rows, (len(metering.feeds), metering.end - metering.first)
    place = rows[:, Metered.BUCKET] - metering.first
    within = (place >= 0) & (place < size[1])
    at = metering.node_of[rows[within, Metered.FEED]], place[within]
    peak, largest = np.zeros(size, np.int64), np.zeros(size, np.int64)
    np.maximum.at(peak, at, rows[within, Metered.PEAK])
    np.maximum.at(largest, at, rows[within, Metered.LARGEST])
    moved = []
    for i, meter in enumerate(metering.meters):
        whole = metering.record.most(i, metering.each())
        clock = meter.clock_uncertainty_s
        seconds = metering.bucket if clock is None else clock
        moved.append(least(whole, add(scale(peak[i], seconds, 1, up=True), largest[i] if seconds else 0)))
    return np.stack(moved) if moved else np.zeros(size, np.int64)


def _neighbouring(metering: Metering, length: int) -> npt.NDArray[np.int64]:
    """Windows of so many buckets within the window that is judged."""
    first = np.arange(metering.pad, metering.end - metering.first - metering.pad - length + 1)
    return np.stack([first, first + length], axis=1)
