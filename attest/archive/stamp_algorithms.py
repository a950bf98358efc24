"""The algorithms of timestamp tokens: by which identifiers they are named, and how their signatures are verified.

RSA (PKCS #1 v1.5) and ECDSA over P-256, P-384 and P-521 with the hashes of attest.archive.renewal_tree, Ed25519 (RFC
8419) and ML-DSA (RFC 9882) are verified, all by `cryptography`; any other is UnsupportedError
`unsupported/stamp-algorithm`. The client library that asks authorities (attest.archive.stamps) verifies the first two
alone, does not tell by which algorithms, and is not needed here: who has a record in 2046 needs no more than the base
install.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

from attest.archive.stamp_der import SEQUENCE, Item, malformed, oid
from attest.errors import SignatureError, UnsupportedError

_T = TypeVar("_T")
_NULL: Final = Item(0x05, b"", b"\x05\x00")
_NIST: Final = "2.16.840.1.101.3.4"
_HASHES: Final = {
    oid(f"{_NIST}.2.1"): "sha256",
    oid(f"{_NIST}.2.2"): "sha384",
    oid(f"{_NIST}.2.3"): "sha512",
    oid(f"{_NIST}.2.8"): "sha3-256",
    oid(f"{_NIST}.2.10"): "sha3-512",
}
# Kind of key, and the hash over the attributes: that of the signer where the algorithm does not name one, "" for none.
_RSA: Final = "1.2.840.113549.1.1"
_ECDSA: Final = "1.2.840.10045.4.3"
_SIGNATURES: Final = {
    oid(f"{_RSA}.1"): ("rsa", None),
    oid(f"{_RSA}.11"): ("rsa", "sha256"),
    oid(f"{_RSA}.12"): ("rsa", "sha384"),
    oid(f"{_RSA}.13"): ("rsa", "sha512"),
    oid(f"{_NIST}.3.14"): ("rsa", "sha3-256"),
    oid(f"{_NIST}.3.16"): ("rsa", "sha3-512"),
    oid(f"{_ECDSA}.2"): ("ecdsa", "sha256"),
    oid(f"{_ECDSA}.3"): ("ecdsa", "sha384"),
    oid(f"{_ECDSA}.4"): ("ecdsa", "sha512"),
    oid(f"{_NIST}.3.10"): ("ecdsa", "sha3-256"),
    oid(f"{_NIST}.3.12"): ("ecdsa", "sha3-512"),
    oid("1.3.101.112"): ("ed25519", ""),
    oid(f"{_NIST}.3.17"): ("ml-dsa-44", ""),
    oid(f"{_NIST}.3.18"): ("ml-dsa-65", ""),
    oid(f"{_NIST}.3.19"): ("ml-dsa-87", ""),
}
_LIBRARY: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-512": hashes.SHA3_512(),
}


def hash_of(algorithm: Item) -> str:
    """The hash that an AlgorithmIdentifier names."""
    return _known(algorithm, _HASHES)


def signature_of(algorithm: Item) -> tuple[str, str | None]:
    """The kind of key that it names, and the hash: "" for none, None for that of the content."""
    return _known(algorithm, _SIGNATURES)


def verify_raw(key: object, name: str, signature: bytes, message: bytes) -> None:
    """Return None if a key signed a message under a hash. Raises SignatureError `stamp/signature`."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), _LIBRARY[name])
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(_LIBRARY[name]))
        elif isinstance(
            key,
            ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey,
        ):
            key.verify(signature, message)
        else:
            raise UnsupportedError("unsupported/stamp-algorithm", f"no {type(key).__name__} verifies timestamps here")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise SignatureError("stamp/signature", "the key of the certificate did not sign this") from error


def _known(algorithm: Item, table: Mapping[bytes, _T]) -> _T:
    """What an AlgorithmIdentifier stands for, whose parameters are absent or NULL."""
    parts = algorithm.items(SEQUENCE)
    if not parts:
        malformed("an algorithm without a name")
    if parts[0].oid() not in table or parts[1:] not in ([], [_NULL]):
        detail = f"an algorithm that is not known here, its identifier is {parts[0].oid().hex()}"
        raise UnsupportedError("unsupported/stamp-algorithm", detail)
    return table[parts[0].oid()]
