"""The rules that hold between the parts of an agreement; each raises one AgreementError with line and key."""

from collections.abc import Sequence
from typing import Final

from attest.agreement.kinds import Custody
from attest.agreement.life import Life
from attest.agreement.model import On, Party, Phase
from attest.agreement.units import DURATION
from attest.errors import TrustError
from attest.format.toml_table import Table
from attest.trust.quorum import Policy

DAY_S: Final = 86_400
MAX_BUCKETS: Final = 1_000_000  # of all phases together: a century of hours


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
    if not policy.required:
        return  # what may be asked for without a witness is for `require_witnesses` to say
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


def require_order(
    table: Table, before: Sequence[Phase], start: int, end: int, bucket_s: int, on: On | None = None
) -> None:
    """Phases lie on bucket edges, last some time, come one after the other, and have not too many buckets in all. One
    that an event begins may cut the one before it short, and ends no earlier than that would."""
    for key, value in (("start", start), ("end", end)):
        if value < 0 or value % bucket_s:
            detail = f"must lie on the edge of a bucket of {DURATION.format(bucket_s)}"
            raise table.error("agreement/edge", detail, key)
    if end <= start:
        raise table.error("agreement/edge", "must be later than the start", "end")
    if on is not None and end < before[-1].end:
        detail = f"the phase ends before the phase {before[-1].name}, listed before it"
        raise table.error("agreement/overlap", detail, "end")
    if on is None and before and start < before[-1].end:
        detail = f"the phase begins before the phase {before[-1].name}, listed before it, ends"
        raise table.error("agreement/overlap", detail, "start")
    if (end - start + sum(phase.end - phase.start for phase in before)) // bucket_s > MAX_BUCKETS:
        detail = f"the phases up to here have more than {MAX_BUCKETS:,} buckets"
        raise table.error("agreement/edge", detail, "end", hint="take longer buckets")


def require_adjudicators(root: Table, phases: Sequence[Phase], life: Life) -> None:
    """Somebody can begin the phases that an event begins."""
    for phase, table in zip(phases, root.tables("phase", len(phases)), strict=True):
        if phase.on is not None and life.adjudicators is None:
            detail = "nobody can begin this phase: the agreement names no [adjudicators]"
            raise table.error("agreement/event-phase", detail, "on")


def require_witnesses(root: Table, policy: Policy, phases: Sequence[Phase]) -> None:
    """Without a witness no time is proven and no history the only one: then the one thing that may be asked for is
    custody, as the archive's own word, and that by entries which come often enough to show how far a copy reaches."""
    if policy.required:
        return
    for phase in phases:
        for term in phase.terms:
            if not isinstance(term, Custody) or term.max_silence_s is None:
                detail = f"no witness is required, and {phase.name} asks for {term.name}, which takes one"
                hint = "without witnesses terms are of kind custody, each with a max_silence"
                table = root.table("witnesses")
                raise table.error("agreement/no-witness", detail, "policy", hint=hint)


def require_bound(root: Table, parties: Sequence[Party], phases: Sequence[Phase]) -> None:
    """Every party is bound by some term: whoever is not could be called compliant on nothing."""
    bound = {iss for phase in phases for term in phase.terms for iss in term.parties}
    for party, table in zip(parties, root.tables("party", len(parties)), strict=True):
        if party.iss not in bound:
            raise table.error("agreement/free-party", f"no term of any phase binds {party.iss}", "iss")
