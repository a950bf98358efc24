"""The Merkle tree against RFC 6962 written down naively: all sizes to 130, every leaf, every pair of sizes."""

import random
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import TreeError
from attest.log import merkle
from attest.log.merkle import EMPTY_RANGE, EMPTY_ROOT, CompactRange, compact_range

SIZES = range(131)
LEAVES = [merkle.leaf_hash(f"entry {i}".encode()) for i in range(1100)]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def hashes(level: int, index: int) -> bytes:
    leaves = LEAVES[index << level : (index + 1) << level]
    assert len(leaves) == 1 << level
    return mth(leaves)


def test_roots() -> None:
    assert merkle.root([]) == EMPTY_ROOT == sha256(b"").digest()
    grown = EMPTY_RANGE
    for size in SIZES:
        expected = mth(LEAVES[:size])
        assert merkle.root(LEAVES[:size]) == grown.root() == merkle.root_at(size, hashes) == expected
        assert len(grown.hashes) == size.bit_count()
        grown = grown.append(LEAVES[size])


def test_every_range_is_of_perfect_subtrees_in_order() -> None:
    for begin in range(40):
        for end in range(begin, 75):
            found = compact_range(begin, b"".join(LEAVES[begin:end]))
            assert (found.begin, found.end) == (begin, end)
            at = begin
            for (level, index), h in zip(found.nodes(), found.hashes, strict=True):
                assert index << level == at
                assert h == hashes(level, index)
                at += 1 << level
            assert at == end
            # No two of them make up a larger one.
            nodes = list(found.nodes())
            assert not any(a[0] == b[0] and a[1] % 2 == 0 and b[1] == a[1] + 1 for a, b in pairwise(nodes))


@given(st.data())
def test_ranges_merge_in_any_grouping(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, 300))
    end = data.draw(st.integers(begin, 1100))
    cuts = sorted(data.draw(st.lists(st.integers(begin, end), max_size=6)))
    edges = [begin, *cuts, end]
    parts = [compact_range(a, b"".join(LEAVES[a:b])) for a, b in pairwise(edges)]
    while len(parts) > 1:
        at = data.draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [parts[at].merge(parts[at + 1])]
    assert parts[0] == compact_range(begin, b"".join(LEAVES[begin:end]))


def test_ranges_that_are_no_neighbours_do_not_merge() -> None:
    left = compact_range(0, LEAVES[0])
    for begin in (0, 2):
        with pytest.raises(ValueError, match="does not continue"):
            left.merge(compact_range(begin, LEAVES[1]))
    with pytest.raises(ValueError, match="has no root"):
        compact_range(1, LEAVES[1]).root()


def test_inclusion_of_every_leaf_of_every_size() -> None:
    for size in range(1, 131):
        root = mth(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, hashes)
            assert proof == path(index, LEAVES[:size])
            merkle.verify_inclusion(LEAVES[index], index, size, proof, root)


def test_consistency_of_every_pair_of_sizes() -> None:
    roots = [mth(LEAVES[:size]) for size in SIZES]
    for new in range(1, 101):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, hashes)
            assert proof == subproof(old, LEAVES[:new], True)
            merkle.verify_consistency(old, new, proof, roots[old], roots[new])


def test_a_proof_that_differs_anywhere_is_refused() -> None:
    rng = random.Random("attest merkle 1")
    for size in (1, 2, 3, 5, 8, 13, 64, 100):
        root = mth(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, hashes)
            wrong = [
                (LEAVES[index], index, size, [*proof, root], root),
                (LEAVES[index], index, size, [root, *proof], root),
                (LEAVES[index], index, size, proof, LEAVES[1099]),
                (LEAVES[1098], index, size, proof, root),
                (LEAVES[index], size, size, proof, root),
                (LEAVES[index], -1, size, proof, root),
            ]
            if proof:
                at = rng.randrange(len(proof))
                flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
                wrong += [
                    (LEAVES[index], index, size, proof[:-1], root),
                    (LEAVES[index], index, size, proof[1:], root),
                    (LEAVES[index], index ^ 1, size, proof, root),
                    (LEAVES[index], index, size, [*proof[:at], flipped, *proof[at + 1 :]], root),
                    (LEAVES[index], index, size, [*proof[:at], proof[at][:-1], *proof[at + 1 :]], root),
                ]
            for case in wrong:
                with pytest.raises(TreeError, match="proof/"):
                    merkle.verify_inclusion(*case)


def test_a_consistency_proof_that_differs_anywhere_is_refused() -> None:
    for old, new in ((1, 2), (2, 3), (3, 7), (4, 8), (6, 8), (7, 8), (8, 100), (63, 100), (100, 100)):
        proof = merkle.consistency_proof(old, new, hashes)
        before, after = mth(LEAVES[:old]), mth(LEAVES[:new])
        wrong = [
            (old, new, [*proof, after], before, after),
            (old, new, proof, after if old < new else LEAVES[0], after),
            (old, new, proof, before, before if old < new else LEAVES[0]),
            (old + 1, new, proof, before, after),
            (0, new, proof, before, after),
            (new + 1, new, proof, before, after),
        ]
        if proof:
            wrong += [
                (old, new, proof[:-1], before, after),
                (old, new, proof[1:], before, after),
                (old, new, [], before, after),
                (old, new, [*proof[:-1], proof[-1][:-1]], before, after),
            ]
        for case in wrong:
            with pytest.raises(TreeError, match="proof/"):
                merkle.verify_consistency(*case)


def test_proofs_are_not_made_for_what_is_not_there() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="leaf"):
            merkle.inclusion_proof(index, size, hashes)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="leaves"):
            merkle.consistency_proof(old, new, hashes)


def test_a_merged_range_keeps_its_type() -> None:
    assert isinstance(EMPTY_RANGE.append(LEAVES[0]), CompactRange)


def test_what_is_no_hash_is_said_to_be_none() -> None:
    with pytest.raises(TreeError, match="proof/hash"):
        merkle.verify_inclusion(LEAVES[0][:-1], 0, 1, [], LEAVES[0])
    with pytest.raises(TreeError, match="proof/inclusion: 0 hashes are too few"):
        merkle.verify_inclusion(LEAVES[0], 0, 2, [], LEAVES[0])
    with pytest.raises(TreeError, match="proof/consistency: no hashes"):
        merkle.verify_consistency(3, 4, [], LEAVES[0], LEAVES[1])
