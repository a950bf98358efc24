"""What the tests of the command line share: a full directory to work in, and a world without sockets."""

import shutil
import socket
from pathlib import Path

import pytest

from tests.cli import sandbox


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything that examples name; not to be changed."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sandbox.fill(folder)
    return folder


@pytest.fixture
def here(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory; the demo is large and the same whoever writes it, so it is shared."""
    folder = shutil.copytree(filled, tmp_path / "here", ignore=shutil.ignore_patterns("demo"))
    (folder / "demo").symlink_to(filled / "demo")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever opens a socket or resolves a name fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a local command opened a socket")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname", "socketpair"):
        monkeypatch.setattr(socket, name, refuse)
