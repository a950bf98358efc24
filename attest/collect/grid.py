"""A device's series on the grid of intervals: one state an interval, energy where it is known, counters at the edges.

Interval k lies between the boundaries k and k + 1. A boundary's reading is the scrape nearest to it, at most half an
interval away; where scrapes come once an interval or less often, boundaries are moved by their common phase (at most
half an interval), so that jitter about the middle loses none. Nothing is interpolated: an interval's energy is the
difference of the cumulative counter between its two readings, and these differences add up to the counter's.

| state | when |
|---|---|
| sampled | both boundaries have a reading and the counter rose |
| stale | the counter stood still, or the series is stale there |
| counter reset | the counter fell, or rose by more than 4 kW would; after a hole in its last interval |
| clock step | the clock stepped back there |
| missing | everything else |

    >>> device = Device("GPU-1", "", "", np.array([60_000, 120_500, 240_000]), (), (), {
    ...     Field.ENERGY: np.array([1_000, 43_000, 127_000])})
    >>> row = align(device, Grid(60, 60, 3, 0), None)
    >>> [State(s).name for s in row.states], row.energy.tolist(), row.counter.tolist()
    (['SAMPLED', 'MISSING', 'MISSING'], [42000, 0, 0], [1000, 43000, 43000, 127000])
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.cycles import MAX_SMS, active_share
from attest.collect.dcgm_fields import LINKS, MAX_BYTES, MAX_CLOCK, MIB, NONE, PCIE, SENT, Field
from attest.collect.devices import Device, Host, Ranges
from attest.format.block import MAX_PER_SECOND
from attest.format.vocabulary import Column, State

Array = npt.NDArray[np.int64]


class Grid(NamedTuple):
    """`intervals` of `interval` s from `start` (Unix s); readings belong to boundaries moved by `phase_ms`."""

    interval: int
    start: int
    intervals: int
    phase_ms: int


class Last(NamedTuple):
    """What the source's last statement said of a device: the counter at its end, and whether it was read there."""

    counter: int
    known: bool


class Row(NamedTuple):
    """One device: a state and an energy (mJ) an interval, a counter a boundary, other columns (NONE: none)."""

    states: Array
    energy: Array
    counter: Array
    gauges: dict[Column, Array]


def phase_of(host: Host, interval: int) -> int:
    """The common phase of a host's scrapes in ms, in [-interval / 2, interval / 2); 0 where they come often."""
    length = interval * 1000
    if host.step_ms is None or host.step_ms * 2 <= length:
        return 0
    # The median about an arbitrary scrape: phases lie on a circle.
    origin = int(host.time_ms[0])
    around = (host.time_ms - origin + length // 2) % length - length // 2
    phase = origin + int(np.sort(around)[len(around) // 2])
    return (phase + length // 2) % length - length // 2


def boundaries(device: Device, grid: Grid, *, presence: bool) -> tuple[Array, Array]:
    """Boundaries that have a reading, rising, and the place of each reading in the series."""
    length = grid.interval * 1000
    away = device.time_ms - grid.phase_ms - grid.start * 1000
    number = (away + length // 2) // length
    usable = (number >= 0) & (number <= grid.intervals)
    if not presence:
        usable &= device.column(Field.ENERGY) != NONE
    places = np.flatnonzero(usable)
    order = places[np.lexsort((places, np.abs(away - number * length)[places], number[places]))]
    first = np.concatenate(([True], np.diff(number[order]) > 0))[: len(order)]
    return number[order][first], order[first]


def align(device: Device, grid: Grid, last: Last | None, *, presence: bool = False) -> Row:
    """The series on the grid, which goes on from `last`. With `presence` a scrape is enough, energy or not."""
    at, places = boundaries(device, grid, presence=presence)
    counter = np.full(grid.intervals + 1, NONE, np.int64)
    states = np.full(grid.intervals, State.MISSING, np.int64)
    energy = np.zeros(grid.intervals, np.int64)
    if presence:
        states[at[:-1][np.diff(at) == 1]] = State.SAMPLED
        _mark(states, device.steps, grid, State.STEP)
        return Row(states, energy, _held(counter, last), _gauges(device, grid))
    counter[at] = device.column(Field.ENERGY)[places]
    if last is not None and last.known:
        counter[0] = last.counter
    elif last is not None and counter[0] != last.counter:
        counter[0] = NONE  # read, but for the chain the hole before it is not over
    known = np.flatnonzero(counter != NONE)
    rise, span = np.diff(counter[known]), np.diff(known)
    whole = known[:-1][span == 1]
    states[whole] = np.where(rise[span == 1] == 0, State.STALE, State.SAMPLED)
    energy[whole] = rise[span == 1]
    limit = MAX_PER_SECOND[Column.ENERGY] * grid.interval
    states[known[1:][(rise < 0) | (rise > limit * span)] - 1] = State.RESET
    if last is not None and len(known) and known[0] and counter[known[0]] < last.counter:
        states[known[0] - 1] = State.RESET
    _mark(states, device.stale, grid, State.STALE)
    _mark(states, device.steps, grid, State.STEP)
    energy[states != State.SAMPLED] = 0
    columns = _gauges(device, grid)
    return Row(states, energy, _held(counter, last), columns | _counted(device, grid, at, places, columns))


def _counted(device: Device, grid: Grid, at: Array, places: Array, seen: Mapping[Column, Array]) -> dict[Column, Array]:
    """What counters tell of each interval whole; where they tell nothing, what gauges saw of it, and of cycles NONE."""

    def rise(field: Field, most: int) -> Array:
        """By interval, from the counter at its two readings; NONE where one is missing, or where it began again."""
        found = np.full(grid.intervals, NONE, np.int64)
        read = device.column(field)[places]
        more = np.where((read[1:] == NONE) | (read[:-1] == NONE), NONE, np.diff(read))
        good = (np.diff(at) == 1) & (more >= 0) & (more <= most)
        found[at[:-1][good]] = more[good]
        return found

    elapsed, active = (rise(field, MAX_CLOCK * MAX_SMS * grid.interval) for field in (Field.ELAPSED, Field.ACTIVE))
    share = active_share(elapsed, active)
    sent, received = (rise(field, MAX_BYTES * grid.interval // MIB) for field in SENT)
    linked = any(field in device.columns for field in LINKS)
    links = _traffic(device, grid, LINKS) if linked else np.zeros(grid.intervals, np.int64)
    whole = (sent != NONE) & (received != NONE) & (links != NONE)
    return {
        Column.CYCLES: rise(Field.MMA, MAX_PER_SECOND[Column.CYCLES] * grid.interval),
        Column.FABRIC: np.where(whole, sent + received + links, seen[Column.FABRIC]),
        Column.SM: np.where(share != NONE, share, seen[Column.SM]),
    }


def _mark(states: Array, ranges: Ranges, grid: Grid, state: State) -> None:
    """Sampled and stale intervals that a range of stamps (after, until] touches."""
    for after, until in ranges:
        base, length = grid.start * 1000 + grid.phase_ms, grid.interval * 1000
        touched = states[max((after - base) // length, 0) : max(-(-(until - base) // length), 0)]
        touched[(touched == State.SAMPLED) | (touched == State.STALE)] = state


def _held(counter: Array, last: Last | None) -> Array:
    """At each boundary the last counter that was read; before there is one, the last statement's, else 0.

    >>> _held(np.array([NONE, 7, NONE]), Last(5, False)).tolist()
    [5, 7, 7]
    """
    place = np.maximum.accumulate(np.where(counter == NONE, -1, np.arange(len(counter))))
    return np.where(place >= 0, counter[place], 0 if last is None else last.counter)


def _gauges(device: Device, grid: Grid) -> dict[Column, Array]:
    """Means over the scrapes of each interval, cut to the unit, as columns have them; NONE where there are none.

    A gauge averages a moment: its mean over an interval is what was seen, and bounds nothing.
    """
    tensor, clock = device.column(Field.TENSOR), device.column(Field.CLOCK)
    cycles = np.where((tensor == NONE) | (clock == NONE), NONE, tensor * clock)
    return {
        Column.DERIVED_CYCLES: _mean(cycles, device, grid, grid.interval, 1_000_000),
        Column.FABRIC: _traffic(device, grid, (*LINKS, *PCIE)),
        Column.SM: _mean(device.column(Field.SM), device, grid, 1, 100),
        Column.DRAM: _mean(device.column(Field.DRAM), device, grid, 1, 100),
        Column.CLOCK: _mean(clock, device, grid, 1, 1),
    }


def _traffic(device: Device, grid: Grid, fields: Iterable[Field]) -> Array:
    """MiB by the rates of these fields, as far as the device has them."""
    traffic = [column for field in fields if (column := device.columns.get(field)) is not None]
    none = np.full(len(device.time_ms), NONE, np.int64)
    moved = np.where(np.minimum.reduce(traffic) == NONE, NONE, sum(traffic)) if traffic else none
    return _mean(moved, device, grid, grid.interval, MIB)


def _mean(values: Array, device: Device, grid: Grid, factor: int, unit: int) -> Array:
    """sum x factor / (scrapes x unit), cut; Python's integers where 64 bits would not do."""
    base, length = grid.start * 1000 + grid.phase_ms, grid.interval * 1000
    interval = -(-(device.time_ms - base) // length) - 1
    usable = (values != NONE) & (interval >= 0) & (interval < grid.intervals)
    scrapes = np.bincount(interval[usable], minlength=grid.intervals)
    total = np.zeros(grid.intervals, np.int64)
    np.add.at(total, interval[usable], values[usable])
    mean = np.full(grid.intervals, NONE, np.int64)
    for k in np.flatnonzero(scrapes).tolist():
        mean[k] = int(total[k]) * factor // (int(scrapes[k]) * unit)
    return mean
