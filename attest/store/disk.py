"""Everything by which a store changes a disk, one small function each, so that tests can fail every one of them.

What makes a change last (POSIX, and what Linux file systems keep): the bytes of a file once `sync` returned,
a name (created, renamed, removed) once its directory's `sync_directory` did; a rename replaces a whole file
or nothing. Errors of the system become LogError, with what to do.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attest.errors import LogError

_CODES = {
    errno.ENOSPC: ("log/disk-full", "free some space, then open the log again: nothing that was accepted is lost"),
    errno.EDQUOT: ("log/disk-full", "raise the quota, then open the log again: nothing that was accepted is lost"),
    errno.EROFS: ("log/read-only", "the log lies on a file system that is mounted read-only"),
    errno.EACCES: ("log/read-only", "the log's directory and its files must be writable by this user"),
    errno.EPERM: ("log/read-only", "the log's directory and its files must be writable by this user"),
}
_CHUNK = 1 << 20
_OTHER = ("log/io", "see what the system says of this disk, then open the log again")


@contextlib.contextmanager
def failures(path: Path) -> Iterator[None]:
    """Turns OSError into LogError."""
    try:
        yield
    except OSError as error:
        code, hint = _CODES.get(error.errno or 0, _OTHER)
        raise LogError(code, f"{error.filename or path}: {error.strerror or error}", hint=hint) from error


@contextlib.contextmanager
def fatal(path: Path, close: Callable[[], None]) -> Iterator[None]:
    """The same, and after any error closes: nobody knows what the disk holds but who reads it again."""
    try:
        with failures(path):
            yield
    except BaseException:
        close()
        raise


def lock(path: Path) -> int:
    """The lock file, made if need be and held until its descriptor is closed, by whatever end of the process."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        hint = "wait for it, or end it"
        raise LogError("log/locked", f"another process writes to {path.parent}", hint=hint) from error
    return file


def create(path: Path) -> int:
    """A new, empty file, or the old one emptied; returns its descriptor, open for writing."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)


def write(file: int, data: bytes) -> None:
    """All of `data` at the file's position."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync(file: int) -> None:
    """The file's bytes are on the disk."""
    os.fsync(file)


def sync_directory(path: Path) -> None:
    """The directory's names are on the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def truncate(file: int, size: int) -> None:
    """Cuts the file off after `size` bytes."""
    os.ftruncate(file, size)


def rename(source: Path, target: Path) -> None:
    """Gives a file its name, in place of whatever had it."""
    source.rename(target)


def link(source: Path, target: Path) -> None:
    """Gives a file a second name, which nothing may have yet."""
    os.link(source, target, follow_symlinks=False)


def unlink(path: Path) -> None:
    """Removes a file."""
    path.unlink()


def make_directory(path: Path) -> None:
    """Makes one directory."""
    path.mkdir()


def keep_directory(path: Path) -> None:
    """The directory is there and lasts, whoever made it, and so do those above it that had to be made."""
    above = path.absolute().parent
    if not path.is_dir():
        keep_directory(above)
        make_directory(path)
    sync_directory(above)


def remove_directory(path: Path) -> None:
    """Removes an empty directory."""
    path.rmdir()


def replace(temporary: Path, target: Path, parts: Iterable[bytes]) -> None:
    """Puts a whole file in place of `target`; its name lasts once its directory is synced."""
    file = create(temporary)
    try:
        for chunk in _chunks(parts):
            write(file, chunk)
        sync(file)
    finally:
        os.close(file)
    rename(temporary, target)


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least 1 MiB, but for the last."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
