"""A lab of many hosts: a log with enrolled sources, the site's server as a process, and hosts that sign by hand."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx

from attest.compute.columns import format_spans
from attest.format.act import CONTENT_TYPE, GenesisAct, format_act, possession
from attest.format.block import Binding, commit, format_usage
from attest.format.bodies import Body, GenesisBody, InventoryBody, UsageBody
from attest.format.key_acts import Enrol, KeysBody, Rotate
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.runs import NO_RUN
from attest.format.statement import Statement, parse_statement
from attest.format.upload import Item
from attest.format.vocabulary import Column, Kind, Role, State
from attest.log.merkle import leaf_hash
from attest.record.chain import sign_next
from attest.record.site_http import HttpSite
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter
from attest.trust.notes import log_vkey
from tests.cli.sandbox import write_key
from tests.collect.test_import import ISS, OFFICE, ORIGIN, START, enrolment
from tests.record.rig import UIDS
from tests.site.certificates import Authority

VKEYS = (log_vkey(ORIGIN, seeded_key("import log").public_key()),)


def sub(name: str) -> str:
    return f"{ISS}/dc1/{name}"


def signer(name: str) -> Signer:
    return seeded_key(f"import {name}")


def roster(hosts: tuple[str, ...], uids: tuple[str, ...] = UIDS, metered: Mapping[str, str] = {}) -> Roster:
    """`metered` has the URI of the meter of each feed."""
    devices = {host: tuple(Device(f"{host}-{uid}", "NVIDIA H100 SXM5 80GB", 0) for uid in uids) for host in hosts}
    feeds = tuple(Feed(feed, None, meter) for feed, meter in metered.items()) or (Feed("dc1", None, None),)
    return Roster(feeds, tuple(Host(sub(host), devices[host]) for host in hosts))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Lab:
    """A log with hosts, and the server that keeps it; `more` is what else stands in site.toml, `meters` are the lab's
    own, `metered` has the URI of the meter of each feed."""

    path: Path
    hosts: tuple[str, ...]
    more: str = ""
    port: int = field(default_factory=free_port)
    metrics: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    words: tuple[str, ...] = (sys.executable, "-m", "attest")
    meters: tuple[str, ...] = ()
    metered: Mapping[str, str] = field(default_factory=dict)

    def make(self) -> None:
        office = signer("office")
        public = office.public_key()
        act = GenesisAct(ORIGIN, ISS, OFFICE, int(public.alg), public.raw, None)
        document = sign_document(format_act(act), CONTENT_TYPE, [signer("root")])
        genesis = Statement(Kind.GENESIS, None, 0, None, START - 60, START - 60, None, GenesisBody(document))
        entry = sign_statement(header_for(office, ISS, OFFICE), genesis, office)
        with LogWriter.create(self.log, ORIGIN) as log:
            log.append(entry)
            roles = [*((host, Role.HOST) for host in self.hosts), *((meter, Role.METER) for meter in self.meters)]
            for name, role in roles:
                act_ = enrolment(leaf_hash(entry), sub(name), role, name)
                sign_next(log, office, Kind.KEYS, KeysBody((act_,)), START - 60)
            self.declare(log, roster(self.hosts, metered=self.metered), START - 60)
        write_key(self.path / "log.key", "import log")
        cert, key = self.authority.issue("site")
        (self.path / "site.toml").write_text(
            f'log = "log"\nlog_keys = ["log.key"]\nmetrics = {self.metrics}\n{self.more}\n[listen]\n'
            f'address = "127.0.0.1:{self.port}"\ncert = "{cert}"\ncert_key = "{key}"\n'
            f'clients = "{self.authority.file}"\n'
        )

    @property
    def log(self) -> Path:
        return self.path / "log"

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.path)

    @staticmethod
    def declare(log: LogWriter, declared: Roster, at: int) -> None:
        body = format_roster(declared)
        sign_next(log, signer("office"), Kind.INVENTORY, InventoryBody(commit(body), declared.count()), at, body)

    # -- the server

    def start(self) -> None:
        words = [*self.words, "site", "serve", "--config", str(self.path / "site.toml")]
        with (self.path / "server.log").open("ab") as log:
            self.process = subprocess.Popen(words, stderr=log)
        end = time.monotonic() + 30
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, (self.path / "server.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    @contextmanager
    def serving(self) -> Iterator["Lab"]:
        self.start()
        try:
            yield self
        finally:
            assert self.process is not None
            if self.process.poll() is None:
                self.stop()

    def metric(self, name: str) -> float:
        """The value of a metric, 0 where it is not there."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics}/metrics").text
        found = re.search(rf"(?m)^{re.escape(name)} (\S+)$", text)
        return float(found[1]) if found else 0.0

    # -- clients

    def client(self, host: str) -> httpx.Client:
        """Raw HTTPS with a host's certificate."""
        import ssl

        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.load_cert_chain(*self.authority.issue(host))
        return httpx.Client(base_url=f"https://127.0.0.1:{self.port}/v1", verify=context, timeout=30)

    def site(self, host: str, port: int | None = None, uri: str | None = None) -> HttpSite:
        url = f"https://127.0.0.1:{port or self.port}"
        return HttpSite(url, uri or sub(host), str(self.authority.file), self.authority.issue(host))

    # -- what the log holds

    def entries(self) -> list[bytes]:
        with LogWriter.open(self.log, read_only=True) as log:
            return [log.entry(index) for index in range(log.size + log.pending)]

    def said(self, host: str) -> list[int]:
        """The seqs of a host's statements in the order of the log, each the next link of its chain."""
        seqs, last = [], None
        for entry in self.entries():
            signed = parse_statement(entry)
            if signed.header.sub == sub(host):
                if last is not None:
                    assert signed.statement.prev == leaf_hash(last)
                    assert signed.statement.start == parse_statement(last).statement.end
                last = entry
                seqs.append(signed.statement.seq)
        return seqs


class Teller:
    """A host that says something of a minute at a time, with a block of as many bytes as it likes."""

    def __init__(self, lab: Lab, host: str, key: str | None = None) -> None:
        entries, self.lab = lab.entries(), lab
        self.log = leaf_hash(entries[0])
        self.host, self.key = host, signer(key or host)
        self.seq, self.until = 0, START
        for entry in entries:
            body = parse_statement(entry).statement.body
            if isinstance(body, KeysBody) and isinstance(body.acts[0], Enrol) and body.acts[0].sub == sub(host):
                self.prev = leaf_hash(entry)
        self.roster = commit(format_roster(roster(lab.hosts))).digest

    def go_on(self) -> None:
        """Where the host's chain stands in the log."""
        for entry in self.lab.entries():
            signed = parse_statement(entry)
            if signed.header.sub == sub(self.host):
                self._after(entry)

    def _after(self, entry: bytes) -> None:
        statement = parse_statement(entry).statement
        self.prev, self.seq, self.until = leaf_hash(entry), statement.seq + 1, statement.end

    def rotate(self, name: str) -> Item:
        """A statement that names the next key."""
        key = signer(name).public_key()
        proof = signer(name).sign(possession(self.log, sub(self.host), Role.HOST, int(key.alg), key.raw))
        return self._signed(Kind.KEYS, 0, KeysBody((Rotate(int(key.alg), key.raw, proof),))), None

    def next(self, intervals: int = 0) -> Item:
        """The next statement, with a block of so many intervals, none: nothing was sampled."""
        interval = 60 if not intervals else 1
        length = intervals or 60
        state = State.SAMPLED if intervals else State.MISSING
        spans = format_spans((device * (length // interval), int(state), NO_RUN) for device in range(2))
        block, columns = None, ()
        if intervals:
            import numpy as np

            binding = Binding(self.log, sub(self.host), self.seq)
            values = np.arange(2 * intervals, dtype=np.int64) * 1_000_003 % (1 << 30)
            block = format_usage(bytes(32), binding, {int(Column.ENERGY): values})
            columns = (int(Column.ENERGY),)
        body = UsageBody(interval, self.roster, 2, commit(block) if block else None, columns, (), spans, ())
        return self._signed(Kind.USAGE, length, body), block

    def _signed(self, kind: Kind, length: int, body: Body) -> bytes:
        made = Statement(kind, self.log, self.seq, self.prev, self.until, self.until + length, None, body)
        entry = sign_statement(header_for(self.key, ISS, sub(self.host)), made, self.key)
        self._after(entry)
        return entry
