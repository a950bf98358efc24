"""GlueCOSE (github.com/gluecose/test-vectors): all 14 cases of COSE_Sign1, seven to verify and seven to sign.

The envelope and what is signed must be theirs in every case. The signature is checked where we have the algorithm,
ES256 and ES384; ES512 (P-521) and the three of RSA-PSS are none of ours. Our ECDSA signatures are deterministic and
theirs are not, so what we sign is compared up to `fixedOutputLength`, as their README says. All six of their ECDSA
signatures on our curves happen to have a high s: each is refused for that alone, and verifies with the low one.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attest.errors import SignatureError
from attest.format.cose import Sign1, format_sign1, parse_sign1, sig_structure1, verify_sign1
from attest.sign.keys import PrivateSigner
from attest.trust.keys import CURVES, Alg, PublicKey

ALGORITHMS = {"ES256": Alg.ESP256, "ES384": Alg.ESP384}
NAMES = [f"sign1-{verb}-{number:04}" for verb in ("sign", "verify") for number in range(7)]


def read(shared: Path, name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((shared / f"vectors/gluecose/{name}.json").read_text())
    return case


def number(jwk: dict[str, str], name: str) -> bytes:
    return urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4))


def public_key(case: dict[str, Any]) -> PublicKey | None:
    if case["alg"] not in ALGORITHMS:
        return None
    return PublicKey(ALGORITHMS[case["alg"]], b"\x04" + number(case["key"], "x") + number(case["key"], "y"))


def lowered(sign1: Sign1, alg: Alg) -> Sign1:
    """The same with the other s that ECDSA allows."""
    half = len(sign1.signature) // 2
    s = CURVES[alg].order - int.from_bytes(sign1.signature[half:], "big")
    return sign1._replace(signature=sign1.signature[:half] + s.to_bytes(half, "big"))


def judge_theirs(case: dict[str, Any], sign1: Sign1, external: bytes) -> None:
    key = public_key(case)
    if key is None:
        assert case["alg"] in ("ES512", "PS256", "PS384", "PS512")
        return
    with pytest.raises(SignatureError, match="signature/high-s"):
        verify_sign1(sign1, key, external)
    assert verify_sign1(lowered(sign1, key.alg), key, external) == sign1.payload
    with pytest.raises(SignatureError, match="signature/invalid"):
        verify_sign1(lowered(sign1, key.alg), key, external + b"x")


def test_no_case_is_left_out(shared: Path) -> None:
    assert sorted(path.stem for path in (shared / "vectors/gluecose").glob("*.json")) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if "verify" in name])
def test_verify(shared: Path, name: str) -> None:
    case = read(shared, name)
    said = case["sign1::verify"]
    data = bytes.fromhex(said["taggedCOSESign1"]["cborHex"])
    sign1 = parse_sign1(data)
    assert format_sign1(sign1) == data
    assert said["shouldVerify"] is True
    assert "detachedPayload" not in said
    judge_theirs(case, sign1, bytes.fromhex(said.get("external", "")))


@pytest.mark.parametrize("name", [name for name in NAMES if "-sign-" in name])
def test_sign(shared: Path, name: str) -> None:
    case = read(shared, name)
    said = case["sign1::sign"]
    payload, external = bytes.fromhex(said["payload"]), bytes.fromhex(said.get("external", ""))
    protected = bytes.fromhex(said["protectedHeaders"]["cborHex"])
    unprotected = bytes.fromhex(said["unprotectedHeaders"]["cborHex"])
    message = sig_structure1(protected, payload, external)
    assert message.hex() == said["tbsHex"]["cborHex"].lower()
    assert said["detached"] is False

    expected = bytes.fromhex(said["expectedOutput"]["cborHex"])
    theirs = parse_sign1(expected)
    assert theirs[:3] == (protected, unprotected, payload)
    judge_theirs(case, theirs, external)

    alg = ALGORITHMS.get(case["alg"])
    if alg is not None:
        secret = int.from_bytes(number(case["key"], "d"), "big")
        signer = PrivateSigner(ec.derive_private_key(secret, CURVES[alg].curve))
        assert signer.public_key() == public_key(case)
        ours = Sign1(protected, unprotected, payload, signer.sign(message))
        fixed = said["fixedOutputLength"]
        assert format_sign1(ours)[:fixed] == expected[:fixed]
        assert verify_sign1(ours, signer.public_key(), external) == payload
