"""The journal: every way to tear its end, and damage that is no tear."""

import os
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.store import journal as journals
from attest.store.journal import Journal
from attest.store.writer import LogWriter

Lab = Any
FRAMES = [[(0, b"first", None)], [(1, b"second", b"block"), (2, b"", b"")], [(3, b"last", b"b" * 40)]]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    Journal.create(path, tmp_path / "tmp", "example.com/journal")
    journal = Journal(path)
    for frame in FRAMES:
        journal.append(frame)
    journal.close()
    return path


def read(path: Path, *, read_only: bool = False) -> tuple[list[tuple[int, bytes, bytes | None]], int]:
    journal = Journal(path, read_only=read_only)
    records = [(r.position, r.entry, journal.block(r) if r.block else None) for r in journal.records]
    journal.close()
    return records, journal.torn


def whole(count: int) -> list[tuple[int, bytes, bytes | None]]:
    return [record for frame in FRAMES[:count] for record in frame]


def ends(path: Path) -> list[int]:
    """Where the header and each frame end."""
    found = [len(b"attest journal 1\nexample.com/journal\n")]
    for frame in FRAMES:
        found.append(found[-1] + 40 + sum(18 + len(entry) + len(block or b"") for _, entry, block in frame))
    assert found[-1] == path.stat().st_size
    return found


def test_what_was_written_is_read(journal: Path) -> None:
    assert read(journal) == (whole(3), 0)
    assert Journal(journal).origin == "example.com/journal"


def test_a_tear_at_any_byte_is_cut_off(journal: Path) -> None:
    data = journal.read_bytes()
    *_, begin, end = ends(journal)
    for size in range(begin, end + 1):
        for filler in (b"", bytes(end - size), bytes(7)):
            torn = data[:size] + filler
            if len(torn) > end:
                continue
            journal.write_bytes(torn)
            if torn == data:
                assert read(journal) == (whole(3), 0)
                continue
            assert read(journal, read_only=True) == (whole(2), len(torn) - begin)
            assert journal.read_bytes() == torn
            assert read(journal) == (whole(2), len(torn) - begin)
            assert journal.read_bytes() == data[:begin]


@pytest.mark.parametrize("junk", [b"x", b"junk" * 9, b"junk" * 10, b"\xff" * 500, bytes(39), bytes(40), bytes(500)])
def test_junk_at_the_end_is_cut_off(journal: Path, junk: bytes) -> None:
    data = journal.read_bytes()
    journal.write_bytes(data + junk)
    assert read(journal) == (whole(3), len(junk))
    assert journal.read_bytes() == data


def test_damage_before_the_end_is_no_tear(journal: Path) -> None:
    """What was accepted must not vanish in silence."""
    data = journal.read_bytes()
    begin, first, _, _ = ends(journal)
    for at in range(begin + 8, first):
        journal.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(LogError, match="log/journal-damaged") as caught:
            read(journal)
        assert caught.value.hint


@pytest.mark.parametrize("origin", range(0, 64, 5))
def test_a_tear_with_holes_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: int) -> None:
    """Sectors of the last frame that were never written, wherever the frame begins in one; the others were."""
    monkeypatch.setattr(journals, "SECTOR", 64)
    path = tmp_path / "journal"
    Journal.create(path, tmp_path / "tmp", "o" * (origin + 1))
    opened = Journal(path)
    for frame in FRAMES[:2]:
        opened.append(frame)
    begin = opened.end
    opened.append(FRAMES[2])
    opened.close()
    data = path.read_bytes()
    sectors = range(begin // 64, len(data) // 64 + 1)
    for lost in [*([sector] for sector in sectors), sectors[:2], sectors[:3], sectors[1:3], sectors[::2], sectors]:
        torn = bytearray(data)
        for sector in lost:
            hole = slice(max(sector * 64, begin), min(sector * 64 + 64, len(data)))
            torn[hole] = bytes(len(torn[hole]))
        path.write_bytes(torn)
        if torn != data:
            assert read(path) == (whole(2), len(data) - begin)
            assert path.read_bytes() == data[:begin]


def test_the_head_of_a_frame_that_is_gone_before_others_is_no_tear(journal: Path) -> None:
    data = journal.read_bytes()
    begin, first, _, _ = ends(journal)
    for size in (40, first - begin):
        journal.write_bytes(data[:begin] + bytes(size) + data[begin + size :])
        with pytest.raises(LogError, match="log/journal-damaged"):
            read(journal)


def test_what_only_looks_like_frames_is_not_sought_for_ever(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.write_bytes(journal.read_bytes() + bytes(40) + (b"\0" * 7 + b"\x80") * 1_000)
    assert read(journal, read_only=True) == (whole(3), 8_040)
    monkeypatch.setattr(journals, "MAX_SOUGHT", 1 << 16)
    with pytest.raises(LogError, match="log/journal-damaged"):
        read(journal)


def test_what_is_no_journal(journal: Path) -> None:
    for data in (
        b"",
        b"attest journal 2\nname\n",
        b"attest journal 1\nname",
        b"attest journal 1\n\xff\n",
        b"\xff" * 2000,
    ):
        journal.write_bytes(data)
        with pytest.raises(LogError, match="log/not-a-log"):
            read(journal)


def test_clearing_keeps_the_header(journal: Path) -> None:
    opened = Journal(journal)
    opened.clear()
    assert opened.records == []
    opened.append([(9, b"again", None)])
    opened.close()
    assert read(journal) == ([(9, b"again", None)], 0)


@pytest.mark.parametrize(
    "new",
    [
        [],
        [[(position + 4, entry, block) for position, entry, block in frame] for frame in FRAMES],
        [[(4, b"e" * 300, b"b" * 300)], [(5, b"", None)]],
        [[(4 + size, b"e" * size, None)] for size in range(40)],
    ],
    ids=["nothing", "same sizes", "larger", "many"],
)
def test_who_reads_while_another_empties_and_fills_it_sees_one_of_the_two(
    journal: Path, monkeypatch: pytest.MonkeyPatch, new: list[Any]
) -> None:
    pread, writer, at = Journal._pread, Journal(journal), 0

    def fill(frames: list[Any]) -> list[tuple[int, bytes]]:
        writer.clear()
        for frame in frames:
            writer.append(frame)
        return [(position, entry) for frame in frames for position, entry, _ in frame]

    def changed(self: Journal, offset: int, size: int) -> bytes:
        nonlocal at
        if at == when:
            fill(new)
        at += 1
        return pread(self, offset, size)

    monkeypatch.setattr(Journal, "_pread", changed)
    when = 0
    while True:  # before each reading of the file in turn
        old, at = fill(FRAMES), 0
        opened = Journal(journal, read_only=True)
        found = [(record.position, record.entry) for record in opened.records]
        opened.close()
        if at <= when:
            break
        assert found == fill(new)
        when += 1
    assert found == old
    assert when > len(FRAMES)
    writer.close()


def test_opening_a_log_says_what_was_mended(lab: Lab, tmp_path: Path) -> None:
    path, items = tmp_path / "log", lab.items(3)
    with LogWriter.create(path, lab.origin) as log:
        log.append(*items[0])
        before = (path / ".journal").stat().st_size
        log.append(*items[1])
    os.truncate(path / ".journal", (path / ".journal").stat().st_size - 3)
    torn = (path / ".journal").stat().st_size - before
    with LogWriter.open(path, read_only=True) as look:
        assert (look.pending, look.repaired) == (1, "")
    with LogWriter.open(path) as log:
        assert log.repaired == f"cut {torn} bytes of an unfinished append off the journal"
        assert log.pending == 1
        assert log.extend(items) == [0, 1, 2]
        log.seal(lab.sign)
    with LogWriter.open(path) as log:
        assert log.repaired == ""
    assert lab.read(path) == items
