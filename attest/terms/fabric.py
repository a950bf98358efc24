"""The fabric cap of a scale-cap: what any one accelerator moved while it was on runs (schemas/agreement.md, "Terms").

Each accelerator is held against the cap by itself, all of its runs together, so that a run split over many is no way
around it. `low` is what witnessed statements sampled on a run. `high` is that and what was moved on no run, by the
lab's own word, and of every second of which nothing is known the most that a column can hold:

    known   5,210,400 MiB in the worst day
    charge  60 s without a record x 4,000,000 MiB/s
    high    245,210,400 MiB

An accelerator is known by its host and its place there, so that another serial makes no other of it. Where rosters
moved any, those that they moved are one: of each bucket the largest counts, of one in which a roster changed their sum.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from attest.agreement import ScaleCap
from attest.compute.columns import Ints
from attest.compute.exact import PPM, Array, gathered, running, total
from attest.errors import UnsupportedError
from attest.evaluate import View
from attest.expected import MAX_EXPECTED
from attest.facts import Mask, Table
from attest.figures import INDEPENDENT, SOFTWARE
from attest.format.block import MAX_PER_SECOND
from attest.format.vocabulary import Column, Label
from attest.terms.moves import NO_SET, Moves
from attest.terms.runs import denied
from attest.traffic import MAX_MOVED, UNNAMED, Moved, Told, Traffic

PEAK: Final = MAX_PER_SECOND[Column.FABRIC]  # MiB/s of one accelerator, whatever its model
CELLS: Final = 1 << 22  # accelerators x buckets that are held at a time
MAX_SETS: Final = 1 << 26  # of accelerators that were moved, x buckets
REST: Final = -1  # the place of those of a group that no row tells of
_PLACES: Final = 1 << 32  # more than a statement has devices
_NOTHING: Final = Traffic()


class Fabric(NamedTuple):
    """In MiB, of any one accelerator: what it moved for certain, that with what is disputed, and at most; where the
    column alone leaves it over the cap, how much that is. And device-seconds that would have to be shown idle or off,
    of those that are not known."""

    low: int = 0
    claimed: int = 0
    high: int = 0
    stuck: int = 0
    needed_s: int = 0
    missing_s: int = 0

    def beside(self, other: "Fabric") -> "Fabric":
        """Of two sites."""
        return Fabric(
            max(self.low, other.low),
            max(self.claimed, other.claimed),
            max(self.high, other.high),
            max(self.stuck, other.stuck),
            self.needed_s + other.needed_s,
            self.missing_s + other.missing_s,
        )


def fabric_of(view: View, term: ScaleCap) -> Fabric:
    """The fabric of one site under a term with such a cap. Raises UnsupportedError `unsupported/size`."""
    traffic, moves = view.evidence.traffic, Moves(view)
    buckets = view.window[1] - view.window[0]
    if traffic.count > MAX_MOVED or moves.sets * buckets > MAX_SETS:
        detail = f"{traffic.count:,} device-buckets with traffic, {moves.sets:,} sets of accelerators that were moved"
        raise UnsupportedError("unsupported/size", detail)
    by_word, worth = term.assurance <= SOFTWARE, view.worth
    low = _low(view, term, moves, worth.admitted)
    claimed = _low(view, term, moves, worth.claimed) if worth.disputed.any() else low
    return _High(view, term, moves, traffic if by_word else _NOTHING).fabric()._replace(low=low, claimed=claimed)


def _counting(view: View, rows: Table, mask: Mask, index: Ints, bucket: Ints) -> Table:
    """Rows of statements in a mask, in buckets of the view, by the columns that say which these are."""
    here = (bucket >= view.window[0]) & (bucket < view.window[1])
    return np.asarray(rows[here & np.isin(index, view.worth.indices[mask])])


def _moved(view: View, traffic: Traffic, mask: Mask) -> Table:
    rows = traffic.moved
    return _counting(view, rows, mask, rows[:, Moved.INDEX], rows[:, Moved.BUCKET])


def _low(view: View, term: ScaleCap, moves: Moves, mask: Mask) -> int:
    """What one accelerator moved on runs for certain, by statements of a mask in whose windows no independent meter
    shows it to be off. Of those that rosters moved one bucket of one statement is certain."""
    rows = _moved(view, view.evidence.traffic, mask)
    label = rows[:, Moved.LABEL]
    rows = rows[label > UNNAMED if term.label is None else label == term.label]
    rows = rows[~denied(view, rows[:, Moved.INDEX], rows[:, Moved.GROUP])]
    fixed = moves.set_of[rows[:, Moved.GROUP]] == NO_SET
    of = [Moved.INDEX, Moved.GROUP, Moved.DEVICE, Moved.BUCKET]
    keys, at = np.unique(rows[~fixed][:, of], axis=0, return_inverse=True)
    low = int(gathered(rows[~fixed, Moved.MIB], at.reshape(-1), len(keys)).max(initial=0))
    width = _width(view, term, most=False)
    for mib in _Units(view, rows[fixed], np.zeros(0, np.int64)).dense(Moved.MIB):
        low = max(low, int(_windows(mib, width).max(initial=0)))
    return low


def _width(view: View, term: ScaleCap, *, most: bool) -> int:
    """How many buckets a window has, those partly inside it included or not."""
    if term.window_s is None:
        return view.window[1] - view.window[0]
    return view.most_buckets(term.window_s) if most else view.fewest_buckets(term.window_s)


def _windows(values: Array, width: int) -> Array:
    """[unit, bucket] summed to [unit, window]."""
    sums = running(values)
    return np.asarray(sums[:, width:] - sums[:, :-width])


class _Units:
    """Single accelerators, as rows of `Moved` name them by group and place, and one more (REST) for each of `groups`:
    gone through so many at a time. Raises as `fabric_of`."""

    def __init__(self, view: View, rows: Table, groups: Ints) -> None:
        self.first, self.buckets = view.window[0], view.window[1] - view.window[0]
        named = rows[:, Moved.GROUP] * _PLACES + rows[:, Moved.DEVICE] - REST
        units, at = np.unique(np.concatenate((named, groups * _PLACES)), return_inverse=True)
        self.units = np.stack((units // _PLACES, units % _PLACES + REST), axis=1)
        if len(self.units) * self.buckets > MAX_EXPECTED:
            detail = f"{len(self.units):,} accelerators over {self.buckets:,} buckets, at most {MAX_EXPECTED:,}"
            raise UnsupportedError("unsupported/size", detail)
        at = at[: len(rows)]
        order = np.argsort(at, kind="stable")
        self.rows, self.at = rows[order], at[order]

    def parts(self) -> Iterator[slice]:
        """Of the units."""
        step = max(CELLS // self.buckets, 1)
        return (slice(at, min(at + step, len(self.units))) for at in range(0, len(self.units), step))

    def of(self, part: slice, column: Moved) -> Array:
        """A column of some units, [unit, bucket]."""
        here = slice(*np.searchsorted(self.at, (part.start, part.stop)))
        rows, count = self.rows[here], part.stop - part.start
        place = (self.at[here] - part.start) * self.buckets + rows[:, Moved.BUCKET] - self.first
        return gathered(rows[:, column], place, count * self.buckets).reshape(count, self.buckets)

    def dense(self, column: Moved) -> Iterator[Array]:
        """A column of all of them, part by part."""
        return (self.of(part, column) for part in self.parts())


class _High:
    """The most that any accelerator can have moved, by what usable statements tell of `traffic`."""

    def __init__(self, view: View, term: ScaleCap, moves: Moves, traffic: Traffic) -> None:
        self.view, self.moves, self.limit = view, moves, term.fabric_mib or 0
        self.width = _width(view, term, most=True)
        account = view.account
        rows = _moved(view, traffic, view.worth.usable)
        if term.label is not None:
            rows = rows[np.isin(rows[:, Moved.LABEL], (UNNAMED, int(Label.NONE), int(term.label)))]
        told = traffic.told
        told = _counting(view, told, view.worth.usable, told[:, Told.INDEX], told[:, Told.BUCKET])
        self.told = told[np.argsort(told[:, Told.GROUP], kind="stable")]
        levels = (INDEPENDENT, SOFTWARE) if term.assurance <= SOFTWARE else (INDEPENDENT,)
        self.meterings = [account.metering(level) for level in levels]
        self.units = _Units(view, rows, np.arange(len(view.layouts.groups)))
        group, place = self.units.units.T
        seen = np.bincount(group[place != REST], minlength=len(view.layouts.groups))
        self.weight = np.where(place == REST, np.maximum(account.expected.most - seen, 0)[group], 1)
        self.found = Fabric()

    def fabric(self) -> Fabric:
        """But for `low`."""
        moves, buckets = self.moves, self.units.buckets
        largest, sums = (np.zeros((2, moves.sets, buckets), np.int64) for _ in range(2))
        devices = np.zeros(moves.sets, np.int64)
        for part in self.units.parts():
            known, charge = self.units.of(part, Moved.MIB), self._charge(part)
            place = moves.set_of[self.units.units[part, 0]]
            fixed, weight = place == NO_SET, self.weight[part]
            self._judge(known[fixed], charge[fixed], weight[fixed])
            for number, values in enumerate((known, charge)):
                np.maximum.at(largest[number], place[~fixed], values[~fixed])
                np.add.at(sums[number], place[~fixed], values[~fixed])
            np.add.at(devices, place[~fixed], weight[~fixed])
        one_roster = np.zeros(buckets, bool)
        for begin, end in moves.periods:
            one_roster[begin:end] = True
        known, charge = np.where(one_roster, largest, sums)
        self._judge(known, np.minimum(charge, self.view.agreement.bucket_s), devices)
        return self.found

    def _charge(self, part: slice) -> Array:
        """Seconds of some units of which nothing is known, [unit, bucket]: those in which their statements are blind,
        and those of which no statement tells. A statement tells of all accelerators of a host alike."""
        view, bucket_s, buckets = self.view, self.view.agreement.bucket_s, self.units.buckets
        group = self.units.units[part, 0]
        groups = slice(int(group[0]), int(group[-1]) + 1)
        told = self.told[slice(*np.searchsorted(self.told[:, Told.GROUP], (groups.start, groups.stop)))]
        place = (told[:, Told.GROUP] - groups.start) * buckets + told[:, Told.BUCKET] - view.window[0]
        said = gathered(told[:, Told.SECONDS], place, (groups.stop - groups.start) * buckets).reshape(-1, buckets)
        silent = np.maximum(view.account.expected.of(groups) - said, 0)
        alike = np.where(self.moves.set_of[groups] == NO_SET, np.maximum(view.account.expected.most[groups], 1), 1)
        silent = -(-silent // alike[:, None])[group - groups.start]
        charge = np.minimum(self.units.of(part, Moved.BLIND) + silent, bucket_s)
        for metering in self.meterings:
            charge[metering.off[metering.row_of[view.account.group_feed[group]]]] = 0
        return np.asarray(charge)

    def _judge(self, known: Array, charge: Array, weight: Ints) -> None:
        """Some units, so many accelerators each, against the cap."""
        counts, seconds = _windows(known, self.width), _windows(charge, self.width)
        high = counts + PEAK * seconds
        stuck = int(counts.max(initial=0))
        over = (high > self.limit).any(axis=1)
        needed = _needed(high[over] - self.limit, seconds[over], charge[over]) * weight[over]
        most = int(high.max(initial=0))
        missing = total(charge.sum(axis=1) * weight)
        stuck = stuck if stuck > self.limit else 0
        here = Fabric(high=most, stuck=stuck, needed_s=total(needed), missing_s=missing)
        self.found = self.found.beside(here)


def _needed(excess: Array, seconds: Array, charge: Array) -> Array:
    """Seconds of each unit that have to be shown for all of its windows to come to the cap. Every bucket gives as large
    a share as any window around it needs."""
    short = np.clip(-(-excess // PEAK), 0, seconds)
    ppm = -(-short * PPM // np.maximum(seconds, 1))
    share = np.zeros(charge.shape, np.int64)
    windows = ppm.shape[1]
    for at in range(charge.shape[1] - windows + 1):
        here = share[:, at : at + windows]
        np.maximum(here, ppm, out=here)
    return np.asarray((-(-charge * share // PPM)).sum(axis=1))
