"""The CDDL of `schemas/` applied by a CDDL implementation that is not this project's.

`require("header", data)` raises ValidationError where the rule does not match. pycddl 0.6 misreads `.cbor` inside an
array that also holds something else than byte strings, so the schemas are given to it with those controls taken off,
and each embedded value is validated by its own rule: `require_statement` and `require_document` do all of them. It
forgets some errors inside a choice, so payloads and acts are validated by the rule of their kind. It does not see that
a map must be empty, nor how many arrays an array may hold.

`Watch` does so for everything that any test signs: what the parsers accept the CDDL must accept, so that what it
refuses they refuse.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import pycddl
from pycddl import ValidationError

from attest.agreement.signed import CONTENT_TYPE as AGREEMENT_TYPE
from attest.errors import EvidenceError
from attest.format import act as acts
from attest.format import event as events
from attest.format.bodies import GenesisBody
from attest.format.cose import parse_header
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import parse_payload, parse_statement

__all__ = [
    "SCHEMAS",
    "ValidationError",
    "Watch",
    "cddl",
    "require",
    "require_act",
    "require_document",
    "require_event",
    "require_payload",
    "require_statement",
]

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
# What each is complete with, as its first lines say; the first rule of each text is the format itself.
FORMATS = {
    "statement": ("statement", "act", "common"),
    "act": ("act", "common"),
    "roster": ("roster", "common"),
    "agreement": ("agreement", "common"),
    "signed-verdict": ("signed-verdict", "common"),
    "event": ("event", "common"),
    "archive-evidence": ("archive-evidence",),
}


def cddl(name: str) -> str:
    """A complete schema."""
    return "\n".join((SCHEMAS / f"{part}.cddl").read_text("utf-8") for part in FORMATS[name])


def rules(name: str) -> list[str]:
    """The rules that a schema defines."""
    return re.findall(r"^([a-z-]+) = ", cddl(name), re.MULTILINE)


@cache
def schema(rule: str) -> pycddl.Schema:
    """The first schema that defines this rule, with the rule at its root."""
    text = next(cddl(name) for name in FORMATS if rule in rules(name))
    flat = re.sub(r"bstr \.cbor [a-z-]+", "bstr", text)
    return pycddl.Schema(f"root = {rule}\n{flat}")


def require(rule: str, data: bytes) -> None:
    """Raise ValidationError unless `data` is what the rule says."""
    schema(rule).validate_cbor(data)


KINDS = {
    1: "genesis",
    2: "inventory",
    3: "keys",
    4: "usage",
    5: "meter",
    6: "event",
    7: "head",
    10: "close",
    11: "custody",
}


def require_payload(data: bytes) -> None:
    """The payload of a statement, by the rule of the kind that it says it has."""
    require(_kind(data, KINDS, "payload"), data)


def require_act(data: bytes) -> None:
    """The payload of a document of root holders, likewise."""
    require(_kind(data, {1: "genesis-act", 2: "void-act"}, "act"), data)


EVENTS = {1: "trigger", 2: "lift", 3: "exit", 4: "exemption", 5: "outage", 6: "withdrawal"}


def require_event(data: bytes) -> None:
    """The payload of an event, likewise."""
    require(_kind(data, {kind: f"{name}-act" for kind, name in EVENTS.items()}, "event-act"), data)


def _kind(data: bytes, rules: dict[int, str], otherwise: str) -> str:
    value = cbor2.loads(data)
    kind = value.get(1) if isinstance(value, dict) else None
    return rules.get(kind, otherwise) if type(kind) is int else otherwise


def require_statement(entry: bytes) -> None:
    """A whole entry: envelope, header, payload, and the document inside a genesis or a void."""
    require("statement", entry)
    protected, _, payload, _ = cbor2.loads(entry).value
    require("header", protected)
    require_payload(payload)
    body = parse_statement(entry).statement.body
    if isinstance(body, GenesisBody):
        require_document("genesis", body.document)
    if isinstance(body, KeysBody):
        for act in body.acts:
            if isinstance(act, Void):
                require_document("void", act.document)


def require_document(kind: str, data: bytes) -> None:
    """A threshold document: `kind` is "genesis", "void" or "agreement"."""
    require("agreement" if kind == "agreement" else f"{kind}-document", data)
    protected, _, payload, signatures = cbor2.loads(data).value
    require("agreement-header" if kind == "agreement" else "act-header", protected)
    if kind != "agreement":
        require(f"{kind}-act", payload)
    for signature in signatures:
        require("document-signature", cbor2.dumps(signature))
        require("signer", signature[0])


class Watch:
    """Looks at every message that is signed; `seen` counts what was validated, by rule."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def look(self, message: bytes) -> None:
        """Validate what is inside a Sig_structure (RFC 9052 section 4.4); other messages are none of CDDL's."""
        if message.startswith(b"\x84\x6aSignature1"):
            _, protected, _, payload = cbor2.loads(message)
            self._agree("header", protected, parse_header)
            self._agree("payload", payload, parse_payload, require_payload)
        elif message.startswith(b"\x85\x69Signature"):
            _, protected, signer, _, payload = cbor2.loads(message)
            content_type = cbor2.loads(protected).get(3)
            self._validate("signer", signer)
            if content_type == acts.CONTENT_TYPE:
                self._validate("act-header", protected)
                self._agree("act", payload, acts.parse_act, require_act)
            elif content_type == events.CONTENT_TYPE:
                self._validate("event-header", protected)
                self._agree("event-act", payload, events.parse_event, require_event)
            elif content_type == AGREEMENT_TYPE:
                self._validate("agreement-header", protected)
        elif message.startswith(b"\x86\x74" + acts.POSSESSION_CONTEXT.encode()):
            self._validate("possession", message)

    def _agree(self, rule: str, data: bytes, parse: Any, validate: Any = None) -> None:
        try:
            parse(data)
        except EvidenceError:
            return
        self._validate(rule, data, validate)

    def _validate(self, rule: str, data: bytes, validate: Any = None) -> None:
        try:
            validate(data) if validate else require(rule, data)
        except ValidationError as error:
            raise AssertionError(f"signed, and no {rule} by the CDDL: {str(error)[:400]}") from None
        self.seen[rule] += 1
