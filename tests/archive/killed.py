"""Several processes that put into one archive and are killed again and again, and what became of what they put."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from attest.archive import deliveries
from attest.archive.fixity import fixity
from attest.archive.place import Archive
from attest.archive.putting import put
from attest.archive.reindex import dump, reindex
from attest.store.inside import Inside
from tests.archive.papers import NOW, pact
from tests.attacks.vectors import NOON, ran
from tests.check.world import LATER

ROOT = Path(__file__).resolve().parents[2]
QUIET = 120  # seconds after which a process that says nothing hangs


class Figures(NamedTuple):
    """Kills; deliveries; acknowledged ones that are not there; what fixity has against the store; seconds; and whether
    the index equals the one that is made anew."""

    kills: int
    deliveries: int
    lost: int
    flaws: int
    untracked: int
    seconds: float
    same: bool


def make_bundles(folder: Path, number: int) -> list[Path]:
    """So many copies of one log, each with a file of its own that no checkpoint needs."""
    first = folder / "b0"
    ran(until=NOON).bundle().save(first)
    for n in range(number):
        if n:
            shutil.copytree(first, folder / f"b{n}")
        (folder / f"b{n}" / "note.txt").write_text(f"delivery {n}\n" * 500)
    return [folder / f"b{n}" for n in range(number)]


def put_all(archive: Path, bundles: Sequence[Path]) -> None:
    """Puts one after the other, and says so of each when it is done: run in a process of its own."""
    opened = Archive.open(archive)
    for path in bundles:
        received = put(opened, [Inside(path, "")], pact(), actor=f"process {os.getpid()}", clock=lambda: NOW, at=LATER)
        print(f"{path} {received.id}", flush=True)


class Worker:
    """A process that puts its share, and what it has said of it."""

    def __init__(self, archive: Path, share: list[Path]) -> None:
        self.archive, self.share, self.said = archive, share, dict[str, str]()
        self.begin()

    def begin(self) -> None:
        """A new process for what is left of the share."""
        code = "import sys; from pathlib import Path; from tests.archive.killed import put_all; "
        code += "put_all(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])"
        command = [sys.executable, "-c", code, str(self.archive), *map(str, self.share)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment)
        self.rest = b""

    def look(self, wait: float) -> bool:
        """Takes in what was said, and goes on after a kill; False once all is put."""
        ended = self.process.poll() is not None
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], wait)[0]:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            self.rest += data
            if not data:
                break
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            path, id_ = line.decode().split()
            self.said[path] = id_
            self.share.remove(Path(path))
        if ended and self.share:
            assert self.process.returncode == -signal.SIGKILL, f"it ended with {self.process.returncode}"
            self.begin()
        return not ended or bool(self.share)

    def kill(self) -> None:
        """As a machine that dies."""
        self.process.kill()
        self.process.wait()


def kill_often(archive: Path, bundles: Sequence[Path], processes: int, kills: int, seed: int) -> Figures:
    """Shares the bundles among processes, kills one of them so often, and sees what is left in the archive."""
    draw, killed, begin = random.Random(seed), 0, time.monotonic()
    workers = [Worker(archive, list(bundles[n::processes])) for n in range(processes)]
    try:
        running = workers
        while running := [worker for worker in running if worker.look(0.02)]:
            if killed < kills and draw.random() < 0.2:
                draw.choice(running).kill()
                killed += 1
            assert time.monotonic() - begin < QUIET + len(bundles), "it hangs"
    finally:
        for worker in workers:
            worker.kill()
    seconds = time.monotonic() - begin
    said = {path: id_ for worker in workers for path, id_ in worker.said.items()}
    opened = Archive.open(archive)
    with opened.index.reading() as connection:
        there = {row["id"] for row in deliveries.listed(connection)}
    found, before = fixity(opened), dump(opened.index)
    reindex(opened)
    untracked = sum(flaw.kind == "untracked" for flaw in found.flaws)
    return Figures(
        killed,
        len(there),
        len(set(said.values()) - there) + len(bundles) - len(said),
        len(found.flaws) - untracked,
        untracked,
        seconds,
        dump(opened.index) == before,
    )
