"""The strict codec: deterministic CBOR (RFC 8949 section 4.2.1) and of that only what signed data needs.

A value is an integer from -2^64 to 2^64 - 1, a byte string, a text, an array (`list`), a map (`dict`, whose keys
are integers, byte strings or texts), true, false, null, or one of the COSE tags 18 and 98 (`cbor2.CBORTag`). No
floats, no undefined, no bignums, no indefinite lengths. Every value has one encoding: shortest heads,
map keys in the bytewise order of their encodings and each once, nothing after the end.

    >>> encode({"b": 1, 10: [True, None], -1: b"\\x01"}).hex()
    'a30a82f5f6204101616201'
    >>> decode(bytes.fromhex("a30a82f5f6204101616201"))
    {10: [True, None], -1: b'\\x01', 'b': 1}

`decode` is total: any bytes give a value or one `MalformedError` with the offset of the item it is about, and
`encode(decode(data)) == data` by construction. It recurses at most `max_depth` deep and allocates nothing for
a length before that many bytes are there.

    cbor/size           more bytes than `max_size`         cbor/text           text that is not UTF-8
    cbor/truncated      ends inside an item                cbor/key            map key that is no int, bytes or text
    cbor/trailing       bytes after the item               cbor/duplicate-key  map key that occurs twice
    cbor/depth          nested deeper than `max_depth`     cbor/key-order      map keys out of order
    cbor/head           not the shortest head              cbor/float          floating point number
    cbor/indefinite     indefinite length or its end       cbor/simple         undefined or another simple value
    cbor/reserved       additional information 28 to 30    cbor/tag            any other tag, bignums included

`load` is for the one hot place that types every field, formats again and compares: cbor2 with the interpretation
of tags switched off (`cbor/load` where it cannot read). What it returns is bounded by the input, and not yet known
to be deterministic.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

import cbor2

from attest.errors import MalformedError

MAX_SIZE: Final = 65_535
MAX_DEPTH: Final = 16
TAGS: Final = frozenset({18, 98})

Key: TypeAlias = int | bytes | str
Value: TypeAlias = "Key | bool | list[Value] | dict[Key, Value] | cbor2.CBORTag | None"
Encodable: TypeAlias = (
    "Key | bool | Sequence[Encodable] | Mapping[int, Encodable] | Mapping[Key, Encodable] | cbor2.CBORTag | None"
)

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_ARGUMENT: Final = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}  # width, least value
_CONSTANTS: Final[dict[int, bool | None]] = {20: False, 21: True, 22: None}
# Every tag that cbor2 would interpret: dates, bignums, 2 to the power of anything, references, patterns, sets ...
_INTERPRETED: Final = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def decode(data: bytes | memoryview, *, max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> Value:
    """The one value that `data` is the encoding of. Raises MalformedError."""
    if len(data) > max_size:
        raise MalformedError("cbor/size", f"{len(data)} bytes, at most {max_size}", offset=max_size)
    data = bytes(data)
    value, end = decode_item(data, 0, max_depth)
    if end != len(data):
        _bad("cbor/trailing", f"{len(data) - end} bytes after the item", end)
    return value


def decode_item(data: bytes, start: int, max_depth: int = MAX_DEPTH) -> tuple[Value, int]:
    """The value that begins at `start`, and where it ends. Raises MalformedError."""
    major, argument, at = _head(data, start)
    if major == _UINT:
        return argument, at
    if major == _NINT:
        return -1 - argument, at
    if major in (_BYTES, _TEXT):
        end = at + argument
        if end > len(data):
            _bad("cbor/truncated", f"a string of {argument} bytes, {len(data) - at} are there", start)
        chunk = data[at:end]
        return (chunk if major == _BYTES else _text(chunk, start)), end
    if major == _SIMPLE:
        return _CONSTANTS[argument], at
    if max_depth < 1:
        _bad("cbor/depth", "nested too deep", start)
    if major == _TAG:
        content, at = decode_item(data, at, max_depth - 1)
        return cbor2.CBORTag(argument, content), at
    # Each element takes a byte or more, so a count that cannot be right fails before anything is built.
    if argument * (2 if major == _MAP else 1) > len(data) - at:
        _bad("cbor/truncated", f"{argument} elements in {len(data) - at} bytes", start)
    if major == _MAP:
        return _map(data, at, argument, max_depth - 1)
    elements: list[Value] = []
    for _ in range(argument):
        element, at = decode_item(data, at, max_depth - 1)
        elements.append(element)
    return elements, at


def array_head(data: bytes, start: int) -> tuple[int, int]:
    """How many elements the array that begins at `start` has, -1 where none begins there, and where the first is.

    For who reads a large value item by item, and builds nothing of what it must not have. Raises MalformedError.
    """
    major, argument, at = _head(data, start)
    return (argument if major == _ARRAY else -1), at


def load(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """What cbor2 reads, for a caller that checks every type, formats again and compares.

    No tag is interpreted: to cbor2 a few bytes can be a regular expression, two to the power of anything, or a long
    value said once and referred to a thousand times. Raises MalformedError `cbor/load`.
    """
    try:
        return cbor2.loads(data, semantic_decoders=_NO_SEMANTICS, max_depth=max_depth)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise MalformedError("cbor/load", f"not CBOR: {error}", offset=0) from error


def encode(value: Encodable) -> bytes:
    """The deterministic encoding of `value`; maps may come in any order.

    Raises TypeError for a type and ValueError for an integer or a tag that the profile has no encoding for.
    """
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def head(major: int, argument: int) -> bytes:
    """The shortest head of a major type and its argument (RFC 8949 section 3)."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    if argument < 1 << 8:
        return bytes((major << 5 | 24, argument))
    if argument < 1 << 16:
        return bytes((major << 5 | 25,)) + argument.to_bytes(2, "big")
    if argument < 1 << 32:
        return bytes((major << 5 | 26,)) + argument.to_bytes(4, "big")
    if argument < 1 << 64:
        return bytes((major << 5 | 27,)) + argument.to_bytes(8, "big")
    raise ValueError(f"{argument} does not fit into 64 bits")


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    if start >= len(data):
        _bad("cbor/truncated", "an item should begin here", start)
    major, short = data[start] >> 5, data[start] & 31
    at = start + 1
    if short < 24:
        if major == _SIMPLE and short not in _CONSTANTS:
            _bad("cbor/simple", f"simple value {short}", start)
        if major == _TAG and short not in TAGS:
            _bad("cbor/tag", f"tag {short}", start)
        return major, short, at
    if short == 31:
        if major in (_UINT, _NINT, _TAG):
            _bad("cbor/reserved", "additional information 31", start)
        _bad("cbor/indefinite", "an indefinite length", start)
    if short > 27:
        _bad("cbor/reserved", f"additional information {short}", start)
    if major == _SIMPLE:
        if short == 24:
            _bad("cbor/simple", "a simple value of two bytes", start)
        _bad("cbor/float", "a floating point number", start)
    width, least = _ARGUMENT[short]
    if at + width > len(data):
        _bad("cbor/truncated", f"a head of {1 + width} bytes", start)
    argument = int.from_bytes(data[at : at + width], "big")
    if argument < least:
        _bad("cbor/head", f"{argument} in {1 + width} bytes", start)
    if major == _TAG and argument not in TAGS:
        _bad("cbor/tag", f"tag {argument}", start)
    return major, argument, at + width


def _map(data: bytes, at: int, count: int, max_depth: int) -> tuple[dict[Key, Value], int]:
    entries: dict[Key, Value] = {}
    last = b""
    for _ in range(count):
        if at < len(data) and data[at] >> 5 > _TEXT:
            _bad("cbor/key", "a map key is an integer, a byte string or a text", at)
        key, end = decode_item(data, at, max_depth)
        encoded = data[at:end]
        if encoded <= last:
            if encoded == last:
                _bad("cbor/duplicate-key", f"key {key!r} occurs twice", at)
            _bad("cbor/key-order", f"key {key!r} should have come earlier", at)
        last = encoded
        entries[key], at = decode_item(data, end, max_depth)  # type: ignore[index]  # its major type is checked
    return entries, at


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a tag")


_NO_SEMANTICS: Final = dict.fromkeys(_INTERPRETED, _refuse)


def _text(chunk: bytes, start: int) -> str:
    try:
        return chunk.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("cbor/text", f"not UTF-8: {error.reason}", offset=start) from None


def _encode(value: Encodable, out: bytearray) -> None:
    if value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        out += head(_UINT, int(value)) if value >= 0 else head(_NINT, -1 - value)
    elif isinstance(value, bytes):
        out += head(_BYTES, len(value)) + value
    elif isinstance(value, str):
        text = value.encode()
        out += head(_TEXT, len(text)) + text
    elif isinstance(value, Mapping):
        out += head(_MAP, len(value))
        for key, content in sorted((_encode_key(k), v) for k, v in value.items()):
            out += key
            _encode(content, out)
    elif isinstance(value, Sequence):
        out += head(_ARRAY, len(value))
        for element in value:
            _encode(element, out)
    elif isinstance(value, cbor2.CBORTag):
        if value.tag not in TAGS:
            raise ValueError(f"tag {value.tag} is not of the profile")
        out += head(_TAG, value.tag)
        _encode(value.value, out)
    else:
        raise TypeError(f"{type(value).__name__} has no encoding")


def _encode_key(key: object) -> bytes:
    if isinstance(key, bool) or not isinstance(key, int | bytes | str):
        raise TypeError(f"a map key cannot be a {type(key).__name__}")
    return encode(key)


def _bad(code: str, detail: str, offset: int) -> NoReturn:
    raise MalformedError(code, detail, offset=offset)
