"""The lab's private file of salts: what opens the runs that statements commit to (schemas/workloads.md, "Salts").

A text, a line each, in the order of their writing; the second word is a sum over the rest of the line:

    attest-salts/1 6a0c... 4f7e...                         the secret that the party's hosts share, 32 bytes
    run b41d... 93ab... slurm/hpc/5679@1762788040          a run, and the salt of its commitment
    lineage 0e77... 00f3... slurm/hpc/5679                 a lineage, and its number
    owner 77c2... 8d21... acoustic                         an owner, and its number

The file is made once, with a fresh secret, and copied to every host of the party before its first use, so that all of
them commit alike. It is for its owner alone (mode 0600), one process writes to it at a time, and what is added is on
the disk before `add` returns: no statement is signed with a commitment that nobody can open. Of what was only half
written when the machine stopped a line without its end is cut off, and a line with a hole of zeros counts for nothing:
what it held is found again from the secret. Any other line that is wrong ends the reading: `salts/corrupt`.
"""

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from attest.errors import KeyFileError, LogError, MissingError
from attest.format.opening import SECRET_SIZE
from attest.store import disk

MAX_SALTS: Final = 1 << 30  # bytes
FIRST: Final = "attest-salts/1"
KINDS: Final = ("run", "lineage", "owner")

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SUM: Final = 16  # hex digits


class Record(NamedTuple):
    """A line: what of, its salt or number in hex, and the name."""

    kind: str
    value: str
    name: str


class Salts:
    """An open file of salts; made by `open_salts`."""

    def __init__(self, path: Path, file: int, secret: bytes, records: Iterable[Record], size: int) -> None:
        self.path, self.secret = path, secret
        self.records = {(record.kind, record.name): record.value for record in records}
        self._file, self._size = file, size

    def add(self, records: Iterable[Record]) -> None:
        """Adds those that are not there yet; they are on the disk when this returns. Raises LogError where the disk
        does not take them, and the file is then what it was."""
        new = {(r.kind, r.name): r for r in records if (r.kind, r.name) not in self.records}
        if not new:
            return
        data = b"".join(_line(r) for r in new.values())
        with disk.failures(self.path):
            try:
                os.lseek(self._file, self._size, os.SEEK_SET)
                disk.write(self._file, data)
                disk.sync(self._file)
            except OSError:
                disk.truncate(self._file, self._size)
                raise
        self._size += len(data)
        self.records |= {key: record.value for key, record in new.items()}


def new_salts(path: Path) -> None:
    """Makes the file, with a fresh secret. Raises KeyFileError `key/exists`, LogError."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        hint = "the runs that it opens would be lost: name another file"
        raise KeyFileError("key/exists", f"{path} exists and is not overwritten", hint=hint) from None
    except OSError as error:
        raise KeyFileError("key/unwritable", f"{path}: {error.strerror}") from None
    with disk.failures(path):
        try:
            os.fchmod(file, 0o600)
            disk.write(file, _line(Record(FIRST, os.urandom(SECRET_SIZE).hex(), "")))
            disk.sync(file)
        except OSError:
            disk.unlink(path)
            raise
        finally:
            os.close(file)
        disk.sync_directory(path.absolute().parent)


@contextmanager
def open_salts(path: Path, *, read_only: bool = False) -> Iterator[Salts]:
    """The file, locked unless it is only read. Raises MissingError `salts/unreadable`, KeyFileError `key/exposed`,
    `salts/corrupt`, LogError `log/locked`."""
    try:
        file = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        hint = "attest key salts FILE makes one, which all hosts of the party copy"
        raise MissingError("salts/unreadable", f"{path}: {error.strerror}", hint=hint) from None
    try:
        _require_private(path, file)
        if not read_only:
            _lock(path, file)
        data = _read(path, file)
        secret, records, size = _parse(path, data)
        if not read_only:
            with disk.failures(path):
                if size < len(data):
                    disk.truncate(file, size)
                # Whoever copied the file here, or added to it and was killed, may not have come to this.
                disk.sync(file)
                disk.sync_directory(path.absolute().parent)
        yield Salts(path, file, secret, records, size)
    finally:
        os.close(file)


def _require_private(path: Path, file: int) -> None:
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        raise KeyFileError("salts/corrupt", f"{path} is not a regular file")
    if mode & _OTHERS:
        detail = f"{path} has mode {stat.S_IMODE(mode):04o}: others than its owner can open the lab's runs"
        raise KeyFileError("key/exposed", detail, hint=f"chmod 600 {path}")


def _lock(path: Path, file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LogError("log/locked", f"another process writes to {path}", hint="wait for it, or end it") from error


def _read(path: Path, file: int) -> bytes:
    try:
        with os.fdopen(os.dup(file), "rb") as reader:
            data = reader.read(MAX_SALTS + 1)
    except OSError as error:
        raise MissingError("salts/unreadable", f"{path}: {error.strerror}") from None
    if len(data) > MAX_SALTS:
        raise KeyFileError("salts/corrupt", f"{path} has more than {MAX_SALTS:,} bytes")
    return data


def _parse(path: Path, data: bytes) -> tuple[bytes, list[Record], int]:
    """The secret, the records, and where in the file the last whole line ends."""
    records: list[Record] = []
    at = size = 0
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        at += len(line) + 1
        record = _parsed(line + b"\n")
        if record is not None:
            records.append(record)
            size = at
        elif b"\0" not in line:
            hint = "it was changed by hand, or the disk failed: take a copy of the file that is whole"
            raise KeyFileError("salts/corrupt", f"{path}:{number}: the line does not have its sum", hint=hint)
    if not records or records[0].kind != FIRST or any(record.kind not in KINDS for record in records[1:]):
        raise KeyFileError("salts/corrupt", f"{path} does not begin with a secret", hint="attest key salts makes one")
    return bytes.fromhex(records[0].value), records[1:], size


def _parsed(line: bytes) -> Record | None:
    """A line, None where it is not whole."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    words = text.rstrip("\n").split(" ", 3)
    if len(words) < 3:
        return None
    record = Record(words[0], words[2], words[3] if len(words) > 3 else "")
    return record if _line(record) == line else None


def _line(record: Record) -> bytes:
    rest = f"{record.value} {record.name}" if record.name else record.value
    return f"{record.kind} {sha256(f'{record.kind} {rest}'.encode()).hexdigest()[:_SUM]} {rest}\n".encode()
