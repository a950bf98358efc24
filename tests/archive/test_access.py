"""Who looks at an archive is in its custody log, with what they asked; who cannot enter it is told so."""

import json
import shutil
from pathlib import Path

import pytest

from attest.archive.entries import entries_of
from attest.archive.place import Archive, write_config
from tests.archive.conftest import Deliverer
from tests.archive.postgres import grant
from tests.cli.sandbox import run


def accesses(archive: Archive) -> list[tuple[str, dict[str, str]]]:
    with archive.index.reading() as connection:
        found = entries_of(connection, None)
    return [(entry["actor"], entry["details"]) for entry in found if entry["action"] == "access"]


def asked(capsys: pytest.CaptureFixture[str], command: str) -> tuple[str, str]:
    capsys.readouterr()
    assert run(command) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_who_lists_is_on_record_with_what_they_asked(deliverer: Deliverer, capsys: pytest.CaptureFixture[str]) -> None:
    deliverer.put("early")
    archive = deliverer.archive
    out, err = asked(capsys, f"archive list {archive.path} --actor rita --party https://x.example --since 2026-11-01")
    assert (out, err) == ("", "")
    asked(capsys, f"archive list {archive.path} --actor arno --outcome holds --expired")
    asked(capsys, f"archive expire {archive.path} --actor olga")
    assert accesses(archive) == [
        ("rita", {"verb": "list", "party": "https://x.example", "since": "2026-11-01T00:00:00Z"}),
        ("arno", {"verb": "list", "outcome": "holds", "expired": "yes"}),
        ("olga", {"verb": "expire"}),
    ]


def test_the_custody_log_ends_with_who_asks_for_it(
    deliverer: Deliverer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    id_, archive = deliverer.put("early").id, deliverer.archive
    out, _ = asked(capsys, f"archive custody {archive.path} {id_} --actor rita --format json")
    assert [entry["action"] for entry in json.loads(out)] == ["put", "standing", "verdict", "access"]
    out, _ = asked(capsys, f"archive custody {archive.path} --actor arno")
    assert out.splitlines()[-1].endswith("arno  access  form text, verb custody")
    assert len(out.splitlines()) == 7  # genesis, init, and these
    out, _ = asked(capsys, f"archive custody {archive.path} -o {tmp_path / 'log'}")
    assert "8 entries" in out
    assert [details for _, details in accesses(archive)] == [
        {"verb": "custody", "delivery": id_, "form": "json"},
        {"verb": "custody", "form": "text"},
        {"verb": "custody", "form": "log"},
    ]


def test_a_delivery_that_is_not_there_was_asked_for(deliverer: Deliverer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"archive custody {deliverer.archive.path} 0000000000") == 6
    with deliverer.archive.index.reading() as connection:
        last = entries_of(connection, None)[-1]
    assert (last["action"], last["details"]["verb"]) == ("refused", "custody")


@pytest.mark.parametrize("archive", ["moto"], indirect=True, ids=["PostgreSQL"])
@pytest.mark.parametrize("keys", [False, True], ids=["without keys", "with keys"])
def test_a_reader_is_answered_and_told_that_it_is_not_on_record(
    deliverer: Deliverer, database: str, keys: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    id_, archive = deliverer.put("early").id, deliverer.archive
    user = "rosa" if keys else "rolf"
    grant(database, {user: "attest_reader"})
    write_config(archive.path, archive.named, archive.objects.name, database.replace("postgres@", f"{user}@"))
    if not keys:
        shutil.rmtree(archive.path / "keys")
    before = list(archive.objects.walk("custody/"))
    for command, said in (
        ("list ARCHIVE", id_[:12]),
        ("custody ARCHIVE", "standing"),
        (f"custody ARCHIVE {id_}", "put"),
    ):
        out, err = asked(capsys, f"archive {command}".replace("ARCHIVE", str(archive.path)))
        assert said in out
        (told,) = err.splitlines()
        assert told.startswith("attest: hint: this access is not in the custody log: archive/")
        assert ("permission denied" if keys else "this needs the keys of") in told
    assert run(f"archive show {archive.path} {id_}") == 6
    assert list(archive.objects.walk("custody/")) == before
