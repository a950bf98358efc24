"""Files of lines that grow: what was added lasts, and what a crash left half written is gone before more is added."""

import os
from pathlib import Path

import pytest

from attest.errors import LogError
from attest.store import disk, jsonl
from tests.store.crashes import PowerLoss, Volatile, lost_at

ONE, TWO, MORE = '{"seq": 1}\n', '{"seq": 2}\n{"seq": 3}\n', '{"seq": 4}\n'


def test_what_is_added_is_there_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "causes.jsonl"
    for lines in (ONE, TWO, MORE):
        jsonl.add(path, lines)
    assert path.read_text() == ONE + TWO + MORE


def test_whatever_a_tear_left_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "causes.jsonl"
    whole = (ONE + TWO).encode()
    for size in range(len(ONE), len(whole)):
        for rest in (b"", bytes(len(whole) - size), bytes(4) + whole[size + 4 :]):
            path.write_bytes(whole[:size] + rest)
            jsonl.add(path, MORE)
            kept = TWO.splitlines(keepends=True)[: whole[:size].count(b"\n") - 1]
            assert path.read_text() == ONE + "".join(kept) + MORE


def test_of_a_long_file_the_end_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_TORN", 20)
    path = tmp_path / "causes.jsonl"
    path.write_text(ONE * 9 + "torn")
    jsonl.add(path, MORE)
    assert path.read_text() == ONE * 9 + MORE


@pytest.mark.parametrize("before", ["", ONE])
def test_power_lost_before_every_change_of_the_disk(tmp_path: Path, before: str) -> None:
    for when in range(9):
        folder = tmp_path / str(when)
        folder.mkdir()
        path = folder / "causes.jsonl"
        if before:
            path.write_text(before)
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, folder, lost_at(when))
            try:
                jsonl.add(path, TWO)
            except PowerLoss:
                continue
            finally:
                volatile.close()
        assert (volatile.left(None) or {})["./causes.jsonl"] == (before + TWO).encode()
    assert volatile.at < 9


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: int, data: bytes) -> None:
        os.write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    path = tmp_path / "causes.jsonl"
    jsonl.add(path, ONE)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", half)
        with pytest.raises(LogError, match="log/disk-full"):
            jsonl.add(path, TWO)
    jsonl.add(path, MORE)
    assert path.read_text() == ONE + MORE
