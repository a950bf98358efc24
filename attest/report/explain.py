"""The book of codes: what each stable code means, why it matters and what to do (`codes.toml`).

Every code that anything in this package raises or finds is in the book and nothing else is, by test.

    >>> print(explanations()["key/weak"].code)
    key/weak
    >>> nearest("key/weakk")
    ['key/weak']
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from textwrap import fill

WIDTH = 92


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code of the book."""

    code: str
    means: str
    matters: str
    do: str

    def text(self) -> str:
        """The explanation as `attest explain` prints it."""
        parts = [("means", self.means), ("matters", self.matters), ("to do", self.do)]
        body = [
            fill(words, WIDTH, initial_indent=f"  {label:<9}", subsequent_indent=" " * 11) for label, words in parts
        ]
        return "\n".join([self.code, *body])


@cache
def explanations() -> Mapping[str, Explanation]:
    """Every code with its explanation, sorted by code."""
    book = tomllib.loads(files("attest.report").joinpath("codes.toml").read_text("utf-8"))
    found = {}
    for area, entries in sorted(book.items()):
        shared = {key: words for key, words in entries.items() if isinstance(words, str)}
        for what, entry in sorted(entries.items()):
            if isinstance(entry, dict):
                found[f"{area}/{what}"] = Explanation(f"{area}/{what}", **shared | entry)
    return found


def nearest(code: str) -> list[str]:
    """Known codes that look like `code`, best first."""
    known = list(explanations())
    tail = code.rpartition("/")[2]
    return get_close_matches(code, known, 3, 0.7) or [k for k in known if tail and k.endswith(f"/{tail}")][:3]
