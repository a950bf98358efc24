"""The tree of meters: what the devices behind a meter can have computed with the energy that went through it.

For a meter v and a window w (a UTC day, say), with u the bound of each device by its own evidence:

    M(v, w) = k(best model behind v) x (E+ over w + storage and generation behind v) + P(behind v) x gap
    H(v, w) = min(M(v, w), sum of H over v's child meters + sum of u of the devices directly behind v)

H of the children is at most the sum of u behind them, so the sum of u of all devices behind v needs no term of
its own. A gap of the meter is charged inside M, at presence of what is behind it. The window of a meter is
widened by its clock's uncertainty, outwards to whole buckets; what then lies outside the record is a gap. Of a
clock of unknown offset only the whole record is known, on the premise that it holds the whole of the windows: it
bounds `total`, never `windows`. `total` is the same recursion over all windows at once, where a meter's energy
is widened only at the two ends; it is at most the sum over windows.

Balance: where the children of a meter and the devices directly behind it took more energy than went through it,
beyond all errors, in any window, something feeds them past the meter (`balance/negative`). That meter bounds
nothing. A gap of the meter excuses what its circuit can carry in that time, or the whole window if that is not
stated. Residuals are not netted across meters or windows. What a circuit drew in buckets in which it
was off (`attest.compute.off`) did no work, and a window that was off throughout is 0.

    >>> pdu = Meter(error_ppm=10_000, efficiency_mflop_per_mj=5_650, peak_mflop_per_s=2_141_000_000)
    >>> day = Record.of([[864_000] * 24], covered_ms=[[3_600_000] * 24])          # 0.24 W all day
    >>> bounds = bound([pdu], day, [[184_982_400_000_000]], windows=[(0, 24)], bucket_seconds=3_600)
    >>> bounds.total[0] == 5_650 * -(-24 * 864_000 * 101 // 100)
    True
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.compute.bounds import narrowed, widened
from attest.compute.exact import Amount, Array, add, amounts, least, running, scale, total
from attest.compute.record import Record, Windows
from attest.errors import EvidenceError

ROOT: Final = -1
DAY: Final = 86_400  # s


class Meter(NamedTuple):
    """A meter and the devices directly behind it, which no other meter stands before.

    `parent` is the place in the list of the meter above (always before its own), ROOT for a root feed.
    `efficiency_mflop_per_mj` is the largest k among the devices directly behind, `peak_mflop_per_s` the sum of
    their P, rounded up; both 0 where there are none. `clock_uncertainty_s` is None where the offset is unknown.
    `rated_mw` is the most power that the circuit can carry, None where it is not known. `storage_mj` is what batteries
    behind the meter and behind no other below it can give in a UTC day, at any time of it; `generation_mw` likewise.
    """

    error_ppm: int
    efficiency_mflop_per_mj: int = 0
    peak_mflop_per_s: int = 0
    parent: int = ROOT
    resolution_mj: int = 0
    clock_uncertainty_s: int | None = 0
    rated_mw: int | None = None
    storage_mj: int = 0
    generation_mw: int = 0


class Source(NamedTuple):
    """Energy that no meter has seen: of batteries (mJ a UTC day) and of generators (mW)."""

    storage_mj: int
    generation_mw: int


class Bounds(NamedTuple):
    """H by meter and window, H of all windows together by meter, and the meters that bound nothing."""

    windows: Array
    total: tuple[int, ...]
    negative: tuple[int, ...]

    def high(self, meters: Sequence[Meter]) -> int:
        """The sum over root feeds, MFLOP."""
        return sum(t for t, m in zip(self.total, meters, strict=True) if m.parent == ROOT)


def bound(
    meters: Sequence[Meter],
    record: Record,
    direct: Amount,
    *,
    windows: Sequence[tuple[int, int]],
    bucket_seconds: int,
    first_bucket: int = 0,
    device_mj: Amount | None = None,
    off: npt.NDArray[np.bool_] | None = None,
) -> Bounds:
    """H over the tree.

    direct: sum of u of the devices directly behind each meter, MFLOP, [meter, window]. windows: (first bucket,
    end bucket) of the record, which begins with bucket `first_bucket` of the epoch. device_mj: the least energy those
    devices took by their own counters, [meter, window], for the balance alone. off: [meter, bucket]. Raises
    EvidenceError `meter/overlap` (a bucket covered for longer than it lasts).
    """
    u = amounts(direct, "bound")
    own = np.zeros(u.shape, np.int64) if device_mj is None else amounts(device_mj, "device energy")
    if u.shape != (len(meters), len(windows)) or own.shape != u.shape or record.shape[0] != len(meters):
        raise ValueError("meters, record and bounds must have one row for each meter and one column a window")
    if any(not ROOT <= m.parent < i for i, m in enumerate(meters)):
        raise ValueError("a meter comes after the one above it")
    energy = _Energy(meters, record, np.array(windows, np.int64).reshape(-1, 2), bucket_seconds, first_bucket)
    first, end = energy.windows[:, 0].min(initial=0), energy.windows[:, 1].max(initial=0)
    denied = contradicted(meters, record, bucket_seconds, first_bucket)[:, first:end]
    negative = tuple(np.flatnonzero(_negative(meters, energy, own).any(axis=1) | denied.any(axis=1)).tolist())
    working = energy if off is None else energy.silenced(off)
    efficiency = [m.efficiency_mflop_per_mj for m in meters]
    peak = [m.peak_mflop_per_s for m in meters]
    sums: list[Array] = list(u)
    totals = [total(row) for row in u]
    for i in range(len(meters) - 1, -1, -1):
        parent = meters[i].parent
        if i not in negative:
            sums[i] = least(sums[i], working.bound(i, efficiency[i], peak[i], sums[i]))
            totals[i] = min(totals[i], working.bound_whole(i, efficiency[i], peak[i]))
        totals[i] = min(totals[i], total(sums[i]))
        if parent != ROOT:
            efficiency[parent] = max(efficiency[parent], efficiency[i])
            peak[parent] += peak[i]
            sums[parent] = add(sums[parent], sums[i])
            totals[parent] += totals[i]
    return Bounds(np.stack(sums), tuple(totals), negative)


def behind(meters: Sequence[Meter]) -> list[Source]:
    """What is behind each meter, other meters between or not."""
    sources = [Source(meter.storage_mj, meter.generation_mw) for meter in meters]
    for i in range(len(meters) - 1, -1, -1):
        parent = meters[i].parent
        if parent != ROOT:
            sources[parent] = Source(*map(sum, zip(sources[parent], sources[i], strict=True)))
    return sources


def contradicted(
    meters: Sequence[Meter], record: Record, bucket_seconds: int, first_bucket: int = 0
) -> npt.NDArray[np.bool_]:
    """Where the meters below a meter took more than went through it, [meter, bucket]: in as many neighbouring buckets
    as clocks may be off by."""
    buckets = record.shape[1]
    size = 1 + 2 * max((-(-(meter.clock_uncertainty_s or 0) // bucket_seconds) for meter in meters), default=0)
    found = np.zeros(record.shape, np.bool_)
    first = np.arange(max(buckets - size + 1, 0))
    energy = _Energy(meters, record, np.stack([first, first + size], axis=1), bucket_seconds, first_bucket)
    less = _negative(meters, energy, np.broadcast_to(np.int64(0), (len(meters), len(first))))
    for shift in range(size if len(first) else 0):
        found[:, shift : shift + len(first)] |= less
    return found


def _negative(meters: Sequence[Meter], energy: "_Energy", own: Array) -> npt.NDArray[np.bool_]:
    """Where the children and devices of a meter took more than went through it, [meter, window]. What a child took is
    what it read, or what is behind it took if that was more: a child that contradicts itself does not excuse the meter
    above."""
    taken: list[Array] = list(own)
    for i in range(len(meters) - 1, -1, -1):
        if meters[i].parent != ROOT:
            taken[meters[i].parent] = add(taken[meters[i].parent], np.maximum(energy.fewest(i), taken[i]))
    found = np.zeros(own.shape, np.bool_)
    for i, meter in enumerate(meters):
        if meter.clock_uncertainty_s is not None and taken[i].any():
            went_through, gap_ms = energy.most(i, energy.windows, meter.clock_uncertainty_s)
            unseen = scale(gap_ms, meter.rated_mw or 0, 1_000, up=True)
            excused = (gap_ms > 0) & (meter.rated_mw is None)
            found[i] = (taken[i] > add(went_through, unseen)) & ~excused
    return found


class _Energy:
    """E+ and gaps of windows, widened or narrowed by a clock's uncertainty."""

    def __init__(
        self, meters: Sequence[Meter], record: Record, windows: Windows, bucket_seconds: int, first_bucket: int
    ) -> None:
        self.meters = meters
        self.record = record
        self.sources = behind(meters)
        self.windows = windows
        self.bucket, self.first = bucket_seconds, first_bucket
        self.buckets = record.shape[1]
        self.off: Array | None = None
        longest = np.diff(record.covered_ms).max(initial=0)
        if longest > bucket_seconds * 1_000:
            raise EvidenceError("meter/overlap", f"a bucket of {bucket_seconds} s is covered for {longest} ms")

    def silenced(self, off: npt.NDArray[np.bool_]) -> "_Energy":
        """The same, without the energy of buckets that were off."""
        silent = _Energy(self.meters, self.record.silenced(off), self.windows, self.bucket, self.first)
        silent.off = running(off.astype(np.int64))
        return silent

    def bound(self, i: int, efficiency: int, peak_mflop_per_s: int, unbounded: Array) -> Array:
        """M of each window; what there was without it where the clock's offset is unknown."""
        uncertainty = self.meters[i].clock_uncertainty_s
        if uncertainty is None:
            return unbounded
        return self._charged(i, self.windows, uncertainty, efficiency, peak_mflop_per_s)

    def bound_whole(self, i: int, efficiency: int, peak_mflop_per_s: int) -> int:
        """M of all windows together; of the whole record where the clock's offset is unknown."""
        uncertainty = self.meters[i].clock_uncertainty_s
        ends = (0, self.buckets) if uncertainty is None else (self.windows[:, 0].min(), self.windows[:, 1].max())
        return int(self._charged(i, np.array([ends]), uncertainty or 0, efficiency, peak_mflop_per_s)[0])

    def most(self, i: int, windows: Windows, uncertainty: int) -> tuple[Array, Array]:
        """E+ with storage, in mJ, and the gaps, in ms: of the record, and of the time that it leaves out."""
        meter, record, wide = self.meters[i], self.record, self._widened(windows, uncertainty)
        runs = 1 + record.within(record.runs, i, wide)
        energy = widened(record.most(i, wide), meter.error_ppm, meter.resolution_mj, runs)
        before = np.stack([wide[:, 0], windows[:, 0]], axis=1)
        after = np.stack([windows[:, 1], wide[:, 1]], axis=1)
        gap_ms = self._gap_ms(i, windows)
        for side, outside in zip((before, after), self._outside(windows, uncertainty), strict=True):
            # A neighbouring bucket counts whole, but the window reaches no further into it than the clock is off by.
            gap_ms = gap_ms + np.minimum(self._gap_ms(i, side) + outside * 1_000, uncertainty * 1_000)
        return add(energy, *self._unseen(i, windows)), np.asarray(gap_ms)

    def _unseen(self, i: int, windows: Windows) -> tuple[Array, Array]:
        """What batteries, a day's worth in each UTC day that a window touches, and generators may have given, in mJ. By
        true time: no meter has seen it, so that no meter's clock matters."""
        begin, end = (windows + self.first).T * self.bucket
        days = np.where(end > begin, (end - 1) // DAY - begin // DAY + 1, 0)
        source = self.sources[i]
        return scale(days, source.storage_mj, 1, up=True), scale(end - begin, source.generation_mw, 1, up=True)

    def fewest(self, i: int) -> Array:
        """The least energy that must have gone through a meter in each window."""
        meter, record = self.meters[i], self.record
        if meter.clock_uncertainty_s is None:
            return np.zeros(len(self.windows), np.int64)
        pad = -(-meter.clock_uncertainty_s // self.bucket)
        first = np.minimum(self.windows[:, 0] + pad, self.windows[:, 1])
        narrow = np.stack([first, np.maximum(self.windows[:, 1] - pad, first)], axis=1)
        runs = 1 + record.within(record.runs, i, narrow)
        return narrowed(record.fewest(i, narrow), meter.error_ppm, meter.resolution_mj, runs)

    def _charged(self, i: int, windows: Windows, uncertainty: int, efficiency: int, peak_mflop_per_s: int) -> Array:
        energy, gap_ms = self.most(i, windows, uncertainty)
        charged = add(scale(energy, efficiency, 1, up=True), scale(gap_ms, peak_mflop_per_s, 1_000, up=True))
        if self.off is None:
            return charged
        wide = self._widened(windows, uncertainty)
        silent = self.record.within(self.off, i, wide) == wide[:, 1] - wide[:, 0]
        inside = sum(self._outside(windows, uncertainty)) == 0
        return np.asarray(np.where(silent & inside, 0, charged))

    def _widened(self, windows: Windows, uncertainty: int) -> Windows:
        """Whole buckets of the record that the windows may reach into."""
        pad = -(-uncertainty // self.bucket)
        return np.asarray(np.clip(windows + np.array([-pad, pad]), 0, self.buckets))

    def _gap_ms(self, i: int, windows: Windows) -> Array:
        """Time of the record without readings."""
        covered = self.record.within(self.record.covered_ms, i, windows)
        return np.asarray((windows[:, 1] - windows[:, 0]) * self.bucket * 1_000 - covered)

    def _outside(self, windows: Windows, uncertainty: int) -> tuple[Array, Array]:
        """Seconds that the windows may reach beyond the record, before and after it."""
        before = np.maximum(uncertainty - windows[:, 0] * self.bucket, 0)
        after = np.maximum(uncertainty - (self.buckets - windows[:, 1]) * self.bucket, 0)
        return np.asarray(before), np.asarray(after)
