"""What a vector of an attack is: one fault, told as a story about a log, and the verdict that must come of it.

Everybody else in a story is honest, so whatever the verdict says is the work of that one fault. `play` judges it and
holds the verdict to exactly this: the outcome; the code, with its scope; of findings of *invalid* no code but this one
and those in `also`, which follow from the same fault; and no term breached, unless the story is of a breach.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from attest.acts import Paper
from attest.agreement import Agreement, SignedAgreement, together, verify_agreement
from attest.check import check
from attest.errors import Scope
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import Pact
from attest.simulate.source import Draft
from attest.trust.pins import parse_trust
from attest.verdict import Finding, Outcome, Verdict, as_data
from tests.check.world import HOUR, LATER, PACT, START, lab

MORNING = START + 6 * HOUR
NOON = START + 12 * HOUR
EVENING = START + 18 * HOUR

HOLDS, UNPROVEN, BREACHED, INVALID = Outcome.HOLDS, Outcome.UNPROVEN, Outcome.BREACHED, Outcome.INVALID
COPY, SOURCE, PARTY = Scope.COPY, Scope.SOURCE, Scope.PARTY


@dataclass(frozen=True)
class Case:
    """What the verifier is given. `trust` is a trust file, None for none; `amend` changes the agreement as read, for
    what no text of an agreement may say; `papers` are events found beside the bundles, and
    `others` more files of the agreement."""

    bundles: Sequence[MemoryBundle]
    pact: Pact = PACT
    at: int = LATER
    trust: bytes | None = b"pinned"
    signed: bytes | None = None
    amend: Callable[[Agreement], Agreement] = lambda agreement: agreement
    papers: Sequence[Paper] = ()
    others: Sequence[bytes] = ()

    def verdict(self) -> Verdict:
        """What the verifier makes of it."""
        pins = None if self.trust is None else parse_trust(self.pact.trust() if self.trust == b"pinned" else self.trust)
        signed = verify_agreement(self.pact.signed() if self.signed is None else self.signed)
        signed = together(SignedAgreement(self.amend(signed.agreement), signed.signers), self.others)
        return check(list(self.bundles), signed, pins, at=self.at, papers=self.papers)


Story = Callable[[], Lab | MemoryBundle | Case]


@dataclass(frozen=True)
class Vector:
    """An attack by its name, and what must come of it; `breached` where a breach shows beside the fault."""

    name: str
    story: Story
    outcome: Outcome
    code: str
    scope: Scope | None = None
    also: frozenset[str] = field(default_factory=frozenset)
    breached: bool = False


def invalid(name: str, story: Story, code: str, scope: Scope, *also: str, breached: bool = False) -> Vector:
    """An attack that makes the evidence invalid."""
    return Vector(name, story, INVALID, code, scope, frozenset(also), breached)


def unproven(name: str, story: Story, code: str) -> Vector:
    """An attack that accuses nobody and proves nothing."""
    return Vector(name, story, UNPROVEN, code)


def breach(name: str, story: Story, code: str) -> Vector:
    """A story that shows a term to be broken."""
    return Vector(name, story, BREACHED, code)


def holds(name: str, story: Story, code: str = "") -> Vector:
    """An attack that comes to nothing; `code` is a remark on it."""
    return Vector(name, story, HOLDS, code)


def attacks(vectors: Sequence[Vector]) -> pytest.MarkDecorator:
    """Marks a test that takes each vector in turn."""
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector.name)


def play(vector: Vector) -> Verdict:
    """Judge a vector's story and hold the verdict to what the vector says."""
    told = vector.story()
    case = told if isinstance(told, Case) else Case([told.bundle() if isinstance(told, Lab) else told])
    verdict = case.verdict()
    found = findings(verdict)
    seen = {f.code: f.text for f in found}
    assert verdict.outcome is vector.outcome, seen
    assert vector.code in seen or not vector.code, seen
    assert {f.scope for f in found if f.code == vector.code} <= {vector.scope}, seen
    expected = {vector.code} if vector.scope is not None else set()
    assert {f.code for f in found if f.outcome is INVALID} == expected | vector.also, seen
    shown = {str(t.outcome) for p in verdict.parties for t in p.terms}
    assert ("breached" in shown) == (vector.breached or vector.outcome is BREACHED), seen
    as_data(verdict)
    return verdict


def findings(verdict: Verdict) -> list[Finding]:
    """All findings, of terms too."""
    of_parties = [f for p in verdict.parties for f in (*p.findings, *(f for t in p.terms for f in t.findings))]
    return [*of_parties, *verdict.findings]


def ran(until: int = EVENING - HOUR, **options: object) -> Lab:
    """A lab that was honest until a time; by default until an hour before its statements of the evening are due."""
    made = lab(**options)  # type: ignore[arg-type]
    made.run(until=until)
    return made


def went_on(made: Lab) -> Lab:
    """The lab, honest again until the end."""
    made.run()
    return made


def tampered(change: Callable[[Lab, Draft], Draft], node: int = 0, **options: object) -> Lab:
    """The lab whose host changed its statement of the evening before signing it, and went on from there."""
    made = ran(**options)
    made.host(node).append(change(made, made.usage(node, EVENING)))
    return went_on(made)


def ended(change: Callable[[Lab, Draft], Draft], node: int = 0, **options: object) -> Lab:
    """The same, of a host that says nothing after it."""
    made = ran(**options)
    source = made.host(node)
    source.append(change(made, made.usage(node, EVENING)))
    made.run(mute=lambda sub, start, end: sub == source.sub)
    return made
