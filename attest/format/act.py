"""Acts of the root holders, and what a new key signs to prove that its holder has it (schemas/act.md).

An act is the payload of a threshold document (COSE_Sign, `attest.trust.holders`): deterministic CBOR, carried
inside an entry of the office, naming its log and an act number, and valid once.

    genesis  {1: 1, 2: origin, 3: iss, 4: office sub, 5: office alg, 6: office key, 7: predecessor}
    void     {1: 2, 2: log, 3: number, 4: [[index, leaf], ...]}

`predecessor` is null or [size, root] of the log this one succeeds. A void acknowledges entries that are junk
or contradict others; they count as absent, and what they should have shown is charged at peak.

    >>> act = VoidAct(b"g" * 32, 1, ((217, b"x" * 32),))
    >>> parse_act(format_act(act)) == act
    True
"""

from typing import Final, NamedTuple

from attest.errors import UnsupportedError
from attest.format.cbor import Value, decode, encode
from attest.format.fields import array, bad, bytes_, integer, map_, text, uint

CONTENT_TYPE: Final = "application/vnd.attest.act+cbor"
MAX_VOIDED: Final = 1_024
POSSESSION_CONTEXT: Final = "attest/possession/v1"

_GENESIS: Final = 1
_VOID: Final = 2


class GenesisAct(NamedTuple):
    """The root holders open a log and name the key of its office."""

    origin: str
    iss: str
    sub: str
    alg: int
    key: bytes
    predecessor: tuple[int, bytes] | None


class VoidAct(NamedTuple):
    """The root holders acknowledge bad entries of `log`, each by index and leaf hash."""

    log: bytes
    number: int
    entries: tuple[tuple[int, bytes], ...]


def format_act(act: GenesisAct | VoidAct) -> bytes:
    """The document's payload."""
    if isinstance(act, GenesisAct):
        predecessor: Value = None if act.predecessor is None else list(act.predecessor)
        return encode({1: _GENESIS, 2: act.origin, 3: act.iss, 4: act.sub, 5: act.alg, 6: act.key, 7: predecessor})
    return encode({1: _VOID, 2: act.log, 3: act.number, 4: [list(e) for e in act.entries]})


def parse_act(payload: bytes) -> GenesisAct | VoidAct:
    """The act in a document's payload. Raises MalformedError, or UnsupportedError for an unknown act."""
    value = decode(payload)
    if type(value) is not dict or type(value.get(1)) is not int:
        bad("act/keys", "an act is a map that begins with its type", "act")
    if value[1] == _GENESIS:
        _, origin, iss, sub, alg, key, predecessor = map_(value, 7, "act")
        return GenesisAct(
            text(origin, "act.origin"),
            text(iss, "act.iss"),
            text(sub, "act.sub"),
            integer(alg, "act.alg"),
            bytes_(key, "act.key", 32, 2_048),
            None if predecessor is None else _place(predecessor),
        )
    if value[1] == _VOID:
        _, log, number, entries = map_(value, 4, "act")
        places = tuple(_place(e) for e in array(entries, 1, MAX_VOIDED, "act.entries"))
        return VoidAct(bytes_(log, "act.log"), uint(number, "act.number", low=1), places)
    raise UnsupportedError("unsupported/act", f"act type {value[1]!r}")


def possession(log: bytes | None, sub: str, role: int, alg: int, key: bytes) -> bytes:
    """What a new key signs: this key, for this source and role, in this log. `log` is None in a genesis."""
    return encode([POSSESSION_CONTEXT, log, sub, int(role), alg, key])


def _place(value: Value) -> tuple[int, bytes]:
    number, digest = array(value, 2, 2, "act.place")
    return uint(number, "act.place"), bytes_(digest, "act.place")
