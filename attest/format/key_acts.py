"""Acts on the keys of a log, as a keys statement carries them (schemas/keys.md, statement.cddl).

Each is an array that begins with what it does: [1, sub, role, alg, key, proof] enrols, [2, alg, key, proof] rotates,
[3, kid, last] revokes, [4, document] voids.

    >>> format_keys(KeysBody((Revoke(b"k" * 32, 217),)))[1][0][0] == Act.REVOKE
    True
    >>> parse_keys({1: [[3, b"k" * 32, 217]]}).acts[0].last
    217
"""

from typing import Any, Final, NamedTuple

from attest.format.fields import array, bad, bytes_, integer, map_, member, text, uint
from attest.format.vocabulary import Act, Role

MAX_ACTS: Final = 256
MAX_DOCUMENT: Final = 60_000
MAX_KEY: Final = 2_048
MAX_PROOF: Final = 4_096


class Enrol(NamedTuple):
    """`proof` is the new key's signature over `attest.format.act.possession(...)`."""

    sub: str
    role: Role
    alg: int
    key: bytes
    proof: bytes


class Rotate(NamedTuple):
    """In the source's own chain: from the next entry on the source signs with this key."""

    alg: int
    key: bytes
    proof: bytes


class Revoke(NamedTuple):
    """`kid` is valid up to and including log index `last`."""

    kid: bytes
    last: int


class Void(NamedTuple):
    """`document` is the root holders' COSE_Sign over a void act (attest.format.act)."""

    document: bytes


KeyAct = Enrol | Rotate | Revoke | Void


class KeysBody(NamedTuple):
    """What an office does to the keys of its log, or a source to its own."""

    acts: tuple[KeyAct, ...]


def _act(value: Any) -> KeyAct:
    path = "keys.act"
    act, *rest = array(value, 2, 6, path)
    known = member(Act, act, path)
    if len(rest) != _ACT_FIELDS[known]:
        bad("statement/array", f"{known.name.lower()} has {_ACT_FIELDS[known]} fields, not {len(rest)}", path)
    if known is Act.ENROL:
        sub, role, alg, key, proof = rest
        return Enrol(
            text(sub, path),
            member(Role, role, path),
            integer(alg, path),
            _key(key),
            bytes_(proof, path, 1, MAX_PROOF),
        )
    if known is Act.ROTATE:
        alg, key, proof = rest
        return Rotate(integer(alg, path), _key(key), bytes_(proof, path, 1, MAX_PROOF))
    if known is Act.REVOKE:
        kid, last = rest
        return Revoke(bytes_(kid, path), uint(last, path))
    (document,) = rest
    return Void(bytes_(document, path, 1, MAX_DOCUMENT))


def _key(value: Any) -> bytes:
    return bytes_(value, "keys.act.key", 32, MAX_KEY)


def _formatted(act: KeyAct) -> list[Any]:
    return [int(_ACT_OF[type(act)]), *(int(f) if isinstance(f, int) else f for f in act)]


def parse_keys(value: Any) -> KeysBody:
    """The decoded body of a keys statement, typed and bounded."""
    (acts,) = map_(value, 1, "keys")
    return KeysBody(tuple(_act(a) for a in array(acts, 1, MAX_ACTS, "keys.acts")))


def format_keys(body: KeysBody) -> dict[int, Any]:
    """What `parse_keys` accepts."""
    return {1: [_formatted(act) for act in body.acts]}


_ACT_FIELDS: Final = {Act.ENROL: 5, Act.ROTATE: 3, Act.REVOKE: 2, Act.VOID: 1}
_ACT_OF: Final[dict[type, Act]] = {Enrol: Act.ENROL, Rotate: Act.ROTATE, Revoke: Act.REVOKE, Void: Act.VOID}
