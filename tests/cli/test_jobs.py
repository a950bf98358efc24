"""`attest check --jobs`: processes share the work, and neither the verdict nor an error depends on it."""

from dataclasses import replace
from pathlib import Path

import pytest

from attest import scan
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.sign.notes import sign_note
from attest.simulate.cast import Identity
from attest.simulate.fleet import Fleet
from attest.verdict import utc
from tests.cli.sandbox import run

Captured = pytest.CaptureFixture[str]
HOUR = 3_600


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of four tiles, each a range of its own, its agreement and what a verifier trusts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scan, "RANGE_TILES", 1)
    fleet = Fleet(tmp_path / "fleet", 8, 4, window_s=HOUR)
    assert fleet.size > 3 * 256
    (tmp_path / "agreement").write_bytes(fleet.pact.signed())
    (tmp_path / "trust").write_bytes(fleet.pact.trust())
    (tmp_path / "at").write_text(utc(fleet.at))
    return fleet.path


def judged(capsys: Captured, jobs: int, more: str = "") -> tuple[int, str]:
    at = Path("at").read_text()
    code = run(f"check fleet --agreement agreement --trust trust --at {at} --format json --jobs {jobs} {more}")
    return code, capsys.readouterr().out


def test_the_verdict_is_the_same(log: Path, capsys: Captured) -> None:
    alone = judged(capsys, 1)
    assert alone[0] == 0 and '"outcome": "holds"' in alone[1]
    assert judged(capsys, 2) == alone


def test_so_are_the_anomalies_of_single_devices(log: Path, capsys: Captured) -> None:
    """The fleet tells the same hours over and over, which changes no outcome."""
    alone = judged(capsys, 1, "--anomalies")
    assert alone[0] == 0 and '"code": "anomaly/identical-series",\n          "outcome": "holds"' in alone[1]
    assert judged(capsys, 2, "--anomalies") == alone


def test_so_is_what_moved_through_the_fabric(log: Path, capsys: Captured) -> None:
    """By accelerators of hosts that have statements in every range."""
    pact = Fleet(log.parent / "again", 8, 4, window_s=HOUR).pact
    term = {"kind": "scale-cap", "devices": 64, "fabric": "1 TiB", "window": "1 d", "assurance": "L1"}
    capped = replace(pact, phases=(pact.phases[0]._replace(terms=(term,)),))
    Path("capped").write_bytes(capped.signed())
    Path("pinned").write_bytes(capped.trust())
    more = "--agreement capped --trust pinned"
    alone = judged(capsys, 1, more)
    assert alone[0] == 3 and '"unit": "MiB"' in alone[1]
    assert judged(capsys, 2, more) == alone


@pytest.mark.parametrize("path", ["tile/entries/001", "blocks/002", "tile/0/000"])
def test_so_is_what_a_changed_byte_makes_of_it(log: Path, path: str, capsys: Captured) -> None:
    data = bytearray((log / path).read_bytes())
    data[len(data) // 2] ^= 1
    (log / path).write_bytes(data)
    alone = judged(capsys, 1)
    assert alone[0] == 5
    assert judged(capsys, 2) == alone


def test_so_is_a_file_that_is_not_there(log: Path, capsys: Captured) -> None:
    (log / "tile/entries/002").unlink()
    assert judged(capsys, 1)[0] == judged(capsys, 2)[0] == 6


def test_so_is_a_size_that_nothing_has_room_for(log: Path, capsys: Captured) -> None:
    fleet = Identity("fleet")
    text = format_checkpoint(Checkpoint(fleet.origin, 1 << 62, bytes(32)))
    (log / "checkpoint").write_bytes(sign_note(text, fleet.origin, fleet.log_keys()))
    alone = judged(capsys, 1)
    assert alone[0] == 6 and "bundle/missing" in alone[1]
    assert judged(capsys, 2) == alone


@pytest.mark.parametrize("jobs", ["0", "257", "all"])
def test_no_such_number(log: Path, jobs: str, capsys: Captured) -> None:
    assert run(f"check fleet --agreement agreement --jobs {jobs}") == 2
    assert "--jobs" in capsys.readouterr().err
