"""Judges of terms, one for each kind; what a kind demands stands in schemas/agreement.md, "Terms"."""

from collections.abc import Callable
from typing import Any, Final

from attest.agreement import (
    ComputeCap,
    Coverage,
    Freshness,
    Inventory,
    PowerCap,
    PowerOff,
    Term,
    Witnessing,
)
from attest.errors import EvidenceError
from attest.terms.case import Case
from attest.terms.compute_cap import judge_compute
from attest.terms.coverage import judge_coverage
from attest.terms.inventory import judge_inventory
from attest.terms.power_cap import judge_power
from attest.terms.power_off import judge_off
from attest.terms.witnessing import judge_freshness, judge_witnessing
from attest.verdict import Finding, Outcome, TermResult

__all__ = ["JUDGES", "Case", "judge_term"]

JUDGES: Final[dict[type, Callable[[Any], TermResult]]] = {
    ComputeCap: judge_compute,
    PowerOff: judge_off,
    PowerCap: judge_power,
    Coverage: judge_coverage,
    Freshness: judge_freshness,
    Witnessing: judge_witnessing,
    Inventory: judge_inventory,
}


def judge_term(case: Case[Term]) -> TermResult:
    """A term by the judge of its kind. A term about evidence that cannot be added up is unproven, and nobody is
    accused, since sums have many authors."""
    try:
        return JUDGES[type(case.term)](case)
    except EvidenceError as error:
        start, end = case.window
        finding = Finding(error.code, Outcome.UNPROVEN, error.detail, start=start, end=end)
        return case.result(Outcome.UNPROVEN, "not judged", (*case.lost, finding))
