"""Threshold documents: each rule with a document that breaks only it, and whose votes count."""

from collections.abc import Callable

import cbor2
import pytest

from attest.errors import AgreementError, AttestError, MalformedError, SignatureError, TrustError
from attest.format.cbor import encode
from attest.format.cose import (
    EMPTY_MAP,
    MAX_SIGNATURES,
    DocSignature,
    Document,
    format_document,
    parse_document,
    sig_structure,
)
from attest.sign.documents import add_signature, sign_document
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.trust.holders import Holder, Holders, verify_document
from attest.trust.keys import Alg

TYPE = "application/vnd.attest.act+cbor"
PAYLOAD = b"the act"

BOARD = seeded_key("board")
BOARD_2 = seeded_key("board, second key", Alg.ESP256)
WORKS = seeded_key("works council", Alg.ML_DSA_44)
STATE = seeded_key("state", Alg.ML_DSA_65)
STRANGER = seeded_key("stranger")

HOLDERS = Holders(
    2,
    (
        Holder("board", (BOARD.public_key(), BOARD_2.public_key())),
        Holder("works", (WORKS.public_key(),)),
        Holder("state", (STATE.public_key(),)),
    ),
)


def signature(signer: Signer, *, alg: object = None, kid: object = None, **more: object) -> DocSignature:
    """A signature that is valid as such, over whatever header it is given."""
    key = signer.public_key()
    header: dict[int, object] = {
        1: int(key.alg) if alg is None else alg,
        4: key.thumbprint if kid is None else kid,
    }
    header |= {int(name[1:]): value for name, value in more.items()}
    return raw_signature(signer, encode(header))  # type: ignore[arg-type]


def raw_signature(signer: Signer, protected: bytes, unprotected: bytes = EMPTY_MAP) -> DocSignature:
    message = sig_structure(encode({3: TYPE}), protected, PAYLOAD)
    return DocSignature(protected, unprotected, signer.sign(message))


def document(*signatures: DocSignature, ordered: bool = True) -> bytes:
    chosen = sorted(signatures, key=lambda s: s.protected[-32:]) if ordered else signatures
    return format_document(Document(encode({3: TYPE}), EMPTY_MAP, PAYLOAD, tuple(chosen)))


def both() -> tuple[DocSignature, DocSignature]:
    return signature(BOARD), signature(WORKS)


def change(edit: Callable[[Document], Document]) -> bytes:
    return format_document(edit(parse_document(document(*both()))))


def falling() -> bytes:
    low, high = sorted(both(), key=lambda s: s.protected[-32:])
    return document(high, low, ordered=False)


def resigned(content_type: str) -> bytes:
    return sign_document(PAYLOAD, content_type, [BOARD, WORKS])


BROKEN: list[tuple[str, bytes, type[AttestError], str]] = [
    ("bytes after the document", document(*both()) + b"\0", MalformedError, "cbor/trailing"),
    ("the last byte is missing", document(*both())[:-1], MalformedError, "cbor/truncated"),
    ("not tagged", document(*both())[2:], MalformedError, "cose/tag"),
    ("no signature at all", document(), MalformedError, "cose/signatures"),
    ("too many signatures", document(*[signature(BOARD)] * (MAX_SIGNATURES + 1)), MalformedError, "cose/signatures"),
    ("another content type", resigned("application/vnd.attest.agreement+toml"), MalformedError, "document/header"),
    (
        "a content type and more",
        change(lambda d: d._replace(protected=encode({3: TYPE, 16: "x"}))),
        MalformedError,
        "document/header",
    ),
    ("no content type", change(lambda d: d._replace(protected=b"")), MalformedError, "document/header"),
    (
        "an unprotected header",
        change(lambda d: d._replace(unprotected=encode({3: TYPE}))),
        MalformedError,
        "document/header",
    ),
    ("no payload", change(lambda d: d._replace(payload=None)), MalformedError, "document/detached"),
    (
        "a signature with an unprotected header",
        document(
            raw_signature(BOARD, encode({1: -19, 4: BOARD.public_key().thumbprint}), encode({5: b"x"})),
            signature(WORKS),
        ),
        MalformedError,
        "document/header",
    ),
    ("a header with more", document(signature(BOARD, _5=b"x"), signature(WORKS)), MalformedError, "document/header"),
    ("a header without kid", document(raw_signature(BOARD, encode({1: -19}))), MalformedError, "document/header"),
    (
        "a header without alg",
        document(raw_signature(BOARD, encode({4: BOARD.public_key().thumbprint}))),
        MalformedError,
        "document/header",
    ),
    ("a header that is an array", document(raw_signature(BOARD, b"\x82\x32\x40")), MalformedError, "document/header"),
    ("a header that is empty", document(raw_signature(BOARD, b"")), MalformedError, "cbor/truncated"),
    (
        "a header in another encoding",
        document(
            raw_signature(BOARD, b"\xa2\x18\x01\x32\x04\x58\x20" + BOARD.public_key().thumbprint), signature(WORKS)
        ),
        MalformedError,
        "cbor/head",
    ),
    ("alg is a text", document(signature(BOARD, alg="EdDSA"), signature(WORKS)), MalformedError, "document/header"),
    ("alg is true", document(signature(BOARD, alg=True), signature(WORKS)), MalformedError, "document/header"),
    ("a kid of 31 bytes", document(signature(BOARD, kid=bytes(31))), MalformedError, "document/header"),
    ("alg is another than the key's", document(signature(BOARD, alg=-8), signature(WORKS)), TrustError, "document/alg"),
    ("signatures not in order", falling(), MalformedError, "document/order"),
    (
        "one signer twice",
        document(signature(BOARD), signature(BOARD), signature(WORKS)),
        TrustError,
        "document/repeated",
    ),
    ("a signer that nobody knows", document(*both(), signature(STRANGER)), TrustError, "document/signer"),
    (
        "a stranger under a holder's kid",
        document(raw_signature(STRANGER, encode({1: -19, 4: BOARD.public_key().thumbprint})), signature(WORKS)),
        SignatureError,
        "signature/invalid",
    ),
    (
        "another payload",
        change(lambda d: d._replace(payload=b"another act")),
        SignatureError,
        "signature/invalid",
    ),
    ("one holder of two", document(signature(STATE)), TrustError, "document/threshold"),
    ("two keys of one holder", document(signature(BOARD), signature(BOARD_2)), TrustError, "document/threshold"),
]


@pytest.mark.parametrize(("name", "data", "error", "code"), BROKEN, ids=[case[0] for case in BROKEN])
def test_refuses(name: str, data: bytes, error: type[AttestError], code: str) -> None:
    with pytest.raises(error) as caught:
        verify_document(data, HOLDERS, content_type=TYPE)
    assert caught.value.code == code
    assert type(caught.value) is error


def test_a_bad_signature_is_named_even_where_others_suffice() -> None:
    bad = signature(STATE)._replace(signature=bytes(3309))
    with pytest.raises(SignatureError, match="signature/invalid: state"):
        verify_document(document(*both(), bad), HOLDERS, content_type=TYPE)


def test_approves() -> None:
    for signers, names in (
        ([BOARD, WORKS], ("board", "works")),
        ([WORKS, BOARD_2], ("board", "works")),
        ([STATE, BOARD, WORKS], ("board", "state", "works")),
        ([BOARD_2, STATE, BOARD], ("board", "state")),
    ):
        approved = verify_document(sign_document(PAYLOAD, TYPE, signers), HOLDERS, content_type=TYPE)
        assert approved == (PAYLOAD, names)


def test_one_holder_of_one() -> None:
    alone = Holders(1, (Holder("board", (BOARD.public_key(),)),))
    assert verify_document(sign_document(b"", TYPE, [BOARD]), alone, content_type=TYPE) == (b"", ("board",))


def test_every_byte_counts() -> None:
    holders = Holders(2, (Holder("a", (BOARD.public_key(),)), Holder("b", (BOARD_2.public_key(),))))
    data = sign_document(PAYLOAD, TYPE, [BOARD, BOARD_2])
    for place in range(len(data)):
        for bit in (1, 0x80):
            changed = bytearray(data)
            changed[place] ^= bit
            with pytest.raises((MalformedError, SignatureError, TrustError)):
                verify_document(bytes(changed), holders, content_type=TYPE)


@pytest.mark.parametrize(
    ("threshold", "holders", "code"),
    [
        (0, HOLDERS.holders, "holders/threshold"),
        (-1, HOLDERS.holders, "holders/threshold"),
        (4, HOLDERS.holders, "holders/threshold"),
        (1, (), "holders/threshold"),
        (1, (HOLDERS.holders[0], HOLDERS.holders[0]._replace(keys=(STATE.public_key(),))), "holders/names"),
        (1, (HOLDERS.holders[0], Holder("other", (BOARD.public_key(),))), "holders/keys"),
        (1, (Holder("twice", (BOARD.public_key(), BOARD.public_key())),), "holders/keys"),
        (1, (Holder("board", ()),), "holders/keys"),
        (1, tuple(Holder(f"h{i}", (seeded_key(f"h{i}").public_key(),)) for i in range(101)), "holders/names"),
    ],
)
def test_holders_that_cannot_be(threshold: int, holders: tuple[Holder, ...], code: str) -> None:
    with pytest.raises(AgreementError) as caught:
        Holders(threshold, holders)
    assert caught.value.code == code


def test_signatures_are_added_in_any_order() -> None:
    one = add_signature(sign_document(PAYLOAD, TYPE, [BOARD]), BOARD_2)
    other = add_signature(sign_document(PAYLOAD, TYPE, [BOARD_2]), BOARD)
    assert one == other == add_signature(one, BOARD) == sign_document(PAYLOAD, TYPE, [BOARD, BOARD_2])
    assert parse_document(one).payload == PAYLOAD


def test_nothing_is_signed_without_a_payload_or_a_signer() -> None:
    with pytest.raises(MalformedError, match="document/detached"):
        add_signature(change(lambda d: d._replace(payload=None)), STATE)
    with pytest.raises(ValueError, match="somebody"):
        sign_document(PAYLOAD, TYPE, [])


def test_read_by_another_implementation_of_cbor() -> None:
    tag = cbor2.loads(sign_document(PAYLOAD, TYPE, [BOARD]))
    assert (tag.tag, tag.value[0], tag.value[2]) == (98, cbor2.dumps({3: TYPE}), PAYLOAD)
