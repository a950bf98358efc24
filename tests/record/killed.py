"""A recorder that is killed again and again, and what became of each sample that was on the disk."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attest.compute.columns import SPAN
from attest.format.bodies import UsageBody
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import State
from attest.record.spool import Spool
from attest.store.writer import LogWriter
from tests.record.exporter import exporting
from tests.record.real import HOST, configured, make_site

UIDS = ("GPU-0", "GPU-1")


class Figures(NamedTuple):
    """Kills; samples that were on the disk; seconds between two of them that statements have not as sampled; seconds
    that are stated twice or skipped; seconds that are stated as missing."""

    kills: int
    samples: int
    lost: int
    doubled: int
    skipped: int
    missing: int


@contextmanager
def recording(config: Path) -> Iterator[subprocess.Popen[str]]:
    """A recorder as a process, which is killed if it is still there at the end."""
    words = [sys.executable, "-m", "attest", "record", "--config", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(done: Callable[[], object], limit: float = 30) -> None:
    """Waits for something that comes by itself."""
    end = time.monotonic() + limit
    while not done():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def statements(path: Path) -> list[Statement]:
    """The host's usage statements, read beside whoever writes."""
    with LogWriter.open(path / "log", read_only=True) as log:
        entries = [parse_statement(log.entry(index)) for index in range(log.size + log.pending)]
    mine = [signed.statement for signed in entries if signed.header.sub == HOST]
    return [statement for statement in mine if isinstance(statement.body, UsageBody)]


def reached(path: Path) -> int:
    """Until when the host's statements reach."""
    return max((statement.end for statement in statements(path)), default=0)


def seconds(path: Path, device: int = 0) -> list[tuple[int, State]]:
    """Each second that statements speak of, with the state of a device."""
    said = []
    for statement in statements(path):
        body = statement.body
        assert isinstance(body, UsageBody)
        length = statement.end - statement.start
        spans = np.frombuffer(body.spans, SPAN)
        states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
        row = states.reshape(-1, length)[device].tolist()
        said += [(second, State(state)) for second, state in enumerate(row, statement.start)]
    return said


def sampled(path: Path) -> set[int]:
    """The seconds of which the spool has a sample."""
    with closing(Spool(path / "spool", 1 << 30)) as spool:
        return {frame["time_ms"] // 1000 for frame in spool.frames() if frame.get("scrapes")}


def end_after(config: Path, path: Path) -> None:
    """Runs the recorder until everything up to now is stated, and ends it."""
    with recording(config) as process:
        now = time.time()
        until(lambda: reached(path) > now)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def kill_often(path: Path, kills: int, seed: int) -> Figures:
    """A new site in `path` whose recorder is killed so often, at moments drawn from the seed."""
    draw, kept = random.Random(seed), set[int]()
    make_site(path, UIDS)
    with exporting(*UIDS) as exporter:
        config = configured(path, exporter, "3 s", "1 s")
        for number in range(kills):
            with recording(config) as process:
                begun = exporter.asked
                until(lambda begun=begun: exporter.asked > begun + 1)  # type: ignore[misc]
                time.sleep(draw.random() * 1.5)
                process.kill()
            kept |= sampled(path)
            if number == 0:
                time.sleep(2.1)  # at least one second has no recorder, however fast the next one begins
        end_after(config, path)
    said = seconds(path)
    states, times = dict(said), [second for second, _ in said]
    whole = [a for a, b in pairwise(sorted(kept)) if b == a + 1]
    return Figures(
        kills=kills,
        samples=len(kept) * len(UIDS),
        lost=sum(states.get(second) is not State.SAMPLED for second in whole),
        doubled=sum(count - 1 for count in Counter(times).values()),
        skipped=max(times) - min(times) + 1 - len(set(times)),
        missing=sum(state is State.MISSING for state in states.values()),
    )
