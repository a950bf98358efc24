"""Custody: what an archive did to what it keeps, one act a statement (schemas/statement.md, "custody"; archive.md).

    {1: action, 2: actor, 3: [[role, sha256, sha512, size], ...], 4: {name: text or integer, ...}}

The action is one of ACTIONS. What an object is to it, its role, and what the details are called is the archive's to
say: a verifier reads who did what to which bytes, and judges none of it.

    >>> held = CustodyBody("hold", "ines", (CustodyObject("manifest", bytes(32), bytes(64), 912),), (("case", "7"),))
    >>> parse_custody(format_custody(held)) == held
    True
    >>> parse_custody({1: "burn", 2: "ines", 3: [], 4: {}})
    Traceback (most recent call last):
    attest.errors.UnsupportedError: unsupported/action: action burn at custody.action
"""

from typing import Any, Final, NamedTuple

from attest.errors import UnsupportedError
from attest.format.cbor import encode
from attest.format.fields import array, bad, bytes_, integer, map_, text, uint

MAX_OBJECTS: Final = 256  # of one act
MAX_DETAILS: Final = 64
MAX_DETAIL: Final = 8_192  # characters: room for the verifier keys of a log
MAX_OBJECT: Final = (1 << 63) - 1  # bytes
SHA512_SIZE: Final = 64

ACTIONS: Final = frozenset(
    {
        "access", "expire", "fixity", "fork", "hold", "import", "init", "probe", "put", "refused", "release", "renew",
        "retain", "stamp", "standing", "verdict",
    }
)  # fmt: skip


class CustodyObject(NamedTuple):
    """An object that an act is about: what it is to it, its SHA-256 (32 bytes), SHA-512 (64 bytes), size in bytes."""

    role: str
    sha256: bytes
    sha512: bytes
    size: int


class CustodyBody(NamedTuple):
    """An act: the action, who did it, the objects that it is about, and details by name, each name once."""

    action: str
    actor: str
    objects: tuple[CustodyObject, ...]
    details: tuple[tuple[str, str | int], ...]


def parse_custody(value: Any) -> CustodyBody:
    """A decoded body, typed and bounded. Raises MalformedError, and UnsupportedError for an action not known here."""
    action, actor, objects, details = map_(value, 4, "custody")
    known = text(action, "custody.action")
    if known not in ACTIONS:
        raise UnsupportedError("unsupported/action", f"action {known[:40]} at custody.action")
    return CustodyBody(
        known,
        text(actor, "custody.actor"),
        tuple([_object(o) for o in array(objects, 0, MAX_OBJECTS, "custody.objects")]),
        _details(details),
    )


def format_custody(body: CustodyBody) -> dict[int, Any]:
    """What `parse_custody` accepts; details in the order of their names' encodings."""
    details = sorted(body.details, key=lambda pair: encode(pair[0]))
    return {1: body.action, 2: body.actor, 3: [list(o) for o in body.objects], 4: dict(details)}


def _object(value: Any) -> CustodyObject:
    role, sha256, sha512, size = array(value, 4, 4, "custody.object")
    return CustodyObject(
        text(role, "custody.object.role"),
        bytes_(sha256, "custody.object.sha256"),
        bytes_(sha512, "custody.object.sha512", SHA512_SIZE, SHA512_SIZE),
        uint(size, "custody.object.size", MAX_OBJECT),
    )


def _details(value: Any) -> tuple[tuple[str, str | int], ...]:
    if type(value) is not dict or len(value) > MAX_DETAILS:
        bad("statement/keys", f"must be a map of at most {MAX_DETAILS} pairs", "custody.details")
    return tuple([(text(name, "custody.details"), _detail(detail)) for name, detail in value.items()])


def _detail(value: Any) -> str | int:
    if type(value) is int:
        return integer(value, "custody.details")
    return text(value, "custody.details", MAX_DETAIL)
