"""The bytes of timestamps and evidence records: deterministic CBOR (schemas/archive-evidence.md; decision 0024).

    timestamp   {1: hash, 2: size, 3: root, 4: about, 5: [stamp, ...]}     a tree, and what authorities signed over it
    stamp       {1: token, 2: [certificate, ...], 3: revocation}           RFC 3161, DER, with what was fetched then
    revocation  {1: [CRL, ...], 2: [OCSP response, ...]}                   DER
    record      {1: 1, 2: [chain, ...]}   chain  [link, ...]   link  [number, path, timestamp]

What authorities sign is `Timestamp.message`, so it can be made before they are asked. A chain has one hash, and each
of its links but the first covers the one before it; the first of a later chain covers the object again, with its new
digest, and all links before it. Verifying that is attest.archive.renewal_verify's.

Codes: renewal/malformed, and those of attest.format.cbor.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple, NoReturn

from attest.archive.renewal_tree import HASHES, MAX_PATH, digest
from attest.errors import MalformedError
from attest.format.cbor import Encodable, decode, encode

CONTEXT: Final = "attest/archive-timestamp/1"
VERSION: Final = 1
MAX_TIMESTAMP: Final = 1 << 26  # bytes: revocation lists can be large
MAX_RECORD: Final = 1 << 28
MAX_STAMPS: Final = 8
MAX_CERTIFICATES: Final = 32
MAX_REVOCATION: Final = 64  # lists, and replies, of one timestamp
MAX_CHAINS: Final = 16
MAX_LINKS: Final = 64  # of one chain: refuse to verify forever
MAX_SIZE: Final = (1 << 63) - 1


class Revocation(NamedTuple):
    """Revocation lists and OCSP responses, DER, as they were fetched."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


NOTHING_KNOWN: Final = Revocation()


class Stamp(NamedTuple):
    """An authority's token, DER, with the certificates of its path and what was known of their revocation then."""

    token: bytes
    certificates: tuple[bytes, ...]
    revocation: Revocation


class Timestamp(NamedTuple):
    """A tree of `size` leaves and its root, and what authorities signed over it.

    `about` is what was known, when this was made, of the revocation of what it renews.
    """

    hash: str
    size: int
    root: bytes
    about: Revocation
    stamps: tuple[Stamp, ...]

    @property
    def message(self) -> bytes:
        """What is handed to authorities."""
        about = digest(self.hash, encode(_revocation(self.about)))
        return encode([CONTEXT, self.hash, self.size, self.root, about])


class Link(NamedTuple):
    """A leaf's number in a timestamp's tree, and the hashes from it to the root one after the other, lowest first."""

    number: int
    path: bytes
    timestamp: Timestamp


class Record(NamedTuple):
    """All evidence of one object: chains of links in order of time."""

    chains: tuple[tuple[Link, ...], ...]

    @property
    def last(self) -> Timestamp:
        """The timestamp that must be renewed next."""
        return self.chains[-1][-1].timestamp


def format_timestamp(timestamp: Timestamp) -> bytes:
    """Timestamp to bytes."""
    return encode(_timestamp(timestamp))


def parse_timestamp(data: bytes) -> Timestamp:
    """Bytes to timestamp. Raises MalformedError."""
    return _read_timestamp(decode(data, max_size=MAX_TIMESTAMP), "timestamp")


def format_record(record: Record) -> bytes:
    """Record to bytes."""
    chains: list[Encodable] = [
        [[link.number, link.path, _timestamp(link.timestamp)] for link in chain] for chain in record.chains
    ]
    return encode({1: VERSION, 2: chains})


def parse_record(data: bytes) -> Record:
    """Bytes to record. Raises MalformedError."""
    version, chains = _map(decode(data, max_size=MAX_RECORD), 2, "record")
    if version != VERSION or type(version) is not int:
        _bad(f"its version is not {VERSION}", "record")
    found = tuple(_read_chain(chain, f"chain {at}") for at, chain in enumerate(_array(chains, MAX_CHAINS, "record")))
    if any(before[0].timestamp.hash == after[0].timestamp.hash for before, after in pairwise(found)):
        _bad("a new chain has another hash", "record")
    return Record(found)


def evidence_digest(name: str, record: Record) -> bytes:
    """The digest of all evidence of an object so far, under a new hash: what its new leaf commits to.

    Each timestamp enters by its own digest, so that those that many objects share are hashed once.
    """
    return digest(
        name,
        encode(
            [
                [[link.number, link.path, timestamp_digest(name, link.timestamp)] for link in chain]
                for chain in record.chains
            ]
        ),
    )


@lru_cache(256)
def timestamp_digest(name: str, timestamp: Timestamp) -> bytes:
    """The digest of a timestamp's encoding."""
    return digest(name, format_timestamp(timestamp))


def _timestamp(timestamp: Timestamp) -> dict[int, Encodable]:
    stamps: list[Encodable] = [{1: s.token, 2: s.certificates, 3: _revocation(s.revocation)} for s in timestamp.stamps]
    return {1: timestamp.hash, 2: timestamp.size, 3: timestamp.root, 4: _revocation(timestamp.about), 5: stamps}


def _revocation(revocation: Revocation) -> dict[int, Encodable]:
    return {1: revocation.crls, 2: revocation.ocsps}


def _read_chain(value: Any, path: str) -> tuple[Link, ...]:
    links = tuple(_read_link(link, f"{path}, link {at}") for at, link in enumerate(_array(value, MAX_LINKS, path)))
    if len({link.timestamp.hash for link in links}) != 1:
        _bad("a chain has one hash", path)
    return links


def _read_link(value: Any, path: str) -> Link:
    if type(value) is not list or len(value) != 3:
        _bad("a link is a number, a path and a timestamp", path)
    number, hashes, timestamp = value
    found = _read_timestamp(timestamp, path)
    if type(hashes) is not bytes or len(hashes) > MAX_PATH * len(found.root) or len(hashes) % len(found.root):
        _bad(f"its path is not of 0 to {MAX_PATH} {found.hash} hashes", path)
    return Link(_uint(number, found.size - 1, path), hashes, found)


def _read_timestamp(value: Any, path: str) -> Timestamp:
    name, size, root, about, stamps = _map(value, 5, path)
    if type(name) is not str or name not in HASHES:
        _bad("its hash is none of " + ", ".join(HASHES), path)
    if type(root) is not bytes or len(root) != HASHES[name]().digest_size:
        _bad(f"its root is no {name} hash", path)
    read = tuple(_read_stamp(stamp, path) for stamp in _array(stamps, MAX_STAMPS, path))
    return Timestamp(name, _uint(size, MAX_SIZE, path, 1), root, _read_revocation(about, path), read)


def _read_stamp(value: Any, path: str) -> Stamp:
    token, certificates, revocation = _map(value, 3, path)
    if type(token) is not bytes:
        _bad("a token is a byte string", path)
    return Stamp(token, _strings(certificates, MAX_CERTIFICATES, path), _read_revocation(revocation, path))


def _read_revocation(value: Any, path: str) -> Revocation:
    crls, ocsps = _map(value, 2, path)
    return Revocation(_strings(crls, MAX_REVOCATION, path), _strings(ocsps, MAX_REVOCATION, path))


def _strings(value: Any, most: int, path: str) -> tuple[bytes, ...]:
    if type(value) is not list or len(value) > most or any(type(one) is not bytes for one in value):
        _bad(f"must be an array of at most {most} byte strings", path)
    return tuple(value)


def _map(value: Any, keys: int, path: str) -> list[Any]:
    if type(value) is not dict or list(value) != list(range(1, keys + 1)):
        _bad(f"must be a map with the keys 1 to {keys}", path)
    return list(value.values())


def _array(value: Any, most: int, path: str) -> list[Any]:
    if type(value) is not list or not 0 < len(value) <= most:
        _bad(f"must be an array of 1 to {most} elements", path)
    return value


def _uint(value: Any, high: int, path: str, low: int = 0) -> int:
    if type(value) is not int or not low <= value <= high:
        _bad(f"must be an integer from {low} to {high}", path)
    return value


def _bad(detail: str, path: str) -> NoReturn:
    raise MalformedError("renewal/malformed", detail, path=path)
