"""Spans and columns of a usage statement, cut at bucket edges and summed (schemas/statement.md, "usage").

A span is a run of device-intervals of one device with one state and one run; cut at the edges of the time
buckets, spans become segments, the pieces over which columns are summed. Device-intervals are numbered
device-major: device * intervals + interval.

    >>> spans = format_spans([(0, State.SAMPLED, 0), (3, State.MISSING, NO_RUN), (4, State.SAMPLED, NO_RUN)])
    >>> s = segments(spans, runs=1, devices=2, intervals=4, phase=1, per_bucket=3)
    >>> s.first.tolist(), s.length.tolist(), s.bucket.tolist(), s.device.tolist(), s.state.tolist()
    ([0, 2, 3, 4, 6], [2, 1, 1, 2, 2], [0, 1, 1, 0, 1], [0, 0, 0, 1, 1], [0, 0, 1, 0, 0])
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attest.errors import MalformedError
from attest.format.bodies import NO_RUN
from attest.format.vocabulary import State

Ints = npt.NDArray[np.int64]

SPAN: Final = np.dtype([("first", "<u4"), ("state", "<u2"), ("run", "<u2")])
_GRIDS: Final = 64  # shapes of statements that a site mixes at a time
_TABLES: Final = 256  # equal span tables of neighbouring statements share one pass


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments in order: first device-interval, length, and for each its device, bucket (counted from the bucket
    of the window's start), state and run."""

    first: Ints
    length: Ints
    device: Ints
    bucket: Ints
    state: Ints
    run: Ints


def format_spans(spans: Iterable[tuple[int, int, int]]) -> bytes:
    """(first device-interval, state, run) records as a statement carries them."""
    return np.array(list(spans), SPAN).tobytes()


@lru_cache(_GRIDS)
def _grid(devices: int, intervals: int, phase: int, per_bucket: int) -> npt.NDArray[np.uint32]:
    """Where a device or a bucket begins."""
    within = np.concatenate(([0], np.arange(per_bucket - phase, intervals, per_bucket)))
    return (np.arange(devices)[:, None] * intervals + within).ravel().astype("<u4")


@lru_cache(_TABLES)
def segments(spans: bytes, *, runs: int, devices: int, intervals: int, phase: int, per_bucket: int) -> Segments:
    """The segments of a span table. `phase` is the window's start within its bucket, `per_bucket` the length of
    a bucket, both in intervals. Raises MalformedError `usage/spans`."""
    table = np.frombuffer(spans, SPAN) if len(spans) % SPAN.itemsize == 0 else np.empty(0, SPAN)
    first = np.ascontiguousarray(table["first"])
    _require_spans(table, first, runs, devices, intervals)
    grid = _grid(devices, intervals, phase, per_bucket)
    cuts = np.concatenate((first, grid))
    cuts.sort()
    fresh = np.empty(len(cuts), bool)
    fresh[0] = True
    np.not_equal(cuts[1:], cuts[:-1], out=fresh[1:])
    cuts = cuts[fresh]
    span = first.searchsorted(cuts, "right") - 1
    start = cuts.astype(np.int64)
    length = np.empty_like(start)
    np.subtract(start[1:], start[:-1], out=length[:-1])
    length[-1] = devices * intervals - start[-1]
    device, interval = np.divmod(start, intervals)
    bucket = (interval + phase) // per_bucket
    return Segments(
        start, length, device, bucket, table["state"][span].astype(np.int64), table["run"][span].astype(np.int64)
    )


def sums(values: npt.NDArray[Any], segments: Segments) -> Ints:
    """The exact sum of a column over each segment."""
    # Column maxima and interval counts are bounded so that 64 bits always hold the sum.
    return np.add.reduceat(values, segments.first, dtype=np.uint64).view(np.int64)


def _require_spans(table: npt.NDArray[Any], first: npt.NDArray[Any], runs: int, devices: int, intervals: int) -> None:
    if not len(first) or first[0] != 0 or first[-1] >= devices * intervals:
        raise MalformedError("usage/spans", "spans begin at 0 and end inside the window", path="usage.spans")
    if (first[1:] <= first[:-1]).any():
        raise MalformedError("usage/spans", "spans must rise", path="usage.spans")
    starts = np.arange(devices) * intervals
    place = first.searchsorted(starts)
    if place[-1] >= len(first) or (first[place] != starts).any():
        raise MalformedError("usage/spans", "each device's start must be present", path="usage.spans")
    if int(table["state"].max()) > State.STEP:
        raise MalformedError("usage/spans", f"state {table['state'].max()} is not known", path="usage.spans")
    run = table["run"]
    if ((run >= runs) & (run != NO_RUN)).any():
        raise MalformedError("usage/spans", f"a span names a run that is none of the {runs}", path="usage.spans")
