"""The trust file: what a verifier knows from elsewhere, so that no agreement vouches for itself (schemas/trust.md).

    [agreement]
    sha256 = "9f2c41e0..."           # this text and no other, and/or

    [[party]]                        # these root holders, whatever they agree to
    iss = "https://acme.example"
    threshold = 2
    [[party.holder]]
    name = "Ada"
    keys = ["ed25519:..."]

    [[head]]                         # and optionally the last head that was seen of a log
    origin = "acme.example/dc1"
    size = 8117442
    root = "9f2c41e0..."

A digest pins every party of the one agreement that has it; with a digest, no other agreement is pinned by the
file at all. Root holders pin their own party in any agreement that names exactly them, by the same names and keys,
with a threshold that is not lower. A file that pins neither is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from attest.errors import AgreementError
from attest.format.toml_table import Table, parse_toml, require_unique
from attest.trust.holders import Holders
from attest.trust.roles import KeyRoles, read_holders

MAX_PARTIES: Final = 256
MAX_HEADS: Final = 4_096
MAX_SIZE: Final = (1 << 63) - 1
_MAX_NAME: Final = 512  # characters


class _Party(Protocol):
    @property
    def iss(self) -> str: ...
    @property
    def holders(self) -> Holders: ...


class Pinnable(Protocol):
    """What an agreement shows of itself to be pinned."""

    @property
    def digest(self) -> bytes: ...
    @property
    def parties(self) -> Sequence[_Party]: ...


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head of a log as it was when last seen: what the log shows now must contain it."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Trust:
    """What a verifier trusts. `digest` is the SHA-256 of the file itself, `agreement` the digest it pins."""

    digest: bytes
    agreement: bytes | None
    parties: Mapping[str, Holders]
    heads: tuple[SeenHead, ...]

    def pinned(self, agreement: Pinnable) -> frozenset[str]:
        """The parties, by `iss`, whose part in the agreement this file vouches for."""
        objections = self.objections(agreement)
        return frozenset(party.iss for party in agreement.parties if party.iss not in objections)

    def objections(self, agreement: Pinnable) -> dict[str, str]:
        """Why each party that is not pinned is not, by `iss`."""
        if self.agreement is not None:
            if agreement.digest == self.agreement:
                return {}
            why = f"the trust file pins agreement {self.agreement.hex()}, this one is {agreement.digest.hex()}"
            return {party.iss: why for party in agreement.parties}
        return {party.iss: why for party in agreement.parties if (why := self._objection(party))}

    def _objection(self, party: _Party) -> str:
        known = self.parties.get(party.iss)
        if known is None:
            return "the trust file does not have this party"
        if set(party.holders.holders) != set(known.holders):
            return "its root holders in the agreement are not those of the trust file"
        if party.holders.threshold < known.threshold:
            return f"its threshold of {party.holders.threshold} is lower than the trust file's {known.threshold}"
        return ""


def parse_trust(text: bytes) -> Trust:
    """The trust file's text to what it pins. Raises AgreementError with line and key."""
    root = parse_toml(text).only("agreement", "party", "head")
    digest = root.table("agreement").only("sha256").digest("sha256") if "agreement" in root else None
    parties = _parties(root) if "party" in root else {}
    heads = _heads(root) if "head" in root else ()
    if digest is None and not parties:
        hint = "give [agreement] sha256, or [[party]] with its root holders"
        raise AgreementError("trust/nothing-pinned", "the trust file pins nothing", hint=hint)
    return Trust(sha256(text).digest(), digest, parties, heads)


def _parties(root: Table) -> dict[str, Holders]:
    tables = root.tables("party", MAX_PARTIES)
    roles = KeyRoles()
    parties: dict[str, Holders] = {}
    for table in tables:
        iss = table.only("iss", "threshold", "holder").text("iss", limit=_MAX_NAME)
        parties[iss] = read_holders(table, roles, iss)
    require_unique(tables, "iss", "party")
    return parties


def _heads(root: Table) -> tuple[SeenHead, ...]:
    tables = [table.only("origin", "size", "root") for table in root.tables("head", MAX_HEADS)]
    require_unique(tables, "origin", "head")
    return tuple(
        SeenHead(
            table.text("origin", limit=_MAX_NAME),
            table.integer("size", 1, MAX_SIZE),
            table.digest("root"),
        )
        for table in tables
    )
