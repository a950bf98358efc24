"""Files of a folder's store while they are written.

Whoever writes one holds its lock (flock), so that what nobody holds was left by a crash and may go.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from attest.store import disk


def create_locked(folder: Path) -> tuple[int, Path]:
    """A new file, with its lock. Who sweeps may come between the two: then it is gone, and another one is made."""
    while True:
        path = folder / secrets.token_hex(16)
        file = disk.create(path)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                return file, path
        os.close(file)


def sweep(folder: Path) -> None:
    """Removes the files that nobody writes to; what another account left and keeps to itself, it may sweep itself."""
    with os.scandir(folder) as found:
        paths = sorted(Path(item) for item in found if item.is_file(follow_symlinks=False))
    for path in paths:
        with suppress(FileNotFoundError, BlockingIOError, PermissionError):
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                disk.unlink(path)
            finally:
                os.close(file)
