"""The spool: a frame is whole or not there, and what is there lasts."""

from contextlib import closing, suppress
from pathlib import Path

import pytest

from attest.errors import LogError
from attest.record import spool as spools
from attest.record.spool import Frame, Spool
from tests.store.crashes import PowerLoss, Volatile, lost_at, write_down

FRAMES: list[Frame] = [{"time_ms": ms, "note": "a note", "numbers": {}} for ms in (1_000, 2_000, 3_000)]


def filled(path: Path, frames: list[Frame] = FRAMES) -> Path:
    """A spool with these frames; its only segment with any."""
    with closing(Spool(path, 1 << 20)) as spool:
        for frame in frames:
            spool.append(frame)
    return next(file for file in path.glob("*.spool") if file.stat().st_size)


def held(path: Path) -> list[Frame]:
    with closing(Spool(path, 1 << 20)) as spool:
        assert (spool.last or {}).get("time_ms") == max((frame["time_ms"] for frame in spool.frames()), default=None)
        return list(spool.frames())


def test_a_tear_anywhere_costs_the_last_frame_only(tmp_path: Path) -> None:
    segment = filled(tmp_path / "spool")
    whole = segment.read_bytes()
    begin = len(whole) // 3 * 2
    for size in range(begin, len(whole)):
        for rest in (b"", bytes(len(whole) - size), bytes(5) + whole[size + 5 :]):
            segment.write_bytes(whole[:size] + rest)
            assert held(segment.parent) == FRAMES[:2]


def test_what_follows_a_bad_frame_of_a_full_segment_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MAX_SEGMENT", 1)
    with closing(Spool(tmp_path, 1 << 20)) as spool:
        for frame in FRAMES:
            spool.append(frame)
    second = sorted(tmp_path.glob("*.spool"))[1]
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    size = second.stat().st_size
    with closing(Spool(tmp_path, 1 << 20)) as spool:
        assert spool.damaged == size
        assert list(spool.frames()) == [FRAMES[0], FRAMES[2]]


def test_segments_go_when_every_frame_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MAX_SEGMENT", 1)
    with closing(Spool(tmp_path, 1 << 20)) as spool:
        for frame in FRAMES:
            spool.append(frame)
        spool.drop(2_000)
        assert list(spool.frames()) == FRAMES[1:]
        spool.drop(9_000)
        assert list(spool.frames()) == FRAMES[2:]  # the last one is in use


def test_what_there_is_no_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Spool(tmp_path, 150)) as spool:
        spool.append(FRAMES[0])
        with pytest.raises(LogError, match="spool/full"):
            for frame in FRAMES[1:]:
                spool.append(frame)
        monkeypatch.setattr(spools, "MAX_FRAME", 10)
        with pytest.raises(LogError, match="spool/frame"):
            spool.append(FRAMES[0])


def test_one_recorder_at_a_time(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, 1 << 20)), pytest.raises(LogError, match="log/locked"):
        Spool(tmp_path, 1 << 20)


def test_killed_and_then_power_lost(tmp_path: Path) -> None:
    """What a recorder finds it acts upon, so it must last, also what a killed one had not synced."""
    steps = 0
    while True:
        path, left = tmp_path / f"{steps}" / "spool", tmp_path / f"left {steps}"
        path.parent.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, path.parent, lost_at(steps))
            killed = True
            with suppress(PowerLoss):  # of one process: what it wrote is in the system's memory
                filled(path)
                killed = False
            volatile.before = lambda at: None
            found = held(path)
        volatile.close()
        write_down(volatile.left(None), left)
        assert held(left / "spool") == found
        assert found == FRAMES[: len(found)]
        if not killed:
            break
        steps += 1
    assert steps > 9
