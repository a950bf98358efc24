"""Tag files as they are read: what is parsed is what is hashed, since every one of them is read once.

Lines end in LF, CR or CRLF (RFC 8493, 2.3), and in nothing else that some programs take for a line's end.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from attest.archive.address import Address, Digests
from attest.archive.bag import ALGORITHMS, MAX_LINE
from attest.archive.bag_source import Source
from attest.errors import MalformedError, UnsupportedError

MAX_TAG: Final = 1 << 29  # bytes of a manifest or of fetch.txt: a million lines of 500


class Sums(NamedTuple):
    """What a file hashes to: its address, and its digest by the algorithms of the bag's manifests."""

    address: Address
    digests: Mapping[str, bytes]


class Hashing:
    """All digests of what is fed to it piece by piece."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._address = Digests()
        rest = set(algorithms) - {"sha256", "sha512"}
        self._rest = {a: hashlib.new(ALGORITHMS[a], usedforsecurity=False) for a in rest}

    def update(self, piece: bytes) -> None:
        """One more piece."""
        self._address.update(piece)
        for one in self._rest.values():
            one.update(piece)

    def sums(self) -> Sums:
        """The digests of all pieces so far."""
        address = self._address.address()
        rest = {algorithm: one.digest() for algorithm, one in self._rest.items()}
        return Sums(address, {"sha256": address.sha256, "sha512": address.sha512} | rest)


def hash_pieces(pieces: Iterable[bytes], algorithms: Iterable[str]) -> Sums:
    """The digests of a whole file."""
    hashing = Hashing(algorithms)
    for piece in pieces:
        hashing.update(piece)
    return hashing.sums()


class TagFiles:
    """The tag files of one bag. `sums` are of those that have been read."""

    def __init__(self, source: Source, sizes: Mapping[str, int], algorithms: Iterable[str]) -> None:
        self._source, self._sizes, self._algorithms = source, sizes, frozenset(algorithms)
        self.sums: dict[str, Sums] = {}

    def hash(self, path: str) -> Sums:
        """The digests of a tag file, which is read unless it was."""
        if path not in self.sums:
            self.sums[path] = hash_pieces(self._source.pieces(path), self._algorithms)
        return self.sums[path]

    def whole(self, path: str, limit: int) -> bytes:
        """All bytes of a small one. Raises UnsupportedError `bag/limit`."""
        self._require_size(path, limit)
        hashing, found = Hashing(self._algorithms), []
        for piece in self._source.pieces(path):
            hashing.update(piece)
            found.append(piece)
        self.sums[path] = hashing.sums()
        return b"".join(found)

    def lines(self, path: str, codec: str, limit: int = MAX_TAG) -> Iterator[tuple[int, str]]:
        """The lines of one, numbered from 1, without their ends. Its sums are known after the last.

        Raises UnsupportedError `bag/limit`, MalformedError `bag/encoding`.
        """
        self._require_size(path, limit)
        hashing = Hashing(self._algorithms)
        text = io.TextIOWrapper(io.BufferedReader(_Hashed(self._source.pieces(path), hashing)), codec)
        number = 0
        try:
            while line := text.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise UnsupportedError("bag/limit", f"{path}, line {number:,}: more than {MAX_LINE:,} characters")
                yield number, line.removesuffix("\n")
        except UnicodeError as error:
            raise MalformedError("bag/encoding", f"{path} is not in {codec}, from line {number + 1:,} on") from error
        self.sums[path] = hashing.sums()

    def _require_size(self, path: str, limit: int) -> None:
        if self._sizes[path] > limit:
            raise UnsupportedError("bag/limit", f"{path} has {self._sizes[path]:,} bytes, at most {limit:,}")


class _Hashed(io.RawIOBase):
    """Pieces as a file, hashed as they are read."""

    def __init__(self, pieces: Iterator[bytes], hashing: Hashing) -> None:
        self._pieces, self._hashing, self._rest = pieces, hashing, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        if not self._rest:
            piece = next(self._pieces, b"")
            self._hashing.update(piece)
            self._rest = memoryview(piece)
        size = min(len(room), len(self._rest))
        room[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
