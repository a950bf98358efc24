"""CCTV Ed25519: 914 signatures at the edges of the curve, on which libraries differ (c2sp.org/CCTV/ed25519).

We accept exactly the 43 that PyNaCl accepts. All of them are among the 208 that cryptography accepts, so whoever
checks with that library finds no signature of ours wanting. Of the 165 that cryptography accepts and we do not, 122 are
under keys of low order or in a second encoding, which are refused at load, and 43 have an R of low order.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from attest.errors import SignatureError, TrustError
from attest.trust.keys import Alg, PublicKey


def ours(key: bytes, signature: bytes, message: bytes) -> str:
    try:
        PublicKey(Alg.ED25519, key).verify(signature, message)
    except (TrustError, SignatureError) as error:
        return error.code
    return "accepted"


def pynacl(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        return crypto_sign_open(signature + message, key) == message
    except BadSignatureError:
        return False


def cryptography(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_we_accept_what_pynacl_accepts_and_cryptography_accepts_more(shared: Path) -> None:
    seen: Counter[tuple[str, bool, bool]] = Counter()
    for case in json.loads((shared / "vectors/cctv/ed25519vectors.json").read_text()):
        data = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"]), case["msg"].encode()
        verdict = ours(*data), pynacl(*data), cryptography(*data)
        seen[verdict] += 1
        # A key is weak exactly where the vectors say that it is of low order or not canonical.
        assert (verdict[0] == "key/weak") == bool({"low_order_A", "non_canonical_A"} & {*(case["flags"] or [])}), case
    assert seen == {
        ("accepted", True, True): 43,
        ("signature/invalid", False, True): 43,
        ("signature/invalid", False, False): 302,
        ("key/weak", False, True): 122,
        ("key/weak", False, False): 404,
    }
    assert seen.total() == 914


@pytest.mark.parametrize("flag", ["low_order_R", "non_canonical_R", "low_order_residue"])
def test_what_is_accepted_has_none_of_the_edges_that_standards_dispute(shared: Path, flag: str) -> None:
    for case in json.loads((shared / "vectors/cctv/ed25519vectors.json").read_text()):
        if flag in (case["flags"] or []):
            assert ours(bytes.fromhex(case["key"]), bytes.fromhex(case["sig"]), case["msg"].encode()) != "accepted"
