"""Whoever has the disk or the bucket, and changes or removes what is stored behind the archive's back."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from attest.archive.place import Archive
from attest.archive.s3 import S3Objects


class Vandal(Protocol):
    """Does things to files of a store by their path in it."""

    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes) -> None:
        """In place of what is there."""

    def lose(self, path: str) -> None:
        """As if it had never been."""


class OnDisk(NamedTuple):
    """In a folder."""

    root: Path

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        place = self.root / path
        if place.exists():
            place.chmod(0o644)
        place.write_bytes(data)

    def lose(self, path: str) -> None:
        (self.root / path).unlink()


class InBucket(NamedTuple):
    """In a bucket, by whoever owns it: versions are taken away before they are written anew."""

    store: S3Objects

    def read(self, path: str) -> bytes:
        bucket = self.store.bucket
        (version,) = bucket.kept(path).versions
        return bucket.fetch(path, version.id, 0, version.size)

    def write(self, path: str, data: bytes) -> None:
        for version in self.store.bucket.kept(path).versions:
            self.store.bucket.delete(path, version.id)
        self.store.bucket.send(path, data)

    def lose(self, path: str) -> None:
        for version in self.store.bucket.kept(path).versions:
            self.store.bucket.delete(path, version.id)


def vandal_of(archive: Archive) -> Vandal:
    """The one for an archive's store."""
    return InBucket(archive.objects) if isinstance(archive.objects, S3Objects) else OnDisk(archive.path)


def spoil(archive: Archive, path: str, change: Callable[[bytearray], object]) -> None:
    """Changes the bytes of one file."""
    vandal = vandal_of(archive)
    data = bytearray(vandal.read(path))
    change(data)
    vandal.write(path, bytes(data))


def flip(data: bytearray) -> None:
    """One bit in the middle."""
    data[len(data) // 2] ^= 1
