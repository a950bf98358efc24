"""What the index knows of deliveries, and the manifests that they are."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, and_, func, select

from attest.archive.address import Address
from attest.archive.manifest import Copy, Manifest, parse_manifest
from attest.archive.objects import Objects
from attest.archive.projection import BATCH, recorded
from attest.archive.stored import read_whole
from attest.archive.tables import COPIES, DELIVERIES, ENTRIES, HOLDS, LOGS, PARTIES
from attest.errors import EvidenceError, MissingError

SHORTEST: Final = 6  # digits of an id


def find(connection: Connection, ref: str) -> Row[Any]:
    """The delivery that an id, or the beginning of one, names. Raises MissingError."""
    if len(ref) < SHORTEST or not all(c in "0123456789abcdef" for c in ref):
        raise MissingError("archive/no-delivery", f"{ref[:80]!r} is no id: at least {SHORTEST} of its hex digits")
    rows = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id.startswith(ref)).limit(2)).all()
    if len(rows) != 1:
        detail = f"{'no delivery' if not rows else 'more than one delivery'} has an id that begins with {ref}"
        raise MissingError("archive/no-delivery", detail, hint="attest archive list")
    return rows[0]


def address(row: Row[Any]) -> Address:
    """The address of a delivery's manifest."""
    return Address(bytes.fromhex(row.id), bytes.fromhex(row.sha512), row.size)


def manifest_of(objects: Objects, row: Row[Any]) -> Manifest:
    """Raises MissingError, and MalformedError for one that this program cannot read."""
    return parse_manifest(read_whole(objects, address(row)))


def copy_of(connection: Connection, objects: Objects, delivery: str, name: str) -> Copy | None:
    """A copy by the id of its delivery and its name, None if it cannot be read any more."""
    row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == delivery)).one_or_none()
    try:
        manifest = None if row is None or row.expired_n is not None else manifest_of(objects, row)
    except (EvidenceError, MissingError):
        return None
    return None if manifest is None else next((copy for copy in manifest.copies if copy.name == name), None)


def newest_copy(connection: Connection, objects: Objects, origin: str) -> Copy | None:
    """The newest copy of a log that there is, whoever signed it: something to share objects with."""
    newest = select(LOGS.c.delivery, LOGS.c.name).where(LOGS.c.origin == origin).order_by(LOGS.c.size.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else copy_of(connection, objects, row.delivery, row.name)


def listed(
    connection: Connection,
    *,
    party: str | None = None,
    since: int | None = None,
    until: int | None = None,
    outcome: str | None = None,
    expired: bool = False,
) -> list[dict[str, Any]]:
    """Deliveries, the oldest first: those about a party, whose window meets [since, until), with an outcome."""
    where: list[ColumnElement[bool]] = [] if expired else [DELIVERIES.c.expired_n.is_(None)]
    if party is not None:
        about = select(PARTIES.c.delivery).where(PARTIES.c.party == party)
        where.append(DELIVERIES.c.id.in_(about))
    if since is not None:
        where.append(DELIVERIES.c.end > since)
    if until is not None:
        where.append(DELIVERIES.c.begin < until)
    if outcome is not None:
        where.append(DELIVERIES.c.outcome == outcome)
    rows = connection.execute(select(DELIVERIES).where(and_(True, *where)).order_by(DELIVERIES.c.put_n)).all()
    return [described(connection, row) for row in rows]


def described(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """A delivery as data."""
    of = {table: table.c.delivery == row.id for table in (COPIES, PARTIES, HOLDS)}
    copies = connection.execute(select(COPIES).where(of[COPIES]).order_by(COPIES.c.name)).mappings().all()
    parties = connection.execute(select(PARTIES).where(of[PARTIES]).order_by(PARTIES.c.party)).all()
    holds = connection.execute(
        select(HOLDS).where(of[HOLDS], HOLDS.c.released_n.is_(None)).order_by(HOLDS.c.case)
    ).all()
    return {
        "id": row.id,
        "received": row.received,
        "outcome": row.outcome,
        "begin": row.begin,
        "end": row.end,
        "parties": {party.party: party.outcome for party in parties},
        "copies": [_plain(copy) for copy in copies],
        "retained": row.retained,
        "holds": [hold.case for hold in holds],
        "expired": row.expired_n is not None,
    }


def versions(connection: Connection, objects: Objects, row: Row[Any]) -> dict[str, str | None]:
    """The objects of a delivery that the store has to have, by path, each with the version on record of it."""
    needed = [address(row)]
    with suppress(EvidenceError, MissingError):  # `fixity` says what is lost
        needed += sorted(manifest_of(objects, row).objects())
    found: dict[Address, str | None] = {}
    for begin in range(0, len(needed), BATCH):
        found |= recorded(connection, needed[begin : begin + BATCH])
    return {each.path: found[each] for each in needed if each in found}


def last_expiry(connection: Connection) -> int:
    """The number of the last entry that removed something, -1 if there is none."""
    removals = select(func.max(ENTRIES.c.n)).where(ENTRIES.c.action == "expire")
    found: int | None = connection.execute(removals).scalar_one()
    return -1 if found is None else found


def seconds(text: str) -> int:
    """A time as the custody log and verdicts write it, as Unix seconds."""
    return int(datetime.fromisoformat(text).timestamp())


def _plain(copy: RowMapping) -> dict[str, Any]:
    keys: Sequence[str] = ("name", "origin", "size", "root", "standing")
    return {key: copy[key] for key in keys}
