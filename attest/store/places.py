"""Which log index holds which (source, seq): 8 bytes a statement for sources that count up.

>>> places = Places()
>>> places.add("urn:host:1", 0, 17)
>>> places.find("urn:host:1", 0), places.find("urn:host:1", 1), places.last("urn:host:1")
(17, None, 17)
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple


class Run(NamedTuple):
    """Log indices of the statements of a source from `first` on, without a hole."""

    first: int
    at: "array[int]"


class Places:
    """Grows with the log; each place is added once."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}  # by their first seq

    def __iter__(self) -> Iterator[tuple[str, Run]]:
        return ((sub, run) for sub, runs in self._runs.items() for run in runs)

    def put(self, sub: str, run: Run) -> None:
        """A run that comes after those of the source that are there."""
        self._runs.setdefault(sub, []).append(run)

    def add(self, sub: str, seq: int, index: int) -> None:
        """Log index `index` holds statement `seq` of source `sub`; of two the first counts."""
        runs = self._runs.setdefault(sub, [])
        place = _before(runs, seq)
        first, at = runs[place - 1] if place else (seq, None)
        if at is not None and seq == first + len(at):
            at.append(index)
        elif at is None or seq > first + len(at):
            runs.insert(place, Run(seq, array("q", [index])))

    def find(self, sub: str, seq: int) -> int | None:
        """The log index that holds the place, None if it is free."""
        runs = self._runs.get(sub, [])
        place = _before(runs, seq)
        if not place or seq - runs[place - 1].first >= len(runs[place - 1].at):
            return None
        return runs[place - 1].at[seq - runs[place - 1].first]

    def last(self, sub: str) -> int | None:
        """The log index of the source's statement with the highest seq."""
        runs = self._runs.get(sub)
        return runs[-1].at[-1] if runs else None


def _before(runs: list[Run], seq: int) -> int:
    """How many runs begin at this seq or before it."""
    return bisect_right(runs, seq, key=lambda run: run.first)
