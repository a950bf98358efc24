"""Public keys: which algorithms, their thumbprints and texts, and verification.

Ed25519 (-19, RFC 9864) is verified by PyNaCl, the stricter of two libraries; ESP256 (-9) and ESP384 (-51, both RFC
9864) and ML-DSA-44 (-48) and ML-DSA-65 (-49, with no context) by `cryptography`. ECDSA signatures are r || s (RFC 9053
section 2.1) with low s, so that nobody can make a second one out of one. Ed25519 keys of low order or in a second
encoding are refused at construction: under the former one signature is good for many messages.

    key/size    another number of bytes than its algorithm's    signature/size     another number of bytes
    key/point   not a point of the curve                        signature/high-s   s above half of the group order
    key/weak    of low order, or a second encoding              signature/invalid  not the key's over these bytes
    key/text    not as `format_key` writes it

A key's `kid` is its COSE Key Thumbprint, SHA-256 of its required parameters (RFC 9679). Its text is
`ALGORITHM:BASE64`, with the compressed point for an elliptic curve:

    >>> key = parse_key("ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    >>> key.alg.name, format_key(key) == "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ('ED25519', True)
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, repeat
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_core_ed25519_add, crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.exceptions import RuntimeError as NaClError

from attest.errors import SignatureError, TrustError
from attest.format.cbor import encode


class Alg(IntEnum):
    """COSE algorithms of keys that sign."""

    ED25519 = -19
    ESP256 = -9
    ESP384 = -51
    ML_DSA_44 = -48
    ML_DSA_65 = -49


_NAMES: Final = {
    Alg.ED25519: "ed25519",
    Alg.ESP256: "p256",
    Alg.ESP384: "p384",
    Alg.ML_DSA_44: "ml-dsa-44",
    Alg.ML_DSA_65: "ml-dsa-65",
}
_SIZES: Final = {Alg.ED25519: 32, Alg.ESP256: 65, Alg.ESP384: 97, Alg.ML_DSA_44: 1312, Alg.ML_DSA_65: 1952}
_ZERO: Final = b"\x01" + bytes(31)  # the neutral point of Ed25519
# A point of order eight: its multiples are all of low order (Chalkias et al. 2020, "Taming the many EdDSAs", table 1).
_ORDER_EIGHT: Final = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
_LOW_ORDER: Final = frozenset(accumulate(repeat(_ORDER_EIGHT, 8), crypto_core_ed25519_add))
_SIGNATURE_SIZES: Final = {Alg.ED25519: 64, Alg.ESP256: 64, Alg.ESP384: 96, Alg.ML_DSA_44: 2420, Alg.ML_DSA_65: 3309}


class Curve(NamedTuple):
    """An elliptic curve for ECDSA: its hash, its COSE number and its group order (SEC 2)."""

    curve: ec.EllipticCurve
    digest: hashes.HashAlgorithm
    number: int
    order: int


CURVES: Final = {
    Alg.ESP256: Curve(
        ec.SECP256R1(), hashes.SHA256(), 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    ),
    Alg.ESP384: Curve(
        ec.SECP384R1(),
        hashes.SHA384(),
        2,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies: `raw` is the uncompressed point 4 || x || y for a curve, else the key's own bytes.

    Raises TrustError `key/size`, `key/point` or `key/weak`.
    """

    alg: Alg
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _SIZES[self.alg]:
            raise TrustError("key/size", f"{_NAMES[self.alg]} keys have {_SIZES[self.alg]} bytes, not {len(self.raw)}")
        if self.alg is Alg.ED25519:
            _require_strong(self.raw)
        elif self.alg in CURVES:
            _ = self._ec

    def __getstate__(self) -> dict[str, object]:
        # The libraries' own key objects, which are made when first needed, do not travel to other processes.
        return {"alg": self.alg, "raw": self.raw}

    @cached_property
    def thumbprint(self) -> bytes:
        """The COSE Key Thumbprint (RFC 9679), 32 bytes."""
        if self.alg is Alg.ED25519:
            required: dict[int, int | bytes] = {1: 1, -1: 6, -2: self.raw}
        elif self.alg in CURVES:
            half = len(self.raw) // 2
            required = {1: 2, -1: CURVES[self.alg].number, -2: self.raw[1 : 1 + half], -3: self.raw[1 + half :]}
        else:
            required = {1: 7, 3: int(self.alg), -1: self.raw}
        return sha256(encode(required)).digest()

    @property
    def signature_size(self) -> int:
        """The bytes of every signature of it."""
        return _SIGNATURE_SIZES[self.alg]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return None if this key signed the message. Raises SignatureError."""
        if self.alg is Alg.ED25519:
            if len(signature) != 64:
                raise SignatureError("signature/size", f"{len(signature)} bytes, not 64")
            try:
                crypto_sign_open(signature + message, self.raw)
            except BadSignatureError:
                raise SignatureError("signature/invalid", "not the key's signature over these bytes") from None
            return
        if len(signature) != _SIGNATURE_SIZES[self.alg]:
            raise SignatureError("signature/size", f"{len(signature)} bytes, not {_SIGNATURE_SIZES[self.alg]}")
        try:
            if self.alg in CURVES:
                self._verify_ecdsa(signature, message)
            else:
                self._ml_dsa.verify(signature, message)
        except InvalidSignature:
            raise SignatureError("signature/invalid", "not the key's signature over these bytes") from None

    def _verify_ecdsa(self, signature: bytes, message: bytes) -> None:
        _, digest, _, order = CURVES[self.alg]
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        if s > order // 2:
            raise SignatureError("signature/high-s", "s is not in the lower half of the group order")
        self._ec.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))

    @cached_property
    def _ec(self) -> ec.EllipticCurvePublicKey:
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[self.alg].curve, self.raw)
        except ValueError:
            raise TrustError("key/point", "not a point of the curve") from None

    @cached_property
    def _ml_dsa(self) -> mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey:
        kind = mldsa.MLDSA44PublicKey if self.alg is Alg.ML_DSA_44 else mldsa.MLDSA65PublicKey
        return kind.from_public_bytes(self.raw)


def _require_strong(raw: bytes) -> None:
    """Refuse what is no point, a point's second encoding, or a point of low order."""
    try:
        canonical = crypto_core_ed25519_add(raw, _ZERO)
    except NaClError:
        raise TrustError("key/point", "not a point of the curve") from None
    if canonical != raw:
        raise TrustError("key/weak", "the second encoding of a point")
    if raw in _LOW_ORDER:
        raise TrustError("key/weak", "a point of low order: signatures under it bind nobody to one message")


def parse_key(text: str) -> PublicKey:
    """The key of a text as `format_key` writes it. Raises TrustError `key/text` and as PublicKey."""
    name, _, encoded = text.partition(":")
    alg = next((alg for alg, known in _NAMES.items() if known == name), None)
    if alg is None:
        raise TrustError("key/text", f"a key begins with one of {', '.join(_NAMES.values())} and a colon")
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError:
        raise TrustError("key/text", "what follows the colon is not base64") from None
    if alg in CURVES:
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[alg].curve, raw)
        except ValueError:
            raise TrustError("key/point", "not a point of the curve") from None
        raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = PublicKey(alg, raw)
    if format_key(key) != text:
        raise TrustError("key/text", "not the one way to write this key")
    return key


def format_key(key: PublicKey) -> str:
    """`ALGORITHM:BASE64`."""
    raw = key.raw
    if key.alg in CURVES:
        half = len(raw) // 2
        raw = bytes((2 + (raw[-1] & 1),)) + raw[1 : 1 + half]
    return f"{_NAMES[key.alg]}:{b64encode(raw).decode()}"
