"""Stamps over everything that an archive keeps, renewed before they end (schemas/archive-evidence.md).

What is stamped are the objects, the entries of the custody log and its newest checkpoint. Each timestamp is an object
of its own, with the leaves of its tree beside it, and the custody log names both, so that evidence is made from the
store alone. Digests under SHA-256 and SHA-512 are those of the address, taken when the object came; any other hash
reads it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from attest.archive.address import Address
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, numbered
from attest.archive.intake import Intake
from attest.archive.place import Archive
from attest.archive.policy import Policy
from attest.archive.renewal import Digest, Kept, assemble, digests_of, renew, unrenewed, unstamped
from attest.archive.renewal_records import Record, Revocation, Stamp, Timestamp, format_timestamp, parse_timestamp
from attest.archive.renewal_tree import HASHES, Tree
from attest.archive.renewal_verify import Existed, Finding, NotShown, stands_until, verify_record
from attest.archive.stored import read_whole
from attest.archive.tables import ENTRIES, OBJECTS
from attest.errors import ArchiveError, MissingError

PIECE = 1 << 20
STAMPS = ("stamp", "renew")

Ask = Callable[[bytes, int], Sequence[Stamp]]
About = Callable[[Iterable[Timestamp], int], Revocation]


class Covered(NamedTuple):
    """Something that is stamped: what to call it, and its digests."""

    name: str
    of: Digest


class Renewed(NamedTuple):
    """A timestamp that was made: its hash, what is new in it, what was renewed, and what was hashed again."""

    hash: str
    new: int
    renewed: int
    rehashed: int


def renew_archive(
    archive: Archive,
    policy: Policy,
    ask: Ask,
    about: About,
    *,
    name: str,
    within: int,
    actor: str,
    clock: Callable[[], int],
) -> list[Renewed]:
    """Stamps what is new with the hash `name`, renews what ends within so many seconds, and hashes again what was
    stamped under a hash that weakens by then.

    `ask` gives stamps over a message, `about` what is known of old stamps' revocation. Raises ArchiveError
    `renewal/hash` for a hash that is not known or is weak by then itself, and what `ask` raises.
    """
    now = clock()
    if name not in HASHES or policy.hash_limit(name) <= now + within:
        raise ArchiveError("renewal/hash", f"{name[:40]} is not known here, or is weak within that time by the policy")
    with archive.index.reading() as connection:
        history = history_of(archive, connection)
        things = list(_things(archive, connection))
    made = []
    for each in dict.fromkeys((name, *(kept.timestamp.hash for kept in history))):
        fresh, again = ([], []) if each != name else _uncovered(things, history, name, policy, now + within)
        ends = [t for t in unrenewed(each, history) if policy.hash_limit(each) > now + within]
        due = [timestamp for timestamp in ends if _due(timestamp, policy, now, within)]
        if not (fresh or again or due):
            continue
        tree = renew(each, objects=fresh, timestamps=due, records=again)
        old = [*due, *(record.last for _, record in again)]
        timestamp = unstamped(tree, about(dict.fromkeys(old), now) if old else Revocation())
        timestamp = timestamp._replace(stamps=tuple(ask(timestamp.message, now)))
        history.append(Kept(timestamp, tree))
        made.append(Renewed(each, len(fresh), len(due), len(again)))
        _keep(archive, history[-1], made[-1], actor, clock)
    return made


def evidence(archive: Archive, addresses: Iterable[Address], policy: Policy, at: int) -> list[Existed | NotShown]:
    """What the archive's stamps show of each object, as of a time; what no stamp covers is `NotShown`."""
    with archive.index.reading() as connection:
        history = history_of(archive, connection)
    found: list[Existed | NotShown] = []
    for address in addresses:
        of = _digest_of(archive, address)
        try:
            found.append(verify_record(of, assemble(of, history), policy, at))
        except MissingError as error:
            found.append(NotShown((Finding(error.code, 0, 0, "", error.detail),)))
    return found


def history_of(archive: Archive, connection: Connection) -> list[Kept]:
    """Every timestamp that the custody log names, in its order. Raises MissingError for one that the store has lost."""
    history = []
    for n in connection.execute(
        select(ENTRIES.c.n).where(ENTRIES.c.action.in_(STAMPS)).order_by(ENTRIES.c.n)
    ).scalars():
        stamp, leaves = (archive.custody.object_of(n, role) for role in ("timestamp", "leaves"))
        if stamp is not None and leaves is not None:
            timestamp = parse_timestamp(read_whole(archive.objects, stamp))
            history.append(Kept(timestamp, Tree(timestamp.hash, read_whole(archive.objects, leaves))))
    return history


def _uncovered(
    things: Sequence[Covered], history: Sequence[Kept], name: str, policy: Policy, until: int
) -> tuple[list[bytes], list[tuple[bytes, Record]]]:
    """Digests of what no stamp covers yet, and what is covered under another hash that weakens until a time."""
    fresh: list[bytes] = []
    again: list[tuple[bytes, Record]] = []
    own = 0
    for thing in things:
        try:
            record = assemble(thing.of, history)
        except MissingError:
            fresh.append(thing.of(name))
            own += thing.name in STAMPS
            continue
        if record.last.hash != name and policy.hash_limit(record.last.hash) <= until:
            again.append((thing.of(name), record))
    # What the last stamping itself added to the custody log is no reason to stamp again.
    return ([], again) if own == len(fresh) else (fresh, again)


def _due(timestamp: Timestamp, policy: Policy, now: int, within: int) -> bool:
    limit = stands_until(timestamp, policy, now)
    return limit is None or limit.time <= now + within  # one that has ended is stamped from now on, too


def _things(archive: Archive, connection: Connection) -> Iterator[Covered]:
    """Everything that is to be shown in decades: objects that are needed, entries, the newest checkpoint."""
    stamps = set()
    n = -1
    for n, action in connection.execute(select(ENTRIES.c.n, ENTRIES.c.action).order_by(ENTRIES.c.n)):
        entry = archive.objects.named(numbered(ENTRIES_AT, n))
        if entry is None:
            raise MissingError("archive/missing", f"entry {n} of the custody log is gone", hint="attest archive fixity")
        own = action if action in STAMPS else "entry"
        yield Covered(own, digests_of(entry))
        if action in STAMPS:
            stamps |= {archive.custody.object_of(n, role) for role in ("timestamp", "leaves")}
    note = archive.objects.named(numbered(CHECKPOINTS_AT, n + 1))
    if note is not None:
        yield Covered(STAMPS[0] if stamps else "checkpoint", digests_of(note))
    for row in connection.execute(select(OBJECTS).where(OBJECTS.c.uses > 0)):
        address = Address(bytes.fromhex(row.sha256), bytes.fromhex(row.sha512), row.size)
        if address not in stamps:
            yield Covered(address.path, _digest_of(archive, address))


def _digest_of(archive: Archive, address: Address) -> Digest:
    def of(name: str) -> bytes:
        if name in ("sha256", "sha512"):
            return address.sha256 if name == "sha256" else address.sha512
        found = HASHES[name]()
        sha512 = hashlib.sha512()
        with archive.objects.open(address) as reader:
            for begin in range(0, address.size, PIECE):
                piece = reader.read(begin, min(PIECE, address.size - begin))
                found.update(piece)
                sha512.update(piece)
        if sha512.digest() != address.sha512:
            raise MissingError(
                "archive/changed", f"{address.path} is not what was stored", hint="attest archive fixity"
            )
        digest: bytes = found.digest()
        return digest

    return of


def _keep(archive: Archive, kept: Kept, made: Renewed, actor: str, clock: Callable[[], int]) -> None:
    intake = Intake(archive.objects)
    objects = {
        "timestamp": intake.document(format_timestamp(kept.timestamp)),
        "leaves": intake.document(kept.tree.leaves),
    }
    details: dict[str, str | int] = {"hash": made.hash, "new": made.new}
    details |= {"renewed": made.renewed, "rehashed": made.rehashed, "stamps": len(kept.timestamp.stamps)}
    with archive.custody.session(intake.versions) as session:
        session.record("renew" if made.renewed or made.rehashed else "stamp", actor, objects, details, clock())
