"""A lab with four hosts and its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.rig import Lab

HOSTS = ("n1", "n2", "n3", "n4")
MORE = ("m1", "m2", "m3", "m4", "m5", "m6", "m7")


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
    """One for all tests of a module, which are to leave each other alone: each takes hosts of its own."""
    made = Lab(tmp_path_factory.mktemp("shared"), (*HOSTS, *MORE))
    made.make()
    with made.serving():
        yield made
