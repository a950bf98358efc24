"""The names of every field that `attest open` shows: statements, threshold documents, acts, rosters, blocks.

They are those of schemas/statement.md, act.md and block.md. What is shown here was decoded and nothing more: no
signature was verified.
"""

from collections.abc import Callable
from struct import iter_unpack
from typing import Any, Final

from attest.format.bodies import SPAN_SIZE
from attest.format.cbor import decode
from attest.format.event import Deed
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Act, Column, Kind, Label, Precision, Quantity, Report, Role, State
from attest.report.diagnostic import Name, word
from attest.report.style import utc
from attest.trust.keys import Alg

YEAR_9999: Final = 253_402_300_800  # the first second past what the calendar writes


def _record(*names: str | Name) -> dict[Any, Name]:
    """Names of an array's elements, by place."""
    return {i: n if isinstance(n, Name) else Name(n) for i, n in enumerate(names)}


def _inner(name: Name) -> Callable[[bytes], tuple[Any, Name]]:
    """A byte string that holds encoded CBOR."""
    return lambda data: (decode(data), name)


def _when(value: Any) -> str:
    return utc(value) if type(value) is int and 0 <= value < YEAR_9999 else "no time"


def _spans(data: bytes) -> tuple[Any, Name]:
    """Records of u32 first device-interval, u16 state, u16 run, little endian."""
    whole = data[: len(data) // SPAN_SIZE * SPAN_SIZE]
    return [[first, state, None if run == NO_RUN else run] for first, state, run in iter_unpack("<IHH", whole)], _SPANS


def _counters(data: bytes) -> tuple[Any, Name]:
    """One u64 a device, little endian."""
    return [value for (value,) in iter_unpack("<Q", data[: len(data) // 8 * 8])], Name()


_SPANS: Final = Name(each=Name(keys=_record("from", Name("state", show=word(State)), "run")))
_BLOCK: Final = _record("sha256", Name("size", unit="bytes"))
_ALG: Final = Name("alg", show=word(Alg))
_KEY: Final = Name("key")

_CLAIMS: Final = Name("claims", keys={1: Name("iss"), 2: Name("sub")})
PROTECTED: Final = Name(
    "protected",
    keys={
        1: _ALG,
        3: Name("content type"),
        4: Name("kid"),
        15: _CLAIMS,
        16: Name("typ"),
    },
)

_EVENT_KEYS: Final = {
    1: Name("event", show=word(Deed)),
    2: Name("agreement"),
    3: Name("party"),
    4: Name("phase"),
    5: Name("number"),
    6: Name("from", show=_when),
    7: Name("until", show=_when),
    8: Name(
        "allowance",
        keys=_record(Name("places", each=Name("place", keys=_record("site", "feed"))), Name("budget", unit="TFLOP")),
    ),
}
_ACTS: Final = {
    1: {
        1: Name("act"),
        2: Name("origin"),
        3: Name("iss"),
        4: Name("office"),
        5: _ALG,
        6: _KEY,
        7: Name("predecessor", keys=_record("size", "root")),
    },
    2: {
        1: Name("act"),
        2: Name("log"),
        3: Name("number"),
        4: Name("entries", each=Name(keys=_record("index", "leaf hash"))),
    },
}


def _act(data: bytes) -> tuple[Any, Name]:
    act = decode(data)
    kind = act.get(1) if isinstance(act, dict) else None
    return act, Name("act", keys=_ACTS.get(kind, {}) if isinstance(kind, int) else {})


def _text(data: bytes) -> tuple[Any, Name]:
    return data.decode("utf-8", "replace").splitlines(), Name("text", each=Name())


def _document_name(payload: Name) -> Name:
    """COSE_Sign (tag 98)."""
    protected = Name("protected", inner=_inner(PROTECTED))
    signature = Name("signature", keys=_record(protected, "unprotected", "signature"))
    parts = _record(protected, "unprotected", payload, Name("signatures", each=signature))
    return Name("COSE_Sign", keys={"tagged": Name(keys=parts)})


DOCUMENT: Final = _document_name(Name("payload", inner=_act))
AGREEMENT: Final = _document_name(Name("payload", packed=_text))


_NOTICE: Final = Name("notice", keys=_record(Name("report", show=word(Report)), "lineage", Name("at", show=_when)))
EVENT_ACT: Final = Name("event", keys=_EVENT_KEYS)
EVENT: Final = _document_name(Name("payload", inner=_inner(EVENT_ACT)))


def _event(data: bytes) -> tuple[Any, Name]:
    return decode(data), EVENT


def _document(data: bytes) -> tuple[Any, Name]:
    return decode(data), DOCUMENT


_KEY_ACTS: Final[dict[int, dict[Any, Name]]] = {
    Act.ENROL: _record(Name("act", show=word(Act)), "sub", Name("role", show=word(Role)), _ALG, _KEY, "proof"),
    Act.ROTATE: _record(Name("act", show=word(Act)), _ALG, _KEY, "proof"),
    Act.REVOKE: _record(Name("act", show=word(Act)), "kid", "last valid index"),
    Act.VOID: _record(Name("act", show=word(Act)), Name("document", inner=_document)),
}


def _key_act(act: Any) -> Name:
    kind = act[0] if isinstance(act, list) and act else None
    return Name("act", keys=_KEY_ACTS.get(kind, {}) if isinstance(kind, int) else {})


_BODIES: Final[dict[int, dict[Any, Name]]] = {
    Kind.GENESIS: {1: Name("document", inner=_document)},
    Kind.INVENTORY: {1: Name("block", keys=_BLOCK), 2: Name("devices")},
    Kind.KEYS: {1: Name("acts", each=_key_act)},
    Kind.USAGE: {
        1: Name("interval", unit="s"),
        2: Name("roster"),
        3: Name("devices"),
        4: Name("block", keys=_BLOCK),
        5: Name("columns", each=Name(show=word(Column))),
        6: Name(
            "runs",
            each=Name(
                "run",
                keys=_record(
                    "commitment",
                    Name("label", show=word(Label)),
                    Name("precision", show=word(Precision)),
                    "lineage",
                    Name("declared", unit="MFLOP"),
                    "owner",
                ),
            ),
        ),
        7: Name("spans", packed=_spans),
        8: Name(
            "counters",
            each=Name(
                keys=_record(
                    Name("column", show=word(Column)),
                    Name("before", packed=_counters),
                    Name("after", packed=_counters),
                )
            ),
        ),
    },
    Kind.METER: {
        1: Name("quantity", show=word(Quantity)),
        2: Name("step", unit="ms"),
        3: Name("clock offset", unit="s"),
        4: Name("clock uncertainty", unit="s"),
        5: Name("channels", each=Name("channel", keys=_record("feed", "readings", "irregular"))),
        6: Name("block", keys=_BLOCK),
    },
    Kind.EVENT: {
        1: Name("document", inner=_event),
        2: Name("notices", each=_NOTICE),
    },
    Kind.HEAD: {1: Name("note", packed=_text)},
    Kind.CUSTODY: {
        1: Name("action"),
        2: Name("actor"),
        3: Name("objects", each=Name("object", keys=_record("role", "sha256", "sha512", Name("size", unit="bytes")))),
        4: Name("details"),
    },
}


def _payload(data: bytes) -> tuple[Any, Name]:
    payload = decode(data)
    kind = payload.get(1) if isinstance(payload, dict) else None
    body = _BODIES.get(kind, {}) if isinstance(kind, int) else {}
    keys = {
        0: Name("version"),
        1: Name("kind", show=word(Kind)),
        2: Name("log"),
        3: Name("seq"),
        4: Name("prev"),
        5: Name("from", show=_when),
        6: Name("until", show=_when),
        7: Name("anchor", keys=_record("size", "root", "note")),
        8: Name("body", keys=body),
    }
    return payload, Name("payload", keys=keys)


STATEMENT: Final = Name(
    "COSE_Sign1",
    keys={
        "tagged": Name(
            keys=_record(
                Name("protected", inner=_inner(PROTECTED)),
                "unprotected",
                Name("payload", inner=_payload),
                "signature",
            )
        )
    },
)
