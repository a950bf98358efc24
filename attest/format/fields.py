"""Checked fields of decoded CBOR: each takes a value and the path it stands at, returns it typed or raises.

`type(x) is int` and not `isinstance`, so that `true` is no 1 (who forgets this accepts two encodings).
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar

from attest.errors import MalformedError, UnsupportedError

MAX_TEXT: Final = 512
U64: Final = (1 << 64) - 1
MAX_SEQ: Final = (1 << 63) - 1  # of sequence numbers and of the sizes of trees
# Control characters, spaces but the one of ASCII, what is invisible or turns the direction of writing, and what is
# private or no character at all. By code point: what a Python calls printable depends on its version of Unicode.
HIDDEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ud800-\uf8ff\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]"
)

_E = TypeVar("_E", bound=IntEnum)


def bad(code: str, detail: str, path: str = "payload") -> NoReturn:
    raise MalformedError(code, detail, path=path)


def map_(value: Any, keys: int, path: str, first: int = 1) -> list[Any]:
    """The values of a map with exactly the keys first, first + 1, ... in that order."""
    if type(value) is not dict or tuple(value) != _keys(first, keys):
        bad("statement/keys", f"must be a map with the keys {first} to {first + keys - 1}", path)
    return list(value.values())


@lru_cache
def _keys(first: int, keys: int) -> tuple[int, ...]:
    return tuple(range(first, first + keys))


def array(value: Any, low: int, high: int, path: str) -> list[Any]:
    if type(value) is not list or not low <= len(value) <= high:
        bad("statement/array", f"must be an array of {low} to {high} elements", path)
    return value


def uint(value: Any, path: str, high: int = U64, low: int = 0) -> int:
    if type(value) is not int or not low <= value <= high:
        bad("statement/integer", f"must be an integer from {low} to {high}", path)
    return value


def integer(value: Any, path: str) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        bad("statement/integer", "must be a 64-bit integer", path)
    return value


def bytes_(value: Any, path: str, low: int = 32, high: int = 32) -> bytes:
    if type(value) is not bytes or not low <= len(value) <= high:
        bad("statement/bytes", f"must be a byte string of {low} to {high} bytes", path)
    return value


def text(value: Any, path: str, high: int = MAX_TEXT) -> str:
    if type(value) is not str or not 0 < len(value) <= high:
        bad("statement/text", f"must be a text of 1 to {high} characters", path)
    if HIDDEN.search(value):
        bad("statement/text", "must be printable, on one line", path)
    return value


def member(kind: type[_E], value: Any, path: str) -> _E:
    if type(value) is not int:
        bad("statement/integer", "must be an integer", path)
    found = kind._value2member_map_.get(value)
    if not isinstance(found, kind):
        raise UnsupportedError(f"unsupported/{kind.__name__.lower()}", f"{kind.__name__} {value} at {path}")
    return found
