"""From the custody log to the index: one function, entry by entry, for who appends and for `reindex` alike.

It never deletes a row, so that who may append on a PostgreSQL needs no right to delete. What an entry names and the
store does not have any more is left out, and found by `fixity`; the entry itself is kept.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from attest.archive.address import Address
from attest.archive.flaws import parse_flaws, repaired
from attest.archive.manifest import Manifest, parse_manifest
from attest.archive.tables import COPIES, DELIVERIES, ENTRIES, FLAWS, HOLDS, LOGS, OBJECTS, PARTIES
from attest.errors import MalformedError
from attest.format.custody import CustodyBody
from attest.format.statement import parse_statement
from attest.log.merkle import EMPTY_RANGE, HASH_SIZE, CompactRange, leaf_hash

BATCH: Final = 500  # rows of one insert
WHOLE: Final = "100 %"  # what a fixity says of its sample that hashed everything

Named = Mapping[str, Address]
Details = Mapping[str, Any]


class Source(Protocol):
    """What a projection asks of the store, besides the entries."""

    def read(self, address: Address) -> bytes | None:
        """An object's bytes, None where the store has it no longer."""

    def versions(self, addresses: Iterable[Address]) -> Mapping[Address, str]:
        """The version that each of these objects is, of those that have one."""


def project(connection: Connection, n: int, entry: bytes, store: Source) -> None:
    """Entry `n` becomes rows. Raises what `parse_statement` raises."""
    statement = parse_statement(entry).statement
    body = statement.body
    leaf = leaf_hash(entry)
    edge = edge_before(connection, n).append(leaf)
    row = {"n": n, "leaf": leaf.hex(), "edge": b"".join(edge.hashes).hex(), "time": statement.end}
    if not isinstance(body, CustodyBody):  # the genesis, keys
        row |= {"action": type(body).__name__.removesuffix("Body").lower(), "actor": "", "details": "{}"}
        connection.execute(ENTRIES.insert(), row)
        return
    details: Mapping[str, Any] = dict(body.details)
    named = {o.role: Address(o.sha256, o.sha512, o.size) for o in body.objects}
    delivery = named["manifest"].sha256.hex() if "manifest" in named else None
    said = json.dumps(details, sort_keys=True, ensure_ascii=False)
    row |= {"action": body.action, "actor": body.actor, "delivery": delivery, "details": said}
    connection.execute(ENTRIES.insert(), row)
    _use(connection, named.values(), 1, store)  # what an entry names is kept for good
    if "repairs" in named:
        _repaired(connection, n, store.read(named["repairs"]), store)
    if body.action == "fixity":
        _fixity(connection, n, details, None if "flaws" not in named else store.read(named["flaws"]))
    if delivery is not None and body.action in _RULES:
        _RULES[body.action](connection, n, statement.end, delivery, named, details, store)


def edge_before(connection: Connection, n: int) -> CompactRange:
    """The tree over the first n entries, which are in the index."""
    if not n:
        return EMPTY_RANGE
    edge = bytes.fromhex(connection.execute(select(ENTRIES.c.edge).where(ENTRIES.c.n == n - 1)).scalar_one())
    return CompactRange(0, n, tuple(edge[at : at + HASH_SIZE] for at in range(0, len(edge), HASH_SIZE)))


def _put(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    """A delivery whose manifest the store had lost when the index was made is known by one that mends it, too."""
    address = named["manifest"]
    found = c.execute(select(DELIVERIES.c.expired_n).where(DELIVERIES.c.id == delivery)).one_or_none()
    read = c.execute(select(COPIES.c.name).where(COPIES.c.delivery == delivery).limit(1)).one_or_none() is not None
    if found is not None and found.expired_n is None and read:
        return
    manifest = _manifest(store.read(address))
    if found is None:
        row = {"id": delivery, "sha512": address.sha512.hex(), "size": address.size, "put_n": n, "received": time}
        c.execute(DELIVERIES.insert(), row)
    else:
        c.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery).values(expired_n=None))
    if manifest is not None:
        if not read:
            c.execute(COPIES.insert(), [{"delivery": delivery, "name": copy.name} for copy in manifest.copies])
        _use(c, manifest.objects(), 1, store)


def _standing(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    copy = (COPIES.c.delivery == delivery) & (COPIES.c.name == details["name"])
    known = {key: details.get(key) for key in ("origin", "size", "root", "standing")}
    c.execute(update(COPIES).where(copy).values(**known))
    if details["standing"] == "current":
        head = {key: details[key] for key in ("origin", "size", "root", "name")}
        head |= {"delivery": delivery, "standing_n": n}
        rows = [head | {"vkey": vkey} for vkey in str(details["keys"]).split(" ")]
        kept = ("size", "root", "name", "delivery", "standing_n")
        _upsert(c, LOGS, rows, ["origin", "vkey"], lambda new: {key: new[key] for key in kept})


def _verdict(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    data = store.read(named["verdict"]) if "verdict" in named else None  # unjudged, or lost
    verdict = {} if data is None else json.loads(data)
    parties = verdict.get("parties", [])
    terms = [term for party in parties for term in party["terms"]]
    begin = min((_seconds(term["from"]) for term in terms), default=None)
    end = max((_seconds(term["until"]) for term in terms), default=None)
    values = {"verdict_n": n, "outcome": details["outcome"], "begin": begin, "end": end}
    c.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery).values(**values))
    rows = [{"delivery": delivery, "party": p["iss"], "outcome": p["outcome"]} for p in parties]
    _upsert(c, PARTIES, rows, ["delivery", "party"], lambda new: {"outcome": new["outcome"]})


def _hold(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    row = {"delivery": delivery, "case": details["case"], "since_n": n, "released_n": None}
    _upsert(c, HOLDS, [row], ["delivery", "case"], lambda new: {"since_n": new["since_n"], "released_n": None})


def _release(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    hold = (HOLDS.c.delivery == delivery) & (HOLDS.c.case == details["case"])
    c.execute(update(HOLDS).where(hold).values(released_n=n))


def _retain(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    shorter = func.coalesce(DELIVERIES.c.retained, 0) < details["until"]
    c.execute(update(DELIVERIES).where((DELIVERIES.c.id == delivery) & shorter).values(retained=details["until"]))


def _expire(c: Connection, n: int, time: int, delivery: str, named: Named, details: Details, store: Source) -> None:
    gone = (DELIVERIES.c.id == delivery) & DELIVERIES.c.expired_n.is_(None)
    if c.execute(update(DELIVERIES).where(gone).values(expired_n=n)).rowcount:
        manifest = _manifest(store.read(named["manifest"]))
        if manifest is not None:
            _use(c, manifest.objects(), -1, store)


def _fixity(c: Connection, n: int, details: Details, data: bytes | None) -> None:
    """What was found is wrong until it is mended; where everything was hashed, nothing else is."""
    if details["sample"] == WHOLE:
        c.execute(update(FLAWS).where(FLAWS.c.mended_n.is_(None)).values(mended_n=n))
    found = {flaw.address: flaw for flaw in (() if data is None else parse_flaws(data))}
    rows = [
        _key(address) | {"kind": flaw.kind, "deliveries": " ".join(flaw.deliveries), "since_n": n, "mended_n": None}
        for address, flaw in found.items()
        if address is not None
    ]
    kept = ("kind", "deliveries", "since_n")
    keys = ["sha256", "sha512", "size"]
    _upsert(c, FLAWS, rows, keys, lambda new: {key: new[key] for key in kept} | {"mended_n": None})


def _repaired(c: Connection, n: int, data: bytes | None, store: Source) -> None:
    """What was mended is the version that there is now."""
    addresses = [] if data is None else repaired(data)
    versions = store.versions(addresses)
    for address in addresses:
        flaw, object_ = (_is(table, address) for table in (FLAWS, OBJECTS))
        c.execute(update(FLAWS).where(flaw, FLAWS.c.mended_n.is_(None)).values(mended_n=n))
        if address in versions:
            needed = OBJECTS.c.uses > 0
            c.execute(update(OBJECTS).where(object_, needed).values(version=versions[address]))


def _is(table: Table, address: Address) -> ColumnElement[bool]:
    return and_(*(table.c[key] == value for key, value in _key(address).items()))


_RULES: Final = {
    "put": _put,
    "import": _put,
    "standing": _standing,
    "verdict": _verdict,
    "hold": _hold,
    "release": _release,
    "retain": _retain,
    "expire": _expire,
}


def _use(c: Connection, addresses: Iterable[Address], change: int, store: Source) -> None:
    """So many more uses of each; the version of what was not needed before is the one that is there now."""
    used = tuple(addresses)
    versions = store.versions(_unrecorded(c, used)) if change > 0 else {}
    rows = [_key(a) | {"uses": change, "version": versions.get(a)} for a in used]

    def changed(new: Any) -> Details:
        uses = OBJECTS.c.uses + new.uses
        kept = func.coalesce(OBJECTS.c.version, new.version)
        version = case((uses <= 0, null()), (OBJECTS.c.uses <= 0, new.version), else_=kept)
        return {"uses": uses, "version": version}

    _upsert(c, OBJECTS, rows, ["sha256", "sha512", "size"], changed)


def _key(address: Address) -> dict[str, Any]:
    return {"sha256": address.sha256.hex(), "sha512": address.sha512.hex(), "size": address.size}


def _unrecorded(c: Connection, addresses: Sequence[Address]) -> Iterator[Address]:
    """Those of which no version is on record."""
    for begin in range(0, len(addresses), BATCH):
        batch = addresses[begin : begin + BATCH]
        known = recorded(c, batch)
        yield from (address for address in batch if known.get(address) is None)


def recorded(connection: Connection, addresses: Sequence[Address]) -> dict[Address, str | None]:
    """The versions on record of at most BATCH objects, of those that are needed."""
    same = OBJECTS.c.sha256.in_([address.sha256.hex() for address in addresses])
    rows = connection.execute(select(OBJECTS).where(same, OBJECTS.c.uses > 0))
    return {Address(bytes.fromhex(row.sha256), bytes.fromhex(row.sha512), row.size): row.version for row in rows}


def _upsert(
    c: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    change: Callable[[Any], Details],
) -> None:
    """Inserts rows, and where one with these keys is there, makes the change that its new values ask for."""
    insert = postgresql.insert if c.dialect.name == "postgresql" else sqlite.insert
    for begin in range(0, len(rows), BATCH):
        statement = insert(table).values(list(rows[begin : begin + BATCH]))
        c.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=change(statement.excluded)))


def _manifest(data: bytes | None) -> Manifest | None:
    try:
        return None if data is None else parse_manifest(data)
    except MalformedError:  # a store that changed it; `fixity` says so
        return None


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
