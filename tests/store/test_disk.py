"""Disks that are full, read-only or somebody else's, for real: the log says so and stays valid."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.store.writer import LogWriter

Lab = Any
SIZE = 512 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "attest-test", str(place)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"may not mount a small file system here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, leave: int) -> Path:
    """Takes up all room but about `leave` bytes."""
    ballast = place / "ballast"
    free = os.statvfs(place)
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_bsize - leave)))
    return ballast


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 24576, 40960, SIZE])
def test_a_full_disk_while_sealing(lab: Lab, small: Path, leave: int) -> None:
    path, items = small / "log", lab.items(300)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:100])
        note = log.seal(lab.sign)
        log.extend(items[100:])
        ballast = fill(small, leave)
        full = False
        try:
            log.seal(lab.sign)
        except LogError as error:
            full = True
            assert (error.code, log.closed) == ("log/disk-full", True)
            assert "No space left" in error.detail
            assert "free some space" in error.hint
    assert full == (leave < SIZE)
    if full:
        assert (path / "checkpoint").read_bytes() == note
    ballast.unlink()
    with LogWriter.open(path) as log:
        assert (log.size + log.pending, log.pending) == (300, 200 if full else 0)
        log.seal(lab.sign)
    assert lab.read(path) == items


def test_a_full_disk_while_appending(lab: Lab, small: Path) -> None:
    path = small / "log"
    items = [(lab.entry("urn:host", i, bytes(2_000)), bytes(2_000)) for i in range(40)]
    accepted = 0
    with LogWriter.create(path, lab.origin) as log:
        ballast = fill(small, 50_000)
        with pytest.raises(LogError, match="log/disk-full"):
            for item in items:
                log.append(*item)
                accepted += 1
        with pytest.raises(LogError, match="log/closed"):
            log.append(*items[0])
    assert 0 < accepted < 40
    with pytest.raises(LogError, match="log/disk-full"), LogWriter.open(path) as log:  # still full
        assert log.pending == accepted
        log.extend(items)
    ballast.unlink()
    with LogWriter.open(path) as log:
        assert log.pending >= accepted
        assert log.extend(items) == list(range(40))
        log.seal(lab.sign)
    assert lab.read(path) == items


def test_a_log_on_a_file_system_that_turned_read_only(lab: Lab, small: Path) -> None:
    path, items = small / "log", lab.items(3)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items)
        log.seal(lab.sign)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    for act in (lambda: LogWriter.open(path), lambda: LogWriter.create(small / "new", lab.origin)):
        with pytest.raises(LogError) as caught:
            act()
        assert caught.value.code == "log/read-only"
        assert "Read-only file system" in caught.value.detail
        assert caught.value.hint
    with LogWriter.open(path, read_only=True) as look:
        assert (look.size, look.entry(2)) == (3, items[2][0])
    assert lab.read(path) == items


def test_a_log_of_somebody_else(lab: Lab, tmp_path: Path, as_nobody: Callable[[Callable[[], object]], str]) -> None:
    path, items = tmp_path / "log", lab.items(3)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items)
        log.seal(lab.sign)
    if os.geteuid():
        path.chmod(0o555)
        (path / ".lock").chmod(0o444)
    assert as_nobody(lambda: LogWriter.open(path)) == "log/read-only"
    assert as_nobody(lambda: LogWriter.create(path / "new", lab.origin)) == "log/read-only"
    assert as_nobody(lambda: LogWriter.open(path, read_only=True).close()) == "nothing was raised"
    path.chmod(0o755)
    assert lab.read(path) == items


def test_a_directory_that_takes_no_new_files(lab: Lab, tmp_path: Path) -> None:
    """The lock and the journal can be written, the tiles cannot (an immutable directory binds root too)."""
    path, items = tmp_path / "log", lab.items(4)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:2])
        log.seal(lab.sign)
        log.extend(items[2:])
        if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
            pytest.skip("this file system knows no immutable directories, or this user may not make one")
        try:
            with pytest.raises(LogError, match="log/read-only"):
                log.seal(lab.sign)
        finally:
            subprocess.run(["chattr", "-i", str(path)], check=True)
    assert lab.read(path) == items[:2]
    with LogWriter.open(path) as log:
        log.seal(lab.sign)
    assert lab.read(path) == items


def test_what_one_may_not_read_is_no_damage(
    lab: Lab, tmp_path: Path, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    path = tmp_path / "log"
    with LogWriter.create(path, lab.origin) as log:
        log.extend(lab.items(3))
        log.seal(lab.sign)
    entries = path / "tile/entries/000.p/3"
    entries.chmod(0)
    assert as_nobody(lambda: LogWriter.open(path, read_only=True).entry(0)) == "log/denied"
    entries.chmod(0o644)
    entries.unlink()
    assert as_nobody(lambda: LogWriter.open(path, read_only=True).entry(0)) == "log/damaged"
