"""Statements: the payloads that sources sign, one COSE_Sign1 each (schemas/statement.md, statement.cddl).

A payload is one deterministic CBOR map with integer keys, the same for every kind:

    {0: version, 1: kind, 2: log, 3: seq, 4: prev, 5: from, 6: until, 7: anchor, 8: body}

`log` and `prev` are RFC 6962 leaf hashes (32 bytes; null in a genesis, which has no predecessor); `from` and
`until` are Unix seconds, `[from, until)`; `anchor` is `[size, root, note]` or null, where `note` is the
SHA-256 of the cosigned checkpoint the source had seen. The body's keys depend on the kind.

Parsing is total and strict: a payload is accepted only if `format_payload(parse_payload(p)) == p`, so there
is one way to write a statement. Everything else raises `MalformedError`, except a version or kind that this
program does not know, which raises `UnsupportedError`: ignorance accuses nobody.

    >>> from attest.format.bodies import CloseBody
    >>> log, prev = b"g" * 32, b"p" * 32
    >>> close = Statement(Kind.CLOSE, log, 4, prev, 1_763_000_000, 1_763_000_060, None, CloseBody())
    >>> payload = format_payload(close)
    >>> payload[:8].hex()
    'a90001010a025820'
    >>> parse_payload(payload) == close
    True
"""

from typing import Any, Final, NamedTuple

import cbor2

from attest.errors import MalformedError, UnsupportedError
from attest.format.bodies import Block, Body, block_of, format_body, parse_body
from attest.format.cbor import load
from attest.format.cose import Header, Sign1, parse_header, parse_sign1
from attest.format.fields import MAX_SEQ, array, bad, bytes_, map_, member, uint
from attest.format.usual import read_usual
from attest.format.vocabulary import Kind

VERSION: Final = 1
MAX_STATEMENT: Final = 65_535  # the entry size of tlog-tiles
MAX_TIME: Final = 1 << 40
_PREFIX: Final = bytes((0xA9, 0, VERSION, 1))  # a map of nine: version, kind, ...


class Anchor(NamedTuple):
    """A checkpoint the source had seen before it signed: its size, root and the SHA-256 of the exact note."""

    size: int
    root: bytes
    note: bytes


class Statement(NamedTuple):
    """A parsed payload; `start` and `end` are its `from` and `until`."""

    kind: Kind
    log: bytes | None
    seq: int
    prev: bytes | None
    start: int
    end: int
    anchor: Anchor | None
    body: Body


class Signed(NamedTuple):
    """An entry of a log, parsed but not verified."""

    sign1: Sign1
    header: Header
    statement: Statement


class Peek(NamedTuple):
    """What a store needs of an entry to place it."""

    kind: int
    sub: str
    seq: int
    block: Block | None


def parse_statement(entry: bytes) -> Signed:
    """One entry of a log; the signature is not verified here. Raises MalformedError or UnsupportedError."""
    if len(entry) > MAX_STATEMENT:
        raise MalformedError("statement/size", f"{len(entry)} bytes, at most {MAX_STATEMENT}", offset=MAX_STATEMENT)
    sign1 = parse_sign1(entry)
    return Signed(sign1, parse_header(sign1.protected), parse_payload(embedded(sign1)))


def embedded(sign1: Sign1) -> bytes:
    """The payload of a statement's envelope, which must have one and no unprotected header."""
    if sign1.unprotected != b"\xa0":
        bad("statement/unprotected", "a statement has no unprotected header")
    if sign1.payload is None:
        bad("statement/detached", "a statement carries its payload")
    return sign1.payload


def peek(entry: bytes) -> Peek:
    """Kind, source, seq and detached body of an entry, for stores. Raises as `parse_statement`."""
    signed = parse_statement(entry)
    statement = signed.statement
    return Peek(statement.kind, signed.header.sub, statement.seq, block_of(statement.body))


def kind_of(entry: bytes) -> int | None:
    """The kind that an entry says it has, read at its place without parsing the rest; None where there is none."""
    try:
        sign1 = parse_sign1(entry)
    except MalformedError:
        return None
    payload = sign1.payload or b""
    return payload[4] if payload[:4] == _PREFIX and len(payload) > 4 else None


def parse_payload(payload: bytes) -> Statement:
    """Bytes to statement, strict. Raises MalformedError or UnsupportedError."""
    usual = read_usual(payload)
    if usual is None:
        return decode_payload(payload)
    log, seq, prev, start, end, anchor, body = usual
    return Statement(Kind.USAGE, log, seq, prev, start, end, None if anchor is None else Anchor(*anchor), body)


def decode_payload(payload: bytes) -> Statement:
    """The same for any payload: decode, type, format again, compare."""
    statement = _statement(load(payload))
    if format_payload(statement) != payload:
        raise MalformedError("statement/not-canonical", "not the deterministic encoding", path="payload")
    return statement


def format_payload(statement: Statement) -> bytes:
    """Statement to bytes, deterministic (RFC 8949 section 4.2.1)."""
    # Keys are small integers written in rising order, so plain dumps is already bytewise sorted.
    return cbor2.dumps(
        {
            0: VERSION,
            1: int(statement.kind),
            2: statement.log,
            3: statement.seq,
            4: statement.prev,
            5: statement.start,
            6: statement.end,
            7: statement.anchor and [statement.anchor.size, statement.anchor.root, statement.anchor.note],
            8: format_body(statement.body),
        }
    )


def _statement(value: Any) -> Statement:
    if type(value) is not dict or type(value.get(0)) is not int:
        bad("statement/keys", "must be a map that begins with its version")
    if value[0] != VERSION:
        raise UnsupportedError("unsupported/version", f"statement version {value[0]}")
    _, kind, log, seq, prev, start, end, anchor, body = map_(value, 9, "statement", first=0)
    known = member(Kind, kind, "kind")
    genesis = known is Kind.GENESIS
    if genesis != (log is None) or genesis != (prev is None):
        bad("statement/genesis", "log and prev are null in a genesis and nowhere else", "log")
    begin = uint(start, "from", MAX_TIME)
    return Statement(
        known,
        None if genesis else bytes_(log, "log"),
        uint(seq, "seq", 0 if genesis else MAX_SEQ),
        None if genesis else bytes_(prev, "prev"),
        begin,
        uint(end, "until", MAX_TIME, begin),
        None if anchor is None else _anchor(anchor),
        parse_body(known, body),
    )


def _anchor(value: Any) -> Anchor:
    size, root, note = array(value, 3, 3, "anchor")
    return Anchor(uint(size, "anchor.size", MAX_SEQ, 1), bytes_(root, "anchor.root"), bytes_(note, "anchor.note"))
