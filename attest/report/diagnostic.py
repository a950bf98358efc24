"""CBOR diagnostic notation with the names of the fields beside it (RFC 8949 section 8, RFC 8610 appendix G).

`Name` says what a value is called, how to read it, and the names of what is inside; what has no name is shown
without one, so that anything decoded can be shown.

    >>> from attest.report.style import utc
    >>> window = Name("window", keys={5: Name("from", show=utc), 6: Name("until", show=utc)})
    >>> print(diagnose({5: 1_794_182_400, 6: 1_794_182_460, 9: b"x" * 33}, window))
    {                                                                            # window
      5: 1794182400,                                                             # from: 2026-11-09T00:00:00Z
      6: 1794182460,                                                             # until: 2026-11-09T00:01:00Z
      9: h'7878787878787878787878787878787878787878 ... 7878787878787878'        # 33 bytes
    }
    >>> named({5: 1_794_182_400, 9: b"x"}, window)
    {'from': '2026-11-09T00:00:00Z', '9': '78'}
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

from cbor2 import CBORTag

from attest.errors import EvidenceError

COLUMN: Final = 77
MAX_BYTES: Final = 32  # longer byte strings are elided
MAX_ROWS: Final = 16


@dataclass(frozen=True)
class Name:
    """`keys` names the values of a map or the elements of an array by place, `each` every element of an array (or
    finds its name by its value); `show` gives a scalar's meaning, `unit` a number's unit; `inner` turns a byte
    string into the CBOR value that it embeds, `packed` into what it holds in another encoding, each with that
    value's name."""

    name: str = ""
    keys: Mapping[Any, "Name"] = field(default_factory=dict)
    each: "Name | Callable[[Any], Name] | None" = None
    show: Callable[[Any], str] | None = None
    unit: str = ""
    inner: "Callable[[bytes], tuple[Any, Name]] | None" = None
    packed: "Callable[[bytes], tuple[Any, Name]] | None" = None

    def of(self, key: Any, value: Any) -> "Name":
        """The name of a part."""
        each = self.each(value) if callable(self.each) else self.each
        return self.keys.get(key, each or NAMELESS)


NAMELESS: Final = Name()


def word(kind: type[IntEnum]) -> Callable[[Any], str]:
    """Reads a number as a member of an enumeration."""

    def show(value: Any) -> str:
        known = type(value) is int and value in kind._value2member_map_
        return kind(value).name.lower().replace("_", "-") if known else "unknown"

    return show


def diagnose(value: Any, name: Name = NAMELESS, *, whole: bool = False) -> str:
    """The notation, one value a line; long byte strings are elided unless `whole`."""
    lines = _lines(value, name, "", "", whole)
    return "\n".join(f"{text:<{COLUMN - 1}} # {note}" if note else text for text, note in lines)


def named(value: Any, name: Name = NAMELESS) -> Any:
    """The same as data for JSON: maps by the names of their keys, byte strings in hex."""
    if type(value) is bytes:
        inside = name.packed(value) if name.packed else _inside(value, name)
        return value.hex() if inside is None else named(*inside)
    if isinstance(value, CBORTag):
        return named(value.value, name.of("tagged", value.value))
    if type(value) is dict:
        return {_label(k, name.of(k, v)): named(v, name.of(k, v)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        if name.keys:
            return {_label(i, name.of(i, v)): named(v, name.of(i, v)) for i, v in enumerate(value)}
        return [named(v, name.of(i, v)) for i, v in enumerate(value)]
    if name.show is not None and value is not None:
        return name.show(value)
    return value


def _lines(value: Any, name: Name, before: str, after: str, whole: bool) -> Iterator[tuple[str, str]]:
    indent = " " * (len(before) - len(before.lstrip()))
    if type(value) is bytes and (inside := _inside(value, name)) is not None:
        yield from _lines(inside[0], _within(name, inside[1]), f"{before}<< ", f" >>{after}", whole)
    elif isinstance(value, CBORTag):
        tagged = _within(name, name.of("tagged", value.value))
        yield from _lines(value.value, tagged, f"{before}{value.tag}(", f"){after}", whole)
    elif type(value) is dict and value:
        yield f"{before}{{", name.name
        yield from _parts([(f"{indent}  {_scalar(k, True)}: ", name.of(k, v), v) for k, v in value.items()], whole)
        yield f"{indent}}}{after}", ""
    elif isinstance(value, list | tuple) and value:
        short = before + _flat(value) + after
        if len(short) <= COLUMN and not name.keys and all(map(_is_scalar, value)):
            yield short, _note(value, name)
            return
        yield f"{before}[", name.name
        yield from _parts([(f"{indent}  ", name.of(i, v), v) for i, v in enumerate(value)], whole)
        yield f"{indent}]{after}", ""
    else:
        yield f"{before}{_scalar(value, whole)}{after}", _note(value, name)
        if name.packed is not None and type(value) is bytes:
            yield from (("", row) for row in _rows(*name.packed(value), whole))


def _within(outer: Name, inner: Name) -> Name:
    """The name of what is inside, after that of what it is in."""
    names = dict.fromkeys(n for n in (outer.name, inner.name) if n)
    return replace(inner, name=": ".join(names))


def _rows(values: Any, name: Name, whole: bool) -> Iterator[str]:
    """What a packed byte string holds, as lines of comment."""
    shown = values if whole else values[:MAX_ROWS]
    for i, value in enumerate(shown):
        row = named(value, name.of(i, value))
        yield "  " + (
            ", ".join(f"{k} {'none' if v is None else v}" for k, v in row.items())
            if isinstance(row, dict)
            else f"{row}"
        )
    if len(shown) < len(values):
        yield f"  ... and {len(values) - len(shown):,} more"


def _parts(parts: Sequence[tuple[str, Name, Any]], whole: bool) -> Iterator[tuple[str, str]]:
    for i, (before, name, value) in enumerate(parts):
        yield from _lines(value, name, before, "," if i + 1 < len(parts) else "", whole)


def _inside(value: bytes, name: Name) -> tuple[Any, Name] | None:
    """What a byte string holds; None if it cannot be read, and then the bytes are shown."""
    try:
        return name.inner(value) if name.inner else None
    except EvidenceError:
        return None


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | tuple | dict | CBORTag)


def _flat(value: Sequence[Any]) -> str:
    return "[" + ", ".join(_scalar(v, False) for v in value) + "]"


def _note(value: Any, name: Name) -> str:
    if name.show is not None and value is not None:
        meaning = name.show(value)
    elif name.unit and type(value) is int:
        meaning = f"{value:,} {name.unit}"
    elif isinstance(name.each, Name) and name.each.show is not None and isinstance(value, list):
        meaning = ", ".join(map(name.each.show, value))
    else:
        meaning = f"{len(value):,} bytes" if type(value) is bytes and len(value) > MAX_BYTES else ""
    return ": ".join(part for part in (name.name, meaning) if part)


def _scalar(value: Any, whole: bool) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return str(value).lower()
    if type(value) is bytes:
        text = value.hex()
        return f"h'{text}'" if whole or len(value) <= MAX_BYTES else f"h'{text[:40]} ... {text[-16:]}'"
    if type(value) is str:
        return '"' + "".join(_escaped(c) for c in value) + '"'
    return "[]" if isinstance(value, list | tuple) else str(value)


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    # What would move the cursor or hide text on a reader's terminal is spelt out.
    return char if char.isprintable() else "".join(f"\\u{u:04x}" for u in _utf16(char))


def _utf16(char: str) -> Iterator[int]:
    data = char.encode("utf-16-be", "surrogatepass")
    return (int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))


def _label(key: Any, name: Name) -> str:
    return name.name.replace(" ", "_") or (key.hex() if type(key) is bytes else str(key))
