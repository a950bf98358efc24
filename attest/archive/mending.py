"""What `fixity` found changed or missing is written anew when the same bytes are put again: the cheapest repair.

A put asks a store only whether something of the right size is there, so that a log that has grown costs what is new in
it. Where fixity has said that something is wrong, it hashes what is there, and writes it anew unless that is right.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, select

from attest.archive import deliveries
from attest.archive.address import Address
from attest.archive.custody import Session
from attest.archive.flaws import Repair, format_repairs
from attest.archive.intake import Doubts, Intake, there
from attest.archive.place import Archive
from attest.archive.projection import BATCH, recorded
from attest.archive.tables import DELIVERIES, FLAWS, OBJECTS
from attest.errors import EvidenceError, MissingError

ROLE: Final = "repairs"


def doubts(archive: Archive, connection: Connection) -> Doubts:
    """The objects that fixity has something against, and the files that they are parts of."""
    same = and_(*(FLAWS.c[key] == OBJECTS.c[key] for key in ("sha256", "sha512", "size")))
    rows = connection.execute(
        select(FLAWS).join(OBJECTS, same).where(FLAWS.c.mended_n.is_(None), OBJECTS.c.uses > 0)
    ).all()
    objects = frozenset(Address(bytes.fromhex(row.sha256), bytes.fromhex(row.sha512), row.size) for row in rows)
    files: dict[Address, tuple[Address, ...]] = {}
    named = {id_ for row in rows for id_ in row.deliveries.split()}
    for row in connection.execute(select(DELIVERIES).where(DELIVERIES.c.id.in_(named))).all():
        try:
            manifest = deliveries.manifest_of(archive.objects, row)
        except (EvidenceError, MissingError):
            continue  # its manifest is what was lost, and comes back with the delivery
        listed = (file for copy in manifest.copies for file in copy.files)
        files |= {file.whole: file.objects for file in listed if not objects.isdisjoint(file.objects)}
    return Doubts(objects, files)


def doubting(archive: Archive) -> Intake:
    """An intake that mends."""
    with archive.index.reading() as connection:
        return Intake(archive.objects, doubts(archive, connection))


class Mended(NamedTuple):
    """What an entry says of repairs: by role, and how many there are."""

    objects: Mapping[str, Address]
    details: Mapping[str, int]
    repairs: tuple[Repair, ...]


def mended(archive: Archive, session: Session, intake: Intake) -> Mended:
    """What was written anew on the way in, and what came to stand, whole, for a version on record
    that is gone."""
    found = {repair.address: repair for repair in intake.repairs}
    if archive.objects.keeps_versions:
        asked = [address for address in intake.versions if address not in found]
        for begin in range(0, len(asked), BATCH):
            known = recorded(session.connection, asked[begin : begin + BATCH])
            for address, own in known.items():
                if own in (None, intake.versions.get(address)):
                    continue
                now = archive.objects.version(address)
                if now not in (None, own) and there(archive.objects, address) == address:
                    found[address] = Repair(address, None, now)
    if not found:
        return Mended({}, {}, ())
    repairs = tuple(found[address] for address in sorted(found))
    record = Intake(archive.objects).document(format_repairs(repairs))
    return Mended({ROLE: record}, {"repaired": len(repairs)}, repairs)
