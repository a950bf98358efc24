"""What only a folder has: modes, links, a disk that fills or fails, and power that goes away."""

import errno
import fcntl
import os
import random
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attest.archive.address import address_of
from attest.archive.folder import INCOMING, FolderObjects
from attest.errors import ArchiveError, AttestError, MissingError
from attest.store import disk
from tests.archive.test_objects import put, read
from tests.store.crashes import Fault, PowerLoss, Told, Volatile, die, forked, lost_at, write_down

CHANGES = ("create", "write", "sync", "rename", "link", "unlink", "make_directory", "sync_directory")
CONTENTS = tuple(random.Random(n).randbytes(10 + 500 * n) for n in range(5))
ENTRIES = tuple(b"entry %d" % n for n in range(4))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def named(n: int) -> str:
    return f"custody/entries/000/{n:03}"


def live(root: Path, tell: Callable[[str, int], None]) -> None:
    """Objects and entries in turn, one object among them twice, one that is removed; what was told must stay."""
    store = FolderObjects(root)
    for n, data in enumerate(CONTENTS):
        put(store, data)
        tell("objects", n + 1)
        if n < len(ENTRIES):
            store.put_named(named(n), ENTRIES[n])
            tell("entries", n + 1)
    put(store, CONTENTS[0])
    store.remove(put(store, b"to be removed"))
    tell("removed", 1)


def require_whole(root: Path, told: dict[str, int]) -> None:
    """What was told is there, nothing else is anywhere but whole, and the life can be lived again to its end."""
    store = FolderObjects(root)
    for data in CONTENTS[: told.get("objects", 0)]:
        assert read(store, address_of(data)) == data
    assert [store.named(named(n)) for n in range(told.get("entries", 0))] == list(ENTRIES[: told.get("entries", 0)])
    whole = {address_of(data).path: data for data in (*CONTENTS, b"to be removed")}
    for found in store.walk():
        assert (root / found.path).read_bytes() == whole[found.path]
    for n, entry in enumerate(ENTRIES):
        assert store.named(named(n)) in (entry, None)
    if "removed" in told:
        assert not store.has(address_of(b"to be removed"))
    live(root, Told())
    assert {found.path for found in store.walk()} == {address_of(data).path for data in CONTENTS}
    assert list((root / INCOMING).iterdir()) == []


@pytest.fixture
def no_real_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many changes of the disk a life makes, of every kind."""
    seen = set()
    with pytest.MonkeyPatch.context() as patch:
        counted = Fault(patch, -1, lambda name, arguments: None, CHANGES)
        for name in CHANGES:
            inner = getattr(disk, name)
            patch.setattr(disk, name, lambda *a, inner=inner, name=name: (seen.add(name), inner(*a))[1])
        live(tmp_path_factory.mktemp("steps"), Told())
    assert seen == set(CHANGES)
    return counted.at


def test_killed_before_every_change_of_the_disk(root: Path, steps: int, no_real_disk: None) -> None:
    for when in range(steps):

        def run(tell: Callable[[str, int], None], when: int = when) -> None:
            Fault(pytest.MonkeyPatch(), when, die, CHANGES)
            live(root, tell)

        status, told = forked(run)
        assert status == -signal.SIGKILL
        require_whole(root, told)
        shutil.rmtree(root)
        root.mkdir()


def moments(steps: int, count: int, name: str) -> Iterator[tuple[int, random.Random]]:
    """So many moments of a life, drawn from a name, each with a source of chance of its own."""
    for when in sorted(random.Random(name).sample(range(steps), count)):
        yield when, random.Random(f"{name} {when}")


@pytest.mark.parametrize("lucky", [False, True])
def test_power_fails_before_any_change_of_the_disk(tmp_path: Path, steps: int, lucky: bool) -> None:
    """Nothing that was not synced stays, or anything of it."""
    for when, rng in moments(steps, min(steps, 60), f"folder {lucky}"):
        root, left, told = tmp_path / "store", tmp_path / "left", Told()
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, root, lost_at(-1), CHANGES)
            disk.make_directory(root)
            disk.sync_directory(tmp_path)
            volatile.at, volatile.before = 0, lost_at(when)
            with pytest.raises(PowerLoss):
                live(root, told)
        volatile.close()
        write_down(volatile.left(rng if lucky else None), left)
        require_whole(left, told)
        shutil.rmtree(root)
        shutil.rmtree(left)


@pytest.mark.parametrize(
    "number, code",
    [
        (errno.ENOSPC, "archive/full"),
        (errno.EDQUOT, "archive/full"),
        (errno.EROFS, "archive/denied"),
        (errno.EACCES, "archive/denied"),
        (errno.EIO, "archive/store"),
    ],
)
def test_an_error_at_every_change_of_the_disk(
    root: Path, steps: int, no_real_disk: None, number: int, code: str
) -> None:
    def fail(name: str, arguments: Any) -> None:
        raise OSError(number, os.strerror(number), "the disk")

    for when in range(0, steps, 3):
        told = Told()
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, when, fail, CHANGES)
            with pytest.raises(ArchiveError) as error:
                live(root, told)
        assert (error.value.code, bool(error.value.hint)) == (code, True)
        assert "the disk" in error.value.detail
        require_whole(root, told)
        shutil.rmtree(root)
        root.mkdir()


def test_four_processes_and_forty_kills(root: Path, no_real_disk: None) -> None:
    """What any of them has told is there, whole, whatever became of it."""
    rng = random.Random("folder kills")
    contents = [random.Random(n).randbytes(rng.randrange(1, 200_000)) for n in range(300)]
    stored: set[int] = set()
    for _ in range(10):
        pipes = []
        for _ in range(4):
            receive, send = os.pipe()
            order = rng.sample(range(len(contents)), len(contents))
            child = os.fork()
            if child == 0:
                try:
                    store = FolderObjects(root)
                    for n in order:
                        put(store, contents[n])
                        os.write(send, b"%d\n" % n)
                finally:
                    os._exit(0)
            os.close(send)
            pipes.append((child, receive))
        for child, receive in pipes:
            with os.fdopen(receive) as pipe:
                told = [int(pipe.readline()) for _ in range(rng.randrange(1, 12))]
                os.kill(child, signal.SIGKILL)
                stored.update(told, map(int, pipe.read().splitlines()))
            os.waitpid(child, 0)
    store = FolderObjects(root)
    assert len(stored) > 50
    for n in stored:
        assert read(store, address_of(contents[n])) == contents[n]
    paths = {address_of(data).path: data for data in contents}
    assert all((root / found.path).read_bytes() == paths[found.path] for found in store.walk())
    put(store, b"one more")
    assert list((root / INCOMING).iterdir()) == []


def test_what_somebody_is_writing_is_left_alone(root: Path) -> None:
    put(FolderObjects(root), b"")
    running, dead, foreign = (root / INCOMING / name for name in ("running", "dead", "folder"))
    for path in (running, dead):
        path.write_bytes(b"half")
    foreign.mkdir()
    with running.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        put(FolderObjects(root), b"1")
        assert sorted((root / INCOMING).iterdir()) == [foreign, running]
    put(FolderObjects(root), b"2")
    assert list((root / INCOMING).iterdir()) == [foreign]


def test_a_file_that_is_swept_before_it_is_locked_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, made = disk.create, []

    def swept(path: Path) -> int:
        file = create(path)
        made.append(path)
        if len(made) == 1:
            path.unlink()
        return file

    monkeypatch.setattr(disk, "create", swept)
    store = FolderObjects(root)
    assert read(store, put(store, b"data")) == b"data"
    assert len(made) == 2


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_may_only_be_read(root: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = FolderObjects(root)
        address = put(store, b"data")
        store.put_named(named(0), b"entry")
    finally:
        os.umask(before)
    for path in (address.path, named(0)):
        assert stat.S_IMODE((root / path).stat().st_mode) == 0o444


@pytest.mark.parametrize("up", [0, 1, 2], ids=["file", "directory", "objects"])
def test_links_are_not_followed(root: Path, tmp_path: Path, up: int) -> None:
    other = FolderObjects(tmp_path / "other")
    (tmp_path / "other").mkdir()
    address = put(other, b"data")
    link = [root / address.path, *(root / address.path).parents][up]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "other" / link.relative_to(root))
    store = FolderObjects(root)
    if up == 0:
        assert not store.has(address)
        with pytest.raises(MissingError, match="is a symbolic link"):
            read(store, address)
        assert [found.path for found in store.walk()] == [address.path]
        put(store, b"data")  # takes the link's place
        assert read(store, address) == b"data"
        assert not link.is_symlink()
    else:
        for act in (lambda: store.has(address), lambda: read(store, address), lambda: put(store, b"data")):
            with pytest.raises(ArchiveError) as error:
                act()
            assert error.value.code == "archive/link"
            assert str(link) in error.value.detail
    assert read(other, address) == b"data"
    assert (tmp_path / "other" / address.path).is_file()


def test_nothing_is_written_behind_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").touch()
    (root / INCOMING).symlink_to(tmp_path / "beside")
    with pytest.raises(ArchiveError, match="archive/link"):
        put(FolderObjects(root), b"data")
    assert [path.name for path in (tmp_path / "beside").iterdir()] == ["file"]


def test_a_walk_shows_a_link_and_does_not_enter_it(root: Path, tmp_path: Path) -> None:
    store = FolderObjects(root)
    address = put(store, b"data")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").touch()
    (root / "objects" / "zz").symlink_to(tmp_path / "beside")
    assert [found.path for found in store.walk()] == [address.path, "objects/zz"]
    (root / "custody").symlink_to(tmp_path / "beside")
    with pytest.raises(ArchiveError, match="archive/link"):
        list(store.walk("custody/"))


def test_a_pipe_is_no_object(root: Path) -> None:
    store, address = FolderObjects(root), address_of(b"")
    put(store, b"")
    (root / address.path).unlink()
    os.mkfifo(root / address.path)
    assert not store.has(address)
    with pytest.raises(MissingError, match="is no file"):
        read(store, address)
    (root / "custody").mkdir()
    os.mkfifo(root / "custody" / "pipe")
    with pytest.raises(MissingError, match="is no file"):
        store.named("custody/pipe")


def test_a_name_that_is_no_text_is_shown(root: Path) -> None:
    (root / "objects").mkdir()
    (Path(os.fsdecode(os.fsencode(root / "objects") + b"/\xff"))).touch()
    assert [found.path for found in FolderObjects(root).walk()] == ["objects/\\xff"]


def test_what_is_too_large_under_a_name_is_not_read(root: Path) -> None:
    with (root / "entry").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="more than 1,048,576 bytes"):
        FolderObjects(root).named("entry")


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Such as one on a disk that is not mounted."""
    store = FolderObjects(tmp_path / "unmounted")
    with pytest.raises(ArchiveError, match="archive/store"):
        put(store, b"data")
    assert not (tmp_path / "unmounted").exists()


def test_what_one_may_not_read_is_not_missing(root: Path) -> None:
    store = FolderObjects(root)
    address = put(store, b"data")
    root.chmod(0)
    child = os.fork()
    if child == 0:
        codes = []
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            for act in (lambda: store.has(address), lambda: read(store, address), lambda: list(store.walk())):
                try:
                    act()
                except AttestError as error:
                    codes.append(error.code)
        finally:
            os._exit(0 if codes == ["archive/denied"] * 3 else 9)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    root.chmod(0o755)
    assert status == 0
