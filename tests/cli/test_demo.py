"""`attest demo` as a transcript, and that it says the same twice."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from attest.simulate.scenes import KINDS

EXPECTED = {"honest": 0, "violating": 3, "silent": 4, "forged": 5}
WORDS = {"honest": "HOLDS", "violating": "BREACHED", "silent": "UNPROVEN", "forged": "INVALID"}


def attest(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "attest", *words]
    env = os.environ | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, check=False)


def tree(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of a demo and what making it printed."""
    home = tmp_path_factory.mktemp("demo")
    done = attest("demo", "demo", cwd=home)
    assert done.returncode == 0, done.stderr
    return home, done.stdout


def test_it_writes_what_it_promises(made: tuple[Path, str]) -> None:
    home, _ = made
    assert {p.name for p in (home / "demo").iterdir()} == {"pact.agreement", "trust.toml", "joint", *KINDS}
    joint = {p.name for p in (home / "demo" / "joint").iterdir()}
    assert joint == {"pact.agreement", "trust.toml", "acme", "borealis", "castor"}


def test_it_shows_four_commands_and_how_their_verdicts_begin(made: tuple[Path, str]) -> None:
    home, shown = made
    blocks = shown.strip().split("\n\n")
    assert len(blocks) == 5
    for kind, block in zip(KINDS, blocks[:4], strict=True):
        command, *lines, end = block.splitlines()
        assert command.startswith(f"$ attest check demo/{kind} --agreement demo/pact.agreement --trust demo/trust.toml")
        assert WORDS[kind] in lines[0] and end == f"  exits {EXPECTED[kind]}"
        again = attest(*shlex.split(command)[2:], cwd=home)
        assert again.returncode == EXPECTED[kind], again.stderr
        assert again.stdout.splitlines()[: len(lines)] == lines


def test_it_ends_with_a_pact_of_three_and_its_one_cheat(made: tuple[Path, str]) -> None:
    home, shown = made
    command, *lines, end = shown.strip().split("\n\n")[4].splitlines()
    assert end == "  exits 3" and lines[0] == "✘ BREACHED  Joint full stop · 3 parties"
    assert ["✘" in line for line in lines[2:]] == [False, False, True]  # acme, borealis, castor
    again = attest(*shlex.split(command)[2:], cwd=home)
    assert again.returncode == 3, again.stderr
    assert again.stdout.splitlines()[: len(lines)] == lines
    assert again.stdout.splitlines()[len(lines)] == "  decided by      castor: compute-cap, power-off"


@pytest.mark.parametrize("pact", ["demo/pact.agreement", "demo/joint/pact.agreement"])
def test_its_agreements_have_no_holes(made: tuple[Path, str], pact: str) -> None:
    home, _ = made
    assert attest("agreement", "lint", pact, cwd=home).stdout.startswith("no holes\n")
    assert "\npin NVIDIA H100 SXM5 80GB: as in the table\n" in attest("agreement", "show", pact, cwd=home).stdout


def test_the_honest_lab_passes_every_light_by_independent_evidence(made: tuple[Path, str]) -> None:
    honest = made[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in honest[2:6]] == ["✔"] * 4
    assert "L4" in honest[4]


def test_one_seed_gives_one_sequence_of_bytes(made: tuple[Path, str], tmp_path: Path) -> None:
    before = tree(made[0] / "demo")
    for _ in range(2):  # into a new directory, and over an earlier demo
        done = attest("demo", "again", cwd=tmp_path)
        assert done.returncode == 0 and done.stdout == made[1].replace("demo/", "again/")
        assert tree(tmp_path / "again") == before
    attest("demo", "other", "--seed", "other", cwd=tmp_path)
    other = tree(tmp_path / "other")
    assert other["honest/checkpoint"] != before["honest/checkpoint"]
    assert other["trust.toml"] != before["trust.toml"]


def test_other_people_s_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "honest").write_text("a diary")
    done = attest("demo", "mine", cwd=tmp_path)
    assert done.returncode == 6 and "demo/exists" in done.stderr and not done.stdout
    assert (tmp_path / "mine" / "honest").read_text() == "a diary"
