"""`attest explain` and `attest completion`: every code and every verb can be read about, without anything heavy."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from attest.cli.main import root
from attest.report.explain import explanations, nearest
from tests.cli.sandbox import run
from tests.cli.test_help import commands
from tests.cli.transcript import environment

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")


def test_without_a_code_all_are_listed(capsys: Captured) -> None:
    assert run("explain") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(explanations())
    assert all(len(line.split(None, 1)[1]) > 10 for line in lines)


@pytest.mark.parametrize("code", explanations())
def test_every_code_is_explained(code: str, capsys: Captured) -> None:
    assert run(f"explain {code}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == code
    assert [line[2:11].strip() for line in lines[1:] if line[2] != " "] == ["means", "matters", "to do"]
    assert max(map(len, lines)) <= 92


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("cbor/duplicate-keys", "cbor/duplicate-key"),
        ("log/equivocate", "log/equivocation"),
        ("foo/undeclared", "scope/"),
    ],
)
def test_an_unknown_code_has_near_ones(code: str, near: str, capsys: Captured) -> None:
    assert run(f"explain {code}") == 2
    assert f"attest: error: no such code: {code}; near: {near}" in capsys.readouterr().err


def test_nothing_is_near_to_nonsense(capsys: Captured) -> None:
    assert nearest("xyzzy") == []
    assert run("explain xyzzy") == 2
    assert capsys.readouterr().err.startswith("attest: error: no such code: xyzzy\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell: str, capsys: Captured) -> None:
    assert run(f"completion {shell}") == 0
    out = capsys.readouterr().out
    assert "attest" in out
    assert "_ATTEST_COMPLETE" in out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_reads_the_script(tmp_path: Path, capsys: Captured) -> None:
    run("completion bash")
    (tmp_path / "attest.bash").write_text(capsys.readouterr().out, "utf-8")
    subprocess.run(["bash", "-n", str(tmp_path / "attest.bash")], check=True)


@pytest.mark.parametrize(
    ("words", "found"), [("attest ", "explain"), ("attest key ro", "rotate"), ("attest open --for", "--format")]
)
def test_verbs_and_options_are_completed(words: str, found: str) -> None:
    asked = {
        "_ATTEST_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(["attest"], env=environment() | asked, capture_output=True, text=True, check=True)
    assert f"plain,{found}" in done.stdout.splitlines()


def test_the_manual_page_has_every_verb_and_option(capsys: Captured) -> None:
    assert run("completion man") == 0
    page = capsys.readouterr().out
    plain = page.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
    for ctx in commands(click.Context(root, info_name="attest")):
        if not isinstance(ctx.command, click.Group):
            assert f".SS {ctx.command_path}" in plain
        for parameter in ctx.command.params:
            if isinstance(parameter, click.Option) and not isinstance(ctx.command, click.Group):
                assert parameter.opts[0] in plain
    assert ".SH EXIT STATUS" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_is_a_manual_page(capsys: Captured) -> None:
    run("completion man")
    page = capsys.readouterr().out
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
