"""A manifest from elsewhere: one way to write it, and nothing is built of what it must not hold."""

import tracemalloc
from contextlib import suppress

import pytest

from attest.archive.address import address_of
from attest.archive.manifest import Copy, Document, File, Manifest, format_manifest, parse_manifest
from attest.errors import MalformedError
from attest.format.cbor import encode, head

MANY = 1_000_000
WHOLE = address_of(b"abc")
MANIFEST = Manifest(
    (
        Copy("a", (File("checkpoint", WHOLE), File("x/y", WHOLE, (address_of(b"a"), address_of(b"bc"))))),
        Copy("b", (File("checkpoint", WHOLE),)),
    ),
    (Document("agreement", "pact", WHOLE), Document("event", "pause", WHOLE)),
)
DATA = format_manifest(MANIFEST)


def test_what_is_written_is_read() -> None:
    assert parse_manifest(DATA) == MANIFEST


def test_any_other_bytes_are_refused_or_written_so() -> None:
    for data in (DATA + b"\0", b"", *(DATA[:end] for end in range(len(DATA)))):
        with pytest.raises(MalformedError):
            parse_manifest(data)
    for at, bit in ((at, 1 << bit) for at in range(len(DATA)) for bit in range(8)):
        changed = DATA[:at] + bytes([DATA[at] ^ bit]) + DATA[at + 1 :]
        with suppress(MalformedError):
            assert format_manifest(parse_manifest(changed)) == changed


EMPTY = head(4, MANY) + b"\x80" * MANY  # an array of so many empty ones
FILE = [b"\x83", encode("p"), encode(list(WHOLE))]


@pytest.mark.parametrize(
    "bundles",
    [
        EMPTY,
        head(4, 1) + EMPTY,
        b"".join((head(4, 1), b"\x82", encode("a"), EMPTY)),
        b"".join((head(4, 1), b"\x82", encode("a"), b"\x81", EMPTY)),
        b"".join((head(4, 1), b"\x82", encode("a"), b"\x81", *FILE[:2], EMPTY)),
        b"".join((head(4, 1), b"\x82", encode("a"), b"\x81", *FILE, EMPTY)),
        b"".join((head(4, 1), b"\x82", encode("a"), b"\x81", *FILE, b"\x81", EMPTY)),
    ],
)
def test_a_large_manifest_of_nothing_takes_no_memory(bundles: bytes) -> None:
    data = b"\xa3\x00\x01\x01" + bundles + b"\x02\x80"
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            parse_manifest(data)
        assert tracemalloc.get_traced_memory()[1] < MANY
    finally:
        tracemalloc.stop()
