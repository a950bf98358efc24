"""`attest event`, `attest log event` and `attest check --event`: acts signed in turn, entered, and judged by."""

import json
from pathlib import Path

import pytest

from attest.acts import read_event
from attest.format.bodies import EventBody, NoticeBody
from attest.format.event import Deed
from attest.format.notice import Notice
from attest.format.statement import parse_statement
from attest.format.vocabulary import Report
from attest.simulate.cast import Adjudicators
from attest.simulate.pact import Phase
from attest.store.writer import LogWriter
from tests.attacks.test_events import ACT, NEXT, entered, lift, trigger
from tests.check.world import LATER, START
from tests.cli.sandbox import run

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")
PACT = "--agreement pact.agreement"
AT = "--at 2026-11-10T01:00:00Z"


def said(command: str, capsys: Captured) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(command)
    out, err = capsys.readouterr()
    return code, out, err


def test_adjudicators_sign_one_after_the_other(here: Path, capsys: Captured) -> None:
    assert said(f"event sign pause.toml {PACT} --key uma.key -o mine.event", capsys) == (
        0, "", "signed as Uma, retired judge\nchanges nothing yet: 1 more must sign\n",
    )  # fmt: skip
    assert said(f"event sign mine.event {PACT} --key vic.key -o mine.event", capsys) == (
        0, "", "signed as Vic, head of the institute\n",
    )  # fmt: skip
    assert Path("mine.event").read_bytes() == Path("pause.event").read_bytes()
    event = read_event(Path("mine.event").read_bytes())
    assert (event.deed, event.party, event.phase, event.number) == (Deed.TRIGGER, None, "halt", 1)


@pytest.mark.parametrize("key", ["ada", "office", "log"])
def test_nobody_else_signs(here: Path, capsys: Captured, key: str) -> None:
    code, out, err = said(f"event sign pause.toml {PACT} --key {key}.key -o mine.event", capsys)
    assert (code, out) == (6, "")
    assert err.startswith(f"attest: error: event/stranger: {key}.key is the key of nobody who signs this event\n")
    assert not Path("mine.event").exists()


def test_a_party_signs_its_own_withdrawal(here: Path, capsys: Captured) -> None:
    text = Path("pause.toml").read_text().replace("trigger", "withdrawal").replace('phase = "halt"', "")
    Path("leave.toml").write_text(text + 'party = "https://acme.example"\n')
    assert said(f"event sign leave.toml {PACT} --key ada.key --key cleo.key -o leave.event", capsys)[0] == 0
    assert said(f"event sign leave.toml {PACT} --key uma.key -o other.event", capsys)[0] == 6


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('"trigger"', '"pause"', "event/keys: no kind of event is called pause (line 1, kind)"),
        ('"halt"', '"pause"', "event/other-phase: the phase pause does not begin on a trigger"),
        ("number = 1", "number = 0", "toml/range"),
        ("number = 1", 'budget = "1e20 FLOP"\nnumber = 1', "toml/missing-key"),
        ("number = 1", 'party = "https://nobody.example"\nnumber = 1', "event/other-party"),
    ],
)  # fmt: skip
def test_a_faulty_text_is_refused(here: Path, capsys: Captured, old: str, new: str, error: str) -> None:
    text = Path("pause.toml").read_text()
    assert old in text
    Path("pause.toml").write_text(text.replace(old, new))
    code, _, err = said(f"event sign pause.toml {PACT} --key uma.key -o mine.event", capsys)
    assert code == 6
    assert err.startswith(f"attest: error: {error}")


def test_signatures_are_not_overwritten(here: Path, capsys: Captured) -> None:
    before = Path("pause.event").read_bytes()
    assert said(f"event sign pause.toml {PACT} --key uma.key -o pause.event", capsys)[0] == 2
    assert Path("pause.event").read_bytes() == before


def test_show_says_what_an_exemption_is_worth(here: Path, capsys: Captured) -> None:
    Path("free.toml").write_text(
        'kind = "exemption"\nparty = "https://acme.example"\nphase = "pause"\nnumber = 2\n'
        'from = 2026-11-10T00:00:00Z\nuntil = 2026-11-12T00:00:00Z\nbudget = "2e22 FLOP"\n'
        '[[place]]\nsite = "acme-dc1"\nfeed = "row 4"\n[[place]]\nsite = "acme-dc2"\n'
    )
    assert said(f"event sign free.toml {PACT} --key uma.key -o free.event", capsys)[0] == 0
    code, out, _ = said("agreement show pact.agreement --event free.event", capsys)
    assert code == 0
    assert out.endswith(
        "exemption 2 of phase pause\n"
        "  agreement  Two-party pause, version 1\n"
        "  party      https://acme.example\n"
        "  valid      2026-11-10T00:00:00Z to 2026-11-12T00:00:00Z\n"
        "  place      acme-dc1, feed row 4\n"
        "  place      acme-dc2\n"
        "  budget     2e22 FLOP, charged to the worst case and never taken off it\n"
        "  effect     what is admitted there breaks no cap up to the budget; all of it is charged to the worst case\n"
        "  signed     Uma, retired judge (1 more must sign; 2 of 3 bind)\n"
    )
    assert said(f"event show free.event {PACT}", capsys)[1] == out[out.index("exemption 2") :]


def test_lint_finds_an_exemption_as_large_as_the_cap(here: Path, capsys: Captured) -> None:
    Path("free.toml").write_text(
        'kind = "exemption"\nparty = "https://acme.example"\nphase = "pause"\nnumber = 2\n'
        'from = 2026-11-10T00:00:00Z\nuntil = 2026-11-12T00:00:00Z\nbudget = "1e30 FLOP"\n'
        '[[place]]\nsite = "acme-dc1"\n'
    )
    assert said(f"event sign free.toml {PACT} --key uma.key -o free.event", capsys)[0] == 0
    code, out, _ = said("agreement lint pact.agreement --event free.event", capsys)
    assert code == 6
    assert "lint/exemption  pause, " in out and "exemption 2 has a budget of 1e30 FLOP for Acme" in out
    code, _, err = said("agreement lint pact.agreement --event free.toml", capsys)
    assert code == 6 and err.startswith("attest: error: event/unreadable")


def test_the_office_enters_what_has_its_quorum(here: Path, capsys: Captured) -> None:
    code, out, _ = said(f"log event log pause.event {PACT} --key office.key --at 2026-11-16", capsys)
    assert (code, out) == (0, "entry 3 is trigger 1 of phase halt\n")
    with LogWriter.open(Path("log"), read_only=True) as log:
        body = parse_statement(log.entry(3)).statement.body
    assert body == EventBody(Path("pause.event").read_bytes())
    said("log seal log --key log.key", capsys)
    code, out, _ = said("open log 3", capsys)
    assert code == 0
    assert "event: trigger" in out
    code, out, _ = said("open pause.event --format json", capsys)
    assert json.loads(out)["what"] == "event"


def test_the_office_announces_and_closes_runs(here: Path, capsys: Captured) -> None:
    words = "log notice log --lineage 7 --key office.key --at 2026-11-16"
    code, out, _ = said(f"{words} --starts 2026-11-20T08:00:00Z", capsys)
    assert (code, out) == (0, "entry 3 says that lineage 7 starts at 2026-11-20T08:00:00Z\n")
    code, out, _ = said(f"{words} --ends 2026-11-21", capsys)
    assert (code, out) == (0, "entry 4 says that lineage 7 ends at 2026-11-21T00:00:00Z\n")
    with LogWriter.open(Path("log"), read_only=True) as log:
        bodies = [parse_statement(log.entry(index)).statement.body for index in (3, 4)]
    starts, ends = Notice(Report.STARTS, 7, 1_795_161_600), Notice(Report.ENDS, 7, 1_795_219_200)
    assert bodies == [NoticeBody((starts,)), NoticeBody((ends,))]
    said("log seal log --key log.key", capsys)
    assert "report: starts" in said("open log 3", capsys)[1]
    for wrong in ("", "--starts 2026-11-20 --ends 2026-11-21"):
        assert said(f"{words} {wrong}", capsys)[0] == 2
    assert said("log notice log --lineage 0 --starts 2026-11-20 --key office.key", capsys)[0] == 2


def test_nothing_else_is_entered(here: Path, capsys: Captured) -> None:
    run(f"event sign pause.toml {PACT} --key uma.key -o mine.event")
    assert said(f"log event log mine.event {PACT} --key office.key", capsys)[2].startswith(
        "attest: error: event/no-quorum"
    )
    assert said(f"log event log pause.toml {PACT} --key office.key", capsys)[2].startswith(
        "attest: error: event/unreadable"
    )
    Path("rival.toml").write_text(Path("pause.toml").read_text() + 'party = "https://borealis.example"\n')
    run(f"event sign rival.toml {PACT} --key uma.key --key vic.key -o rival.event")
    assert said(f"log event log rival.event {PACT} --key office.key", capsys)[2].startswith(
        "attest: error: event/other-party"
    )
    assert said(f"log event log pause.event {PACT} --key n1.key", capsys)[0] == 6
    with LogWriter.open(Path("log"), read_only=True) as log:
        assert log.size + log.pending == 3


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab that trained, the agreement that it signed, and events as files."""
    monkeypatch.chdir(tmp_path)
    entered(()).save(tmp_path / "acme")
    Path("pact.agreement").write_bytes(ACT.signed())
    Path("next.agreement").write_bytes(NEXT.signed())
    Path("trust.toml").write_bytes(ACT.trust())
    Path("pause.event").write_bytes(trigger())
    Path("lift.event").write_bytes(lift())
    Path("one.event").write_bytes(trigger(signers=Adjudicators().keys()[:1]))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "code", "finding"),
    [
        ("", 0, "phase/not-triggered"),
        ("--event pause.event", 3, "event/in-force"),
        ("--event pause.event --event lift.event", 3, "event/not-witnessed"),
        ("--event one.event", 0, "event/no-quorum"),
        ("--other-agreement next.agreement", 4, "agreement/amended"),
    ],
)
def test_files_beside_the_bundles_count(lab: Path, capsys: Captured, options: str, code: int, finding: str) -> None:
    assert LATER == START + 25 * 3_600
    found, out, _ = said(f"check acme {PACT} --trust trust.toml {AT} {options} --format lines", capsys)
    assert found == code, out
    assert f"{finding}\t" in out


@pytest.mark.parametrize("content", [b"", b"junk", b"\xd8\x62\x80", Phase.__doc__ and b"\xd2\x84"])
def test_an_event_that_was_damaged_is_no_verdict(lab: Path, capsys: Captured, content: bytes) -> None:
    Path("pause.event").write_bytes(content)
    code, out, err = said(f"check acme {PACT} --trust trust.toml {AT} --event pause.event", capsys)
    assert (code, out) == (6, "")
    assert err.startswith("attest: error: event/unreadable")


def test_an_event_that_is_missing_is_no_verdict(lab: Path, capsys: Captured) -> None:
    assert said(f"check acme {PACT} --trust trust.toml {AT} --event nothing", capsys)[:2] == (6, "")
