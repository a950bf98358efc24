"""Crashes to order: killed before a change of the disk, an error of it, or loss of power with what was not synced.

A life is a function that is told a `tell(what, count)`; what it tells before its end is what others may rely on.
"""

import gc
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from attest.store import disk

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


class Told(dict[str, int]):
    """What was accepted and published before the end."""

    def __call__(self, what: str, count: int) -> None:
        self[what] = count


class Fault:
    """Does something before change number `when` of the disk, and from then on if it raises again; with None before
    each."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        when: int | None,
        act: Callable[[str, Any], None],
        changes: Sequence[str] = CHANGES,
    ) -> None:
        self.at, self.when, self.act = 0, when, act
        for name in changes:
            patch.setattr(disk, name, self.wrap(name, getattr(disk, name)))

    def wrap(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            self.at += 1
            if self.when in (None, self.at - 1):
                self.act(name, arguments)
            return change(*arguments)

        return changed


def die(name: str, arguments: Any) -> None:
    """As kill -9 would, in the middle of a write."""
    if name == "write":
        file, data = arguments
        os.write(file, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def forked(run: Callable[[Callable[[str, int], None]], None], after: float | None = None) -> tuple[int, Told]:
    """Runs in a child that tells over a pipe; returns how it ended and what was told. Kills it `after` seconds."""
    receive, send = os.pipe()
    gc.freeze()  # a collection in the child would touch, and so copy, whatever all tests before have made
    child = os.fork()
    if child == 0:
        code = 9
        try:
            gc.disable()
            os.close(receive)
            run(lambda what, count: (os.write(send, f"{what} {count}\n".encode()), None)[1])
            code = 0
        finally:
            os._exit(code)
    gc.unfreeze()
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


class PowerLoss(BaseException):
    """The lights go out."""


SECTOR = 512  # bytes that a disk writes whole or not at all

State = dict[str, bytes | None]  # by path what is there, None for a directory


class Volatile:
    """What a disk keeps of a directory when power fails: what was synced, and anything of the rest.

    Follows every change (in the real directory, by inode) from what is there at first, calls `before` with the number
    of each, and can say at any time what a crash may leave: unsynced bytes lost, kept, cut short or with holes, of the
    unsynced names of each directory all up to any one of them, or any.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        root: Path,
        before: Callable[[int], None],
        changes: Sequence[str] = CHANGES,
    ) -> None:
        self.root, self.before, self.at = root, before, 0
        self.kept: dict[int, bytes] = {}  # inode -> synced bytes
        self.names: dict[Path, dict[str, Any]] = {}  # directory -> synced names: inode, or None for a directory
        self.changes: dict[Path, list[tuple[str, Any]]] = {}  # directory -> unsynced (name, inode | None | "gone")
        self.bytes: dict[int, bytes] = {}  # inode -> what is in it now
        self.lost: State | None = None  # the state without anything unsynced, as long as it stays that
        self.gone: list[BinaryIO] = []  # held open, so that no new file gets the number of one that may come back
        if root.exists():
            self.names[root.parent] = {root.name: None}
            self.look(root)
        for name in changes:
            patch.setattr(disk, name, self.wrap(name, getattr(disk, name)))

    def look(self, folder: Path) -> None:
        """What is there at first lasts."""
        names = self.names.setdefault(folder, {})
        for path in folder.iterdir():
            names[path.name] = None if path.is_dir() else path.stat().st_ino
            if path.is_dir():
                self.look(path)
            else:
                self.kept[path.stat().st_ino] = self.bytes[path.stat().st_ino] = path.read_bytes()

    def wrap(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        follow = getattr(self, name)

        def changed(*arguments: Any) -> Any:
            self.at += 1
            self.before(self.at - 1)
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
            self.kept[inode] = b""  # a new file
        self.bytes[inode] = b""
        self.note(path, inode)

    def write(self, file: int, data: bytes) -> None:
        self.snapshot(file)

    def truncate(self, file: int, size: int) -> None:
        self.snapshot(file)

    def sync(self, file: int) -> None:
        inode = self.snapshot(file)
        self.kept[inode], self.lost = self.bytes[inode], None

    def sync_directory(self, path: Path) -> None:
        names, self.lost = self.names.setdefault(path, {}), None
        for name, what in self.changes.pop(path, []):
            apply(names, name, what)

    def rename(self, source: Path, target: Path) -> None:
        inode = source.stat().st_ino
        if target.exists():
            self.gone.append(target.open("rb"))
        self.note(source, "gone")
        self.note(target, inode)

    def link(self, source: Path, target: Path) -> None:
        self.note(target, source.stat().st_ino)

    def unlink(self, path: Path) -> None:
        self.gone.append(path.open("rb"))
        self.note(path, "gone")

    def make_directory(self, path: Path) -> None:
        self.note(path, None)
        self.names[path] = {}

    def remove_directory(self, path: Path) -> None:
        self.note(path, "gone")

    def close(self) -> None:
        """Nothing comes back any more."""
        for file in self.gone:
            file.close()

    def left(self, rng: random.Random | None) -> State | None:
        """A state after the crash, None where there is nothing; without `rng` nothing unsynced survived."""
        if rng is None and self.lost is not None:
            return self.lost
        found: State = {}

        def survivors(path: Path) -> dict[str, Any]:
            names = dict(self.names.get(path, {}))
            changes = self.changes.get(path, []) if rng else []
            if rng and rng.random() < 0.5:
                changes = changes[: rng.randint(0, len(changes))]
            elif rng:
                changes = [change for change in changes if rng.random() < 0.5]
            for name, what in changes:
                apply(names, name, what)
            return names

        def put(source: Path, name: str) -> None:
            found[name] = None
            for inner, what in survivors(source).items():
                if what is None:
                    put(source / inner, f"{name}/{inner}")
                else:
                    found[f"{name}/{inner}"] = self.survived(what, rng)

        if self.root.name not in survivors(self.root.parent):
            return None
        put(self.root, ".")
        self.lost = found if rng is None else self.lost
        return found

    def survived(self, inode: int, rng: random.Random | None) -> bytes:
        kept, now = self.kept.get(inode, b""), self.bytes.get(inode, b"")
        if rng is None or kept == now:
            return kept
        if not now.startswith(kept):  # cut off, or written anew
            return rng.choice([kept, now])
        size = rng.randint(len(kept), len(now))
        found = bytearray(now[:size] + bytes(rng.choice([0, len(now) - size])))
        if rng.random() < 0.5:
            for sector in range(len(kept) // SECTOR, len(found) // SECTOR + 1):
                if rng.random() < 0.5:
                    lost = slice(max(sector * SECTOR, len(kept)), min((sector + 1) * SECTOR, len(found)))
                    found[lost] = bytes(len(found[lost]))
        return bytes(found)


def left_by_kill(root: Path, name: str, arguments: Any) -> Iterator[State]:
    """What a process leaves that is killed before a change, or in the middle of a write."""
    yield found_in(root)
    if name == "write":
        file, data = arguments
        size, at = os.fstat(file).st_size, os.lseek(file, 0, os.SEEK_CUR)
        os.write(file, data[: len(data) // 2])
        yield found_in(root)
        os.ftruncate(file, size)
        os.lseek(file, at, os.SEEK_SET)


def found_in(root: Path) -> State:
    """What there is at and below a directory."""
    paths = [root, *sorted(root.rglob("*"))]
    return {path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes() for path in paths}


def lost_at(when: int) -> Callable[[int], None]:
    """For `Volatile.before`: power is lost before that change."""

    def before(at: int) -> None:
        if at == when:
            raise PowerLoss

    return before


def write_down(state: State | None, target: Path) -> None:
    """Such a state as a directory that is not there yet."""
    for path, data in (state or {}).items():  # a directory comes before what is in it
        if data is None:
            (target / path).mkdir()
        else:
            (target / path).touch(0o600)
            (target / path).write_bytes(data)


def apply(names: dict[str, Any], name: str, what: Any) -> None:
    if what == "gone":
        names.pop(name, None)
    else:
        names[name] = what
