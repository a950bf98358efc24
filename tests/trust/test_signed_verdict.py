"""Signed verdicts: whose they are, of what they are, and that judging again gives the same bytes."""

import json
from typing import Any

import pytest

from attest import __version__
from attest.errors import AttestError, EvidenceError, Scope
from attest.format.cbor import encode
from attest.format.cose import EMPTY_MAP, Sign1, format_sign1, parse_sign1, sig_structure1
from attest.report.verdict import as_json
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.verdicts import sign_verdict
from attest.trust.keys import Alg
from attest.trust.signed_verdict import CONTENT_TYPE, claims, require_inputs, require_same, verify_verdict
from attest.verdict import as_data
from tests.check.world import honest, judge
from tests.schemas.example import END, world
from tests.schemas.validate import ValidationError, require

JUDGE = seeded_key("judge")
KEYS = {JUDGE.public_key().thumbprint: ("the judge", JUDGE.public_key())}
TEXT = as_json(as_data(world().verdict())).encode()


def refused(data: bytes) -> str:
    with pytest.raises(EvidenceError) as caught:
        verify_verdict(data, KEYS)
    assert caught.value.scope is Scope.COPY
    return caught.value.code


def made(header: dict[int, Any], text: bytes = TEXT, unprotected: bytes = EMPTY_MAP, key: Signer = JUDGE) -> bytes:
    protected = encode(header)  # type: ignore[arg-type]
    return format_sign1(Sign1(protected, unprotected, text, key.sign(sig_structure1(protected, text))))


HEADER = {1: int(Alg.ED25519), 3: CONTENT_TYPE, 4: JUDGE.public_key().thumbprint}


@pytest.mark.parametrize("alg", list(Alg))
def test_what_is_signed_is_read_again(alg: Alg) -> None:
    key = seeded_key("judge", alg)
    signed = verify_verdict(sign_verdict(TEXT, key), {key.public_key().thumbprint: ("x", key.public_key())})
    assert (signed.signer, signed.text) == ("x", TEXT)
    require_same(signed, TEXT)


def test_it_is_valid_by_its_cddl() -> None:
    data = sign_verdict(TEXT, JUDGE)
    require("signed-verdict", data)
    require("verdict-header", parse_sign1(data).protected)
    for wrong in ({**HEADER, 3: "text/plain"}, {**HEADER, 4: b"short"}, {1: -19, 3: CONTENT_TYPE}):
        with pytest.raises(ValidationError):
            require("verdict-header", encode(wrong))
        assert refused(made(wrong)) == "verdict/shape"


def test_it_says_of_what_it_is() -> None:
    verdict = world().verdict()
    said = claims(TEXT)
    assert (said.at, said.version, said.agreement) == (END + 600, __version__, verdict.agreement.hex())
    assert said.copies == (("acme.example/dc1", verdict.parties[0].sites[0].note.hex()),)


def test_another_key_another_byte_and_another_envelope_are_refused() -> None:
    data = sign_verdict(TEXT, JUDGE)
    assert refused(sign_verdict(TEXT, seeded_key("somebody"))) == "verdict/signer"
    assert refused(data.replace(b"unproven", b"breached")) == "signature/invalid"
    assert refused(made(HEADER, key=seeded_key("somebody"))) == "signature/invalid"
    assert refused(made({**HEADER, 1: int(Alg.ESP256)})) == "verdict/shape"
    assert refused(made(HEADER, unprotected=encode({4: b"kid"}))) == "verdict/shape"
    assert refused(made({**HEADER, 5: b""})) == "verdict/shape"
    assert refused(world().entries[4]) == "verdict/shape"
    assert refused(format_sign1(parse_sign1(data)._replace(payload=None))) == "cose/detached"
    assert refused(encode([])) == "cose/tag"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"1",
        b"\xff",
        b"[" * 100_000,
        TEXT.replace(b"attest-verdict/1", b"attest-verdict/2"),
        TEXT.replace(b"2026-11-09T01:10:00Z", b"yesterday"),
        TEXT.replace(b'"at": "2026-11-09T01:10:00Z"', b'"at": 1'),
        TEXT.replace(b'"version": "0.1.0"', b'"version": null'),
        TEXT.replace(b'"parties": [', b'"parties": ["acme", '),
        TEXT.replace(b'"exit_code": 4', b'"exit_code": ' + b"9" * 10_000),
    ],
)
def test_a_payload_that_is_no_verdict_is_refused(text: bytes) -> None:
    assert refused(sign_verdict(text, JUDGE)) == "verdict/shape"


def test_judging_other_things_is_no_comparison() -> None:
    said = claims(TEXT)
    good: dict[str, Any] = {
        "version": said.version,
        "agreement": bytes.fromhex(said.agreement),
        "trust": bytes.fromhex(said.trust or ""),
    }
    require_inputs(said, **good)
    for key, value in (("agreement", bytes(32)), ("trust", bytes(32)), ("trust", None)):
        with pytest.raises(AttestError, match="verdict/other-input"):
            require_inputs(said, **good | {key: value})
    with pytest.raises(EvidenceError, match="unsupported/verdict-version"):
        require_inputs(said, **good | {"version": "0.0.9"})
    signed = verify_verdict(sign_verdict(TEXT, JUDGE), KEYS)
    with pytest.raises(AttestError, match=r"verdict/other-input.*acme\.example/dc1"):
        require_same(signed, as_json(as_data(judge(honest().bundle()))).encode())


def test_other_bytes_of_the_same_are_named_by_place() -> None:
    data = json.loads(TEXT)
    data["parties"][0]["terms"][1]["low"] += 1
    signed = verify_verdict(sign_verdict(as_json(data).encode(), JUDGE), KEYS)
    with pytest.raises(EvidenceError, match=r"verdict/differs.*parties\[0\]\.terms\[1\]\.low is signed as") as caught:
        require_same(signed, TEXT)
    assert caught.value.scope is Scope.COPY
    compact = verify_verdict(sign_verdict(json.dumps(json.loads(TEXT)).encode(), JUDGE), KEYS)
    with pytest.raises(EvidenceError, match="only how it is written"):
        require_same(compact, TEXT)


def test_a_verdict_of_many_megabytes_can_be_signed() -> None:
    data = json.loads(TEXT)
    data["checks"] = [{"code": "term/coverage", "status": "pass", "text": "x" * 200}] * 10_000
    large = as_json(data).encode()
    assert len(large) > 2 << 20
    assert verify_verdict(sign_verdict(large, JUDGE), KEYS).text == large
    with pytest.raises(AttestError, match="verdict/size"):
        sign_verdict(bytes(1 << 26), JUDGE)
