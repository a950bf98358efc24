"""Pass 4: signatures, chains, spans, blocks and sums of a range of entries (schemas/verification.md, clause 4).

`gather` takes the entries of one range and what pass 3 found, and gives the range's facts. Bad evidence raises
inside and becomes a fault; a statement with a fault of its own adds nothing else. Ranges are independent, so any
`map` may run them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from attest.agreement import Meter as PinnedMeter
from attest.bundle import Bundle
from attest.channels import read_channels
from attest.compute.columns import Shape
from attest.control import Control, KeyRecord, authorise, holder
from attest.errors import EvidenceError, Fault, Scope, TreeError, TrustError, UnsupportedError
from attest.facts import (
    Cell,
    Chain,
    Entered,
    Facts,
    Gap,
    Link,
    Metered,
    Said,
    Table,
    Work,
    extend,
    least,
    table,
)
from attest.format.block import NO_COLUMNS, Binding, Columns, parse_meter, parse_usage, require_digest
from attest.format.bodies import CloseBody, MeterBody, UsageBody, block_of
from attest.format.cose import parse_header, parse_sign1, verify_sign1
from attest.format.custody import CustodyBody
from attest.format.statement import Signed, Statement, embedded, parse_payload
from attest.layout import Layouts
from attest.log.merkle import HASH_SIZE
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at
from attest.packs import BlockAt, Room, open_pack
from attest.timeline import Timeline
from attest.usage import MAX_CELLS, Usage, read_usage, shape_of

NEVER: Final = -1  # no anchor proves anything
_Waiting = tuple[Usage, Binding, bool]  # to be read with those like it; whose it is; whether a void has taken it back


@dataclass(frozen=True)
class Context:
    """What every worker needs to know; `root_at` gives the tree's root at a size, None beyond its own, `meters` are the
    meters that the agreement names, by sub."""

    bundle: Bundle
    control: Control
    layouts: Layouts
    timeline: Timeline
    bucket: int
    size: int
    root_at: Callable[[int], bytes | None]
    meters: Mapping[str, PinnedMeter] = field(default_factory=dict)


def gather(context: Context, first: int, last: int) -> Facts:
    """The facts of the entry tiles [first, last)."""
    state = _Gather(context)
    for index in range(first, last):
        state.tile(index)
    return state.facts(first * WIDTH, min(last * WIDTH, context.size))


class _Gather:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.control = context.control
        self.chains: dict[int, Chain] = {}
        self.faults: list[Fault] = []
        self.rows: dict[type, list[Table]] = {Cell: [], Gap: [], Work: [], Metered: []}
        self.said: list[tuple[int, int, int, int, int]] = []
        self.entered: list[tuple[int, int, int]] = []
        self.statements = 0
        self.intervals = 0
        self.absent = 0
        self.room = Room()
        self.pack: BlockAt = _no_block
        self.pending: dict[tuple[Shape, int, tuple[int, ...]], list[_Waiting]] = {}
        self.waiting = 0  # devices x buckets of what is pending

    def facts(self, begin: int, end: int) -> Facts:
        said = table(Said, [np.array(self.said, np.int64).reshape(len(self.said), len(Said))])
        entered = table(Entered, [np.array(self.entered, np.int64).reshape(len(self.entered), len(Entered))])
        return Facts(
            begin,
            end,
            self.chains,
            least(self.faults),
            len(self.faults),
            self.statements,
            self.intervals,
            self.absent,
            said,
            *(*(table(kind, self.rows[kind]) for kind in (Cell, Gap, Work, Metered)), entered),
        )

    def tile(self, index: int) -> None:
        """One entry tile: what its entries say of their blocks gives each block's place in the pack."""
        context = self.context
        width = tile_at(ENTRIES, index, context.size).width
        entries = parse_entries(context.bundle.entries(index, width), width)
        leaves = bytes(context.bundle.hash_tile(0, index, width))
        hashes = [leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)]
        parsed = [
            self.parse(number, leaf, entry)
            for number, (leaf, entry) in enumerate(zip(hashes, entries, strict=True), index * WIDTH)
        ]
        try:
            self.pack = open_pack(
                context.bundle, index, width, [p and block_of(p.statement.body) for p in parsed], self.room
            )
        except TreeError as error:
            self.pack = _no_block
            self.faults.append(Fault(index * WIDTH, error.code, error.scope, error.detail))
        for place, signed in enumerate(parsed):
            if signed is not None:
                self.add(index * WIDTH + place, place, hashes[place], signed)
        self.flush()

    def parse(self, index: int, leaf: bytes, entry: bytes) -> Signed | None:
        if self.control.voided.get(index, leaf) != leaf:
            detail = f"a void names entry {index} as {self.control.voided[index].hex()}, it is {leaf.hex()}"
            self.faults.append(Fault(index, "void/other-entry", Scope.SOURCE, detail))
        try:
            sign1 = parse_sign1(entry)
            return Signed(sign1, parse_header(sign1.protected), parse_payload(embedded(sign1)))
        except EvidenceError as error:
            if self.control.voided.get(index) != leaf:
                unknown = isinstance(error, UnsupportedError)
                source = self.signer(index, entry) if unknown else ""
                self.faults.append(Fault(index, error.code, error.scope, str(error), source))
            return None

    def signer(self, index: int, entry: bytes) -> str:
        """The source of a statement that cannot be read, if its signature shows one; else ""."""
        try:
            sign1 = parse_sign1(entry)
            record = holder(self.control.keys, index, parse_header(sign1.protected))
            verify_sign1(sign1, record.key)
        except EvidenceError:
            return ""
        return record.source.sub

    def add(self, index: int, place: int, leaf: bytes, signed: Signed) -> None:
        sub, seq = "", -1
        statement = signed.statement
        try:
            record = authorise(self.control.keys, index, signed.header, statement.kind)
            verify_sign1(signed.sign1, record.key)
            sub, seq = record.source.sub, statement.seq
            self.verified(index, place, leaf, record, statement)
        except EvidenceError as error:
            if self.control.voided.get(index) != leaf:
                self.faults.append(Fault(index, error.code, error.scope, error.detail, sub, seq))

    def verified(self, index: int, place: int, leaf: bytes, record: KeyRecord, statement: Statement) -> None:
        if statement.log != self.control.log and index:
            raise TrustError("chain/foreign-log", f"the statement belongs to log {(statement.log or b'').hex()}")
        self.statements += 1
        void = self.control.voided.get(index) == leaf
        if void or index <= record.last:
            self.link(index, leaf, record, statement, loose=void)
        self.contents(index, place, record, statement, void)

    def link(self, index: int, leaf: bytes, record: KeyRecord, statement: Statement, *, loose: bool) -> None:
        link = self._link(index, leaf, record, statement)
        right = Chain(None, None, (link,)) if loose else Chain(link, link)
        number = record.source.number
        self.chains[number], fault = extend(record.source, self.chains.get(number), right)
        if fault is not None:
            self.faults.append(fault)

    def _link(self, index: int, leaf: bytes, record: KeyRecord, statement: Statement) -> Link:
        body, closes = statement.body, isinstance(statement.body, CloseBody)
        prev = statement.prev or record.source.enrolment  # a genesis is its own beginning
        if not isinstance(body, UsageBody):
            return Link(index, statement.seq, prev, leaf, statement.start, statement.end, closes)
        layout = self.context.layouts.layout(body.roster, record.source)
        uids = layout.uids if layout is not None else ()
        return Link(index, statement.seq, prev, leaf, statement.start, statement.end, closes, uids, body.counters)

    def contents(self, index: int, place: int, record: KeyRecord, statement: Statement, void: bool) -> None:
        body = statement.body
        if isinstance(body, UsageBody):
            self.usage(index, place, record, statement, body, void)
        elif isinstance(body, MeterBody):
            self.meter(index, place, record, statement, body)
        elif isinstance(body, CustodyBody):
            self.entered.append((index, statement.start, statement.end))
            self.lower(statement)

    def usage(
        self, index: int, place: int, record: KeyRecord, statement: Statement, body: UsageBody, void: bool
    ) -> None:
        self.say(index, record, statement)
        roster = self.context.layouts.throughout(statement.start, statement.end)
        if roster is None or roster.block.digest != body.roster or roster.index > index:
            raise TrustError("usage/roster", f"the roster {body.roster.hex()} was not in force for all of this window")
        if roster.roster is None:
            return
        layout = self.context.layouts.layout(body.roster, record.source)
        if layout is None:
            raise TrustError("usage/no-devices", f"the roster gives {record.source.sub} no devices")
        shape = shape_of(body, statement.start, statement.end, self.context.bucket)
        if body.devices != len(layout.groups):
            detail = f"{body.devices} devices, the roster gives the source {len(layout.groups)}"
            raise TrustError("usage/devices", detail)
        binding = Binding(self.control.log, record.source.sub, statement.seq)
        columns = partial(_columns, self.pack, place, binding, body, shape.size)
        usage = Usage(index, body, statement.start, statement.end, layout, columns)
        self.waiting += shape.buckets * shape.devices
        if self.waiting > MAX_CELLS:
            self.flush()
            self.waiting = shape.buckets * shape.devices
        waiting = self.pending.setdefault((shape, body.interval, body.columns), [])
        waiting.append((usage, binding, void))

    def flush(self) -> None:
        """Read the tile's usage statements, those that are alike together."""
        for waiting in self.pending.values():
            try:
                self.keep([usage for usage, _, _ in waiting])
            except EvidenceError:
                for usage, said_by, void in waiting:
                    try:
                        self.keep([usage])
                    except EvidenceError as error:
                        if not void:
                            self.faults.append(
                                Fault(usage.place, error.code, error.scope, error.detail, said_by.sub, said_by.seq)
                            )
        self.pending.clear()
        self.waiting = 0

    def keep(self, statements: list[Usage]) -> None:
        found = read_usage(statements, self.context.bucket)
        self.intervals += sum(len(s.layout.groups) * (s.end - s.start) // s.body.interval for s in statements)
        self.rows[Cell].append(found.cells)
        self.rows[Gap].append(found.gaps)
        self.rows[Work].append(found.work)
        self.absent += found.absent

    def meter(self, index: int, place: int, record: KeyRecord, statement: Statement, body: MeterBody) -> None:
        self.say(index, record, statement)
        block = self.pack(place)
        if block is None:
            self.absent += 1
            return
        require_digest(block, body.block)
        sub = record.source.sub
        channels = parse_meter(block, Binding(self.control.log, sub, statement.seq), body)
        agreed, layouts = self.context.meters.get(sub), self.context.layouts
        self.rows[Metered] += read_channels(channels, index, sub, statement, body, layouts, self.context.bucket, agreed)

    def say(self, index: int, record: KeyRecord, statement: Statement) -> None:
        lower = self.lower(statement)
        self.said.append((index, record.source.number, statement.start, statement.end, lower))

    def lower(self, statement: Statement) -> int:
        """The time that a statement's anchor proves it is no older than. Raises TrustError `anchor/mismatch`."""
        anchor = statement.anchor
        if anchor is None:
            return NEVER
        if self.context.root_at(anchor.size) not in (anchor.root, None):
            raise TrustError("anchor/mismatch", f"names a root of size {anchor.size} that is not this tree's")
        known = self.context.timeline.lower(anchor.note)
        return NEVER if known is None else known


def _columns(block_at: BlockAt, place: int, binding: Binding, body: UsageBody, size: int) -> Columns | None:
    """The columns of a usage statement's block; None where it is absent. Raises EvidenceError."""
    if body.block is None:
        return NO_COLUMNS
    block = block_at(place)
    if block is None:
        return None
    require_digest(block, body.block)
    return parse_usage(block, binding, body.columns, size, interval=body.interval)


def _no_block(place: int) -> None:
    return None
