"""What single devices moved over the fabric, by bucket, where a term asks for it (schemas/agreement.md, "scale-cap").

The fabric column is no part of the facts, since most agreements have no use for it: `attest.reread` takes it from the
blocks in a reading of its own. What is kept is as raw as facts are, and knows of no cap, phase or window:

    device 3   5,210,400 MiB on a run labelled training     0 s of which nothing is known
    device 4           0 MiB on no run                  3,600 s: the column is absent

Of a statement everything is told: what it sampled with the column, or says was off, is known, and the rest is blind.
What no statement tells of has no row, and whoever judges charges it. Neighbouring ranges of a log merge, and any
partition gives the same tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from attest.compute.columns import Ints, Segments, Shape, sums
from attest.compute.exact import gathered
from attest.facts import Table, table
from attest.format.block import Columns
from attest.format.bodies import UsageBody
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, Label, State
from attest.layout import Layout

MAX_MOVED: Final = 1 << 26  # rows of a site, 3.8 GB: a month of 90,000 accelerators in hours; of more none is kept
UNNAMED: Final = -1  # the label of what was on no run, or not sampled
_LABELS: Final = max(Label) - UNNAMED + 1


class Moved(IntEnum):
    """What one device moved in one bucket of one statement under one label, and of how many seconds of that nothing is
    known; DEVICE is its place in the statement. Rows in which both are 0 are left out."""

    INDEX = 0
    GROUP = 1
    DEVICE = 2
    BUCKET = 3
    LABEL = 4
    MIB = 5
    BLIND = 6


class Told(IntEnum):
    """Device-seconds of a group and bucket that one statement tells of, blind ones included."""

    INDEX = 0
    GROUP = 1
    BUCKET = 2
    SECONDS = 3


@dataclass(frozen=True)
class Traffic:
    """The traffic of a range; `count` is of rows of `moved`, of which none is kept where they are more than
    MAX_MOVED."""

    moved: Table = field(default_factory=lambda: table(Moved))
    told: Table = field(default_factory=lambda: table(Told))
    count: int = 0


def together(parts: Iterable[Traffic]) -> Traffic:
    """The traffic of neighbouring ranges as one."""
    moved: list[Table] = []
    told: list[Table] = []
    count = 0
    for part in parts:
        count += part.count
        moved.append(part.moved)
        told.append(part.told)
        if count > MAX_MOVED:
            moved.clear()
    return Traffic(table(Moved, moved), table(Told, told), count)


def of_statement(
    index: int, body: UsageBody, layout: Layout, shape: Shape, cut: Segments, columns: Columns, first: int
) -> Traffic:
    """The traffic of one statement, whose window begins in the bucket `first`; `columns` has none where its block is
    absent."""
    state, run = cut.state[cut.span], cut.run[cut.span]
    sampled = state == State.SAMPLED
    counted = Column.FABRIC in columns
    mib = np.zeros(len(cut.first), np.int64)
    if counted:
        mib = sums(columns[Column.FABRIC], cut.first, cut.longest).astype(np.int64)
    known = (state == State.OFF) | (sampled & counted)
    labels = np.array([int(each.label) for each in body.runs] + [UNNAMED], np.int64)
    label = labels[np.where(sampled & (run != NO_RUN), run, len(body.runs))]
    seconds = cut.length * body.interval
    key, size = cut.cell * _LABELS + label - UNNAMED, len(cut.grid.row) * _LABELS
    moved, blind = (gathered(each, key, size) for each in (mib, np.where(known, 0, seconds)))
    used = np.flatnonzero((moved > 0) | (blind > 0))
    cell, device = used // _LABELS, cut.grid.row[used // _LABELS]
    rows = (
        np.full(len(used), index), layout.groups[device], device, first + cut.grid.bucket[cell],
        used % _LABELS + UNNAMED, moved[used], blind[used],
    )  # fmt: skip
    return Traffic(np.stack(rows, axis=1), _told(index, layout, cut, seconds, first, shape.buckets), len(used))


def _told(index: int, layout: Layout, cut: Segments, seconds: Ints, first: int, buckets: int) -> Table:
    place = layout.local[cut.grid.row] * buckets + cut.grid.bucket
    told = gathered(seconds, place[cut.cell], len(layout.present) * buckets)
    group, bucket = np.repeat(np.array(layout.present, np.int64), buckets), np.arange(len(told)) % buckets
    return np.stack((np.full(len(told), index), group, first + bucket, told), axis=1)
