"""Patterns of `re` that every Python of `requires-python` matches alike."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "attest"
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_group_is_possessive(path: Path) -> None:
    """Before 3.11.5 one that holds alternatives matches too little (python/cpython, issue 106052)."""
    assert POSSESSIVE_GROUP.findall(path.read_text("utf-8")) == []
