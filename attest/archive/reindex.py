"""The index made anew from the store alone, by the function that made it the first time."""

from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from attest.archive.address import Address, parse_path
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, Lookup, numbered, place_of
from attest.archive.index import Index
from attest.archive.objects import Objects
from attest.archive.place import Archive
from attest.archive.tables import ENTRIES, METADATA
from attest.errors import ArchiveError, MalformedError


class Made(NamedTuple):
    """An index made anew: of how many entries, and how many objects that it is made of the store has lost, so that
    what they say is missing from it."""

    entries: int
    lost: int


def reindex(archive: Archive) -> Made:
    """Empties the index and projects the custody log into it. All or nothing.

    The versions on record are those that the store has now: `fixity` is asked first whether they are what they were.

    Raises ArchiveError `archive/hole` where the store has lost an entry: an index without it, and without those that
    come after it, would hide that. Raises `archive/forged` where an entry is not one of the archive's office.
    """
    archive.index.migrate()
    with archive.index.locked() as connection:
        known = connection.execute(select(func.count()).select_from(ENTRIES)).scalar_one()
        genesis = _genesis(connection)
        archive.index.empty(connection)
        lookup = Lookup(archive.objects, _versions(archive.objects))
        size = archive.custody.catch_up(connection, lookup)
        shown = f"the index that is there has {known:,} entries" if known > size else _later(archive, size)
        if shown is not None:
            name = f"{archive.objects.name}/{numbered(ENTRIES_AT, size)}"
            hint = "put it back from a copy of the store; the index that is there goes on serving meanwhile"
            raise ArchiveError("archive/hole", f"{name} is gone: {shown}", hint=hint)
        if genesis not in (None, _genesis(connection)):
            detail = f"{archive.objects.name} has the custody log of another archive than the index that is there"
            raise ArchiveError(
                "archive/forged", detail, hint="see who wrote there; the index goes on serving meanwhile"
            )
        return Made(size, len(lookup.lost))


def _genesis(connection: Connection) -> str | None:
    """The leaf hash of entry 0, None where there is none."""
    found: str | None = connection.execute(select(ENTRIES.c.leaf).where(ENTRIES.c.n == 0)).scalar_one_or_none()
    return found


def _later(archive: Archive, size: int) -> str | None:
    """What shows that there were more entries than `size`: one behind a hole, or a head over more of them."""
    for found in archive.objects.walk("custody/"):
        place = place_of(found.path)
        if place is not None and place[1] >= size + (place[0] == CHECKPOINTS_AT):
            return f"{found.path} is there"
    return None


def _versions(objects: Objects) -> dict[Address, str]:
    """The versions of what has one, by one walk; of anything else the store is asked."""
    if not objects.keeps_versions:
        return {}
    known = {}
    for found in objects.walk():
        if len(found.all) == 1:
            with suppress(MalformedError):  # what nobody put
                known[parse_path(found.path, found.size)] = found.all[0]
    return known


def dump(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order: two indices of one archive are equal in it."""
    with index.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in METADATA.sorted_tables
        }
