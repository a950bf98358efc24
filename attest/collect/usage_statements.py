"""A host's device series to drafts of usage statements (schemas/import.md, "Usage statements").

The roster in force says which devices the host has and in which order. A device that is declared and not scraped
is missing in every interval, or off where the lab says so; one that is scraped and not declared ends the import, since
no statement could hold it. The energy counter is always carried on, so that a hole can be bridged: where nothing was
ever read it is 0, and bridges nothing. A column is in a statement only if every sampled device-interval has a value for
it, since zero would be a lie; energy comes first: where some devices have a counter, those that have none are missing,
and where none has, all are sampled by presence alone and the statement has no energy.

Windows end at multiples of their length and where the roster changes, and are halved until a statement fits. An import
ends with the last boundary that has a reading; who says until when it speaks (`UsageOptions.until`), as the recorder
does at the end of each window, states what nobody read as missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.dcgm_fields import NONE, Field
from attest.collect.devices import Device, Host
from attest.collect.grid import Grid, Last, Row, align, boundaries, phase_of
from attest.collect.irregular import Irregularity, Kind, refuse
from attest.collect.occupancy import NOBODY, occupy
from attest.collect.off import switched_off
from attest.collect.stamps import format_time
from attest.collect.statements import DAY, MAX_ROOM, MAX_VALUES, Chain, Draft, Salt, windows
from attest.collect.workloads import Workload
from attest.compute.columns import format_spans
from attest.format.block import Binding, commit, format_usage
from attest.format.bodies import MAX_SPANS, SPAN_SIZE, UsageBody
from attest.format.runs import MAX_RUNS, NO_RUN, Run
from attest.format.vocabulary import Column, State

MAX_GRID: Final = 1 << 26  # device-intervals of one import

_OTHERS: Final = (Column.CYCLES, Column.DERIVED_CYCLES, Column.FABRIC, Column.SM, Column.DRAM, Column.CLOCK)
_RUN_SIZE: Final = 64  # bytes of a row of the run table, at most

Array = npt.NDArray[np.int64]


class Roster(NamedTuple):
    """From `start` (Unix s) on: the digest of the inventory body, and the host's devices by serial or UUID."""

    start: int
    digest: bytes
    uids: tuple[str, ...]


class Naming(NamedTuple):
    """The runs that had anything of the host, and `name`, which commits to some of them: the rows of a run table."""

    workloads: Sequence[Workload]
    name: Callable[[Sequence[Workload]], Sequence[Run]]


class UsageOptions(NamedTuple):
    """`last` has, by device, what the source's last statement said; `until` when the last window ends, whatever was
    read (Unix s, a boundary); `off`, by device, when it is switched off, [start, end) in Unix s; without `naming`
    device-intervals belong to no run."""

    interval: int = 60
    window: int = DAY
    last: Mapping[str, Last] = {}
    until: int | None = None
    off: Mapping[str, Sequence[tuple[int, int]]] = {}
    naming: Naming | None = None


class _Told(NamedTuple):
    """What is told of a device: its row, and by interval the place of its run among the workloads, or NOBODY."""

    row: Row
    runs: Array


def usage_drafts(
    host: Host,
    rosters: Sequence[Roster],
    chain: Chain,
    options: UsageOptions,
    salt: Salt,
    found: list[Irregularity],
) -> Iterator[Draft]:
    """Drafts for one host; `rosters` in the order in which they come into force.

    Late scrapes, declared devices that no scrape mentions and devices that several runs had are added to `found`.
    Raises ImportDataError `import/roster`, `import/grid`, `import/short`, LogError `import/nothing-new`.
    """
    presence = not any(Field.ENERGY in device.columns for device in host.devices.values())
    grid = _grid(host, chain, options, presence)
    end = grid.start + grid.intervals * grid.interval
    in_force = _in_force(rosters, grid.start, end, chain.sub)
    if any(roster.start > grid.start and roster.start % grid.interval for roster in in_force):
        refuse("import/grid", chain.sub, f"an inventory comes into force inside an interval of {grid.interval} s")
    series = _match(host, in_force, chain.sub, grid, found)
    if len(series) * grid.intervals > MAX_GRID:
        refuse("import/bounds", chain.sub, f"{grid.intervals} intervals at once", "import the files in parts")
    naming = options.naming or Naming((), lambda _: ())
    told = {}
    for uid, device in series.items():
        row = _row(device, grid, options.last.get(uid), presence)
        row = switched_off(row, grid, options.off.get(uid, ()))
        told[uid] = _Told(row, _runs(uid, device, row, grid, naming.workloads, found))
    number = 0
    for begin, until in windows(grid.start, end, options.window, [roster.start for roster in in_force]):
        roster = [roster for roster in in_force if roster.start <= begin][-1]
        held = [told[uid] for uid in roster.uids]
        for low, high in _fitting(held, (begin - grid.start) // grid.interval, (until - grid.start) // grid.interval):
            yield _draft(held, roster, grid, low, high, salt(), chain.binding(number), presence, naming)
            number += 1


def _grid(host: Host, chain: Chain, options: UsageOptions, presence: bool) -> Grid:
    """From the chain's `until`, else the first boundary that has a reading, to the last one that has, or as is said."""
    interval, phase = options.interval, phase_of(host, options.interval)
    times = host.time_ms if len(host.time_ms) else np.array([(chain.until or 0) * 1000])
    first, last = int(times[0]) // 1000, int(times[-1]) // 1000
    start = first - first % interval - interval if chain.until is None else chain.until
    for edge, what in ((start, "its last statement ends"), (options.until or 0, "it is to speak until")):
        if edge % interval:
            at = f"{what} at {format_time(edge * 1000)}, inside an interval of {interval} s"
            refuse("import/grid", chain.sub, at)
    end = last if options.until is None else options.until
    grid = Grid(interval, start, max((end - start) // interval + 2, 0), phase)
    found = [boundaries(device, grid, presence=presence)[0] for device in host.devices.values()]
    read = np.concatenate([np.zeros(0, np.int64), *found])
    end = start + int(read.max(initial=0)) * interval if options.until is None else options.until
    chain.require_new(end)
    if chain.until is None:
        start += int(read.min(initial=grid.intervals)) * interval
    if end <= start:
        refuse(
            "import/short",
            host.name or chain.sub,
            f"no two scrapes {interval} s apart: not one whole interval",
            "give more expositions, or a shorter --interval",
        )
    return Grid(interval, start, (end - start) // interval, phase)


def _in_force(rosters: Sequence[Roster], start: int, end: int, sub: str) -> list[Roster]:
    before = [roster for roster in rosters if roster.start <= start]
    in_force = before[-1:] + [roster for roster in rosters if start < roster.start < end]
    if not before:
        refuse("import/roster", sub, f"no inventory is in force at {format_time(start * 1000)}")
    for roster in in_force:
        if not roster.uids:
            since = format_time(roster.start * 1000)
            refuse("import/roster", sub, f"the inventory in force from {since} gives it no devices")
    return in_force


def _match(
    host: Host, rosters: Sequence[Roster], sub: str, grid: Grid, found: list[Irregularity]
) -> dict[str, Device | None]:
    """Declared devices, by serial or UUID, with their series."""
    series: dict[str, Device | None] = dict.fromkeys(uid for roster in rosters for uid in roster.uids)
    for device in host.devices.values():
        uid = device.uid if device.uid in series else device.serial
        if uid not in series:
            refuse(
                "import/roster",
                sub,
                f"{device.uid} is scraped on host {host.name!r}, and no inventory in force names it",
                "declare the device, or name the host that the source speaks for with --host",
            )
        series[uid] = device
        late = int(np.count_nonzero(device.time_ms - grid.phase_ms < grid.start * 1000 - grid.interval * 500))
        if late:
            found.append(Irregularity(Kind.LATE, "", uid, int(device.time_ms[0]), {"readings": late}))
    for uid, missing in series.items():
        if missing is None:
            numbers = {"intervals": grid.intervals}
            found.append(Irregularity(Kind.MISSING, "", uid, grid.start * 1000, numbers))
    return series


def _row(device: Device | None, grid: Grid, last: Last | None, presence: bool) -> Row:
    if device is not None:
        return align(device, grid, last, presence=presence)
    states = np.full(grid.intervals, State.MISSING, np.int64)
    counter = np.full(grid.intervals + 1, last.counter if last else 0, np.int64)
    return Row(states, np.zeros(grid.intervals, np.int64), counter, {})


def _runs(
    uid: str, device: Device | None, row: Row, grid: Grid, workloads: Sequence[Workload], found: list[Irregularity]
) -> Array:
    """The runs that a device's sampled intervals belong to: of others nothing is known, whosever they were."""
    names = (uid,) if device is None else (uid, device.uid, device.serial)
    occupied = occupy(workloads, names, device.minor if device else None, grid)
    sampled = row.states == State.SAMPLED
    if shared := int(np.count_nonzero(occupied.shared & sampled)):
        first = grid.start + int(np.argmax(occupied.shared & sampled)) * grid.interval
        found.append(Irregularity(Kind.SHARED, "", uid, first * 1000, {"intervals": shared}))
    return np.where(sampled, occupied.runs, NOBODY)


def _fitting(told: Sequence[_Told], low: int, high: int) -> Iterator[tuple[int, int]]:
    """[low, high) in parts whose spans, runs and blocks a statement has room for."""
    spans = sum(int(np.count_nonzero(_starts(each.row.states[low:high], each.runs[low:high]))) for each in told)
    runs = len({run for each in told for run in np.unique(each.runs[low:high]).tolist()} - {NOBODY})
    room = spans * SPAN_SIZE + runs * _RUN_SIZE + len(told) * 16
    fits = spans <= MAX_SPANS and runs <= MAX_RUNS and room <= MAX_ROOM and (high - low) * len(told) <= MAX_VALUES
    if fits or high - low == 1:
        yield low, high
        return
    middle = (low + high) // 2
    yield from _fitting(told, low, middle)
    yield from _fitting(told, middle, high)


def _starts(states: Array, runs: Array) -> npt.NDArray[np.bool_]:
    """Where a state or a run begins, the first interval included."""
    starts = np.ones(len(states), bool)
    starts[1:] = (np.diff(states) != 0) | (np.diff(runs) != 0)
    return starts


def _draft(
    told: Sequence[_Told],
    roster: Roster,
    grid: Grid,
    low: int,
    high: int,
    salt: bytes,
    binding: Binding,
    presence: bool,
    naming: Naming,
) -> Draft:
    rows = [each.row for each in told]
    states = np.concatenate([row.states[low:high] for row in rows])
    sampled = states == State.SAMPLED
    columns: dict[int, Array] = {}
    if sampled.any():
        if not presence:
            columns[Column.ENERGY] = np.concatenate([row.energy[low:high] for row in rows])
        for column in _OTHERS:
            values = np.concatenate([row.gauges.get(column, np.full(grid.intervals, NONE))[low:high] for row in rows])
            if column is Column.DERIVED_CYCLES and Column.CYCLES in columns:
                continue  # counted is better
            if (values[sampled] != NONE).all():
                columns[column] = np.where(sampled, values, 0)
    runs = np.concatenate([each.runs[low:high] for each in told])
    starts = _starts(states, runs) | (np.arange(len(states)) % (high - low) == 0)
    named = [run for run in dict.fromkeys(runs[starts].tolist()) if run != NOBODY]
    places = {NOBODY: NO_RUN} | {run: place for place, run in enumerate(named)}
    firsts = np.flatnonzero(starts).tolist()
    spans = format_spans((first, int(states[first]), places[int(runs[first])]) for first in firsts)
    table = tuple(naming.name([naming.workloads[run] for run in named])) if named else ()
    counters = [np.array([row.counter[at] for row in rows], "<u8").tobytes() for at in (low, high)]
    block = format_usage(salt, binding, columns) if columns else None
    body = UsageBody(
        grid.interval,
        roster.digest,
        len(rows),
        commit(block) if block else None,
        tuple(sorted(int(column) for column in columns)),
        table,
        spans,
        ((int(Column.ENERGY), counters[0], counters[1]),),
    )
    return Draft(grid.start + low * grid.interval, grid.start + high * grid.interval, body, block)
