"""A bundle whose files are had by their paths (attest.log.tiles), wherever they are kept."""

from abc import ABC, abstractmethod
from typing import Final

from attest.errors import TreeError
from attest.format.note import MAX_NOTE
from attest.log import tiles
from attest.log.merkle import HASH_SIZE

MAX_BUNDLE: Final = tiles.WIDTH * (2 + tiles.MAX_ENTRY)  # bytes of an entry bundle


class ByPath(ABC):
    """The part of attest.bundle.Bundle that reads whole files."""

    @abstractmethod
    def read(self, path: str, limit: int) -> bytes:
        """A whole file, but no more than one byte over the limit: its content is judged by the caller.

        Raises MissingError.
        """

    def checkpoint(self) -> bytes:
        """The signed note of the newest head."""
        return self.read(tiles.CHECKPOINT, MAX_NOTE)

    def hash_tile(self, level: int, index: int, width: int) -> bytes:
        """`width` hashes of 32 bytes."""
        path = tiles.path(tiles.Tile(level, index, width))
        data = self.read(path, width * HASH_SIZE)
        if len(data) != width * HASH_SIZE:
            raise TreeError("tree/tile", f"{path} has {len(data):,} bytes, not {width * HASH_SIZE:,}")
        return data

    def entries(self, index: int, width: int) -> bytes:
        """An entry bundle."""
        return self.read(tiles.path(tiles.Tile(tiles.ENTRIES, index, width)), MAX_BUNDLE)
