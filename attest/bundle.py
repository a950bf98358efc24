"""What `check` needs of a store: the files of a log (attest.log.tiles), wherever they are kept.

Bytes are returned as found and believed by nobody: the checkpoint authenticates them. Every method raises
MissingError if a file that it must return is absent or cannot be read, and TreeError (scope copy) if a
hash tile has not the size that its width asks for.
"""

from typing import Protocol


class Pack(Protocol):
    """The blocks of an entry bundle, one after the other; `len` gives its size in bytes.

    What is read is the caller's own copy: bytes that are hashed and then used must not change in between.
    """

    def __len__(self) -> int: ...

    def readinto(self, begin: int, room: memoryview) -> int:
        """Fill `room` with the bytes from one place on; how many there were."""


class Bundle(Protocol):
    """A copy of a log; picklable, so that workers can open it again."""

    @property
    def name(self) -> str:
        """What to call it in a verdict."""

    def checkpoint(self) -> bytes:
        """The signed note of the newest head."""

    def hash_tile(self, level: int, index: int, width: int) -> bytes:
        """`width` hashes of 32 bytes."""

    def entries(self, index: int, width: int) -> bytes:
        """An entry bundle."""

    def blocks(self, index: int, width: int) -> Pack | None:
        """The blocks of an entry bundle; None if the pack is absent, which is missing evidence."""

    def block(self, digest: bytes, size: int) -> bytes | None:
        """One block that stands by itself under its SHA-256, no more than a byte over `size`; None if there is none."""

    def extra(self) -> tuple[str, ...]:
        """Paths of files that the checkpoint does not need; bounded, the first ones in order."""
