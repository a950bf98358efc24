"""A signed verdict: the exact JSON bytes that somebody stands for, in a COSE_Sign1 (schemas/signed-verdict.md).

    18([<< {1: alg, 3: "application/vnd.attest.verdict+json", 4: kid} >>, {}, h'7b0a2022666f726d6174...', signature])

The signature says who vouches for these bytes and nothing of whether they are right. That, whoever has the copies, the
agreement and the trust file that the verdict names finds out by judging again: the same bytes must come of it
(`require_same`). What is read of the payload before (`Claims`) only says what to judge, and with which program.

    verdict/shape        no COSE_Sign1 of this kind, or its payload no verdict
    verdict/signer       the key is none that the reader knows
    verdict/other-input  what is given is not what was judged: another agreement, trust file, or copy of a log
    verdict/differs      the same was judged, and other bytes come of it
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, NoReturn

from attest.errors import (
    AttestError,
    EvidenceError,
    MalformedError,
    Scope,
    SignatureError,
    TrustError,
    UnsupportedError,
)
from attest.format.cbor import decode
from attest.format.cose import EMPTY_MAP, MAX_PROTECTED, Sign1, parse_sign1, verify_sign1
from attest.trust.keys import PublicKey

CONTENT_TYPE: Final = "application/vnd.attest.verdict+json"
FORMAT: Final = "attest-verdict/1"
MAX_VERDICT: Final = 1 << 26  # bytes, envelope included
_HINT: Final = "give the files that the verdict names, by digest: agreement, trust file, and the copy of each log"
_MAX_SHOWN: Final = 120  # characters of a value that differs


class Claims(NamedTuple):
    """What a verdict says it is of: the time of judgement (Unix s), the program's version, digests in hex of the
    agreement and of the trust file (None: none), the copies, as (origin, digest of the checkpoint), and whether the
    series of single devices were looked at."""

    at: int
    version: str
    agreement: str
    trust: str | None
    copies: tuple[tuple[str, str], ...]
    series: bool = False


class SignedVerdict(NamedTuple):
    """A verdict that somebody signed: who, by the reader's name for the key; the bytes; what they say they are of."""

    signer: str
    text: bytes
    claims: Claims


def verify_verdict(data: bytes, keys: Mapping[bytes, tuple[str, PublicKey]]) -> SignedVerdict:
    """The verdict in a file, its signature verified; `keys` are those that the reader knows, by thumbprint.

    Raises MalformedError `verdict/shape`, TrustError `verdict/signer`, and SignatureError, with scope *copy*.
    """
    try:
        sign1 = parse_sign1(data, MAX_VERDICT)
        alg, kid = _header(sign1)
        if kid not in keys:
            hint = "--signer PUBLIC, with the key of whoever is said to have signed it"
            raise TrustError(
                "verdict/signer", f"signed with {kid.hex()}, which is no key that is known here", hint=hint
            )
        name, key = keys[kid]
        if alg != key.alg:
            _bad(f"the key of {name} is for algorithm {int(key.alg)}, not {alg}")
        text = verify_sign1(sign1, key)
        return SignedVerdict(name, text, claims(text))
    except (MalformedError, SignatureError, TrustError) as error:
        error.scope = Scope.COPY
        raise


def claims(text: bytes) -> Claims:
    """What a verdict says it is of. Raises MalformedError `verdict/shape`."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            _bad(f"its format is no {FORMAT}")
        time = datetime.strptime(data["at"], "%Y-%m-%dT%H:%M:%S%z")
        version, agreement = data["version"], data["agreement"]["sha256"]
        trust = None if data["trust"] is None else data["trust"]["sha256"]
        copies = tuple((site["origin"], site["checkpoint"]) for party in data["parties"] for site in party["sites"])
        if not all(type(t) is str for t in (version, agreement, trust or "", *(t for copy in copies for t in copy))):
            _bad("a version, a name or a digest in it is no text")
        looked = [check["status"] for check in data["checks"] if check["code"].startswith("anomaly/")]
        series = bool(looked) and "not checked" not in looked
        return Claims(int(time.timestamp()), version, agreement, trust, copies, series)
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
        _bad(f"the payload is no verdict: {type(error).__name__}")


def require_inputs(claims: Claims, *, version: str, agreement: bytes, trust: bytes | None) -> None:
    """Return None if judging again can give these bytes.

    Raises UnsupportedError `unsupported/verdict-version`, and AttestError `verdict/other-input`.
    """
    if claims.version != version:
        detail = f"the verdict is of attest {claims.version}, this is {version}: only the same gives the same bytes"
        raise UnsupportedError("unsupported/verdict-version", detail, hint="judge again with that version")
    for what, said, found in (
        ("agreement", claims.agreement, agreement.hex()),
        ("trust file", claims.trust, None if trust is None else trust.hex()),
    ):
        if said != found:
            detail = f"the verdict is by {what} {said or '(none)'}, given is {found or '(none)'}"
            raise AttestError("verdict/other-input", detail, hint=_HINT)


def require_same(signed: SignedVerdict, again: bytes) -> None:
    """Return None if judging again gave the bytes that were signed.

    Raises AttestError `verdict/other-input` where other copies were judged, EvidenceError `verdict/differs` else.
    """
    if signed.text == again:
        return
    ours = claims(again)
    if signed.claims.copies != ours.copies:
        odd = sorted(set(signed.claims.copies) ^ set(ours.copies)) or sorted(ours.copies)
        detail = f"the copies that were judged are others, for one that of {odd[0][0]} with checkpoint {odd[0][1]}"
        raise AttestError("verdict/other-input", detail, hint=_HINT)
    place = next(_differences(json.loads(signed.text), json.loads(again), "verdict"), "only how it is written")
    hint = "blocks may be missing from a copy; else whoever signed it vouches for what the evidence does not say"
    error = EvidenceError("verdict/differs", f"judging again gives something else: {place}", hint=hint)
    error.scope = Scope.COPY
    raise error


def _header(sign1: Sign1) -> tuple[int, bytes]:
    header = decode(sign1.protected, max_size=MAX_PROTECTED)
    if type(header) is not dict or list(header) != [1, 3, 4] or sign1.unprotected != EMPTY_MAP:
        _bad("its header is alg, content type and kid, all protected")
    alg, content_type, kid = header.values()
    if content_type != CONTENT_TYPE:
        _bad(f"its content type is no {CONTENT_TYPE}")
    if type(alg) is not int or type(kid) is not bytes or len(kid) != 32:
        _bad("alg is an integer, kid a 32-byte thumbprint")
    return alg, kid


def _differences(said: Any, found: Any, place: str) -> Iterator[str]:
    """The places where two values differ, each with both."""
    if isinstance(said, dict) and isinstance(found, dict) and said.keys() == found.keys():
        for key in found:
            yield from _differences(said[key], found[key], f"{place}.{key}")
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for number, (one, other) in enumerate(zip(said, found, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif said != found:
        yield f"{place} is signed as {_shown(said)}, and is {_shown(found)}"


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def _bad(detail: str) -> NoReturn:
    raise MalformedError("verdict/shape", detail, path="verdict")
