"""Standard output and standard error, whose failures say which of the two it was.

The system names no file when a descriptor cannot be written, a full disk or a closed pipe behind stdout like any other
one. So what fails here is a StreamError, and whatever else has no file name is something else.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

STDOUT = "standard output"
STDERR = "standard error"


class StreamError(OSError):
    """A write or flush that failed; `filename` is what was written to, `stream` that where it stays open."""

    def __init__(self, error: OSError, name: str, stream: IO[Any] | None = None) -> None:
        super().__init__(error.errno, error.strerror or str(error), name)
        self.stream = stream


class _Named:
    """A stream that is as the one it stands for, but for what its failures are."""

    def __init__(self, stream: IO[Any], name: str) -> None:
        self._stream, self._name = stream, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._stream, attribute)

    @property
    def buffer(self) -> Any:
        """The bytes below."""
        return _Named(cast(TextIO, self._stream).buffer, self._name)

    def write(self, data: Any) -> int:
        with naming(self._name, self._stream):
            return self._stream.write(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        with naming(self._name, self._stream):
            self._stream.writelines(lines)

    def flush(self) -> None:
        with naming(self._name, self._stream):
            self._stream.flush()


@contextmanager
def naming(name: str, stream: IO[Any]) -> Iterator[None]:
    """What the system refuses within is the failure of this stream. Raises StreamError."""
    try:
        yield
    except StreamError:
        raise
    except OSError as error:
        raise StreamError(error, name, stream) from error


@contextmanager
def named_streams() -> Iterator[None]:
    """stdout and stderr are such streams within."""
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Named(sys.stdout, STDOUT))
    sys.stderr = cast(TextIO, _Named(sys.stderr, STDERR))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
