"""The codec: each rule with bytes that break only it, and the properties of totality and uniqueness."""

import re
import tracemalloc
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError
from attest.format import cbor
from attest.format.cbor import MAX_DEPTH, MAX_SIZE, Encodable, Value, decode, decode_item, encode, load

U64 = (1 << 64) - 1

REFUSED = [
    ("nothing", "", "cbor/truncated", 0),
    ("head cut off", "19 01", "cbor/truncated", 0),
    ("byte string cut off", "43 0102", "cbor/truncated", 0),
    ("text cut off", "63 6161", "cbor/truncated", 0),
    ("array cut off", "82 01", "cbor/truncated", 0),
    ("second element missing", "82 4101", "cbor/truncated", 3),
    ("map value missing", "a1 01", "cbor/truncated", 0),
    ("tag without content", "d2", "cbor/truncated", 1),
    ("array of 2^64 - 1", "9b ffffffffffffffff", "cbor/truncated", 0),
    ("byte string of 2^63 bytes", "5b 8000000000000000 00", "cbor/truncated", 0),
    ("map of 2^32 - 1", "ba ffffffff 0000", "cbor/truncated", 0),
    ("a second item", "01 02", "cbor/trailing", 1),
    ("23 in two bytes", "18 17", "cbor/head", 0),
    ("255 in three bytes", "19 00ff", "cbor/head", 0),
    ("65535 in five bytes", "1a 0000ffff", "cbor/head", 0),
    ("2^32 - 1 in nine bytes", "1b 00000000ffffffff", "cbor/head", 0),
    ("-1 in two bytes", "38 00", "cbor/head", 0),
    ("length of a byte string in two bytes", "58 01 00", "cbor/head", 0),
    ("length of a text in two bytes", "78 01 61", "cbor/head", 0),
    ("length of an array in two bytes", "98 01 00", "cbor/head", 0),
    ("length of a map in two bytes", "b8 01 00 00", "cbor/head", 0),
    ("tag 18 in three bytes", "d9 0012 00", "cbor/head", 0),
    ("a nested head", "82 00 18 01", "cbor/head", 2),
    ("byte string of indefinite length", "5f 41 01 ff", "cbor/indefinite", 0),
    ("text of indefinite length", "7f 61 61 ff", "cbor/indefinite", 0),
    ("array of indefinite length", "9f 01 ff", "cbor/indefinite", 0),
    ("map of indefinite length", "bf 01 02 ff", "cbor/indefinite", 0),
    ("a break alone", "ff", "cbor/indefinite", 0),
    ("additional information 28", "1c", "cbor/reserved", 0),
    ("additional information 29", "5d", "cbor/reserved", 0),
    ("additional information 30", "fe", "cbor/reserved", 0),
    ("an integer of indefinite length", "1f", "cbor/reserved", 0),
    ("a tag of indefinite length", "df 00", "cbor/reserved", 0),
    ("text that is not UTF-8", "62 c328", "cbor/text", 0),
    ("an overlong NUL", "62 c080", "cbor/text", 0),
    ("a lone surrogate", "63 eda080", "cbor/text", 0),
    ("beyond U+10FFFF", "64 f4908080", "cbor/text", 0),
    ("a boolean key", "a1 f5 00", "cbor/key", 1),
    ("a null key", "a1 f6 00", "cbor/key", 1),
    ("an array as key", "a1 80 00", "cbor/key", 1),
    ("a map as key", "a1 a0 00", "cbor/key", 1),
    ("a tag as key", "a1 d200 00", "cbor/key", 1),
    ("a key twice", "a2 01 00 01 00", "cbor/duplicate-key", 3),
    ("a text key twice", "a2 6161 00 6161 01", "cbor/duplicate-key", 4),
    ("keys falling", "a2 02 00 01 00", "cbor/key-order", 3),
    ("keys sorted by length, RFC 7049", "a2 20 00 1818 00", "cbor/key-order", 3),
    ("text before bytes", "a2 6161 00 4161 00", "cbor/key-order", 4),
    ("half float", "f9 3c00", "cbor/float", 0),
    ("float", "fa 3f800000", "cbor/float", 0),
    ("double", "fb 3ff0000000000000", "cbor/float", 0),
    ("half float cut off", "f9 3c", "cbor/float", 0),
    ("undefined", "f7", "cbor/simple", 0),
    ("simple value 0", "e0", "cbor/simple", 0),
    ("simple value 19", "f3", "cbor/simple", 0),
    ("simple value 32", "f8 20", "cbor/simple", 0),
    ("false in two bytes", "f8 14", "cbor/simple", 0),
    ("a date", "c0 60", "cbor/tag", 0),
    ("an epoch", "c1 00", "cbor/tag", 0),
    ("a bignum that is small", "c2 41 01", "cbor/tag", 0),
    ("a bignum that is large", "c2 49 010000000000000000", "cbor/tag", 0),
    ("a negative bignum", "c3 49 010000000000000000", "cbor/tag", 0),
    ("a shared value", "d8 1c 80", "cbor/tag", 0),
    ("self-described CBOR", "d9 d9f7 00", "cbor/tag", 0),
    ("encoded CBOR", "d8 18 41 00", "cbor/tag", 0),
]

LEAVES = (
    st.integers(-U64 - 1, U64)
    | st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, U64, -24, -25, -256, -257, -U64 - 1])
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.booleans()
    | st.none()
)
KEYS = st.integers(-U64 - 1, U64) | st.integers(-30, 30) | st.binary(max_size=4) | st.text(max_size=4)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.builds(cbor2.CBORTag, st.sampled_from([18, 98]), inner)
    ),
    max_leaves=20,
)


def thawed(value: Any) -> Any:
    """The value with lists and dicts also where cbor2 makes them immutable, inside tags."""
    if isinstance(value, list | tuple):
        return [thawed(v) for v in value]
    if isinstance(value, dict | cbor2.frozendict):
        return {k: thawed(v) for k, v in value.items()}
    return cbor2.CBORTag(value.tag, thawed(value.value)) if isinstance(value, cbor2.CBORTag) else value


@pytest.mark.parametrize(("name", "data", "code", "offset"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refuses(name: str, data: str, code: str, offset: int) -> None:
    with pytest.raises(MalformedError) as caught:
        decode(bytes.fromhex(data))
    assert (caught.value.code, caught.value.offset) == (code, offset)


def test_every_code_of_the_specification_has_a_case() -> None:
    said = set(re.findall(r"cbor/[a-z-]+", cbor.__doc__ or ""))
    assert said - {code for _, _, code, _ in REFUSED} == {"cbor/size", "cbor/depth", "cbor/load"}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "00"),
        (U64, "1bffffffffffffffff"),
        (-1, "20"),
        (-U64 - 1, "3bffffffffffffffff"),
        (b"", "40"),
        ("ü", "62c3bc"),
        ([], "80"),
        ({}, "a0"),
        (False, "f4"),
        (True, "f5"),
        (None, "f6"),
        (list(range(24)), "9818" + "".join(f"{i:02x}" for i in range(24))),
        (cbor2.CBORTag(18, [b"", {}]), "d28240a0"),
        (cbor2.CBORTag(98, []), "d86280"),
        # RFC 8949 section 4.2.1, the example of bytewise order, without the keys that are false and arrays
        ({10: 1, 100: 2, -1: 3, "z": 4, "aa": 5}, "a50a011864022003617a046261610 5".replace(" ", "")),
    ],
)
def test_encodes_as_the_standard_says(value: Encodable, data: str) -> None:
    assert encode(value).hex() == data
    assert decode(bytes.fromhex(data)) == value


def test_true_is_not_one() -> None:
    assert decode(b"\xf5") is True
    assert type(decode(b"\x01")) is int


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1.0, TypeError),
        (object(), TypeError),
        ({1.5: 0}, TypeError),
        ({True: 0}, TypeError),
        ({(): 0}, TypeError),
        (U64 + 1, ValueError),
        (-U64 - 2, ValueError),
        (cbor2.CBORTag(2, b""), ValueError),
        ("\ud800", ValueError),
    ],
)
def test_does_not_encode(value: Encodable, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(value)


@given(st.binary(max_size=200))
def test_total_on_any_bytes(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(data)
        return
    assert encode(value) == data


@given(VALUES)
def test_round_trip(value: Value) -> None:
    assert decode(encode(value)) == value


@given(VALUES, st.data())
def test_a_changed_encoding_is_another_value_or_none(value: Value, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(encoded))
    except MalformedError:
        return
    assert encode(other) == bytes(encoded) != encode(value)


@given(VALUES)
def test_agrees_with_cbor2(value: Value) -> None:
    """What we write, cbor2 reads; what cbor2 reads and we accept is the same value."""
    assert thawed(load(encode(value))) == value


@given(st.binary(max_size=60))
def test_accepts_nothing_that_cbor2_reads_otherwise(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedError:
        return
    assert thawed(load(data)) == value


@given(st.binary(max_size=200))
def test_load_is_total(data: bytes) -> None:
    try:
        load(data)
    except MalformedError as error:
        assert error.code == "cbor/load"


def test_load_interprets_no_tag() -> None:
    for tag in range(70_000):
        head = bytes.fromhex(f"d9{tag:04x}") if tag < 1 << 16 else b"\xda" + tag.to_bytes(4, "big")
        for content in (b"\x00", b"\x41\x01", b"\x61a", b"\x80", b"\x82\x01\x02", b"\xa0"):
            try:
                assert type(load(head + content)) is cbor2.CBORTag, tag
            except MalformedError:
                break


def test_shared_references_do_not_unfold() -> None:
    links = b"".join(b"\xd8\x1c\x82" + 2 * (b"\xd8\x1d" + encode(i)) for i in range(20))
    bomb = b"\x95\xd8\x1c\x81\x00" + links
    assert len(cbor2.dumps(cbor2.loads(bomb))) > 6_000_000 > 30_000 * len(bomb)
    with pytest.raises(MalformedError, match="cbor/load"):
        load(bomb)
    with pytest.raises(MalformedError, match="cbor/tag"):
        decode(bomb)


def test_size_is_bounded_first() -> None:
    assert decode(b"\x59\xff\xfc" + bytes(65_532)) == bytes(65_532)
    for data in (b"\xff" * (MAX_SIZE + 1), memoryview(bytes(MAX_SIZE + 1))):
        with pytest.raises(MalformedError) as caught:
            decode(data)
        assert (caught.value.code, caught.value.offset) == ("cbor/size", MAX_SIZE)
    assert decode(memoryview(b"\x00"), max_size=1) == 0


@pytest.mark.parametrize("shell", [b"\x81", b"\xa1\x00", b"\xd2"], ids=["arrays", "maps", "tags"])
def test_depth_is_bounded(shell: bytes) -> None:
    decode(shell * MAX_DEPTH + b"\x00")
    with pytest.raises(MalformedError) as caught:
        decode(shell * (MAX_DEPTH + 1) + b"\x00")
    assert (caught.value.code, caught.value.offset) == ("cbor/depth", len(shell) * MAX_DEPTH)
    with pytest.raises(MalformedError, match="cbor/depth"):
        decode(shell * (MAX_SIZE // len(shell) - 1) + b"\x00")
    load(shell * MAX_DEPTH + b"\x00")
    with pytest.raises(MalformedError, match="cbor/load"):
        load(shell * (MAX_DEPTH + 1) + b"\x00")
    decode(b"\x00", max_depth=0)
    with pytest.raises(MalformedError, match="cbor/depth"):
        decode(b"\x80", max_depth=0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x9b" + b"\xff" * 8 + bytes(65_000),
        b"\x5b\x00\x00\x00\xff\xff\xff\xff\xff" + bytes(65_000),
        b"\x99\xff\xfc" + b"\x80" * 65_531 + b"\xff",
        b"\x99\x7f\xff" + b"\x99\x7f\xff" * 10_000,
        b"\xb9\x7f\xfe" + b"".join(b"\x19" + k.to_bytes(2, "big") + b"\x00" for k in range(256, 16_000)),
        (b"\x99\x0f\xff" * 15).ljust(65_535, b"\x80"),
    ],
    ids=["array length", "byte string length", "many arrays", "nested lengths", "map", "deep and wide"],
)
def test_allocates_a_small_multiple_of_the_input(data: bytes) -> None:
    for read in (decode, load):
        tracemalloc.start()
        try:
            with suppress(MalformedError):
                read(data)
            assert tracemalloc.get_traced_memory()[1] < 160 * len(data)
        finally:
            tracemalloc.stop()


def test_an_item_within_others() -> None:
    assert decode_item(b"\x01\x82\x02\x03\xff", 1) == ([2, 3], 4)
