"""Making and renewing evidence that objects existed (RFC 4998 sections 4 and 5; schemas/archive-evidence.md).

All of this is computation: what is to be stamped comes out, stamps go in, and the archive keeps each timestamp with the
leaves of its tree. Three things happen over the decades, in one tree or in several:

    renew("sha256", objects=digests)                       new objects are stamped for the first time
    renew("sha256", timestamps=[last, ...])                timestamps are stamped again, before their algorithms or
                                                           certificates end
    renew("sha512", records=[(new digest, record), ...])   a hash is about to weaken: objects and all evidence of
                                                           them are hashed again with another

    tree = renew(...)
    timestamp = unstamped(tree, about)                     `about`: what is known of the old stamps' revocation
    stamps = ask_each(..., timestamp.message)              (attest.archive.stamps)
    timestamp = timestamp._replace(stamps=stamps)          kept, with tree.leaves

From these `assemble` makes the record of one object, which proves it without the archive:

    >>> tree = renew("sha256", objects=[digest("sha256", word) for word in (b"a", b"b", b"c")])
    >>> kept = [Kept(unstamped(tree), tree)]
    >>> record = assemble(lambda name: digest(name, b"b"), kept)
    >>> len(record.chains), len(record.chains[0][0].path) // 32
    (1, 2)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from attest.archive.renewal_records import (
    NOTHING_KNOWN,
    Link,
    Record,
    Revocation,
    Timestamp,
    evidence_digest,
    timestamp_digest,
)
from attest.archive.renewal_tree import Tree, digest, object_leaf, renewed_leaf, timestamp_leaf
from attest.errors import ArchiveError, MissingError

# The digest of one object under the hash of a name: of its bytes, or as an address says.
Digest = Callable[[str], bytes]


class Kept(NamedTuple):
    """What an archive keeps of one timestamp: itself, and the tree that it is over."""

    timestamp: Timestamp
    tree: Tree


def digests_of(data: bytes) -> Digest:
    """The digests of bytes that are at hand."""
    return lambda name: digest(name, data)


def renew(
    name: str,
    *,
    objects: Iterable[bytes] = (),
    timestamps: Iterable[Timestamp] = (),
    records: Iterable[tuple[bytes, Record]] = (),
) -> Tree:
    """The tree to stamp: new objects by their digests, timestamps to stamp again, and objects to hash again.

    `records` are of (digest under the hash `name`, all evidence of the object so far). Raises ArchiveError
    `renewal/hash` where a timestamp of another hash would be covered without its objects, or an object hashed again
    with the hash that it has.
    """
    leaves = [object_leaf(name, of) for of in objects]
    for timestamp in timestamps:
        if timestamp.hash != name:
            raise _hash(f"a timestamp over {timestamp.hash} is renewed with {name} only by hashing its objects again")
        leaves.append(timestamp_leaf(name, timestamp_digest(name, timestamp)))
    for of, record in records:
        if record.last.hash == name:
            raise _hash(f"an object that has {name} already is renewed by its timestamp")
        leaves.append(renewed_leaf(name, of, evidence_digest(name, record)))
    return Tree.of(name, leaves)


def unstamped(tree: Tree, about: Revocation = NOTHING_KNOWN) -> Timestamp:
    """A timestamp over a tree, before authorities have signed its `message`."""
    return Timestamp(tree.hash, len(tree), tree.root, about, ())


def assemble(of: Digest, history: Sequence[Kept]) -> Record:
    """All evidence of one object, from what the archive has kept, in order of time.

    Timestamps that do not cover it are passed over. Raises MissingError `renewal/omitted` if none does.
    """
    record: Record | None = None
    for kept in history:
        record = _extended(record, of, kept) or record
    if record is None:
        raise MissingError("renewal/omitted", "no timestamp of the archive covers this object")
    return record


def require_covered(of: Digest, record: Record | None, kept: Kept) -> Record:
    """The record, extended by a timestamp that must cover it. Raises MissingError `renewal/omitted` if it does not.

    Who renews asks this of every object: what a renewal leaves out is lost for good once the old evidence has weakened.
    """
    extended = _extended(record, of, kept)
    if extended is None:
        raise MissingError("renewal/omitted", "the renewal does not cover this object", hint="renew again, with it")
    return extended


def _extended(record: Record | None, of: Digest, kept: Kept) -> Record | None:
    """A record and one link more; None if the tree does not cover it."""
    number = kept.tree.index(next_leaf(record, of, kept.tree.hash))
    if number is None:
        return None
    link = Link(number, kept.tree.path(number), kept.timestamp)
    if record is None:
        return Record(((link,),))
    if record.last.hash == kept.tree.hash:
        return Record((*record.chains[:-1], (*record.chains[-1], link)))
    return Record((*record.chains, (link,)))


def unrenewed(name: str, history: Sequence[Kept]) -> list[Timestamp]:
    """The timestamps over trees of this hash that no later one covers: what a renewal with it must stamp again."""
    found = []
    for number, kept in enumerate(history):
        if kept.timestamp.hash == name:
            leaf = timestamp_leaf(name, timestamp_digest(name, kept.timestamp))
            after = [later.tree for later in history[number + 1 :] if later.tree.hash == name]
            if all(tree.index(leaf) is None for tree in after):
                found.append(kept.timestamp)
    return found


def next_leaf(record: Record | None, of: Digest, name: str) -> bytes:
    """The leaf by which a tree of this hash covers an object with so much evidence."""
    if record is None:
        return object_leaf(name, of(name))
    if record.last.hash == name:
        return timestamp_leaf(name, timestamp_digest(name, record.last))
    return renewed_leaf(name, of(name), evidence_digest(name, record))


def _hash(detail: str) -> ArchiveError:
    return ArchiveError("renewal/hash", detail, hint="renew the timestamps with their hash, and objects with another")
