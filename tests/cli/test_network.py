"""No local command opens a socket or resolves a name, whatever it is given."""

import socket
from pathlib import Path

import pytest

from tests.cli.sandbox import run

PINS = "--agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17"
pytestmark = pytest.mark.usefixtures("no_network", "here")


def test_the_world_is_without_sockets() -> None:
    with pytest.raises(AssertionError):
        socket.socket()
    with pytest.raises(AssertionError):
        socket.getaddrinfo("localhost", 80)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"check demo/honest {PINS}", 0),
        (f"check demo/violating {PINS}", 3),
        (f"check demo/silent {PINS} --format json", 4),
        (f"check demo/forged {PINS} --format lines", 5),
        (f"check nope {PINS}", 6),
        (f"check https://acme.example/dc1 {PINS}", 6),
        ("check demo/honest --agreement https://acme.example/pact --at 2026-11-17", 6),
        ("open demo/honest", 0),
        ("open https://acme.example/dc1", 6),
        ("agreement show pact.agreement", 0),
        ("import power power.csv --dry-run", 0),
        ("log seal log --key log.key", 0),
        ("demo another", 0),
        ("completion man", 0),
    ],
)
def test_a_local_command_opens_none(command: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == code, capsys.readouterr().err


def test_what_a_key_is_made_of_comes_from_the_system(tmp_path: Path) -> None:
    assert run(f"key new {tmp_path / 'new.key'}") == 0
