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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.sign.notes import cosign
from attest.sign.seeded import seeded_key
from attest.store import disk
from attest.store.writer import LogWriter
from tests.store.crashes import CHANGES, Fault, PowerLoss, Told, Volatile, forked, left_by_kill, lost_at, write_down

Lab = Any
WITNESS = seeded_key("store witness")
STEPS = ((1, 3), (3, 4), (4, 254), (254, 256), (256, 258))
SHORT = ((1, 2), (2, 4), (4, 5))
COUNT = STEPS[-1][1]


def live(
    lab: Lab, path: Path, items: list[Any], tell: Callable[[str, int], None], steps: tuple[tuple[int, int], ...] = STEPS
) -> None:
    """The life of a log; `tell` hears what was accepted and what was published, once it was."""
    with open_or_create(lab, path) as log:
        log.append(*items[0])
        tell("accepted", 1)
        for begin, end in steps:
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


def require_whole(
    lab: Lab, path: Path, items: list[Any], told: dict[str, int], steps: tuple[tuple[int, int], ...] = STEPS
) -> None:
    """Opens what is left, holds it against what was told, and lives on to the end."""
    with open_or_create(lab, path) as log:
        total = log.size + log.pending
        assert [log.entry(i) for i in range(log.pending and log.size, total)] == [
            entry for entry, _ in items[log.pending and log.size : total]
        ]
        accepted = told.get("accepted", 0)
        following = next((end for _, end in steps if end > accepted), len(items)) if accepted else 1
        assert accepted <= total <= following
        assert log.size >= told.get("published", 0)
        if log.size:
            assert lab.read(path) == items[: log.size]
    live(lab, path, items, Told(), steps)
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


Found = dict[tuple[tuple[str, bytes | None], ...], Told]  # each different state, with what was told at last


def keep(found: Found, volatile: Volatile, rng: random.Random | None, told: Told, at: int) -> None:
    """What a loss of power would leave now."""
    state = volatile.left(rng)
    if state is None:
        assert not told
    else:
        found[tuple(state.items())] = Told(told)


def require_each_whole(
    lab: Lab, left: Path, items: list[Any], found: Found, final: dict[str, bytes], steps: tuple[tuple[int, int], ...]
) -> None:
    for state, told in found.items():
        write_down(dict(state), left)
        require_whole(lab, left, items, told, steps)
        assert contents(left) == final
        shutil.rmtree(left)


def test_killed_before_every_change_of_the_disk(
    lab: Lab, items: list[Any], final: dict[str, bytes], tmp_path: Path
) -> None:
    path, told, found = tmp_path / "log", Told(), Found()

    def before(name: str, arguments: Any) -> None:
        for state in left_by_kill(path, name, arguments) if path.exists() else ():
            found[tuple(state.items())] = Told(told)

    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, None, before)
        live(lab, path, items, told)
    assert len(found) > 100
    require_each_whole(lab, tmp_path / "left", items, found, final, STEPS)


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


@pytest.mark.parametrize("lucky", [False, True], ids=["all-lost", "some-kept"])
def test_power_lost_before_a_change_of_the_disk(
    lab: Lab, items: list[Any], final: dict[str, bytes], tmp_path: Path, lucky: bool
) -> None:
    path, told, found, rng = tmp_path / "log", Told(), Found(), random.Random(f"attest power {lucky}")
    with pytest.MonkeyPatch.context() as patch:
        volatile = Volatile(patch, path, lambda at: keep(found, volatile, rng if lucky else None, told, at))
        live(lab, path, items, told)
    volatile.close()
    some = dict(rng.sample(list(found.items()), 40))
    require_each_whole(lab, tmp_path / "left", items, some, final, STEPS)


def test_killed_and_then_power_lost(lab: Lab, items: list[Any], tmp_path: Path) -> None:
    """Whoever opens a log acts upon what is there, which a killed process may not have synced."""
    path = tmp_path / "log"
    few, found = items[: SHORT[-1][1]], Found()
    live(lab, path, few, Told(), SHORT)
    final = contents(path)
    killed = True
    when = 0
    while killed:
        shutil.rmtree(path)
        told = Told()
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, path, lost_at(when))
            try:
                live(lab, path, few, told, SHORT)
                killed = False
            except PowerLoss:  # of one process: what it wrote is in the system's memory
                volatile.before = partial(keep, found, volatile, None, told)
                live(lab, path, few, told, SHORT)
        volatile.close()
        when += 1
    require_each_whole(lab, tmp_path / "left", few, found, final, SHORT)
