"""`attest check --sign` and `--verdict`: whoever has the same copies makes the same bytes, wherever they lie."""

import json
import shutil
from pathlib import Path

import pytest

from attest.sign.seeded import seeded_key
from attest.trust.keys import format_key
from tests.check.three import ACME, BOREALIS, CASTOR, EVERYBODY, lab, pact, site
from tests.cli.sandbox import run, write_key

PUBLIC = format_key(seeded_key("judge").public_key())
LABS = "logs/acme logs/borealis logs/castor"
TERMS = "--agreement pact.agreement --trust trust.toml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three logs of which Castor's tells what Acme's does, and everything needed to judge them."""
    folder = tmp_path_factory.mktemp("joint")
    (folder / "logs").mkdir()
    for identity in EVERYBODY:
        log = lab(identity)
        if identity is CASTOR:
            log.tales[1] = site("acme")
        log.run()
        log.save(folder / "logs" / identity.name)
    (folder / "pact.agreement").write_bytes(pact().signed())
    (folder / "part.agreement").write_bytes(pact().signed([*ACME.holder_keys(), *CASTOR.holder_keys()]))
    (folder / "other.agreement").write_bytes(pact().signed(BOREALIS.holder_keys()))
    (folder / "trust.toml").write_bytes(pact().trust())
    write_key(folder / "judge.key", "judge")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def signed() -> None:
    assert run(f"check {LABS} {TERMS} --at 2026-11-10T01:00:00Z --sign judge.key -o v") == 4


def test_another_verifier_with_the_same_copies_makes_the_same_bytes(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    signed()
    shutil.move(folder / "logs", folder / "elsewhere")
    shutil.move(folder / "elsewhere/castor", folder / "elsewhere/c")
    capfd.readouterr()
    copies = "elsewhere/c elsewhere/borealis elsewhere/acme"
    assert run(f"check {copies} {TERMS} --verdict v --signer {PUBLIC} --jobs 2 --format json") == 4
    out, err = capfd.readouterr()
    assert f"v was signed by {PUBLIC}, and judging again gives the same bytes" in err
    assert out.encode() in (folder / "v").read_bytes()
    assert "elsewhere/" not in out and "logs/" not in out and str(folder) not in out
    assert json.loads(out)["decided_by"] == [CASTOR.iss]


def test_series_are_read_again_where_they_were_read(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whether they were stands in the verdict, and not in how it is checked."""
    assert run(f"check {LABS} {TERMS} --at 2026-11-10T01:00:00Z --anomalies --sign judge.key -o v") == 4
    capfd.readouterr()
    assert run(f"check {LABS} {TERMS} --verdict v --signer {PUBLIC}") == 4
    assert "judging again gives the same bytes" in capfd.readouterr().err
    signed()
    assert run(f"check {LABS} {TERMS} --verdict v --signer {PUBLIC} --anomalies") == 4


def test_what_is_shown_names_the_copy_where_it_lies(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(f"check {LABS} {TERMS} --at 2026-11-10T01:00:00Z") == 4
    assert "look       attest open castor " in capfd.readouterr().out


def test_fewer_copies_and_other_agreements_are_not_compared(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    signed()
    assert run(f"check logs/acme {TERMS} --verdict v --signer {PUBLIC}") == 6
    assert "verdict/other-input" in capfd.readouterr().err
    assert run(f"check {LABS} --agreement pact.agreement --verdict v --signer {PUBLIC}") == 6
    assert "verdict/other-input" in capfd.readouterr().err


def test_a_signature_by_somebody_else_is_none(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    signed()
    assert run(f"check {LABS} {TERMS} --verdict v") == 5
    assert "verdict/signer" in capfd.readouterr().err
    write_key(folder / "ada.key", f"simulation, acme dc1, holder Ada, {seeded_key('judge').public_key().alg.name}")
    assert run(f"check {LABS} {TERMS} --at 2026-11-10T01:00:00Z --sign ada.key -o w") == 4
    assert run(f"check {LABS} {TERMS} --verdict w") == 4
    assert "w was signed by Ada of acme" in capfd.readouterr().err


def test_a_verdict_that_says_something_else_does_not_pass(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    signed()
    for blocks in (folder / "logs/acme/tile").glob("blocks*"):
        shutil.rmtree(blocks)
    for blocks in (folder / "logs/acme").glob("blocks*"):
        shutil.rmtree(blocks)
    assert run(f"check {LABS} {TERMS} --verdict v --signer {PUBLIC}") == 5
    assert "verdict/differs" in capfd.readouterr().err


def test_a_verdict_on_what_could_not_be_read_is_not_signed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(f"check {LABS} nowhere {TERMS} --at 2026-11-10T01:00:00Z --sign judge.key -o v") == 6
    assert "verdict/missing" in capfd.readouterr().err
    assert not (folder / "v").exists()


@pytest.mark.parametrize(
    "words",
    ["--sign judge.key", "-o v", "--sign judge.key -o -", f"--signer {PUBLIC}", "--verdict v --at 2026-11-10"],
)
def test_options_that_do_not_go_together(folder: Path, words: str) -> None:
    assert run(f"check {LABS} {TERMS} {words}") == 2


def test_signatures_in_files_of_several_parties_count_together(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at = "--trust trust.toml --at 2026-11-10T01:00:00Z --format lines"
    assert run(f"check {LABS} --agreement part.agreement {at}") == 4
    assert "agreement/unbound" in capfd.readouterr().out
    assert run(f"check {LABS} --agreement part.agreement --other-agreement other.agreement {at}") == 4
    assert "agreement/unbound" not in capfd.readouterr().out
