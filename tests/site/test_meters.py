"""Recorders of meters that hand their statements to a site's log over real HTTPS: the lab's own, and independent."""

import json
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from attest.errors import AgreementError, AttestError
from attest.format.block import Binding, commit, format_meter, parse_meter
from attest.format.bodies import Channel, MeterBody
from attest.format.key_acts import KeysBody
from attest.format.note import format_vkey
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind, Quantity, Role
from attest.log.merkle import leaf_hash
from attest.record.asking import Asking
from attest.record.closing import Window
from attest.record.config import parse_config
from attest.record.kept import Kept
from attest.record.meeting import Meeting
from attest.record.meters import Meter
from attest.record.metrics import Metrics
from attest.record.recorder import Recorder, Times
from attest.record.remote import SiteLog
from attest.record.site import Site
from attest.record.site_folder import FolderSite
from attest.record.spool import Spool
from attest.sign.statements import header_for, sign_statement
from attest.simulate.cast import Identity
from attest.simulate.pact import Pact, Phase
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter
from tests.cli.sandbox import write_key
from tests.collect.hostile import Chunks, reply, serve
from tests.collect.test_import import START
from tests.record.killed import recording, until
from tests.record.rig import MILLIWATTS, MINUTE, PlayedClock, Stopped
from tests.record.test_meters import NODES, Registers
from tests.site.agent import Agent
from tests.site.rig import VKEYS, Lab, signer, sub
from tests.site.test_folder import collect

METER, ACME = sub("m1"), Identity("acme")


@dataclass
class MeterAgent(Agent):
    """A meter's recorder with a played clock."""

    registers: Registers | None = None
    uri: str = METER
    role: Role = Role.METER

    @classmethod
    def beside(cls, lab: Lab, minutes: int, site: Site | None = None, uri: str = METER) -> "MeterAgent":
        clock = PlayedClock(START * 1000, (START + minutes * MINUTE) * 1000)
        reached = site or lab.site("m1", uri=uri)
        return cls(lab, "m1", clock, reached, ("m1",), registers=Registers(clock), uri=uri)

    def meeting(self) -> Meeting:
        keys = [lambda key=key: self.opened(key) for key in self.keys]
        return Meeting(self.site, self.uri, VKEYS, keys, self.kept, self.role)

    def log(self, spool: Spool) -> SiteLog:
        window = Window(self.interval, self.window, 40 * 86_400)
        meter = Meter({}, 2) if self.role is Role.METER else None
        return SiteLog(self.meeting(), spool, window, self.path / "causes.jsonl", meter)

    def recorder(self, spool: Spool) -> Recorder:
        assert self.registers is not None
        times = Times(self.interval, 5, self.window, self.seal, self.interval / 2 + 1)
        return Recorder(times, self.clock, Asking([self.registers]), spool, self.log(spool), Metrics())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path, ("n1",), meters=("m1",), metered=dict.fromkeys(NODES, METER))
    made.make()
    return made


def said(lab: Lab, uri: str = METER) -> list[tuple[Statement, bytes | None]]:
    """The meter's statements in the order of the log, each with its block."""
    with LogWriter.open(lab.log, read_only=True) as log:
        held = [(parse_statement(log.entry(i)), log.block(i)) for i in range(log.size + log.pending)]
    mine = [(signed.statement, block) for signed, block in held if signed.header.sub == uri]
    assert [statement.seq for statement, _ in mine] == list(range(len(mine)))
    return mine


def readings(lab: Lab, node: str = NODES[0], uri: str = METER) -> list[tuple[int, int]]:
    """Minute and value of every reading that statements have of a feed."""
    found = []
    for statement, block in said(lab, uri):
        body = statement.body
        if not isinstance(body, MeterBody):
            continue
        assert block is not None and statement.log is not None
        place = [channel.feed for channel in body.channels].index(node)
        values, at = parse_meter(block, Binding(statement.log, uri, statement.seq), body)[place]
        times = (statement.start - START) * 1000 + at.astype(int)
        found += [(ms // 60_000, value) for ms, value in zip(times.tolist(), values.tolist(), strict=True)]
    return found


def minutes(lab: Lab, uri: str = METER) -> list[int]:
    return [minute for minute, _ in readings(lab, uri=uri)]


def test_a_meter_hands_on_its_readings_each_once_with_the_edges_of_its_windows(lab: Lab) -> None:
    agent = MeterAgent.beside(lab, 32)
    with lab.serving():
        agent.run()
        for node in NODES:
            assert [minute for minute, _ in readings(lab, node)] == [*range(1, 11), *range(10, 21), *range(20, 31)]
        bodies = [statement.body for statement, _ in said(lab)]
        assert {body.clock_uncertainty for body in bodies if isinstance(body, MeterBody)} == {2}
        lab.stop()
        lab.start()  # which seals
        assert agent.received() == 3
    values = dict(readings(lab))
    assert values[30] - values[1] == 29 * MINUTE * MILLIWATTS


def test_a_site_that_is_away_and_a_recorder_that_is_killed_lose_no_reading(lab: Lab) -> None:
    agent = MeterAgent.beside(lab, 42)

    def kill() -> None:
        raise Stopped

    agent.clock.at = {14 * MINUTE + 20: kill}
    agent.run()
    assert said(lab) == []
    agent.clock.at = {25 * MINUTE: lab.start}
    try:
        agent.run()
        agent.closed()
    finally:
        lab.stop()
    assert minutes(lab) == [*range(1, 11), *range(10, 21), *range(20, 31), *range(30, 41)]


def test_over_a_silence_the_register_goes_on_from_what_the_last_statement_ended_with(lab: Lab) -> None:
    """The statement and its block have a receipt, the spool has let go of the reading: it is repeated all the same."""
    agent = MeterAgent.beside(lab, 14)
    registers = agent.registers
    assert registers is not None
    agent.clock.at = {5 * MINUTE + 20: lambda: setattr(registers, "silent", True)}
    with lab.serving():
        agent.run()
        lab.stop()
        lab.start()
        assert agent.received() == 1
        with Outbox(agent.kept.box) as box:
            assert list(box.waiting()) == []
        agent.clock.at = {31 * MINUTE - 1: lambda: setattr(registers, "silent", False)}
        agent.run(28)
    assert minutes(lab) == [1, 2, 3, 4, 5, 5, *range(31, 41)]
    values = dict(readings(lab))
    assert values[31] - values[5] == 26 * MINUTE * MILLIWATTS


def test_what_a_chain_ends_with_is_of_one_time_and_one_quantity(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "site")
    assert kept.opening(None, Quantity.REGISTER) == {}
    kept.keep_opening(600, int(Quantity.REGISTER), {"node_0": 7})
    assert kept.opening(600, int(Quantity.REGISTER)) == {"node_0": 7}
    assert kept.opening(600, int(Quantity.GAUGE_POWER)) == kept.opening(660, int(Quantity.REGISTER)) == {}


def test_a_meters_key_is_rotated_in_its_own_chain(lab: Lab) -> None:
    agent = MeterAgent.beside(lab, 12)
    with lab.serving():
        agent.run()
        agent.meeting().rotate(signer("m1 next"))
        agent.keys = ("m1 next", "m1")
        agent.run(10)
    assert [type(statement.body) for statement, _ in said(lab)] == [MeterBody, KeysBody, MeterBody]
    assert minutes(lab) == [*range(1, 11), 10, 11, *range(13, 21)]  # it is begun again at 12
    assert parse_statement(lab.entries()[-1]).header.kid == signer("m1 next").public_key().thumbprint


def test_nothing_is_signed_as_another_than_the_log_enrols(lab: Lab) -> None:
    """A statement that the log would refuse for its kind would end the chain."""
    agent = MeterAgent.beside(lab, 12)
    agent.role = Role.HOST
    with lab.serving():
        agent.run()
        with pytest.raises(AttestError, match="import/role"):
            agent.closed()
        with Outbox(agent.kept.box) as box:
            assert list(box.waiting()) == [] and not box.drafts
        agent.role = Role.METER
        agent.run(2)
        with pytest.raises(AttestError, match="import/role"):
            MeterAgent.beside(lab, 12, uri=sub("n1")).closed()
    assert minutes(lab) == list(range(1, 11))


def test_a_feed_that_no_inventory_gives_it_is_in_no_statement(lab: Lab) -> None:
    agent = MeterAgent.beside(lab, 12)
    assert agent.registers is not None
    agent.registers.nodes = ("outlet 8", "outlet 9")
    with lab.serving():
        agent.run()
        with pytest.raises(AttestError, match="import/feed"):
            agent.closed()
        assert said(lab) == []
        agent.registers.nodes = ("node_0", "outlet 9")
        agent.run(10)
    assert minutes(lab) == list(range(13, 21))


def test_a_meter_and_its_site_meet_in_a_folder(lab: Lab) -> None:
    drop = lab.path / "drop"
    drop.mkdir()
    agent = MeterAgent.beside(lab, 22, cast(Site, FolderSite(drop, METER, VKEYS)))
    collect(lab)
    agent.run()
    collect(lab)
    agent.closed()
    collect(lab)
    assert minutes(lab) == [*range(1, 11), *range(10, 21)]


# -- independent meters, whose keys the agreement has


def agreed(path: Path, name: str = "acme") -> None:
    """The signed agreement that names the meter of a site."""
    pact = Pact((Identity(name),), (Phase("pause", START, START + 86_400, ({"kind": "coverage", "share": "90 %"},)),))
    (path / "pact.agreement").write_bytes(pact.signed())


@pytest.fixture
def agreeing(tmp_path: Path) -> Lab:
    """A lab whose site has the agreement, and whose feeds are metered by a meter that it names."""
    made = Lab(tmp_path, ("n1",), 'agreement = "pact.agreement"', metered=dict.fromkeys(NODES, ACME.meter))
    agreed(tmp_path)
    made.make()
    return made


def independent(lab: Lab, minutes: int) -> MeterAgent:
    agent = MeterAgent.beside(lab, minutes, uri=ACME.meter)
    agent.keys, agent.opened = ("meter",), ACME.key
    return agent


def test_an_independent_meter_is_taken_by_the_key_that_the_agreement_names(agreeing: Lab) -> None:
    agent = independent(agreeing, 12)
    with agreeing.serving():
        agent.run()
        agent.meeting().rotate(ACME.key("the meter's next"))
        agent.keys = ("the meter's next", "meter")
        agreeing.stop()
        agreeing.start()  # what is known of the rotation now stands in the log
        agent.run(10)
        assert agent.received() >= 2
    assert [type(statement.body) for statement, _ in said(agreeing, ACME.meter)] == [MeterBody, KeysBody, MeterBody]
    assert minutes(agreeing, ACME.meter) == [*range(1, 11), 10, 11, *range(13, 21)]
    headers = [parse_statement(entry).header for entry in agreeing.entries()]
    assert {header.iss for header in headers if header.sub == ACME.meter} == {ACME.meter_iss}


def test_nobody_else_speaks_for_an_independent_meter(agreeing: Lab) -> None:
    """The host's certificate opens the door, and another key signs what would be the meter's first statement."""
    agent = independent(agreeing, 12)
    with agreeing.serving():
        other = independent(agreeing, 12)
        other.folder, other.opened = "other", lambda _: signer("n1")
        with pytest.raises(AttestError, match="key/not-enrolled"):
            other.closed()
        log = leaf_hash(agreeing.entries()[0])
        block = format_meter(bytes(32), Binding(log, ACME.meter, 0), Quantity.REGISTER, [([7], [0])])
        body = MeterBody(Quantity.REGISTER, None, 0, None, (Channel("node_0", 1, 0),), commit(block))
        statement = Statement(Kind.METER, log, 0, log, START, START + 60, None, body)
        for key, code in ((signer("n1"), "key/header"), (ACME.key("another meter"), "key/unknown")):
            entry = sign_statement(header_for(key, ACME.meter_iss, ACME.meter), statement, key)
            assert agent.site.hand_on([(entry, block)]).code == code
        agent.run()
    assert minutes(agreeing, ACME.meter) == list(range(1, 11))


def test_without_the_agreement_the_site_knows_no_such_meter(lab: Lab) -> None:
    with lab.serving(), pytest.raises(AttestError, match="remote/refused"):
        independent(lab, 12).closed()


@pytest.mark.parametrize("name", ["rival", None])
def test_a_site_that_is_of_no_such_agreement_does_not_begin(agreeing: Lab, name: str | None) -> None:
    if name is None:
        (agreeing.path / "pact.agreement").unlink()
    else:
        agreed(agreeing.path, name)
    words = [sys.executable, "-m", "attest", "site", "serve", "--config", str(agreeing.path / "site.toml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6
    assert f"attest: error: {'serve/agreement' if name else 'input/missing'}" in done.stderr


# -- as a process


def bmc(target: str) -> Chunks:
    joules = (time.time_ns() // 10**9 - 1_700_000_000) * MILLIWATTS // 1_000
    outlet = {"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": target, "EnergyJoules": {"LifetimeReading": joules}}
    return reply(json.dumps(outlet).encode(), "application/json")


def configured(lab: Lab, url: str) -> Path:
    cert, key = lab.authority.issue("m1")
    write_key(lab.path / "m1.key", "import m1")
    path = lab.path / "record.toml"
    path.write_text(
        'keys = ["m1.key"]\nspool = "spool"\ninterval = "1 s"\nwindow = "2 s"\nseal = "1 s"\n'
        f'[site]\nsource = "{METER}"\nvkeys = ["{format_vkey(VKEYS[0])}"]\nurl = "https://127.0.0.1:{lab.port}"\n'
        f'ca = "{lab.authority.file}"\ncert = "{cert}"\ncert_key = "{key}"\n'
        '[meter]\nclock = "2 s"\n[meter.feeds]\n"PDU/1/Outlets/A1" = "node_0"\n'
        f'[[collect]]\nkind = "redfish"\nurl = "{url}/redfish/v1/PDU/1/Outlets/A1"\nca = "{lab.authority.file}"\n'
    )
    return path


def test_a_recorder_of_a_meter_is_killed_beside_its_site(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("n1",), 'seal = "1 s"', meters=("m1",), metered={"node_0": METER})
    lab.make()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*lab.authority.issue("bmc"))
    with serve(bmc, tls) as url, lab.serving():
        config = configured(lab, url)
        with recording(config) as process:
            until(lambda: lab.said("m1"))
            process.kill()
        before = len(lab.said("m1"))
        with recording(config) as process:
            until(lambda: len(lab.said("m1")) > before + 2)  # the first may be of a second, the others are of two
            process.send_signal(signal.SIGTERM)
            _, lines = process.communicate(timeout=20)
            assert process.returncode == 0, lines
    values = [value for _, value in readings(lab)]
    assert values == sorted(values) and len(set(values)) > 3
    assert list((tmp_path / "spool" / "site" / "receipts").glob("*.tlog-proof"))


@pytest.mark.parametrize("key", ["source", "issuer"])
def test_the_source_of_a_meter_is_that_of_its_site(lab: Lab, key: str) -> None:
    text = configured(lab, "https://127.0.0.1:1").read_text()
    assert parse_config(text, lab.path).meter is not None
    with pytest.raises(AgreementError) as info:
        parse_config(text.replace("[meter]\n", f'[meter]\n{key} = "https://grid.example"\n'), lab.path)
    assert (info.value.code, info.value.key) == ("record/meter", f"meter.{key}")
