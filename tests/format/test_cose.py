"""Envelopes: one fault a vector; the fast way and the strict way agree; what a signature is over."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attest.errors import MalformedError, SignatureError
from attest.format import cose
from attest.format.cbor import decode, encode
from attest.format.cose import (
    CONTENT_TYPE,
    EMPTY_MAP,
    MAX_CLAIM,
    MAX_ENVELOPE,
    MAX_PROTECTED,
    MAX_SIGNATURES,
    TYP,
    DocSignature,
    Document,
    Header,
    Sign1,
    format_document,
    format_header,
    format_sign1,
    parse_document,
    parse_header,
    parse_sign1,
    sig_structure,
    sig_structure1,
    verify_sign1,
)
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_payload
from attest.trust.keys import Alg

SIGNER = seeded_key("host")
HEADER = header_for(SIGNER, "https://acme.example", "https://acme.example/dc1/n1")
ENTRY = sign_payload(HEADER, b"p" * 300, SIGNER)
CLAIMS = {1: "https://acme.example", 2: "https://acme.example/dc1/n1"}
KID = bytes(range(32))

SIZES = st.sampled_from([0, 1, 23, 24, 63, 64, 255, 256, 300, 65_535, 65_536])
STRINGS = st.builds(lambda size, byte: bytes([byte]) * size, SIZES, st.integers(0, 255))
MAPS = st.sampled_from([EMPTY_MAP, encode({4: b"11"}), encode({4: b"11", "x": [1, None]})])
SIGN1S = st.builds(Sign1, STRINGS, MAPS, st.none() | STRINGS, STRINGS)
DOCUMENTS = st.builds(
    Document,
    STRINGS,
    MAPS,
    st.none() | STRINGS,
    st.lists(
        st.builds(DocSignature, st.binary(max_size=30), MAPS, st.binary(max_size=70)), min_size=1, max_size=30
    ).map(tuple),
)


def tagged(tag: int, *fields: object) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(tag, list(fields)))


def header(**changed: object) -> bytes:
    names = {"alg": 1, "content_type": 3, "kid": 4, "claims": 15, "typ": 16}
    fields: dict[int, object] = {1: -19, 3: CONTENT_TYPE, 4: KID, 15: CLAIMS, 16: TYP}
    fields |= {names[name]: value for name, value in changed.items()}
    return encode({key: value for key, value in fields.items() if value is not ...})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "cbor/truncated"),
        (ENTRY[:-1], "cbor/truncated"),
        (ENTRY + b"\0", "cbor/trailing"),
        (ENTRY[1:], "cose/tag"),
        (b"\xd8\x62" + ENTRY[1:], "cose/tag"),
        (b"\xd9\x00\x12" + ENTRY[1:], "cbor/head"),
        (b"\xd1" + ENTRY[1:], "cbor/tag"),
        (tagged(18, b"", {}, b""), "cose/shape"),
        (tagged(18, b"", {}, b"", b"", b""), "cose/shape"),
        (cbor2.dumps(cbor2.CBORTag(18, {0: b"", 1: {}, 2: b"", 3: b""})), "cose/shape"),
        (tagged(18, {}, {}, b"", b""), "cose/shape"),
        (tagged(18, b"", [], b"", b""), "cose/shape"),
        (tagged(18, b"", b"\xa0", b"", b""), "cose/shape"),
        (tagged(18, b"", {}, "text", b""), "cose/shape"),
        (tagged(18, b"", {}, b"", None), "cose/shape"),
        (b"\xd2\x9f" + ENTRY[2:] + b"\xff", "cbor/indefinite"),
        (ENTRY.replace(b"\xa0\x59\x01\x2c", b"\xa0\x5a\x00\x00\x01\x2c", 1), "cbor/head"),
        (ENTRY.replace(b"\xa0\x59\x01\x2c", b"\xa1\x18\x04\x41\x00\x59\x01\x2c", 1), "cbor/head"),
        (ENTRY.replace(b"\x58\x40" + ENTRY[-64:], b"\x59\x00\x40" + ENTRY[-64:]), "cbor/head"),
        (bytes(MAX_ENVELOPE + 1), "cbor/size"),
    ],
)
def test_refuses_as_sign1(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_sign1(data)
    assert caught.value.code == code


LONG = b"\x58\x18" + bytes(24)  # a byte string with the shortest head that has two bytes
SHORT = b"\x58\x17" + bytes(23)  # and one that should have one


@pytest.mark.parametrize(
    ("protected", "unprotected", "payload", "signature", "code"),
    [
        (LONG, b"\xa0", LONG, LONG, None),
        (SHORT, b"\xa0", LONG, LONG, "cbor/head"),
        (LONG, b"\xa0", SHORT, LONG, "cbor/head"),
        (LONG, b"\xa0", LONG, SHORT, "cbor/head"),
        (LONG, b"\xa0", b"\x59\x00\xff" + bytes(255), LONG, "cbor/head"),
        (LONG, b"\xa0", b"\x59\x01\x00" + bytes(256), LONG, None),
        (LONG, b"\xa0", LONG, b"\x59\x00\x40" + bytes(64), "cbor/head"),
        (LONG, b"\x80", LONG, LONG, "cose/shape"),
        (LONG, b"\xf6", LONG, LONG, "cose/shape"),
        (LONG, b"\x40", LONG, LONG, "cose/shape"),
        (b"\x78" + LONG[1:], b"\xa0", LONG, LONG, "cose/shape"),
        (LONG, b"\xa0", b"\x78" + LONG[1:], LONG, "cose/shape"),
        (LONG, b"\xa0", LONG, b"\x78" + LONG[1:], "cose/shape"),
        (LONG, b"\xa0", b"\x58\x19" + bytes(24), LONG, "cbor/head"),
        (LONG, b"\xa0", LONG, LONG[:-1], "cbor/truncated"),
        (LONG, b"\xa0", LONG, LONG + b"\0", "cbor/trailing"),
    ],
)
def test_the_usual_shape_and_its_neighbours(
    protected: bytes, unprotected: bytes, payload: bytes, signature: bytes, code: str | None
) -> None:
    data = b"\xd2\x84" + protected + unprotected + payload + signature
    if code is None:
        assert format_sign1(parse_sign1(data)) == data
        return
    with pytest.raises(MalformedError) as caught:
        parse_sign1(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (tagged(18, b"", {}, b"", [[b"", {}, b""]]), "cose/tag"),
        (tagged(98, b"", {}, b""), "cose/shape"),
        (tagged(98, b"", {}, b"", []), "cose/signatures"),
        (tagged(98, b"", {}, b"", b""), "cose/signatures"),
        (tagged(98, b"", {}, b"", [[b"", {}, b""]] * (MAX_SIGNATURES + 1)), "cose/signatures"),
        (tagged(98, b"", {}, b"", [b""]), "cose/shape"),
        (tagged(98, b"", {}, b"", [[b"", {}]]), "cose/shape"),
        (tagged(98, b"", {}, b"", [[b"", {}, b"", b""]]), "cose/shape"),
        (tagged(98, b"", {}, b"", [[b"", {}, None]]), "cose/shape"),
        (tagged(98, b"", {}, b"", [[b"", b"", b""]]), "cose/shape"),
        (tagged(98, b"", {}, b"", [[b"", {}, b""]]) + b"\0", "cbor/trailing"),
        (bytes(MAX_ENVELOPE + 1), "cbor/size"),
    ],
)
def test_refuses_as_document(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_document(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "cbor/truncated"),
        (EMPTY_MAP, "header/keys"),
        (b"\x80", "header/keys"),
        (header(alg=...), "header/keys"),
        (encode(decode(header()) | {2: [1]}), "header/keys"),  # type: ignore[operator]
        (header(alg="ES256"), "header/key"),
        (header(alg=True), "header/key"),
        (header(kid=KID[1:]), "header/key"),
        (header(kid="k" * 32), "header/key"),
        (header(content_type="text/plain"), "header/type"),
        (header(content_type=0), "header/type"),
        (header(typ="application/cose"), "header/type"),
        (header(claims={1: "https://acme.example"}), "header/claims"),
        (header(claims=CLAIMS | {3: "aud"}), "header/claims"),
        (header(claims=[1, 2]), "header/claims"),
        (header(claims=CLAIMS | {1: b"iss"}), "header/claims"),
        (header(claims=CLAIMS | {1: ""}), "header/claims"),
        (header(claims=CLAIMS | {2: "x" * (MAX_CLAIM + 1)}), "header/claims"),
        (header(claims=CLAIMS | {2: "two\nlines"}), "header/claims"),
        (header(claims=CLAIMS | {2: "https://acme.example/\u202etcd"}), "header/claims"),
        (header()[:-1], "cbor/truncated"),
        (header() + b"\0", "cbor/trailing"),
        (bytes(MAX_PROTECTED + 1), "cbor/size"),
    ],
)
def test_refuses_as_header(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_header(data)
    assert caught.value.code == code


def test_header_as_specified() -> None:
    said = Header(-19, KID, "https://acme.example", "https://acme.example/dc1/n1")
    assert format_header(said) == header()
    assert parse_header(header()) == said
    assert list(decode(header())) == [1, 3, 4, 15, 16]  # type: ignore[arg-type]


@given(SIGN1S)
def test_sign1_round_trip(sign1: Sign1) -> None:
    data = format_sign1(sign1)
    assert data == encode(cbor2.CBORTag(18, [sign1[0], decode(sign1[1]), sign1[2], sign1[3]]))
    assert parse_sign1(data) == sign1


@given(DOCUMENTS)
def test_document_round_trip(document: Document) -> None:
    assert parse_document(format_document(document)) == document


@pytest.mark.parametrize("parse", [parse_sign1, parse_document, parse_header])
@given(data=st.binary(max_size=120))
@example(data=b"\xd2\x84\x58")
@example(data=b"\xd2\x84\x58\x18" + bytes(24) + b"\xa0\x59")
def test_total_on_any_bytes(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(MalformedError):
        parse(data)


@given(SIGN1S, st.data())
def test_slicing_accepts_what_the_codec_accepts(sign1: Sign1, data: st.DataObject) -> None:
    """Whatever is changed in a statement, reading it by slicing gives what reading it item by item gives."""
    changed = bytearray(format_sign1(sign1))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, min(len(changed), 300) - 1))
        changed[place] = data.draw(st.sampled_from([0, 0x17, 0x18, 0x40, 0x58, 0x59, 0x5A, 0xA0, 0xA1, 0xF6, 0xFF]))
    usual = cose._parse_usual(bytes(changed))
    if usual is not None:
        assert format_sign1(usual) == bytes(changed)
        protected, unprotected, payload, signature = decode(bytes(changed), max_size=MAX_ENVELOPE).value  # type: ignore[union-attr]
        assert usual == Sign1(protected, encode(unprotected), payload, signature)


@pytest.mark.parametrize("payload", [24, 255, 256, 2_000, 65_000])
def test_statements_are_read_by_slicing(payload: int) -> None:
    assert cose._parse_usual(sign_payload(HEADER, bytes(payload), SIGNER)) is not None


@given(STRINGS, STRINGS, STRINGS)
def test_what_is_signed_is_the_arrays_of_the_standard(protected: bytes, payload: bytes, external: bytes) -> None:
    one = ["Signature1", protected, external, payload]
    assert sig_structure1(protected, payload, external) == cbor2.dumps(one)
    many = ["Signature", protected, protected[1:], external, payload]
    assert sig_structure(protected, protected[1:], payload, external) == cbor2.dumps(many)


def test_a_header_without_entries_is_signed_in_one_way() -> None:
    assert sig_structure1(EMPTY_MAP, b"p") == sig_structure1(b"", b"p")
    assert sig_structure(EMPTY_MAP, EMPTY_MAP, b"p") == sig_structure(b"", b"", b"p")


@pytest.mark.parametrize("alg", Alg)
def test_signed_and_verified(alg: Alg) -> None:
    signer = seeded_key("host", alg)
    entry = sign_payload(header_for(signer, "https://acme.example", "n1"), b"payload", signer)
    sign1 = parse_sign1(entry)
    assert verify_sign1(sign1, signer.public_key()) == b"payload"
    for changed in (
        sign1._replace(payload=b"payloaf"),
        sign1._replace(protected=sign1.protected[:-1] + b"\0"),
        sign1._replace(signature=sign1.signature[:-1] + bytes([sign1.signature[-1] ^ 1])),
    ):
        with pytest.raises(SignatureError):
            verify_sign1(changed, signer.public_key())
    with pytest.raises(SignatureError):
        verify_sign1(sign1, seeded_key("another", alg).public_key())
    with pytest.raises(SignatureError):
        verify_sign1(sign1, signer.public_key(), external=b"x")


def test_a_detached_payload_verifies_nothing() -> None:
    with pytest.raises(MalformedError, match="cose/detached"):
        verify_sign1(parse_sign1(ENTRY)._replace(payload=None), SIGNER.public_key())


@pytest.mark.parametrize(
    "data",
    [
        b"\xd2\x84\x40\xba\x00\xff\xff\xff" + bytes(60_000),
        (b"\xd8\x62\x84\x40\xa0\x40\x99\xff\x00").ljust(60_000, b"\x80"),
        b"\xd2\x84\x40\xa0\x5a\x00\x0f\xff\xf0" + bytes(60_000),
    ],
    ids=["map", "signatures", "payload"],
)
@pytest.mark.parametrize("parse", [parse_sign1, parse_document])
def test_allocates_a_small_multiple_of_the_input(parse: Callable[[bytes], object], data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            parse(data)
        assert tracemalloc.get_traced_memory()[1] < 160 * len(data)
    finally:
        tracemalloc.stop()
