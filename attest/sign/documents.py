"""Signing of threshold documents (`attest.trust.holders`): one holder after the other, in any order.

    first = sign_document(text, "application/vnd.attest.agreement+toml", [board_signer])
    second = add_signature(first, works_council_signer)

The signatures do not cover each other, so the order in which they came does not show: they are kept sorted by kid.
"""

from collections.abc import Sequence

from attest.errors import MalformedError
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
    """A document with the signatures of all signers; there is at least one."""
    if not signers:
        raise ValueError("a document is signed by somebody")
    document = Document(encode({3: content_type}), EMPTY_MAP, payload, ())
    for signer in signers:
        document = _add(document, signer)
    return format_document(document)


def add_signature(data: bytes, signer: Signer) -> bytes:
    """A document with one more signature; a key that signed already replaces its own. Raises MalformedError.

    The other signatures are not verified, and nobody has read the payload yet: show it to the holder first.
    """
    return format_document(_add(parse_document(data), signer))


def _add(document: Document, signer: Signer) -> Document:
    if document.payload is None:
        raise MalformedError("document/detached", "the payload is not in the document", path="document")
    key = signer.public_key()
    protected = encode({1: int(key.alg), 4: key.thumbprint})
    message = sig_structure(document.protected, protected, document.payload)
    signature = DocSignature(protected, EMPTY_MAP, signer.sign(message))
    others = [s for s in document.signatures if s.protected != protected]
    ordered = sorted([*others, signature], key=lambda s: s.protected[-32:])
    return document._replace(signatures=tuple(ordered))
