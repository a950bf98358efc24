"""Small worlds for tests: a lab, an agreement that suits it, and the verdict on what became of its log."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from attest.agreement import verify_agreement
from attest.bundle import Bundle
from attest.check import check
from attest.format.vocabulary import Label, Precision
from attest.simulate.cast import Identity
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import Event, Job, Plan, Site
from attest.trust.pins import parse_trust
from attest.verdict import Verdict

HOUR = 3_600
DAY = 86_400
START = 1_794_182_400  # 2026-11-09T00:00:00Z
END = START + DAY
LATER = END + HOUR
ACME = Identity("acme")

CAP = {"kind": "compute-cap", "limit": "1e23 FLOP", "assurance": "L4"}
TRAINING_CAP = {"kind": "compute-cap", "limit": "1e20 FLOP", "label": "training", "assurance": "L1", "name": "training"}
COVERAGE = {"kind": "coverage", "share": "99 %"}
TERMS: tuple[Table, ...] = (CAP, TRAINING_CAP, COVERAGE, {"kind": "witnessing"}, {"kind": "inventory", "minimum": 16})
RAMP = {
    "kind": "ramp",
    "step": [
        {"start": datetime.fromtimestamp(START, UTC), "limit": "1e22 FLOP"},
        {"start": datetime.fromtimestamp(START + DAY // 2, UTC), "limit": "1e22 FLOP"},
    ],
    "assurance": "L4",
}
WINDING_DOWN: tuple[Table, ...] = (
    {"kind": "slowdown", "baseline": "1e18 FLOP/s", "share": "50 %", "assurance": "L4"},
    RAMP,
    {"kind": "run-cap", "limit": "1e22 FLOP", "assurance": "L4"},
    {"kind": "scale-cap", "devices": 16, "assurance": "L4"},
    {"kind": "idle", "power": "150 W", "assurance": "L1"},
    {"kind": "gap", "longest": "1 h", "outage": "2 h"},
    {"kind": "timeliness", "share": "99 %"},
    {"kind": "assurance", "level": "L4", "share": "99 %"},
    {"kind": "reporting", "devices": 16},
)
PACT = Pact((ACME,), (Phase("pause", START, END, TERMS),))

INFERENCE = Job("chat", Label.INFERENCE, Precision.BF16, (0,), START + 2 * HOUR, START + 20 * HOUR)
TRAINING = Job("run", Label.TRAINING, Precision.BF16, (0, 1), START + 3 * HOUR, START + 21 * HOUR)


@cache
def site(
    jobs: tuple[Job, ...] = (INFERENCE,),
    events: tuple[Event, ...] = (),
    nodes: int = 2,
    end: int = END,
    name: str = "world",
) -> Site:
    """What truly happened; by default one job that every term allows."""
    return Site(Plan(name, nodes, START, end, jobs, events))


def lab(jobs: tuple[Job, ...] = (INFERENCE,), events: tuple[Event, ...] = (), end: int = END, **options: object) -> Lab:
    """A lab that has not begun to report."""
    return Lab(ACME, site(jobs, events, end=end), **options)  # type: ignore[arg-type]


def honest(jobs: tuple[Job, ...] = (INFERENCE,), events: tuple[Event, ...] = ()) -> Lab:
    """A lab that reported everything."""
    made = lab(jobs, events)
    made.run()
    return made


def judge(
    bundles: Bundle | Sequence[Bundle], pact: Pact = PACT, *, at: int = LATER, trust: bytes | None = b"pinned"
) -> Verdict:
    """The verdict, under a trust file that pins the agreement unless another is given, or none."""
    given = list(bundles) if isinstance(bundles, Sequence) else [bundles]
    pins = None if trust is None else parse_trust(pact.trust() if trust == b"pinned" else trust)
    return check(given, verify_agreement(pact.signed()), pins, at=at)


def codes(verdict: Verdict) -> set[str]:
    """The codes of all findings."""
    found = [f for p in verdict.parties for f in (*p.findings, *(f for t in p.terms for f in t.findings))]
    return {f.code for f in (*found, *verdict.findings)}


def under(*terms: Table, end: int = END) -> Pact:
    """The agreement with other terms."""
    return replace(PACT, phases=(Phase("pause", START, end, terms),))
