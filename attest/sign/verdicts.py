"""Signing of verdicts (`attest.trust.signed_verdict`)."""

from attest.errors import AttestError
from attest.format.cbor import encode
from attest.format.cose import EMPTY_MAP, Sign1, format_sign1, sig_structure1
from attest.sign.signer import Signer
from attest.trust.signed_verdict import CONTENT_TYPE, MAX_VERDICT


def sign_verdict(text: bytes, signer: Signer) -> bytes:
    """The exact JSON bytes of a verdict, signed. Raises AttestError `verdict/size` where no reader would take it."""
    key = signer.public_key()
    protected = encode({1: int(key.alg), 3: CONTENT_TYPE, 4: key.thumbprint})
    signed = format_sign1(Sign1(protected, EMPTY_MAP, text, signer.sign(sig_structure1(protected, text))))
    if len(signed) > MAX_VERDICT:
        raise AttestError("verdict/size", f"{len(signed):,} bytes, at most {MAX_VERDICT:,}", hint="judge fewer copies")
    return signed
