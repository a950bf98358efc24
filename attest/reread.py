"""The blocks of a log once more, for what facts have no room for: series of single devices and meters
(`attest.series`), and what devices moved over the fabric (`attest.traffic`).

Nothing here is verified but a block's digest and layout: entries are those of an authenticated tree, and which
statements count for anything is for whoever reads the result to ask (`attest.worth`). What cannot be read was named by
pass 4 and is passed over.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from attest.compute import plausible as rules
from attest.compute.columns import Ints, Shape, segments
from attest.control import Source
from attest.errors import EvidenceError
from attest.facts import Table, table
from attest.format.block import NO_COLUMNS, Array, Binding, Columns, parse_meter, parse_usage, require_digest
from attest.format.bodies import MeterBody, UsageBody, block_of
from attest.format.runs import NO_RUN
from attest.format.statement import Signed, Statement, parse_statement
from attest.format.vocabulary import Column, Label, Quantity, State
from attest.gather import Context
from attest.layout import Layout
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at
from attest.packs import Room, open_pack
from attest.series import UNKNOWN, Copy, Look, Odd, Series, hashed, joined
from attest.traffic import Traffic, of_statement, together
from attest.usage import CLASS_STEP, shape_of

_SERVING: Final = (Label.INFERENCE, Label.EVALUATION)
_NONE: Final = Series(table(Copy), table(Odd))
_T = TypeVar("_T")


class _Again(NamedTuple):
    """A statement of a host or a meter, and how to read its block: None where that is absent."""

    place: int
    source: Source
    statement: Statement
    body: UsageBody | MeterBody
    block: Callable[[], Any]


def read_series(context: Context, first: int, last: int) -> Series:
    """The series of the entry tiles [first, last). Raises MissingError."""
    return joined(_read(context, first, last, partial(_series, context)))


def read_traffic(context: Context, first: int, last: int) -> Traffic:
    """What devices moved by the statements of the entry tiles [first, last). Raises MissingError."""
    return together(_read(context, first, last, partial(_traffic, context)))


def _read(context: Context, first: int, last: int, take: Callable[[_Again], _T | None]) -> Iterator[_T]:
    """What is taken of each statement that can be read."""
    room = Room()
    sources = {source.sub: source for source in context.control.sources}
    for tile in range(first, last):
        for again in _statements(context, tile, sources, room):
            try:
                taken = take(again)
            except EvidenceError:
                continue
            if taken is not None:
                yield taken


def _statements(context: Context, tile: int, sources: dict[str, Source], room: Room) -> Iterator[_Again]:
    """The statements of hosts and meters of an entry tile; none where its pack is not what they say."""
    width = tile_at(ENTRIES, tile, context.size).width
    parsed = [_parsed(entry) for entry in parse_entries(context.bundle.entries(tile, width), width)]
    try:
        block_at = open_pack(context.bundle, tile, width, [p and block_of(p.statement.body) for p in parsed], room)
    except EvidenceError:
        return
    for place, signed in enumerate(parsed):
        if signed is not None and signed.header.sub in sources:
            statement, source = signed.statement, sources[signed.header.sub]
            if isinstance(statement.body, UsageBody | MeterBody):
                block = partial(block_at, place)
                yield _Again(tile * WIDTH + place, source, statement, statement.body, block)


def _parsed(entry: bytes) -> Signed | None:
    try:
        return parse_statement(entry)
    except EvidenceError:
        return None


def _series(context: Context, again: _Again) -> Series | None:
    """The series of one statement. Raises EvidenceError."""
    index, source, statement, body, read = again
    block = read()
    if block is None or body.block is None:
        return None
    require_digest(block, body.block)
    binding = Binding(context.control.log, source.sub, statement.seq)
    if isinstance(body, MeterBody):
        return of_meter(index, body.quantity, parse_meter(block, binding, body), statement.start, context.bucket)
    layout = _layout(context, source, body)
    if layout is None:
        return None
    shape = shape_of(body, statement.start, statement.end, context.bucket)
    columns = parse_usage(block, binding, body.columns, shape.size, interval=body.interval)
    return of_usage(index, body, layout, shape, columns, statement.start // context.bucket)


def _traffic(context: Context, again: _Again) -> Traffic | None:
    """What the devices of one statement moved. Raises EvidenceError."""
    index, source, statement, body, read = again
    if isinstance(body, MeterBody):
        return None
    layout = _layout(context, source, body)
    if layout is None:
        return None
    shape = shape_of(body, statement.start, statement.end, context.bucket)
    columns, block = NO_COLUMNS, read() if Column.FABRIC in body.columns else None
    if block is not None and body.block is not None:
        require_digest(block, body.block)
        binding = Binding(context.control.log, source.sub, statement.seq)
        columns = parse_usage(block, binding, body.columns, shape.size, interval=body.interval)
    cut = segments([body.spans], [len(body.runs)], shape)
    return of_statement(index, body, layout, shape, cut, columns, statement.start // context.bucket)


def _layout(context: Context, source: Source, body: UsageBody) -> Layout | None:
    """The devices that a statement tells of; None where its roster is another's, or absent."""
    layout = context.layouts.layout(body.roster, source)
    return None if layout is None or len(layout.groups) != body.devices else layout


def of_usage(index: int, body: UsageBody, layout: Layout, shape: Shape, columns: Columns, first: int) -> Series:
    """The series of one statement that lie in whole buckets; `first` is the bucket in which its window begins.

    Raises MalformedError where its spans are none.
    """
    lead = -shape.phase % shape.per_bucket
    whole = max(shape.intervals - lead, 0) // shape.per_bucket
    if not whole or Column.ENERGY not in columns:
        return _NONE
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
    odd_rows: Table = np.stack([column[odd] for column in columns_of_odd], axis=1).astype(np.int64)
    return Series(_copies(index, device[kept], bucket[kept], energy[kept]), odd_rows, len(kept))


def of_meter(index: int, quantity: Quantity, channels: list[tuple[Array, Array]], start: int, bucket: int) -> Series:
    """The series of the channels of a meter statement whose window begins at `start`: power, or a register's rises."""
    found = []
    for number, (values, offsets) in enumerate(channels):
        read, at = values.astype(np.int64), offsets.astype(np.int64)
        if quantity is Quantity.REGISTER:
            read, at = np.diff(read), at[1:] - 1  # a rise lies before the reading that ends it
        if len(read) < rules.SERIES or (at[1:] < at[:-1]).any():
            continue
        place = (start * 1_000 + at) // (bucket * 1_000)
        begins = np.flatnonzero(np.diff(place, prepend=-1))
        count = np.diff(begins, append=len(place))
        for length in np.unique(count[count >= rules.SERIES]).tolist():
            first = begins[count == length]
            rows = read[first[:, None] + np.arange(length)]
            kept = np.flatnonzero(rules.different(rows) >= rules.DIFFERENT)
            channel = np.full(len(kept), -1 - number)
            found.append(_copies(index, channel, place[first][kept], rows[kept]))
    copies = table(Copy, found)
    return Series(copies, table(Odd), len(copies))


def _copies(index: int, device: Ints, bucket: Ints, rows: Ints) -> Table:
    copies: Table = np.stack((np.full(len(rows), index), device, bucket, *hashed(rows)), axis=1)
    return copies
