"""Usage statements as hosts write them, read by two patterns instead of a codec (schemas/decisions, 0011).

Nearly all of a log are usage statements that differ in the same few places. `read_usual` takes these places out, and
gives None for whatever is longer, rarer or wrong in any way: only the codec (attest.format.statement) refuses, so
there is one account of what is wrong. Where it gives a value, the codec gives the same one; tests hold it to that.

    >>> read_usual(bytes.fromhex("a90001010a025820")) is None
    True
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import cbor2

from attest.errors import EvidenceError
from attest.format.bodies import (
    MAX_BLOCK,
    MAX_DEVICES,
    MAX_INTERVAL,
    MAX_SPANS,
    SPAN_SIZE,
    Block,
    UsageBody,
    parse_columns,
)
from attest.format.cbor import head, load
from attest.format.fields import MAX_SEQ
from attest.format.runs import Run, format_runs, parse_runs
from attest.format.vocabulary import Column, Kind

_REMEMBERED: Final = 4_096
_BYTES: Final = 2  # the major type of a byte string
_CUMULATIVE: Final = (int(Column.ENERGY), int(Column.CYCLES))
# Unsigned integers with the shortest head (RFC 8949 section 4.2.1): no alternative can begin where another does.
_UINT: Final = rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19(?!\0).{2}|\x1a(?!\0\0).{4}|\x1b(?!\0{4}).{8})"
_HASH: Final = rb"\x58\x20(.{32})"
_TIME: Final = rb"\x1a((?!\0\0).{4})"
_RUN: Final = rb"\x86\x58\x20.{32}[\x00-\x17]{2}%b(?:\xf6|%b)%b" % (_UINT, _UINT, _UINT)
_FRONT: Final = re.compile(
    rb"\xa9\x00\x01\x01%b" % re.escape(bytes((Kind.USAGE,)))
    + rb"\x02%b\x03(%b)\x04%b" % (_HASH, _UINT, _HASH)  # log, seq, prev
    + rb"\x05%b\x06%b" % (_TIME, _TIME)
    + rb"\x07(?:\xf6|\x83(%b)%b%b)" % (_UINT, _HASH, _HASH)  # anchor
    + rb"\x08\xa8\x01(%b)\x02%b\x03(%b)" % (_UINT, _HASH, _UINT)  # interval, roster, devices
    + rb"\x04(?:\xf6|\x82%b(%b))" % (_HASH, _UINT)  # block
    + rb"\x05([\x80-\x97][\x00-\x17]{0,23})\x06([\x80-\x97](?:%b){0,23})" % _RUN  # columns, run table
    + rb"\x07(?:\x58([\x18-\xff])|\x59((?!\0).{2}))",  # how long the spans are
    re.DOTALL,
)


class Usual(NamedTuple):
    """The fields of a usage statement; `anchor` is its size, root and note."""

    log: bytes
    seq: int
    prev: bytes
    start: int
    end: int
    anchor: tuple[int, bytes, bytes] | None
    body: UsageBody


def read_usual(payload: bytes) -> Usual | None:
    """A usage statement of the usual form, else None."""
    found = _FRONT.match(payload)
    if found is None:
        return None
    (
        log, seq, prev, start, end, size, root, note,
        interval, roster, devices, digest, block_size, columns, runs, short, long,
    ) = found.groups()  # fmt: skip
    at = found.end()
    spans = payload[at : at + int.from_bytes(short or long)]
    count = _uint(devices)
    if not 0 < count <= MAX_DEVICES or not SPAN_SIZE * count <= len(spans) <= SPAN_SIZE * MAX_SPANS:
        return None
    counters = _counters(count).fullmatch(payload, at + len(spans))
    if counters is None:
        return None
    given, *sides = counters.groups()
    kept = tuple([c for c in zip(_CUMULATIVE, sides[::2], sides[1::2], strict=True) if c[1] is not None])
    begin, until, every, number = int.from_bytes(start), int.from_bytes(end), _uint(interval), _uint(seq)
    anchor = None if size is None else (_uint(size), root, note)
    block = None if digest is None else Block(digest, _uint(block_size))
    tables = _tables(columns, runs, block is None)
    if (
        tables is None
        or given[0] & 31 != len(kept)
        or begin > until
        or number > MAX_SEQ
        or not 0 < every <= MAX_INTERVAL
        or (anchor is not None and not 0 < anchor[0] <= MAX_SEQ)
        or (block is not None and not 0 < block.size <= MAX_BLOCK)
    ):
        return None
    body = UsageBody(every, roster, count, block, *tables, spans, kept)
    return Usual(log, number, prev, begin, until, anchor, body)


def _uint(item: bytes) -> int:
    return item[0] if len(item) == 1 else int.from_bytes(item[1:])


@lru_cache(_REMEMBERED)  # a host's statements have the same columns and, while it works for one run, the same table
def _tables(columns: bytes, runs: bytes, no_block: bool) -> tuple[tuple[int, ...], tuple[Run, ...]] | None:
    try:
        typed = parse_columns(load(columns), no_block), parse_runs(load(runs))
    except EvidenceError:
        return None
    same = cbor2.dumps(list(typed[0])) == columns and cbor2.dumps(format_runs(typed[1])) == runs
    return typed if same else None


@lru_cache(MAX_DEVICES)
def _counters(devices: int) -> re.Pattern[bytes]:
    """What is left of a statement of so many devices: how many counters there are, and what they are."""
    size = 8 * devices
    side = rb"%b(.{%d})" % (re.escape(head(_BYTES, size)), size)
    each = (rb"(?:\x83%b%b%b)?" % (re.escape(bytes((column,))), side, side) for column in _CUMULATIVE)
    return re.compile(rb"\x08([\x80-\x82])" + b"".join(each), re.DOTALL)
