"""Killed anywhere, short of power anywhere, out of space anywhere: nothing lost, nothing doubled, one whole log.

Every test runs the same life of a log (`live`): entries one by one and in frames, with blocks and without,
seals that make, continue and fill tiles, cosignatures. It is cut short; then somebody opens the log, and it must
hold every entry that was accepted, in order, at most one frame more, and a checkpoint no older than the one that
was published last; then the life is lived again from its beginning, and must end in the very same files.
"""

import errno
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.sign.notes import cosign
from attest.sign.seeded import seeded_key
from attest.store import disk
from attest.store.writer import LogWriter

Lab = Any
WITNESS = seeded_key("store witness")
CHANGES = (
    "write",
    "sync",
    "sync_directory",
    "truncate",
    "rename",
    "unlink",
    "make_directory",
    "remove_directory",
    "create",
)
STEPS = ((1, 3), (3, 4), (4, 254), (254, 256), (256, 258))
COUNT = STEPS[-1][1]


def live(lab: Lab, path: Path, items: list[Any], tell: Callable[[str, int], None]) -> None:
    """The life of a log; `tell` hears what was accepted and what was published, once it was."""
    with open_or_create(lab, path) as log:
        log.append(*items[0])
        tell("accepted", 1)
        for begin, end in STEPS:
            log.extend(items[begin:end])
            tell("accepted", end)
            if log.size < end:
                log.seal(lab.sign)
                tell("published", end)
            if log.size == end and log.checkpoint and b"w.example" not in log.checkpoint:
                log.cosign(cosign(log.checkpoint, "w.example", WITNESS, 1_700_000_000 + end))


def open_or_create(lab: Lab, path: Path) -> LogWriter:
    try:
        return LogWriter.open(path)
    except LogError as error:
        assert error.code == "log/not-a-log"
        return LogWriter.create(path, lab.origin)


def contents(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".tmp"}


class Told(dict[str, int]):
    """What was accepted and published before the end."""

    def __call__(self, what: str, count: int) -> None:
        self[what] = count


def require_whole(lab: Lab, path: Path, items: list[Any], told: dict[str, int]) -> None:
    """Opens what is left, holds it against what was told, and lives on to the end."""
    with open_or_create(lab, path) as log:
        total = log.size + log.pending
        assert [log.entry(i) for i in range(log.pending and log.size, total)] == [
            entry for entry, _ in items[log.pending and log.size : total]
        ]
        accepted = told.get("accepted", 0)
        following = next((end for _, end in STEPS if end > accepted), COUNT) if accepted else 1
        assert accepted <= total <= following
        assert log.size >= told.get("published", 0)
        if log.size:
            assert lab.read(path) == items[: log.size]
    live(lab, path, items, Told())
    assert lab.read(path) == items


@pytest.fixture(autouse=True)
def no_real_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process wrote is in the system's memory whether synced or not; lost power is simulated."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def items(lab: Lab) -> list[Any]:
    return lab.items(COUNT)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def final(lab: Lab, items: list[Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a life that nothing cut short."""
    path: Path = tmp_path_factory.mktemp("final") / "log"
    live(lab, path, items, Told())
    return contents(path)


@pytest.fixture(scope="module")
def steps(lab: Lab, items: list[Any], tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many changes of the disk a life makes."""
    with pytest.MonkeyPatch.context() as patch:
        count = Fault(patch, -1, lambda name, arguments: None)
        live(lab, tmp_path_factory.mktemp("steps") / "log", items, Told())
    return count.at


class Fault:
    """Does something before change number `when` of the disk, and from then on if it raises again."""

    def __init__(self, patch: pytest.MonkeyPatch, when: int, act: Callable[[str, Any], None]) -> None:
        self.at, self.when, self.act = 0, when, act
        for name in CHANGES:
            patch.setattr(disk, name, self.wrap(name, getattr(disk, name)))

    def wrap(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            self.at += 1
            if self.at - 1 == self.when:
                self.act(name, arguments)
            return change(*arguments)

        return changed


def test_a_life_makes_a_change_of_every_kind(steps: int, lab: Lab, items: list[Any], tmp_path: Path) -> None:
    seen = set()
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(patch, -1, lambda name, arguments: None)
        for name in CHANGES:
            inner = getattr(disk, name)
            patch.setattr(disk, name, lambda *a, inner=inner, name=name: (seen.add(name), inner(*a))[1])
        live(lab, tmp_path / "log", items, Told())
    assert seen == set(CHANGES)
    assert fault.at == steps


def die(name: str, arguments: Any) -> None:
    """As kill -9 would, in the middle of a write."""
    if name == "write":
        file, data = arguments
        os.write(file, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def forked(run: Callable[[Callable[[str, int], None]], None], after: float | None = None) -> tuple[int, Told]:
    """Runs in a child that tells over a pipe; returns how it ended and what was told. Kills it `after` seconds."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        code = 9
        try:
            os.close(receive)
            run(lambda what, count: (os.write(send, f"{what} {count}\n".encode()), None)[1])
            code = 0
        finally:
            os._exit(code)
    os.close(send)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(receive) as pipe:
        told = Told()
        for line in pipe:
            what, count = line.split()
            told(what, int(count))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def test_killed_before_every_change_of_the_disk(
    lab: Lab, items: list[Any], steps: int, final: dict[str, bytes], tmp_path: Path
) -> None:
    assert steps > 150
    for when in range(steps):
        path = tmp_path / "log"

        def run(tell: Callable[[str, int], None], when: int = when, path: Path = path) -> None:
            Fault(pytest.MonkeyPatch(), when, die)
            live(lab, path, items, tell)

        status, told = forked(run)
        assert status == -signal.SIGKILL
        require_whole(lab, path, items, told)
        assert contents(path) == final
        shutil.rmtree(path)


def test_killed_at_any_moment(lab: Lab, items: list[Any], final: dict[str, bytes], tmp_path: Path) -> None:
    """By somebody else and by the clock, 40 times, each on what the kill before left."""
    rng = random.Random("attest kills 1")
    path = tmp_path / "log"
    begin = time.perf_counter()
    forked(lambda tell: live(lab, path, items, tell))
    whole_life = time.perf_counter() - begin
    shutil.rmtree(path)
    told = Told()
    killed = 0
    while killed < 40:
        status, heard = forked(lambda tell: live(lab, path, items, tell), after=rng.random() * whole_life)
        killed += status == -signal.SIGKILL
        for what, count in heard.items():
            told(what, max(count, told.get(what, 0)))
        if path.exists():
            with open_or_create(lab, path) as log:
                assert told.get("accepted", 0) <= log.size + log.pending
                assert told.get("published", 0) <= log.size
                if log.size:
                    assert lab.read(path) == items[: log.size]
            if log.size == COUNT:
                shutil.rmtree(path)
                told = Told()
    require_whole(lab, path, items, told)
    assert contents(path) == final


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_an_error_at_every_change_of_the_disk(
    lab: Lab, items: list[Any], steps: int, final: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    code = {errno.ENOSPC: "log/disk-full", errno.EROFS: "log/read-only"}.get(number, "log/io")

    def fail(name: str, arguments: Any) -> None:
        if name == "write" and number == errno.ENOSPC:
            file, data = arguments
            os.write(file, data[: len(data) // 2])
        raise OSError(number, os.strerror(number), "the disk")

    rng = random.Random(f"attest errors {number}")
    for when in sorted(rng.sample(range(steps), 25)):
        path = tmp_path / "log"
        told = Told()
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, when, fail)
            with pytest.raises(LogError) as caught:
                live(lab, path, items, told)
        assert caught.value.code == code
        assert os.strerror(number) in caught.value.detail
        assert caught.value.hint
        require_whole(lab, path, items, told)
        assert contents(path) == final
        shutil.rmtree(path)


class PowerLoss(BaseException):
    """The lights go out."""


class Volatile:
    """What a disk keeps of a directory when power fails: what was synced, and anything of the rest.

    Follows every change (in the real directory, by inode) and can write down a state that a crash may leave:
    unsynced bytes lost, kept or cut short, unsynced names of each directory kept up to any one of them.
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: Path, when: int) -> None:
        self.root, self.when, self.at = root, when, 0
        self.kept: dict[int, bytes] = {}  # inode -> synced bytes
        self.names: dict[Path, dict[str, Any]] = {}  # directory -> synced names: inode, or None for a directory
        self.changes: dict[Path, list[tuple[str, Any]]] = {}  # directory -> unsynced (name, inode | None | "gone")
        self.bytes: dict[int, bytes] = {}  # inode -> what is in it now
        for name in CHANGES:
            patch.setattr(disk, name, self.wrap(name, getattr(disk, name)))

    def wrap(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        follow = getattr(self, name)

        def changed(*arguments: Any) -> Any:
            self.at += 1
            if self.at - 1 == self.when:
                raise PowerLoss
            if name in ("sync", "sync_directory"):
                return follow(*arguments)  # nothing has to reach a real disk
            if name in ("rename", "unlink"):
                follow(*arguments)
                return change(*arguments)
            result = change(*arguments)
            follow(*arguments, *([result] if name == "create" else []))
            return result

        return changed

    def note(self, path: Path, what: Any) -> None:
        self.changes.setdefault(path.parent, []).append((path.name, what))

    def snapshot(self, file: int) -> int:
        inode = os.fstat(file).st_ino
        self.bytes[inode] = Path(f"/proc/self/fd/{file}").read_bytes()
        return inode

    def create(self, path: Path, file: int) -> None:
        inode = os.fstat(file).st_ino
        known = {n for names in self.names.values() for n in names.values()}
        if inode not in known:
            self.kept[inode] = b""  # a new file, or the number of one that is gone
        self.bytes[inode] = b""
        self.note(path, inode)

    def write(self, file: int, data: bytes) -> None:
        self.snapshot(file)

    def truncate(self, file: int, size: int) -> None:
        self.snapshot(file)

    def sync(self, file: int) -> None:
        inode = self.snapshot(file)
        self.kept[inode] = self.bytes[inode]

    def sync_directory(self, path: Path) -> None:
        names = self.names.setdefault(path, {})
        for name, what in self.changes.pop(path, []):
            apply(names, name, what)

    def rename(self, source: Path, target: Path) -> None:
        inode = source.stat().st_ino
        self.note(source, "gone")
        self.note(target, inode)

    def unlink(self, path: Path) -> None:
        self.note(path, "gone")

    def make_directory(self, path: Path) -> None:
        self.note(path, None)
        self.names[path] = {}

    def remove_directory(self, path: Path) -> None:
        self.note(path, "gone")

    def write_down(self, target: Path, rng: random.Random | None) -> None:
        """A state after the crash: without `rng` nothing unsynced survived."""

        def survivors(path: Path) -> dict[str, Any]:
            names = dict(self.names.get(path, {}))
            changes = self.changes.get(path, [])
            for name, what in changes[: rng.randint(0, len(changes)) if rng else 0]:
                apply(names, name, what)
            return names

        def put(source: Path, to: Path) -> None:
            to.mkdir(exist_ok=True)
            for name, what in survivors(source).items():
                if what is None:
                    put(source / name, to / name)
                else:
                    (to / name).write_bytes(self.survived(what, rng))

        if self.root.name in survivors(self.root.parent):
            put(self.root, target)

    def survived(self, inode: int, rng: random.Random | None) -> bytes:
        kept, now = self.kept.get(inode, b""), self.bytes.get(inode, b"")
        if rng is None or kept == now:
            return kept
        if not now.startswith(kept):  # cut off, or written anew
            return rng.choice([kept, now])
        size = rng.randint(len(kept), len(now))
        filler = bytes(rng.choice([0, len(now) - size]))
        return now[:size] + filler


def apply(names: dict[str, Any], name: str, what: Any) -> None:
    if what == "gone":
        names.pop(name, None)
    else:
        names[name] = what


def moments(steps: int, count: int, name: str) -> Iterator[tuple[int, random.Random]]:
    rng = random.Random(name)
    for when in sorted(rng.sample(range(steps), count)):
        yield when, random.Random(f"{name} {when}")


@pytest.mark.parametrize("lucky", [False, True], ids=["all-lost", "some-kept"])
def test_power_lost_before_a_change_of_the_disk(
    lab: Lab, items: list[Any], steps: int, final: dict[str, bytes], tmp_path: Path, lucky: bool
) -> None:
    for when, rng in moments(steps, 60, f"attest power {lucky}"):
        path, left = tmp_path / "log", tmp_path / "left"
        told = Told()
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, path, when)
            with pytest.raises(PowerLoss):
                live(lab, path, items, told)
        volatile.write_down(left, rng if lucky else None)
        if left.exists():
            require_whole(lab, left, items, told)
            assert contents(left) == final
            shutil.rmtree(left)
        else:
            assert not told
        shutil.rmtree(path, ignore_errors=True)
