"""Certificates of timestamp authorities, and the paths from them to a root (RFC 5280 section 6, RFC 3161 section 2.3).

What is asked of a path: each certificate is signed by the next, which is a certificate authority that may sign
certificates and has room below it; each is valid at the time in question; none has a critical extension that is not
understood here; and the first may make timestamps and nothing else. Which root is believed, which algorithm is weak and
what was revoked is asked elsewhere (attest.archive.stamp_verify).

    stamp/certificate   bytes that are no certificate, or one that may not make timestamps
    stamp/path          no path to a root, or one that was not valid at the time
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from attest.errors import MalformedError, TrustError
from attest.report.style import utc

MAX_CERTIFICATE: Final = 1 << 16  # bytes
MAX_PATH: Final = 6  # certificates, the root included
MAX_NAME: Final = 200  # characters of a name in an error
MAX_ISSUERS: Final = 64  # that are tried for one path: refuse to verify forever

END_OF_CALENDAR: Final = 253_402_300_800  # Unix s: the year 10000

_T = TypeVar("_T", bound=x509.ExtensionType)
_PLAIN: Final = {
    ed25519.Ed25519PublicKey: "ed25519",
    mldsa.MLDSA44PublicKey: "ml-dsa-44",
    mldsa.MLDSA65PublicKey: "ml-dsa-65",
    mldsa.MLDSA87PublicKey: "ml-dsa-87",
}
_CURVES: Final = {"secp256r1", "secp384r1", "secp521r1"}
# What a critical extension may be: what is looked at here, and policies, which only say more than is asked.
_UNDERSTOOD: Final = {
    x509.BasicConstraints.oid,
    x509.KeyUsage.oid,
    x509.ExtendedKeyUsage.oid,
    x509.CertificatePolicies.oid,
}


@dataclass(frozen=True)
class Certificate:
    """A certificate with what is asked of it: the kind and bits of its key, the hash that it was signed with ("" where
    the algorithm brings its own), and from when to when it is valid, Unix s, both included."""

    der: bytes
    parsed: x509.Certificate
    key: tuple[str, int]
    key_digest: bytes
    signed_hash: str
    since: int
    until: int

    @property
    def name(self) -> str:
        """Its subject, as it may be written on a screen."""
        return ascii(self.parsed.subject.rfc4514_string())[1:-1][:MAX_NAME]

    def extension(self, kind: type[_T]) -> x509.Extension[_T] | None:
        """An extension, None if it has none of this kind."""
        try:
            return self.parsed.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            return None


@lru_cache(256)
def load_certificate(der: bytes) -> Certificate:
    """Bytes to a certificate. Raises MalformedError `stamp/certificate`."""
    if len(der) > MAX_CERTIFICATE:
        raise MalformedError("stamp/certificate", f"a certificate of {len(der)} bytes, at most {MAX_CERTIFICATE}")
    try:
        parsed = x509.load_der_x509_certificate(der)
        key = parsed.public_key()
        signed = parsed.signature_hash_algorithm
        _ = parsed.subject, parsed.issuer, parsed.extensions
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        since, until = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise MalformedError("stamp/certificate", f"no certificate that can be read: {error}") from error
    return Certificate(
        der,
        parsed,
        key_kind(key),
        sha256(spki).digest(),
        signed.name if signed else "",
        int(since.timestamp()),
        int(until.timestamp()),
    )


def readable(ders: Iterable[bytes]) -> tuple[Certificate, ...]:
    """Those of them that are certificates; what is not is passed over, since it may be none of the path."""
    found = []
    for der in ders:
        with suppress(MalformedError):
            found.append(load_certificate(der))
    return tuple(found)


def key_kind(key: object) -> tuple[str, int]:
    """The kind of a public key and its bits, as a policy lists them; ("unknown", 0) for what no policy can list."""
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return "ecdsa", key.key_size
    return next((name for kind, name in _PLAIN.items() if isinstance(key, kind)), "unknown"), 0


def when(time: int) -> str:
    """Unix seconds as an error says them."""
    return utc(time) if 0 <= time < END_OF_CALENDAR else "no time of this calendar"


def require_timestamping(certificate: Certificate) -> None:
    """Return None if this may make timestamps, and nothing else. Raises TrustError `stamp/certificate`."""
    usage = certificate.extension(x509.ExtendedKeyUsage)
    if usage is None or not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        detail = f"{certificate.name} is not, by a critical extension, for timestamps alone (RFC 3161 section 2.3)"
        raise TrustError("stamp/certificate", detail)
    keys = certificate.extension(x509.KeyUsage)
    if keys is not None and not (keys.value.digital_signature or keys.value.content_commitment):
        raise TrustError("stamp/certificate", f"the key of {certificate.name} is not for signatures")


def paths(
    first: Certificate, pool: Sequence[Certificate], roots: Sequence[Certificate]
) -> Iterator[tuple[Certificate, ...]]:
    """The paths from a certificate to a root, the root last; every signature on them is verified."""
    by_name: dict[bytes, list[Certificate]] = {}
    for candidate in dict.fromkeys((*roots, *pool)):
        by_name.setdefault(candidate.parsed.subject.public_bytes(), []).append(candidate)
    known = {root.der for root in roots}
    tried = 0
    waiting: list[tuple[Certificate, ...]] = [(first,)]
    while waiting:
        path = waiting.pop()
        if path[-1].der in known:
            yield path
            continue
        for issuer in by_name.get(path[-1].parsed.issuer.public_bytes(), ()):
            tried += 1
            if tried > MAX_ISSUERS:
                return
            if len(path) < MAX_PATH and issuer not in path and _issued(path, issuer):
                waiting.append((*path, issuer))


def require_valid(path: Sequence[Certificate], time: int) -> None:
    """Return None if each was valid at a time, Unix s. Raises TrustError `stamp/path`."""
    for certificate in path:
        if not certificate.since <= time <= certificate.until:
            valid = f"{when(certificate.since)} to {when(certificate.until)}"
            raise TrustError("stamp/path", f"{certificate.name} is valid from {valid}, not at {when(time)}")
        critical = {e.oid for e in certificate.parsed.extensions if e.critical} - _UNDERSTOOD
        if critical:
            named = ", ".join(sorted(oid.dotted_string for oid in critical))
            raise TrustError(
                "stamp/path", f"{certificate.name} has critical extensions that are not understood: {named}"
            )


def _issued(path: Sequence[Certificate], issuer: Certificate) -> bool:
    """Did `issuer` sign the last of the path, and may it?"""
    basic = issuer.extension(x509.BasicConstraints)
    if basic is None or not basic.value.ca:
        return False
    # Below this one stand all certificates of the path but the first, which is none of an authority.
    if basic.value.path_length is not None and basic.value.path_length < len(path) - 1:
        return False
    keys = issuer.extension(x509.KeyUsage)
    if keys is not None and not keys.value.key_cert_sign:
        return False
    extended = issuer.extension(x509.ExtendedKeyUsage)
    allowed = (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if extended is not None and not any(usage in extended.value for usage in allowed):
        return False
    try:
        path[-1].parsed.verify_directly_issued_by(issuer.parsed)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
