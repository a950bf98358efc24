"""The keys of one log, as its acts change them, in index order (schemas/keys.md).

The genesis names the office; the office enrols and revokes; a source rotates its own key. An act that breaks a rule
raises TrustError and changes nothing. Whether its statement may carry it (signature, place in the chain) and whether
the root holders approved is the caller's to know: `attest.replay` for who checks, the command line for the lab that is
about to sign one.

    >>> from attest.trust.keys import parse_key
    >>> ring, key = Keyring(), parse_key("ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    >>> ring.enrol(4, b"leaf", "https://acme.example/n1", "https://acme.example", Role.HOST, key, independent=False)
    >>> ring.keys[key.thumbprint].first
    5
    >>> ring.enrol(5, b"leaf", "https://acme.example/n2", "https://acme.example", Role.HOST, key, independent=False)
    Traceback (most recent call last):
    attest.errors.TrustError: key/reused: the key of https://acme.example/n2 is already that of https://acme.example/n1
"""

from dataclasses import replace

from attest.control import KeyRecord, Source
from attest.errors import SignatureError, TrustError, UnsupportedError
from attest.format.act import GenesisAct, possession
from attest.format.key_acts import Enrol, Revoke, Rotate
from attest.format.vocabulary import Role
from attest.trust.keys import Alg, PublicKey


class Keyring:
    """Keys by thumbprint and sources by sub; `reserved` are thumbprints of keys that have a role elsewhere."""

    def __init__(self, reserved: frozenset[bytes] = frozenset()) -> None:
        self.reserved = reserved
        self.log = b""
        self.keys: dict[bytes, KeyRecord] = {}
        self.sources: dict[str, Source] = {}
        self._next: dict[bytes, bytes] = {}  # what each key was rotated to

    def copy(self) -> "Keyring":
        """Another one that says the same, for acts that may not come to pass."""
        other = Keyring(self.reserved)
        other.log, other.keys, other.sources = self.log, dict(self.keys), dict(self.sources)
        other._next = dict(self._next)
        return other

    def found(self, leaf: bytes, act: GenesisAct) -> KeyRecord:
        """The genesis at `leaf` names the office; nothing is enrolled before it."""
        key = PublicKey(_alg(act.alg), act.key)
        self._require_free(key, act.sub)
        self.log = leaf
        office = Source(0, act.sub, act.iss, Role.OFFICE, leaf, False)
        self.sources[act.sub] = office
        self.keys[key.thumbprint] = record = KeyRecord(key, office, 0)
        return record

    def apply(self, index: int, leaf: bytes, record: KeyRecord, act: Enrol | Rotate | Revoke) -> None:
        """Carry out an act of the statement at `index`, which the key of `record` signed."""
        if isinstance(act, Rotate):
            self._rotate(index, record, act)
            return
        require_office(record)
        if isinstance(act, Revoke):
            self._revoke(index, act)
            return
        if act.role is Role.OFFICE:
            raise TrustError("key/role", "an office is named by the root holders alone")
        key = PublicKey(_alg(act.alg), act.key)
        _prove(key, act.proof, possession(self.log, act.sub, act.role, act.alg, act.key))
        self.enrol(index, leaf, act.sub, record.source.iss, act.role, key, independent=False)

    def enrol(
        self, index: int, leaf: bytes, sub: str, iss: str, role: Role, key: PublicKey, *, independent: bool
    ) -> None:
        """A source and its first key, good from the next index on; `independent` if the agreement enrols it."""
        if key.thumbprint in self.keys:
            owner = self.keys[key.thumbprint].source.sub
            raise TrustError("key/reused", f"the key of {sub} is already that of {owner}")
        if not independent:
            self._require_free(key, sub)
        if sub in self.sources:
            raise TrustError(
                "key/sub-taken", f"{sub} is already enrolled", hint="rotate its key, or enrol the host under a new URI"
            )
        source = Source(len(self.sources), sub, iss, role, leaf, independent)
        self.sources[sub] = source
        self.keys[key.thumbprint] = KeyRecord(key, source, index + 1)

    def _rotate(self, index: int, record: KeyRecord, act: Rotate) -> None:
        key, source = PublicKey(_alg(act.alg), act.key), record.source
        if self.keys[record.key.thumbprint].retired <= index + 1:
            raise TrustError("key/retired", f"the key of {source.sub} was rotated away by this very statement")
        _prove(key, act.proof, possession(self.log, source.sub, source.role, act.alg, act.key))
        if key.thumbprint in self.keys:
            raise TrustError("key/reused", f"the new key of {source.sub} is already enrolled")
        self._require_free(key, source.sub)
        self.keys[record.key.thumbprint] = replace(record, retired=index + 1)
        self.keys[key.thumbprint] = KeyRecord(key, source, index + 1)
        self._next[record.key.thumbprint] = key.thumbprint

    def _revoke(self, index: int, act: Revoke) -> None:
        record = self.keys.get(act.kid)
        if record is None:
            raise TrustError("key/unknown", f"revocation of a key that was never enrolled, {act.kid.hex()}")
        if record.source.independent:
            raise TrustError("key/role", "a key that the agreement names is revoked by an amendment alone")
        if record.source.role is Role.OFFICE:
            raise TrustError("key/role", "an office does not revoke an office's key")
        if act.last >= index:
            raise TrustError(
                "key/revoked-ahead",
                f"last valid index {act.last} does not lie before the revocation, {index}",
            )
        self._limit(act.kid, act.last)

    def _limit(self, kid: bytes, last: int) -> None:
        at: bytes | None = kid
        # A rotation that happened after the last good index was signed by whoever held the key then.
        while at is not None and (at == kid or self.keys[at].first > last):
            self.keys[at] = replace(self.keys[at], last=min(last, self.keys[at].last))
            at = self._next.get(at)

    def _require_free(self, key: PublicKey, sub: str) -> None:
        if key.thumbprint in self.reserved:
            raise TrustError("key/reused", f"the key of {sub} already has a role in the agreement")


def require_office(record: KeyRecord) -> None:
    """Raise TrustError `key/role` unless the key is an office's."""
    if record.source.role is not Role.OFFICE:
        raise TrustError("key/role", f"a {record.source.role.name.lower()} may rotate its own key and nothing else")


def _alg(alg: int) -> Alg:
    try:
        return Alg(alg)
    except ValueError:
        raise UnsupportedError("unsupported/alg", f"algorithm {alg}") from None


def _prove(key: PublicKey, proof: bytes, message: bytes) -> None:
    try:
        key.verify(proof, message)
    except SignatureError:
        raise TrustError("key/possession", "the new key did not sign its own enrolment") from None
