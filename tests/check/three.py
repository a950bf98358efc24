"""Three labs under one pact, each honest unless a test says otherwise, and the joint verdict on them.

Each works for a day on a job of its own. Castor has its log witnessed some minutes later than the others, so that what
it copies is told later than by whom it copies.
"""

from collections.abc import Callable, Sequence
from functools import cache

from attest.simulate.cast import Identity
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import Job, Plan, Site
from attest.verdict import Finding, Outcome, PartyResult, Verdict
from tests.check.world import COVERAGE, END, HOUR, START, Label, Precision, judge

ACME, BOREALIS, CASTOR = (Identity(name) for name in ("acme", "borealis", "castor"))
EVERYBODY = (ACME, BOREALIS, CASTOR)
LATE_S = 600
CAP: Table = {"kind": "compute-cap", "limit": "4e21 FLOP", "assurance": "L1"}  # one node's silence of a day is 1.5e21
TERMS: tuple[Table, ...] = (CAP, COVERAGE, {"kind": "witnessing"}, {"kind": "inventory", "minimum": 16})
JOBS = (Job("chat", Label.INFERENCE, Precision.BF16, (0, 1), START + HOUR, END - HOUR),)


def pact(*terms: Table, parties: Sequence[Identity] = EVERYBODY, start: int = START) -> Pact:
    """The agreement, with these terms if any are given."""
    return Pact(tuple(parties), (Phase("pause", start, END, terms or TERMS),))


@cache
def site(name: str, jobs: tuple[Job, ...] = JOBS) -> Site:
    """What truly happened in a lab."""
    return Site(Plan(name, 2, START, END, jobs))


def lab(identity: Identity, of: Site | None = None, delay_s: int | None = None) -> Lab:
    """A lab that has not begun to report."""
    late = LATE_S if identity is CASTOR else 60
    return Lab(identity, of or site(identity.name), delay_s=late if delay_s is None else delay_s)


@cache
def told(identity: Identity) -> MemoryBundle:
    """The log of an honest lab."""
    made = lab(identity)
    made.run()
    return made.bundle()


def instead(identity: Identity, tell: Callable[[Lab], object], **options: int) -> MemoryBundle:
    """The log of a lab that something was done to before it began to report."""
    made = lab(identity, **options)  # type: ignore[arg-type]
    tell(made)
    made.run()
    return made.bundle()


def joint(*bundles: MemoryBundle, under: Pact | None = None, **options: object) -> Verdict:
    """The verdict on these copies and on the honest logs of the labs of which there is none."""
    given = {bundle.name for bundle in bundles}
    others = [told(identity) for identity in EVERYBODY if identity.name not in given]
    return judge([*others, *bundles], under or pact(), **options)  # type: ignore[arg-type]


def party(verdict: Verdict, identity: Identity) -> PartyResult:
    """What is shown of one."""
    return next(party for party in verdict.parties if party.iss == identity.iss)


def outcomes(verdict: Verdict) -> list[Outcome]:
    """Of Acme, Borealis and Castor."""
    return [party(verdict, identity).outcome for identity in EVERYBODY]


def about(verdict: Verdict, identity: Identity) -> dict[str, Finding]:
    """The joint findings that stand with a party."""
    return {f.code: f for f in party(verdict, identity).findings if f.code.startswith("joint/")}
