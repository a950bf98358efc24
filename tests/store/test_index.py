"""The index beside a log: it saves reading, is believed only where the tree is, and can be lost at any time."""

import errno
import hashlib
import os
import random
import shutil
import signal
import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.store import disk
from attest.store import index as module
from attest.store.directory import INDEX, DirectoryBundle
from attest.store.writer import LogWriter
from tests.store.crashes import Fault, die, forked

Lab = Any
COUNT = 1_300  # five full tiles and a part


@pytest.fixture(scope="module")
def items(lab: Lab) -> list[Any]:
    return list(lab.items(COUNT))


@pytest.fixture
def path(lab: Lab, items: list[Any], tmp_path: Path) -> Path:
    """A log that was opened since it became so long, and so has an index."""
    path = tmp_path / "log"
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items)
        log.seal(lab.sign)
    assert not (path / INDEX).exists()
    LogWriter.open(path).close()
    assert (path / INDEX).exists()
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return watched(monkeypatch)


def watched(patch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the entry tiles that are read from now on."""
    numbers: list[int] = []
    real = DirectoryBundle.entries

    def entries(self: DirectoryBundle, index: int, width: int) -> bytes:
        numbers.append(index)
        return real(self, index, width)

    patch.setattr(DirectoryBundle, "entries", entries)
    return numbers


def known(path: Path, items: list[Any]) -> None:
    """What is asked of the log is answered as by one that was read as a whole."""
    with LogWriter.open(path) as log:
        assert [log.find("urn:host", seq) for seq in range(COUNT + 1)] == [*range(COUNT), None]
        assert (log.last("urn:host"), log.last("urn:other")) == (COUNT - 1, None)
        assert [log.append(*item) for item in items[:: COUNT // 7]] == list(range(0, COUNT, COUNT // 7))
        assert [index for index, _ in log.entries(*module.LISTED)] == [i for i in range(COUNT) if i % 3 == 1]
        assert [index for index, _ in log.entries(*module.LISTED, begin=900)] == list(range(901, COUNT, 3))


def test_only_what_came_since_is_read(path: Path, items: list[Any], read: list[int]) -> None:
    LogWriter.open(path).close()
    assert read == [5]
    with LogWriter.open(path, read_only=True) as look:
        assert len(list(look.entries(*module.LISTED))) == COUNT // 3
    known(path, items)


def test_it_is_kept_up_as_the_log_grows(lab: Lab, path: Path, items: list[Any], read: list[int]) -> None:
    more = lab.items(module.STEP, first=COUNT)
    with LogWriter.open(path) as log:
        log.extend(more[:-300])
        log.seal(lab.sign)
    before = (path / INDEX).read_bytes()
    with LogWriter.open(path) as log:
        assert (path / INDEX).read_bytes() == before  # it is not so much yet
        log.extend(more[-300:])
        log.seal(lab.sign)
    LogWriter.open(path).close()
    assert (path / INDEX).read_bytes() != before
    read.clear()
    with LogWriter.open(path) as log:
        assert read == [(COUNT + module.STEP) // 256]
        assert [log.find("urn:host", seq) for seq in range(COUNT + module.STEP)] == [*range(COUNT + module.STEP)]
        with pytest.raises(LogError, match="log/equivocation"):
            log.append(lab.entry("urn:host", 7, say=1))


def test_what_is_pending_is_known_beside_it(lab: Lab, path: Path) -> None:
    with LogWriter.open(path) as log:
        log.extend(lab.items(4, first=COUNT))
    for _ in range(2):
        with LogWriter.open(path) as log:
            assert (log.pending, log.last("urn:host"), log.find("urn:host", COUNT + 1)) == (4, COUNT + 3, COUNT + 1)
            assert [index for index, _ in log.entries(*module.LISTED, begin=COUNT)] == [1_300, 1_303]


def flipped(data: bytes) -> bytes:
    place = random.Random("index").randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:40],
        flipped,
        lambda data: data.replace(b"index 1", b"index 9"),
    ],
    ids=["empty", "cut", "longer", "short", "flipped", "version"],
)
def test_one_that_is_not_as_it_was_written_is_written_anew(
    path: Path, items: list[Any], read: list[int], wrong: Callable[[bytes], bytes]
) -> None:
    data = (path / INDEX).read_bytes()
    (path / INDEX).write_bytes(wrong(data))
    LogWriter.open(path).close()
    assert read == [0, 1, 2, 3, 4, 5]
    assert (path / INDEX).read_bytes() == data
    known(path, items)


def test_one_that_is_too_large_is_not_read(path: Path, items: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    size = (path / INDEX).stat().st_size
    for limit, tiles in ((size, [5]), (size - 1, [0, 1, 2, 3, 4, 5])):
        monkeypatch.setattr(module, "MAX_INDEX", limit)
        with monkeypatch.context() as patch:
            numbers = watched(patch)
            LogWriter.open(path).close()
        assert numbers == tiles
    known(path, items)


def test_one_of_another_log_is_written_anew(lab: Lab, path: Path, items: list[Any], tmp_path: Path) -> None:
    other = tmp_path / "other"
    with LogWriter.create(other, lab.origin) as log:
        log.extend(lab.items(COUNT, sub="urn:other"))
        log.seal(lab.sign)
    shutil.copy(path / INDEX, other / INDEX)
    with LogWriter.open(other) as log:
        assert (log.last("urn:host"), log.last("urn:other")) == (None, COUNT - 1)
    shutil.copy(other / INDEX, path / INDEX)
    known(path, items)


def test_one_of_more_than_there_is_is_written_anew(lab: Lab, path: Path, items: list[Any], tmp_path: Path) -> None:
    """As when the log was restored from an older copy."""
    old = tmp_path / "old"
    with LogWriter.create(old, lab.origin) as log:
        log.extend(items[:600])
        log.seal(lab.sign)
    shutil.copy(path / INDEX, old / INDEX)
    with LogWriter.open(old) as log:
        assert (log.last("urn:host"), log.find("urn:host", 600)) == (599, None)


def altered(path: Path, change: Callable[[bytearray], None]) -> None:
    """An index that somebody wrote by hand, whose sum is right."""
    data = (path / INDEX).read_bytes()
    begin = len(module._MAGIC) + 32
    body = bytearray(data[begin:])
    change(body)
    (path / INDEX).write_bytes(data[: begin - 32] + hashlib.sha256(body).digest() + body)


def test_an_entry_that_it_points_to_is_looked_at(path: Path, items: list[Any], read: list[int]) -> None:
    def change(body: bytearray) -> None:
        body[-8:] = array("q", [3]).tobytes()  # where the last statement of a full tile is

    altered(path, change)
    with LogWriter.open(path) as log:
        assert log.find("urn:host", 1_278) == 1_278
        assert read == [5, 4]
        assert log.find("urn:host", 1_279) == 1_279
        assert set(read[2:]) == {0, 1, 2, 3}  # the others were read just now
    known(path, items)


# By their places: how many entries are listed, the first of them, the length of a URI, how many statements it has.
@pytest.mark.parametrize("place", [40, 48, 48 + 8 * 427, 48 + 8 * 429])
@pytest.mark.parametrize("number", [COUNT, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_numbers_that_make_no_sense(path: Path, items: list[Any], place: int, number: int) -> None:
    def change(body: bytearray) -> None:
        body[place : place + 8] = struct.pack("=Q", number)

    altered(path, change)
    known(path, items)


def test_damage_is_seen_where_it_would_count(lab: Lab, path: Path, items: list[Any]) -> None:
    """A tile that is not read is not looked at; nothing is made of one that is not under the checkpoint."""
    tile = path / "tile/entries/002"
    whole = tile.read_bytes()
    tile.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with LogWriter.open(path) as log:
        assert log.entry(0) == items[0][0]
        for act in (
            lambda: log.entry(600),
            lambda: log.block(601),
            lambda: log.find("urn:host", 600),
            lambda: log.append(*items[600]),
            lambda: list(log.entries(*module.LISTED)),
        ):
            with pytest.raises(LogError) as caught:
                act()
            assert caught.value.code == "log/damaged"
    (path / INDEX).unlink()
    with pytest.raises(LogError, match="log/damaged"):
        LogWriter.open(path)
    tile.write_bytes(whole)
    known(path, items)


@pytest.mark.parametrize("name", ["tile/1/000.p/5", "tile/0/005.p/20", "tile/entries/005.p/20"])
def test_damage_at_the_edge_is_seen_at_once(path: Path, name: str) -> None:
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    with pytest.raises(LogError, match="log/damaged"):
        LogWriter.open(path)


def test_killed_before_every_change_of_the_disk(lab: Lab, path: Path, items: list[Any]) -> None:
    whole = (path / INDEX).read_bytes()
    deadly = 0
    while True:
        (path / INDEX).unlink(missing_ok=True)

        def run(tell: Any, when: int = deadly) -> None:
            Fault(pytest.MonkeyPatch(), when, die)
            LogWriter.open(path).close()

        status, _ = forked(run)
        if status != -signal.SIGKILL:
            break
        deadly += 1
        known(path, items)
        assert (path / INDEX).read_bytes() == whole
    assert deadly > 3


def test_a_disk_without_room_for_it(path: Path, items: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (path / INDEX).unlink()

    def full(file: int, data: bytes) -> None:
        os.write(file, data[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", full)
        LogWriter.open(path).close()
        assert not (path / INDEX).exists()
    known(path, items)
    assert (path / INDEX).exists()


def test_it_is_no_part_of_the_bundle(lab: Lab, path: Path, items: list[Any]) -> None:
    assert DirectoryBundle(path).extra() == ()
    assert lab.read(path) == items


def test_who_only_looks_leaves_it_alone(path: Path, tmp_path: Path, read: list[int]) -> None:
    before = (path / INDEX).read_bytes()
    with LogWriter.open(path, read_only=True) as look:
        list(look.entries(*module.LISTED, begin=COUNT))
    assert read == [5]
    (path / INDEX).unlink()
    with LogWriter.open(path, read_only=True) as look:
        list(look.entries(*module.LISTED, begin=COUNT))
    assert not (path / INDEX).exists()
    (path / INDEX).write_bytes(before)


def test_who_looks_sees_no_more_than_when_it_came(lab: Lab, path: Path) -> None:
    """A writer beside it seals more, keeps another index, and what was pending is in the tree."""
    with LogWriter.open(path) as log:
        log.extend(lab.items(2, first=COUNT))
        look = LogWriter.open(path, read_only=True)
        log.extend(lab.items(module.STEP, first=COUNT + 2))
        log.seal(lab.sign)
    LogWriter.open(path).close()
    found = [index for index, _ in look.entries(*module.LISTED)]
    assert found == [i for i in range(COUNT + 2) if i % 3 == 1]
    look.close()
