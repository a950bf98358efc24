"""Slurm's bracketed lists of nodes, to names: `a[01-03,7],b2` (Slurm's own manual, "hostlist expressions").

A list is terms between commas; a term is text with any number of groups in brackets, each of which holds numbers and
ranges between commas. A range keeps the width of its first number where that begins with 0. Brackets do not nest. What
a list stands for is counted before it is written out, so that `n[0-99999999]` costs nothing.

    >>> expand_hosts("a[08-10,7],b2,r[1-2]n[3,5]-ib")
    ('a08', 'a09', 'a10', 'a7', 'b2', 'r1n3-ib', 'r1n5-ib', 'r2n3-ib', 'r2n5-ib')
    >>> expand_hosts("None assigned")
    ()
"""

import re
from itertools import product
from math import prod
from typing import Final

MAX_LIST: Final = 1 << 20  # characters
MAX_HOSTS: Final = 65_536  # of one list; Slurm's own limit for a range
_DIGITS: Final = 12  # of a number in a range

NOBODY: Final = frozenset({"", "None assigned", "(null)", "None", "N/A"})

_TOO_MANY: Final = f"more than {MAX_HOSTS:,} nodes"
_TERM: Final = re.compile(r"(?:[^\[\],\s]|\[[^\[\]]*\])+")
_PART: Final = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_RANGE: Final = re.compile(rf"(\d{{1,{_DIGITS}}})(?:-(\d{{1,{_DIGITS}}}))?", re.ASCII)


def expand_hosts(text: str) -> tuple[str, ...]:
    """The names, each once, in the order of the list. Raises ValueError with the reason."""
    text = text.strip()
    if text in NOBODY:
        return ()
    if len(text) > MAX_LIST:
        raise ValueError(f"a list of {len(text):,} characters, at most {MAX_LIST:,} are read")
    hosts: dict[str, None] = {}
    for term in _terms(text):
        choices = [[part[2]] if part[1] is None else _choices(part[1]) for part in _PART.finditer(term)]
        if len(hosts) + prod(map(len, choices)) > MAX_HOSTS:
            raise ValueError(_TOO_MANY)
        hosts.update(dict.fromkeys("".join(parts) for parts in product(*choices)))
    return tuple(hosts)


def expand_numbers(text: str) -> tuple[int, ...]:
    """Numbers and ranges between commas, as in `IDX:0,2-3`. Raises ValueError.

    >>> expand_numbers("0,2-3")
    (0, 2, 3)
    """
    return tuple(int(number) for number in _choices(text))


def _terms(text: str) -> list[str]:
    terms, place = [], 0
    while True:
        match = _TERM.match(text, place)
        if match is None:
            raise ValueError(f"{text[place : place + 40]!r} is no list of nodes like a[1-3,7],b2")
        terms.append(match[0])
        place = match.end()
        if place == len(text):
            return terms
        if text[place] != ",":
            raise ValueError(f"{text[place : place + 40]!r} is no list of nodes like a[1-3,7],b2")
        place += 1


def _choices(group: str) -> list[str]:
    """What stands between brackets, written out."""
    found: list[str] = []
    for part in group.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:40]!r} is no number and no range")
        first, last = match[1], match[2] or match[1]
        if int(first) > int(last):
            raise ValueError(f"the range {part} runs backwards")
        if len(found) + int(last) - int(first) >= MAX_HOSTS:
            raise ValueError(_TOO_MANY)
        width = len(first) if first.startswith("0") else 0
        found += [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    return found
