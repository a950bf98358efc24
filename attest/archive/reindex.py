"""The index made anew from the store alone, by the function that made it the first time."""

from typing import Any

from sqlalchemy import select

from attest.archive.index import Index
from attest.archive.place import Archive
from attest.archive.tables import METADATA


def reindex(archive: Archive) -> int:
    """Empties the index and projects the custody log into it; returns the number of entries. All or nothing."""
    archive.index.migrate()
    with archive.index.locked() as connection:
        archive.index.empty(connection)
        return archive.custody.catch_up(connection)


def dump(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order: two indices of one archive are equal in it."""
    with index.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in METADATA.sorted_tables
        }
