"""A lab with four hosts and its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.rig import Lab

HOSTS = ("n1", "n2", "n3", "n4")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path, HOSTS)
    made.make()
    return made


@pytest.fixture
def served(lab: Lab) -> Iterator[Lab]:
    with lab.serving():
        yield lab


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all tests of a module, which are to leave each other alone."""
    made = Lab(tmp_path_factory.mktemp("shared"), HOSTS)
    made.make()
    with made.serving():
        yield made
