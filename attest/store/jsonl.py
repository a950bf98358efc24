"""Files of lines that only grow: what was added is on the disk when `add` returns.

What was half written when the machine stopped, a line without its end or a hole of zeros with all after it, is cut off
before anything is added: nobody was told that it is there.
"""

import os
from pathlib import Path
from typing import Final

from attest.store import disk

MAX_TORN: Final = 16 << 20  # bytes at the end of a file that are looked at: more is never added at once


def add(path: Path, lines: str) -> None:
    """Add whole lines to a file, which is made where it is not there. Raises LogError."""
    with disk.failures(path):
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC) if path.exists() else disk.create(path)
        try:
            size = os.fstat(file).st_size
            end = _whole(file, size) if size else 0
            if end < size:
                disk.truncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
            try:
                disk.write(file, lines.encode())
                disk.sync(file)
            except OSError:
                disk.truncate(file, end)
                raise
        finally:
            os.close(file)
        disk.sync_directory(path.absolute().parent)


def _whole(file: int, size: int) -> int:
    """Where the last line ends before which nothing is torn."""
    start = max(size - MAX_TORN, 0)
    end = os.pread(file, MAX_TORN, start)
    hole = end.find(b"\0")
    return start + end[: len(end) if hole < 0 else hole].rfind(b"\n") + 1
