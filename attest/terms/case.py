"""What a term is judged on, and the result that every judge gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from attest.agreement import Phase, Term
from attest.evaluate import View
from attest.verdict import Finding, Outcome, TermResult

T = TypeVar("T", bound=Term)


@dataclass(frozen=True)
class Case(Generic[T]):
    """A term of a phase, the views of its sites that can be read, and what is `lost`: why others cannot. `at` is the
    time of judgement."""

    term: T
    phase: Phase
    views: Sequence[View]
    lost: tuple[Finding, ...]
    at: int

    @property
    def window(self) -> tuple[int, int]:
        """Unix s: what is judged, the phase if nothing can be."""
        return (self.views[0].start, self.views[0].end) if self.views else (self.phase.start, self.phase.end)

    def result(
        self,
        outcome: Outcome,
        text: str,
        findings: Sequence[Finding] = (),
        *,
        unit: str = "",
        low: int | None = None,
        high: int | None = None,
        limit: int | None = None,
        tightest: int | None = None,
        parts: Mapping[str, int] | None = None,
    ) -> TermResult:
        """The result of judging this."""
        start, end = self.window
        return TermResult(
            self.phase.name,
            self.term.name,
            self.term.kind,
            outcome,
            start,
            end,
            level_of(self.term),
            text,
            unit,
            low,
            high,
            limit,
            tightest,
            parts or {},
            tuple(findings),
        )


def level_of(term: Term) -> int:
    """The assurance that a term asks for, 0 where it asks for none."""
    return int(getattr(term, "assurance", 0))
