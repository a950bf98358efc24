"""The frame of the command line: exit codes, the two voices, colour, configuration, closed pipes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from attest.cli import main as program
from attest.cli.errors import exit_code
from attest.cli.params import TIME
from attest.cli.verb import Entry, Verb, Verbs, console
from attest.errors import (
    AgreementError,
    AttestError,
    ImportDataError,
    KeyFileError,
    LogError,
    MalformedError,
    MissingError,
    SignatureError,
    UnsupportedError,
)
from attest.report.style import style_for
from tests.cli.sandbox import run
from tests.cli.transcript import environment

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Puts a function in the place of `attest check`."""

    def replace(act: Callable[[], object]) -> None:
        command = Verb("check", callback=lambda: act(), example="attest check", help="A stand-in.")
        monkeypatch.setattr(program.root, "lazy", {})
        monkeypatch.setattr(program.root, "commands", {"check": command, "open": command})

    return replace


def raiser(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "judging", "other"),
    [
        (MissingError("bundle/missing", "x"), 6, 6),
        (AgreementError("toml/type", "x"), 6, 6),
        (ImportDataError("import/line", "x"), 6, 6),
        (LogError("log/locked", "x"), 6, 6),
        (KeyFileError("key/exposed", "x"), 6, 6),
        (KeyFileError("key/exists", "x"), 2, 2),
        (MalformedError("cbor/head", "x"), 5, 6),
        (SignatureError("signature/invalid", "x"), 5, 6),
        (UnsupportedError("unsupported/kind", "x"), 4, 6),
    ],
    ids=lambda e: getattr(e, "code", None),
)
def test_an_error_has_one_exit_code(error: AttestError, judging: int, other: int) -> None:
    assert (exit_code(error, "check"), exit_code(error, "open")) == (judging, other)


def test_an_error_is_two_lines_on_stderr(verb: Callable[[Callable[[], object]], None], capsys: Captured) -> None:
    verb(raiser(MissingError("bundle/missing", "acme is not there", hint="look elsewhere")))
    assert run("check") == 6
    assert capsys.readouterr() == (
        "",
        "attest: error: bundle/missing: acme is not there\nattest: hint: look elsewhere\n",
    )


def test_an_error_without_a_hint_points_to_its_explanation(
    verb: Callable[[Callable[[], object]], None], capsys: Captured
) -> None:
    verb(raiser(MissingError("bundle/missing", "x")))
    run("check")
    assert capsys.readouterr().err.endswith("attest: hint: attest explain bundle/missing\n")


def test_a_crash_is_no_verdict(verb: Callable[[Callable[[], object]], None], capsys: Captured) -> None:
    verb(raiser(ZeroDivisionError("division by zero")))
    assert run("check") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert err.splitlines()[-2:] == [
        "attest: error: crashed: ZeroDivisionError: division by zero",
        "attest: hint: this is a fault of the program, and no verdict; please report it",
    ]


def test_an_interrupt_is_no_verdict(verb: Callable[[Callable[[], object]], None], capsys: Captured) -> None:
    verb(raiser(KeyboardInterrupt()))
    assert run("check") == 130
    assert capsys.readouterr().err.strip() == "attest: error: interrupted"


@pytest.mark.parametrize("code", [0, 3, 4, 5, 6])
def test_what_a_verb_returns_is_the_exit_code(verb: Callable[[Callable[[], object]], None], code: int) -> None:
    verb(lambda: code)
    assert run("check") == code


@pytest.mark.parametrize("result", [None, True, "3"])
def test_nothing_else_that_a_verb_returns_is(verb: Callable[[Callable[[], object]], None], result: object) -> None:
    verb(lambda: result)
    assert run("check") == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nope", "no such verb: nope"),
        ("explain --nope", "no such option '--nope'"),
        ("explain a b", "got unexpected extra argument"),
        ("inventory declare", "missing argument 'log'"),
        ("key new x --alg rsa", "invalid value for '--alg'"),
    ],
)
def test_wrong_usage_is_2(command: str, message: str, capsys: Captured) -> None:
    assert run(command) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.lower().startswith(f"attest: error: {message}"), err
    assert err.splitlines()[-1].startswith("attest: hint: attest")
    assert err.splitlines()[-1].endswith("--help")


def test_without_arguments_there_is_help(capsys: Captured) -> None:
    assert run("") == 2
    assert "Verbs:" in "".join(capsys.readouterr())


def test_colour_is_for_terminals() -> None:
    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    class Pipe(Terminal):
        def isatty(self) -> bool:
            return False

    assert style_for(Terminal(), environ={}).colour
    assert not style_for(Pipe(), environ={}).colour
    assert not style_for(Terminal(), environ={"NO_COLOR": "1"}).colour
    assert not style_for(Terminal(), environ={"TERM": "dumb"}).colour
    assert not style_for(Terminal(), "never", environ={}).colour
    assert style_for(Pipe(), "always", environ={"NO_COLOR": "1"}).colour


def test_marks_are_ascii_where_the_stream_is() -> None:
    class Ascii:
        encoding = "ascii"

        def isatty(self) -> bool:
            return False

    assert style_for(Ascii(), environ={}).mark("holds") == "+"


@pytest.fixture
def spoken(verb: Callable[[Callable[[], object]], None]) -> None:
    """A verb that prints its console."""

    def act() -> None:
        now = console()
        click.echo(f"{now.colour} {now.quiet} {now.verbose}")

    verb(act)


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("check", "auto False False"),
        ("check --color never -q", "never True False"),
        ("--color never -v check", "never False True"),
        ("--color never check --color always", "always False False"),
        ("-q check -v", "auto True True"),
    ],
)
def test_common_options_stand_before_or_after_the_verb(command: str, expected: str, capsys: Captured) -> None:
    assert run(command) == 0
    assert capsys.readouterr().out.strip() == expected


@pytest.mark.usefixtures("spoken")
def test_flag_beats_variable_beats_file(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "attest.toml"
    file.write_text('[check]\ncolour = "never"\n', "utf-8")

    def colour(command: str) -> str:
        assert run(command) == 0
        return capsys.readouterr().out.split()[0]

    assert colour(f"--config {file} check") == "never"
    monkeypatch.setenv("ATTEST_CONFIG", str(file))
    assert colour("check") == "never"
    monkeypatch.setenv("ATTEST_CHECK_COLOUR", "always")
    assert colour("check") == "always"
    assert colour("check --color auto") == "auto"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[chek]\ntrust = "x"\n', "unknown key: chek"),
        ('[explain]\ntrsut = "x"\n', "[explain] has an unknown key: trsut"),
        ("explain = 3\n", "explain must be a table"),
        ("[explain\n", "is not TOML"),
    ],
)
def test_a_misspelt_configuration_is_refused(text: str, message: str, capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "attest.toml"
    file.write_text(text, "utf-8")
    assert run(f"--config {file} explain key/weak") == 2
    assert message in capsys.readouterr().err


def test_a_configuration_that_is_not_there_is_refused(capsys: Captured) -> None:
    assert run("--config nope.toml explain key/weak") == 6
    assert "nope.toml: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-11-16", 1_794_787_200), ("2026-11-16T08:00:00Z", 1_794_816_000), ("2026-11-16T08:00:00", 1_794_816_000)],
)
def test_times_are_utc(text: str, seconds: int) -> None:
    assert TIME.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["16.11.2026", "2026-11-16T08:00:00+01:00", "2026-11-16T08:00:00.5Z", "1969-01-01", "", "now"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        TIME.convert(text, None, None)


def test_a_closed_pipe_is_quiet() -> None:
    command = "attest explain; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr.split() in (["141"], ["0"])


def test_python_m_attest_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "attest", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "attest, version 0.1.0\n"


def test_a_verb_whose_package_is_not_installed_says_so() -> None:
    group = Verbs("group", example="", lazy={"archive": Entry("no_such_package.at_all:verb", "")})
    with pytest.raises(MissingError, match="verb/extra") as error:
        group.get_command(click.Context(group), "archive")
    assert error.value.hint == "pip install 'compute-attest[archive]'"
    broken = Verbs("group", example="", lazy={"archive": Entry("attest.no_such_module:verb", "")})
    with pytest.raises(ModuleNotFoundError):
        broken.get_command(click.Context(broken), "archive")
