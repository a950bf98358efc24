"""Scrapes to one series a device, with what is wrong in it.

A series has rising stamps in the host's own clock; a value that is not there is NONE. A stamp again is dropped, of two
energy counters the larger stays; when the clock steps back, scrapes up to the time already reached are set aside and
the step is kept as (reached, next stamp). A counter that falls is a reset, one that rises by more than 4 kW a jump.
Values that stand still are stale: an energy counter for longer than DCGM's own 30 s twice over (no device draws
nothing), or all of profiling, clock and power together while some ratio lies between 0 and 1 (no work is that even), as
after a restart of the host engine.

    >>> scrapes = [Scrape(n, 60_000 * n, "f:1", "n1", "GPU-1", "", "", {Field.ENERGY: 10 * n}) for n in (1, 2, 4)]
    >>> found = []
    >>> gather_series(scrapes, found)["n1"].devices["GPU-1"].column(Field.ENERGY).tolist(), found
    ([10, 20, 40], [])
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.cycles import per_sm
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import COUNTERS, NONE, PPM, RATIOS, Field
from attest.collect.exporters import Holder
from attest.collect.irregular import (
    MAX_STEP_BACK,
    Irregularity,
    Kind,
    find_gaps,
    median_step,
    refuse,
    require_bounded,
)
from attest.format.block import MAX_PER_SECOND
from attest.format.vocabulary import Column

MAX_SCRAPES: Final = 4_000_000  # devices x expositions of one import
STALE_AFTER: Final = 60_000  # ms

Array = npt.NDArray[np.int64]
Ranges = tuple[tuple[int, int], ...]


class Held(NamedTuple):
    """Who had a device, from the stamp at which it was first seen to that at which it was not any more."""

    holder: Holder
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device's series; `steps` and `stale` are ranges of stamps, (after, up to and with); `held` says who had it."""

    uid: str
    serial: str
    model: str
    time_ms: Array
    steps: Ranges
    stale: Ranges
    columns: dict[Field, Array]
    minor: int | None = None
    held: tuple[Held, ...] = ()

    def column(self, field: Field) -> Array:
        """The values of a field, NONE where it has none."""
        return self.columns.get(field, np.full(len(self.time_ms), NONE, np.int64))


@dataclass(frozen=True, slots=True)
class Host:
    """The devices of one host and the stamps of its expositions with their median step."""

    name: str
    devices: dict[str, Device]
    time_ms: Array
    step_ms: int | None


def gather_series(scrapes: Iterable[Scrape], found: list[Irregularity]) -> dict[str, Host]:
    """Hosts by name; irregularities are added to `found`. Raises ImportDataError `import/order`, `import/bounds`."""
    hosts: dict[str, _Host] = {}
    for count, scrape in enumerate(scrapes):
        if count == MAX_SCRAPES:
            refuse("import/bounds", scrape.where, f"more than {MAX_SCRAPES} devices x expositions")
        hosts.setdefault(scrape.host, _Host(scrape.host)).add(scrape, found)
    return {name: host.finish(found) for name, host in hosts.items()}


class _Host:
    def __init__(self, name: str) -> None:
        self.name = name
        self.devices: dict[str, _Device] = {}
        self.numbers, self.times = array("q"), array("q")  # of expositions that mention the host
        self.places: list[str] = []

    def add(self, scrape: Scrape, found: list[Irregularity]) -> None:
        if not self.numbers or self.numbers[-1] != scrape.exposition:
            self.numbers.append(scrape.exposition)
            self.times.append(scrape.time_ms)
            self.places.append(scrape.where)
        device = self.devices.get(scrape.uid)
        if device is None:
            device = self.devices[scrape.uid] = _Device(scrape)
        device.add(scrape, found)

    def finish(self, found: list[Irregularity]) -> Host:
        held = np.array(self.times, np.int64)
        times, first = np.unique(held, return_index=True)
        step = median_step(times)
        for index in find_gaps(times).tolist():
            numbers = {"gap_ms": int(times[index + 1] - times[index]), "median_step_ms": step or 0}
            where = self.places[first[index + 1]]
            found.append(Irregularity(Kind.GAP, where, self.name, int(times[index]), numbers))
        for device in self.devices.values():
            device.find_missing(np.array(self.numbers, np.int64), held, self.places, found)
        devices = {uid: device.finish(found) for uid, device in self.devices.items()}
        require_bounded(found)
        return Host(self.name, devices, times, step)


class _Device:
    """A series while it is gathered."""

    def __init__(self, scrape: Scrape) -> None:
        self.uid, self.serial, self.model, self.minor = scrape.uid, scrape.serial, scrape.model, scrape.minor
        self.holding: dict[Holder, int] = {}
        self.held: list[Held] = []
        self.times, self.numbers = array("q"), array("q")
        self.places: list[str] = []
        self.columns = {field: array("q") for field in Field}
        self.newest = 0
        self.aside: dict[str, int] | None = None
        self.steps: list[tuple[int, int]] = []

    def add(self, scrape: Scrape, found: list[Irregularity]) -> None:
        self.numbers.append(scrape.exposition)
        time_ms = scrape.time_ms
        reached = self.times[-1] if self.times else 0
        if time_ms < self.newest:
            self._step_back(scrape, found)
        self.newest = time_ms
        if time_ms > reached:
            if self.aside is not None:
                self.steps.append((reached, time_ms))
                self.aside = None
            self._append(scrape, found)
        elif self.aside is not None:
            self.aside["set_aside"] += 1
        else:
            self._again(scrape, found)

    def _append(self, scrape: Scrape, found: list[Irregularity]) -> None:
        energy = scrape.values.get(Field.ENERGY, NONE)
        energies = self.columns[Field.ENERGY]
        last = energies[-1] if energies else NONE
        if NONE not in (energy, last):
            # The counter is renewed every 100 ms, so a short step says nothing of power.
            most = MAX_PER_SECOND[Column.ENERGY] * max(scrape.time_ms - self.times[-1], 1_000) // 1_000
            kind = Kind.RESET if energy < last else Kind.JUMP if energy - last > most else None
            if kind is not None:
                numbers = {"before_mj": last, "after_mj": energy}
                found.append(Irregularity(kind, scrape.where, self.uid, scrape.time_ms, numbers))
        if self.holding or scrape.holders:
            self._hold(scrape.holders, scrape.time_ms)
        self.times.append(scrape.time_ms)
        self.places.append(scrape.where)
        for field, column in self.columns.items():
            column.append(scrape.values.get(field, NONE))

    def _hold(self, holders: tuple[Holder, ...], time_ms: int) -> None:
        gone = [holder for holder in self.holding if holder not in holders]
        self.held += [Held(holder, self.holding.pop(holder), time_ms) for holder in gone]
        for holder in holders:
            self.holding.setdefault(holder, time_ms)

    def _again(self, scrape: Scrape, found: list[Irregularity]) -> None:
        energies = self.columns[Field.ENERGY]
        energy = scrape.values.get(Field.ENERGY, NONE)
        kept, dropped = max(energy, energies[-1]), min(energy, energies[-1])
        kind = Kind.DUPLICATE if kept == dropped else Kind.CONFLICT
        energies[-1] = kept
        numbers = {"kept_mj": kept, "dropped_mj": dropped}
        found.append(Irregularity(kind, scrape.where, self.uid, scrape.time_ms, numbers))

    def _step_back(self, scrape: Scrape, found: list[Irregularity]) -> None:
        step = self.newest - scrape.time_ms
        if step > MAX_STEP_BACK:
            refuse(
                "import/order",
                scrape.where,
                f"the time of {self.uid} goes back {step // 1000} s",
                "give the files in the order they were recorded in",
            )
        self.aside = {"step_ms": step, "set_aside": 0}
        found.append(Irregularity(Kind.BACKWARDS, scrape.where, self.uid, scrape.time_ms, self.aside))

    def find_missing(self, numbers: Array, times: Array, places: list[str], found: list[Irregularity]) -> None:
        """Runs of expositions of the host that say nothing of the device."""
        absent = np.isin(numbers, np.array(self.numbers, np.int64), invert=True)
        for first, end in _runs(absent):
            missed = {"expositions": end - first}
            found.append(Irregularity(Kind.MISSING, places[first], self.uid, int(times[first]), missed))

    def finish(self, found: list[Irregularity]) -> Device:
        times = np.array(self.times, np.int64)
        columns = {field: np.array(column, np.int64) for field, column in self.columns.items()}
        columns = {field: column for field, column in columns.items() if (column != NONE).any()}
        self._find_xids(times, columns.pop(Field.XID, None), found)
        columns = self._count_cycles(times, columns, found)
        if Field.ENERGY not in columns:
            numbers = {"scrapes": len(times)}
            found.append(Irregularity(Kind.PRESENCE, self.places[0], self.uid, int(times[0]), numbers))
        stale = _stale(times, columns)
        for after, until in stale:
            where = self.places[int(np.searchsorted(times, after))]
            found.append(Irregularity(Kind.STALE, where, self.uid, after, {"duration_ms": until - after}))
        self._hold((), int(times[-1]))
        steps, held = tuple(self.steps), tuple(self.held)
        return Device(self.uid, self.serial, self.model, times, steps, stale, columns, self.minor, held)

    def _find_xids(self, times: Array, xid: Array | None, found: list[Irregularity]) -> None:
        """Each XID when it first stands there: the exporter repeats the last one for ever."""
        if xid is None:
            return
        new = (xid > 0) & (xid != np.concatenate(([0], xid[:-1])))
        for index in np.flatnonzero(new).tolist():
            numbers = {"xid": int(xid[index])}
            found.append(Irregularity(Kind.XID, self.places[index], self.uid, int(times[index]), numbers))

    def _count_cycles(self, times: Array, columns: dict[Field, Array], found: list[Irregularity]) -> dict[Field, Array]:
        """Columns with MMA as tensor-active cycles, mean over the SMs; ELAPSED tells the unit."""
        elapsed, active = columns.get(Field.ELAPSED), columns.pop(Field.MMA, None)
        if elapsed is not None and active is not None:
            counted = per_sm(times, elapsed, active, self.model)
            if counted is not None:
                return {**columns, Field.MMA: counted}
        if active is not None and len(times) > 1:
            numbers = {"scrapes": len(times)}
            found.append(Irregularity(Kind.UNITS, self.places[0], self.uid, int(times[0]), numbers))
        return columns


def _stale(times: Array, columns: dict[Field, Array]) -> Ranges:
    """Where the counter stood still, or everything else did, for longer than DCGM's collection explains."""
    still = np.zeros(max(len(times) - 1, 0), bool)
    if Field.ENERGY in columns:
        energy = columns[Field.ENERGY]
        still |= (energy[1:] == energy[:-1]) & (energy[1:] != NONE)
    gauges = [column for field, column in columns.items() if field not in COUNTERS]
    ratios = [columns[field] for field in RATIOS if field in columns]
    if len(gauges) > 1 and ratios:
        same = np.logical_and.reduce([column[1:] == column[:-1] for column in gauges])
        still |= same & np.logical_or.reduce([(column[1:] > 0) & (column[1:] < PPM) for column in ratios])
    ranges = [(int(times[first]), int(times[end])) for first, end in _runs(still)]
    return tuple((after, until) for after, until in ranges if until - after > STALE_AFTER)


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, end) of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
