"""Asking timestamp authorities, and what is known of their certificates (RFC 3161 section 3.4, RFC 5280, RFC 6960).

    ask_each(fetcher, ["https://tsa.example/tsr", ...], timestamp.message, policy, at)

A request has the SHA-512 of the message and a nonce. What comes back is kept only if it is over that message, answers
that nonce, says a time that our clock agrees with, and is worth something by the policy now
(attest.archive.stamp_verify): then the path of its certificates is kept, too, with the revocation list or the OCSP
reply of each, as they are now. In a few years nobody has them any more.

`Fetcher` (attest.collect.fetch) bounds every request in time and size, follows no redirect and takes nothing from the
environment; what it cannot get is a CollectError with the endpoint. One authority that fails does not keep the other's
stamp: failures come back beside the stamps, and only too few authorities for the policy's quorum is an error.

    stamp/refused   the authority refused, in its own words         stamp/clock    its time is not ours
    stamp/reply     no reply to this request                        stamp/quorum   too few authorities stamped it
    stamp/ended     worth nothing by the policy already             stamp/extra    the extra is not installed
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from attest.archive.policy import Policy
from attest.archive.renewal_records import NOTHING_KNOWN, Revocation, Stamp, Timestamp
from attest.archive.stamp_certificates import Certificate, when
from attest.archive.stamp_der import SEQUENCE, item
from attest.archive.stamp_revocation import statuses
from attest.archive.stamp_verify import Accepted, accept, vouch
from attest.collect.fetch import MAX_QUOTED, OK, Fetcher, endpoint_of
from attest.errors import ArchiveError, AttestError, CollectError, EvidenceError, MissingError

if TYPE_CHECKING:
    from rfc3161_client import TimeStampRequest

MAX_REPLY: Final = 1 << 24  # bytes: what a fetcher for this should read at most; revocation lists can be large
MAX_DRIFT: Final = 300  # seconds between an authority's clock and ours
MAX_SOURCES: Final = 4  # lists, and responders, that are asked about one certificate
QUERY: Final = "application/timestamp-query"
REPLY: Final = frozenset({"application/timestamp-reply"})
LIST: Final = frozenset({"application/pkix-crl", "application/x-pkcs7-crl", "application/octet-stream"})
OCSP_QUERY: Final = "application/ocsp-request"
OCSP_REPLY: Final = frozenset({"application/ocsp-response"})
EXTRA: Final = "install the extra: pip install 'compute-attest[archive]'"


class Asked(NamedTuple):
    """The stamps that were given, and why others were not."""

    stamps: tuple[Stamp, ...]
    failures: tuple[AttestError, ...]


class Known(NamedTuple):
    """What is known of revocation, and what could not be fetched."""

    revocation: Revocation
    failures: tuple[AttestError, ...]


def ask_each(fetcher: Fetcher, urls: Sequence[str], message: bytes, policy: Policy, at: int) -> Asked:
    """Stamps over a message from several authorities, at `at` by our clock, Unix s.

    Raises ArchiveError `stamp/quorum` if fewer authorities than the policy asks for gave one.
    """
    stamps: list[Stamp] = []
    failures: list[AttestError] = []
    names: set[str] = set()
    for url in urls:
        try:
            stamp = ask(fetcher, url, message, policy, at)
        except (ArchiveError, CollectError, EvidenceError) as error:
            failures.append(error)
            continue
        stamps.append(stamp)
        names.add(accept(stamp, message, policy).authority.name)
    if len(names) < policy.quorum:
        why = "; ".join(map(str, failures)) or "one authority under several addresses counts once"
        raise ArchiveError("stamp/quorum", f"{len(names)} of {policy.quorum} authorities stamped this: {why}")
    return Asked(tuple(stamps), tuple(failures))


def ask(fetcher: Fetcher, url: str, message: bytes, policy: Policy, at: int) -> Stamp:
    """One authority's stamp over a message. Raises ArchiveError, CollectError, EvidenceError."""
    request = _request(message)
    endpoint = endpoint_of(url)
    token = _granted(fetcher.post(url, request.as_bytes(), QUERY, REPLY, statuses=OK).body, endpoint)
    accepted = accept(Stamp(token, (), NOTHING_KNOWN), message, policy)
    if accepted.token.nonce != request.nonce:
        raise ArchiveError("stamp/reply", f"{endpoint}: the reply is to another request: its nonce differs")
    if abs(accepted.token.time - at) > MAX_DRIFT:
        detail = (
            f"{endpoint}: it says {when(accepted.token.time)}, our clock {when(at)}: they may differ by {MAX_DRIFT} s"
        )
        raise ArchiveError(
            "stamp/clock", detail, hint="set this machine's clock; if it is right, ask another authority"
        )
    fetch = _Fetch(fetcher)
    stamp = Stamp(token, tuple(c.der for c in accepted.path), NOTHING_KNOWN)
    if accepted.authority.revocation:
        stamp = stamp._replace(revocation=_joined(fetch.about(pair, accepted.token.time) for pair in _pairs(accepted)))
    limit = vouch(stamp, message, policy).limit
    if limit.time <= max(at, accepted.token.latest):
        raise ArchiveError("stamp/ended", f"{endpoint}: {limit.detail} from {when(limit.time)} on")
    return stamp


def known_about(fetcher: Fetcher, timestamps: Iterable[Timestamp], policy: Policy, at: int) -> Known:
    """What is known at `at`, Unix s, of the revocation of timestamps that are about to be renewed.

    Certificates that have expired are passed over: nobody answers for them any more.
    """
    fetch = _Fetch(fetcher)
    found: list[Revocation] = []
    failures: list[AttestError] = []
    for timestamp in timestamps:
        for stamp in timestamp.stamps:
            try:
                accepted = accept(stamp, timestamp.message, policy)
            except EvidenceError as error:
                failures.append(error)
                continue
            for pair in _pairs(accepted) if accepted.authority.revocation else ():
                if at > pair[0].until:
                    continue
                try:
                    found.append(fetch.about(pair, at))
                except (ArchiveError, CollectError) as error:
                    failures.append(error)
    return Known(_joined(found), tuple(failures))


class _Fetch:
    """Fetches each list and reply once."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._found: dict[tuple[str, bytes], bytes] = {}

    def about(self, pair: tuple[Certificate, Certificate], time: int) -> Revocation:
        """What is known of a certificate, from the first source that speaks of a time, Unix s.

        Raises CollectError, and ArchiveError `stamp/unchecked` where there is none.
        """
        certificate, issuer = pair
        failure: CollectError | None = None
        for url, query in _sources(certificate, issuer):
            try:
                data = self._get(url, query)
            except CollectError as error:
                failure = failure or error
                continue
            revocation = Revocation(ocsps=(data,)) if query else Revocation(crls=(data,))
            if any(status.speaks_of(time) for status in statuses(certificate, issuer, revocation)):
                return revocation
        detail = f"{certificate.name} names no revocation list and no responder that says how it stands at {when(time)}"
        raise failure or ArchiveError("stamp/unchecked", detail)

    def _get(self, url: str, query: bytes) -> bytes:
        if (url, query) not in self._found:
            if query:
                reply = self._fetcher.post(url, query, OCSP_QUERY, OCSP_REPLY, statuses=OK)
            else:
                reply = self._fetcher.get(url, LIST)
            self._found[url, query] = reply.body
        return self._found[url, query]


def _request(message: bytes) -> "TimeStampRequest":
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
    except ModuleNotFoundError as error:
        raise MissingError("stamp/extra", "asking authorities needs rfc3161-client", hint=EXTRA) from error
    return TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA512).build()


def _granted(reply: bytes, endpoint: str) -> bytes:
    """The token of a reply, as its authority wrote it. Raises ArchiveError."""
    from rfc3161_client import PKIStatus, decode_timestamp_response

    try:
        response = decode_timestamp_response(reply)
    except ValueError as error:
        raise ArchiveError("stamp/reply", f"{endpoint}: no timestamp response: {str(error)[:MAX_QUOTED]}") from error
    if response.status != PKIStatus.GRANTED:
        said = ascii(" ".join(response.status_string))[:MAX_QUOTED]
        raise ArchiveError("stamp/refused", f"{endpoint}: refused with status {response.status}, saying {said}")
    parts = item(reply).items(SEQUENCE)
    if len(parts) != 2:
        raise ArchiveError("stamp/reply", f"{endpoint}: granted, without a token")
    return parts[1].whole


def _pairs(accepted: Accepted) -> list[tuple[Certificate, Certificate]]:
    """Each certificate below the root, with its issuer."""
    return list(zip(accepted.path, accepted.path[1:], strict=False))


def _sources(certificate: Certificate, issuer: Certificate) -> list[tuple[str, bytes]]:
    """Where to ask of a certificate: addresses of lists, then of responders with the question to them."""
    points = certificate.extension(x509.CRLDistributionPoints)
    lists = [name for point in points.value for name in point.full_name or ()] if points else []
    access = certificate.extension(x509.AuthorityInformationAccess)
    places = [(one.access_method, one.access_location) for one in access.value] if access else []
    responders = [place for method, place in places if method == AuthorityInformationAccessOID.OCSP]
    # SHA-1 only says which certificate is meant, and is what every responder knows (RFC 5019 section 2.1.1).
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, issuer.parsed, hashes.SHA1()).build()
    query = asked.public_bytes(Encoding.DER)
    return [*((url, b"") for url in _http(lists)), *((url, query) for url in _http(responders))]


def _http(names: Iterable[x509.GeneralName]) -> list[str]:
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in urls if url.startswith(("http://", "https://"))][:MAX_SOURCES]


def _joined(revocations: Iterable[Revocation]) -> Revocation:
    """All of them, each once."""
    crls: dict[bytes, None] = {}
    ocsps: dict[bytes, None] = {}
    for revocation in revocations:
        crls.update(dict.fromkeys(revocation.crls))
        ocsps.update(dict.fromkeys(revocation.ocsps))
    return Revocation(tuple(crls), tuple(ocsps))
