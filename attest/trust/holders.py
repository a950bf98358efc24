"""Holders and threshold documents: who must sign an act or an agreement, and that enough of them did.

A holder is a named person or office with one key or several; votes count holders, not keys. A document is a
COSE_Sign (`attest.format.cose`) with protected {3: content type}; each signature has protected {1: alg, 4: kid} and
nothing else, signatures are sorted by kid, and unknown or repeated signers are refused, not skipped.

    >>> from attest.sign.seeded import seeded_key
    >>> from attest.sign.documents import sign_document
    >>> board, works = seeded_key("board"), seeded_key("works council")
    >>> holders = Holders(2, (Holder("board", (board.public_key(),)), Holder("works", (works.public_key(),))))
    >>> document = sign_document(b"act", "text/plain", [board, works])
    >>> verify_document(document, holders, content_type="text/plain").signers
    ('board', 'works')
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from attest.errors import AgreementError, MalformedError, SignatureError, TrustError
from attest.format.cbor import decode, encode
from attest.format.cose import EMPTY_MAP, Document, parse_document, sig_structure
from attest.trust.keys import PublicKey

MAX_HOLDERS: Final = 100


class Holder(NamedTuple):
    """A named holder of root keys."""

    name: str
    keys: tuple[PublicKey, ...]


class Approved(NamedTuple):
    """A verified document: its payload and the names of the holders who signed, in order of their names."""

    payload: bytes
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Holders:
    """Holders of whom `threshold` must sign. Raises AgreementError `holders/...`."""

    threshold: int
    holders: tuple[Holder, ...]

    def __post_init__(self) -> None:
        names = [holder.name for holder in self.holders]
        keys = [key.thumbprint for holder in self.holders for key in holder.keys]
        if len(names) > MAX_HOLDERS or len(set(names)) != len(names):
            raise AgreementError("holders/names", f"holders are at most {MAX_HOLDERS}, each named once")
        if len(set(keys)) != len(keys) or not all(holder.keys for holder in self.holders):
            raise AgreementError("holders/keys", "each holder has a key, and no key has two holders")
        if not 1 <= self.threshold <= len(self.holders):
            detail = f"{self.threshold} of {len(self.holders)} holders can never, or need never, sign"
            raise AgreementError("holders/threshold", detail)

    @cached_property
    def by_kid(self) -> Mapping[bytes, tuple[str, PublicKey]]:
        """Name and key for each thumbprint."""
        return {key.thumbprint: (holder.name, key) for holder in self.holders for key in holder.keys}


def verify_document(data: bytes, holders: Holders, *, content_type: str) -> Approved:
    """The payload of a document that enough holders signed.

    Raises MalformedError `document/...` for its form, TrustError `document/signer` or `document/threshold`, and
    SignatureError.
    """
    document = parse_document(data)
    payload, names = verify_signatures(document, holders.by_kid, content_type=content_type)
    signers = tuple(sorted(set(names)))
    if len(signers) < holders.threshold:
        detail = f"{len(signers)} of {holders.threshold} holders signed: {', '.join(signers)}"
        raise TrustError("document/threshold", detail)
    return Approved(payload, signers)


def verify_signatures(
    document: Document, keys: Mapping[bytes, tuple[str, PublicKey]], *, content_type: str
) -> tuple[bytes, tuple[str, ...]]:
    """The payload, and whose signatures it carries; every one must verify. Raises as `verify_document`."""
    if document.protected != encode({3: content_type}) or document.unprotected != EMPTY_MAP:
        raise MalformedError("document/header", f"the header must say {content_type} and nothing else", path="document")
    if document.payload is None:
        raise MalformedError("document/detached", "the payload is not in the document", path="document")
    names = []
    last = b""
    for signature in document.signatures:
        header = decode(signature.protected)
        if type(header) is not dict or list(header) != [1, 4] or signature.unprotected != EMPTY_MAP:
            raise MalformedError("document/header", "a signature's header is alg and kid", path="document")
        alg, kid = header.values()
        if type(kid) is not bytes or len(kid) != 32 or type(alg) is not int:
            raise MalformedError("document/header", "alg is an integer, kid a thumbprint", path="document")
        if kid == last:
            raise TrustError("document/repeated", "one key signed twice")
        if kid < last:
            raise MalformedError("document/order", "signatures are sorted by kid", path="document")
        last = kid
        if kid not in keys:
            raise TrustError("document/signer", f"signed with {kid.hex()}, which is no holder's key")
        name, key = keys[kid]
        if alg != key.alg:
            raise TrustError("document/alg", f"the key of {name} is for algorithm {int(key.alg)}, not {alg}")
        message = sig_structure(document.protected, signature.protected, document.payload)
        try:
            key.verify(signature.signature, message)
        except SignatureError as error:
            raise SignatureError(error.code, f"{name}: {error.detail}") from None
        names.append(name)
    return document.payload, tuple(names)
