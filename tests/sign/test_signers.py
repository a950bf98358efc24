"""Signers: which signatures repeat, the test keys, and statements as entries of a log."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attest.errors import LogError
from attest.format.bodies import CloseBody
from attest.format.cose import parse_header, verify_sign1
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import MAX_STATEMENT, Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.sign.keys import PrivateSigner
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from attest.trust.keys import CURVES, Alg, format_key

CLOSE = Statement(Kind.CLOSE, b"g" * 32, 4, b"p" * 32, 1_763_000_000, 1_763_000_060, None, CloseBody())


@pytest.mark.parametrize("alg", [Alg.ED25519, *CURVES])
def test_signatures_that_repeat(alg: Alg) -> None:
    signer = seeded_key("repeat", alg)
    assert signer.sign(b"m") == signer.sign(b"m") != signer.sign(b"n")


@pytest.mark.parametrize("alg", [Alg.ML_DSA_44, Alg.ML_DSA_65])
def test_ml_dsa_is_hedged(alg: Alg) -> None:
    """Two signatures over one message differ, so nothing that must repeat byte for byte may hold one."""
    signer = seeded_key("repeat", alg)
    one, two = signer.sign(b"m"), signer.sign(b"m")
    assert one != two
    for signature in (one, two):
        signer.public_key().verify(signature, b"m")


@pytest.mark.parametrize("alg", CURVES)
def test_ecdsa_is_signed_with_low_s(alg: Alg) -> None:
    signer = seeded_key("low", alg)
    for i in range(40):
        signature = signer.sign(bytes([i]))
        assert 0 < int.from_bytes(signature[len(signature) // 2 :], "big") <= CURVES[alg].order // 2


def test_test_keys_do_not_change() -> None:
    """Whoever made fixtures with them must be able to make them again."""
    assert format_key(seeded_key("office").public_key()) == "ed25519:xtJXWsJQhRSj0aFoqtVds6EeEWV2xn5D2Ov23aAsAiE="
    assert {alg.name: seeded_key("office", alg).public_key().thumbprint.hex()[:16] for alg in Alg} == {
        "ED25519": "f0a6efbb98318354",
        "ESP256": "c690432af357f3ec",
        "ESP384": "8c3952a40e71d9d4",
        "ML_DSA_44": "c158afb2b4c1fa83",
        "ML_DSA_65": "f001b2904a4b4ca9",
    }


def test_test_keys_differ() -> None:
    keys = {seeded_key(name, alg).public_key().thumbprint for name in ("a", "b", "ab") for alg in Alg}
    assert len(keys) == 15


def test_a_signer_shows_no_private_key() -> None:
    signer = PrivateSigner(Ed25519PrivateKey.from_private_bytes(b"secret" + bytes(26)))
    assert {name for name in dir(signer) if not name.startswith("_")} == {"public_key", "sign"}
    assert "736563726574" not in repr(signer)


@pytest.mark.parametrize("alg", Alg)
def test_a_statement_as_an_entry(alg: Alg) -> None:
    signer = seeded_key("n1", alg)
    header = header_for(signer, "https://acme.example", "https://acme.example/dc1/n1")
    signed = parse_statement(sign_statement(header, CLOSE, signer))
    verify_sign1(signed.sign1, signer.public_key())
    assert (signed.header, signed.statement) == (header, CLOSE)
    assert header.kid == signer.public_key().thumbprint
    assert parse_header(signed.sign1.protected).alg == alg


def test_a_statement_too_large_for_an_entry() -> None:
    signer = seeded_key("n1")
    header = header_for(signer, "https://acme.example", "https://acme.example/dc1/office")
    fits = CLOSE._replace(kind=Kind.KEYS, body=KeysBody((Void(bytes(60_000)), Void(bytes(5_000)))))
    assert len(sign_statement(header, fits, signer)) <= MAX_STATEMENT
    with pytest.raises(LogError, match="statement/size"):
        sign_statement(header, fits._replace(body=KeysBody((Void(bytes(60_000)), Void(bytes(5_500))))), signer)
