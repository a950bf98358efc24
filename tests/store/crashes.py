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
    """Does something before change number `when` of the disk, and from then on if it raises again."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        when: int,
        act: Callable[[str, Any], None],
        changes: Sequence[str] = CHANGES,
    ) -> None:
        self.at, self.when, self.act = 0, when, act
        for name in changes:
            patch.setattr(disk, name, self.wrap(name, getattr(disk, name)))

    def wrap(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            self.at += 1
            if self.at - 1 == self.when:
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


class Volatile:
    """What a disk keeps of a directory when power fails: what was synced, and anything of the rest.

    Follows every change (in the real directory, by inode) and can write down a state that a crash may leave:
    unsynced bytes lost, kept or cut short, unsynced names of each directory kept up to any one of them.
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: Path, when: int, changes: Sequence[str] = CHANGES) -> None:
        self.root, self.when, self.at = root, when, 0
        self.kept: dict[int, bytes] = {}  # inode -> synced bytes
        self.names: dict[Path, dict[str, Any]] = {}  # directory -> synced names: inode, or None for a directory
        self.changes: dict[Path, list[tuple[str, Any]]] = {}  # directory -> unsynced (name, inode | None | "gone")
        self.bytes: dict[int, bytes] = {}  # inode -> what is in it now
        self.gone: list[BinaryIO] = []  # held open, so that no new file gets the number of one that may come back
        for name in changes:
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
            self.kept[inode] = b""  # a new file
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
