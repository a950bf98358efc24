"""Private keys of every algorithm behind the one `Signer`: made from a seed or a private key object.

ML-DSA signatures are hedged by the library: two signatures over one message differ. Ed25519 and ECDSA (RFC 6979)
are deterministic.
"""

from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attest.errors import KeyFileError
from attest.trust.keys import CURVES, Alg, PublicKey

PrivateKey: TypeAlias = (
    ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey
)


def alg_of(key: object) -> Alg:
    """The algorithm of a private key object. Raises KeyFileError for one that attest has no use for."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Alg.ED25519
    if isinstance(key, mldsa.MLDSA44PrivateKey):
        return Alg.ML_DSA_44
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        return Alg.ML_DSA_65
    if isinstance(key, ec.EllipticCurvePrivateKey):
        for alg, curve in CURVES.items():
            if key.curve.name == curve.curve.name:
                return alg
    raise KeyFileError("key/algorithm", "the key is of no algorithm that attest signs with")


class PrivateSigner:
    """A private key in memory."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self._alg = alg_of(key)
        public = key.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        else:
            raw = public.public_bytes_raw()
        self._public = PublicKey(self._alg, raw)

    def public_key(self) -> PublicKey:
        """The key that verifies."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Ed25519 and ML-DSA as they are, ECDSA as r || s with low s."""
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message)
        curve = CURVES[self._alg]
        der = self._key.sign(message, ec.ECDSA(curve.digest, deterministic_signing=True))
        r, s = decode_dss_signature(der)
        size = (curve.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + min(s, curve.order - s).to_bytes(size, "big")
