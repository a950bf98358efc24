"""Spans and columns of usage statements, cut at bucket edges and summed (schemas/statement.md, "usage").

A span is a run of device-intervals of one device with one state and one run; cut at the edges of the time buckets,
spans become segments, the pieces over which columns are summed. Device-intervals are numbered device-major: device *
intervals + interval. Neighbouring statements of one shape are cut in one go, which is what makes it fast: the
statements of a table follow each other as the devices of a statement do, in rows.

    >>> spans = format_spans([(0, State.SAMPLED, 0), (3, State.MISSING, NO_RUN), (4, State.SAMPLED, NO_RUN)])
    >>> shape = Shape(devices=2, intervals=4, phase=1, per_bucket=3)
    >>> s = segments([spans, spans], [1, 1], shape)
    >>> s.first.tolist(), s.length.tolist()
    ([0, 2, 3, 4, 6, 0, 2, 3, 4, 6], [2, 1, 1, 2, 2, 2, 1, 1, 2, 2])
    >>> s.state[s.span].tolist(), s.statement[s.span].tolist()
    ([0, 0, 1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    >>> s.grid.row[s.cell].tolist(), s.grid.bucket[s.cell].tolist()
    ([0, 0, 0, 1, 1, 2, 2, 2, 3, 3], [0, 1, 1, 0, 1, 0, 1, 1, 0, 1])
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.errors import MalformedError
from attest.format.block import Values
from attest.format.runs import NO_RUN
from attest.format.vocabulary import State

Ints = npt.NDArray[np.int64]

SPAN: Final = np.dtype([("first", "<u4"), ("state", "<u2"), ("run", "<u2")])
_GRIDS: Final = 64  # shapes of statements that a site mixes at a time


class Shape(NamedTuple):
    """What statements have in common that are cut together: `phase` is the window's start within its bucket and
    `per_bucket` the length of a bucket, both in intervals."""

    devices: int
    intervals: int
    phase: int
    per_bucket: int

    @property
    def size(self) -> int:
        """Device-intervals of one statement."""
        return self.devices * self.intervals

    @property
    def buckets(self) -> int:
        """Buckets that a window touches."""
        return -(-(self.phase + self.intervals) // self.per_bucket)


class Grid(NamedTuple):
    """The cells of statements of one shape, one for each row (statement * devices + device) and bucket, counted from
    that of the window's start; `twice` is the first device-interval of each, times two."""

    twice: Ints
    row: Ints
    bucket: Ints


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments in order: the first device-interval of each, counted from its statement's, and length; and its place
    among spans and among cells, which are fewer.

    Of spans `statement`, `state` and `run`; `grid` is of cells. `begins` are the places of each row's first segment,
    `edges` those of each statement's, and the end; `longest` is the largest length.
    """

    first: Ints
    length: Ints
    span: Ints
    cell: Ints
    statement: Ints
    state: Ints
    run: Ints
    grid: Grid
    begins: Ints
    edges: list[int]
    longest: int


def format_spans(spans: Iterable[tuple[int, int, int]]) -> bytes:
    """(first device-interval, state, run) records as a statement carries them."""
    return np.array(list(spans), SPAN).tobytes()


def segments(tables: Sequence[bytes], runs: Sequence[int], shape: Shape) -> Segments:
    """The segments of the span tables of statements of one shape; `runs` are the lengths of their run tables.

    Raises MalformedError `usage/spans`.
    """
    if any(len(table) % SPAN.itemsize for table in tables):
        _bad(f"a span table is a multiple of {SPAN.itemsize} bytes long")
    table = np.frombuffer(b"".join(tables), SPAN)
    counts = [len(spans) // SPAN.itemsize for spans in tables]
    statement = np.repeat(np.arange(len(tables)), counts)
    at = table["first"] + statement * shape.size
    state, run = table["state"].astype(np.int64), table["run"].astype(np.int64)
    _require_spans(table, at, statement, state, run, np.array(runs, np.int64), shape)
    grid = _grid(len(tables), shape)
    # Spans and grid in one order; where both cut, the span comes last and is kept, so that counts include both.
    order = np.concatenate((grid.twice, at * 2 + 1))
    order.sort(kind="stable")  # two runs in order already: a merge
    first = order >> 1
    kept = np.empty(len(order), bool)
    kept[-1] = True
    np.not_equal(first[1:], first[:-1], out=kept[:-1])
    spans_so_far = np.cumsum(order & 1)
    span = spans_so_far[kept] - 1
    cell = (np.arange(len(order)) - spans_so_far)[kept]
    first = first[kept]
    length = np.empty_like(first)
    np.subtract(first[1:], first[:-1], out=length[:-1])
    length[-1] = len(tables) * shape.size - first[-1]
    begins = first.searchsorted(np.arange(len(tables) * shape.devices) * shape.intervals)
    edges = [*begins[:: shape.devices].tolist(), len(first)]
    first -= np.repeat(np.arange(len(tables)) * shape.size, np.diff(edges))
    return Segments(first, length, span, cell, statement, state, run, grid, begins, edges, int(length.max()))


def sums(columns: Values, first: Ints, longest: int) -> npt.NDArray[Any]:
    """The exact sums of columns over segments that begin at `first`, none of them longer than `longest`."""
    # Column maxima and interval counts are bounded so that 64 bits always hold the sum; 32 are twice as fast.
    width = np.uint32 if columns.largest * longest < 1 << 32 else np.uint64
    return np.add.reduceat(columns.values, first, axis=-1, dtype=width)


@lru_cache(_GRIDS)
def _grid(statements: int, shape: Shape) -> Grid:
    within = np.concatenate(([0], np.arange(shape.per_bucket - shape.phase, shape.intervals, shape.per_bucket)))
    row = np.arange(statements * shape.devices)
    twice = 2 * (row[:, None] * shape.intervals + within).ravel()
    return Grid(twice, np.repeat(row, len(within)), np.tile(np.arange(len(within)), len(row)))


def _require_spans(
    table: npt.NDArray[Any], at: Ints, statement: Ints, state: Ints, run: Ints, runs: Ints, shape: Shape
) -> None:
    if not len(table) or int(table["first"].max()) >= shape.size:
        _bad("spans end inside the window")
    if (at[1:] <= at[:-1]).any():
        _bad("spans must rise")
    starts = np.arange(len(runs) * shape.devices) * shape.intervals
    place = at.searchsorted(starts)
    if place[-1] >= len(at) or (at[place] != starts).any():
        _bad("each device's start must be present")
    if int(state.max()) > State.STEP:
        _bad(f"state {state.max()} is not known")
    if ((run >= runs[statement]) & (run != NO_RUN)).any():
        _bad("a span names a run that the run table does not have")


def _bad(detail: str) -> None:
    raise MalformedError("usage/spans", detail, path="usage.spans")
