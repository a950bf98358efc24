"""An archive in a folder, and copies of one small lab's log at several times, to be delivered."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, text

from attest.archive.folder import FolderObjects
from attest.archive.founding import found
from attest.archive.objects import Objects
from attest.archive.place import Archive
from attest.archive.putting import Paper, Received, put
from attest.archive.s3 import S3Objects, open_s3
from attest.store.inside import Inside
from tests.archive import postgres, radosgw
from tests.archive.papers import NOW, pact
from tests.archive.servers import Server, moto
from tests.attacks.vectors import NOON, ran, went_on
from tests.check.world import LATER
from tests.debian import UnavailableError


class Deliverer(NamedTuple):
    """An archive, copies of a log by name, and who brings them."""

    archive: Archive
    copies: Path

    def put(self, *names: str, papers: list[Paper] | None = None) -> Received:
        """Delivers copies under the pact."""
        bundles = [Inside(self.copies / name, "") for name in names]
        return put(self.archive, bundles, papers or pact(), actor="test", clock=lambda: NOW, at=LATER)


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`early` and `late` are of one log; `other` tells another story from noon on, signed by the same key."""
    folder = tmp_path_factory.mktemp("copies")
    ran(until=NOON).bundle().save(folder / "early")
    went_on(ran()).bundle().save(folder / "late")
    twin = ran(until=NOON)
    twin.append(b"another history")
    twin.witness()
    twin.bundle().save(folder / "other")
    return folder


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a PostgreSQL, with a blank for the database's name."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.cluster(request.config.cache.mkdir("postgresql")))
        except UnavailableError as error:
            pytest.skip(str(error))
        yield url


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    name = f"d{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
    engine = create_engine(server.format("postgres").replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name)


PLACES = [
    pytest.param("", id="folder and SQLite"),
    pytest.param("moto", id="moto and PostgreSQL"),
    pytest.param("radosgw", id="radosgw and PostgreSQL", marks=pytest.mark.stress),
]


@pytest.fixture(params=PLACES)
def archive(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """An archive, in a folder with SQLite or in a bucket with PostgreSQL."""
    store = index = None
    if request.param:
        server: Server = request.getfixturevalue(f"{request.param}_server")
        server.chosen(monkeypatch)
        store = f"s3://{server.bucket(request.node.nodeid)}/regulator"
        index = request.getfixturevalue("database")
    made = found(tmp_path / "archive", "regulator.example/archive", store, index, lambda: NOW, "test")
    yield made
    made.index.close()


@pytest.fixture
def deliverer(archive: Archive, copies: Path) -> Deliverer:
    return Deliverer(archive, copies)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def radosgw_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ceph's gateway; where it is not there and cannot be had, what needs it is skipped, saying why."""
    with ExitStack() as stack:
        cache = request.config.cache.mkdir("radosgw")
        try:
            server = stack.enter_context(radosgw.cluster(cache, tmp_path_factory.mktemp("radosgw")))
        except UnavailableError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture(params=["moto", pytest.param("radosgw", marks=pytest.mark.stress)])
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that boto3 finds by itself."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.chosen(monkeypatch)
    return server


@pytest.fixture
def bucket(s3: Server, request: pytest.FixtureRequest) -> S3Objects:
    """A store in a bucket of its own, with Object Lock."""
    return open_s3(f"s3://{s3.bucket(request.node.nodeid)}/regulator/one")


@pytest.fixture(params=["folder", "moto", pytest.param("radosgw", marks=pytest.mark.stress)])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """A store of each kind, empty."""
    if request.param == "folder":
        (tmp_path / "store").mkdir()
        return FolderObjects(tmp_path / "store")
    server: Server = request.getfixturevalue(f"{request.param}_server")
    server.chosen(monkeypatch)
    return open_s3(f"s3://{server.bucket(request.node.nodeid)}/regulator/one")
