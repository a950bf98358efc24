"""Test keys: signers made from a name, for tests, the simulator and the demo. Anybody can make them.

>>> seeded_key("office").public_key() == seeded_key("office").public_key()
True
"""

from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from attest.sign.keys import PrivateSigner
from attest.trust.keys import CURVES, Alg


@lru_cache(4096)
def seeded_key(name: str, alg: Alg = Alg.ED25519) -> PrivateSigner:
    """The test key of this name and algorithm."""
    seed = sha256(f"attest test key {name}".encode()).digest()
    if alg is Alg.ED25519:
        return PrivateSigner(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    if alg in CURVES:
        secret = int.from_bytes(seed, "big") % (CURVES[alg].order - 1) + 1
        return PrivateSigner(ec.derive_private_key(secret, CURVES[alg].curve))
    kind = mldsa.MLDSA44PrivateKey if alg is Alg.ML_DSA_44 else mldsa.MLDSA65PrivateKey
    return PrivateSigner(kind.from_seed_bytes(seed))
