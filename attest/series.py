"""The series of single devices, read from blocks once more for what sums do not show (schemas/anomalies.md).

A series is one device's energy over the intervals of one bucket. Of each that was sampled throughout two hashes are
kept, so that copies are found, however far apart, and of those that look odd by themselves a row of sums:

    device 3   41,9 42,2 41,7 ...  kJ       in two statements, or of two devices                      a copy
    device 4      0    0    0 ...           while it is said to be on                                 still
    device 5   42,0 42,0 42,0 ...           while it works                                            too clean

Like facts, series of neighbouring ranges of a log merge, and any partition gives the same ones. Nothing here is
verified but a block's digest: entries are those of an authenticated tree, and whose statements count for anything is
for whoever reads the result to ask (`attest.worth`). What cannot be read was named by pass 4 and is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attest.bundle import Bundle
from attest.compute import plausible as rules
from attest.compute.columns import Ints, Shape, segments
from attest.control import Source
from attest.errors import EvidenceError
from attest.facts import Table, table
from attest.format.block import Binding, Columns, parse_usage, require_digest
from attest.format.bodies import UsageBody, block_of
from attest.format.runs import NO_RUN
from attest.format.statement import Signed, parse_statement
from attest.format.vocabulary import Column, Label, State
from attest.gather import Context
from attest.layout import Layout
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at
from attest.packs import Room, open_pack
from attest.usage import CLASS_STEP, shape_of

MAX_SERIES: Final = 1 << 24  # of a site: 700 MB; of more those with the least hashes, the same everywhere
MAX_ODD: Final = 1 << 20  # rows of a site
UNKNOWN: Final = -1  # cycles, or traffic
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 / golden ratio
_SERVING: Final = (Label.INFERENCE, Label.EVALUATION)

Hashes = npt.NDArray[np.uint64]


class Copy(IntEnum):
    """One series: the statement's log index, the device's place in it, the bucket, and two hashes of the energy."""

    INDEX = 0
    DEVICE = 1
    BUCKET = 2
    FIRST = 3
    SECOND = 4


class Odd(IntEnum):
    """One series that looks odd: WHAT is of `Look`; CLASS is that of its one run, 0 where it has none or several;
    sums of what was sampled, UNKNOWN where the column is absent."""

    INDEX = 0
    DEVICE = 1
    BUCKET = 2
    GROUP = 3
    CLASS = 4
    WHAT = 5
    SECONDS = 6
    ENERGY = 7
    CYCLES = 8
    FABRIC = 9


class Look(IntFlag):
    """What is odd about a series."""

    STILL = 1
    CLEAN = 2
    TRAFFIC = 4


@dataclass(frozen=True)
class Series:
    """What is kept of the series of a range: hashes by series, odd ones; how many series could be compared."""

    copies: Table
    odd: Table
    comparable: int = 0


def joined(parts: Sequence[Series]) -> Series:
    """The series of neighbouring ranges as one."""
    copies = table(Copy, [part.copies for part in parts])
    odd = table(Odd, [part.odd for part in parts])[:MAX_ODD]
    return Series(_fewest(copies, MAX_SERIES), odd, sum(part.comparable for part in parts))


def _fewest(copies: Table, most: int) -> Table:
    """The `most` with the least hashes, and whatever shares the last one's: so all of a copy, or none."""
    if len(copies) <= most:
        return copies
    hashes = copies[:, Copy.FIRST].astype(np.uint64)
    kept: Table = copies[hashes <= np.partition(hashes, most - 1)[most - 1]]
    return kept


def read_series(context: Context, first: int, last: int) -> Series:
    """The series of the entry tiles [first, last). Raises MissingError."""
    sources = {source.sub: source for source in context.control.sources}
    room, found = Room(), [Series(table(Copy), table(Odd))]
    for tile in range(first, last):
        width = tile_at(ENTRIES, tile, context.size).width
        entries = parse_entries(context.bundle.entries(tile, width), width)
        parsed = [_parsed(entry) for entry in entries]
        found += _of_tile(context, sources, context.bundle, tile, parsed, room)
    return joined(found)


def _parsed(entry: bytes) -> Signed | None:
    try:
        return parse_statement(entry)
    except EvidenceError:
        return None


def _of_tile(
    context: Context,
    sources: dict[str, Source],
    bundle: Bundle,
    tile: int,
    parsed: Sequence[Signed | None],
    room: Room,
) -> list[Series]:
    found: list[Series] = []
    try:
        block_at = open_pack(bundle, tile, len(parsed), [p and block_of(p.statement.body) for p in parsed], room)
    except EvidenceError:
        return found
    for place, signed in enumerate(parsed):
        if signed is None or not isinstance(signed.statement.body, UsageBody):
            continue
        body, sub = signed.statement.body, signed.header.sub
        layout = context.layouts.layout(body.roster, sources[sub]) if sub in sources else None
        block = None if layout is None or body.block is None else block_at(place)
        if block is None or layout is None or body.block is None:
            continue
        try:
            require_digest(block, body.block)
            shape = shape_of(body, signed.statement.start, signed.statement.end, context.bucket)
            binding = Binding(context.control.log, sub, signed.statement.seq)
            columns = parse_usage(block, binding, body.columns, shape.size, interval=body.interval)
            first = signed.statement.start // context.bucket
            found.append(of_statement(tile * WIDTH + place, body, layout, shape, columns, first))
        except EvidenceError:
            continue
    return found


def of_statement(index: int, body: UsageBody, layout: Layout, shape: Shape, columns: Columns, first: int) -> Series:
    """The series of one statement that lie in whole buckets; `first` is the bucket in which its window begins.

    Raises MalformedError where its spans are none.
    """
    lead = -shape.phase % shape.per_bucket
    whole = max(shape.intervals - lead, 0) // shape.per_bucket
    if not whole or Column.ENERGY not in columns or shape.devices != len(layout.groups):
        return Series(table(Copy), table(Odd))
    cut = segments([body.spans], [len(body.runs)], shape)

    def rows(values: Any) -> Any:
        """A value for each device-interval as [series, interval]."""
        each = values.reshape(shape.devices, shape.intervals)[:, lead : lead + whole * shape.per_bucket]
        return each.reshape(shape.devices * whole, shape.per_bucket)

    sampled = rows(np.repeat((cut.state == State.SAMPLED)[cut.span], cut.length)).all(axis=1)
    run = rows(np.repeat(cut.run[cut.span], cut.length))
    klass = np.array([r.label * CLASS_STEP + r.precision for r in body.runs] + [0], np.int64)
    working = (run == run[:, :1]).all(axis=1) & (run[:, 0] != NO_RUN)
    klass = klass[np.where(working, run[:, 0], len(body.runs))]
    place = np.arange(shape.devices * whole)
    device, bucket = place // whole, first + (lead > 0) + place % whole
    energy = rows(columns[Column.ENERGY].values).astype(np.int64)
    seconds = shape.per_bucket * body.interval

    def total(*names: Column) -> Ints:
        known = [rows(columns[name].values).sum(axis=1, dtype=np.int64) for name in names if name in columns]
        return np.asarray(known[0] if known else np.full(len(place), UNKNOWN), np.int64)

    fabric = total(Column.FABRIC)
    what = np.where(energy.any(axis=1), 0, Look.STILL)
    if shape.per_bucket >= rules.SERIES:
        what |= np.where(working & rules.too_clean(rules.noise_ppm(energy)), Look.CLEAN, 0)
    serving = working & np.isin(klass // CLASS_STEP, _SERVING)
    what |= np.where(serving & rules.heavy_traffic(seconds, fabric), Look.TRAFFIC, 0)
    odd = np.flatnonzero(sampled & (what > 0))
    columns_of_odd = (
        np.full(len(place), index), device, bucket, layout.groups[device], klass, what,
        np.full(len(place), seconds), energy.sum(axis=1), total(Column.CYCLES, Column.DERIVED_CYCLES), fabric,
    )  # fmt: skip
    told = np.zeros(len(place), bool)
    if shape.per_bucket >= rules.SERIES:
        told = sampled & (rules.different(energy) >= rules.DIFFERENT)
    kept = np.flatnonzero(told)
    hashes = _hashes(energy[kept])
    return Series(
        np.stack((np.full(len(kept), index), device[kept], bucket[kept], *hashes), axis=1),
        np.stack([column[odd] for column in columns_of_odd], axis=1).astype(np.int64),
        len(kept),
    )


def _hashes(rows: Ints) -> tuple[Ints, Ints]:
    """Two hashes of 64 bits of each row."""
    words = (rows.astype(np.uint64) + _MIX) * _MIX
    words ^= words >> np.uint64(29)
    out = []
    for number in range(2):
        hashes = (words * _weights(number, rows.shape[1])).sum(axis=1, dtype=np.uint64)
        hashes ^= hashes >> np.uint64(32)
        out.append((hashes * _MIX).view(np.int64))
    return out[0], out[1]


@lru_cache(8)
def _weights(number: int, length: int) -> Hashes:
    drawn = np.random.default_rng(number).integers(0, 1 << 63, length, np.uint64)
    return np.asarray(drawn * np.uint64(2) + np.uint64(1))
