"""Diagnostic notation back to values: as much of it as the pages use (RFC 8949 section 8, RFC 8610 appendix G).

Integers, h'', texts, null, true, false, arrays, maps, tags, `<< >>` and comments from `#` to the end of the line.
"""

import json
import re
from typing import Any

from cbor2 import CBORTag

from attest.format.cbor import encode

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<hex>h'[0-9a-f]*')|(?P<text>"(?:[^"\\]|\\.)*")|(?P<tag>\d+\()|(?P<int>-?\d+)"""
    r"""|(?P<word>null|true|false)|(?P<mark><<|>>|[\[\]{}:,)])"""
)
_WORDS = {"null": None, "true": True, "false": False}


def parse(notation: str) -> Any:
    """The one value of a text."""
    tokens = list(_tokens(notation))
    value = _value(tokens)
    assert not tokens
    return value


def _tokens(text: str) -> Any:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match, text[at : at + 20]
        at = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[0]


def _value(tokens: list[tuple[str, str]]) -> Any:
    kind, token = tokens.pop(0)
    if kind == "hex":
        return bytes.fromhex(token[2:-1])
    if kind == "text":
        return json.loads(token)
    if kind == "int":
        return int(token)
    if kind == "word":
        return _WORDS[token]
    if kind == "tag":
        return CBORTag(int(token[:-1]), _items(tokens, ")")[0])
    if token == "<<":
        return encode(_items(tokens, ">>")[0])
    if token == "[":
        return _items(tokens, "]")
    assert token == "{"
    return dict(_items(tokens, "}"))


def _items(tokens: list[tuple[str, str]], end: str) -> list[Any]:
    items: list[Any] = []
    while tokens[0][1] != end:
        value = _value(tokens)
        if tokens[0][1] == ":":
            tokens.pop(0)
            value = (value, _value(tokens))
        items.append(value)
        if tokens[0][1] == ",":
            tokens.pop(0)
    tokens.pop(0)
    return items
