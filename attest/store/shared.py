"""A folder that others write to, too: nothing that they put there is followed, waited for or read without a bound.

It is held open, so that a link put in its place leads nowhere, and names are looked up in it alone. What stands in the
place of a file and is none of the size that one may have, a link, a pipe, a directory, is taken out of the way unread:
else whoever put it there once would keep others from their site for good. All raise LogError.
"""

import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attest.store import disk

TEMPORARY: Final = ".tmp-"
ASIDE: Final = ".aside-"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_log = logging.getLogger("attest.store")


class Shared:
    """An open folder; names are those of what lies directly in it."""

    def __init__(self, path: Path) -> None:
        """That of a path which is believed, links and all."""
        self.path = path
        with _failures(path):
            self._file = os.open(path, _DIRECTORY)

    def below(self, name: str, *, make: bool = False) -> "Shared":
        """A folder in it, made if that is asked for and there is none; a link is none."""
        path = self.path / name
        with _failures(path):
            if make and not self.has(name):
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self._file)
            below = Shared.__new__(Shared)
            below.path, below._file = path, os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._file)
        return below

    def close(self) -> None:
        """Lets it go."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def names(self) -> Iterator[str]:
        """What lies in it, in no order."""
        with _failures(self.path), os.scandir(self._file) as items:
            for item in items:
                yield item.name

    def has(self, name: str) -> bool:
        """Whether there is anything of that name."""
        with _failures(self.path / name):
            try:
                os.stat(name, dir_fd=self._file, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def read(self, name: str, limit: int) -> bytes | None:
        """A file of at most so many bytes; None where there is none."""
        with _failures(self.path / name):
            try:
                file = os.open(name, _READ, dir_fd=self._file)
            except FileNotFoundError:
                return None
            except OSError:
                if self._is(stat.S_ISREG, name):
                    raise
                data = None
            else:
                try:
                    data = _whole(file, limit)
                finally:
                    os.close(file)
            if data is None:
                _log.warning("no file of its size", extra={"fields": {"path": str(self.path / name)}})
                self.clear(name)
            return data

    def put(self, name: str, data: bytes) -> None:
        """A whole file in its place."""
        temporary = TEMPORARY + name
        with _failures(self.path / name):
            self.clear(temporary)
            file = os.open(temporary, _NEW, 0o644, dir_fd=self._file)
            try:
                disk.write(file, data)
                disk.sync(file)
            finally:
                os.close(file)
            try:
                os.rename(temporary, name, src_dir_fd=self._file, dst_dir_fd=self._file)
            except IsADirectoryError:
                self.clear(name)
                os.rename(temporary, name, src_dir_fd=self._file, dst_dir_fd=self._file)
            disk.sync(self._file)

    def clear(self, name: str) -> None:
        """Nothing has this name any more: a file is removed, a directory goes by another."""
        with _failures(self.path / name):
            try:
                os.unlink(name, dir_fd=self._file)
            except FileNotFoundError:
                return
            except OSError:  # a directory is told by EISDIR or by EPERM
                if self._is(stat.S_ISDIR, name):
                    os.rename(name, ASIDE + secrets.token_hex(8), src_dir_fd=self._file, dst_dir_fd=self._file)
                else:
                    raise

    def _is(self, kind: Callable[[int], bool], name: str) -> bool:
        try:
            return kind(os.stat(name, dir_fd=self._file, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """As `disk.failures`, of the path: the system says the name alone."""
    with disk.failures(path):
        try:
            yield
        except OSError as error:
            error.filename = str(path)
            raise


def _whole(file: int, limit: int) -> bytes | None:
    """All of a regular file of at most so many bytes, None of anything else; one may grow while it is read."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        return None
    with os.fdopen(file, "rb", closefd=False) as opened:
        data = opened.read(limit + 1)
    return data if len(data) <= limit else None
