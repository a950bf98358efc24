"""Where a bag lies: in a folder, or in one ZIP or tar file (`bag_serial`). Names, sizes and bytes, and nothing outside.

Links are never followed: every part of a path is opened from the directory before it, and what is opened must be a
regular file. So somebody who changes the bag while it is read can make its bytes differ, which shows, and no more.

Raises MissingError `bag/unreadable` where the system refuses, MalformedError for what a bag must not hold.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, Protocol

from attest.archive.bag import MAX_DEPTH, MAX_PATH
from attest.errors import MalformedError, MissingError, UnsupportedError

MAX_FILES: Final = 1_000_000  # files and directories of a bag
MAX_NAMES: Final = 1 << 28  # bytes of all their paths, which are kept in memory
MAX_SIZE: Final = 1 << 44  # bytes of all files: refuse to hash forever
PIECE: Final = 1 << 20  # bytes read at once

_HINT: Final = "name a bag: its folder, or the ZIP or tar file of one"


class Source(Protocol):
    """A bag's files by their paths from its base directory."""

    def names(self) -> dict[str, int]:
        """Every file and its size in bytes."""

    def pieces(self, path: str) -> Iterator[bytes]:
        """A file's bytes, of one of the paths that `names` gave."""

    def close(self) -> None:
        """Gives back what is open."""


class Sizes:
    """Names and sizes as they are found, and never more of them than the bounds."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        self._total, self._seen, self._names = 0, 0, 0

    def add(self, path: str, size: int) -> None:
        """One more file. Raises UnsupportedError `bag/limit`."""
        self.count(path)
        self.found[path] = size
        self._total += size
        if self._total > MAX_SIZE:
            raise UnsupportedError("bag/limit", f"the files have more than {MAX_SIZE:,} bytes")

    def count(self, path: str) -> None:
        """One more file or directory."""
        length = len(os.fsencode(path))
        self._seen += 1
        self._names += length
        if self._seen > MAX_FILES or self._names > MAX_NAMES:
            detail = f"there are more than {MAX_FILES:,} files and directories, or {MAX_NAMES:,} bytes of their names"
            raise UnsupportedError("bag/limit", detail)
        if length > MAX_PATH or path.count("/") >= MAX_DEPTH:
            detail = f"{path[:200]!r} is longer than {MAX_PATH:,} bytes, or more than {MAX_DEPTH} directories deep"
            raise UnsupportedError("bag/limit", detail)


class Folder:
    """A bag in a folder; implements Source."""

    def __init__(self, path: Path) -> None:
        with refusals(path):
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def names(self) -> dict[str, int]:
        """Raises MalformedError `bag/link` for whatever is neither a file nor a directory."""
        sizes, waiting = Sizes(), [""]
        while waiting:
            folder = waiting.pop()
            with refusals(folder), self._directory(folder) as descriptor, os.scandir(descriptor) as found:
                for item in found:
                    path = f"{folder}/{item.name}".removeprefix("/")
                    if item.is_dir(follow_symlinks=False):
                        sizes.count(path)
                        waiting.append(path)
                    elif item.is_file(follow_symlinks=False):
                        sizes.add(path, item.stat(follow_symlinks=False).st_size)
                    else:
                        _refuse(path)
        return sizes.found

    def pieces(self, path: str) -> Iterator[bytes]:
        """No more than there was to read when it was opened, and a byte: a file may grow as fast as it is read."""
        folder, _, name = path.rpartition("/")
        with refusals(path), self._directory(folder) as directory:
            # Not to wait for the writer of a pipe that somebody put in place of a file.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with io.FileIO(os.open(name, flags, dir_fd=directory)) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    _refuse(path)
                left = status.st_size + 1
                while piece := file.read(min(left, PIECE)):
                    left -= len(piece)
                    yield piece

    def close(self) -> None:
        """Nothing can be read any more."""
        os.close(self._root)

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """A directory below the folder, opened name by name."""
        descriptor = os.dup(self._root)
        try:
            for name in path.split("/") if path else ():
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                inner = os.open(name, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def refusals(path: str | Path) -> Iterator[None]:
    """Turns OSError into an error of a bag."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and isinstance(path, str):
            _refuse(path)
        raise MissingError("bag/unreadable", f"{path}: {error.strerror or error}", hint=_HINT) from error


def _refuse(path: str) -> NoReturn:
    raise MalformedError("bag/link", f"{path[:200]!r} is a link or a device, neither a file nor a directory")
