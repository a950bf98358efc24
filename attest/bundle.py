"""What `check` needs of a store: the files of a log (attest.log.tiles), wherever they are kept.

Bytes are returned as found and believed by nobody: the checkpoint authenticates them. Every method raises
MissingError if a file that it must return is absent or cannot be read, and TreeError (scope copy) if a
hash tile has not the size that its width asks for.
"""

from typing import Protocol


class Bundle(Protocol):
    """A copy of a log; picklable, so that workers can open it again."""

    @property
    def name(self) -> str:
        """What to call it in a verdict."""

    def checkpoint(self) -> bytes:
        """The signed note of the newest head."""

    def hash_tile(self, level: int, index: int, width: int) -> bytes:
        """`width` hashes of 32 bytes."""

    def entries(self, index: int, width: int) -> bytes | memoryview:
        """An entry bundle."""

    def blocks(self, index: int, width: int) -> memoryview | None:
        """The blocks of an entry bundle; None if the pack is absent, which is missing evidence."""

    def block(self, digest: bytes) -> memoryview | None:
        """One block that stands by itself under its SHA-256; None if there is none."""

    def extra(self) -> tuple[str, ...]:
        """Paths of files that the checkpoint does not need; bounded, the first ones in order."""
