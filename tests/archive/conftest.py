"""An archive in a folder, and copies of one small lab's log at several times, to be delivered."""

from pathlib import Path
from typing import NamedTuple

import pytest

from attest.archive.founding import found
from attest.archive.place import Archive
from attest.archive.putting import Paper, Received, put
from attest.store.inside import Inside
from tests.attacks.vectors import NOON, ran, went_on
from tests.check.world import LATER, PACT

NOW = 1_900_000_000


class Deliverer(NamedTuple):
    """An archive, copies of a log by name, and who brings them."""

    archive: Archive
    copies: Path

    def put(self, *names: str, papers: list[Paper] | None = None) -> Received:
        """Delivers copies under the pact."""
        bundles = [Inside(self.copies / name, "") for name in names]
        return put(self.archive, bundles, papers or pact(), actor="test", clock=lambda: NOW, at=LATER)


def pact() -> list[Paper]:
    return [Paper("agreement", "pact.agreement", PACT.signed()), Paper("trust", "trust.toml", PACT.trust())]


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


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return found(tmp_path / "archive", "regulator.example/archive", None, None, lambda: NOW)


@pytest.fixture
def deliverer(archive: Archive, copies: Path) -> Deliverer:
    return Deliverer(archive, copies)
