"""COSE envelopes: COSE_Sign1 for statements, COSE_Sign for threshold documents (RFC 9052 sections 4.1 to 4.4).

    COSE_Sign1 = 18([protected: bstr, unprotected: {}, payload: bstr / null, signature: bstr])
    COSE_Sign  = 98([protected: bstr, unprotected: {}, payload: bstr / null,
                     [+ [protected: bstr, unprotected: {}, signature: bstr]]])

The header of a statement is constant for its source (RFC 9052 section 3.1, RFC 9597, RFC 9596):

    {1: alg, 3: content type, 4: kid, 15: {1: iss, 2: sub}, 16: typ}

Parsing accepts only what formatting would write. Envelopes of other profiles (unprotected headers, detached
payloads) parse too; whoever uses one says what it needs.

    >>> sign1 = Sign1(b"", EMPTY_MAP, b"payload", b"s" * 64)
    >>> parse_sign1(format_sign1(sign1)) == sign1
    True
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn, Protocol

from attest.errors import MalformedError
from attest.format.cbor import decode, encode
from attest.format.fields import HIDDEN

CONTENT_TYPE: Final = "application/vnd.attest.statement+cbor"
TYP: Final = "application/vnd.attest.v1+cose"
EMPTY_MAP: Final = b"\xa0"
MAX_ENVELOPE: Final = 1 << 20
MAX_PROTECTED: Final = 4_096
MAX_CLAIM: Final = 512  # characters of iss and of sub
MAX_SIGNATURES: Final = 100  # of one document: more than any threshold of holders needs

_SIGN1_PREFIX: Final = b"\xd2\x84"  # tag 18, array of 4


class Verifier(Protocol):
    """A public key, as far as an envelope needs one; it knows its algorithm and asks no header."""

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return None, or raise SignatureError."""


class Sign1(NamedTuple):
    """COSE_Sign1; `unprotected` is the encoded map, `payload` None where it is detached."""

    protected: bytes
    unprotected: bytes
    payload: bytes | None
    signature: bytes


class DocSignature(NamedTuple):
    """One signature of a COSE_Sign."""

    protected: bytes
    unprotected: bytes
    signature: bytes


class Document(NamedTuple):
    """COSE_Sign."""

    protected: bytes
    unprotected: bytes
    payload: bytes | None
    signatures: tuple[DocSignature, ...]


class Header(NamedTuple):
    """What a statement's protected header says."""

    alg: int
    kid: bytes
    iss: str
    sub: str


def parse_sign1(data: bytes, max_size: int = MAX_ENVELOPE) -> Sign1:
    """Bytes to envelope, strict; no more than `max_size`. Raises MalformedError."""
    fast = _parse_usual(data)
    if fast is not None:
        return fast
    value = decode(data, max_size=max_size)
    if getattr(value, "tag", None) != 18:
        _bad("cose/tag", "not tagged 18, COSE_Sign1")
    fields = value.value  # type: ignore[union-attr]
    if type(fields) is not list or len(fields) != 4:
        _bad("cose/shape", "COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = fields
    return Sign1(_bstr(protected), _map(unprotected), _payload(payload), _bstr(signature))


def format_sign1(sign1: Sign1) -> bytes:
    """Envelope to bytes."""
    payload = b"\xf6" if sign1.payload is None else _bytes_item(sign1.payload)
    parts = (_SIGN1_PREFIX, _bytes_item(sign1.protected), sign1.unprotected, payload, _bytes_item(sign1.signature))
    return b"".join(parts)


def sig_structure1(protected: bytes, payload: bytes, external: bytes = b"") -> bytes:
    """What a COSE_Sign1 signature is over (RFC 9052 section 4.4)."""
    return b"\x84\x6aSignature1" + _signed_map(protected) + _bytes_item(external) + _bytes_item(payload)


def verify_sign1(sign1: Sign1, key: Verifier, external: bytes = b"") -> bytes:
    """The payload, if the signature is the key's. Raises SignatureError, MalformedError where it is detached."""
    if sign1.payload is None:
        _bad("cose/detached", "the payload is not in the envelope")
    key.verify(sign1.signature, sig_structure1(sign1.protected, sign1.payload, external))
    return sign1.payload


def parse_document(data: bytes) -> Document:
    """Bytes to threshold document, strict. Raises MalformedError."""
    value = decode(data, max_size=MAX_ENVELOPE)
    if getattr(value, "tag", None) != 98:
        _bad("cose/tag", "not tagged 98, COSE_Sign")
    fields = value.value  # type: ignore[union-attr]
    if type(fields) is not list or len(fields) != 4:
        _bad("cose/shape", "COSE_Sign is an array of four")
    protected, unprotected, payload, signatures = fields
    if type(signatures) is not list or not 0 < len(signatures) <= MAX_SIGNATURES:
        _bad("cose/signatures", f"must be an array of 1 to {MAX_SIGNATURES} signatures")
    parsed = []
    for signature in signatures:
        if type(signature) is not list or len(signature) != 3:
            _bad("cose/shape", "a signature is an array of three")
        parsed.append(DocSignature(_bstr(signature[0]), _map(signature[1]), _bstr(signature[2])))
    return Document(_bstr(protected), _map(unprotected), _payload(payload), tuple(parsed))


def format_document(document: Document) -> bytes:
    """Threshold document to bytes."""
    count = len(document.signatures)
    head = bytes((0x80 | count,)) if count < 24 else bytes((0x98, count))
    signatures = [
        b"\x83" + _bytes_item(s.protected) + s.unprotected + _bytes_item(s.signature) for s in document.signatures
    ]
    payload = b"\xf6" if document.payload is None else _bytes_item(document.payload)
    body = (b"\xd8\x62\x84", _bytes_item(document.protected), document.unprotected, payload, head, *signatures)
    return b"".join(body)


def sig_structure(body_protected: bytes, sign_protected: bytes, payload: bytes, external: bytes = b"") -> bytes:
    """What one signature of a COSE_Sign is over (RFC 9052 section 4.4)."""
    maps = _signed_map(body_protected) + _signed_map(sign_protected)
    return b"\x85\x69Signature" + maps + _bytes_item(external) + _bytes_item(payload)


@lru_cache(4_096)  # a source signs all of its statements under one header
def parse_header(protected: bytes) -> Header:
    """A statement's protected header. Raises MalformedError."""
    value = decode(protected, max_size=MAX_PROTECTED)
    if type(value) is not dict or list(value) != [1, 3, 4, 15, 16]:
        _bad("header/keys", "a header has alg, content type, kid, claims and typ")
    alg, content_type, kid, claims, typ = value.values()
    if type(alg) is not int or type(kid) is not bytes or len(kid) != 32:
        _bad("header/key", "alg is an integer, kid a 32-byte thumbprint")
    if content_type != CONTENT_TYPE or typ != TYP:
        _bad("header/type", f"content type and typ are {CONTENT_TYPE} and {TYP}")
    if type(claims) is not dict or list(claims) != [1, 2]:
        _bad("header/claims", "claims are iss and sub")
    iss, sub = claims.values()
    return Header(alg, kid, _claim(iss), _claim(sub))


def format_header(header: Header) -> bytes:
    """The protected header of a source's statements."""
    claims = {1: header.iss, 2: header.sub}
    return encode({1: header.alg, 3: CONTENT_TYPE, 4: header.kid, 15: claims, 16: TYP})


def _parse_usual(data: bytes) -> Sign1 | None:
    """The shape that statements have, by slicing; None sends everything else to the codec."""
    try:
        if data[:2] != _SIGN1_PREFIX or data[2] != 0x58 or data[3] < 24:
            return None
        at = 4 + data[3]
        protected = data[4:at]
        if data[at] != 0xA0:
            return None
        if data[at + 1] == 0x59 and data[at + 2]:
            size, at = data[at + 2] << 8 | data[at + 3], at + 4
        elif data[at + 1] == 0x58 and data[at + 2] >= 24:
            size, at = data[at + 2], at + 3
        else:
            return None
        payload = data[at : at + size]
        at += size
        if data[at] != 0x58 or data[at + 1] < 24 or len(data) != at + 2 + data[at + 1]:
            return None
        return Sign1(protected, EMPTY_MAP, payload, data[at + 2 :])
    except IndexError:
        return None


def _signed_map(protected: bytes) -> bytes:
    # A map without entries may be sent in two ways and is signed in one (RFC 9052 section 4.4).
    return b"\x40" if protected == EMPTY_MAP else _bytes_item(protected)


def _bytes_item(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes((0x40 | size,)) + data
    if size < 1 << 8:
        return bytes((0x58, size)) + data
    if size < 1 << 16:
        return b"\x59" + size.to_bytes(2, "big") + data
    return b"\x5a" + size.to_bytes(4, "big") + data


def _bstr(value: Any) -> bytes:
    if type(value) is not bytes:
        _bad("cose/shape", "must be a byte string")
    return value


def _map(value: Any) -> bytes:
    if type(value) is not dict:
        _bad("cose/shape", "an unprotected header is a map")
    return encode(value)


def _claim(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= MAX_CLAIM or HIDDEN.search(value):
        _bad("header/claims", f"iss and sub are printable texts of 1 to {MAX_CLAIM} characters")
    return value


def _payload(value: Any) -> bytes | None:
    return None if value is None else _bstr(value)


def _bad(code: str, detail: str) -> NoReturn:
    raise MalformedError(code, detail, path="envelope")
