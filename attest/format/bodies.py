"""The bodies of statements, kind by kind: types, parse and format (schemas/statement.md, statement.cddl).

Parsing bounds every size by a named constant and refuses what is out of range; whether the bytes are the one
deterministic encoding is decided by `attest.format.statement`, which formats again and compares.

    >>> format_body(HeadBody(b"note"))
    {1: b'note'}
    >>> parse_body(Kind.CLOSE, {})
    CloseBody()
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from attest.format.custody import CustodyBody, format_custody, parse_custody
from attest.format.fields import array, bad, bytes_, integer, map_, member, text, uint
from attest.format.key_acts import MAX_DOCUMENT, KeysBody, format_keys, parse_keys
from attest.format.notice import Notice, format_notices, parse_notices
from attest.format.runs import Run, format_runs, parse_runs
from attest.format.vocabulary import Column, Kind, Quantity

MAX_DEVICES: Final = 1_024  # of one source: a rack, not a site
MAX_INTERVALS: Final = 1 << 24  # device-intervals of one statement
MAX_CHANNELS: Final = 1_024  # feeds of one meter statement
MAX_READINGS: Final = 1 << 24  # of one meter statement
MAX_BLOCK: Final = 1 << 30
SPAN_SIZE: Final = 8
MAX_SPANS: Final = 7_000  # what fits a statement beside the rest
MAX_INTERVAL: Final = 86_400  # s
MAX_STEP: Final = 86_400_000  # ms
_REMEMBERED: Final = 4_096


class Block(NamedTuple):
    """The detached body a statement commits to: SHA-256 and size in bytes."""

    digest: bytes
    size: int


class GenesisBody(NamedTuple):
    """`document` is the root holders' COSE_Sign over the genesis act (attest.format.act)."""

    document: bytes


class InventoryBody(NamedTuple):
    """The roster is the detached body; it is in force from the statement's `until` on."""

    block: Block
    devices: int


class UsageBody(NamedTuple):
    """What `devices` accelerators did in every interval of the window (schemas/statement.md, "usage").

    spans: records of 8 bytes, little endian: u32 first device-interval (device * intervals + interval),
    u16 state, u16 run (index of `runs`, 0xffff for none), strictly rising, each device's start present.
    counters: (column, before, after) for ENERGY and CYCLES where kept, `before` and `after` being one u64 a
    device: the cumulative counters at `from` and at `until`.
    """

    interval: int
    roster: bytes
    devices: int
    block: Block | None
    columns: tuple[int, ...]
    runs: tuple[Run, ...]
    spans: bytes
    counters: tuple[tuple[int, bytes, bytes], ...]


class Channel(NamedTuple):
    """The readings of one feed in a meter block, and how often its clock was seen to misbehave."""

    feed: str
    readings: int
    irregular: int


class MeterBody(NamedTuple):
    """`step` is the nominal distance of readings in ms, or None; `clock_uncertainty` in s, None if unknown;
    `clock_offset` in s was added to the meter's own stamps."""

    quantity: Quantity
    step: int | None
    clock_offset: int
    clock_uncertainty: int | None
    channels: tuple[Channel, ...]
    block: Block


class HeadBody(NamedTuple):
    """A cosigned checkpoint of this very log, as the signed note's bytes."""

    note: bytes


class EventBody(NamedTuple):
    """`document` is the COSE_Sign of those who must sign an event of the agreement (attest.format.event)."""

    document: bytes


class NoticeBody(NamedTuple):
    """What the office says of runs, in a statement of the kind event, too (attest.format.notice)."""

    notices: tuple[Notice, ...]


class CloseBody(NamedTuple):
    """The source says that it ends here; nothing of it may follow."""


Body = (
    GenesisBody
    | InventoryBody
    | KeysBody
    | UsageBody
    | MeterBody
    | EventBody
    | NoticeBody
    | HeadBody
    | CloseBody
    | CustodyBody
)


def parse_body(kind: Kind, value: Any) -> Body:
    """The decoded body of a statement of this kind, typed and bounded."""
    return _PARSE[kind](value)


def format_body(body: Body) -> dict[int, Any]:
    """What `parse_body` accepts, keys in rising order."""
    return _FORMAT[type(body)](body)


def block_of(body: Body) -> Block | None:
    """The detached body that a statement commits to, if its kind has one."""
    return body.block if isinstance(body, UsageBody | MeterBody | InventoryBody) else None


def _block(value: Any, path: str) -> Block:
    digest, size = array(value, 2, 2, path)
    return Block(bytes_(digest, path), uint(size, path, MAX_BLOCK, 1))


def _genesis(value: Any) -> GenesisBody:
    (document,) = map_(value, 1, "genesis")
    return GenesisBody(bytes_(document, "genesis.document", 1, MAX_DOCUMENT))


def _inventory(value: Any) -> InventoryBody:
    block, devices = map_(value, 2, "inventory")
    return InventoryBody(_block(block, "inventory.block"), uint(devices, "inventory.devices", MAX_INTERVALS))


def _usage(value: Any) -> UsageBody:
    interval, roster, devices, block, columns, runs, spans, counters = map_(value, 8, "usage")
    count = uint(devices, "usage.devices", MAX_DEVICES, 1)
    return UsageBody(
        uint(interval, "usage.interval", MAX_INTERVAL, 1),
        bytes_(roster, "usage.roster"),
        count,
        None if block is None else _block(block, "usage.block"),
        parse_columns(columns, block is None),
        parse_runs(runs),
        bytes_(spans, "usage.spans", SPAN_SIZE * count, MAX_SPANS * SPAN_SIZE),
        _counters(counters, count),
    )


def parse_columns(value: Any, no_block: bool) -> tuple[int, ...]:
    """The decoded ids of a usage block's columns, typed; none where there is no block."""
    columns = array(value, 0, len(Column), "usage.columns")
    try:
        typed = _typed_columns(*columns)
    except TypeError:
        bad("statement/integer", "must be an integer", "usage.columns")
    if no_block != (not typed):
        bad("usage/columns", "columns and a block come together", "usage.columns")
    return typed


@lru_cache(_REMEMBERED, typed=True)
def _typed_columns(*columns: Any) -> tuple[int, ...]:
    for column in columns:
        member(Column, column, "usage.columns")
    if any(a >= b for a, b in pairwise(columns)):
        bad("usage/columns", "column ids must rise", "usage.columns")
    return columns


def _counters(value: Any, devices: int) -> tuple[tuple[int, bytes, bytes], ...]:
    counters = tuple([_counter(c, devices) for c in array(value, 0, 2, "usage.counters")])
    if len(counters) == 2 and counters[0][0] >= counters[1][0]:
        bad("usage/counters", "column ids must rise", "usage.counters")
    return counters


def _counter(value: Any, devices: int) -> tuple[int, bytes, bytes]:
    column, before, after = array(value, 3, 3, "usage.counters")
    if uint(column, "usage.counters") not in (Column.ENERGY, Column.CYCLES):
        bad("usage/counters", "only energy and cycles are cumulative", "usage.counters")
    size = 8 * devices
    return column, bytes_(before, "usage.counters", size, size), bytes_(after, "usage.counters", size, size)


def _meter(value: Any) -> MeterBody:
    quantity, step, offset, uncertainty, channels, block = map_(value, 6, "meter")
    return MeterBody(
        member(Quantity, quantity, "meter.quantity"),
        None if step is None else uint(step, "meter.step", MAX_STEP, 1),
        integer(offset, "meter.clock_offset"),
        None if uncertainty is None else uint(uncertainty, "meter.clock_uncertainty", MAX_INTERVAL),
        _channels(channels),
        _block(block, "meter.block"),
    )


def _channels(value: Any) -> tuple[Channel, ...]:
    channels = tuple([_channel(c) for c in array(value, 1, MAX_CHANNELS, "meter.channels")])
    if len({channel.feed for channel in channels}) != len(channels):
        bad("meter/feed-twice", "a feed has one channel", "meter.channels")
    return channels


def _channel(value: Any) -> Channel:
    feed, readings, irregular = array(value, 3, 3, "meter.channels")
    return Channel(
        text(feed, "meter.channel.feed"),
        uint(readings, "meter.channel.readings", MAX_READINGS),
        uint(irregular, "meter.channel.irregular"),
    )


def _event(value: Any) -> EventBody | NoticeBody:
    if type(value) is dict and 2 in value:
        (notices,) = map_(value, 1, "event", first=2)
        return NoticeBody(parse_notices(notices))
    (document,) = map_(value, 1, "event")
    return EventBody(bytes_(document, "event.document", 1, MAX_DOCUMENT))


def _head(value: Any) -> HeadBody:
    (note,) = map_(value, 1, "head")
    return HeadBody(bytes_(note, "head.note", 1, MAX_DOCUMENT))


def _close(value: Any) -> CloseBody:
    map_(value, 0, "close")
    return CloseBody()


_PARSE: Final[dict[Kind, Callable[[Any], Body]]] = {
    Kind.GENESIS: _genesis,
    Kind.INVENTORY: _inventory,
    Kind.KEYS: parse_keys,
    Kind.USAGE: _usage,
    Kind.METER: _meter,
    Kind.EVENT: _event,
    Kind.HEAD: _head,
    Kind.CLOSE: _close,
    Kind.CUSTODY: parse_custody,
}

_FORMAT: Final[dict[type, Callable[[Any], dict[int, Any]]]] = {
    GenesisBody: lambda b: {1: b.document},
    InventoryBody: lambda b: {1: list(b.block), 2: b.devices},
    KeysBody: format_keys,
    UsageBody: lambda b: {
        1: b.interval,
        2: b.roster,
        3: b.devices,
        4: None if b.block is None else list(b.block),
        5: list(b.columns),
        6: format_runs(b.runs),
        7: b.spans,
        8: [list(c) for c in b.counters],
    },
    MeterBody: lambda b: {
        1: int(b.quantity),
        2: b.step,
        3: b.clock_offset,
        4: b.clock_uncertainty,
        5: [list(c) for c in b.channels],
        6: list(b.block),
    },
    EventBody: lambda b: {1: b.document},
    NoticeBody: lambda b: {2: format_notices(b.notices)},
    HeadBody: lambda b: {1: b.note},
    CloseBody: lambda b: {},
    CustodyBody: format_custody,
}
