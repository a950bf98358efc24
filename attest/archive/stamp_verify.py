"""What one stamp is worth: who says that a message existed, by when, and until when he is believed without renewal.

`vouch` verifies a stamp in this order, and every step that fails is an EvidenceError:

    1  the token is one of RFC 3161, over the digest of the message             stamp/malformed, stamp/imprint
    2  the key of the certificate that it names signed it, and that is for
       timestamps alone                                                         stamp/signature, stamp/certificate
    3  a path that was valid at the token's time leads to a root that the
       policy believes at that time                                             stamp/path, stamp/untrusted
    4  where the policy asks for it, each certificate below the root is shown
       not to be revoked, when the stamp was made and when it was renewed       stamp/unchecked, stamp/revoked

What ends its worth is not judged here but returned as its `limit`: the first moment at which an algorithm, key size or
hash on the way is weak, a certificate has expired, a key was stolen, or the root is no longer believed. Who asks
whether a stamp counts compares that with the moment as of which it must: that of the renewal that covers it, or that of
the judgement. No clock is read, and nothing is fetched.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from attest.archive.policy import FOREVER, Authority, Policy
from attest.archive.renewal_records import NOTHING_KNOWN, Revocation, Stamp
from attest.archive.renewal_tree import digest
from attest.archive.stamp_certificates import (
    Certificate,
    paths,
    readable,
    require_timestamping,
    require_valid,
    when,
)
from attest.archive.stamp_revocation import Status, statuses
from attest.archive.stamp_token import Token, parse_token, signer_of, verify_token
from attest.errors import SignatureError, TrustError


class Limit(NamedTuple):
    """From when on something counts no more (Unix s), and why."""

    time: int
    code: str
    detail: str


class Vouched(NamedTuple):
    """`authority` says that the message existed at `time` (Unix s, the end of its accuracy); counts before `limit`."""

    authority: str
    time: int
    limit: Limit


class Accepted(NamedTuple):
    """A stamp that passed steps 1 to 3: the token, the path from its signer to the root, and whose root it is."""

    token: Token
    path: tuple[Certificate, ...]
    authority: Authority


def vouch(
    stamp: Stamp, message: bytes, policy: Policy, about: Revocation = NOTHING_KNOWN, renewed: int | None = None
) -> Vouched:
    """What a stamp over a message is worth. Raises EvidenceError.

    `renewed` is when it was renewed (Unix s), None if it was not, and `about` what was known of revocation then, or is
    known now: of what was renewed, it must say how things stood.
    """
    accepted = accept(stamp, message, policy)
    token, path, authority = accepted
    limits = [
        *_weaknesses(accepted, policy),
        *(Limit(c.until + 1, "stamp/expired", f"the certificate of {c.name} ended") for c in path),
        Limit(authority.until, "stamp/untrusted", f"the root of {authority.name} is believed no longer"),
        *_distrust(path, policy),
    ]
    for certificate, issuer in pairwise(path):
        then = _said(certificate, issuer, stamp.revocation, policy, token.latest)
        later = _said(certificate, issuer, about, policy, token.latest if renewed is None else renewed)
        limits += _revocations(certificate, [*then, *later], token)
        if authority.revocation:
            _require_checked(certificate, then, token.time)
            if renewed is not None and renewed <= certificate.until:
                _require_checked(certificate, later, renewed)
    return Vouched(authority.name, token.latest, min(limits))


def accept(stamp: Stamp, message: bytes, policy: Policy) -> Accepted:
    """Steps 1 to 3. Raises EvidenceError."""
    token = parse_token(stamp.token)
    if digest(token.imprint_hash, message) != token.imprint:
        raise SignatureError("stamp/imprint", f"it is over another message: {token.imprint_hash} {token.imprint.hex()}")
    helpers = [helper for authority in policy.authorities for helper in authority.helpers]
    pool = (*token.certificates, *readable(stamp.certificates), *helpers)
    first = signer_of(token, pool)
    verify_token(token, first)
    require_timestamping(first)
    by_root = {authority.root.der: authority for authority in policy.authorities}
    refused: TrustError | None = None
    for path in paths(first, pool, [authority.root for authority in policy.authorities]):
        authority = by_root[path[-1].der]
        try:
            require_valid(path, token.time)
            _require_believed(authority, token.time)
        except TrustError as error:
            refused = refused or error
            continue
        return Accepted(token, path, authority)
    raise refused or TrustError("stamp/path", f"{first.name} leads to no root that the policy lists")


def _require_believed(authority: Authority, time: int) -> None:
    if not authority.since <= time < authority.until:
        until = f" until {when(authority.until)}" if authority.until < FOREVER else ""
        detail = f"{authority.name} is believed from {when(authority.since)}{until}, not at {when(time)}"
        raise TrustError("stamp/untrusted", detail)


def _weaknesses(accepted: Accepted, policy: Policy) -> Iterator[Limit]:
    """When what it is made with is weak: three hashes, the keys of the path, and how its certificates are signed."""
    token, path, _ = accepted
    signed = [token.imprint_hash, token.signer.content_hash, token.signer.hash, *(c.signed_hash for c in path[:-1])]
    for name in dict.fromkeys(filter(None, signed)):
        yield Limit(policy.hash_limit(name), "stamp/weak", f"{name} is weak")
    for kind, bits in dict.fromkeys(certificate.key for certificate in path):
        yield Limit(policy.key_limit(kind, bits), "stamp/weak", f"{kind}{f' of {bits} bits' if bits else ''} is weak")


def _distrust(path: Sequence[Certificate], policy: Policy) -> Iterator[Limit]:
    for certificate in path:
        found = policy.distrusted.get(certificate.key_digest)
        if found is not None:
            yield Limit(found.since, "stamp/revoked", f"the key of {certificate.name} is distrusted: {found.why}")


def _said(
    certificate: Certificate, issuer: Certificate, evidence: Revocation, policy: Policy, as_of: int
) -> list[Status]:
    """What is said with a key and a hash that were not weak then."""
    return [
        status
        for status in statuses(certificate, issuer, evidence)
        if as_of < policy.key_limit(*status.key) and (not status.hash or as_of < policy.hash_limit(status.hash))
    ]


def _revocations(certificate: Certificate, said: Sequence[Status], token: Token) -> Iterator[Limit]:
    for status in said:
        if status.revoked is None:
            continue
        if not status.retired:
            yield Limit(status.revoked, "stamp/revoked", f"the certificate of {certificate.name} was revoked")
        elif token.time >= status.revoked:
            retired = f"the certificate of {certificate.name} was retired at {when(status.revoked)}"
            raise TrustError("stamp/revoked", f"{retired}, and stamped this at {when(token.time)}")


def _require_checked(certificate: Certificate, said: Sequence[Status], time: int) -> None:
    if not any(status.speaks_of(time) for status in said):
        detail = f"nothing shows whether the certificate of {certificate.name} was revoked at {when(time)}"
        raise TrustError("stamp/unchecked", detail, hint="the revocation list or OCSP reply of then is needed")
