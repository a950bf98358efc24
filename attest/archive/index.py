"""The index: an SQLite file or a PostgreSQL database, with one lock for who appends to the custody log.

    index = Index("sqlite:////srv/archive/index.sqlite")
    index.migrate()
    with index.locked() as connection: ...          # alone; all or nothing
    with index.reading() as connection: ...

SQLite: an immediate transaction, in WAL mode with full syncs. PostgreSQL: an advisory lock that ends with its
transaction, so that a process that dies gives it back. Errors of the database are ArchiveError.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from attest.archive.tables import METADATA
from attest.errors import ArchiveError

PATIENCE: Final = 120  # seconds that one waits for the lock
_LOCK: Final = 0x61747465  # "atte": which of the database's advisory locks
_SCHEMES: Final = ("sqlite", "postgresql")


class Index:
    """An index that is there, whether or not its tables are."""

    def __init__(self, url: str) -> None:
        """Raises ArchiveError `archive/index` for a URL that is none; nothing is connected yet."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ArchiveError("archive/index", "an index is a postgresql:// or sqlite:// URL") from error
        if parsed.get_backend_name() not in _SCHEMES:
            detail = f"an index is a postgresql:// or sqlite:// URL, not {parsed.drivername}://"
            raise ArchiveError("archive/index", detail)
        self.name = parsed.render_as_string(hide_password=True)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        if not self._sqlite:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._engine = self._made(parsed)

    def _made(self, url: Any) -> Engine:
        try:
            if not self._sqlite:
                return create_engine(url)
            engine = create_engine(url, connect_args={"timeout": PATIENCE})
        except NoSuchModuleError as error:
            raise ArchiveError("archive/index", f"{self.name}: {error}") from error
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine

    def migrate(self) -> None:
        """Makes the tables, or brings them to the form that this program knows."""
        with self._failures(), self._engine.connect() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def require_current(self) -> None:
        """Raises ArchiveError `archive/schema` unless the tables have the form that this program knows."""
        with self.reading() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        known = ScriptDirectory.from_config(_config()).get_current_head()
        if found != known:
            detail = f"the tables of {self.name} have the form {found}, this program knows {known}"
            raise ArchiveError("archive/schema", detail, hint="attest archive reindex makes them anew from the store")

    @contextmanager
    def locked(self) -> Iterator[Connection]:
        """A transaction beside which no other one writes: committed at the end, undone by an exception."""
        with self._failures(), self._engine.execution_options(alone=True).begin() as connection:
            if not self._sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state."""
        with self._failures(), self._engine.connect() as connection:
            yield connection

    def empty(self, connection: Connection) -> None:
        """Removes every row, within `locked`: `reindex` writes them again."""
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            hint = "see that the database is there, that this account may do this, and that its disk is not full"
            if type(error.orig) is sqlite3.DatabaseError:  # what is no database, or is damaged
                hint = "move the file away, and make the index anew from the store: attest archive reindex"
            raise ArchiveError("archive/index", f"{self.name}: {_first_line(error.orig)}", hint=hint) from error


def _prepare(connection: Any, _record: Any) -> None:
    """Transactions begin when they are said to begin, and last when they are committed."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    alone = connection.get_execution_options().get("alone")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "attest.archive:migrations")
    return config


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().split("\n", 1)[0]
