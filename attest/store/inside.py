"""The files below a directory, read without ever leaving it.

Symbolic links are followed only as far as they stay inside, and directories that are links are not entered. A pipe or a
device in the place of a file is none. Raises MissingError for what cannot be had.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from attest.errors import MissingError

PIECE: Final = 1 << 20  # bytes read at once


class Inside:
    """A directory that is there; `hint` is what to do where something is missing."""

    def __init__(self, path: Path, hint: str) -> None:
        """Raises MissingError unless `path` is a directory that can be read."""
        self.path, self._hint = path, hint
        try:
            self._root = path.resolve(strict=True)
            os.scandir(self._root).close()
        except NotADirectoryError as error:
            raise MissingError("bundle/not-a-directory", f"{path} is not a directory", hint=hint) from error
        except (OSError, RuntimeError) as error:
            raise MissingError("bundle/missing", f"{path}: {reason(error)}", hint=hint) from error

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self._root.name or str(self._root)

    def open(self, path: str) -> BinaryIO:
        """A regular file inside, opened; OSError otherwise."""
        full = Path(os.path.realpath(self._root / path))
        if not full.is_relative_to(self._root):
            raise MissingError("bundle/link", f"{self.path}/{path} is a link out of the bundle", hint=self._hint)
        # Not to wait for the writer of a pipe that somebody put in place of a file.
        file = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file")
        return os.fdopen(file, "rb")

    def pieces(self, path: str) -> Iterator[bytes]:
        """A whole file, piece by piece."""
        try:
            with self.open(path) as file:
                while piece := file.read(PIECE):
                    yield piece
        except OSError as error:
            self.missing(path, error)

    def walk(self) -> Iterator[str]:
        """The paths of all files, in order; links are not entered."""
        waiting = [""]  # whoever carries the bundle may have nested directories as deep as he likes
        while waiting:
            path = waiting.pop()
            if path and not path.endswith("/"):
                yield path
                continue
            try:
                with os.scandir(self._root / path) as found:
                    items = sorted(found, key=lambda item: item.name, reverse=True)
            except OSError as error:
                self.missing(path, error)
            waiting += [f"{path}{item.name}{'/' * item.is_dir(follow_symlinks=False)}" for item in items]

    def missing(self, path: str, error: OSError) -> NoReturn:
        """Raises MissingError for a file that could not be read."""
        raise MissingError("bundle/missing", f"{self.path}/{path}: {reason(error)}", hint=self._hint) from error


def reason(error: Exception) -> str:
    """What the system says of an error."""
    return getattr(error, "strerror", None) or str(error)
