"""Who is bound by a signed agreement, and what refuses the file."""

import pytest

from attest.agreement import CONTENT_TYPE, parse_agreement, verify_agreement
from attest.agreement.signed import signable_text
from attest.errors import AgreementError, AttestError, EvidenceError, MalformedError, Scope, SignatureError, TrustError
from attest.format.cbor import encode
from attest.format.cose import EMPTY_MAP, Document, format_document, parse_document
from attest.sign.documents import add_signature, sign_document
from attest.sign.seeded import seeded_key
from attest.trust.keys import format_key

ACME, BOREALIS = "https://acme.example", "https://borealis.example"


def signed(example: str, *names: str, content_type: str = CONTENT_TYPE) -> bytes:
    return sign_document(example.encode(), content_type, [seeded_key(name) for name in names])


@pytest.mark.parametrize(
    ("names", "unbound"),
    [
        (("ada", "bob", "dan"), ()),
        (("ada", "bob", "cleo", "dan"), ()),
        (("cleo", "ada"), (BOREALIS,)),
        (("ada", "dan"), (ACME,)),
        (("dan",), (ACME,)),
        (("bob",), (ACME, BOREALIS)),
    ],
)
def test_a_party_is_bound_when_enough_of_its_holders_signed(
    example: str, names: tuple[str, ...], unbound: tuple[str, ...]
) -> None:
    found = verify_agreement(signed(example, *names))
    assert found.unbound == unbound
    assert found.agreement == parse_agreement(example.encode())
    assert sum(len(signers) for signers in found.signers.values()) == len(names)


def test_two_keys_of_one_holder_are_one_vote(example: str) -> None:
    one, two = seeded_key("ada"), seeded_key("ada's other key")
    old = f'"{format_key(one.public_key())}"'
    text = example.replace(old, f'{old}, "{format_key(two.public_key())}"')
    found = verify_agreement(sign_document(text.encode(), CONTENT_TYPE, [one, two]))
    assert found.signers[ACME] == ("Ada, chief executive",)
    assert ACME in found.unbound


def test_parties_sign_one_after_the_other(example: str) -> None:
    first = signed(example, "ada")
    assert verify_agreement(add_signature(add_signature(first, seeded_key("dan")), seeded_key("bob"))).unbound == ()


def test_a_text_without_signatures_is_refused(example: str) -> None:
    for text in (example, "name = 1", "= no TOML"):
        with pytest.raises(AgreementError) as raised:
            verify_agreement(text.encode())
        assert raised.value.code == "agreement/unsigned"
        assert "attest agreement sign" in raised.value.hint


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff\xfe", b"PK\x03\x04", b"\x7fELF" + bytes(60)])
def test_what_is_no_agreement_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(AgreementError) as raised:
        verify_agreement(data)
    assert raised.value.code in {"agreement/unreadable", "agreement/unsigned"}


def refused(data: bytes, kind: type[EvidenceError], code: str) -> None:
    with pytest.raises(kind) as raised:
        verify_agreement(data)
    assert raised.value.code == code
    assert raised.value.scope is Scope.COPY


def test_a_stranger_refuses_the_file(example: str) -> None:
    refused(signed(example, "ada", "bob", "dan", "mallory"), TrustError, "document/signer")


def test_a_witness_or_a_meter_is_a_stranger_too(example: str) -> None:
    refused(signed(example, "north"), TrustError, "document/signer")
    refused(signed(example, "grid dc1"), TrustError, "document/signer")


def test_a_signature_over_another_text_refuses_the_file(example: str) -> None:
    document = parse_document(signed(example, "ada", "bob"))
    for new in (example.replace("2e25 FLOP", "2e26 FLOP"), example + "\n"):
        other = format_document(document._replace(payload=new.encode()))
        with pytest.raises(SignatureError) as raised:
            verify_agreement(other)
        assert raised.value.scope is Scope.COPY


def test_a_document_of_another_kind_is_no_agreement(example: str) -> None:
    refused(signed(example, "ada", content_type="application/vnd.attest.act+cbor"), MalformedError, "document/header")


def test_a_document_without_signatures_is_refused(example: str) -> None:
    document = Document(encode({3: CONTENT_TYPE}), EMPTY_MAP, example.encode(), ())
    with pytest.raises(MalformedError):
        verify_agreement(format_document(document))


def test_a_text_carried_apart_is_refused(example: str) -> None:
    document = parse_document(signed(example, "ada"))
    with pytest.raises((AgreementError, MalformedError)):
        verify_agreement(format_document(document._replace(payload=None)))


def test_no_changed_byte_passes(example: str) -> None:
    data = signed(example, "ada", "bob", "dan")
    for at in {*range(0, 60), *range(60, len(data) - 300, 211), *range(len(data) - 300, len(data))}:
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(AttestError):
            verify_agreement(bytes(changed))
    for size in {0, 1, 2, 50, len(data) - 1}:
        with pytest.raises(AttestError):
            verify_agreement(data[:size])
    with pytest.raises(AttestError):
        verify_agreement(data + b"\x00")


def test_what_is_to_be_signed_is_a_text_or_a_sound_file(example: str) -> None:
    assert signable_text(example.encode()) == signable_text(signed(example, "dan"))
    with pytest.raises(TrustError):
        signable_text(signed(example, "mallory"))
