"""Signing of statements."""

from attest.errors import LogError
from attest.format.cose import EMPTY_MAP, Header, Sign1, format_header, format_sign1, sig_structure1
from attest.format.statement import MAX_STATEMENT, Statement, format_payload
from attest.sign.signer import Signer


def header_for(signer: Signer, iss: str, sub: str) -> Header:
    """The header of a source's statements under this key."""
    key = signer.public_key()
    return Header(int(key.alg), key.thumbprint, iss, sub)


def payload_to_sign(header: Header, statement: Statement, signer: Signer) -> bytes:
    """What will be signed. Raises LogError when the statement would be too large for a log."""
    payload = format_payload(statement)
    signature = bytes(signer.public_key().signature_size)
    size = len(format_sign1(Sign1(format_header(header), EMPTY_MAP, payload, signature)))
    if size > MAX_STATEMENT:
        raise LogError("statement/size", f"{size:,} bytes, at most {MAX_STATEMENT:,}", hint="take shorter windows")
    return payload


def sign_statement(header: Header, statement: Statement, signer: Signer) -> bytes:
    """The statement as an entry of a log. Raises LogError when it is too large for one."""
    return sign_payload(header, payload_to_sign(header, statement, signer), signer)


def sign_payload(header: Header, payload: bytes, signer: Signer) -> bytes:
    """Any payload in the envelope of a statement."""
    protected = format_header(header)
    return format_sign1(Sign1(protected, EMPTY_MAP, payload, signer.sign(sig_structure1(protected, payload))))
