"""What must be kept, and removing what need not be: retention, legal holds, expiry with a certificate of destruction.

A store that can lock is told of each, but is not what decides: the custody log says what is held, and expiry asks it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select

from attest.archive import deliveries
from attest.archive.address import Address
from attest.archive.intake import Intake
from attest.archive.place import Archive
from attest.archive.tables import COPIES, DELIVERIES, HOLDS, OBJECTS
from attest.errors import ArchiveError, EvidenceError, MissingError
from attest.format.fields import text
from attest.report.style import utc

FORMAT = "attest-destruction/1"


class Removed(NamedTuple):
    """A delivery that was, or would be, removed: its id, and the objects that nothing else needs, with their bytes; or
    the lock of the store, in words, that keeps it."""

    id: str
    objects: int
    size: int
    locked: str = ""


def hold(archive: Archive, ref: str, case: str, *, actor: str, clock: Callable[[], int]) -> str:
    """Forbids the removal of a delivery until the hold of this case is released; returns its id.

    Raises MalformedError for a case that is no line of at most 512 characters: an index could not have its entry.
    """
    text(case, "case")
    with archive.custody.session() as session:
        row = _there(session.connection, ref)
        address = deliveries.address(row)
        session.record("hold", actor, {"manifest": address}, {"delivery": row.id, "case": case}, clock())
        for each in _objects(archive, row):
            archive.objects.hold(each, True)
    return str(row.id)


def release(archive: Archive, ref: str, case: str, *, actor: str, clock: Callable[[], int]) -> str:
    """Lifts the hold of one case. Raises ArchiveError `archive/no-hold`."""
    with archive.custody.session() as session:
        row = _there(session.connection, ref)
        if case not in holds(session.connection, row.id):
            raise ArchiveError("archive/no-hold", f"{row.id[:12]} is not held for {case}", hint="attest archive show")
        address = deliveries.address(row)
        session.record("release", actor, {"manifest": address}, {"delivery": row.id, "case": case}, clock())
        for each in _objects(archive, row) - _held(archive, session.connection):
            archive.objects.hold(each, False)
    return str(row.id)


def retain(archive: Archive, ref: str, until: int, *, actor: str, clock: Callable[[], int]) -> str:
    """Keeps a delivery until a time (Unix s), in a store that locks by a lock, unless that time is over.

    The same time again locks what could not be locked before. Raises ArchiveError `archive/retained` for a sooner one.
    """
    with archive.custody.session() as session:
        row, now = _there(session.connection, ref), clock()
        if row.retained is not None and until < row.retained:
            detail = f"{row.id[:12]} is retained until {utc(row.retained)}, which is only ever extended"
            raise ArchiveError("archive/retained", detail)
        if until != row.retained:
            named = {"manifest": deliveries.address(row)}
            session.record("retain", actor, named, {"delivery": row.id, "until": until}, now)
        for each in _objects(archive, row) if until > now else ():
            archive.objects.retain(each, until)
    return str(row.id)


def expirable(archive: Archive, now: int) -> list[Removed]:
    """Deliveries whose retention has ended and that nothing holds, with what `expire` would remove of each alone.

    Raises MissingError `archive/unknown` where the index does not know what some delivery needs.
    """
    with archive.index.reading() as connection:
        _require_known(connection)
        return [_removed(archive, row, list(_alone(archive, connection, row))) for row in _ended(connection, now)]


def expire(archive: Archive, *, actor: str, clock: Callable[[], int]) -> list[Removed]:
    """Removes what `expirable` lists, and leaves for each a certificate of destruction, which the custody log names.

    First the record, then the removal: what a crash leaves over is removed by the next expiry. What the store locks is
    not expired. Raises as `expirable`.
    """
    removed, now = [], clock()
    with archive.custody.session() as session:
        _require_known(session.connection)
        _sweep(archive, session.connection)
        for row in _ended(session.connection, now):
            gone = sorted(_alone(archive, session.connection, row))
            said = _removed(archive, row, gone)
            removed.append(said)
            if said.locked:
                continue
            certificate = Intake(archive.objects).document(_certificate(row, gone, now))
            named = {"manifest": deliveries.address(row), "certificate": certificate}
            details = {"delivery": row.id, "objects": said.objects, "bytes": said.size}
            session.record("expire", actor, named, details, clock())
        _sweep(archive, session.connection)
    return removed


def lock_again(archive: Archive, connection: Connection, addresses: set[Address], now: int) -> None:
    """Locks objects that were written anew as the deliveries that need them were locked, in a store that can."""
    if not addresses or not archive.objects.keeps_versions:
        return
    held = _held_ids()
    kept = (DELIVERIES.c.retained > now) | DELIVERIES.c.id.in_(held)
    standing = set(connection.execute(held).scalars())
    rows = connection.execute(select(DELIVERIES).where(kept, DELIVERIES.c.expired_n.is_(None))).all()
    for row in rows:
        with suppress(EvidenceError, MissingError):  # a manifest that is lost; it is locked when that is mended
            for each in _objects(archive, row) & addresses:
                if row.retained is not None and row.retained > now:
                    archive.objects.retain(each, row.retained)
                if row.id in standing:
                    archive.objects.hold(each, True)


def holds(connection: Connection, id_: str) -> list[str]:
    """The cases that a delivery is held for."""
    standing = (HOLDS.c.delivery == id_) & HOLDS.c.released_n.is_(None)
    return list(connection.execute(select(HOLDS.c.case).where(standing).order_by(HOLDS.c.case)).scalars())


def _there(connection: Connection, ref: str) -> Row[Any]:
    row = deliveries.find(connection, ref)
    if row.expired_n is not None:
        raise ArchiveError("archive/expired", f"{row.id[:12]} was removed by entry {row.expired_n}")
    return row


def _ended(connection: Connection, now: int) -> list[Row[Any]]:
    """Without a retention nothing expires: somebody has to say how long it is kept."""
    ended = (DELIVERIES.c.retained <= now) & DELIVERIES.c.expired_n.is_(None) & DELIVERIES.c.id.not_in(_held_ids())
    return list(connection.execute(select(DELIVERIES).where(ended).order_by(DELIVERIES.c.put_n)))


def _require_known(connection: Connection) -> None:
    """What a delivery needs without its manifest, which the store had lost when the index was made, nobody knows."""
    unread = DELIVERIES.c.expired_n.is_(None) & DELIVERIES.c.id.not_in(select(COPIES.c.delivery))
    id_ = connection.execute(select(DELIVERIES.c.id).where(unread).order_by(DELIVERIES.c.put_n).limit(1)).scalar()
    if id_ is not None:
        detail = f"the store had lost the manifest of {id_[:12]} when the index was made: nobody knows what it needs"
        raise MissingError("archive/unknown", detail, hint="mend the manifest, or put it back and reindex, then expire")


def _objects(archive: Archive, row: Row[Any]) -> set[Address]:
    """Everything that a delivery needs, its manifest among it."""
    return deliveries.manifest_of(archive.objects, row).objects() | {deliveries.address(row)}


def _alone(archive: Archive, connection: Connection, row: Row[Any]) -> Iterator[Address]:
    """The objects of a delivery that nothing else needs."""
    for each in deliveries.manifest_of(archive.objects, row).objects():
        uses = connection.execute(select(OBJECTS.c.uses).where(_is(each))).scalar_one_or_none()
        if uses == 1:
            yield each


def _removed(archive: Archive, row: Row[Any], gone: list[Address]) -> Removed:
    locked = next(filter(None, map(archive.objects.locked, gone)), "")
    return Removed(row.id, len(gone), sum(each.size for each in gone), locked)


def _held(archive: Archive, connection: Connection) -> set[Address]:
    """Everything that deliveries need which are held."""
    rows = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id.in_(_held_ids()))).all()
    return set().union(*(_objects(archive, row) for row in rows))


def _held_ids() -> Select[tuple[str]]:
    return select(HOLDS.c.delivery).where(HOLDS.c.released_n.is_(None))


def _sweep(archive: Archive, connection: Connection) -> None:
    """Removes the objects that were needed once and are not any more."""
    for row in connection.execute(select(OBJECTS).where(OBJECTS.c.uses <= 0)):
        address = Address(bytes.fromhex(row.sha256), bytes.fromhex(row.sha512), row.size)
        if archive.objects.has(address) and not archive.objects.locked(address):
            archive.objects.remove(address)


def _certificate(row: Row[Any], gone: list[Address], now: int) -> bytes:
    """What was destroyed and when, by both digests of each object."""
    listed = [{"sha256": a.sha256.hex(), "sha512": a.sha512.hex(), "size": a.size} for a in gone]
    data = {
        "format": FORMAT,
        "delivery": row.id,
        "received": utc(row.received),
        "retained": utc(row.retained),
        "destroyed": utc(now),
        "objects": listed,
    }
    return (json.dumps(data, indent=2) + "\n").encode()


def _is(address: Address) -> Any:
    same = (OBJECTS.c.sha256 == address.sha256.hex()) & (OBJECTS.c.sha512 == address.sha512.hex())
    return same & (OBJECTS.c.size == address.size)
