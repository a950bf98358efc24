"""A fork proof: two signed heads of one log that cannot be of one tree, for anybody who has the log's keys.

    {0: 1, 1: note of the smaller head, 2: note of the larger, 3: root, 4: [* hash]}

Of one size the two roots differ, and that is all. Of two sizes, the consistency path (RFC 6962 section 2.1.2) shows
that the larger tree had another root when it was as large as the smaller one.
"""

from typing import Any, Final, NamedTuple

from attest.errors import MalformedError, TreeError
from attest.format.cbor import decode, encode
from attest.format.fields import array, bytes_, map_
from attest.format.note import MAX_NOTE, Vkey
from attest.log.checkpoint import Checkpoint, open_checkpoint
from attest.log.merkle import Hashes, consistency_proof, root_at, verify_consistency

VERSION: Final = 1
MAX_PATH: Final = 128
MAX_FORK: Final = 2 * MAX_NOTE + 8_192  # bytes


class Fork(NamedTuple):
    """Two notes, the root that the larger tree had at the smaller size, and what shows it."""

    smaller: bytes
    larger: bytes
    root: bytes
    path: tuple[bytes, ...]


def prove_fork(smaller: tuple[Checkpoint, bytes], larger: tuple[Checkpoint, bytes], hashes: Hashes) -> Fork | None:
    """The proof that two heads contradict each other; None if the larger tree contains the smaller one.

    `hashes` are those of the larger tree. Raises TreeError where they do not give its root.
    """
    (before, before_note), (after, after_note) = smaller, larger
    if before.size == after.size:
        return None if before.root == after.root else Fork(before_note, after_note, after.root, ())
    root = root_at(before.size, hashes)
    path = consistency_proof(before.size, after.size, hashes)
    verify_consistency(before.size, after.size, path, root, after.root)
    return None if root == before.root else Fork(before_note, after_note, root, tuple(path))


def verify_fork(fork: Fork, origin: str, keys: tuple[Vkey, ...]) -> tuple[Checkpoint, Checkpoint]:
    """The two heads, if the log's keys signed both and they contradict each other. Raises EvidenceError."""
    before, _ = open_checkpoint(fork.smaller, origin, keys)
    after, _ = open_checkpoint(fork.larger, origin, keys)
    if before.size > after.size or fork.root == before.root:
        raise TreeError("fork/none", f"heads of size {before.size} and {after.size} do not contradict each other")
    if before.size == after.size:
        if fork.root != after.root or fork.path:
            raise TreeError("fork/none", "of one size, the two roots are the proof")
    else:
        verify_consistency(before.size, after.size, fork.path, fork.root, after.root)
    return before, after


def format_fork(fork: Fork) -> bytes:
    """The bytes of a proof."""
    return encode({0: VERSION, 1: fork.smaller, 2: fork.larger, 3: fork.root, 4: fork.path})


def parse_fork(data: bytes) -> Fork:
    """Raises MalformedError."""
    value: Any = decode(data, max_size=MAX_FORK)
    version, smaller, larger, root, path = map_(value, 5, "fork", 0)
    if version != VERSION:
        raise MalformedError("fork/version", f"a fork proof of version {version!r:.40}")
    before, after = bytes_(smaller, "note", 1, MAX_NOTE), bytes_(larger, "note", 1, MAX_NOTE)
    hashes = tuple(bytes_(each, "path") for each in array(path, 0, MAX_PATH, "path"))
    return Fork(before, after, bytes_(root, "root"), hashes)
