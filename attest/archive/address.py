"""What an object of the archive is called: by both of its digests and its size (schemas/archive.md).

    >>> address_of(b"").path[:20]
    'objects/e3/e3b0c4429'

Two contents with one SHA-256 have two addresses, so that whoever can make them gains nothing.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from attest.errors import MalformedError

FOLDER: Final = "objects"
_PATH: Final = re.compile(r"objects/([0-9a-f]{2})/((?:\1)[0-9a-f]{62})\.([0-9a-f]{128})")


class Address(NamedTuple):
    """SHA-256 (32 bytes), SHA-512 (64 bytes) and size in bytes of one object."""

    sha256: bytes
    sha512: bytes
    size: int

    @property
    def path(self) -> str:
        """Its place in a store."""
        return f"{FOLDER}/{self.sha256[:1].hex()}/{self.sha256.hex()}.{self.sha512.hex()}"


class Digests:
    """Both digests of what is fed to it piece by piece."""

    def __init__(self) -> None:
        self._sha256, self._sha512, self._size = hashlib.sha256(), hashlib.sha512(), 0

    def update(self, data: bytes | memoryview) -> None:
        """One more piece."""
        self._sha256.update(data)
        self._sha512.update(data)
        self._size += len(data)

    def address(self) -> Address:
        """The address of all pieces so far."""
        return Address(self._sha256.digest(), self._sha512.digest(), self._size)


def address_of(*pieces: bytes | memoryview) -> Address:
    """The address of bytes that are at hand."""
    return address_of_pieces(pieces)


def address_of_pieces(pieces: Iterable[bytes | memoryview]) -> Address:
    """The address of bytes that come piece by piece."""
    digests = Digests()
    for piece in pieces:
        digests.update(piece)
    return digests.address()


def parse_path(path: str, size: int) -> Address:
    """The address that a place in a store stands for. Raises MalformedError `archive/path`."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise MalformedError("archive/path", f"{path[:300]!r} is no object's place")
    return Address(bytes.fromhex(found[2]), bytes.fromhex(found[3]), size)
