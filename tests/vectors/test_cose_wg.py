"""The COSE working group's examples (github.com/cose-wg/Examples): all 46 files, each with its outcome and why.

verified            the signature is the key's over our Sig_structure
signature/high-s    valid by ECDSA, refused by our rule of low s; the twin with low s verifies
signature/invalid   not the key's, or by ECDSA with another hash than our algorithm for that curve has
key                 no algorithm of ours: P-521, Ed448, HSS-LMS
cose/tag, cbor/tag  not tagged as COSE_Sign1 or COSE_Sign: untagged, another tag, encryption or MAC
cbor/key-order      unprotected header not sorted, which the examples with a countersignature are not

The examples use the older algorithm numbers (-7, -8), which name no curve; our keys know their own.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import cbor2
import pytest

from attest.errors import MalformedError, SignatureError
from attest.format.cose import (
    format_document,
    format_sign1,
    parse_document,
    parse_sign1,
    sig_structure,
    sig_structure1,
)
from attest.trust.keys import CURVES, Alg, PublicKey

OUTCOMES = {
    "CWT/A_3": "verified",
    "CWT/A_4": "cbor/tag",
    "CWT/A_5": "cbor/tag",
    "CWT/A_6": "cbor/tag",
    "CWT/A_7": "cbor/tag",
    "countersign1/Encrypt-01": "cbor/tag",
    "countersign1/Enveloped-01": "cbor/tag",
    "countersign1/Enveloped-02": "cbor/tag",
    "countersign1/mac-01": "cbor/tag",
    "countersign1/mac0-01": "cbor/tag",
    "countersign1/signed-01": "cbor/key-order",
    "countersign1/signed-02": "verified",
    "countersign1/signed1-01": "cbor/key-order",
    "ecdsa-examples/ecdsa-01": "verified",
    "ecdsa-examples/ecdsa-02": "signature/high-s",
    "ecdsa-examples/ecdsa-03": "key",
    "ecdsa-examples/ecdsa-04": "key",
    "ecdsa-examples/ecdsa-sig-01": "signature/high-s",
    "ecdsa-examples/ecdsa-sig-02": "signature/high-s",
    "ecdsa-examples/ecdsa-sig-03": "key",
    "ecdsa-examples/ecdsa-sig-04": "key",
    "eddsa-examples/eddsa-01": "verified",
    "eddsa-examples/eddsa-02": "key",
    "eddsa-examples/eddsa-sig-01": "verified",
    "eddsa-examples/eddsa-sig-02": "key",
    "hashsig/hashsig-01": "key",
    "hashsig/hsssig-sig-01": "key",
    "sign-tests/ecdsa-01": "verified",
    "sign-tests/sign-fail-01": "cbor/tag",
    "sign-tests/sign-fail-02": "signature/invalid",
    "sign-tests/sign-fail-03": "signature/invalid",
    "sign-tests/sign-fail-04": "signature/invalid",
    "sign-tests/sign-fail-06": "signature/invalid",
    "sign-tests/sign-fail-07": "signature/invalid",
    "sign-tests/sign-pass-01": "signature/high-s",
    "sign-tests/sign-pass-02": "verified",
    "sign-tests/sign-pass-03": "cose/tag",
    "sign1-tests/sign-fail-01": "cbor/tag",
    "sign1-tests/sign-fail-02": "signature/invalid",
    "sign1-tests/sign-fail-03": "signature/invalid",
    "sign1-tests/sign-fail-04": "signature/invalid",
    "sign1-tests/sign-fail-06": "signature/invalid",
    "sign1-tests/sign-fail-07": "signature/invalid",
    "sign1-tests/sign-pass-01": "verified",
    "sign1-tests/sign-pass-02": "verified",
    "sign1-tests/sign-pass-03": "cose/tag",
}
ALGORITHMS = {("EdDSA", "Ed25519"): Alg.ED25519, ("ES256", "P-256"): Alg.ESP256, ("ES384", "P-384"): Alg.ESP384}


def octets(key: dict[str, Any], name: str) -> bytes:
    if f"{name}_hex" in key:
        return bytes.fromhex(key[f"{name}_hex"])
    return urlsafe_b64decode(key[name] + "=" * (-len(key[name]) % 4))


def public_key(said: dict[str, Any]) -> PublicKey | None:
    key, headers = said["key"], (said.get("unprotected") or {}) | (said.get("protected") or {})
    alg = ALGORITHMS.get((headers["alg"], key.get("crv")))
    if alg is None:
        return None
    point = octets(key, "x") if alg is Alg.ED25519 else b"\x04" + octets(key, "x") + octets(key, "y")
    return PublicKey(alg, point)


def verify(key: PublicKey | None, signature: bytes, message: bytes) -> str:
    if key is None:
        return "key"
    try:
        key.verify(signature, message)
    except SignatureError as error:
        if error.code != "signature/high-s":
            return error.code
        half = len(signature) // 2
        low = CURVES[key.alg].order - int.from_bytes(signature[half:], "big")
        twin = verify(key, signature[:half] + low.to_bytes(half, "big"), message)
        return error.code if twin == "verified" else twin
    return "verified"


def sign1(example: dict[str, Any], data: bytes) -> tuple[str, bytes]:
    said = example["input"]["sign0"]
    parsed = parse_sign1(data)
    assert format_sign1(parsed) == data
    external = bytes.fromhex(said.get("external", ""))
    message = sig_structure1(parsed.protected, parsed.payload or b"", external)
    return verify(public_key(said), parsed.signature, message), message


def document(example: dict[str, Any], data: bytes) -> tuple[str, bytes]:
    (said,) = example["input"]["sign"]["signers"]
    parsed = parse_document(data)
    assert format_document(parsed) == data
    (signature,) = parsed.signatures
    external = bytes.fromhex(said.get("external", ""))
    message = sig_structure(parsed.protected, signature.protected, parsed.payload or b"", external)
    return verify(public_key(said), signature.signature, message), message


def outcome(example: dict[str, Any], data: bytes) -> str:
    signed = example["input"].keys() & {"sign", "sign0"}
    try:
        if not signed:
            parse_sign1(data)
        one = signed == {"sign0"}
        result, message = sign1(example, data) if one else document(example, data)
    except MalformedError as error:
        return error.code
    steps = example["intermediates"]
    to_be_signed = steps["ToBeSign_hex"] if one else steps["signers"][0]["ToBeSign_hex"]
    assert message.hex() == to_be_signed.lower() or result == "signature/invalid"
    return result


@pytest.mark.parametrize("name", OUTCOMES)
def test_example(shared: Path, name: str) -> None:
    example = json.loads((shared / f"vectors/cose-wg-examples/{name}.json").read_text())
    data = bytes.fromhex(example["output"]["cbor"])
    assert outcome(example, data) == OUTCOMES[name]
    if example.get("fail"):
        assert OUTCOMES[name] in ("signature/invalid", "cbor/tag")


def test_no_example_is_left_out(shared: Path) -> None:
    folder = shared / "vectors/cose-wg-examples"
    assert {path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.json")} == OUTCOMES.keys()


@pytest.mark.parametrize(
    ("name", "tag", "tagged"),
    [
        ("sign-tests/sign-pass-03", b"\xd8\x62", "signature/high-s"),
        ("sign1-tests/sign-pass-03", b"\xd2", "verified"),
    ],
)
def test_untagged_examples_verify_once_tagged(shared: Path, name: str, tag: bytes, tagged: str) -> None:
    example = json.loads((shared / f"vectors/cose-wg-examples/{name}.json").read_text())
    assert outcome(example, tag + bytes.fromhex(example["output"]["cbor"])) == tagged


@pytest.mark.parametrize("name", [name for name, said in OUTCOMES.items() if said == "cbor/key-order"])
def test_unsorted_examples_verify_once_sorted(shared: Path, name: str) -> None:
    example = json.loads((shared / f"vectors/cose-wg-examples/{name}.json").read_text())
    data = bytes.fromhex(example["output"]["cbor"])
    assert outcome(example, cbor2.dumps(cbor2.loads(data), canonical=True)) == "verified"
