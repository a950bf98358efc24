"""Statements: one way to write each, and any bytes give a value or one error that says where."""

import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import EvidenceError, MalformedError, UnsupportedError
from attest.format.bodies import CloseBody, InventoryBody, MeterBody, UsageBody, block_of
from attest.format.cbor import MAX_DEPTH, decode, encode
from attest.format.cose import Sign1, format_sign1, parse_sign1
from attest.format.custody import CustodyBody
from attest.format.statement import (
    MAX_STATEMENT,
    Statement,
    format_payload,
    kind_of,
    parse_payload,
    parse_statement,
    peek,
)
from attest.format.vocabulary import Kind
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from tests.format.values import altered, statements
from tests.schemas.example import custody_entry, world

SIGNER = seeded_key("a source")
HEADER = header_for(SIGNER, "https://acme.example", "https://acme.example/n1")
H = b"h" * 32
CLOSE = Statement(Kind.CLOSE, H, 1, H, 10, 20, None, CloseBody())
ENTRIES = (*world().entries, custody_entry())
CUSTODY = format_payload(
    CLOSE._replace(kind=Kind.CUSTODY, body=CustodyBody("hold", "ines", (), (("aaa", 1), ("zz", 2))))
)
ZZ, AAA = b"\x62zz\x02", b"\x63aaa\x01"  # its details
PAYLOADS = [parse_sign1(entry).payload or b"" for entry in ENTRIES]


def refused(parse: Callable[[bytes], object], data: bytes) -> EvidenceError | None:
    """The error that bytes are refused with; anything else that is raised fails the test."""
    try:
        parse(data)
    except UnsupportedError as error:
        assert error.code.startswith("unsupported/")
        return error
    except MalformedError as error:
        assert error.offset is not None or error.path is not None, error.code
        assert error.offset is None or 0 <= error.offset <= max(len(data), MAX_STATEMENT)
        return error
    return None


# -- one way to write


@given(statements())
def test_what_is_written_is_read(statement: Statement) -> None:
    payload = format_payload(statement)
    assert parse_payload(payload) == statement
    assert payload == encode(decode(payload, max_size=1 << 20))  # by the strict codec, too


@given(statements())
def test_an_entry_is_read_and_peeked_at(statement: Statement) -> None:
    entry = sign_statement(HEADER, statement, SIGNER)
    signed = parse_statement(entry)
    assert (signed.header, signed.statement) == (HEADER, statement)
    assert format_sign1(signed.sign1) == entry
    assert peek(entry) == (statement.kind, HEADER.sub, statement.seq, block_of(statement.body))
    assert kind_of(entry) == statement.kind


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda p: parse_payload(p).kind.name)
def test_what_is_read_is_written(payload: bytes) -> None:
    assert format_payload(parse_payload(payload)) == payload


@given(st.data())
def test_bytes_that_are_nearly_a_payload(data: st.DataObject) -> None:
    payload = data.draw(altered(data.draw(st.sampled_from(PAYLOADS))))
    if refused(parse_payload, payload) is None:
        assert format_payload(parse_payload(payload)) == payload


@given(st.data())
def test_bytes_that_are_nearly_an_entry(data: st.DataObject) -> None:
    entry = data.draw(altered(data.draw(st.sampled_from(ENTRIES))))
    if refused(parse_statement, entry) is None:
        signed = parse_statement(entry)
        assert format_sign1(signed.sign1) == entry
        assert kind_of(entry) == signed.statement.kind
    refused(peek, entry)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    refused(parse_payload, data)
    refused(parse_statement, data)
    refused(peek, data)
    assert kind_of(data) is None or kind_of(data) in range(256)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), (1 << 64) - 1) | st.binary(max_size=40) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 9) | st.text(max_size=2), inner, max_size=9)
    ),
    max_leaves=20,
)


@given(VALUES, st.sampled_from(PAYLOADS), st.data())
def test_any_value_in_any_place(value: Any, payload: bytes, data: st.DataObject) -> None:
    decoded = cbor2.loads(payload)
    place: Any = decoded
    while True:
        within = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(sorted(within)))
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or data.draw(st.booleans()):
            break
        place = inside
    place[key] = value
    changed = cbor2.dumps(decoded)
    if refused(parse_payload, changed) is None:
        assert format_payload(parse_payload(changed)) == changed


@pytest.mark.parametrize("entry", [0, 4], ids=["genesis", "usage"])
def test_every_beginning_of_an_entry_is_refused(entry: int) -> None:
    for end in range(len(ENTRIES[entry])):
        assert refused(parse_statement, ENTRIES[entry][:end]) is not None, end
        assert refused(parse_payload, PAYLOADS[entry][: min(end, len(PAYLOADS[entry]) - 1)]) is not None, end


def test_every_changed_byte_is_another_statement_or_none() -> None:
    entry = ENTRIES[4]
    whole = parse_statement(entry)
    for at in range(len(entry)):
        for bit in range(8):
            changed = bytearray(entry)
            changed[at] ^= 1 << bit
            if refused(parse_statement, bytes(changed)) is None:
                assert parse_statement(bytes(changed)) != whole


# -- each rule by one fault


FAULTS = [
    ("nothing", b"", "cbor/load"),
    ("a number", b"\x00", "statement/keys"),
    ("an empty map", b"\xa0", "statement/keys"),
    ("a map that begins with something else", encode({1: 10, 2: H}), "statement/keys"),
    ("version as text", encode({0: "1", 1: 10}), "statement/keys"),
    ("version true", b"\xa9\x00\xf5" + format_payload(CLOSE)[3:], "statement/keys"),
    ("another version", b"\xa9\x00\x02" + format_payload(CLOSE)[3:], "unsupported/version"),
    ("another version that means something else", encode({0: 7, "kind": "close"}), "unsupported/version"),
    ("an unknown kind", b"\xa9\x00\x01\x01\x0c" + format_payload(CLOSE)[5:], "unsupported/kind"),
    ("the reserved evidence", b"\xa9\x00\x01\x01\x08" + format_payload(CLOSE)[5:], "unsupported/kind"),
    ("the reserved evidence", b"\xa9\x00\x01\x01\x08" + format_payload(CLOSE)[5:], "unsupported/kind"),
    ("the reserved roll-up", b"\xa9\x00\x01\x01\x09" + format_payload(CLOSE)[5:], "unsupported/kind"),
    ("kind in two bytes", b"\xa9\x00\x01\x01\x18\x0a" + format_payload(CLOSE)[5:], "statement/not-canonical"),
    ("kind as float", b"\xa9\x00\x01\x01\xfb\x40\x24" + bytes(6) + format_payload(CLOSE)[5:], "statement/integer"),
    ("a key out of order", b"\xa9\x01\x0a\x00\x01" + format_payload(CLOSE)[5:], "statement/keys"),
    ("a key twice", b"\xaa\x00\x01" + format_payload(CLOSE)[1:], "statement/not-canonical"),
    ("a map of indefinite length", b"\xbf" + format_payload(CLOSE)[1:] + b"\xff", "statement/not-canonical"),
    ("bytes after the end", format_payload(CLOSE) + b"\x00", "statement/not-canonical"),
    ("a statement twice", format_payload(CLOSE) * 2, "statement/not-canonical"),
    ("log null in a close", encode({**cbor2.loads(format_payload(CLOSE)), 2: None}), "statement/genesis"),
    ("until before from", format_payload(CLOSE._replace(end=9)), "statement/integer"),
    ("seq as bignum", encode({**cbor2.loads(format_payload(CLOSE)), 3: 0})[:40] + b"\xc2\x41\x01", "cbor/load"),
    ("a date", b"\xc0\x74" + b"2026-11-09T00:00:00Z", "cbor/load"),
    ("a regular expression", b"\xd8\x23\x65(a+)+", "cbor/load"),
    ("a power of two", b"\xc5\x82\x1a\x3b\x9a\xca\x00\x01", "cbor/load"),
    ("a shared value", b"\xd8\x1c\x81\xd8\x1d\x00", "cbor/load"),
    ("undefined", b"\xf7", "statement/keys"),
    ("details in another order", CUSTODY.replace(ZZ + AAA, AAA + ZZ), "statement/not-canonical"),
    ("a detail twice", CUSTODY.replace(b"\xa2" + ZZ, b"\xa3\x62zz\x01" + ZZ), "statement/not-canonical"),
    ("a text that is not UTF-8", b"\x62\xc3\x28", "cbor/load"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "code"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_payload_is_refused(payload: bytes, code: str) -> None:
    found = refused(parse_payload, payload)
    assert found is not None
    assert found.code == code


def envelope(**fields: Any) -> bytes:
    return format_sign1(parse_sign1(ENTRIES[6])._replace(**fields))


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (envelope(unprotected=encode({4: b"kid"})), "statement/unprotected"),
        (envelope(payload=None), "statement/detached"),
        (envelope(payload=bytes(MAX_STATEMENT)), "statement/size"),
        (ENTRIES[6] + b"\0", "cbor/trailing"),
        (ENTRIES[6][1:], "cose/tag"),
        (envelope(protected=b""), "cbor/truncated"),
        (envelope(protected=encode({1: -19})), "header/keys"),
    ],
)
def test_an_entry_is_refused(entry: bytes, code: str) -> None:
    found = refused(parse_statement, entry)
    assert found is not None
    assert found.code == code


def test_the_largest_entry() -> None:
    room = MAX_STATEMENT - len(envelope(payload=b"")) - 2
    assert len(envelope(payload=bytes(room))) == MAX_STATEMENT
    found = refused(parse_statement, envelope(payload=bytes(room)))
    assert found is not None
    assert found.code != "statement/size"


# -- time and memory

USAGE = cbor2.loads(PAYLOADS[4])
HUGE = {
    "an array of 2^32 elements": b"\x9a\xff\xff\xff\xff" + bytes(60_000),
    "a map of 2^60 entries": b"\xbb\x10" + bytes(7) + bytes(60_000),
    "a string of 2^63 bytes": b"\x5b\x80" + bytes(7) + bytes(60_000),
    "arrays in arrays": b"\x81" * 60_000,
    "maps in maps": b"\xa1\x00" * 30_000,
    "tags in tags": b"\xd2" * 60_000,
    "embedded indefinite arrays": b"\x9f" * 60_000,
    "empty arrays": b"\x99\xea\x60" + b"\x80" * 60_000,
    "empty maps": b"\x99\xea\x60" + b"\xa0" * 60_000,
    "small integers": b"\x99\xea\x60" + bytes(60_000),
    "large integers": b"\x99\x1a\x0a" + b"\x1b" * 60_000,
    "pairs of indefinite strings": b"\x9f" + b"\x5f\x41\x00\xff" * 15_000 + b"\xff",
    "a thousand runs": encode({**USAGE, 8: {**USAGE[8], 6: [[H, 0, 0, 0, 0]] * 1_024}}),
}  # fmt: skip
# Bytes allocated at most for each byte of input: an empty map of one byte costs 72.
MULTIPLE = 75


@pytest.mark.parametrize("name", HUGE)
def test_time_and_memory_are_bounded_by_the_input(name: str) -> None:
    data = HUGE[name]
    entry = format_sign1(Sign1(parse_sign1(ENTRIES[4]).protected, b"\xa0", data, bytes(64)))
    refused(parse_payload, data)  # what a first call imports or caches is not counted
    tracemalloc.start()
    try:
        begun = process_time()
        refused(parse_payload, data)
        refused(parse_statement, entry)
        refused(parse_statement, data)
        took = process_time() - begun
        assert tracemalloc.get_traced_memory()[1] < MULTIPLE * len(data) + 100_000
    finally:
        tracemalloc.stop()
    assert took < 2


def test_nesting_is_bounded() -> None:
    assert MAX_DEPTH == 16
    found = refused(parse_payload, b"\x81" * (MAX_DEPTH + 2) + b"\x00")
    assert found is not None
    assert found.code == "cbor/load"


def test_details_are_written_in_the_order_of_their_encodings() -> None:
    assert b"\xa2" + ZZ + AAA in CUSTODY
    body = parse_payload(CUSTODY).body
    assert isinstance(body, CustodyBody)
    assert body.details == (("zz", 2), ("aaa", 1))


def test_block_of_the_kinds_that_have_one() -> None:
    with_block = {type(parse_payload(p).body) for p in PAYLOADS if block_of(parse_payload(p).body)}
    assert with_block == {InventoryBody, UsageBody, MeterBody}
