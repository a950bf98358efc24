"""The recorder's spool: what was sampled, on the disk before anything else is done with it.

A directory of segments, numbered files of frames, each frame whole or not there:

    u32 size of the payload, first 12 bytes of its SHA-256    big endian
    payload                                                    JSON, one sample or one note (attest.record.frames)

A frame counts when it is written and synced. A torn end was never accepted: it is cut off when the spool is opened, and
what is whole is synced then; a write that fails, on a full disk say, is taken back at once. In a segment that others
follow a bad frame is damage: what stands after it is cut off, counted in `damaged`, and its time is missing like any
other.

Segments whose every frame is of a time that statements speak of are dropped whole. The spool has a limit in bytes; what
does not fit raises LogError `spool/full`, and the caller records what it had to drop.
"""

import contextlib
import hashlib
import json
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attest.errors import LogError
from attest.store import disk

MAX_FRAME: Final = 4 << 20  # bytes of one payload
TOO_LARGE: Final = "spool/frame"
MAX_SEGMENT: Final = 8 << 20  # bytes, after which a new one begins
_HEAD: Final = struct.Struct(">I12s")
_SUFFIX: Final = ".spool"

Frame = dict[str, Any]


class Spool:
    """An open spool: the one process that has its lock appends.

    limit: bytes of all segments. size: bytes now. damaged: bytes of frames that could not be read at opening. last: the
    newest frame that was there then, None if there was none.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Opens the spool, making it where it is not there. Raises LogError."""
        self.path, self.limit = path, limit
        self.damaged = 0
        self.last: Frame | None = None
        self._guard = threading.Lock()  # one thread appends while another closes statements
        self._newest: dict[int, int] = {}  # by segment the newest time that its frames are needed for, Unix ms
        self._sizes: dict[int, int] = {}
        with disk.failures(path), contextlib.ExitStack() as stack:
            disk.keep_directory(path)
            stack.callback(os.close, disk.lock(path / "lock"))
            numbers = sorted(int(file.stem) for file in path.glob(f"*{_SUFFIX}") if file.stem.isdigit())
            for number in numbers:
                self._open_segment(number, last=number == numbers[-1])
            self._begin(numbers[-1] + 1 if numbers else 1)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Gives the lock back."""
        os.close(self._file)
        self._open.close()

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        with self._guard:
            return sum(self._sizes.values())

    def append(self, frame: Frame) -> None:
        """Accepts a frame, which has its time as `time_ms`, and the last one that it is needed for as `needed_ms`, if
        that is later. Raises LogError, and then the spool is as it was."""
        payload = json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()
        if len(payload) > MAX_FRAME:
            raise LogError(TOO_LARGE, f"a sample of {len(payload):,} bytes, at most {MAX_FRAME:,}")
        data = _HEAD.pack(len(payload), _digest(payload)) + payload
        if self.size + len(data) > self.limit:
            raise LogError("spool/full", f"{self.path} has its {self.limit:,} bytes", hint="let statements be closed")
        with disk.failures(self.path):
            if self._sizes[self._number] + len(data) > MAX_SEGMENT:
                self.turn()
            end = self._sizes[self._number]
            try:
                os.lseek(self._file, end, os.SEEK_SET)
                disk.write(self._file, data)
                disk.sync(self._file)
            except OSError:
                disk.truncate(self._file, end)
                raise
        with self._guard:
            self._sizes[self._number] = end + len(data)
            self._newest[self._number] = max(_needed(frame), self._newest.get(self._number, 0))

    def turn(self) -> None:
        """Begins a new segment, unless this one is empty. Raises LogError."""
        if self._sizes[self._number]:
            with disk.failures(self.path):
                old = self._file
                self._begin(self._number + 1)
                os.close(old)

    def frames(self) -> Iterator[Frame]:
        """Every frame that was accepted when this was called, in order."""
        with self._guard:
            sizes = sorted(self._sizes.items())
        for number, size in sizes:
            yield from _frames(self._file_of(number).read_bytes()[:size])

    def drop(self, before_ms: int) -> None:
        """Removes the segments of which every frame is older; of a segment that is in use nothing."""
        with self._guard:
            old = [n for n in sorted(self._sizes) if n != self._number and self._newest.get(n, 0) < before_ms]
        for number in old:
            with disk.failures(self.path):
                disk.unlink(self._file_of(number))
            with self._guard:
                del self._sizes[number]
                self._newest.pop(number, None)

    def _file_of(self, number: int) -> Path:
        return self.path / f"{number:010}{_SUFFIX}"

    def _begin(self, number: int) -> None:
        file = disk.create(self._file_of(number))
        try:
            disk.sync_directory(self.path)
        except BaseException:
            os.close(file)
            raise
        self._number, self._file = number, file
        with self._guard:
            self._sizes[number] = 0

    def _open_segment(self, number: int, *, last: bool) -> None:
        path = self._file_of(number)
        data = path.read_bytes()
        found = list(_frames(data))
        whole = _whole(data)
        if whole < len(data) and not last:
            self.damaged += len(data) - whole
        if whole < len(data) or last:  # a recorder that was killed may not have synced what is acted upon now
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                disk.truncate(file, whole)
                disk.sync(file)
            finally:
                os.close(file)
        if not found:
            disk.unlink(path)
            return
        self._sizes[number] = whole
        self._newest[number] = max(_needed(frame) for frame in found)
        self.last = found[-1]


def _needed(frame: Frame) -> int:
    """The newest time that a frame says something of, Unix ms."""
    needed: int = max(frame["time_ms"], frame.get("needed_ms", 0))
    return needed


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:12]


def _payloads(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The payloads up to the first that is not whole, each with its end."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, digest = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        payload = data[at + _HEAD.size : end]
        if length > MAX_FRAME or end > len(data) or _digest(payload) != digest:
            return
        yield payload, end
        at = end


def _frames(data: bytes) -> Iterator[Frame]:
    for payload, _ in _payloads(data):
        yield json.loads(payload)


def _whole(data: bytes) -> int:
    return max((end for _, end in _payloads(data)), default=0)
