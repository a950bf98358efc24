"""Is everything that the custody log speaks of in the store, and as it was? Every byte is hashed again.

*changed*: the digests are not those of the address. *missing*: the index needs it and it is not there. *untracked*: it
is there and nothing needs it, such as what a put had stored when it was ended. Of a store with versions, an object that
was written over is changed, too, whatever the newest version is; and so is one whose version on record is gone,
whatever stands there now.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from attest.archive import deliveries
from attest.archive.address import Address, parse_path
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, numbered, place_of
from attest.archive.flaws import CHANGED, LOST, MISSING, UNTRACKED, Flaw, format_flaws
from attest.archive.intake import Intake, there
from attest.archive.objects import Found
from attest.archive.place import Archive
from attest.archive.tables import DELIVERIES, ENTRIES, OBJECTS
from attest.errors import ArchiveError, EvidenceError, MalformedError, MissingError
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.format.note import parse_note
from attest.log.merkle import EMPTY_RANGE, leaf_hash
from attest.trust.notes import log_vkey, verify_note

MOST: Final = 4  # deliveries that are named for each flaw

KINDS: Final = (CHANGED, MISSING, UNTRACKED)


class Fixity(NamedTuple):
    """What was found: objects and bytes that were hashed, entries of the custody log, and the flaws."""

    objects: int
    size: int
    entries: int
    flaws: tuple[Flaw, ...]


def fixity(archive: Archive, *, share: float = 1.0, seed: int = 0) -> Fixity:
    """Hashes all objects, or a share of them drawn from a seed; what is missing or untracked is always found."""
    draw = random.Random(seed)
    flaws: list[Flaw] = []
    objects = size = 0
    with archive.index.reading() as connection:
        needed = {
            Address(bytes.fromhex(row.sha256), bytes.fromhex(row.sha512), row.size): row.version
            for row in connection.execute(select(OBJECTS).where(OBJECTS.c.uses > 0))
        }
        sized = {address[:2]: address for address in needed}
        for found in archive.objects.walk():
            try:
                address = parse_path(found.path, found.size)
            except MalformedError as error:
                flaws.append(Flaw(UNTRACKED, found.path, error.detail))
                continue
            if address not in needed:
                flaws.append(_unneeded(found, sized.pop(address[:2], None), needed))
                continue
            said = _versions(archive, found, address, needed.pop(address))
            if share >= 1 or draw.random() < share:
                objects, size = objects + 1, size + found.size
                said = _hashed(archive, address) or said
            flaws += [said] if said else []
        flaws += [Flaw(MISSING, address.path, f"{address.size:,} bytes", address.size) for address in sorted(needed)]
        entries, of_log = _custody(archive, connection)
        flaws = _with_deliveries(archive, connection, flaws)
    return Fixity(objects, size, entries, tuple(sorted([*flaws, *of_log])))


def record_fixity(archive: Archive, found: Fixity, share: float, *, actor: str, clock: Callable[[], int]) -> None:
    """Enters what was found of a share of the objects: numbers, and what is changed or missing as an object."""
    intake = Intake(archive.objects)
    kinds = Counter(flaw.kind for flaw in found.flaws)
    details: dict[str, str | int] = {kind: kinds[kind] for kind in KINDS}
    details |= {"objects": found.objects, "bytes": found.size, "sample": f"{share * 100:g} %"}
    lost = [flaw for flaw in found.flaws if flaw.kind in LOST]
    objects = {"flaws": intake.document(format_flaws(lost))} if lost else {}
    with archive.custody.session(intake.versions) as session:
        session.record("fixity", actor, objects, details, clock())


def _with_deliveries(archive: Archive, connection: Connection, flaws: Sequence[Flaw]) -> list[Flaw]:
    """The same, each with deliveries that hold the object, the oldest first."""
    lost = {flaw.address for flaw in flaws} - {None}
    holders: dict[Address | None, list[str]] = {address: [] for address in lost}
    there = select(DELIVERIES).where(DELIVERIES.c.expired_n.is_(None)).order_by(DELIVERIES.c.put_n)
    for row in connection.execute(there).all() if lost else ():
        with suppress(EvidenceError, MissingError):
            for address in deliveries.manifest_of(archive.objects, row).objects() & lost:
                if len(holders[address]) < MOST:
                    holders[address].append(row.id)
    return [flaw._replace(deliveries=tuple(holders.get(flaw.address, ()))) for flaw in flaws]


def _versions(archive: Archive, found: Found, address: Address, own: str | None) -> Flaw | None:
    """Is the version on record there, with its bytes, and nothing that differs newer than it?

    What is older was left behind by a repair.
    """
    text = ""
    if own is not None and own not in found.all:
        text = f"the version on record, {own}, is gone; there is {found.versions[-1]}"
    elif own is not None and len(found.all) > 1 and archive.objects.version(address) != own:
        text = f"the version on record, {own}, is not what was put; {archive.objects.version(address)} is"
    else:
        newer = found.all if own is None else found.all[: found.all.index(own)]
        over = [version for version in found.versions if version in newer and version != found.all[-1]]
        text = f"was written over: {len(over)} versions more" if over else ""
    return Flaw(CHANGED, found.path, text, found.size) if text else None


def _unneeded(found: Found, same: Address | None, needed: dict[Address, str | None]) -> Flaw:
    """An object of another size than the one that is needed is that one, cut or grown."""
    if same is not None and same in needed:
        needed.pop(same)
        return Flaw(CHANGED, found.path, f"has {found.size:,} bytes, not {same.size:,}", same.size)
    return Flaw(UNTRACKED, found.path, "nothing needs it")


def _hashed(archive: Archive, address: Address) -> Flaw | None:
    found = there(archive.objects, address)
    if found is None:
        return Flaw(MISSING, address.path, "it cannot be read", address.size)
    if found != address:
        return Flaw(CHANGED, address.path, f"has SHA-256 {found.sha256.hex()}", address.size)
    return None


def _custody(archive: Archive, connection: Connection) -> tuple[int, Sequence[Flaw]]:
    """Each entry is the one that the index has, each head is over them, and nothing shows that there were more."""
    flaws, heads, later = [], {}, []
    for found in archive.objects.walk("custody/"):
        if len(found.versions) > 1:
            flaws.append(Flaw(CHANGED, found.path, f"was written over: {len(found.versions)} versions"))
        match place_of(found.path):
            case None:
                flaws.append(Flaw(UNTRACKED, found.path, "nothing of the custody log is called so"))
            case (folder, number) if folder == CHECKPOINTS_AT:
                heads[number] = found.path
                later.append((number - 1, found.path))
            case (_, number):
                later.append((number, found.path))
    edge, n, last = EMPTY_RANGE, -1, None
    for n, leaf in connection.execute(select(ENTRIES.c.n, ENTRIES.c.leaf).order_by(ENTRIES.c.n)):
        name = numbered(ENTRIES_AT, n)
        entry = _named(archive, name)
        if entry is None:
            flaws.append(Flaw(MISSING, name, "an entry of the custody log"))
        elif leaf_hash(entry).hex() != leaf:
            flaws.append(Flaw(CHANGED, name, "an entry of the custody log"))
        last = bytes.fromhex(leaf)
        edge = edge.append(last)
        if n + 1 in heads and not _is_head(archive, heads[n + 1], n + 1, edge.root()):
            flaws.append(Flaw(CHANGED, heads[n + 1], "a head of the custody log"))
    if archive.objects.named(numbered(CHECKPOINTS_AT, n + 1)) is None:
        flaws.append(Flaw(MISSING, numbered(CHECKPOINTS_AT, n + 1), "the head over the whole custody log"))
    end = n + 1
    while (entry := _named(archive, numbered(ENTRIES_AT, end))) is not None:
        why = _forged(archive, connection, end, entry, last)
        end, last = end + 1, leaf_hash(entry)  # of somebody at work, or who died: whoever comes next takes it in
        if why:
            flaws.append(Flaw(UNTRACKED, numbered(ENTRIES_AT, end - 1), why))
            break
    flaws += [Flaw(MISSING, numbered(ENTRIES_AT, end), f"{path} is there") for m, path in sorted(later) if m >= end][:1]
    return n + 1, flaws


def _named(archive: Archive, name: str) -> bytes | None:
    """What is stored under a name; nothing of the archive's for what is no file, or too large to be one of it."""
    try:
        return archive.objects.named(name)
    except MissingError:
        return b""
    except ArchiveError as error:
        if error.code != "archive/store":
            raise
        return b""


def _forged(archive: Archive, connection: Connection, n: int, entry: bytes, before: bytes | None) -> str:
    """Why nobody will take this in as the next entry; "" if it is one."""
    try:
        archive.custody.office(connection).require(numbered(ENTRIES_AT, n), n, entry, before)
    except (ArchiveError, EvidenceError, MissingError) as error:
        return error.detail
    return ""


def _is_head(archive: Archive, name: str, size: int, root: bytes) -> bool:
    note, keys, origin = _named(archive, name), archive.custody.keys, archive.named.origin
    try:
        parsed = parse_note(note or b"")
        if keys is not None:
            verify_note(parsed, log_vkey(origin, keys.log.public_key()))
    except EvidenceError:
        return False
    return parsed.text == format_checkpoint(Checkpoint(origin, size, root))
