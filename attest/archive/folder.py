"""STUB, until the store is merged."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attest.archive.address import Address, address_of_pieces
from attest.archive.objects import Found
from attest.errors import ArchiveError, MissingError


class _Reader:
    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __len__(self) -> int:
        return os.fstat(self.fd).st_size

    def read(self, begin: int, size: int) -> bytes:
        return os.pread(self.fd, size, begin)


class FolderObjects:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    def put(self, address: Address, pieces: Callable[[], Iterable[bytes]]) -> str:
        if self.has(address):
            return ""
        data = b"".join(pieces())
        if address_of_pieces([data]) != address:
            raise ArchiveError("archive/changed", address.path)
        self._write(address.path, data)
        return ""

    def _write(self, name: str, data: bytes) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        tmp = target.with_name(f"{target.name}.{os.getpid()}"[-200:])
        tmp.write_bytes(data)
        tmp.rename(target)

    @contextmanager
    def open(self, address: Address) -> Iterator[_Reader]:
        try:
            fd = os.open(self._path / address.path, os.O_RDONLY)
        except OSError as error:
            raise MissingError("archive/missing", address.path) from error
        try:
            yield _Reader(fd)
        finally:
            os.close(fd)

    def has(self, address: Address) -> bool:
        p = self._path / address.path
        return p.is_file() and p.stat().st_size == address.size

    def walk(self) -> Iterator[Found]:
        for p in sorted((self._path / "objects").rglob("*")):
            if p.is_file():
                yield Found(str(p.relative_to(self._path)), p.stat().st_size, ("",))

    def remove(self, address: Address) -> None:
        (self._path / address.path).unlink()

    def retain(self, address: Address, until: int) -> bool:
        return False

    def hold(self, address: Address, on: bool) -> bool:
        return False

    def put_named(self, name: str, data: bytes) -> None:
        self._write(name, data)

    def named(self, name: str) -> bytes | None:
        p = self._path / name
        return p.read_bytes() if p.is_file() else None

    def names(self, prefix: str) -> Iterator[str]:
        yield from ()
