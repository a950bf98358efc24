"""How words look on a terminal: marks, colour and times. Nothing is said by colour or by a mark alone.

>>> PLAIN.mark("holds"), PLAIN.mark("breached"), PLAIN.mark("unproven"), PLAIN.mark("invalid")
('✔', '✘', '?', '!')
>>> Style(ascii=True).mark("holds"), Style(ascii=True).mark("breached")
('+', 'x')
>>> Style(colour=True).paint("BREACHED", "breached")
'\\x1b[1;31mBREACHED\\x1b[0m'
>>> utc(1_794_182_400)
'2026-11-09T00:00:00Z'
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

MARKS: Final = {"holds": "✔", "breached": "✘", "unproven": "?", "invalid": "!"}
ASCII_MARKS: Final = {"holds": "+", "breached": "x", "unproven": "?", "invalid": "!"}
CODES: Final = {"holds": "1;32", "breached": "1;31", "unproven": "1;33", "invalid": "1;35", "dim": "2"}


class Stream(Protocol):
    """What is asked of a stream before it is written to."""

    @property
    def encoding(self) -> str | None: ...
    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Style:
    """Whether to colour, and whether the marks must be ASCII."""

    colour: bool = False
    ascii: bool = False

    def mark(self, state: str) -> str:
        """The mark of `holds`, `breached`, `unproven` or `invalid`; to stand beside the word, never alone."""
        return (ASCII_MARKS if self.ascii else MARKS)[state]

    def paint(self, text: str, state: str) -> str:
        """`text` in the colour of a state, or of `dim`; unchanged where colour is off."""
        return f"\x1b[{CODES[state]}m{text}\x1b[0m" if self.colour else text


PLAIN: Final = Style()


def style_for(stream: Stream, colour: str = "auto", environ: Mapping[str, str] = os.environ) -> Style:
    """The style for a stream: `colour` is auto, always or never; auto is off under NO_COLOR and TERM=dumb."""
    auto = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Style(
        colour=colour == "always" or (colour == "auto" and auto),
        ascii=not (stream.encoding or "").lower().replace("-", "").startswith("utf"),
    )


def utc(seconds: int) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count(number: int, one: str, many: str = "") -> str:
    """A number of things, in words that fit it: 1 entry, 2 entries."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
