"""Timestamp authorities for tests: roots, certificates, tokens of any time, revocation lists and OCSP replies.

All keys are test keys, made from names. Tokens are written here as RFC 3161 and RFC 5652 say and not by the program,
and test_stamp_vectors.py shows that OpenSSL and rfc3161-client take them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import new, sha256
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from attest.archive.renewal_records import Revocation, Stamp
from attest.archive.stamp_der import oid

HASHES: Final = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-512": hashes.SHA3_512(),
}
HASH_OIDS: Final = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3-256": "2.16.840.1.101.3.4.2.8",
    "sha3-512": "2.16.840.1.101.3.4.2.10",
    "sha1": "1.3.14.3.2.26",
}
SIGNATURE_OIDS: Final = {
    ("p256", "sha256"): "1.2.840.10045.4.3.2",
    ("p256", "sha512"): "1.2.840.10045.4.3.4",
    ("p384", "sha256"): "1.2.840.10045.4.3.2",
    ("p384", "sha384"): "1.2.840.10045.4.3.3",
    ("p384", "sha512"): "1.2.840.10045.4.3.4",
    ("p384", "sha3-256"): "2.16.840.1.101.3.4.3.10",
    ("p384", "sha3-512"): "2.16.840.1.101.3.4.3.12",
    ("rsa", "sha256"): "1.2.840.113549.1.1.11",
    ("rsa", "sha512"): "1.2.840.113549.1.1.13",
    ("ed25519", "sha512"): "1.3.101.112",
    ("ml-dsa-44", "sha512"): "2.16.840.1.101.3.4.3.17",
    ("ml-dsa-65", "sha512"): "2.16.840.1.101.3.4.3.18",
    ("ml-dsa-65", "sha3-512"): "2.16.840.1.101.3.4.3.18",
    ("ml-dsa-87", "sha512"): "2.16.840.1.101.3.4.3.19",
}
PRIVATE: Final[dict[str, Callable[[bytes], Any]]] = {
    "p256": lambda seed: ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1()),
    "p384": lambda seed: ec.derive_private_key(int.from_bytes(seed), ec.SECP384R1()),
    "rsa": lambda _: rsa.generate_private_key(65537, 2048),  # no seed gives an RSA key: generated for each run
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes,
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.from_seed_bytes,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.from_seed_bytes,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.from_seed_bytes,
}
DAY: Final = 86_400


def at(year: int, month: int = 1, day: int = 1) -> int:
    """A day's beginning as Unix seconds."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def private_key(name: str, alg: str) -> Any:
    """The test key of a name."""
    return PRIVATE[alg](sha256(f"attest test authority {name}".encode()).digest())


def tlv(tag: int, *contents: bytes) -> bytes:
    """A DER item."""
    body = b"".join(contents)
    size = len(body)
    width = (size.bit_length() + 7) // 8
    return bytes((tag,)) + (bytes((size,)) if size < 128 else bytes((128 | width,)) + size.to_bytes(width)) + body


def integer(number: int) -> bytes:
    """A DER INTEGER."""
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    """An AlgorithmIdentifier."""
    return tlv(0x30, tlv(0x06, oid(dotted)), *parameters)


def attribute(dotted: str, *values: bytes) -> bytes:
    """A CMS attribute."""
    return tlv(0x30, tlv(0x06, oid(dotted)), tlv(0x31, *values))


class Imprint(NamedTuple):
    """What a request asks for."""

    hash: str
    digest: bytes
    nonce: int | None


@dataclass(frozen=True)
class Authority:
    """A root with its key; `url` is where its revocation list and its responder are, in certificates that it signs."""

    name: str
    since: int
    until: int
    alg: str = "p256"
    hash: str = "sha256"
    url: str = ""

    @cached_property
    def key(self) -> Any:
        return private_key(f"{self.name} root {self.since}", self.alg)

    @cached_property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name} root {self.since}")])

    @cached_property
    def root(self) -> x509.Certificate:
        builder = self.builder(self.subject, self.key.public_key(), 1, self.since, self.until)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        return self.signed(builder.add_extension(usage(key_cert_sign=True, crl_sign=True), True))

    @property
    def pem(self) -> str:
        return self.root.public_bytes(Encoding.PEM).decode()

    def builder(self, subject: x509.Name, key: Any, serial: int, since: int, until: int) -> x509.CertificateBuilder:
        """A certificate that this root would sign, without extensions."""
        builder = x509.CertificateBuilder(self.subject, subject, key, serial)
        return builder.not_valid_before(moment(since)).not_valid_after(moment(until))

    def signed(self, builder: Any) -> Any:
        """What a builder of certificates or revocation lists makes with the root's key."""
        if self.alg in ("p256", "p384"):
            return builder.sign(self.key, HASHES[self.hash], ecdsa_deterministic=True)
        return builder.sign(self.key, HASHES[self.hash] if self.alg == "rsa" else None)

    def crl(self, time: int, revoked: Sequence["Revoked"] = (), *, days: int = 7) -> bytes:
        """The revocation list of a time."""
        builder = x509.CertificateRevocationListBuilder(self.subject, moment(time), moment(time + days * DAY))
        for one in revoked:
            entry = x509.RevokedCertificateBuilder(one.serial, moment(one.time))
            if one.reason is not None:
                entry = entry.add_extension(x509.CRLReason(one.reason), False)
            if one.invalid is not None:
                entry = entry.add_extension(x509.InvalidityDate(datetime.fromtimestamp(one.invalid, UTC)), False)
            builder = builder.add_revoked_certificate(entry.build())
        data: bytes = self.signed(builder).public_bytes(Encoding.DER)
        return data

    def ocsp(self, certificate: x509.Certificate, time: int, revoked: "Revoked | None" = None) -> bytes:
        """The OCSP reply of a time."""
        state = ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate, self.root, hashes.SHA1(), state, moment(time), moment(time + DAY),
            None if revoked is None else moment(revoked.time), None if revoked is None else revoked.reason,
        )  # fmt: skip
        response = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, self.root).sign(self.key, HASHES[self.hash])
        return response.public_bytes(Encoding.DER)


class Revoked(NamedTuple):
    """A line of a revocation list."""

    serial: int
    time: int
    reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise
    invalid: int | None = None


@dataclass(frozen=True)
class Operator:
    """What an authority stamps with for some years: a key, and a certificate by its root."""

    authority: Authority
    since: int
    until: int
    alg: str = "p256"
    hash: str = "sha256"  # of content and attributes
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,)
    critical: bool = True

    @cached_property
    def key(self) -> Any:
        return private_key(f"{self.authority.name} operator {self.since}", self.alg)

    @property
    def serial(self) -> int:
        return self.since

    @cached_property
    def certificate(self) -> x509.Certificate:
        authority = self.authority
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{authority.name} {self.since}")])
        builder = authority.builder(subject, self.key.public_key(), self.serial, self.since, self.until)
        builder = builder.add_extension(usage(digital_signature=True), True)
        if self.usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.usages), self.critical)
        if authority.url:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{authority.url}/crl")], None, None, None)
            responder = x509.UniformResourceIdentifier(f"{authority.url}/ocsp")
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, responder)
            builder = builder.add_extension(x509.CRLDistributionPoints([place]), False)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
        certificate: x509.Certificate = authority.signed(builder)
        return certificate

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_digest(self) -> str:
        """What a policy distrusts it by."""
        from attest.archive.stamp_certificates import load_certificate

        return load_certificate(self.der).key_digest.hex()

    def sign(self, message: bytes) -> bytes:
        """By its key."""
        if self.alg in ("p256", "p384"):
            signature: bytes = self.key.sign(message, ec.ECDSA(HASHES[self.hash], deterministic_signing=True))
        elif self.alg == "rsa":
            signature = self.key.sign(message, PKCS1v15(), HASHES[self.hash])
        else:
            signature = self.key.sign(message)
        return signature

    def stamp(self, message: bytes, time: int, *, imprint: str = "sha512", revoked: Sequence[Revoked] = ()) -> Stamp:
        """A stamp over a message, with the revocation list of its time."""
        asked = Imprint(imprint, digest(imprint, message), None)
        crl = self.authority.crl(time - DAY, revoked)
        return Stamp(self.token(asked, time), (self.authority.root.public_bytes(Encoding.DER),), Revocation((crl,)))

    def token(self, asked: Imprint, time: int, **changes: Any) -> bytes:
        """A token; `changes` are the parts of a TokenParts that are not as they should be."""
        return TokenParts(self, asked, time, **changes).der()


@dataclass(frozen=True)
class TokenParts:
    """All of a token that a test may want otherwise."""

    operator: Operator
    asked: Imprint
    time: int
    version: int = 1
    gen_time: bytes = b""
    accuracy: bytes = b""
    content_type: str = "1.2.840.113549.1.9.16.1.4"
    certificates: Sequence[bytes] | None = None
    ess: str = "v2"  # v1: with SHA-1; "": neither
    ess_der: bytes | None = None
    signers: int = 1
    signature_algorithm: bytes = b""
    key_identifier: bytes = b""
    other_content: bytes = b""  # signed in place of the TSTInfo
    spoil: Callable[[bytes], bytes] = lambda signature: signature

    def content(self) -> bytes:
        gen_time = self.gen_time or datetime.fromtimestamp(self.time, UTC).strftime("%Y%m%d%H%M%SZ").encode()
        nonce = b"" if self.asked.nonce is None else integer(self.asked.nonce)
        imprint = tlv(0x30, algorithm(HASH_OIDS[self.asked.hash]), tlv(0x04, self.asked.digest))
        return tlv(
            0x30, integer(self.version), tlv(0x06, oid("1.2.3.4.1")), imprint, integer(7),
            tlv(0x18, gen_time), self.accuracy, nonce,
        )  # fmt: skip

    def attributes(self, content: bytes) -> list[bytes]:
        operator = self.operator
        found = [
            attribute("1.2.840.113549.1.9.3", tlv(0x06, oid("1.2.840.113549.1.9.16.1.4"))),
            attribute("1.2.840.113549.1.9.4", tlv(0x04, digest(operator.hash, self.other_content or content))),
        ]
        der = self.ess_der or operator.der
        if self.ess == "v2":
            name = b"" if operator.hash == "sha256" else algorithm(HASH_OIDS[operator.hash])
            one = tlv(0x30, name, tlv(0x04, digest(operator.hash, der)))
            found.append(attribute("1.2.840.113549.1.9.16.2.47", tlv(0x30, tlv(0x30, one))))
        elif self.ess == "v1":
            one = tlv(0x30, tlv(0x04, digest("sha1", der)))
            found.append(attribute("1.2.840.113549.1.9.16.2.12", tlv(0x30, tlv(0x30, one))))
        return sorted(found)

    def der(self) -> bytes:
        operator = self.operator
        content = self.content()
        attributes = b"".join(self.attributes(content))
        certificate = operator.certificate
        sid = tlv(0x30, certificate.issuer.public_bytes(), integer(certificate.serial_number))
        info = tlv(
            0x30, integer(1), tlv(0x80, self.key_identifier) if self.key_identifier else sid,
            algorithm(HASH_OIDS[operator.hash]), tlv(0xA0, attributes),
            self.signature_algorithm or algorithm(SIGNATURE_OIDS[operator.alg, operator.hash]),
            tlv(0x04, self.spoil(operator.sign(tlv(0x31, attributes)))),
        )  # fmt: skip
        certificates = [operator.der] if self.certificates is None else self.certificates
        signed = tlv(
            0x30, integer(3), tlv(0x31, algorithm(HASH_OIDS[operator.hash])),
            tlv(0x30, tlv(0x06, oid(self.content_type)), tlv(0xA0, tlv(0x04, content))),
            tlv(0xA0, *certificates) if certificates else b"",
            tlv(0x31, info * self.signers),
        )  # fmt: skip
        return tlv(0x30, tlv(0x06, oid("1.2.840.113549.1.7.2")), tlv(0xA0, signed))


def reply(token: bytes | None, status: int = 0, text: str = "") -> bytes:
    """A TimeStampResp."""
    said = tlv(0x30, tlv(0x0C, text.encode())) if text else b""
    return tlv(0x30, tlv(0x30, integer(status), said), token or b"")


def digest(name: str, data: bytes) -> bytes:
    """By a hash of a policy's name."""
    return new(name.replace("sha3-", "sha3_"), data).digest()


def moment(time: int) -> datetime:
    """Unix seconds as the builders of certificates take them."""
    return datetime.fromtimestamp(time, UTC).replace(tzinfo=None)


def usage(**allowed: bool) -> x509.KeyUsage:
    """A key's usage."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def iso(time: int) -> str:
    """As TOML writes it."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authority_table(authority: Authority, **keys: str) -> str:
    """The [[authority]] of a policy; `keys` beside or in place of the usual ones."""
    usual = {"name": f'"{authority.name}"', "believed_from": iso(authority.since)}
    lines = "\n".join(f"{key} = {value}" for key, value in (usual | keys).items())
    return f'\n[[authority]]\n{lines}\ncertificates = """\n{authority.pem}"""\n'
