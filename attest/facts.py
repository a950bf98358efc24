"""What verified statements add up to: raw facts, which merge (schemas/verification.md, clause 4).

Facts are tables of integers that keep the log index of the statement each row comes from, chains of sources by
their first and last link, and faults as data. They know nothing of caps, phases, pins or the time of judgement.
`merge` joins the facts of neighbouring ranges of a log; it is associative, and any partition of a log into ranges
gives the same facts, faults included: of those the MAX_FAULTS least by index are kept and all are counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.control import Source
from attest.errors import Fault, Scope

MAX_FAULTS: Final = 1_000
UNKNOWN: Final = -1  # a clock's error

Table = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]  # over rows


class Said(IntEnum):
    """A usage or meter statement: its window, and the time its anchor proves it is no older than (-1: none)."""

    INDEX = 0
    SOURCE = 1
    START = 2
    END = 3
    LOWER = 4


class Cell(IntEnum):
    """One group, bucket and class of one statement: device-seconds by state, and sums over what was sampled.

    CLASS is label * 16 + precision; READINGS is how many unbroken runs of sampled intervals there are at most;
    LOST are the seconds of MISSING that the statement sampled, but whose block is not in the bundle.
    MEASURED has bit 1 where ENERGY (mJ) is known, 2 where CYCLES (10^6, counted)
    are, 4 where DERIVED (10^6, from gauges) are.
    """

    INDEX = 0
    GROUP = 1
    BUCKET = 2
    CLASS = 3
    SAMPLED = 4
    MISSING = 5
    STALE = 6
    OFF = 7
    RESET = 8
    STEP = 9
    ENERGY = 10
    CYCLES = 11
    DERIVED = 12
    MEASURED = 13
    READINGS = 14
    LOST = 15


class Gap(IntEnum):
    """What one device's cumulative counters say of its unsampled seconds in one statement.

    FIRST and LAST are the statement's first and last bucket. BEFORE and AFTER are the energy counter at its ends
    (mJ), -1 where none bridges; ENERGY is what of the difference the sampled intervals do not account for.
    CYCLES_BEFORE and CYCLES likewise (10^6). READINGS: how many readings the difference is made of.
    """

    INDEX = 0
    GROUP = 1
    FIRST = 2
    LAST = 3
    SECONDS = 4
    BEFORE = 5
    ENERGY = 6
    CYCLES_BEFORE = 7
    CYCLES = 8
    READINGS = 9


class Work(IntEnum):
    """A run in one statement and group: the device-seconds it names, and what the lab declares (MFLOP; -1: nothing;
    stands in the first group of the run)."""

    INDEX = 0
    RUN = 1
    GROUP = 2
    CLASS = 3
    LINEAGE = 4
    OWNER = 5
    SECONDS = 6
    DECLARED = 7


class Metered(IntEnum):
    """One feed and bucket of one meter statement: its columns are those of `attest.evidence.meter.Row` after the
    log index and the feed's number. CLOCK is by how many s the statement says its clock may be wrong, or UNKNOWN."""

    INDEX = 0
    FEED = 1
    BUCKET = 2
    LOW = 3
    HIGH = 4
    GAP = 5
    COVERED = 6
    LARGEST = 7
    PEAK = 8
    STARTING = 9
    ENDING = 10
    RUNS = 11
    RESETS = 12
    CLOCK = 13


class Entered(IntEnum):
    """A custody statement of the office: its window, which ends when what it tells of was done."""

    INDEX = 0
    START = 1
    END = 2


@dataclass(slots=True)  # frozen ones take three times as long to make, and there is one for each statement
class Link:
    """A statement as a link of its source's chain. `counters` are the cumulative counters at its ends, by column,
    and `uids` tell device lists apart."""

    index: int
    seq: int
    prev: bytes
    leaf: bytes
    start: int
    end: int
    closes: bool = False
    uids: tuple[str, ...] = ()
    counters: tuple[tuple[int, bytes, bytes], ...] = ()


class Chain(NamedTuple):
    """A source's chain in a range: its first and last link. `loose` are voided statements before `first`, which
    count as links only if they fit."""

    first: Link | None
    last: Link | None
    loose: tuple[Link, ...] = ()


def follows(source: Source, last: Link | None, link: Link) -> Fault | None:
    """None if `link` continues the chain that ends in `last` (None: at the enrolment), else what is wrong."""
    seq, prev = (0, source.enrolment) if last is None else (last.seq + 1, last.leaf)
    if last is not None and link.leaf == last.leaf:
        return _fault(source, link, "chain/replayed", f"the statement at index {last.index} stands here again")
    if last is not None and link.seq == last.seq:
        detail = f"two contents for seq {link.seq}: {last.leaf.hex()} at index {last.index}, {link.leaf.hex()}"
        return _fault(source, link, "chain/equivocation", detail)
    if link.seq != seq:
        code = "chain/gap" if link.seq > seq else "chain/order"
        return _fault(source, link, code, f"seq {link.seq} where {seq} must come")
    if link.prev != prev:
        return _fault(source, link, "chain/prev", f"names {link.prev.hex()} as its predecessor, not {prev.hex()}")
    if last is None:
        return None
    if last.closes:
        return _fault(source, link, "chain/closed", f"the source closed its chain at index {last.index}")
    if link.start != last.end:
        what = "overlaps" if link.start < last.end else "leaves a hole after"
        detail = f"the window begins at {link.start} and {what} the one that ends at {last.end}"
        return _fault(source, link, "chain/window", detail)
    if link.uids and link.uids == last.uids and not _goes_on(last, link):
        return _fault(source, link, "counter/discontinuous", "counters do not go on from where they ended")
    return None


def extend(source: Source, chain: Chain | None, right: Chain) -> tuple[Chain, Fault | None]:
    """A chain and its continuation as one, and the fault where they meet."""
    if chain is None:
        return right, None
    if chain.last is None:
        return Chain(right.first, right.last, chain.loose + right.loose), None
    last = _through(source, chain.last, right.loose)
    if right.first is None or right.last is None:
        return Chain(chain.first, last, chain.loose), None
    return Chain(chain.first, right.last, chain.loose), follows(source, last, right.first)


def begins(source: Source, chain: Chain) -> Fault | None:
    """None if a whole chain begins at its source's enrolment, else what is wrong."""
    last = _through(source, None, chain.loose)
    return None if chain.first is None else follows(source, last, chain.first)


def _through(source: Source, last: Link | None, loose: tuple[Link, ...]) -> Link | None:
    """Where a chain stands after voided statements, of which those that fit are links."""
    for link in loose:
        if follows(source, last, link) is None:
            last = link
    return last


@dataclass(frozen=True)
class Facts:
    """The facts of the entries [begin, end) of a log."""

    begin: int
    end: int
    chains: Mapping[int, Chain] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    faulted: int = 0
    statements: int = 0
    intervals: int = 0
    absent_blocks: int = 0
    said: Table = field(default_factory=lambda: table(Said))
    cells: Table = field(default_factory=lambda: table(Cell))
    gaps: Table = field(default_factory=lambda: table(Gap))
    work: Table = field(default_factory=lambda: table(Work))
    metered: Table = field(default_factory=lambda: table(Metered))
    entered: Table = field(default_factory=lambda: table(Entered))


def table(columns: type[IntEnum], rows: Iterable[Table] = ()) -> Table:
    """Rows of one kind as one array of int64, [rows, columns], laid out by columns: those are what is read."""
    parts = [np.empty((len(columns), 0), np.int64), *(part.T for part in rows)]
    return np.concatenate(parts, axis=1).T


def least(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The MAX_FAULTS least by log index and code."""
    return tuple(sorted(faults)[:MAX_FAULTS])


def merge(left: Facts, right: Facts, sources: tuple[Source, ...]) -> Facts:
    """The facts of two neighbouring ranges. Raises ValueError if they are not neighbours."""
    if left.end != right.begin:
        raise ValueError(f"ranges [{left.begin}, {left.end}) and [{right.begin}, {right.end}) are not neighbours")
    chains = dict(left.chains)
    met: list[Fault] = []
    for number, chain in right.chains.items():
        chains[number], fault = extend(sources[number], chains.get(number), chain)
        if fault is not None:
            met.append(fault)
    return Facts(
        left.begin,
        right.end,
        chains,
        least((*left.faults, *right.faults, *met)),
        left.faulted + right.faulted + len(met),
        left.statements + right.statements,
        left.intervals + right.intervals,
        left.absent_blocks + right.absent_blocks,
        table(Said, (left.said, right.said)),
        table(Cell, (left.cells, right.cells)),
        table(Gap, (left.gaps, right.gaps)),
        table(Work, (left.work, right.work)),
        table(Metered, (left.metered, right.metered)),
        table(Entered, (left.entered, right.entered)),
    )


def _goes_on(last: Link, link: Link) -> bool:
    """Whether the counters of a statement are those with which the one before it ended."""
    return [(column, before) for column, before, _ in link.counters] == [
        (column, after) for column, _, after in last.counters
    ]


def _fault(source: Source, link: Link, code: str, detail: str) -> Fault:
    return Fault(link.index, code, Scope.SOURCE, detail, source.sub, link.seq)
