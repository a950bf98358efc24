"""What careless users do: every verb says what is wrong with which file, exits as promised, and destroys nothing."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.cli.params import TIME
from attest.cli.request import format_request
from attest.errors import AttestError, LogError
from attest.sign.seeded import seeded_key
from attest.store.create import create
from tests.cli.sandbox import HOST, log_id, run
from tests.cli.transcript import environment

Captured = pytest.CaptureFixture[str]
CHECK = "check demo/honest --agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17"
LOG_ID = "ab" * 32


def program(
    command: str, before: Callable[[], None] | None = None, unbuffered: str | None = None, **streams: object
) -> tuple[int, str]:
    """Runs the program in a process of its own; its exit code and what it says on stderr."""
    line = [sys.executable, "-m", "attest", *command.split()]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **streams}
    kept = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    env = kept if unbuffered is None else kept | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(line, env=env, preexec_fn=before, check=False, **options)  # type: ignore[call-overload]
    return done.returncode, (done.stderr or b"").decode()


def closing(*descriptors: int) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


def no_file_grows() -> None:
    """What a full disk does to whoever writes: nothing can be added to any file (Python ignores SIGXFSZ)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def contents(folder: Path) -> dict[Path, bytes]:
    """The files that hold anything."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.stat().st_size}


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("check demo/honest --agreement demo/pact.agreement --trust roster.toml", "roster.toml"),
        ("check demo/honest --agreement power.csv", "power.csv"),
        ("agreement show power.csv", "power.csv"),
        ("inventory declare log power.csv --key office.key", "power.csv"),
        ("log append log n1-0.cose power.csv", "power.csv"),
        ("log append log n1-1.cose", "n1-1.cose"),
        ("log cosign log power.csv --agreement pact.agreement", "power.csv"),
        ("log cosign log log/checkpoint --agreement power.csv", "power.csv"),
        ("log head log power.csv --key office.key", "power.csv"),
        ("log void log 2 --act power.csv --key office.key", "power.csv"),
        ("log init dc9 --act power.csv --office-key office.key", "power.csv"),
        ("key enrol log power.csv --key office.key", "power.csv"),
        ("key approve power.csv --key root2.key", "power.csv"),
        ("open power.csv", "power.csv"),
    ],
)
def test_an_error_names_the_file(command: str, file: str, here: Path, capsys: Captured) -> None:
    assert run(command) == 6
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("attest: error: ") and first.endswith(f", in {file}"), first


@pytest.mark.parametrize("command", ["open {}", "open {} 0", "agreement sign pact.toml --key ada.key -o {}", CHECK])
def test_a_name_that_no_file_can_have_is_6(command: str, here: Path, capsys: Captured) -> None:
    assert run(command.format("x" * 300).replace("demo/honest", "x" * 300)) == 6
    assert "File name too long" in capsys.readouterr().err


def test_an_entry_of_what_is_not_there_is_6(here: Path, capsys: Captured) -> None:
    assert run("open nowhere 0") == 6
    assert "nowhere: No such file" in capsys.readouterr().err
    assert run("open pact.agreement 0") == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize("command", ["log status log", "open log", "open log/x", "open log 0"])
def test_what_must_not_be_read_is_6(command: str, here: Path) -> None:
    (here / "log").chmod(0)
    assert run(command) == 6


@pytest.mark.parametrize(
    "command",
    [
        f"key request n2.key --log {LOG_ID} --source https://x -o root.key",
        "log void log 2 --key office.key --root-key root.key --draft root.key",
        "key approve genesis.act --key root2.key -o root.key",
        "agreement sign pact.agreement --key bob.key -o root.key",
    ],
)
def test_a_private_key_is_not_written_over(command: str, here: Path, capsys: Captured) -> None:
    before = (here / "root.key").read_bytes()
    assert run(command) == 6
    assert "is a private key" in capsys.readouterr().err
    assert (here / "root.key").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        "key approve genesis.act --key root2.key",
        f"key request n2.key --log {LOG_ID} --source https://x -o n2.request",
        "log void log 2 --key office.key --root-key root.key --draft void.act",
        "agreement sign pact.agreement --key bob.key -o pact.agreement",
        "key new fresh.key",
        "log append log n1-0.cose",
        "log init dc9 --origin acme.example/dc9 --iss https://a --office-key office.key --root-key root.key",
        "demo new",
    ],
)
def test_a_full_disk_leaves_what_was_there(command: str, here: Path) -> None:
    before = contents(here)
    code, said = program(command, no_file_grows)
    assert code == 6 and said.startswith("attest: error: "), said
    assert contents(here) == before


def test_a_file_that_is_written_keeps_its_mode_and_its_name(here: Path) -> None:
    (here / "genesis.act").chmod(0o640)
    (here / "link").symlink_to("genesis.act")
    assert run("key approve link --key root2.key") == 0
    assert (here / "link").is_symlink() and (here / "genesis.act").stat().st_mode & 0o777 == 0o640


UNBUFFERED = pytest.mark.parametrize("unbuffered", ["1", "", None])


@UNBUFFERED
@pytest.mark.parametrize("command", [CHECK, "explain", "--help", "open log", "completion man", "key request n2.key"])
def test_a_result_that_cannot_be_written_is_6(command: str, unbuffered: str | None, here: Path) -> None:
    if command.startswith("key"):
        command = f"{command} --log {LOG_ID} --source {HOST}"  # its result is bytes
    with Path("/dev/full").open("wb") as full:
        code, said = program(command, unbuffered=unbuffered, stdout=full)
    assert code == 6
    assert said.startswith("attest: error: standard output: No space left on device\n")


@UNBUFFERED
def test_streams_that_were_closed_are_no_crash(here: Path, unbuffered: str | None) -> None:
    assert program(CHECK, closing(1), unbuffered) == (0, "")
    assert program("check nowhere --agreement x", closing(2), unbuffered)[0] == 6
    assert program("open -", closing(0), unbuffered)[0] == 6
    with Path("/dev/full").open("wb") as full:
        assert program("check nowhere --agreement x", unbuffered=unbuffered, stderr=full)[0] == 6
        assert program("check nowhere --agreement x", closing(1), unbuffered, stderr=full)[0] == 6


@UNBUFFERED
def test_who_closes_a_pipe_is_told_nothing(here: Path, unbuffered: str | None) -> None:
    for command in ("explain", f"key request n2.key --log {LOG_ID} --source {HOST}", "open log"):
        read, write = os.pipe()
        os.close(read)
        assert program(command, unbuffered=unbuffered, stdout=write) == (141, "")
        os.close(write)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EIO, "Input/output error"), (errno.EPIPE, "Broken pipe"), (errno.ENOSPC, "No space left on device")],
)
def test_what_the_system_refuses_without_a_file_is_not_called_standard_output(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "getrandom", refuse, raising=False)
    monkeypatch.setattr(os, "urandom", refuse)
    assert run("import power power.csv --dry-run") == 6
    assert capsys.readouterr().err == f"attest: error: attest.record.target.salt: {said}\n"


@pytest.mark.parametrize("source", ["", 'a"b', "a\\b", "a\nb", "n" * 513])
def test_a_request_that_no_office_could_take_is_not_made(source: str) -> None:
    with pytest.raises(AttestError):
        format_request(seeded_key("n2"), bytes(32), source, "host")


@pytest.mark.parametrize(
    "command",
    [
        f"key request n2.key --log x --source {HOST}",
        "log void log 2 --number 99999999999999999999999 --key office.key --root-key root.key",
        "import power power.csv --dry-run --clock-offset 99999999999999999999",
        "import power power.csv --dry-run --clock-offset -9999999999",
        "import power power.csv --dry-run --clock-uncertainty 86401",
        "import dcgm history.prom --start 2026-01-01T00:00:00Z --step 99999999999999999999 --dry-run",
        "log init roster.toml --origin a --iss b --office-key office.key --root-key root.key",
    ],
)
def test_what_cannot_be_meant_is_2(command: str, here: Path, capsys: Captured) -> None:
    assert run(command) == 2
    assert capsys.readouterr().err.startswith("attest: error: ")


@pytest.mark.parametrize("value", ["-5", "true", "1.5", "99999999999999999999", "12:00:00", "[]"])
def test_a_time_in_the_configuration_is_a_time(value: str, here: Path, capsys: Captured) -> None:
    (here / "conf.toml").write_text(f"[check]\nat = {value}\n", "utf-8")
    assert run(f"--config conf.toml {CHECK.removesuffix(' --at 2026-11-17')}") == 2
    assert "is not a time" in capsys.readouterr().err


def test_times_in_the_configuration(here: Path) -> None:
    for value in ("2026-11-17", "2026-11-17T00:00:00Z", '"2026-11-17"'):
        (here / "conf.toml").write_text(f"[check]\r\nat = {value}\r\n", "utf-8")
        assert run(f"--config conf.toml {CHECK.removesuffix(' --at 2026-11-17')}") == 0
    assert TIME.convert("2026-11-17T10", None, None) == TIME.convert("2026-11-17T10:00:00-00:00", None, None)


def test_a_name_under_which_nothing_can_be_sealed_is_no_origin(here: Path, capsys: Captured) -> None:
    for origin in ("a b", "a+b"):
        with pytest.raises(LogError, match="log/origin"):
            create(here / "new", origin)
    assert not (here / "new").exists()


@pytest.mark.parametrize("key", ["office.key", "n1.key"])
def test_a_source_does_not_seal_its_log(key: str, here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    before = (here / "log" / "checkpoint").read_bytes()
    assert run(f"log seal log --key log.key --key {key}") == 6
    assert f"key/role: {key} is the key of " in capsys.readouterr().err
    assert (here / "log" / "checkpoint").read_bytes() == before


def test_what_a_killed_init_left_is_no_obstacle(here: Path) -> None:
    init = "log init dc9 --origin acme.example/dc9 --iss https://a --office-key office.key --root-key root.key"
    assert program(init, no_file_grows)[0] == 6
    assert run(init) == 0
    assert log_id(here / "dc9")
    shutil.rmtree(here / "dc9")


def test_a_file_without_end_is_not_read_for_ever(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("attest.cli.params.MAX_INPUT", 3 << 20)
    assert run("agreement show /dev/zero") == 6
    assert "input/too-large: /dev/zero has more than 3,145,728 bytes" in capsys.readouterr().err


def test_a_private_key_is_not_written_to_stdout(here: Path, capsys: Captured) -> None:
    assert run("key new -") == 2
    assert "a private key goes into a file" in capsys.readouterr().err
    assert not Path("-").exists()


def test_accelerators_of_a_log_given_twice_count_once(here: Path, capsys: Captured) -> None:
    assert run(CHECK) == 0
    once = capsys.readouterr().out.splitlines()[0].partition("HOLDS")[2].strip()
    assert run(CHECK.replace("demo/honest", "demo/honest demo/honest")) == 4
    assert capsys.readouterr().out.splitlines()[0].endswith(once)
