"""The Merkle tree of RFC 6962 section 2.1 over SHA-256: roots, ranges that merge, proofs.

    leaf  H(0x00 || entry)        node  H(0x01 || left || right)        empty tree  H()

    >>> a, b, c = map(leaf_hash, (b"a", b"b", b"c"))
    >>> root([a, b, c]) == node_hash(node_hash(a, b), c)
    True

A `CompactRange` stands for the leaves [begin, end) by the hashes of the fewest perfect subtrees that make
them up, at most 126 of them whatever its length. Neighbours merge, in any grouping, to the same range; that
is what lets a log be checked in parts (transparency-dev/merkle, docs/compact_ranges.md):

    >>> left, right = compact_range(0, a + b), compact_range(2, c)
    >>> left.merge(right).root() == root([a, b, c])
    True

Node (level, index) is the perfect subtree over leaves [index * 2**level, (index + 1) * 2**level). Proofs
take their hashes from any `Hashes`, a callable from such a node to its hash. Verifying raises TreeError.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from attest.errors import TreeError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()

Hashes = Callable[[int, int], bytes]

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes | memoryview) -> bytes:
    """The hash of an entry; in a statement's `prev` it names the statement."""
    return _sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return _sha256(b"\1" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaves."""
    return compact_range(0, b"".join(leaf_hashes)).root()


@dataclass(frozen=True, slots=True)
class CompactRange:
    """Leaves [begin, end) as the hashes of their perfect subtrees, from left to right."""

    begin: int
    end: int
    hashes: tuple[bytes, ...]

    def append(self, leaf: bytes) -> Self:
        """This range and one more leaf hash."""
        return self.merge(CompactRange(self.end, self.end + 1, (leaf,)))

    def merge(self, right: "CompactRange") -> Self:
        """This range and its right neighbour as one. Raises ValueError if they are not neighbours."""
        if right.begin != self.end:
            raise ValueError(f"[{right.begin}, {right.end}) does not continue [{self.begin}, {self.end})")
        nodes = [(level, index, h) for (level, index), h in zip(self.nodes(), self.hashes, strict=True)]
        for (level, index), h in zip(right.nodes(), right.hashes, strict=True):
            # Only a right child can complete a node, with the left sibling that ends where it begins.
            while index & 1 and nodes and nodes[-1][0] == level:
                h = node_hash(nodes.pop()[2], h)
                level, index = level + 1, index >> 1
            nodes.append((level, index, h))
        return type(self)(self.begin, right.end, tuple(h for _, _, h in nodes))

    def nodes(self) -> Iterator[tuple[int, int]]:
        """The (level, index) of each hash."""
        return decompose(self.begin, self.end)

    def root(self) -> bytes:
        """The root of the tree that this range, which must begin at 0, covers."""
        if self.begin:
            raise ValueError(f"a range that begins at {self.begin} has no root")
        return _fold(self.hashes)


EMPTY_RANGE: Final = CompactRange(0, 0, ())


def compact_range(begin: int, leaf_hashes: bytes) -> CompactRange:
    """The range of consecutive leaves, from their concatenated hashes; the fast way to hash a tree."""
    left: list[bytes] = []
    right: list[bytes] = []
    first, level = begin, leaf_hashes
    while level:
        # Neighbours that are not siblings stand alone at the borders; all others pair up, 64 bytes each.
        if first & 1:
            left.append(level[:HASH_SIZE])
            level = level[HASH_SIZE:]
            first += 1
        if len(level) % 64:
            right.append(level[-HASH_SIZE:])
            level = level[:-HASH_SIZE]
        level = b"".join([_sha256(b"\1" + level[i : i + 64]).digest() for i in range(0, len(level), 64)])
        first >>= 1
    return CompactRange(begin, begin + len(leaf_hashes) // HASH_SIZE, (*left, *reversed(right)))


def decompose(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The fewest perfect subtrees that make up leaves [begin, end), from left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def root_at(size: int, hashes: Hashes) -> bytes:
    """The root of the first `size` leaves."""
    return _subtree(0, size, hashes)


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, lowest sibling first."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of {size}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_subtree(middle, end, hashes))
            end = middle
        else:
            path.append(_subtree(begin, middle, hashes))
            begin = middle
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 9162 section 2.1.3.2). Raises TreeError."""
    if not 0 <= index < size:
        raise TreeError("proof/inclusion", f"leaf {index} is not in a tree of {size}")
    _require_hash(leaf)
    node, last, h = index, size - 1, leaf
    for sibling in proof:
        _require_hash(sibling)
        if last == 0:
            raise TreeError("proof/inclusion", f"{len(proof)} hashes are too many for leaf {index} of {size}")
        if node & 1 or node == last:
            h = node_hash(sibling, h)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            h = node_hash(h, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise TreeError("proof/inclusion", f"{len(proof)} hashes are too few for leaf {index} of {size}")
    return h


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Leaf hash `leaf` is number `index` of the tree of `size` leaves with this root. Raises TreeError."""
    found = root_from_inclusion(leaf, index, size, proof)
    if found != expected:
        raise TreeError("proof/inclusion", f"leads to root {found.hex()}, not {expected.hex()}")


def consistency_proof(old: int, new: int, hashes: Hashes) -> list[bytes]:
    """That the tree of `new` leaves begins with that of `old` leaves (RFC 6962 section 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"from {old} to {new} leaves")
    path = []
    begin, end = 0, new
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_subtree(middle, end, hashes))
            end = middle
        else:
            path.append(_subtree(begin, middle, hashes))
            begin = middle
    if begin:  # a subtree that begins at 0 is the old tree itself, whose root the verifier has
        path.append(_subtree(begin, end, hashes))
    return path[::-1]


def roots_from_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The two roots that a consistency proof leads to (RFC 9162 section 2.1.4.2). Raises TreeError."""
    if not 0 < old <= new:
        raise TreeError("proof/consistency", f"from {old} to {new} leaves is not a growth")
    if old == new:
        if proof:
            raise TreeError("proof/consistency", f"{len(proof)} hashes where the sizes are equal")
        return old_root, old_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise TreeError("proof/consistency", f"no hashes from {old} to {new} leaves")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    _require_hash(before)
    for sibling in path[1:]:
        _require_hash(sibling)
        if last == 0:
            raise TreeError("proof/consistency", f"{len(proof)} hashes are too many from {old} to {new} leaves")
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise TreeError("proof/consistency", f"{len(proof)} hashes are too few from {old} to {new} leaves")
    return before, after


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """The tree with `new_root` begins with the one with `old_root`. Raises TreeError."""
    before, after = roots_from_consistency(old, new, proof, old_root)
    if before != old_root:
        raise TreeError("proof/consistency", f"leads to old root {before.hex()}, not {old_root.hex()}")
    if after != new_root:
        raise TreeError("proof/consistency", f"leads to new root {after.hex()}, not {new_root.hex()}")


def _require_hash(h: bytes) -> None:
    if len(h) != HASH_SIZE:
        raise TreeError("proof/hash", f"a hash of {len(h)} bytes, not {HASH_SIZE}")


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _subtree(begin: int, end: int, hashes: Hashes) -> bytes:
    """The hash of leaves [begin, end), where begin is where a subtree of RFC 6962 begins."""
    return _fold([hashes(level, index) for level, index in decompose(begin, end)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Perfect subtrees, largest first, to the hash of the tree that they make up."""
    if not hashes:
        return EMPTY_ROOT
    h = hashes[-1]
    for left in reversed(hashes[:-1]):
        h = node_hash(left, h)
    return h
