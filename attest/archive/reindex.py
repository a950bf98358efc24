"""The index made anew from the store alone, by the function that made it the first time."""

from contextlib import suppress
from typing import Any

from sqlalchemy import select

from attest.archive.address import Address, parse_path
from attest.archive.index import Index
from attest.archive.objects import Objects
from attest.archive.place import Archive
from attest.archive.tables import METADATA
from attest.errors import MalformedError


def reindex(archive: Archive) -> int:
    """Empties the index and projects the custody log into it; returns the number of entries. All or nothing.

    The versions on record are those that the store has now: `fixity` is asked first whether they are what they were.
    """
    archive.index.migrate()
    with archive.index.locked() as connection:
        archive.index.empty(connection)
        return archive.custody.catch_up(connection, _versions(archive.objects))


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
