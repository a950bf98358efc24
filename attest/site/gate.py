"""Who may hand on how much at a time: of one host so many uploads, of all together so many bytes.

An upload is held in memory until it is written. Its size is announced and is reserved before its first byte is read.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attest.errors import LogError

MAX_UPLOADS: Final = 2  # of one host at a time
MAX_HELD: Final = 256 << 20  # bytes of all uploads that are being read or written


class Gate:
    """Counts what is inside."""

    def __init__(self, held: int = MAX_HELD) -> None:
        self._room = held
        self._uploads: Counter[str] = Counter()

    @contextmanager
    def upload(self, host: str, size: int) -> Iterator[None]:
        """Reserves room. Raises LogError `upload/limit` for the host's own doing, `upload/full` for everybody's."""
        if self._uploads[host] >= MAX_UPLOADS:
            raise LogError("upload/limit", f"{MAX_UPLOADS} uploads at a time")
        if size > self._room:
            raise LogError("upload/full", "the site is busy with what others hand on")
        self._uploads[host] += 1
        self._room -= size
        try:
            yield
        finally:
            self._room += size
            self._uploads[host] -= 1
            if not self._uploads[host]:
                del self._uploads[host]
