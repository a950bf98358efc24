"""Readings of meters to one series a node, with every irregularity of the record.

A series has rising stamps in the node's own clock. A stamp again with the same value is dropped, with another value the
larger stays; when the clock steps back, the readings up to the time already reached are set aside. Nothing is filled
in, averaged or moved. A register that falls is a reset. A power that comes in steps of 5 W or more, as of a BMC that
reports multiples of 75 W, is coarse: the step is the meter's resolution.

    >>> readings = [Reading("a", 1_000 * k, Quantity.REGISTER, value, "f") for k, value in enumerate([5, 9, 2], 1)]
    >>> found = []
    >>> gather_readings(readings, Quantity.REGISTER, found)["a"].values.tolist(), [str(i.kind) for i in found]
    ([5, 9, 2], ['counter-reset'])
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.collector import Reading
from attest.collect.irregular import (
    MAX_STEP_BACK,
    Irregularity,
    Kind,
    find_gaps,
    median_step,
    refuse,
)
from attest.format.vocabulary import Quantity

MAX_NODES: Final = 1_024
MAX_READINGS: Final = 1 << 26  # of one import: two years of one node at one a second
COARSE_STEP: Final = 5_000  # mW; finer steps are those of any meter
LEAST_DISTINCT: Final = 4  # values that must agree on a step before it is believed

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Series:
    """A node's readings in its own clock, rising: Unix ms, mW (uint32) or mJ (uint64), median step in ms."""

    time_ms: Array
    values: Array
    step_ms: int | None


class Mark(NamedTuple):
    """What an analyser was told it measures, with the stamps of its first and last reading."""

    text: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class MeterLog:
    """What one import found: nodes in the order of their first reading."""

    nodes: dict[str, Series]
    marks: tuple[Mark, ...]
    irregularities: list[Irregularity]


def gather_readings(readings: Iterable[Reading], quantity: Quantity, found: list[Irregularity]) -> dict[str, Series]:
    """The series of one quantity, by node. Raises ImportDataError `import/order`, `import/bounds`."""
    nodes: dict[str, Gatherer] = {}
    places: list[str] = []
    for reading in readings:
        if reading.quantity is not quantity:
            continue
        if reading.node not in nodes and len(nodes) == MAX_NODES:
            refuse("import/bounds", reading.where, f"more than {MAX_NODES} nodes")
        node = nodes.setdefault(reading.node, Gatherer(reading.node, quantity))
        places.append(reading.where)
        node.add(reading.time_ms, reading.value, len(places) - 1, reading.where, found)
    for node in nodes.values():
        node.finish(places.__getitem__, found)
    return {name: node.series() for name, node in nodes.items()}


def coarse_step(values: Array) -> int | None:
    """The step of at least COARSE_STEP that all values are multiples of, None if there is none.

    >>> coarse_step(np.array([75, 150, 300, 225]) * 1_000), coarse_step(np.array([75, 150, 300, 226]) * 1_000)
    (75000, None)
    """
    distinct = np.unique(values)
    step = int(np.gcd.reduce(distinct)) if len(distinct) >= LEAST_DISTINCT else 0
    return step if step >= COARSE_STEP else None


class Gatherer:
    """A series while it is being read; `place` of a reading is a number that `finish` can name."""

    def __init__(self, name: str, quantity: Quantity = Quantity.MEAN_POWER) -> None:
        self.name, self.register = name, quantity is Quantity.REGISTER
        self._what, self._unit = ("register_mj", "mj") if self.register else ("power_mw", "mw")
        self.times, self.values, self.places = array("q"), array("Q" if self.register else "I"), array("q")
        self.newest = 0  # the stamp read last, also of readings set aside
        self.aside: dict[str, int] | None = None  # numbers of the step back that is being caught up

    def add(self, time_ms: int, value: int, place: int, where: str, found: list[Irregularity]) -> None:
        """One more reading, in the order of recording. Raises ImportDataError `import/order`, `import/bounds`."""
        reached = self.times[-1] if self.times else 0
        if time_ms < self.newest:
            self._step_back(time_ms, where, found)
        self.newest = time_ms
        if time_ms > reached:
            if len(self.times) == MAX_READINGS:
                refuse("import/bounds", where, f"more than {MAX_READINGS} readings of {self.name}")
            self.times.append(time_ms)
            self.values.append(value)
            self.places.append(place)
            self.aside = None
        elif self.aside is not None:
            self.aside["set_aside"] += 1
            self.aside["same"] += self._known(time_ms, value)
        elif value == self.values[-1]:
            found.append(
                Irregularity(
                    Kind.DUPLICATE, where, self.name, time_ms, {"register_mj" if self.register else "power_mw": value}
                )
            )
        else:
            kept, dropped = max(value, self.values[-1]), min(value, self.values[-1])
            self.values[-1] = kept
            numbers = {f"kept_{self._unit}": kept, f"dropped_{self._unit}": dropped}
            found.append(Irregularity(Kind.CONFLICT, where, self.name, time_ms, numbers))

    def _step_back(self, time_ms: int, where: str, found: list[Irregularity]) -> None:
        step = self.newest - time_ms
        if step > MAX_STEP_BACK:
            refuse(
                "import/order",
                where,
                f"the time of {self.name} goes back {step // 1000} s",
                "give the files in the order they were recorded in",
            )
        self.aside = {"step_ms": step, "set_aside": 0, "same": 0}
        found.append(Irregularity(Kind.BACKWARDS, where, self.name, time_ms, self.aside))

    def _known(self, time_ms: int, value: int) -> bool:
        index = bisect_left(self.times, time_ms)
        return index < len(self.times) and self.times[index] == time_ms and self.values[index] == value

    def finish(self, place: Callable[[int], str], found: list[Irregularity]) -> None:
        """Find what needs the whole series: gaps by its median step, falls of a register, large steps of a power."""
        times = np.frombuffer(self.times, np.int64)
        median = median_step(times) or 0
        for index in find_gaps(times).tolist():
            numbers = {"gap_ms": int(times[index + 1] - times[index]), "median_step_ms": median}
            where, time_ms = place(self.places[index + 1]), self.times[index]
            found.append(Irregularity(Kind.GAP, where, self.name, time_ms, numbers))

        values = self.series().values
        if self.register:
            for index in np.flatnonzero(values[1:] < values[:-1]).tolist():
                numbers = {"before_mj": int(values[index]), "after_mj": int(values[index + 1])}
                where, time_ms = place(self.places[index + 1]), self.times[index + 1]
                found.append(Irregularity(Kind.RESET, where, self.name, time_ms, numbers))
        elif (step := coarse_step(values)) is not None:
            numbers = {"step_mw": step}
            found.append(Irregularity(Kind.COARSE, place(self.places[0]), self.name, self.times[0], numbers))

    def series(self) -> Series:
        """The series so far."""
        times = np.frombuffer(self.times, np.int64)
        return Series(times, np.frombuffer(self.values, np.uint64 if self.register else np.uint32), median_step(times))
