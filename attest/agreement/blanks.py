r"""Blanks of a template: texts that say what is to be filled in, and that no agreement may still have.

    >>> root = parse_toml('name = "<fill 1: what the agreement is called>"\nversion = 1\n')
    >>> require_filled(root)
    Traceback (most recent call last):
    attest.errors.AgreementError: agreement/blank: blank 1 is not filled: what the agreement is called (line 1, name)

A name could be any text, and so a blank; so blanks are looked for before anything else is read.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from attest.errors import AgreementError
from attest.format.toml_lines import Path
from attest.format.toml_table import Table, parse_toml

_BLANK: Final = re.compile(r"<fill (\d{1,4})?:? ?([^>\n]{0,200})")

__all__ = ["Blanks", "parse_toml", "require_filled"]


class Blanks:
    """Numbers blanks in the order in which they are made."""

    def __init__(self) -> None:
        self.made = 0

    def bare(self, what: str) -> str:
        """A blank inside a text of several lines."""
        self.made += 1
        return f"<fill {self.made}: {what}>"

    def text(self, what: str) -> str:
        """A blank in the place of a quoted text."""
        return f'"{self.bare(what)}"'

    def unquoted(self, what: str) -> str:
        """A blank in the place of what has no quotes: a time."""
        return self.text(f"{what}, without the quotes")


def require_filled(root: Table) -> None:
    """No text of the tables is a blank. Raises AgreementError agreement/blank with line and key of the first."""
    found = []
    for path, text in _texts(root.values, ()):
        for match in _BLANK.finditer(text):
            error = root.error_at("agreement/blank", "", path)
            line = error.line + text.count("\n", 0, match.start()) + ("\n" in text)
            found.append((line, error.key, match))
    if found:
        line, key, match = min(found, key=lambda blank: blank[0])
        left = f", and {len(found) - 1} more" if len(found) > 1 else ""
        detail = f"blank {match[1] or ''} is not filled{left}: {match[2]}"
        raise AgreementError(
            "agreement/blank", detail, line=line, key=key, hint="fill blanks in the order of their numbers"
        )


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
