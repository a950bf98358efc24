"""`attest archive` as an archivist types it: exit codes, messages, what is recorded of attempts that fail."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from attest.archive.premis import NAMESPACE
from tests.cli.sandbox import run

DEMO = "--agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17"


@pytest.fixture
def office(here: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """An archive with one delivery; the id's first digits."""
    assert run("archive init office") == 0
    assert run(f"archive put office demo/honest {DEMO} --format json") == 0
    said = capsys.readouterr().out
    return str(json.loads(said[said.index("{") :])["delivery"])[:12]


def out(capsys: pytest.CaptureFixture[str], command: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(command) == code, command
    return capsys.readouterr().out


def test_put_exits_with_the_verdict_s_code(office: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "standing  violating: forked, against" in out(capsys, f"archive put office demo/violating {DEMO}", 3)
    assert "outcome   invalid" in out(capsys, f"archive put office demo/forged {DEMO}", 5)
    assert "outcome   unproven" in out(capsys, "archive put office demo/silent --agreement demo/pact.agreement", 4)


def test_what_is_broken_is_kept(office: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "junk").mkdir()
    (here / "junk" / "checkpoint").write_bytes(b"junk")
    out(capsys, f"archive put office junk {DEMO}", 5)
    rows = json.loads(out(capsys, "archive list office --format json"))
    assert [row["copies"][0]["name"] for row in rows] == ["honest", "junk"]


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("archive list nowhere", 6, "archive/none"),
        ("archive show office 0000000000", 6, "archive/no-delivery"),
        ("archive show office xyz", 6, "archive/no-delivery"),
        (f"archive put office absent {DEMO}", 6, "bundle/missing"),
        ("archive put office demo/honest --agreement absent", 6, "input/missing"),
        ("archive put office", 2, "missing argument"),
        ("archive list office --party \udcff", 6, "statement/text"),
        ("archive hold office ID", 2, "--case"),
        ("archive release office ID --case none", 6, "archive/no-hold"),
        ("archive init office", 6, "archive/exists"),
        ("archive init new --index mysql://db/x", 6, "archive/index"),
        ("archive custody office ID -o out", 2, "leave out the ID"),
    ],
)
def test_what_cannot_be_done_says_why(
    office: str, capsys: pytest.CaptureFixture[str], command: str, code: int, said: str
) -> None:
    capsys.readouterr()
    assert run(command.replace("ID", office)) == code
    assert said in capsys.readouterr().err


def test_an_attempt_that_failed_is_on_record(office: str, capsys: pytest.CaptureFixture[str]) -> None:
    out(capsys, f"archive release office {office} --case none", 6)
    last = json.loads(out(capsys, "archive custody office --format json"))[-2]  # and who asks for it now
    assert (last["action"], last["details"]["verb"], last["details"]["code"]) == (
        "refused",
        "release",
        "archive/no-hold",
    )


def test_show_lists_the_objects_with_their_versions(office: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(out(capsys, f"archive show office {office} --format json"))
    assert len(shown["objects"]) == 7  # the manifest among them
    assert set(shown["objects"].values()) == {None}  # a folder has no versions
    assert "stored    7 objects" in out(capsys, f"archive show office {office}")


def test_everybody_who_looks_is_on_record(office: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out(capsys, f"archive show office {office} --actor rita")
    out(capsys, f"archive get office {office} -o given --actor arno")
    assert (here / "given" / "bundles" / "honest" / "checkpoint").is_file()
    entries = json.loads(out(capsys, f"archive custody office {office} --format json"))
    seen = [(e["actor"], e["details"]["verb"]) for e in entries if e["action"] == "access"]
    assert seen[:2] == [("rita", "show"), ("arno", "get")]


def test_fixity_exits_with_5_where_something_changed(
    office: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "0 changed, 0 missing, 0 untracked" in out(capsys, "archive fixity office")
    path = max((here / "office" / "objects").rglob("*.*"), key=lambda p: p.stat().st_size)
    path.unlink()
    said = out(capsys, "archive fixity office", 5)
    assert "1 missing" in said and f"put {office} again and it is mended" in said
    assert "1 moved" in out(capsys, "archive recheck office", 5)
    assert "mended    1 object that the store had" in out(capsys, f"archive put office demo/honest {DEMO}")
    assert "0 changed, 0 missing, 0 untracked" in out(capsys, "archive fixity office")


def test_expiry_is_a_dry_run_unless_it_is_confirmed(
    office: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out(capsys, f"archive retain office {office} --until 2026-11-01")
    assert "1 delivery to remove" in out(capsys, "archive expire office")
    assert len(json.loads(out(capsys, "archive list office --format json"))) == 1
    assert "1 delivery removed" in out(capsys, "archive expire office --yes")
    assert json.loads(out(capsys, "archive list office --format json")) == []
    assert "0 changed, 0 missing, 0 untracked" in out(capsys, "archive fixity office")


def test_who_has_no_keys_may_look_and_nothing_else(office: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(here / "office" / "keys")
    for command, said in (("list office", office), (f"custody office {office}", "put"), ("expire office", "0 deliver")):
        assert run(f"archive {command}") == 0
        captured = capsys.readouterr()
        assert said in captured.out
        (told,) = captured.err.splitlines()
        assert told.startswith("attest: hint: this access is not in the custody log: archive/read-only: this needs the")
    assert run(f"archive get office {office} -o given") == 6
    assert "archive/read-only" in capsys.readouterr().err
    max((here / "office" / "custody" / "checkpoints").rglob("[0-9][0-9][0-9]")).unlink()
    assert run("archive custody office -o shorter") == 0
    assert "more, over which no head is: attest archive fixity" in capsys.readouterr().err


def test_premis_has_every_entry(office: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = ET.fromstring(out(capsys, f"archive custody office {office} --format premis").encode())
    events = [event.text for event in root.iter(f"{{{NAMESPACE}}}eventType")]
    assert events == ["ingestion", "appraisal", "validation", "dissemination"]
    assert [each.text for each in root.iter(f"{{{NAMESPACE}}}eventOutcome")] == ["holds"]


def test_the_index_is_made_anew(office: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = out(capsys, "archive list office")
    (here / "office" / "index.sqlite").unlink()
    out(capsys, "archive reindex office")
    assert out(capsys, "archive list office") == before
