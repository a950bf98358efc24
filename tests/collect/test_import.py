"""`attest import` from files to a log: what is appended, what is refused, what is printed; nothing twice."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.cli.main import main
from attest.control import Source
from attest.evidence.meter import Row, read_meter
from attest.facts import Link, follows
from attest.format.act import CONTENT_TYPE, GenesisAct, format_act, possession
from attest.format.block import Binding, commit, parse_meter
from attest.format.bodies import CloseBody, GenesisBody, InventoryBody, MeterBody, UsageBody
from attest.format.cose import verify_sign1
from attest.format.key_acts import Enrol, KeysBody, Rotate
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.statement import Signed, Statement, parse_statement
from attest.format.vocabulary import Kind, Quantity, Role
from attest.log.merkle import leaf_hash
from attest.record.chain import sign_next
from attest.sign.documents import sign_document
from attest.sign.notes import sign_note
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter

ORIGIN, ISS = "acme.example/dc1", "https://acme.example"
OFFICE, METER, HOST = f"{ISS}/office", f"{ISS}/dc1/meter", f"{ISS}/dc1/n1"
START = 1_745_514_000
T = START * 1000


def feed_roster(feeds: tuple[str, ...] = ("node_0", "node_1"), uids: tuple[str, ...] = ("GPU-0", "GPU-1")) -> Roster:
    return Roster(
        tuple(Feed(name, None, METER) for name in feeds),
        (Host(HOST, tuple(Device(uid, "NVIDIA H100 SXM5 80GB", 0) for uid in uids)),),
    )


@dataclass
class Site:
    """A log with an office, a meter and a host, their key files, and the command."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def log(self) -> Path:
        return self.path / "log"

    def key(self, name: str) -> Path:
        path = self.path / f"{name}.key"
        if not path.exists():
            private: Any = seeded_key(f"import {name}")
            path.touch(0o600)
            path.write_bytes(private._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    def file(self, name: str, text: str) -> str:
        (self.path / name).write_text(text)
        return str(self.path / name)

    def run(self, *words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as info:
            main(["import", *map(str, words)])
        out, err = self.capsys.readouterr()
        return int(info.value.code or 0), out, err

    def power(self, text: str, *words: object) -> tuple[int, str, str]:
        name = self.file("power.csv", text)
        return self.run("power", name, "--log", self.log, "--key", self.key("meter"), *words)

    def entries(self, sub: str) -> list[tuple[int, Signed]]:
        with LogWriter.open(self.log) as log:
            all_ = [parse_statement(log.entry(index)) for index in range(log.size + log.pending)]
        return [(index, signed) for index, signed in enumerate(all_) if signed.header.sub == sub]

    def statements(self, sub: str) -> list[Statement]:
        """A source's statements, after seeing that they are a chain that its key signed."""
        with LogWriter.open(self.log) as log:
            leaves = [leaf_hash(log.entry(index)) for index in range(log.size + log.pending)]
        entries = self.entries(sub)
        source = Source(1, sub, ISS, Role.METER, leaves[1], False)
        last = None
        for index, (_, statement) in [(i, (s, s.statement)) for i, s in entries]:
            assert statement.log == leaves[0]
            link = Link(index, statement.seq, statement.prev or b"", leaves[index], statement.start, statement.end)
            assert follows(source, last, link) is None
            last = link
        return [signed.statement for _, signed in entries]


def signer(name: str) -> Signer:
    return seeded_key(f"import {name}")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    found(tmp_path / "log")
    return Site(tmp_path, capsys)


def found(log: Path) -> None:
    """A log whose office has enrolled a meter and a host, and declared two accelerators."""
    office = signer("office")
    public = office.public_key()
    act = GenesisAct(ORIGIN, ISS, OFFICE, int(public.alg), public.raw, None)
    document = sign_document(format_act(act), CONTENT_TYPE, [signer("root")])
    genesis = Statement(Kind.GENESIS, None, 0, None, START - 60, START - 60, None, GenesisBody(document))
    entry = sign_statement(header_for(office, ISS, OFFICE), genesis, office)
    with LogWriter.create(log, ORIGIN) as writer:
        writer.append(entry)
        enrolments = [
            enrolment(leaf_hash(entry), *who) for who in ((METER, Role.METER, "meter"), (HOST, Role.HOST, "host"))
        ]
        sign_next(writer, office, Kind.KEYS, KeysBody(tuple(enrolments)), START - 60)
        declare(writer, feed_roster(), START - 60)


def enrolment(log: bytes, sub: str, role: Role, name: str) -> Enrol:
    key = signer(name).public_key()
    return Enrol(sub, role, int(key.alg), key.raw, signer(name).sign(possession(log, sub, role, int(key.alg), key.raw)))


def declare(log: LogWriter, roster: Roster, at: int) -> None:
    body = format_roster(roster)
    sign_next(log, signer("office"), Kind.INVENTORY, InventoryBody(commit(body), roster.count()), at, body)


def seal(site: Site) -> None:
    with LogWriter.open(site.log) as log:
        log.seal(lambda text: sign_note(text, ORIGIN, [signer("log")]))


def csv(first: int, last: int, *, nodes: tuple[str, ...] = ("node_0",), watts: int = 500, step: int = 1) -> str:
    """Readings at the seconds [first, last] after START."""
    rows = [f"{START + s},{node},{watts}" for s in range(first, last + 1, step) for node in nodes]
    return "time,node,watts\n" + "\n".join(rows) + "\n"


def readings(site: Site) -> dict[str, list[tuple[int, int]]]:
    """By feed what the meter's statements say: (ms after START, mW), each statement's closing reading once."""
    said: dict[str, list[tuple[int, int]]] = {}
    with LogWriter.open(site.log) as log:
        for index, signed in site_entries(log, METER):
            statement = signed.statement
            if isinstance(statement.body, MeterBody):
                binding = Binding(statement.log or b"", METER, statement.seq)
                channels = parse_meter(log.block(index) or b"", binding, statement.body)
                for channel, (values, at) in zip(statement.body.channels, channels, strict=True):
                    base = statement.start * 1000 - T
                    said.setdefault(channel.feed, []).extend(zip((at + base).tolist(), values.tolist(), strict=True))
    return said


def site_entries(log: LogWriter, sub: str) -> list[tuple[int, Signed]]:
    found = [(index, parse_statement(log.entry(index))) for index in range(log.size + log.pending)]
    return [(index, signed) for index, signed in found if signed.header.sub == sub]


def test_readings_become_a_signed_statement_in_the_sources_chain(site: Site) -> None:
    code, out, err = site.power(csv(0, 60, nodes=("node_0", "node_1")), "--clock-uncertainty", "2")
    assert (code, err) == (0, "")
    assert out == (
        f"appended 1 statement of {METER}\n"
        "  window       2025-04-24T17:00:00Z to 2025-04-24T17:01:00Z\n"
        "  energy       60,000 J\n"
        "  node_0: 61 readings every 1 s, 30,000 J\n"
        "  node_1: 61 readings every 1 s, 30,000 J\n"
        "  irregular    nothing\n"
    )
    (statement,) = site.statements(METER)
    assert (statement.kind, statement.seq, statement.start, statement.end) == (Kind.METER, 0, START, START + 60)
    body = statement.body
    assert isinstance(body, MeterBody)
    assert (body.quantity, body.step, body.clock_offset, body.clock_uncertainty) == (Quantity.MEAN_POWER, 1000, 0, 2)
    (_, signed), *_ = site.entries(METER)
    verify_sign1(signed.sign1, signer("meter").public_key())


def test_importing_again_appends_nothing_and_says_so(site: Site) -> None:
    site.power(csv(0, 60))
    before = site.entries(METER)
    code, out, err = site.power(csv(0, 60))
    assert (code, out) == (6, "")
    assert err.startswith("attest: error: import/nothing-new: ")
    assert site.entries(METER) == before


def test_a_file_that_grew_is_imported_from_where_it_ended(site: Site) -> None:
    site.power(csv(0, 60))
    seal(site)
    code, out, _ = site.power(csv(30, 120))
    assert code == 0
    assert "1 x late" in out
    assert [s for s, _ in readings(site)["node_0"]] == [*range(0, 60_001, 1000), *range(60_000, 120_001, 1000)]
    assert sum(energies(site)) == 120 * 500_000
    assert len(site.statements(METER)) == 2


def test_only_a_reading_at_the_very_end_is_repeated(site: Site) -> None:
    rows = [f"{T + 1000 * s + 303},node_0,500" for s in range(60)]
    site.power("time,node,watts\n" + "\n".join(rows[:30]))
    site.power("time,node,watts\n" + "\n".join(rows))
    assert [s for s, _ in readings(site)["node_0"]] == [1000 * s + 303 for s in range(60)]


def energies(site: Site) -> list[int]:
    """Of each meter statement, as `check` integrates it."""
    found = []
    with LogWriter.open(site.log) as log:
        for index, signed in site_entries(log, METER):
            statement, body = signed.statement, signed.statement.body
            assert isinstance(body, MeterBody)
            binding = Binding(statement.log or b"", METER, statement.seq)
            for values, at in parse_meter(log.block(index) or b"", binding, body):
                rows = read_meter(values, at, body, statement.start, statement.end, 3600)
                found.append(int(rows[:, Row.HIGH].sum()))
    return found


def test_a_statement_names_the_checkpoint_that_the_log_has(site: Site) -> None:
    site.power(csv(0, 60))
    seal(site)
    site.power(csv(61, 120))
    first, second = site.statements(METER)
    assert first.anchor is None
    assert second.anchor is not None
    assert second.anchor.size == 4


def test_days_are_statements_and_silence_is_stated_too(site: Site) -> None:
    day = 86_400
    text = csv(0, day, step=600) + csv(40 * day, 40 * day + 60, step=10).split("\n", 1)[1]
    code, out, _ = site.power(text)
    assert code == 0
    windows = [(s.start, s.end) for s in site.statements(METER)]
    assert all(a[1] == b[0] for a, b in pairwise(windows))
    assert max(b - a for a, b in windows) <= 28 * day
    assert len(windows) == 5
    assert "1 x gap" in out


def test_a_clock_offset_is_applied_and_stated(site: Site) -> None:
    code, _, _ = site.power(csv(0, 60), "--clock-offset", "-28800")
    assert code == 0
    (statement,) = site.statements(METER)
    assert statement.start == START - 28_800
    assert isinstance(statement.body, MeterBody)
    assert statement.body.clock_offset == -28_800


def test_what_the_record_shows_widens_the_clocks_uncertainty(site: Site) -> None:
    text = csv(0, 60) + csv(31, 90, watts=400).split("\n", 1)[1]
    code, out, _ = site.power(text, "--clock-uncertainty", "1")
    assert (code, "1 x backwards" in out) == (0, True)
    (statement,) = site.statements(METER)
    assert isinstance(statement.body, MeterBody)
    assert statement.body.clock_uncertainty == 29
    assert [channel.irregular for channel in statement.body.channels] == [1]


YOKOGAWA = "\n".join(
    f"Time,04-24-2025 17:{m:02}:{s:02}.303,Watts,683.8,Mark,2025-04-24_08-50-00_testing,Ch1,Watts,1"
    for m in range(2)
    for s in range(60)
)


def test_an_analysers_clock_is_compared_with_its_session(site: Site) -> None:
    name = site.file("spl.txt", YOKOGAWA)
    where = ("--log", site.log, "--key", site.key("meter"), "--feed", "wall=node_0", "--clock-uncertainty", "1")
    code, out, err = site.run("power", name, "--node", "wall", "--utc-offset", "Z", *where, "--format", "json")
    assert code == 0
    report = json.loads(out)
    (clock,) = report["clock"]
    assert (clock["zone_s"], clock["session"]) == (28_800, "2025-04-24_08-50-00_testing")
    assert report["irregular"] == {"clock-shift": 1}
    assert report["irregularities"][0]["numbers"]["shift_s"] == 28_800
    assert "--clock-offset" in err
    (statement,) = site.statements(METER)
    assert isinstance(statement.body, MeterBody)
    assert (statement.body.clock_offset, statement.body.clock_uncertainty) == (0, 29_401)


def test_a_sessions_file_decides_over_its_name(site: Site) -> None:
    phases = {"testing": [[START - 5.5, 1], [START + 125.5, 2]]}
    session = site.file("server.json", json.dumps({"session_name": "s", "phases": phases}))
    name = site.file("spl.txt", YOKOGAWA)
    code, out, err = site.run(
        "power", name, "--node", "node_0", "--utc-offset", "Z", "--session", session, "--clock-uncertainty", "1",
        "--log", site.log, "--key", site.key("meter"),
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "clock        agrees: session s" in out
    (statement,) = site.statements(METER)
    assert isinstance(statement.body, MeterBody)
    assert statement.body.clock_uncertainty == 1


def test_a_dry_run_writes_nothing(site: Site) -> None:
    before = sorted((p, p.read_bytes()) for p in site.log.rglob("*") if p.is_file())
    code, out, _ = site.power(csv(0, 60), "--dry-run")
    assert (code, out.startswith("nothing written: would append 1 statement")) == (0, True)
    assert sorted((p, p.read_bytes()) for p in site.log.rglob("*") if p.is_file()) == before
    code, out, _ = site.run("power", site.file("p.csv", csv(0, 60, nodes=("x",))), "--dry-run")
    assert (code, "x: 61 readings" in out) == (0, True)


def test_a_log_and_a_key_are_needed_to_write(site: Site) -> None:
    name = site.file("p.csv", csv(0, 60))
    for words in ((), ("--log", site.log), ("--key", site.key("meter"))):
        assert site.run("power", name, *words)[0] == 2


def refusal(site: Site, text: str, *words: object) -> str:
    before = site.entries(METER)
    code, out, err = site.power(text, *words)
    assert (code, out) == (6, "")
    assert site.entries(METER) == before
    return err.split(": ")[2]


def test_what_is_refused_changes_nothing(site: Site) -> None:
    assert refusal(site, csv(0, 9, nodes=("node_9",))) == "import/feed"
    assert refusal(site, csv(0, 9), "--feed", "node_7=node_0") == "import/feed"
    assert refusal(site, csv(0, 9, nodes=("node_0", "node_1")), "--feed", "node_1=node_0") == "import/feed"
    assert refusal(site, csv(0, 9), "--source", HOST) == "import/source"
    assert refusal(site, csv(0, 9), "--key", site.key("host")) == "import/role"
    assert refusal(site, csv(0, 9), "--key", site.key("nobody")) == "key/not-enrolled"
    assert refusal(site, csv(0, 9), "--session", site.file("s.json", "{}")) == "import/session"
    assert refusal(site, "time,node,watts\n") == "import/empty"
    assert refusal(site, csv(0, 9) + f"{START + 10},node_0,-5\n") == "import/value"


def test_a_file_that_is_not_there_is_input_missing(site: Site) -> None:
    code, _, err = site.run("power", site.path / "none.csv", "--dry-run")
    assert (code, err.startswith("attest: error: import/unreadable")) == (6, True)


def test_options_that_are_none_are_wrong_usage(site: Site) -> None:
    name = site.file("p.csv", csv(0, 9))
    for words in (("--utc-offset", "CET"), ("--feed", "node_0"), ("--where", "=1"), ("--clock-uncertainty", "-1")):
        assert site.run("power", name, "--dry-run", *words)[0] == 2
    assert site.run("dcgm", name, "--dry-run", "--start", "soon")[0] == 2
    assert site.run("dcgm", name, "--dry-run", "--step", "60")[0] == 2
    assert site.run("dcgm", name, name, "--dry-run", "--start", str(START))[0] == 2


def test_a_single_meter_needs_no_feed(site: Site) -> None:
    with LogWriter.open(site.log) as log:
        declare(log, feed_roster(("dc1",)), START - 30)
        # what is in force now counts for what is metered; the older inventory named two
    code, _, err = site.power(csv(0, 9, nodes=("pdu",)), "--feed", "pdu=dc1")
    assert (code, err) == (0, "")
    assert list(readings(site)) == ["dc1"]


def test_an_independent_meter_is_enrolled_by_the_agreement_alone(site: Site) -> None:
    sub = "https://meters.example/dc1"
    with LogWriter.open(site.log) as log:
        declare(log, Roster((Feed("dc1", None, sub),), ()), START - 30)
        genesis = leaf_hash(log.entry(0))
    name = site.file("p.csv", csv(0, 9, nodes=("anything",)))
    where = ("--log", site.log, "--key", site.key("independent"))
    assert site.run("power", name, *where, "--issuer", "https://meters.example")[0] == 6
    code, _, _ = site.run("power", name, *where, "--issuer", "https://meters.example", "--source", sub)
    assert code == 0
    ((_, signed),) = site.entries(sub)
    assert (signed.header.iss, signed.statement.prev) == ("https://meters.example", genesis)


def test_a_rotated_key_goes_on_and_a_closed_chain_does_not(site: Site) -> None:
    site.power(csv(0, 60))
    with LogWriter.open(site.log) as log:
        new = signer("meter 2").public_key()
        proof = signer("meter 2").sign(possession(leaf_hash(log.entry(0)), METER, Role.METER, int(new.alg), new.raw))
        sign_next(log, signer("meter"), Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), START + 60)
    code, _, _ = site.power(csv(61, 90), "--key", site.key("meter 2"))
    assert code == 0
    assert [s for s, _ in readings(site)["node_0"]][60:63] == [60_000, 60_000, 61_000]
    with LogWriter.open(site.log) as log:
        sign_next(log, signer("meter 2"), Kind.CLOSE, CloseBody(), START + 90)
    assert refusal(site, csv(91, 95), "--key", site.key("meter 2")) == "import/closed"


# -- dcgm


def scrape(
    site: Site, minute: int, *, uids: tuple[str, ...] = ("GPU-0", "GPU-1"), host: str = "n1", mj: int = 30_000_000
) -> str:
    lines = []
    for number, uid in enumerate(uids):
        labels = f'{{gpu="{number}",UUID="{uid}",modelName="NVIDIA H100 80GB HBM3",Hostname="{host}"}}'
        lines += [
            f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels} {10**9 + number + 30_000_000 * minute}",
            f"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{labels} 0.{500_000 + minute}",
            f"DCGM_FI_DEV_SM_CLOCK{labels} 1500",
        ]
    return site.file(f"{host}-{START + 60 * minute}.prom", "\n".join(lines) + "\n")


def dcgm(site: Site, minutes: range, *words: object, **made: Any) -> tuple[int, str, str]:
    files = [scrape(site, minute, **made) for minute in minutes]
    return site.run("dcgm", *files, "--log", site.log, "--key", site.key("host"), *words)


def test_expositions_become_usage_statements(site: Site) -> None:
    code, out, err = dcgm(site, range(11))
    assert (code, err) == (0, "")
    assert out == (
        f"appended 1 statement of {HOST}\n"
        "  window       2025-04-24T17:00:00Z to 2025-04-24T17:10:00Z\n"
        "  energy       600,000 J\n"
        "  GPU-0 (NVIDIA H100 80GB HBM3): 10 sampled; 300,000 J\n"
        "  GPU-1 (NVIDIA H100 80GB HBM3): 10 sampled; 300,000 J\n"
        "  irregular    nothing\n"
    )
    (statement,) = site.statements(HOST)
    assert (statement.kind, statement.start, statement.end) == (Kind.USAGE, START, START + 600)


def test_expositions_go_on_from_the_last_statement(site: Site) -> None:
    for minutes in (range(5), range(5, 9), range(7, 12), range(14, 16)):
        assert dcgm(site, minutes)[0] == 0
    code, _, err = dcgm(site, range(3, 16))
    assert (code, "import/nothing-new" in err) == (6, True)
    statements = site.statements(HOST)
    bodies = [s.body for s in statements if isinstance(s.body, UsageBody)]
    assert all(a.counters[0][2] == b.counters[0][1] for a, b in pairwise(bodies))
    assert [(s.start - START) // 60 for s in statements] == [0, 4, 8, 11]
    states = [np.frombuffer(body.spans, "<u4,<u2,<u2")["f1"].tolist() for body in bodies]
    assert states == [[0, 0], [0, 0], [0, 0], [1, 0, 1, 0]]


def test_counters_that_begin_after_mere_presence_bridge_nothing(site: Site) -> None:
    present = [site.file(f"n1-{START + 60 * m}.prom", _presence()) for m in range(3)]
    assert site.run("dcgm", *present, "--log", site.log, "--key", site.key("host"))[0] == 0
    assert dcgm(site, range(2, 6))[0] == 0
    first, second = [s.body for s in site.statements(HOST) if isinstance(s.body, UsageBody)]
    assert (first.columns, first.block) == ((), None)
    assert np.frombuffer(second.counters[0][1], "<u8").tolist() == [0, 0]
    assert np.frombuffer(second.spans, "<u4,<u2,<u2")["f1"].tolist() == [1, 0, 1, 0]


def _presence() -> str:
    return "".join(f'DCGM_FI_DEV_GPU_UTIL{{UUID="GPU-{n}",Hostname="n1"}} 0\n' for n in range(2))


def test_a_device_that_no_inventory_names_is_refused(site: Site) -> None:
    code, _, err = dcgm(site, range(5), uids=("GPU-0", "GPU-1", "GPU-2"))
    assert (code, "import/roster" in err, "GPU-2" in err) == (6, True, True)
    assert site.entries(HOST) == []


def test_of_several_hosts_one_is_named(site: Site) -> None:
    files = [
        scrape(site, m, host=h, uids=u) for m in range(4) for h, u in (("n1", ("GPU-0", "GPU-1")), ("n2", ("GPU-8",)))
    ]
    where = ("--log", site.log, "--key", site.key("host"))
    code, _, err = site.run("dcgm", *files, *where)
    assert (code, "import/host" in err) == (6, True)
    assert site.run("dcgm", *files, *where, "--host", "n3")[0] == 6
    code, out, _ = site.run("dcgm", *files, *where, "--host", "n1", "--format", "json")
    assert code == 0
    report = json.loads(out)
    assert (report["host"], [d["device"] for d in report["devices"]]) == ("n1", ["GPU-0", "GPU-1"])
    assert report["irregularities"] == []


def test_a_changed_inventory_cuts_the_window(site: Site) -> None:
    with LogWriter.open(site.log) as log:
        declare(log, feed_roster(uids=("GPU-0", "GPU-1", "GPU-2")), START + 300)
    code, out, _ = dcgm(site, range(11))
    assert (code, "GPU-2: 5 missing; 0 J" in out) == (0, True)
    assert [(s.start - START, s.end - START) for s in site.statements(HOST)] == [(0, 300), (300, 600)]
