"""Making a bag: the same bytes each time, and whole or not there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from attest.archive import bag_write
from attest.archive.address import Address, address_of
from attest.archive.bag_read import open_bag
from attest.archive.bag_write import Item, write_bag
from attest.errors import ArchiveError, AttestError, MalformedError
from tests.archive.bags import FILES

FIELDS = [("Source-Organization", "An Archive"), ("Bagging-Date", "2026-11-29")]
AWKWARD = {"100%": b"1", "a\nb": b"2", "bundles/Núñez/checkpoint": b"3", "%0A": b"4", " x ": b"5"}


def item(path: str, data: bytes) -> Item:
    return Item(path, address_of(data), [data])


def items(files: dict[str, bytes] | None = None) -> list[Item]:
    found = files or {path.removeprefix("data/"): data for path, data in FILES.items()}
    return [item(path, data) for path, data in found.items()]


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_bag_is_what_the_rfc_says(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", items(), FIELDS)
    found = tree(tmp_path / "bag")
    assert found.keys() == FILES.keys() | {
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest-sha512.txt",
        "tagmanifest-sha256.txt", "tagmanifest-sha512.txt",
    }  # fmt: skip
    assert found["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    assert found["bag-info.txt"] == (
        b"Source-Organization: An Archive\nBagging-Date: 2026-11-29\nPayload-Oxum: 117.3\n"
    )
    for algorithm in ("sha256", "sha512"):
        for name in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
            lines = found[name].decode().splitlines()
            paths = [line.split("  ", 1)[1] for line in lines]
            assert paths == sorted(paths)
            if name.startswith("m"):
                assert set(paths) == set(FILES)
            else:
                assert set(paths) == {p for p in found if "/" not in p and not p.startswith("tagmanifest-")}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_coreutils_agree(algorithm: str, tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", items(), FIELDS)
    for name in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
        done = subprocess.run([f"{algorithm}sum", "--check", "--strict", name], cwd=tmp_path / "bag", check=True)
        assert done.returncode == 0


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", items(AWKWARD), FIELDS)
    with open_bag(tmp_path / "bag") as bag:
        assert bag.remarks == ()
        assert bag.info == (*FIELDS, ("Payload-Oxum", "5.5"))
        assert {path: bag.read(path, 1) for path in bag.files} == {f"data/{p}": d for p, d in AWKWARD.items()}


def test_the_order_of_items_does_not_matter(tmp_path: Path) -> None:
    write_bag(tmp_path / "one", items(AWKWARD), FIELDS)
    write_bag(tmp_path / "two", reversed(items(AWKWARD)), FIELDS)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_items_are_asked_for_one_by_one(tmp_path: Path) -> None:
    seen: list[str] = []

    def pieces(name: str) -> Iterator[bytes]:
        seen.append(name)
        yield b"x"
        yield b""
        yield b"y"

    def each() -> Iterator[Item]:
        for name in ("a", "b"):
            yield Item(name, address_of(b"xy"), pieces(name))
            assert seen[-1] == name

    write_bag(tmp_path / "bag", each(), [])
    assert seen == ["a", "b"]


def refused(path: Path, given: Iterable[Item], fields: list[tuple[str, str]] | None = None) -> AttestError:
    """The error; and nothing is left of the bag, under any name."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(AttestError) as caught:
        write_bag(path, given, fields or [])
    assert sorted(path.parent.iterdir()) == before
    return caught.value


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_nothing_is_written_over(make: object, tmp_path: Path) -> None:
    make(tmp_path / "bag")  # type: ignore[operator]
    error = refused(tmp_path / "bag", items())
    assert isinstance(error, ArchiveError)
    assert error.code == "bag/exists"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([Item("a", address_of(b"x"), [b"y"])], "archive/changed"),
        ([Item("a", Address(*address_of(b"x")[:2], 2), [b"x"])], "archive/changed"),
        ([item("a", b"x"), item("a", b"x")], "bag/exists"),
        ([item("a", b"x"), item("a/b", b"x")], "bag/write"),
        ([item("a/b", b"x"), item("a", b"x")], "bag/exists"),
        ([item("a", b"x"), item("../a", b"x")], "bag/path"),
        ([item("/etc/x", b"x")], "bag/path"),
        ([item("a\\b", b"x")], "bag/path"),
        ([item("a\udcff", b"x")], "bag/path"),
        ([item("x" * 300, b"x")], "bag/write"),
        ([], "bag/empty"),
    ],
)
def test_items_that_make_no_bag(given: list[Item], code: str, tmp_path: Path) -> None:
    assert refused(tmp_path / "bag", given).code == code


@pytest.mark.parametrize("field", [("A", "b\nc"), ("A:", "b"), ("payload-oxum", "1.1")])
def test_fields_that_make_no_bag(field: tuple[str, str], tmp_path: Path) -> None:
    def asked() -> Iterator[Item]:
        yield pytest.fail("no item is asked for before the fields are found good")

    assert refused(tmp_path / "bag", asked(), [field]).code == "bag/info"


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="bag/write") as caught:
        write_bag(tmp_path / "none" / "bag", items(), [])
    assert "room for it" in caught.value.hint


@pytest.mark.parametrize("name", ["write", "sync_directory"])
def test_a_full_disk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bag_write.disk, name, full)
    with pytest.raises(ArchiveError, match=r"bag/write.*No space left"):
        write_bag(tmp_path / "bag", items(), [])
    if name == "write":
        assert list(tmp_path.iterdir()) == []
    else:  # it has its name, and is whole, though it may not outlive a power cut
        open_bag(tmp_path / "bag").close()


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bag(tmp_path / "bag", [item("a", b"x"), Item("b", address_of(b"xy"), stopped())], [])
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from attest.archive import bag_write
from tests.archive.test_bag_write import items

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

step, target = sys.argv[1:]
if step == "write":
    bag_write.address_of = die  # the payload is written, the manifests are not
elif step == "sync":
    os.sync = die
elif step == "rename":
    Path.rename = die
else:
    bag_write.disk.sync_directory = die
bag_write.write_bag(Path(target), items(), [])
"""


@pytest.mark.parametrize("step", ["write", "sync", "rename", "named"])
def test_a_kill_leaves_a_whole_bag_or_none(step: str, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, step, str(tmp_path / "bag")], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    if step == "named":
        open_bag(tmp_path / "bag").close()
    else:
        left = [path.name for path in tmp_path.iterdir()]
        assert len(left) == 1 and left[0].startswith(".bag.") and left[0].endswith(".partial")
    write_bag(tmp_path / "again", items(), [])


@pytest.mark.stress
def test_a_hundred_thousand_files(tmp_path: Path) -> None:
    number = 100_000

    def many() -> Iterator[Item]:
        for n in range(number):
            yield item(f"bundles/acme/tile/entries/x{n // 1_000:03d}/{n % 1_000:03d}", b"%d" % n)

    write_bag(tmp_path / "bag", many(), FIELDS)
    with open_bag(tmp_path / "bag") as bag:
        assert len(bag.files) == number
        assert bag.remarks == ()
    os.truncate(tmp_path / "bag/data/bundles/acme/tile/entries/x050/050", 1)
    with pytest.raises(MalformedError, match=r"bag/changed.*x050/050"):
        open_bag(tmp_path / "bag")
