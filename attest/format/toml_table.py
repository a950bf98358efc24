r"""A TOML text as tables whose every value is fetched with its type, and whose every error names line and key.

    >>> table = parse_toml('iss = "https://a.example"\n[[site]]\nnmae = "dc1"\n')
    >>> table.only("iss", "site").text("iss")
    'https://a.example'
    >>> table.tables("site", 8)[0].only("name")
    Traceback (most recent call last):
    attest.errors.AgreementError: toml/unknown-key: unknown key nmae (line 3, site.nmae)

The text is hostile: at most `MAX_TEXT` characters; no character that is invisible or reorders what is read (a
lawyer must see what is parsed); and it is walked by `attest.format.toml_lines` before `tomllib` sees it. Texts
are at most `MAX_VALUE` characters, without control characters; times are TOML date-times in UTC, whole seconds.

Codes: toml/size, toml/encoding, toml/hidden-character, toml/syntax, toml/nesting, toml/unknown-key,
toml/missing-key, toml/type, toml/empty, toml/too-many, toml/time, toml/range, toml/duplicate.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, Self, TypeVar

from attest.errors import AgreementError, AttestError
from attest.format.toml_lines import Lines, Path, key_lines

MAX_TEXT: Final = 700_000  # bytes: with 100 post-quantum signatures it still fits a document
MAX_VALUE: Final = 8_192  # characters: an ML-DSA-65 public key has 2,604 in base64
MAX_POLICY: Final = 65_536  # characters of a text of several lines
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_T = TypeVar("_T")


def parse_toml(text: str | bytes, limit: int = MAX_TEXT) -> "Table":
    """The root table of a TOML text. Raises AgreementError."""
    if len(text) > limit:
        raise AgreementError("toml/size", f"a text of {len(text)}, at most {limit} are read")
    if isinstance(text, bytes):
        text = _decode(text)
    _refuse_hidden(text)
    try:
        lines = key_lines(text)
    except AgreementError as error:
        if error.code == "toml/syntax":
            # tomllib says it better, and up to this line the walk has bounded what it will do.
            end = text.find("\n", _offset(text, error.line))
            with suppress(ValueError):  # an integer of thousands of digits
                _load(text if end < 0 else text[:end])
        raise
    return Table(_load(text), (), lines)


class Text(NamedTuple):
    """One element of an array of texts, with the place to complain about."""

    value: str
    path: Path


class Table:
    """One table of a parsed text; `path` leads to it."""

    def __init__(self, values: dict[str, Any], path: Path, lines: Lines) -> None:
        self.values = values
        self.path = path
        self._lines = lines

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def line(self, key: str) -> int:
        """The line on which `key` stands."""
        return self._lines[*self.path, key]

    def only(self, *keys: str) -> Self:
        """Refuse every key but these."""
        for key in self.values:
            if key not in keys:
                close = get_close_matches(key, keys, n=1)
                hint = f"did you mean {close[0]}?" if close else "known here: " + ", ".join(keys)
                shown = key if key.isprintable() else ascii(key)
                raise self.error("toml/unknown-key", f"unknown key {shown[:80]}", key, hint=hint)
        return self

    def error(self, code: str, detail: str, key: str | None = None, *, hint: str = "") -> AgreementError:
        """An error about `key` of this table, or about the table."""
        return self.error_at(code, detail, self.path if key is None else (*self.path, key), hint=hint)

    def error_at(self, code: str, detail: str, path: Path, *, hint: str = "") -> AgreementError:
        """An error about the value at `path`, or where there is none, about the table that should have it."""
        found = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self._lines), ())
        name = ".".join(part for part in path if isinstance(part, str))
        key = name if name.isprintable() else ascii(name)[1:-1]
        return AgreementError(code, detail, line=self._lines.get(found, 1), key=key, hint=hint)

    def parsed(self, key: str, parse: Callable[[str], _T], code: str = "") -> _T:
        """The text at `key`, parsed; what `parse` raises is raised with line and key, as `code` if one is given."""
        return self.parsed_at(Text(self.text(key), (*self.path, key)), parse, code)

    def parsed_at(self, text: Text, parse: Callable[[str], _T], code: str = "") -> _T:
        """The same for an element of an array of texts."""
        try:
            return parse(text.value)
        except AttestError as error:
            raise self.error_at(code or error.code, error.detail, text.path, hint=error.hint) from error

    def text(self, key: str, *, limit: int = MAX_VALUE, lines: bool = False) -> str:
        """A text; of several lines only where `lines` says so."""
        return self._text(self._get(key, str), (*self.path, key), limit, lines)

    def integer(self, key: str, low: int, high: int) -> int:
        value: int = self._get(key, int)
        if not low <= value <= high:
            raise self.error("toml/range", f"must be {low:,} to {high:,}", key)
        return value

    def boolean(self, key: str) -> bool:
        value: bool = self._get(key, bool)
        return value

    def time(self, key: str) -> int:
        """A time, as Unix seconds."""
        value: datetime = self._get(key, datetime)
        if value.utcoffset() != timedelta(0) or value.microsecond:
            hint = "write it as 2026-11-09T00:00:00Z"
            raise self.error("toml/time", "must be a time in UTC, of whole seconds", key, hint=hint)
        return int((value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))

    def digest(self, key: str) -> bytes:
        """A SHA-256, as 64 lower-case hexadecimal digits."""
        text = self.text(key)
        if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
            raise self.error("toml/type", "must be a SHA-256 in 64 lower-case hexadecimal digits", key)
        return bytes.fromhex(text)

    def texts(self, key: str, most: int) -> list[Text]:
        """An array of one to `most` texts."""
        found: list[Text] = []
        for index, value in enumerate(self._list(key, most)):
            path = (*self.path, key, index)
            if type(value) is not str:
                raise self.error_at("toml/type", "must be an array of texts", path)
            found.append(Text(self._text(value, path, MAX_VALUE, False), path))
        return found

    def tables(self, key: str, most: int) -> list["Table"]:
        """An array of one to `most` tables."""
        values = self._list(key, most)
        if not all(type(value) is dict for value in values):
            raise self.error("toml/type", f"must be an array of tables, [[{key}]]", key)
        return [Table(value, (*self.path, key, index), self._lines) for index, value in enumerate(values)]

    def table(self, key: str) -> "Table":
        return Table(self._get(key, dict), (*self.path, key), self._lines)

    def _get(self, key: str, kind: type) -> Any:
        if key not in self.values:
            raise self.error("toml/missing-key", f"{key} is missing", key)
        value = self.values[key]
        if type(value) is not kind:
            raise self.error("toml/type", f"must be {_KINDS[kind]}", key)
        return value

    def _list(self, key: str, most: int) -> list[Any]:
        values: list[Any] = self._get(key, list)
        if not values:
            raise self.error("toml/empty", "must not be empty", key)
        if len(values) > most:
            raise self.error("toml/too-many", f"{len(values)} of them, at most {most} are read", key)
        return values

    def _text(self, value: str, path: Path, limit: int, lines: bool) -> str:
        if not value.strip():
            raise self.error_at("toml/empty", "must not be empty", path)
        if len(value) > limit:
            raise self.error_at("toml/range", f"{len(value)} characters, at most {limit}", path)
        if not (value.replace("\n", "").replace("\t", "") if lines else value).isprintable():
            raise self.error_at("toml/hidden-character", "contains a control character", path)
        return value


def require_unique(tables: Iterable[Table], key: str, what: str) -> None:
    """No two tables have the same text at `key`. Raises AgreementError toml/duplicate."""
    seen: set[str] = set()
    for table in tables:
        value = table.text(key)
        if value in seen:
            raise table.error("toml/duplicate", f"a second {what} with the {key} {value[:80]}", key)
        seen.add(value)


_KINDS: Final = {
    str: "a text in quotes",
    int: "an integer",
    bool: "true or false",
    datetime: "a time in UTC, like 2026-11-09T00:00:00Z",
    list: "an array",
    dict: "a table",
}


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AgreementError("toml/encoding", "not UTF-8", line=line) from error


def _refuse_hidden(text: str) -> None:
    for char in set(text) - {"\n", "\t", "\r"}:
        if unicodedata.category(char) in _HIDDEN:
            line = text.count("\n", 0, text.index(char)) + 1
            name = unicodedata.name(char, "no name")
            detail = f"contains the invisible character U+{ord(char):04X} ({name})"
            raise AgreementError("toml/hidden-character", detail, line=line)


def _offset(text: str, line: int) -> int:
    at = 0
    for _ in range(line - 1):
        at = text.index("\n", at) + 1
    return at


def _load(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        detail = _PLACE.sub("", str(error))
        raise AgreementError("toml/syntax", detail[:1].lower() + detail[1:], line=line) from error
