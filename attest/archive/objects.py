"""What the archive needs of a store: objects under their addresses, and a few small things under names.

`attest.archive.folder` keeps them in a directory, `attest.archive.s3` in a bucket. Errors of a store are ArchiveError
with a code and the place. Nothing here decides what may be removed; that is asked of the custody log first.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from attest.archive.address import Address


class Reader(Protocol):
    """An object that is open; `len` gives its size in bytes."""

    def __len__(self) -> int: ...

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from one place on, fewer at the end. What is read is not verified: the caller hashes."""


class Found(NamedTuple):
    """A file of a store: its path and size, and ids of all its versions, the newest first (a folder has one, "")."""

    path: str
    size: int
    versions: tuple[str, ...]


class Objects(Protocol):
    """A store. Every method may be called by several processes and hosts at once."""

    @property
    def name(self) -> str:
        """What to call it in a report: a path or s3://bucket/prefix."""

    def put(self, address: Address, pieces: Callable[[], Iterable[bytes]]) -> str:
        """Stores an object unless it is there; returns the id of its version ("" where there are none).

        It lasts once this returns. `pieces` may be called more than once. Raises ArchiveError `archive/changed` if
        they are not what the address says: nothing is then stored.
        """

    def open(self, address: Address) -> AbstractContextManager[Reader]:
        """An object to read from. Raises MissingError `archive/missing`."""

    def has(self, address: Address) -> bool:
        """Is there an object at the address, of its size?"""

    def walk(self) -> Iterator[Found]:
        """All files below `objects/` in order of their paths, whatever they are."""

    def remove(self, address: Address) -> None:
        """Removes every version of an object. Raises ArchiveError `archive/locked` where the store forbids it."""

    def retain(self, address: Address, until: int) -> bool:
        """Asks the store to keep an object until a time (Unix s), never for shorter than before; False if it has no
        such lock."""

    def hold(self, address: Address, on: bool) -> bool:
        """Sets or lifts a legal hold; False if the store has none."""

    def put_named(self, name: str, data: bytes) -> None:
        """Stores something small under a name where nothing is yet; it lasts once this returns.

        The caller holds the lock of the index.
        """

    def named(self, name: str) -> bytes | None:
        """What is stored under a name, in its oldest version; None if there is nothing."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so, in order."""
