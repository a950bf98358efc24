"""Wycheproof: every case of every file that there is, and for each one that we refuse though it is valid, why.

- ECDSA: all valid signatures are accepted whose s is low; the others are refused with `signature/high-s`, because
  whoever sees a signature could otherwise make a second one for the same statement.
- ML-DSA: we sign and verify with the empty context (COSE has no place for another one), and whole messages: cases
  with a context or with only the message representative mu go to the library alone, and our key refuses the former.
- ML-DSA-87 is not one of our algorithms: no key of that kind can be made, so no signature of it is ever checked.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa

from attest.errors import SignatureError, TrustError
from attest.sign.keys import PrivateSigner
from attest.trust.keys import CURVES, Alg, PublicKey

PRIVATE = {Alg.ML_DSA_44: mldsa.MLDSA44PrivateKey, Alg.ML_DSA_65: mldsa.MLDSA65PrivateKey}
FILES = {Alg.ML_DSA_44: "44", Alg.ML_DSA_65: "65"}
ACCEPTED = "accepted"


def cases(shared: Path, name: str, expected: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each group with each of its cases; the file must hold as many as it says, and as we know of."""
    file = json.loads((shared / "vectors/wycheproof" / name).read_text())
    found = [(group, case) for group in file["testGroups"] for case in group["tests"]]
    assert len(found) == file["numberOfTests"] == expected
    yield from found


def outcome(alg: Alg, raw: str, case: dict[str, Any]) -> str:
    try:
        PublicKey(alg, bytes.fromhex(raw)).verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
    except (SignatureError, TrustError) as error:
        return error.code
    return ACCEPTED


def test_ed25519(shared: Path) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for group, case in cases(shared, "ed25519_test.json", 151):
        got = outcome(Alg.ED25519, group["publicKey"]["pk"], case)
        assert (got == ACCEPTED) == (case["result"] == "valid"), case
        seen[case["result"], got] += 1
    assert seen == {
        ("valid", ACCEPTED): 88,
        ("invalid", "signature/invalid"): 51,
        ("invalid", "signature/size"): 12,
    }


def test_ecdsa_p256(shared: Path) -> None:
    order = CURVES[Alg.ESP256].order
    seen: Counter[tuple[str, str]] = Counter()
    for group, case in cases(shared, "ecdsa_secp256r1_sha256_p1363_test.json", 262):
        raw, signature = group["publicKey"]["uncompressed"], bytes.fromhex(case["sig"])
        got = outcome(Alg.ESP256, raw, case)
        seen[case["result"], got] += 1
        s = int.from_bytes(signature[32:], "big")
        if case["result"] == "valid" and s > order // 2:
            assert got == "signature/high-s", case
            low = case | {"sig": (signature[:32] + (order - s).to_bytes(32, "big")).hex()}
            assert outcome(Alg.ESP256, raw, low) == ACCEPTED, case
        else:
            assert (got == ACCEPTED) == (case["result"] == "valid"), case
    assert seen == {
        ("valid", ACCEPTED): 103,
        ("valid", "signature/high-s"): 70,
        ("invalid", "signature/high-s"): 45,
        ("invalid", "signature/invalid"): 23,
        ("invalid", "signature/size"): 21,
    }


@pytest.mark.parametrize(("alg", "expected", "accepted"), [(Alg.ML_DSA_44, 180, 75), (Alg.ML_DSA_65, 210, 77)])
def test_ml_dsa_verify(shared: Path, alg: Alg, expected: int, accepted: int) -> None:
    seen: Counter[str] = Counter()
    for group, case in cases(shared, f"mldsa_{FILES[alg]}_verify_test.json", expected):
        got = outcome(alg, group["publicKey"], case)
        context = bytes.fromhex(case.get("ctx", ""))
        if context:
            assert got in ("signature/invalid", "signature/size", "key/size"), case
            verified = library(alg, group["publicKey"], case, context)
            assert verified == (case["result"] == "valid"), case
        else:
            assert (got == ACCEPTED) == (case["result"] == "valid"), case
        seen[got] += 1
    assert (seen[ACCEPTED], seen["key/size"], seen["signature/size"]) == (accepted, 4, 3)
    assert seen["signature/invalid"] == expected - accepted - 7


def library(alg: Alg, raw: str, case: dict[str, Any], context: bytes) -> bool:
    """Whether the library, asked with the case's context, accepts."""
    kind = mldsa.MLDSA44PublicKey if alg is Alg.ML_DSA_44 else mldsa.MLDSA65PublicKey
    try:
        key = kind.from_public_bytes(bytes.fromhex(raw))
        key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]), context)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("alg", "expected", "contexts", "mus"), [(Alg.ML_DSA_44, 86, 3, 8), (Alg.ML_DSA_65, 105, 3, 17)]
)
def test_ml_dsa_sign_seed(shared: Path, alg: Alg, expected: int, contexts: int, mus: int) -> None:
    """The seed gives the public key; the deterministic signature of the vector, and our hedged one, verify."""
    seen: Counter[str] = Counter()
    for group, case in cases(shared, f"mldsa_{FILES[alg]}_sign_seed_test.json", expected):
        seed, context = bytes.fromhex(group["privateSeed"]), bytes.fromhex(case.get("ctx", ""))
        if "IncorrectPrivateKeyLength" in case["flags"]:
            with pytest.raises(ValueError, match="seed"):
                PRIVATE[alg].from_seed_bytes(seed)
            seen["no such seed"] += 1
            continue
        private = PRIVATE[alg].from_seed_bytes(seed)
        signer = PrivateSigner(private)
        key, signature = signer.public_key(), bytes.fromhex(case["sig"])
        assert key.raw.hex() == group["publicKey"]
        if "InvalidContext" in case["flags"]:
            with pytest.raises(ValueError, match="Context"):
                private.sign(bytes.fromhex(case["msg"]), context)
            seen["no such context"] += 1
        elif "msg" not in case:
            private.public_key().verify_mu(signature, bytes.fromhex(case["mu"]))
            seen["mu"] += 1
        elif context:
            message = bytes.fromhex(case["msg"])
            private.public_key().verify(signature, message, context)
            with pytest.raises(SignatureError, match="signature/invalid"):
                key.verify(signature, message)
            seen["context"] += 1
        else:
            message = bytes.fromhex(case["msg"])
            key.verify(signature, message)
            key.verify(signer.sign(message), message)
            seen["message"] += 1
    others = {"no such seed": 3, "no such context": 1, "context": contexts, "mu": mus}
    assert seen == {**others, "message": expected - sum(others.values())}


def test_ml_dsa_87(shared: Path) -> None:
    file = json.loads((shared / "vectors/wycheproof/mldsa_87_verify_test.json").read_text())
    assert (file["algorithm"], file["numberOfTests"]) == ("ML-DSA-87", 241)
    with pytest.raises(ValueError, match="-50"):
        Alg(-50)
    sizes = Counter(len(group["publicKey"]) // 2 for group in file["testGroups"] for _ in group["tests"])
    assert sizes.total() == 241
    for group in file["testGroups"]:
        for alg in Alg:
            with pytest.raises(TrustError):
                PublicKey(alg, bytes.fromhex(group["publicKey"]))
