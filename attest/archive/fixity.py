"""Is everything that the custody log speaks of in the store, and as it was? Every byte is hashed again.

*changed*: the digests are not those of the address. *missing*: the index needs it and it is not there. *untracked*: it
is there and nothing needs it, such as what a put had stored when it was ended. Of a store with versions, an object that
was written over is changed, too, whatever the newest version is; and so is one whose version on record is gone,
whatever stands there now.
"""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from attest.archive.address import Address, Digests, parse_path
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, numbered
from attest.archive.objects import Found
from attest.archive.place import Archive
from attest.archive.tables import ENTRIES, OBJECTS
from attest.errors import MalformedError, MissingError
from attest.log.merkle import leaf_hash

PIECE: Final = 1 << 20

CHANGED, MISSING, UNTRACKED = "changed", "missing", "untracked"


class Flaw(NamedTuple):
    """What is wrong with which path of the store."""

    kind: str
    path: str
    text: str


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
        for found in archive.objects.walk():
            try:
                address = parse_path(found.path, found.size)
            except MalformedError as error:
                flaws.append(Flaw(UNTRACKED, found.path, error.detail))
                continue
            if address not in needed:
                flaws.append(_unneeded(found, address, needed))
                continue
            said = _versions(found, needed.pop(address))
            if share >= 1 or draw.random() < share:
                objects, size = objects + 1, size + found.size
                said = _hashed(archive, address) or said
            flaws += [said] if said else []
        flaws += [Flaw(MISSING, address.path, f"{address.size:,} bytes") for address in sorted(needed)]
        entries, of_log = _custody(archive, connection)
    return Fixity(objects, size, entries, tuple(sorted([*flaws, *of_log])))


def _versions(found: Found, own: str | None) -> Flaw | None:
    """Is the version on record there, and the only one?"""
    if own is not None and own not in found.all:
        return Flaw(CHANGED, found.path, f"the version on record, {own}, is gone; there is {found.versions[-1]}")
    if len(found.versions) > 1:
        return Flaw(CHANGED, found.path, f"was written over: {len(found.versions)} versions")
    return None


def _unneeded(found: Found, address: Address, needed: dict[Address, str | None]) -> Flaw:
    """An object of another size than the one that is needed is that one, cut or grown."""
    same = [other for other in needed if other[:2] == address[:2]]
    if same:
        needed.pop(same[0])
        return Flaw(CHANGED, found.path, f"has {found.size:,} bytes, not {same[0].size:,}")
    return Flaw(UNTRACKED, found.path, "nothing needs it")


def _hashed(archive: Archive, address: Address) -> Flaw | None:
    digests = Digests()
    try:
        with archive.objects.open(address) as reader:
            for begin in range(0, address.size, PIECE):
                digests.update(reader.read(begin, min(PIECE, address.size - begin)))
    except MissingError as error:
        return Flaw(MISSING, address.path, error.detail)
    if digests.address() != address:
        return Flaw(CHANGED, address.path, f"has SHA-256 {digests.address().sha256.hex()}")
    return None


def _custody(archive: Archive, connection: Connection) -> tuple[int, Sequence[Flaw]]:
    """Each entry is the one that the index has, and the newest head of them is there."""
    flaws, n = [], -1
    for n, leaf in connection.execute(select(ENTRIES.c.n, ENTRIES.c.leaf).order_by(ENTRIES.c.n)):
        name = numbered(ENTRIES_AT, n)
        entry = archive.objects.named(name)
        if entry is None:
            flaws.append(Flaw(MISSING, name, "an entry of the custody log"))
        elif leaf_hash(entry).hex() != leaf:
            flaws.append(Flaw(CHANGED, name, "an entry of the custody log"))
    for found in archive.objects.walk("custody/"):
        if len(found.versions) > 1:
            flaws.append(Flaw(CHANGED, found.path, f"was written over: {len(found.versions)} versions"))
    if archive.objects.named(numbered(CHECKPOINTS_AT, n + 1)) is None:
        flaws.append(Flaw(MISSING, numbered(CHECKPOINTS_AT, n + 1), "the head over the whole custody log"))
    return n + 1, flaws
