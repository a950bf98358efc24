"""Hash trees over what a timestamp covers, with any of five hashes (RFC 4998 section 4.2; RFC 9162 section 2.1).

    leaf  H(0x00 || kind || payload)     node  H(0x01 || left || right)

The leaves are sorted and each is there once, so that a set of them has one tree; its shape is that of RFC 9162. A leaf
is of a new object (kind 0, its digest), of a timestamp that is renewed (kind 1, the digest of its encoding), or of an
object that is hashed again with a new hash (kind 2, its digest and that of all evidence of it so far).

    >>> tree = Tree.of("sha512", [object_leaf("sha512", digest("sha512", word)) for word in (b"a", b"b", b"c")])
    >>> leaf = object_leaf("sha512", digest("sha512", b"b"))
    >>> number = tree.index(leaf)
    >>> root_from("sha512", leaf, number, len(tree), tree.path(number)) == tree.root
    True
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Self

from attest.errors import TreeError, UnsupportedError

HASHES: Final[dict[str, Callable[..., Any]]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3-256": hashlib.sha3_256,
    "sha3-512": hashlib.sha3_512,
}
MAX_PATH: Final = 63  # hashes: of a tree of 2^63 leaves


def digest(name: str, data: bytes) -> bytes:
    """The digest under a hash. Raises UnsupportedError `unsupported/hash`."""
    if name not in HASHES:
        raise UnsupportedError("unsupported/hash", f"no hash of the name {name[:40]!r} is known here")
    found: bytes = HASHES[name](data).digest()
    return found


def object_leaf(name: str, of: bytes) -> bytes:
    """The leaf of a new object, from its digest."""
    return digest(name, b"\0\0" + of)


def timestamp_leaf(name: str, of: bytes) -> bytes:
    """The leaf of a timestamp that is renewed, from the digest of its encoding."""
    return digest(name, b"\0\1" + of)


def renewed_leaf(name: str, of: bytes, evidence: bytes) -> bytes:
    """The leaf of an object that is hashed again, from its new digest and that of all evidence of it so far."""
    return digest(name, b"\0\2" + of + evidence)


@dataclass(frozen=True)
class Tree:
    """A hash tree; `leaves` are its leaf hashes one after the other, in rising order."""

    hash: str
    leaves: bytes

    @classmethod
    def of(cls, name: str, leaf_hashes: Iterable[bytes]) -> Self:
        """The tree over these leaf hashes, in whatever order they come."""
        return cls(name, b"".join(sorted(set(leaf_hashes))))

    def __post_init__(self) -> None:
        size = self._size
        leaves = [self.leaves[at : at + size] for at in range(0, len(self.leaves), size)]
        if not leaves or len(leaves[-1]) != size or any(a >= b for a, b in pairwise(leaves)):
            raise TreeError("renewal/tree", f"no rising row of {self.hash} hashes")

    def __len__(self) -> int:
        return len(self.leaves) // self._size

    @property
    def root(self) -> bytes:
        """The root's hash."""
        return self._levels[-1]

    def index(self, leaf: bytes) -> int | None:
        """A leaf's number, None if it is not there."""
        size = self._size
        number = bisect_left(range(len(self)), leaf, key=lambda at: self.leaves[at * size : (at + 1) * size])
        return number if self.leaves[number * size : (number + 1) * size] == leaf else None

    def path(self, number: int) -> bytes:
        """The hashes that lead from a leaf to the root, one after the other, the lowest first."""
        size, at, path = self._size, number, bytearray()
        for level in self._levels[:-1]:
            sibling = (at ^ 1) * size
            path += level[sibling : sibling + size]
            at >>= 1
        return bytes(path)

    @cached_property
    def _levels(self) -> list[bytes]:
        new, size = HASHES[self.hash], self._size
        levels = [self.leaves]
        while len(below := levels[-1]) > size:
            pairs = range(0, len(below), 2 * size)
            # One that is left over at the end stands for itself one level higher.
            levels.append(
                b"".join(
                    [new(b"\1" + two).digest() if len(two := below[at : at + 2 * size]) > size else two for at in pairs]
                )
            )
        return levels

    @property
    def _size(self) -> int:
        if self.hash not in HASHES:
            raise UnsupportedError("unsupported/hash", f"no hash of the name {self.hash[:40]!r} is known here")
        size: int = HASHES[self.hash]().digest_size
        return size


def root_from(name: str, leaf: bytes, number: int, size: int, path: bytes) -> bytes:
    """The root that a path leads to from leaf `number` of `size` (RFC 9162 section 2.1.3.2).

    Raises TreeError `renewal/path`.
    """
    width = len(leaf)
    if not 0 <= number < size or len(path) % width:
        raise TreeError("renewal/path", f"leaf {number} of {size}, with a path of {len(path)} bytes of {name}")
    at, last, found = number, size - 1, leaf
    for start in range(0, len(path), width):
        sibling = path[start : start + width]
        if last == 0:
            raise TreeError("renewal/path", f"{len(path) // width} hashes are too many for leaf {number} of {size}")
        if at & 1 or at == last:
            found = digest(name, b"\1" + sibling + found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = digest(name, b"\1" + found + sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise TreeError("renewal/path", f"{len(path) // width} hashes are too few for leaf {number} of {size}")
    return found
