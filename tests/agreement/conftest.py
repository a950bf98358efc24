"""The worked example of schemas/agreement.md, as every test here knows it."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "agreement.md"


@pytest.fixture(scope="session")
def page() -> str:
    """The page itself."""
    return PAGE.read_text("utf-8")


@pytest.fixture(scope="session")
def example(page: str) -> str:
    """The text of the example's agreement."""
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]
