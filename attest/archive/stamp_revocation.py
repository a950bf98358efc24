"""What revocation lists and OCSP replies say of a certificate, as they were then (RFC 5280 section 5, RFC 6960).

A timestamp keeps the lists and replies that were fetched when it was made, and its renewal those that were current
when it was renewed. They are signed by the certificate's issuer (a reply also by somebody whom the issuer certified
for that); what is signed by anybody else, is of other certificates or only a part of a list is passed over, as if it
were not there.

A certificate was revoked for good if its key may be in wrong hands: then only what was renewed before is believed.
Where the reason says that it was just retired (unspecified, affiliation changed, superseded, cessation of operation)
what it stamped before stays good; no reason at all means the worst (RFC 3161 section 4).
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from attest.archive.renewal_records import Revocation
from attest.archive.stamp_algorithms import verify_raw
from attest.archive.stamp_certificates import Certificate, load_certificate
from attest.errors import EvidenceError

MAX_REPLIES: Final = 16  # single replies that are read of one OCSP response
WITHOUT_END: Final = 86_400  # seconds for which what names no end is current
_RETIRED: Final = {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
}
# What a list may say critically of itself, and is looked at below.
_UNDERSTOOD: Final = {x509.IssuingDistributionPoint.oid}
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, InvalidSignature)

_T = TypeVar("_T", bound=x509.ExtensionType)


class Status(NamedTuple):
    """What one source says: current in [since, until), Unix s.

    `hash` ("" where the algorithm brings its own) and `key` say how it is signed; `revoked` is when (Unix s), None if
    it is not; `retired`: for a harmless reason.
    """

    since: int
    until: int
    hash: str
    key: tuple[str, int]
    revoked: int | None
    retired: bool

    def speaks_of(self, time: int) -> bool:
        """Does it say how things stand at a time, Unix s, or later?"""
        return self.since >= time or self.until > time


def statuses(certificate: Certificate, issuer: Certificate, evidence: Revocation) -> Iterator[Status]:
    """What is said of a certificate, by its issuer, in order of the evidence."""
    for data in evidence.crls:
        yield from _of_list(certificate, issuer, data)
    for data in evidence.ocsps:
        yield from _of_reply(certificate, issuer, data)


def _of_list(certificate: Certificate, issuer: Certificate, data: bytes) -> Iterator[Status]:
    try:
        crl = x509.load_der_x509_crl(data)
        if crl.issuer != certificate.parsed.issuer or not _whole(crl, certificate):
            return
        if not crl.is_signature_valid(issuer.parsed.public_key()):  # type: ignore[arg-type]  # raises TypeError
            return
        signed = crl.signature_hash_algorithm
        entry = crl.get_revoked_certificate_by_serial_number(certificate.parsed.serial_number)
        revoked, retired = (None, False) if entry is None else _entry(entry)
        since, until = _current(crl.last_update_utc, crl.next_update_utc)
    except _UNREADABLE:
        return
    if issuer.since <= since <= issuer.until:
        yield Status(since, until, signed.name if signed else "", issuer.key, revoked, retired)


def _whole(crl: x509.CertificateRevocationList, certificate: Certificate) -> bool:
    """Is this a complete list, of all reasons, in which the certificate would be?"""
    if any(extension.critical and extension.oid not in _UNDERSTOOD for extension in crl.extensions):
        return False
    point = _extension(crl.extensions, x509.IssuingDistributionPoint)
    if point is None:
        return True
    basic = certificate.extension(x509.BasicConstraints)
    authority = basic is not None and basic.value.ca
    return not (
        point.indirect_crl
        or point.only_contains_attribute_certs
        or point.only_some_reasons
        or (point.only_contains_user_certs and authority)
        or (point.only_contains_ca_certs and not authority)
    )


def _entry(entry: x509.RevokedCertificate) -> tuple[int, bool]:
    """When it was revoked, or is known to have been in wrong hands if that is earlier; and whether it only retired."""
    reason = _extension(entry.extensions, x509.CRLReason)
    retired = reason is not None and reason.reason in _RETIRED
    revoked = int(entry.revocation_date_utc.timestamp())
    known = _extension(entry.extensions, x509.InvalidityDate)
    if known is not None and not retired:
        revoked = min(revoked, int(known.invalidity_date_utc.timestamp()))
    return revoked, retired


def _of_reply(certificate: Certificate, issuer: Certificate, data: bytes) -> Iterator[Status]:
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return
        signed = response.signature_hash_algorithm
        name = signed.name if signed else ""
        signer = _responder(response, issuer, name)
        found = [_single(one, name, signer) for one in _of(response, certificate, issuer)]
    except (*_UNREADABLE, EvidenceError):
        return
    yield from (status for status in found if status and signer.since <= status.since <= signer.until)


def _of(
    response: ocsp.OCSPResponse, certificate: Certificate, issuer: Certificate
) -> Iterator[ocsp.OCSPSingleResponse]:
    """The single replies of a response that are of this certificate."""
    for single in islice(response.responses, MAX_REPLIES):
        builder = ocsp.OCSPRequestBuilder()
        asked = builder.add_certificate(certificate.parsed, issuer.parsed, single.hash_algorithm).build()
        wanted = asked.serial_number, asked.issuer_name_hash, asked.issuer_key_hash
        if wanted == (single.serial_number, single.issuer_name_hash, single.issuer_key_hash):
            yield single


def _single(single: ocsp.OCSPSingleResponse, name: str, signer: Certificate) -> Status | None:
    """What a single reply says; None if it knows nothing."""
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return None
    since, until = _current(single.this_update_utc, single.next_update_utc)
    revoked = single.revocation_time_utc
    retired = single.revocation_reason in _RETIRED
    return Status(since, until, name, signer.key, None if revoked is None else int(revoked.timestamp()), retired)


def _responder(response: ocsp.OCSPResponse, issuer: Certificate, name: str) -> Certificate:
    """Who signed it: the issuer, or somebody whom it certified to answer. Raises what is caught above."""
    signers = [issuer]
    for parsed in response.certificates:
        usage = _extension(parsed.extensions, x509.ExtendedKeyUsage)
        if usage is not None and ExtendedKeyUsageOID.OCSP_SIGNING in usage:
            parsed.verify_directly_issued_by(issuer.parsed)
            signers.append(load_certificate(parsed.public_bytes(Encoding.DER)))
    for signer in signers:
        if response.responder_name == signer.parsed.subject or response.responder_key_hash == _key_hash(signer):
            verify_raw(signer.parsed.public_key(), name, response.signature, response.tbs_response_bytes)
            return signer
    raise ValueError("nobody here is the responder")


def _key_hash(certificate: Certificate) -> bytes:
    """SHA-1 of the key's bits, by which a responder may name itself (RFC 6960 section 4.2.1)."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.parsed.public_key()).digest


def _extension(extensions: x509.Extensions, kind: type[_T]) -> _T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _current(this: datetime, following: datetime | None) -> tuple[int, int]:
    """From when until when it is current, Unix s."""
    since = int(this.timestamp())
    return since, since + WITHOUT_END if following is None else int(following.timestamp())
