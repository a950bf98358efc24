"""A timestamp token: CMS SignedData over a TSTInfo (RFC 3161 section 2.4.2, RFC 5652 section 5, RFC 5816).

`parse_token` takes the bytes apart and verifies nothing; `verify_token` verifies that the key of a certificate signed
them. Message imprint, time and nonce stand in its TSTInfo, whose digest is one of the signed attributes. It has exactly
one signer, whom it names by issuer and serial number or by key identifier, and whose certificate's digest it signs, too
(ESSCertID, ESSCertIDv2), so that no other certificate of the same key can be put in its place.

    stamp/malformed     not what RFC 3161 says a token is
    stamp/certificate   the signer's certificate is not there, or is another than was signed
    stamp/signature     not signed by the certificate's key, or over something else
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from cryptography import x509

from attest.archive.renewal_tree import digest
from attest.archive.stamp_algorithms import hash_of, signature_of, verify_raw
from attest.archive.stamp_certificates import Certificate, readable
from attest.archive.stamp_der import INTEGER, OID, SEQUENCE, SET, Item, item, malformed, oid
from attest.errors import SignatureError, TrustError

MAX_TOKEN: Final = 1 << 18  # bytes: a chain of ML-DSA-87 certificates fits
MAX_CERTIFICATES: Final = 32
MAX_ACCURACY: Final = 86_400  # seconds

_SIGNED_DATA: Final = oid("1.2.840.113549.1.7.2")
_TST_INFO: Final = oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE: Final = oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = oid("1.2.840.113549.1.9.4")
_CERTIFICATE_V1: Final = oid("1.2.840.113549.1.9.16.2.12")
_CERTIFICATE_V2: Final = oid("1.2.840.113549.1.9.16.2.47")


class Signer(NamedTuple):
    """Who signed, and how.

    `names` is how the certificate is named: (issuer, serial) or (key identifier,). `content_hash` and `content_digest`
    are of the TSTInfo, `certificate_hash` and `certificate_digest` of the certificate, `hash` ("" for none) and `kind`
    of the signature over `attributes`.
    """

    names: tuple[bytes, int] | tuple[bytes]
    content_hash: str
    content_digest: bytes
    certificate_hash: str
    certificate_digest: bytes
    hash: str
    kind: str
    attributes: bytes
    signature: bytes


class Token(NamedTuple):
    """What a token says. `time` is genTime in whole Unix seconds; `latest` the end of its accuracy, rounded up: by then
    at the latest its authority had seen the digest."""

    imprint_hash: str
    imprint: bytes
    time: int
    latest: int
    nonce: int | None
    certificates: tuple[Certificate, ...]
    content: bytes
    signer: Signer


def parse_token(data: bytes) -> Token:
    """A token's bytes to what they say. Raises MalformedError, UnsupportedError."""
    if len(data) > MAX_TOKEN:
        malformed(f"{len(data)} bytes, at most {MAX_TOKEN}")
    signed = _content_info(item(data))
    if len(signed) < 4:
        malformed("SignedData without content or signers")
    _, _, encapsulated, *rest = signed
    content = _content(encapsulated)
    certificates: tuple[Certificate, ...] = ()
    for optional in rest[:-1]:
        if optional.tag == 0xA0:
            raw = optional.items(0xA0)
            if len(raw) > MAX_CERTIFICATES:
                malformed(f"{len(raw)} certificates, at most {MAX_CERTIFICATES}")
            # Attribute certificates (tagged) vouch for nothing that is asked here.
            certificates = readable(one.whole for one in raw if one.tag == SEQUENCE)
    signers = rest[-1].items(SET)
    if len(signers) != 1:
        malformed(f"{len(signers)} signers, not one")
    return _tst_info(content, certificates, _signer(signers[0]))


def signer_of(token: Token, pool: Sequence[Certificate]) -> Certificate:
    """The certificate of who signed, among those given and the token's own. Raises TrustError `stamp/certificate`."""
    signer = token.signer
    for certificate in (*token.certificates, *pool):
        named = _named(certificate, signer.names)
        if named and hashlib.new(signer.certificate_hash, certificate.der).digest() == signer.certificate_digest:
            return certificate
    raise TrustError(
        "stamp/certificate", "no certificate that can be read here is the one that the token names as its signer's"
    )


def verify_token(token: Token, certificate: Certificate) -> None:
    """Return None if the certificate's key signed the token. Raises SignatureError `stamp/signature`."""
    signer = token.signer
    if digest(signer.content_hash, token.content) != signer.content_digest:
        raise SignatureError("stamp/signature", "what is signed is the digest of something else than this TSTInfo")
    if certificate.key[0] != signer.kind:
        raise SignatureError("stamp/signature", f"a signature of {signer.kind} by a key of {certificate.key[0]}")
    verify_raw(certificate.parsed.public_key(), signer.hash, signer.signature, signer.attributes)


def _named(certificate: Certificate, names: tuple[bytes, int] | tuple[bytes]) -> bool:
    if len(names) == 2:
        return (certificate.parsed.issuer.public_bytes(), certificate.parsed.serial_number) == names
    key = certificate.extension(x509.SubjectKeyIdentifier)
    return key is not None and key.value.digest == names[0]


def _content_info(outer: Item) -> list[Item]:
    """The items of the SignedData inside."""
    parts = outer.items(SEQUENCE)
    if len(parts) != 2 or parts[0].oid() != _SIGNED_DATA:
        malformed("no SignedData")
    return _one(parts[1].items(0xA0)).items(SEQUENCE)


def _content(encapsulated: Item) -> bytes:
    """The bytes of the TSTInfo."""
    parts = encapsulated.items(SEQUENCE)
    if len(parts) != 2 or parts[0].oid() != _TST_INFO:
        malformed("what is signed is no TSTInfo")
    return _one(parts[1].items(0xA0)).octets()


def _tst_info(content: bytes, certificates: tuple[Certificate, ...], signer: Signer) -> Token:
    parts = item(content).items(SEQUENCE)
    if len(parts) < 5 or parts[0].integer() != 1:
        malformed("a TSTInfo of another version, or without a time")
    _, policy, imprint, serial, made, *rest = parts
    policy.require(OID)
    serial.require(INTEGER)
    algorithm, value = _two(imprint.items(SEQUENCE))
    time, fraction = made.time()
    # Accuracy (SEQUENCE), ordering (BOOLEAN), nonce (INTEGER), [0] tsa and [1] extensions, any of which may lack.
    accuracy = next((_accuracy(part) for part in rest if part.tag == SEQUENCE), 0)
    nonce = next((part.integer() for part in rest if part.tag == INTEGER), None)
    latest = time + fraction + accuracy
    return Token(hash_of(algorithm), value.octets(), time, latest, nonce, certificates, content, signer)


def _accuracy(accuracy: Item) -> int:
    """Whole seconds, rounded up."""
    seconds = 0
    for part in accuracy.items(SEQUENCE):
        number = int.from_bytes(part.content, "big")
        seconds += number if part.tag == INTEGER else bool(number)
    if seconds > MAX_ACCURACY:
        malformed(f"an accuracy of {seconds} s, at most {MAX_ACCURACY}")
    return seconds


def _signer(info: Item) -> Signer:
    parts = info.items(SEQUENCE)
    if len(parts) < 6 or parts[3].tag != 0xA0:
        malformed("a signer without signed attributes")
    _, sid, content_algorithm, attributes, algorithm, signature = parts[:6]
    found = _attributes(attributes)
    if _value(found, _CONTENT_TYPE).oid() != _TST_INFO:
        malformed("the signed content type is not that of a TSTInfo")
    content_hash = hash_of(content_algorithm)
    kind, name = signature_of(algorithm)
    certificate_hash, certificate_digest = _certificate_id(found)
    return Signer(
        _sid(sid),
        content_hash,
        _value(found, _MESSAGE_DIGEST).octets(),
        certificate_hash,
        certificate_digest,
        content_hash if name is None else name,
        kind,
        bytes((SET,)) + attributes.whole[1:],  # RFC 5652 section 5.4: signed with the tag that the set has
        signature.octets(),
    )


def _sid(sid: Item) -> tuple[bytes, int] | tuple[bytes]:
    if sid.tag == 0x80:
        return (sid.content,)
    issuer, serial = _two(sid.items(SEQUENCE))
    return issuer.whole, serial.integer()


def _attributes(attributes: Item) -> dict[bytes, Item]:
    """The one value of each attribute, by its type."""
    found: dict[bytes, Item] = {}
    for attribute in attributes.items(0xA0):
        kind, values = _two(attribute.items(SEQUENCE))
        if kind.oid() in found:
            malformed("a signed attribute twice")
        found[kind.oid()] = _one(values.items(SET))
    return found


def _value(attributes: Mapping[bytes, Item], kind: bytes) -> Item:
    if kind not in attributes:
        malformed("a signed attribute is missing: content type, message digest or signing certificate")
    return attributes[kind]


def _certificate_id(attributes: Mapping[bytes, Item]) -> tuple[str, bytes]:
    """The hash and digest of the signer's certificate, which is the first of a SigningCertificateV2 (RFC 5035)."""
    if _CERTIFICATE_V2 in attributes:
        first, *rest = _first(attributes[_CERTIFICATE_V2])
        if first.tag != SEQUENCE:
            return "sha256", first.octets()  # its default
        return hash_of(first), _one(rest[:1]).octets()
    # RFC 3161's own attribute has SHA-1. It only says which certificate is meant; nothing that is believed rests on it.
    return "sha1", _first(_value(attributes, _CERTIFICATE_V1))[0].octets()


def _first(signing_certificate: Item) -> list[Item]:
    """The items of the first identifier of a certificate."""
    at = signing_certificate
    for _ in range(2):  # the attribute's list of identifiers, and its first
        inner = at.items(SEQUENCE)
        if not inner:
            malformed("a signing certificate attribute without a certificate")
        at = inner[0]
    found = at.items(SEQUENCE)
    if not found:
        malformed("an identifier of a certificate without a digest")
    return found


def _one(items: list[Item]) -> Item:
    if len(items) != 1:
        malformed(f"{len(items)} items where one should stand")
    return items[0]


def _two(items: list[Item]) -> tuple[Item, Item]:
    if len(items) != 2:
        malformed(f"{len(items)} items where two should stand")
    return items[0], items[1]
