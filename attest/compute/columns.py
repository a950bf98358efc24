"""Spans and columns of usage statements, cut at bucket edges and summed (schemas/statement.md, "usage").

A span is a run of device-intervals of one device with one state and one run; cut at the edges of the time buckets,
spans become segments, the pieces over which columns are summed. Device-intervals are numbered device-major: device *
intervals + interval. Neighbouring statements of one shape are cut in one go, which is what makes it fast: the
statements of a table follow each other as the devices of a statement do.

    >>> spans = format_spans([(0, State.SAMPLED, 0), (3, State.MISSING, NO_RUN), (4, State.SAMPLED, NO_RUN)])
    >>> shape = Shape(devices=2, intervals=4, phase=1, per_bucket=3)
    >>> s = segments([spans, spans], [1, 1], shape)
    >>> s.first.tolist(), s.length.tolist(), s.state.tolist()
    ([0, 2, 3, 4, 6, 8, 10, 11, 12, 14], [2, 1, 1, 2, 2, 2, 1, 1, 2, 2], [0, 0, 1, 0, 0, 0, 0, 1, 0, 0])
    >>> s.statement.tolist(), s.device.tolist(), s.bucket.tolist()
    ([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0, 1, 1], [0, 1, 1, 0, 1, 0, 1, 1, 0, 1])
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


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments in order: first device-interval (counted through all statements) and length, and for each its
    statement, device, bucket (from the bucket of the window's start), state and run.

    `edges` are the places of each statement's first segment, and the end; `local` is `first` counted from there;
    `longest` is the largest length.
    """

    first: Ints
    length: Ints
    statement: Ints
    device: Ints
    bucket: Ints
    state: Ints
    run: Ints
    edges: list[int]
    local: Ints
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
    statement = grid.statement[cell]
    edges = first.searchsorted(np.arange(len(tables) + 1) * shape.size).tolist()
    return Segments(
        first, length, statement, grid.device[cell], grid.bucket[cell], state[span], run[span],
        edges, first - statement * shape.size, int(length.max()),
    )  # fmt: skip


def sums(columns: Values, first: Ints, longest: int) -> npt.NDArray[Any]:
    """The exact sums of columns over segments that begin at `first`, none of them longer than `longest`."""
    # Column maxima and interval counts are bounded so that 64 bits always hold the sum; 32 are twice as fast.
    width = np.uint32 if columns.largest * longest < 1 << 32 else np.uint64
    return np.add.reduceat(columns.values, first, axis=-1, dtype=width)


class _Grid(NamedTuple):
    """Where a device or a bucket begins, times two, and what lies there."""

    twice: Ints
    statement: Ints
    device: Ints
    bucket: Ints


@lru_cache(_GRIDS)
def _grid(statements: int, shape: Shape) -> _Grid:
    within = np.concatenate(([0], np.arange(shape.per_bucket - shape.phase, shape.intervals, shape.per_bucket)))
    row = np.arange(statements * shape.devices)
    twice = 2 * (row[:, None] * shape.intervals + within).ravel()
    each = np.repeat(row, len(within))
    return _Grid(twice, each // shape.devices, each % shape.devices, np.tile(np.arange(len(within)), len(row)))


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
