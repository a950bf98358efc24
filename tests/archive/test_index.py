"""The index: its form, its lock, its roles, and what it says when it cannot be used."""

from itertools import product
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from attest.archive import deliveries
from attest.archive.founding import found
from attest.archive.index import Index
from attest.archive.place import Archive, write_config
from attest.archive.reindex import dump, reindex
from attest.archive.tables import METADATA
from attest.errors import ArchiveError
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW
from tests.archive.postgres import grant


def test_migrations_make_the_tables_that_the_program_knows(archive: Archive) -> None:
    with archive.index.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    archive.index.require_current()


def test_an_index_of_another_form_is_not_used(archive: Archive) -> None:
    with archive.index.locked() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ArchiveError, match="archive/schema"):
        archive.index.require_current()


def test_an_index_of_the_first_form_is_made_anew(deliverer: Deliverer) -> None:
    deliverer.put("early")
    archive = deliverer.archive
    before = dump(archive.index)
    with archive.index.locked() as connection:
        connection.execute(text("DROP TABLE flaws"))
        connection.execute(text("ALTER TABLE objects DROP COLUMN version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(ArchiveError, match="archive/schema") as error:
        archive.index.require_current()
    assert "attest archive reindex" in error.value.hint
    reindex(archive)
    archive.index.require_current()
    assert dump(archive.index) == before


@pytest.mark.parametrize("url", ["mysql://db/archive", "not a url", "sqlite+nothing:///x"])
def test_what_is_no_index(url: str) -> None:
    with pytest.raises(ArchiveError, match="archive/index"):
        Index(url)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="archive/index"):
        Index(f"postgresql://nobody@/none?host={tmp_path}").migrate()
    with pytest.raises(ArchiveError, match="archive/index"):
        Index(f"sqlite:///{tmp_path}/no/folder/index.sqlite").migrate()


def test_an_index_that_is_damaged_is_moved_away_and_made_anew(tmp_path: Path) -> None:
    archive = found(tmp_path / "archive", "regulator.example/archive", None, None, lambda: NOW, "test")
    before = dump(archive.index)
    archive.index.close()
    file = archive.path / "index.sqlite"
    file.write_bytes(b"no database" * 1_000)
    with pytest.raises(ArchiveError, match="archive/index") as error:
        reindex(Archive.open(archive.path))
    assert "move the file away" in error.value.hint
    file.rename(tmp_path / "away")
    anew = Archive.open(archive.path)
    reindex(anew)
    assert dump(anew.index) == before


def test_a_password_is_not_told() -> None:
    assert "secret" not in Index("postgresql://carol:secret@db/archive").name


def test_a_session_that_fails_leaves_no_row(deliverer: Deliverer) -> None:
    archive = deliverer.archive
    with pytest.raises(RuntimeError), archive.custody.session() as session:
        before = session.size
        session.record("probe", "somebody", {}, {}, 1_900_000_000)
        raise RuntimeError
    # The entry had reached the store, so that it is true: the next session takes it in.
    with archive.custody.session() as session:
        assert session.size == before + 1


def as_user(archive: Archive, url: str, user: str) -> Archive:
    """The same archive for somebody else."""
    write_config(archive.path, archive.named, archive.objects.name, url.replace("postgres@", f"{user}@"))
    return Archive.open(archive.path)


@pytest.mark.parametrize("archive", ["moto"], indirect=True, ids=["PostgreSQL"])
def test_a_reader_does_not_write_and_an_archivist_does_not_delete(deliverer: Deliverer, database: str) -> None:
    first = deliverer.put("early")
    grant(database, {"rita": "attest_reader", "arno": "attest_archivist"})
    reader = as_user(deliverer.archive, database, "rita")
    with reader.index.reading() as connection:
        assert [row["id"] for row in deliveries.listed(connection)] == [first.id]
    entries = list(reader.objects.walk("custody/"))
    with pytest.raises(ArchiveError, match="permission denied"):
        deliverer._replace(archive=reader).put("late")
    assert list(reader.objects.walk("custody/")) == entries
    archivist = as_user(deliverer.archive, database, "arno")
    deliverer._replace(archive=archivist).put("late")
    tables = [*(table.name for table in METADATA.sorted_tables), "alembic_version"]
    refused = r"permission denied|must be owner"
    for archive, act, table in product((reader, archivist), ("DELETE FROM", "TRUNCATE", "DROP TABLE"), tables):
        with pytest.raises(ArchiveError, match=refused), archive.index.locked() as connection:
            connection.execute(text(f"{act} {table}"))
    with pytest.raises(ArchiveError, match="permission denied"), reader.index.locked() as connection:
        connection.execute(text("UPDATE deliveries SET outcome = 'holds'"))
    reader.index.close()
    archivist.index.close()
