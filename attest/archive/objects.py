"""What the archive needs of a store: objects under their addresses, and a few small things under names.

`attest.archive.folder` keeps them in a directory, `attest.archive.s3` in a bucket. Errors of a store are ArchiveError
with a code and the place. Nothing here decides what may be removed; that is asked of the custody log first.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from attest.archive.address import FOLDER, Address, Digests
from attest.errors import ArchiveError

MAX_NAMED: Final = 1 << 20  # bytes of what is stored under a name
LOST: Final = "attest archive fixity says what else is missing"


class Reader(Protocol):
    """An object that is open; `len` gives its size in bytes."""

    def __len__(self) -> int: ...

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from one place on, fewer at the end. What is read is not verified: the caller hashes."""


class Found(NamedTuple):
    """A file of a store: its path, the size of its oldest version, the ids of the versions that differ, the newest
    first, and of all versions, sent alike or not.

    A folder has one version, "". More than one that differ mean that somebody wrote again where something was, or,
    where a store has markers of deletion, that somebody deleted: their ids come first.
    """

    path: str
    size: int
    versions: tuple[str, ...]
    all: tuple[str, ...]


class Stored(NamedTuple):
    """What became of a put: the id of the version that is the object ("" where there are none), and whether it was
    written, having not been there."""

    version: str
    new: bool


class Objects(Protocol):
    """A store. Every method may be called by several processes and hosts at once."""

    keeps_versions: bool  # has what is stored ids of versions?

    @property
    def name(self) -> str:
        """What to call it in a report: a path or s3://bucket/prefix."""

    def put(self, address: Address, pieces: Callable[[], Iterable[bytes]], *, again: bool = False) -> Stored:
        """Stores an object unless it is there.

        With `again` what is there is known to be something else of its size: it is replaced, whole or not at all, or,
        where a store keeps versions, left as an older one that is not the object any more.

        It lasts once this returns. `pieces` is called once at the most. Raises ArchiveError `archive/changed` if
        they are not what the address says: nothing is then stored.
        """

    def open(self, address: Address) -> AbstractContextManager[Reader]:
        """An object to read from. Raises MissingError `archive/missing`."""

    def has(self, address: Address) -> bool:
        """Is there an object at the address, of its size?"""

    def version(self, address: Address) -> str | None:
        """The id of the version that is the object ("" where there are none), None if there is no object.

        Of several versions of its size it is the oldest one with its bytes, or the oldest, if none has them.
        """

    def walk(self, prefix: str = f"{FOLDER}/") -> Iterator[Found]:
        """All files whose paths begin so, in order of these, whatever they are."""

    def remove(self, address: Address) -> None:
        """Removes every version of an object, if there is one.

        Raises ArchiveError `archive/locked` where the store forbids it.
        """

    def retain(self, address: Address, until: int) -> bool:
        """Asks the store to keep an object until a time (Unix s), never for shorter than before.

        False if it has no such lock. Raises MissingError `archive/missing`.
        """

    def hold(self, address: Address, on: bool) -> bool:
        """Sets or lifts a legal hold; False if the store has none. Raises MissingError `archive/missing`."""

    def locked(self, address: Address) -> str:
        """What keeps the store from removing an object now, in words; "" for nothing."""

    def put_named(self, name: str, data: bytes) -> None:
        """Stores something small under a name where nothing is yet; it lasts once this returns.

        Raises ArchiveError `archive/exists` if something else is there, or came there first: of several who write at
        once, whatever locks they hold, one succeeds.
        """

    def named(self, name: str) -> bytes | None:
        """What is stored under a name, in its oldest version; None if there is nothing."""


def taken(where: str) -> ArchiveError:
    """What `put_named` raises."""
    hint = "somebody else was quicker: do it again, and see what is there if that fails, too"
    return ArchiveError("archive/exists", f"{where} is there and is something else", hint=hint)


def swollen(where: str) -> ArchiveError:
    """What `named` raises for what is larger than anything that is stored under a name."""
    hint = "nothing of the archive's is so large: see who put it there"
    return ArchiveError("archive/store", f"{where} has more than {MAX_NAMED:,} bytes", hint=hint)


def verified(address: Address, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces, hashed on their way. Raises ArchiveError `archive/changed` once they are not what they must be,
    at the latest behind the last."""
    digests, size = Digests(), 0
    for piece in pieces:
        digests.update(piece)
        size += len(piece)
        if size > address.size:
            break
        yield piece
    if digests.address() != address:
        detail = f"what was to be {address.path} of {address.size:,} bytes is something else now"
        raise ArchiveError("archive/changed", detail, hint="nothing may write to a delivery while it is put")
