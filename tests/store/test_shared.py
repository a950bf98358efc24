"""A folder in which others put what they like: nothing is followed, waited for or read without a bound."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.errors import LogError
from attest.store.shared import Shared

LIMIT = 100


def linked(path: Path) -> None:
    path.symlink_to(path.parents[1] / "secret")


def dangling(path: Path) -> None:
    path.symlink_to(path.parents[1] / "nowhere")


def piped(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def filled(path: Path) -> None:
    (path / "more").mkdir(parents=True)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


POISON = (linked, dangling, piped, bound, filled, huge)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "s").mkdir()
    return tmp_path / "s"


@pytest.mark.parametrize("poison", POISON)
def test_what_is_no_file_is_taken_out_of_the_way_unread(folder: Path, poison: Callable[[Path], None]) -> None:
    poison(folder / "x")
    with Shared(folder) as shared:
        assert shared.read("x", LIMIT) is None
        assert not shared.has("x")
    assert (folder.parent / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("name", ["x", ".tmp-x"])
def test_a_file_is_put_whatever_has_its_names(folder: Path, poison: Callable[[Path], None], name: str) -> None:
    poison(folder / name)
    with Shared(folder) as shared:
        shared.put("x", b"said")
        assert shared.read("x", LIMIT) == b"said"
    assert (folder / "x").is_file()
    assert not (folder / "x").is_symlink()
    assert (folder.parent / "secret").read_bytes() == b"secret"
    assert not (folder.parent / "nowhere").exists()


def test_a_file_has_as_many_bytes_as_it_may(folder: Path) -> None:
    (folder / "x").write_bytes(b"x" * LIMIT)
    (folder / "y").write_bytes(b"y" * (LIMIT + 1))
    with Shared(folder) as shared:
        assert shared.read("x", LIMIT) == b"x" * LIMIT
        assert shared.read("y", LIMIT) is None
        assert shared.read("z", LIMIT) is None
        assert sorted(shared.names()) == ["x"]


def test_a_link_to_a_folder_is_no_folder(folder: Path) -> None:
    (folder / "n1").symlink_to(folder.parent)
    with Shared(folder) as shared, pytest.raises(LogError, match=r"s/n1"):
        shared.below("n1", make=True)


def test_a_folder_that_is_replaced_by_a_link_while_it_is_open_leads_nowhere(folder: Path) -> None:
    (folder / "n1").mkdir()
    with Shared(folder) as shared, shared.below("n1") as mine:
        (folder / "n1").rename(folder / "moved")
        (folder / "n1").symlink_to(folder.parent)
        assert mine.read("secret", LIMIT) is None
        mine.put("secret", b"said")
        mine.clear("s")
    assert (folder.parent / "secret").read_bytes() == b"secret"
    assert (folder / "moved" / "secret").read_bytes() == b"said"


def test_nothing_stays_open(folder: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for number, poison in enumerate(POISON):
        poison(folder / f"x{number}")
        with Shared(folder) as shared:
            shared.read(f"x{number}", LIMIT)
    assert len(list(Path("/dev/fd").iterdir())) == before
