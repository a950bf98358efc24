"""Judges of terms, one for each kind; what a kind demands stands in schemas/agreement.md, "Terms"."""

from collections.abc import Callable
from typing import Any, Final

from attest.agreement import (
    AssuranceShare,
    ComputeCap,
    Coverage,
    Custody,
    Freshness,
    Gap,
    Idle,
    Inventory,
    PowerCap,
    PowerOff,
    Ramp,
    Reporting,
    RunCap,
    ScaleCap,
    Slowdown,
    Term,
    Timeliness,
    Witnessing,
)
from attest.errors import EvidenceError
from attest.terms.assurance import judge_assurance
from attest.terms.case import Case
from attest.terms.compute_cap import judge_compute, judge_ramp, judge_slowdown
from attest.terms.coverage import judge_coverage
from attest.terms.custody import judge_custody
from attest.terms.gap import judge_gap
from attest.terms.idle import judge_idle
from attest.terms.inventory import judge_inventory
from attest.terms.power_cap import judge_power
from attest.terms.power_off import judge_off
from attest.terms.reporting import judge_reporting
from attest.terms.run_cap import judge_run
from attest.terms.scale_cap import judge_scale
from attest.terms.witnessing import judge_freshness, judge_timeliness, judge_witnessing
from attest.verdict import Finding, Outcome, TermResult

__all__ = ["JUDGES", "Case", "judge_term"]

JUDGES: Final[dict[type, Callable[[Any], TermResult]]] = {
    ComputeCap: judge_compute,
    Slowdown: judge_slowdown,
    Ramp: judge_ramp,
    RunCap: judge_run,
    ScaleCap: judge_scale,
    PowerOff: judge_off,
    Idle: judge_idle,
    PowerCap: judge_power,
    Coverage: judge_coverage,
    Gap: judge_gap,
    Freshness: judge_freshness,
    Timeliness: judge_timeliness,
    Witnessing: judge_witnessing,
    AssuranceShare: judge_assurance,
    Inventory: judge_inventory,
    Reporting: judge_reporting,
    Custody: judge_custody,
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
