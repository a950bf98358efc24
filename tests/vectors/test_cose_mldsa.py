"""ML-DSA in COSE (draft-ietf-cose-dilithium, appendix): three COSE keys and three COSE_Sign1, ML-DSA-44, -65 and -87.

The keys' kid is their thumbprint (RFC 9679) and their private key a seed of zeros. ML-DSA-87 is none of our
algorithms: its envelope is parsed and what it signs is right, and no key of that kind can be made.
"""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from attest.errors import SignatureError, TrustError
from attest.format.cbor import decode
from attest.format.cose import format_sign1, parse_sign1, sig_structure1, verify_sign1
from attest.sign.keys import PrivateSigner
from attest.trust.keys import Alg, PublicKey

PRIVATE = {Alg.ML_DSA_44: mldsa.MLDSA44PrivateKey, Alg.ML_DSA_65: mldsa.MLDSA65PrivateKey}


def read(shared: Path, name: str) -> tuple[dict[str, Any], Any, bytes]:
    """The vector, its key as a map, and its envelope."""
    vector = json.loads((shared / f"vectors/cose-mldsa/{name}.cose.json").read_text())
    # By cbor2 and not by our codec: the keys' maps are not sorted, kid comes first.
    return vector, cbor2.loads(bytes.fromhex(vector["key"])), bytes.fromhex(vector["sign1"])


def test_no_vector_is_left_out(shared: Path) -> None:
    assert {path.name for path in (shared / "vectors/cose-mldsa").glob("*.json")} == {
        f"ML_DSA_{number}.cose.json" for number in (44, 65, 87)
    }


@pytest.mark.parametrize("alg", PRIVATE)
def test_key_and_signature(shared: Path, alg: Alg) -> None:
    vector, cose_key, data = read(shared, alg.name)
    signer = PrivateSigner(PRIVATE[alg].from_seed_bytes(bytes.fromhex(vector["priv"])))
    key = PublicKey(Alg(cose_key[3]), cose_key[-1])
    assert key == signer.public_key()
    assert key.raw.hex() == vector["raw_public_key"]
    assert key.thumbprint == cose_key[2]

    sign1 = parse_sign1(data)
    assert format_sign1(sign1) == data
    assert decode(sign1.protected) == {1: int(alg), 4: key.thumbprint}
    assert sig_structure1(sign1.protected, sign1.payload or b"").hex() == vector["raw_to_be_signed"]
    assert sign1.signature.hex() == vector["raw_signature"]
    assert verify_sign1(sign1, key) == b"hello post quantum signatures"
    with pytest.raises(SignatureError):
        verify_sign1(sign1._replace(payload=b"hello"), key)


def test_ml_dsa_87(shared: Path) -> None:
    vector, cose_key, data = read(shared, "ML_DSA_87")
    sign1 = parse_sign1(data)
    assert format_sign1(sign1) == data
    assert sig_structure1(sign1.protected, sign1.payload or b"").hex() == vector["raw_to_be_signed"]
    with pytest.raises(ValueError, match="-50"):
        Alg(cose_key[3])
    for alg in Alg:
        with pytest.raises(TrustError, match="key/size"):
            PublicKey(alg, cose_key[-1])
