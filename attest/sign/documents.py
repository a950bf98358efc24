"""Signing of threshold documents: one after the other, on different machines, in any order."""

from collections.abc import Sequence

from attest.format.cbor import encode
from attest.format.cose import (
    EMPTY_MAP,
    DocSignature,
    Document,
    format_document,
    parse_document,
    sig_structure,
)
from attest.sign.signer import Signer


def sign_document(payload: bytes, content_type: str, signers: Sequence[Signer]) -> bytes:
    """A document with the signatures of all signers."""
    document = Document(encode({3: content_type}), EMPTY_MAP, payload, ())
    for signer in signers:
        document = _add(document, signer)
    return format_document(document)


def add_signature(data: bytes, signer: Signer) -> bytes:
    """A document with one more signature; a key that signed already replaces its own. Raises MalformedError."""
    return format_document(_add(parse_document(data), signer))


def _add(document: Document, signer: Signer) -> Document:
    key = signer.public_key()
    protected = encode({1: int(key.alg), 4: key.thumbprint})
    message = sig_structure(document.protected, protected, document.payload or b"")
    signature = DocSignature(protected, EMPTY_MAP, signer.sign(message))
    others = [s for s in document.signatures if s.protected != protected]
    ordered = sorted([*others, signature], key=lambda s: s.protected[-32:])
    return document._replace(signatures=tuple(ordered))
