"""An agent's life cut short before every change of its disk, by loss of power, and lived on beside its site.

The life has what an agent meets: windows that are closed, a site that is away for a while, receipts, a key that is
rotated. The site's machine stays on: it has what it was handed until then. Each different state of the agent's disk is
lived on, with the site as it was when that state began and when it ended, and held against what was promised: every
sample that was accepted is stated, once; what was signed is in the log, and nothing else; what the site acknowledged
and gave receipts of is kept, and a statement leaves the outbox for a receipt alone.
"""

import json
import random
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, cast

import pytest

from attest.format.bodies import UsageBody
from attest.format.cose import parse_sign1, sig_structure1
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import State
from attest.log.merkle import leaf_hash
from attest.log.proof import parse_receipt, verify_receipt
from attest.record.kept import Kept
from attest.record.site import Ack, Site
from attest.record.spool import Frame, Spool
from attest.store import outbox
from attest.store.outbox import Outbox
from tests.collect.test_import import ORIGIN, START
from tests.record.conftest import no_real_disk
from tests.record.rig import MINUTE, UIDS, PlayedClock, Watched
from tests.record.test_cut_short import minutes
from tests.record.test_meters import NODES, Registers
from tests.site.agent import Agent
from tests.site.at_desk import AtDesk
from tests.site.rig import VKEYS, Lab, signer, sub
from tests.site.test_meters import METER, MeterAgent, readings
from tests.store.crashes import State as Left
from tests.store.crashes import Volatile, found_in, write_down

__all__ = ["no_real_disk"]  # a fixture

WINDOW = 4 * MINUTE
END = 14 * MINUTE
AWAY_MS = 90_000


@dataclass
class Promised:
    """What others may rely on: samples by minute, the messages that keys signed, and what `Kept` has on the disk."""

    samples: set[int] = field(default_factory=set)
    tried: set[int] = field(default_factory=set)
    signed: dict[bytes, int] = field(default_factory=dict)
    acks: set[Ack] = field(default_factory=set)
    receipts: set[int] = field(default_factory=set)
    seen: bytes | None = None


class WatchedSpool(Spool):
    """A spool that remembers what it accepted."""

    def __init__(self, path: Path, promised: Promised) -> None:
        super().__init__(path, 1 << 26)
        self._promised = promised

    def append(self, frame: Frame) -> None:
        minute = (frame["time_ms"] // 1000 + MINUTE // 2 - START) // MINUTE
        read = frame.get("scrapes") or frame.get("readings")
        self._promised.tried |= {minute} if read else set()
        super().append(frame)
        self._promised.samples |= {minute} if read else set()


class WatchedKept(Kept):
    """What an agent keeps, with what it has promised to."""

    def __init__(self, path: Path, promised: Promised) -> None:
        super().__init__(path)
        self._promised = promised

    def acknowledge(self, acks: Any) -> None:
        super().acknowledge(acks)
        self._promised.acks |= set(acks)

    def receive(self, seq: int, entry: bytes, receipt: bytes) -> None:
        super().receive(seq, entry, receipt)
        self._promised.receipts.add(seq)

    def see(self, note: bytes) -> None:
        super().see(note)
        self._promised.seen = note


class Life(Agent):
    """An agent whose site is at hand, and that remembers what it promised."""

    promised: Promised

    @classmethod
    def begun(cls, lab: Lab, who: str, at_ms: int, promised: Promised) -> Self:
        clock = PlayedClock(at_ms, at_ms)
        site = AtDesk.of(lab, sub(who), clock)
        life = cls(lab, who, clock, cast(Site, site), (who, f"{who} next"), window=WINDOW, seal=WINDOW)
        life.promised = promised
        life.opened = lambda key: Watched(key, clock, promised.signed)
        life.path.mkdir(exist_ok=True)
        return life

    @property
    def desk(self) -> AtDesk:
        return cast(AtDesk, self.site)

    @property
    def kept(self) -> Kept:
        return WatchedKept(self.path / "site", self.promised)

    def spool(self) -> Spool:
        return WatchedSpool(self.path / "spool", self.promised)

    def statements(self) -> list[Statement]:
        return [parse_statement(entry).statement for entry in self.mine()]

    def mine(self) -> list[bytes]:
        return [entry for entry in self.lab.entries() if parse_statement(entry).header.sub == self.desk.source]


class HostLife(Life):
    """A host's."""

    def require_told(self) -> None:
        """What was sampled is stated so, once."""
        told = set[tuple[str, int]]()
        for statement in self.statements():
            for uid, minute, state in minutes(statement) if isinstance(statement.body, UsageBody) else ():
                assert (uid, minute) not in told, "an interval is stated twice"
                told.add((uid, minute))
                if state is State.SAMPLED:
                    assert {minute, minute + 1} <= self.promised.tried
                else:
                    assert not {minute, minute + 1} <= self.promised.samples, f"{uid} {minute} is lost"
        assert told == {(uid, m) for uid in UIDS for m in range(min(self.promised.samples), self.ends())}

    def ends(self) -> int:
        """The minute until which windows are closed."""
        return (self.clock.wall_ms() // 1000 - MINUTE) // WINDOW * WINDOW // MINUTE - START // MINUTE


class MeterLife(Life, MeterAgent):
    """A meter's."""

    @classmethod
    def begun(cls, lab: Lab, who: str, at_ms: int, promised: Promised) -> Self:
        life = super().begun(lab, who, at_ms, promised)
        life.registers = Registers(life.clock)
        return life

    def require_told(self) -> None:
        """What was read is stated, once, but for what stands at the edge of two windows."""
        edges = {(statement.end - START) // MINUTE for statement in self.statements()}
        for node in NODES:
            told = Counter(minute for minute, _ in readings(self.lab, node))
            due = {minute for minute in self.promised.samples if minute <= max(edges)}
            assert due <= told.keys() <= self.promised.tried
            assert {minute for minute, times in told.items() if times > 1} <= edges
            assert max(told.values()) <= 2


@dataclass
class Moment:
    """Where a life stood when it was cut short: the site's log, and when it was."""

    log: Left
    true_ms: int
    promised: Promised


@dataclass
class Found:
    """Each different state that was left, but for files that are put whole and were not yet, with its first and its
    last moment."""

    states: dict[tuple[tuple[str, bytes | None], ...], tuple[Left, list[Moment]]] = field(default_factory=dict)

    def add(self, left: Left, moment: Moment) -> None:
        key = tuple((name, data) for name, data in left.items() if name.rsplit("/")[-1] != outbox.TEMPORARY)
        first = self.states[key][1][:1] if key in self.states else []
        self.states[key] = left, [*first, moment]


def begin(kind: type[Life], lab: Lab, who: str) -> Life:
    """The life that is cut short."""
    life = kind.begun(lab, who, START * 1000, Promised())
    life.clock.end_ms = (START + END) * 1000
    life.clock.at = {
        4 * MINUTE + 10: lambda: setattr(life.desk, "away", True),
        6 * MINUTE + 10: lambda: setattr(life.desk, "away", False),
        7 * MINUTE + 50: life.desk.desk.seal,
        9 * MINUTE + 20: lambda: life.meeting().rotate(signer(life.keys[1])),
        11 * MINUTE + 50: life.desk.desk.seal,
    }
    return life


def live_on(kind: type[Life], lab: Lab, who: str, moment: Moment) -> Life:
    """From a moment on until a window is closed that has what was sampled before it, and there are all receipts."""
    life = kind.begun(lab, who, moment.true_ms + AWAY_MS, deepcopy(moment.promised))
    require_held(life)
    life.clock.start_again()
    life.clock.end_ms = (life.clock.true_ms // 1000 // WINDOW + 2) * WINDOW * 1000 + 2 * MINUTE * 1000
    life.run()
    life.desk.desk.seal()
    for _ in range(2):
        life.received()
    life.desk.desk.close()
    return life


def require_held(life: Life) -> None:
    """Of whatever the site's log has of the chain the agent has the receipt, or the statement to ask for it."""
    kept = life.path / "site"
    if not kept.exists():
        assert not life.mine()
        return
    with Outbox(kept / "box") as box:
        waiting = {signed.seq: signed.entry for signed in box.waiting()}
    for seq, entry in enumerate(life.mine()):
        receipt = kept / "receipts" / f"{seq:020}"
        if seq in waiting:
            assert waiting[seq] == entry
        else:
            assert receipt.with_suffix(".cose").read_bytes() == entry
            require_receipt(entry, receipt.with_suffix(".tlog-proof").read_bytes())


def require_receipt(entry: bytes, data: bytes) -> None:
    verify_receipt(parse_receipt(data), leaf_hash(entry), ORIGIN, VKEYS)


def require_kept(life: Life) -> None:
    """What was promised is kept."""
    promised, entries, kept = life.promised, life.lab.entries(), life.path / "site"
    mine = life.mine()
    life.lab.said(life.host)
    assert [statement.seq for statement in life.statements()] == list(range(len(mine)))
    assert all(before.end == after.start for before, after in pairwise(life.statements()))
    signed = [parse_sign1(entry) for entry in mine]
    assert promised.signed.keys() == {sig_structure1(each.protected, each.payload) for each in signed}
    life.require_told()
    lines = [json.loads(line) for line in (kept / "acknowledged.jsonl").read_text().splitlines()]
    acks = {Ack(line["seq"], line["index"], bytes.fromhex(line["leaf"])) for line in lines}
    assert promised.acks <= acks <= {Ack(seq, entries.index(entry), leaf_hash(entry)) for seq, entry in enumerate(mine)}
    for seq, entry in enumerate(mine):
        receipt = kept / "receipts" / f"{seq:020}.tlog-proof"
        assert receipt.with_suffix(".cose").read_bytes() == entry
        require_receipt(entry, receipt.read_bytes())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path, ("n1",), meters=("m1",), metered=dict.fromkeys(NODES, METER))
    made.make()
    return made


@pytest.mark.parametrize(("kind", "who"), [(HostLife, "n1"), (MeterLife, "m1")])
@pytest.mark.parametrize("lucky", [False, True], ids=["all-lost", "some-kept"])
def test_power_lost_before_every_change_of_the_disk(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, kind: type[Life], who: str, lucky: bool
) -> None:
    """What was not synced is lost; or some of it is kept, torn or out of order, which 50 states are drawn of."""
    life, found, rng = begin(kind, lab, who), Found(), random.Random("attest agent power")

    def before(at: int) -> None:
        left = volatile.left(rng if lucky else None)
        assert left is not None
        found.add(left, Moment(found_in(lab.log), life.clock.true_ms, deepcopy(life.promised)))

    with pytest.MonkeyPatch.context() as patch:
        volatile = Volatile(patch, life.path, before)
        life.run()
    volatile.close()
    life.desk.desk.close()
    assert len(life.mine()) == 4
    assert len(life.promised.receipts) >= 2
    states = list(found.states.values())
    assert len(states) > 50
    folder = tmp_path_factory.mktemp("left")
    for number, (left, moments) in enumerate(rng.sample(states, 50) if lucky else states):
        for place, moment in enumerate(moments):
            path = folder / f"{number}-{place}"
            path.mkdir()
            write_down(moment.log, path / "log")
            write_down(left, path / f"agent-{who}")
            require_kept(live_on(kind, replace(lab, path=path), who, moment))
