"""Which run each device-interval belongs to (schemas/workloads.md, "Which run").

1. A claim that names devices stands before one that has a whole host because nobody says which.
2. An interval belongs to the run that had the device for the longest part of it, the earlier one of equals.
3. Where runs of two lineages, or of two labels, had the device at one time, nobody can say whose work it was: the
   interval belongs to none. To a verifier that is work which any run may have done.

    >>> a, b = (Workload(run, run, "", (Claim("n1", start, end, (0,)),), {}, "") for run, start, end in
    ...         (("a", 0, 90_000), ("b", 90_000, 240_000)))
    >>> occupy(on_host([a, b], "n1.acme.example"), ["GPU-7"], 0, Grid(60, 0, 5, 0)).runs.tolist()
    [0, 0, 1, 1, -1]
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.grid import Grid
from attest.collect.workloads import Claim, Workload

NOBODY: Final = -1

Array = npt.NDArray[np.int64]


class Occupied(NamedTuple):
    """By interval the place of its run among the workloads, or NOBODY, and whether it is so because of rule 3."""

    runs: Array
    shared: npt.NDArray[np.bool_]


class _Held(NamedTuple):
    """A claim on the grid: its run's place, and its time in ms from the grid's start."""

    place: int
    start: int
    end: int


def on_host(workloads: Iterable[Workload], host: str) -> list[Workload]:
    """The workloads that had anything of a host, with what they had of it."""
    here = []
    for workload in workloads:
        claims = tuple(claim for claim in workload.claims if is_host(claim.host, host))
        if claims:
            here.append(workload._replace(claims=claims))
    return here


def occupy(workloads: Sequence[Workload], names: Iterable[str], minor: int | None, grid: Grid) -> Occupied:
    """The runs of one device of a host, known by `names` (UUID, serial) and by its number there; `workloads` are what
    had anything of the host."""
    devices = {*names, *(() if minor is None else (minor,))}
    named, whole = [], []
    for place, workload in enumerate(workloads):
        for claim in workload.claims:
            if claim.devices is None:
                whole.append(_on_grid(place, claim, grid))
            elif not devices.isdisjoint(claim.devices):
                named.append(_on_grid(place, claim, grid))
    runs, shared = _settle(workloads, named, grid)
    rest, rest_shared = _settle(workloads, whole, grid)
    free = (runs == NOBODY) & ~shared
    runs[free] = rest[free]
    return Occupied(runs, shared | (free & rest_shared))


def is_host(claimed: str, host: str) -> bool:
    """Whether a scheduler's name of a node is that of a host in the telemetry, with or without its domain.

    >>> is_host("n1", "n1.acme.example"), is_host("n1", "n10")
    (True, False)
    """
    return claimed == host or claimed.partition(".")[0] == host or claimed == host.partition(".")[0]


def _on_grid(place: int, claim: Claim, grid: Grid) -> _Held:
    base, length = grid.start * 1000 + grid.phase_ms, grid.intervals * grid.interval * 1000
    end = length if claim.end_ms is None else claim.end_ms - base
    return _Held(place, max(claim.start_ms - base, 0), min(end, length))


def _settle(workloads: Sequence[Workload], held: list[_Held], grid: Grid) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Rules 2 and 3 for claims of one rank."""
    runs, longest = np.full(grid.intervals, NOBODY, np.int64), np.zeros(grid.intervals, np.int64)
    shared = np.zeros(grid.intervals, bool)
    length = grid.interval * 1000
    # The two claims that end last, of different kinds: whoever begins before they end shares with one of them.
    last: dict[tuple[str, int], int] = {}
    for claim in sorted((claim for claim in held if claim.start < claim.end), key=lambda c: (c.start, c.place)):
        low, high = claim.start // length, -(-claim.end // length)
        edges = np.arange(low, high) * length
        part = np.minimum(edges + length, claim.end) - np.maximum(edges, claim.start)
        here = slice(low, high)
        longer = part > longest[here]
        runs[here][longer] = claim.place
        longest[here][longer] = part[longer]
        workload = workloads[claim.place]
        kind = workload.lineage, int(workload.label)
        end = min(max((end for other, end in last.items() if other != kind), default=0), claim.end)
        if end > claim.start:
            shared[low : -(-end // length)] = True
        last[kind] = max(last.get(kind, 0), claim.end)
        last = dict(sorted(last.items(), key=lambda item: -item[1])[:2])
    runs[shared] = NOBODY
    return runs, shared
