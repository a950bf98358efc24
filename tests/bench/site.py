"""Fifty hosts and the log of their site, over real HTTPS on loopback, with faults injected: none lost, none doubled.

    python -m tests.bench.site [--hosts 50] [--statements 40] [--seed 7]

Each host signs its own chain through its outbox and hands it on as `attest record` does. Its connections are cut in the
middle, in one direction or the other; what it hands on comes again, or out of order; its process ends before or after
the site hears of it. The server is killed with SIGKILL again and again. One more host does nothing but flood the site.
In the end every entry of the log is counted: of each host every statement once, in order, as it was signed and with its
block, and a receipt of each that verifies.
"""

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import httpx
import numpy as np

from attest.collect.statements import Chain, Draft
from attest.compute.columns import format_spans
from attest.errors import AttestError
from attest.format.block import commit, format_usage
from attest.format.bodies import UsageBody
from attest.format.roster import format_roster
from attest.format.runs import NO_RUN
from attest.format.statement import parse_statement
from attest.format.upload import CONTENT_TYPE, Item, format_upload
from attest.format.vocabulary import Column, State
from attest.log.merkle import leaf_hash
from attest.log.proof import parse_receipt, verify_receipt
from attest.record.site import Answer, Site, parse_state, source_id
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter
from tests.collect.test_import import ORIGIN, START
from tests.site.agent import Agent
from tests.site.faults import Cut, Line
from tests.site.rig import VKEYS, Lab, Teller, roster, sub

WINDOW: Final = 21_600  # s
INTERVALS: Final = WINDOW // 60
FLOOD: Final = "flood"
SHARE: Final = 200  # statements that one source may add at once
LIMITS: Final = (
    f'seal = "1 s"\n[peer]\nrequests = 100000\nrequests_per_hour = 100000\n'
    f"[source]\nstatements = {SHARE}\nstatements_per_hour = 60\n"
)


class Killed(Exception):
    """The host's process ends here."""


@dataclass
class Rough:
    """A site on a bad day: what is handed on is not heard of, comes twice, or out of order."""

    site: Site
    draw: random.Random
    faults: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.site, name)

    def hand_on(self, items: Sequence[Item]) -> Answer:
        fault = self.draw.choice(("", "", "handed on twice", "reordered", "host killed before", "host killed after"))
        self.faults[fault] += 1
        if fault == "host killed before":
            raise Killed
        if fault == "reordered" and len(items) > 1:
            answer = self.site.hand_on([*items[1:], items[0]])
            if not answer.taken and answer.code != "chain/gap":  # what was there already may have come first
                raise AssertionError(f"out of order, and answered {answer}")
        answer = self.site.hand_on(items)
        if fault == "handed on twice" and self.site.hand_on(items).taken != answer.taken:
            raise AssertionError("the same, and answered otherwise")
        if fault == "host killed after":
            raise Killed
        return answer


class Bench:
    """A run: the lab, what its hosts signed, and what befell them."""

    def __init__(self, lab: Lab, statements: int, seed: int) -> None:
        self.lab, self.statements, self.seed = lab, statements, seed
        self.roster = commit(format_roster(roster(lab.hosts))).digest
        self.faults: Counter[str] = Counter()
        self.poured = 0
        self.sent: dict[str, dict[int, bytes]] = {host: {} for host in lab.hosts}
        self.over = threading.Event()
        self._guard = threading.Lock()

    def host(self, host: str) -> None:
        """Signs so many statements and hands them on, until each has its receipt."""
        draw = random.Random(f"{self.seed} {host}")
        cuts: list[Cut] = [
            (draw.randrange(200, 40_000), None) if draw.random() < 0.5 else (None, draw.randrange(200, 12_000))
            for _ in range(12)
        ]
        faults: Counter[str] = Counter()
        with Line(self.lab.port, cuts).open() as line:
            done = False
            while not done:
                site = self.lab.site(host, line.port)
                rough = Rough(cast(Site, site), draw)
                try:
                    done = self._life(Agent.of(self.lab, host, 0, cast(Site, rough)), draw)
                except Killed:
                    pass
                except AttestError as error:
                    faults[error.code] += 1
                    time.sleep(draw.random() / 4)
                site.close()
                faults += rough.faults
        with self._guard:
            self.faults += faults + Counter({"connections cut": line.cut})

    def _life(self, agent: Agent, draw: random.Random) -> bool:
        """One process: signs a few, hands on, asks for receipts. Whether all is done."""
        meeting, sent = agent.meeting(), self.sent[agent.host]
        with Outbox(meeting.kept.box) as box:
            _, state, outgoing = meeting.go_on(box)
            for _ in range(min(draw.randrange(1, 8), self.statements - outgoing.chain.seq)):
                outgoing.append_once([self._draft(outgoing.chain, draw)], box)
            for signed in box.waiting():
                if sent.setdefault(signed.seq, signed.entry) != signed.entry:
                    raise AssertionError(f"{agent.host} signed seq {signed.seq} twice")
            meeting.hand_on(box, state.seq)
            if outgoing.chain.seq < self.statements:
                return False
            meeting.receive(box)
            return next(box.waiting(), None) is None

    def _draft(self, chain: Chain, draw: random.Random) -> Draft:
        """Six hours of two devices, a reading a minute."""
        energy = np.array([draw.randrange(10**7, 4 * 10**7) for _ in range(2 * INTERVALS)], np.int64)
        block = format_usage(draw.randbytes(32), chain.binding(0), {int(Column.ENERGY): energy})
        spans = format_spans((device * INTERVALS, int(State.SAMPLED), NO_RUN) for device in range(2))
        body = UsageBody(60, self.roster, 2, commit(block), (int(Column.ENERGY),), (), spans, ())
        start = START if chain.until is None else chain.until
        return Draft(start, start + WINDOW, body, block)

    def flood(self) -> None:
        """Whatever a host with a key and a certificate can pour into the site: always what would come next."""
        teller, path = Teller(self.lab, FLOOD), f"/sources/{source_id(sub(FLOOD))}"
        while not self.over.is_set():
            try:
                with self.lab.client(FLOOD) as client:
                    reply = client.get(path)
                    if reply.status_code == 200:
                        state = parse_state(reply.content)
                        teller.seq, teller.prev, teller.until = state.seq, state.prev, state.until or START
                    body = format_upload([teller.next() for _ in range(64)])
                    client.post(f"{path}/entries", content=body, headers={"Content-Type": CONTENT_TYPE})
                    self.poured += 64
            except httpx.TransportError:
                time.sleep(0.05)  # the server is being killed

    def kill(self, every: float) -> int:
        """Kills the server so often until all hosts are done; how often."""
        kills = 0
        while not self.over.wait(every):
            self.lab.kill()
            self.lab.start()
            kills += 1
        return kills

    def run(self) -> tuple[float, int]:
        """Seconds, and how often the server was killed."""
        hosts = [host for host in self.lab.hosts if host != FLOOD]
        begun = time.monotonic()
        with self.lab.serving(), ThreadPoolExecutor(len(hosts) + 2) as pool:
            killing, flooding = pool.submit(self.kill, 5.0), pool.submit(self.flood)
            try:
                for each in [pool.submit(self.host, host) for host in hosts]:
                    each.result()
                seconds = time.monotonic() - begun
            finally:
                self.over.set()
            flooding.result()
            return seconds, killing.result()

    def count(self) -> dict[str, int]:
        """What the log holds of what was signed."""
        found: Counter[tuple[str, int]] = Counter()
        out = dict.fromkeys(("statements", "lost", "doubled", "blocks", "receipts", "of the flood"), 0)
        with LogWriter.open(self.lab.log) as log:
            for index in range(log.size + log.pending):
                signed = parse_statement(log.entry(index))
                body = signed.statement.body
                if isinstance(body, UsageBody):
                    host = signed.header.sub.rpartition("/")[2]
                    out["of the flood"] += host == FLOOD
                    if host != FLOOD and log.entry(index) == self.sent[host].get(signed.statement.seq):
                        found[host, signed.statement.seq] += 1
                        block = log.block(index)
                        assert block is not None and body.block is not None
                        out["blocks"] += sha256(block).digest() == body.block.digest
        for host in self.lab.hosts:
            if host != FLOOD:
                assert self.lab.said(host) == list(range(self.statements))
                out["receipts"] += self._receipts(host)
        out["statements"] = sum(len(sent) for sent in self.sent.values())
        out["lost"] = sum(not found[host, seq] for host, sent in self.sent.items() for seq in sent)
        out["doubled"] = sum(times - 1 for times in found.values())
        return out

    def _receipts(self, host: str) -> int:
        folder = self.lab.path / f"agent-{host}" / "site" / "receipts"
        for seq, entry in self.sent[host].items():
            receipt = parse_receipt((folder / f"{seq:020}.tlog-proof").read_bytes())
            verify_receipt(receipt, leaf_hash(entry), ORIGIN, VKEYS)
        return len(self.sent[host])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--statements", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), (*(f"n{number}" for number in range(1, options.hosts + 1)), FLOOD), LIMITS)
        lab.make()
        bench = Bench(lab, options.statements, options.seed)
        seconds, kills = bench.run()
        counted = bench.count()
    print(f"{options.hosts} hosts, {counted['statements']:,} statements in {seconds:.0f} s", end="")
    print(f" ({counted['statements'] / seconds:.0f} a second), the server killed {kills} times")
    print(f"lost {counted['lost']}, doubled {counted['doubled']}, receipts {counted['receipts']:,}")
    print(f"a host that floods: {bench.poured:,} statements poured in, {counted['of the flood']:,} in the log", end="")
    print(f" (its share is {SHARE} after each start)")
    for fault, times in sorted(bench.faults.items(), key=lambda pair: -pair[1]):
        if fault:
            print(f"{times:>7,}  {fault}")


if __name__ == "__main__":
    main()
