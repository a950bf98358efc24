"""Private keys of every algorithm behind the one `Signer`: made from a seed or a private key object.

ML-DSA signatures are hedged by the library: two signatures over one message differ. Ed25519 and ECDSA (RFC 6979)
are deterministic.
"""

from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attest.errors import KeyFileError, SignatureError
from attest.sign.signer import Signer
from attest.trust.keys import CURVES, Alg, PublicKey

PrivateKey: TypeAlias = (
    ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey
)
_Public: TypeAlias = (
    ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey
)
# What a key that lies elsewhere signs when it is opened: nothing that a log, a note or a document could hold.
PROBE: Final = b"attest: whose key is this?"


def alg_of(key: object) -> Alg:
    """The algorithm of a private or public key object. Raises KeyFileError for one that attest has no use for."""
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return Alg.ED25519
    if isinstance(key, mldsa.MLDSA44PrivateKey | mldsa.MLDSA44PublicKey):
        return Alg.ML_DSA_44
    if isinstance(key, mldsa.MLDSA65PrivateKey | mldsa.MLDSA65PublicKey):
        return Alg.ML_DSA_65
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        for alg, curve in CURVES.items():
            if key.curve.name == curve.curve.name:
                return alg
    raise KeyFileError("key/algorithm", "the key is of no algorithm that attest signs with")


def public_of(key: _Public) -> PublicKey:
    """A public key object as the key that verifies. Raises KeyFileError, TrustError."""
    alg = alg_of(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return PublicKey(alg, key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    return PublicKey(alg, key.public_bytes_raw())


def ecdsa_signature(alg: Alg, r: int, s: int) -> bytes:
    """r || s with low s: of the two signatures that everybody can make out of one, the one that is verified.

    Raises SignatureError for numbers that are no signature.
    """
    curve = CURVES[alg]
    if not (0 < r < curve.order and 0 < s < curve.order):
        raise SignatureError("signature/invalid", "r and s are not between 0 and the group order")
    size = (curve.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + min(s, curve.order - s).to_bytes(size, "big")


class PrivateSigner:
    """A private key in memory."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self._public = public_of(key.public_key())

    def public_key(self) -> PublicKey:
        """The key that verifies."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Ed25519 and ML-DSA as they are, ECDSA as r || s with low s."""
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message)
        alg = self._public.alg
        der = self._key.sign(message, ec.ECDSA(CURVES[alg].digest, deterministic_signing=True))
        return ecdsa_signature(alg, *decode_dss_signature(der))


def repeats(signer: Signer) -> bool:
    """Whether the key signs the same message with the same bytes each time: one in memory, but for ML-DSA. Of a token
    or a service nobody can say."""
    return isinstance(signer, PrivateSigner) and signer.public_key().alg in (Alg.ED25519, *CURVES)
