r"""Where each key of a TOML text stands, and a bound on how deep the text goes, before anything parses it.

`tomllib` says on which line a syntax error is, but not on which line a value was. `key_lines` walks the text
once, in linear time, without building values, and maps the path of every key, table and array element to its
line (first line is 1). Paths are tuples of keys and of indices into arrays.

    >>> lines = key_lines('name = "pause"\n[[party]]\niss = "https://a.example"\nkeys = [\n  "k1",\n]\n')
    >>> lines["name",], lines["party", 0, "iss"], lines["party", 0, "keys", 0]
    (1, 3, 5)

Grammar: TOML 1.0.0 (https://toml.io/en/v1.0.0), of which only the shape matters here. What the walk does not
understand is refused with `toml/syntax`, so that no text reaches a parser unwalked; what it accepts may still be
refused by the parser. Keys of more than `MAX_KEY_PARTS` parts, and values nested deeper than `MAX_DEPTH`, are
`toml/nesting`: `tomllib` needs quadratic time for the former and the whole call stack for the latter.
"""

import re
import tomllib
from bisect import bisect_left
from typing import Final

from attest.errors import AgreementError

MAX_KEY_PARTS: Final = 8  # the deepest key this project reads has three
MAX_BARE_VALUE: Final = 64  # characters of a number or a time: Python refuses integers of thousands of digits
MAX_DEPTH: Final = 8  # arrays and inline tables inside each other

Path = tuple[str | int, ...]
Lines = dict[Path, int]

_BLANK: Final = re.compile(r"[ \t]*+")
_FILLER: Final = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*")
_LINE_END: Final = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\r?\n|\Z)")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]++")
_STRING: Final = re.compile(
    r"""
      \"{3} (?: [^"\\]++ | \\. | "(?!"") )* \"{3,5}   # multi-line, may end in two quotes of its own
    | '{3}  (?: [^']++ | '(?!'') )* '{3,5}
    | "(?:[^"\\\n]++|\\.)*"
    | '[^'\n]*+'
    """,
    re.DOTALL | re.VERBOSE,
)
_BARE_VALUE: Final = re.compile(r"[^\s,\[\]{}#=\"'][^,\[\]{}#=\"'\r\n]*+")


def key_lines(text: str) -> Lines:
    """Map the path of every key, table and array element of `text` to its line.

    Raises: AgreementError with code toml/syntax or toml/nesting.
    """
    return _Walk(text).walk()


class _Walk:
    """One pass over one text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: Lines = {}
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.elements: dict[Path, int] = {}  # how many [[tables]] each array of tables has so far

    def walk(self) -> Lines:
        table: Path = ()
        while self._skip(_FILLER) < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table, 0)
            if not (end := _LINE_END.match(self.text, self.at)):
                raise self._syntax()
            self.at = end.end()
        return self.lines

    def _header(self) -> Path:
        line = self.line()
        double = self.text.startswith("[[", self.at)
        self._expect("[[" if double else "[")
        *parents, last = self._key()
        self._expect("]]" if double else "]")
        path: Path = ()
        for part in parents:
            path = self._inside((*path, part))
        path = (*path, last)
        if double:
            index = self.elements.get(path, 0)
            self.elements[path] = index + 1
            self.lines.setdefault(path, line)
            path = (*path, index)
        self.lines[path] = line
        return path

    def _inside(self, path: Path) -> Path:
        """The table that further headers mean by `path`: of an array of tables the last one."""
        return (*path, self.elements[path] - 1) if path in self.elements else path

    def _pair(self, table: Path, depth: int) -> None:
        line = self.line()
        path = (*table, *self._key())
        for length in range(len(table) + 1, len(path)):
            self.lines.setdefault(path[:length], line)
        self.lines.setdefault(path, line)
        self._expect("=")
        self._value(path, depth)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if bare := _BARE_KEY.match(self.text, self.at):
                parts.append(bare[0])
                self.at = bare.end()
            else:
                parts.append(self._quoted_key())
            if len(parts) > MAX_KEY_PARTS:
                raise self._nesting(f"a key of more than {MAX_KEY_PARTS} parts")
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _quoted_key(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None or match[0].startswith(('"""', "'''")):
            raise self._syntax()
        if "\\" in match[0]:
            try:
                key = next(iter(tomllib.loads(f"{match[0]} = 0")))
            except tomllib.TOMLDecodeError:
                raise self._syntax() from None
        else:
            key = match[0][1:-1]
        self.at = match.end()
        return key

    def _value(self, path: Path, depth: int) -> None:
        self._skip(_BLANK)
        if depth >= MAX_DEPTH:
            raise self._nesting(f"values nested deeper than {MAX_DEPTH}")
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._array(path, depth + 1)
        elif opening == "{":
            self._inline_table(path, depth + 1)
        else:
            self._scalar()

    def _scalar(self) -> None:
        match = _STRING.match(self.text, self.at)
        if match is None:
            match = _BARE_VALUE.match(self.text, self.at)
            if match is None or len(match[0].rstrip()) > MAX_BARE_VALUE:
                raise self._syntax()
        self.at = match.end()

    def _array(self, path: Path, depth: int) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_FILLER)
            if self._take("]"):
                return
            self.lines[*path, index] = self.line()
            self._value((*path, index), depth)
            index += 1
            self._skip(_FILLER)
            if not self._take(","):
                self._expect("]")
                return

    def _inline_table(self, path: Path, depth: int) -> None:
        self.at += 1
        self._skip(_BLANK)
        if self._take("}"):
            return
        while True:
            self._pair(path, depth)
            self._skip(_BLANK)
            if not self._take(","):
                self._expect("}")
                return

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def _take(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def _expect(self, token: str) -> None:
        self._skip(_BLANK)
        if not self._take(token):
            raise self._syntax()

    def line(self) -> int:
        return bisect_left(self.newlines, self.at) + 1

    def _syntax(self) -> AgreementError:
        what = repr(self.text[self.at]) if self.at < len(self.text) else "the end of the text"
        return AgreementError("toml/syntax", f"{what} cannot stand here", line=self.line())

    def _nesting(self, what: str) -> AgreementError:
        return AgreementError("toml/nesting", what, line=self.line())
