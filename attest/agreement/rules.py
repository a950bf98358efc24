"""The rules that hold between the parts of an agreement; each raises one AgreementError with line and key."""

from collections.abc import Iterable, Sequence
from typing import Final

from attest.agreement.model import Party, Phase
from attest.agreement.units import DURATION
from attest.errors import TrustError
from attest.format.note import Vkey
from attest.format.toml_lines import Path
from attest.format.toml_table import Table
from attest.trust.keys import PublicKey
from attest.trust.notes import public_key
from attest.trust.quorum import Policy

DAY_S: Final = 86_400
MAX_BUCKETS: Final = 1_000_000  # from the first phase's start to the last one's end: a century of hours


class KeyRoles:
    """One key has one role and one holder: who has which key so far."""

    def __init__(self) -> None:
        self._roles: dict[PublicKey, str] = {}

    def take(self, table: Table, key: PublicKey, role: str, path: Path) -> None:
        """Gives `key` a role. Raises AgreementError agreement/key-role where it has one."""
        if key in self._roles:
            detail = f"the key of {role} is already that of {self._roles[key]}"
            raise table.error_at("agreement/key-role", detail, path, hint="one key has one role")
        self._roles[key] = role

    def take_vkey(self, table: Table, vkey: Vkey, role: str, path: Path | str) -> None:
        """The same for the key inside a vkey, whatever its signature type."""
        place = (*table.path, path) if isinstance(path, str) else path
        try:
            key = public_key(vkey)
        except TrustError as error:
            raise table.error_at("agreement/key", f"{role}: {error.detail}", place) from error
        self.take(table, key, role, place)


def require_unique(tables: Iterable[Table], key: str, what: str) -> None:
    """No two tables have the same text at `key`."""
    seen: set[str] = set()
    for table in tables:
        value = table.text(key)
        if value in seen:
            raise table.error("agreement/duplicate", f"a second {what} with the {key} {value[:80]}", key)
        seen.add(value)


def require_buckets(root: Table, bucket_s: int, interval_s: int) -> None:
    """A day is whole buckets, and a bucket whole intervals."""
    if DAY_S % bucket_s:
        raise root.error("agreement/bucket", f"a day is no whole number of {DURATION.format(bucket_s)}", "bucket")
    if bucket_s % interval_s:
        bucket, interval = DURATION.format(bucket_s), DURATION.format(interval_s)
        key = "interval" if "interval" in root else "bucket"
        raise root.error("agreement/bucket", f"a bucket of {bucket} is no whole number of {interval}", key)


def require_quorum(table: Table, policy: Policy, party: Party, tolerates: int) -> None:
    """More witnesses than the agreement tolerates must collude to fork the party's logs."""
    key = "affiliated" if party.affiliated else None
    without = f" without those affiliated with {party.name}" if party.affiliated else ""
    try:
        least = policy.colluders(party.affiliated)
    except TrustError as error:
        detail = f"the quorum {policy.quorum} cannot be met{without}"
        raise table.error("agreement/quorum", detail, key) from error
    if least <= tolerates:
        detail = f"{least} colluding witnesses can fork a log{without}, and {tolerates} are to be tolerated"
        hint = "a quorum of k of n resists 2k - n - 1 colluders"
        raise table.error("agreement/quorum", detail, key, hint=hint)


def require_order(table: Table, before: Phase | None, start: int, end: int, bucket_s: int) -> None:
    """Phases lie on bucket edges, last some time, and come one after the other."""
    for key, value in (("start", start), ("end", end)):
        if value < 0 or value % bucket_s:
            detail = f"must lie on the edge of a bucket of {DURATION.format(bucket_s)}"
            raise table.error("agreement/edge", detail, key)
    if end <= start:
        raise table.error("agreement/edge", "must be later than the start", "end")
    if before and start < before.end:
        detail = f"the phase begins before the phase {before.name}, listed before it, ends"
        raise table.error("agreement/overlap", detail, "start")
    if (end - start) // bucket_s > MAX_BUCKETS:
        raise table.error("agreement/edge", f"the phase has more than {MAX_BUCKETS:,} buckets", "end")


def require_bound(root: Table, parties: Sequence[Party], phases: Sequence[Phase]) -> None:
    """Every party is bound by some term: whoever is not could be called compliant on nothing."""
    bound = {iss for phase in phases for term in phase.terms for iss in term.parties}
    for party, table in zip(parties, root.tables("party", len(parties)), strict=True):
        if party.iss not in bound:
            raise table.error("agreement/free-party", f"no term of any phase binds {party.iss}", "iss")
