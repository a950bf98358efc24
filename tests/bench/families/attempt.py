"""An attempt: what a verifier is given, what truly happened, and what comes of it under every agreement.

An agreement here is one term that the truth breaks by a hair (`breakable`). All terms stand in one text and are judged
at once; a term's outcome is then what the verdict would be if it stood there alone: the most serious of its own and of
those about the evidence.

What is counted apart is a matter of the attempt, said where it is made and before anything is judged:

- `beyond`: who could tell is in the lie, or stands where no log looks. A meter of somebody else lies or is passed by,
  a chip is declared nowhere, work is done at a place of nobody who signed.
- `word`: the lie is in the lab's own telemetry and fits in every number, so that terms which take the lab's word (L1)
  have nothing else to go by; `claims` are the single terms of which the lab's word is all there is, its labels say.
- `unclaimed`: terms whose own page says that they do not see this.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from attest.acts import Paper
from attest.agreement import Agreement, SignedAgreement, verify_agreement
from attest.bundle import Bundle
from attest.check import check
from attest.simulate.cast import Identity
from attest.simulate.pact import Pact, Phase, Table
from attest.trust.pins import parse_trust
from attest.verdict import worst
from tests.bench.families.breakable import BREAKABLE, Word
from tests.bench.families.truth import Truth

ACME: Final = Identity("acme")
# What a phase has that the truth does not break: a term that demands nothing.
_NOTHING: Final[Table] = {"kind": "coverage", "share": "1 ppm", "name": "nothing"}


class Apart(StrEnum):
    """Why an attempt is counted apart."""

    BEYOND = "beyond logs"
    WORD = "the lab's word"
    PAGE = "not claimed"


class Span(NamedTuple):
    """A phase: from `start` to `end`, and how it begins if not at its start."""

    start: int
    end: int
    on: str | None = None


@dataclass(frozen=True)
class Attempt:
    """What is shown and what is so. `pact` has the parties and all but the phases, or these as well (`agreed`); `amend`
    makes of it what no text says, and `party` is the one that breaks it; `only` are the terms that are tried, all that
    the truth breaks if empty; `at` is the time of judgement."""

    bundles: Sequence[Bundle]
    truth: Truth
    phases: tuple[Span, ...]
    at: int
    beyond: bool = False
    word: Collection[Word] = ()
    claims: Collection[str] = ()
    unclaimed: Collection[str] = ()
    only: Collection[str] = ()
    pact: Pact = field(default_factory=lambda: Pact((ACME,), ()))
    amend: Callable[[Agreement], Agreement] = lambda agreement: agreement
    papers: Sequence[Paper] = ()
    trust: bytes = b""
    party: int = 0

    def apart(self, term: str) -> Apart | None:
        """Why it is counted apart under a term."""
        if self.beyond:
            return Apart.BEYOND
        if term in self.unclaimed:
            return Apart.PAGE
        return Apart.WORD if term in self.claims or BREAKABLE[term].word in self.word else None


class Result(NamedTuple):
    """What came of an attempt under one agreement, by which kind of term, and why it is counted apart if it is."""

    family: int
    attempt: str
    agreement: str
    kind: str
    outcome: str
    apart: Apart | None
    codes: tuple[str, ...]


def agreed(pact: Pact, truth: Truth, spans: Sequence[Span], only: Collection[str] = ()) -> Pact:
    """The pact with phases of all terms that the truth breaks."""
    phases = []
    for number, span in enumerate(spans):
        terms: list[Table] = []
        for label, kind in BREAKABLE.items():
            made = kind.make(truth, span.start, span.end) if not only or label in only else None
            terms += [] if made is None else [{**made, "name": label}]
        phases.append(Phase(f"phase {number}", span.start, span.end, tuple(terms) or (_NOTHING,), span.on))
    return replace(pact, phases=tuple(phases))


def judge(family: int, name: str, attempt: Attempt) -> list[Result]:
    """What comes of an attempt under every agreement that the truth breaks."""
    pact = attempt.pact if attempt.pact.phases else agreed(attempt.pact, attempt.truth, attempt.phases, attempt.only)
    signed = verify_agreement(pact.signed())
    signed = SignedAgreement(attempt.amend(signed.agreement), signed.signers)
    trust = parse_trust(pact.trust() + attempt.trust)
    verdict = check(list(attempt.bundles), signed, trust, at=attempt.at, papers=attempt.papers)
    results = []
    party = verdict.parties[attempt.party]
    about = [f.outcome for f in (*verdict.findings, *party.findings)]
    beside = {f.code for f in (*verdict.findings, *party.findings)}
    for term in party.terms:
        if term.term in BREAKABLE:
            codes = tuple(sorted(beside | {f.code for f in term.findings}))
            outcome = str(worst([term.outcome, *about]))
            results.append(Result(family, name, term.term, term.kind, outcome, attempt.apart(term.term), codes))
    if not results:
        raise ValueError(f"{name}: the truth breaks nothing, or nothing of it was judged")
    return results
