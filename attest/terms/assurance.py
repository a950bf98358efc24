"""The term assurance: over how much device-time evidence of a level stands (schemas/agreement.md, "Terms").

L1 is what usable statements account for. L4 is what an independent meter stands over without a gap. Between the two
nothing is ever shown by this verifier, whose ignorance accuses nobody. It is a duty: what the lab itself declares to be
on a feed without an independent meter is missed for certain. A meter that fell silent is somebody else's, and accuses
nobody either.
"""

from typing import Final

import numpy as np

from attest.agreement import Assurance, AssuranceShare
from attest.compute.exact import PPM
from attest.evaluate import View
from attest.figures import INDEPENDENT, SOFTWARE, figures
from attest.lights import metered_time
from attest.terms.case import Case
from attest.terms.coverage import admitted
from attest.terms.declared import in_part, no_pin, reaches_end, undeclared
from attest.verdict import Finding, Outcome, TermResult

HOUR: Final = 3_600


def judge_assurance(case: Case[AssuranceShare]) -> TermResult:
    """The share of device-time that evidence of the level stands over."""
    term = case.term
    findings = [*case.lost, *undeclared(case.views)]
    known = bool(case.views) and not findings
    expected = shown = missed = 0
    for view in case.views:
        if view.unpinned:
            findings += [no_pin(model) for model in view.unpinned]
            known = False
            continue
        expected += view.expected_s
        shown += _shown(view, term.level)
        missed += _missed(view, term.level)
    missed = min(missed, expected - shown)  # what no record tells of may have been metered
    whole = not in_part(findings) and reaches_end(case.views)
    outcome = Outcome.UNPROVEN
    if whole and (expected - missed) * PPM < term.share_ppm * expected:
        outcome = Outcome.BREACHED
        text = f"{missed // HOUR:,} device-hours have no evidence of {term.level.name}, by the lab's own statements"
        findings.append(Finding("term/assurance", Outcome.BREACHED, text, numbers={"device_seconds": missed}))
    elif known and expected and shown * PPM >= term.share_ppm * expected:
        outcome = Outcome.HOLDS
    elif (short := -(-term.share_ppm * expected // PPM) - shown) > 0:
        text = f"{short:,} device-seconds short of {term.level.name}"
        settle = f"{_settle(term.level)} for {-(-short // HOUR):,} device-hours"
        numbers = {"device_seconds": short}
        findings.append(Finding("assurance/short", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
    low, high = ((n * PPM // expected) if expected else None for n in (shown, expected - missed))
    return case.result(
        outcome,
        f"{term.level.name} over {shown // HOUR:,} of {expected // HOUR:,} device-hours",
        findings,
        unit="ppm",
        low=low,
        high=high,
        limit=term.share_ppm,
        tightest=low,
    )


def _shown(view: View, level: Assurance) -> int:
    """Device-seconds that evidence of the level stands over."""
    by_meters = metered_time(view)[0]
    return max(view.accounted_s, by_meters) if level <= SOFTWARE else by_meters


def _missed(view: View, level: Assurance) -> int:
    """Device-seconds that can never have it, by what the lab itself said and longer ago than the grace period."""
    if level <= SOFTWARE:
        return admitted(view)
    # Only heads that the log keeps: whoever has an old copy can have its last head cosigned again, after the log that
    # he does not show came to name meters.
    kept = (view.timeline.lower(head.note) for head in view.control.heads)
    seen = max((time for time in kept if time is not None), default=0)
    if level < INDEPENDENT or seen < view.end:
        return 0
    account = view.account
    agreed = set(figures(view.layouts, account.pinned, INDEPENDENT, account.metered[:0]))
    above = view.layouts.above(view.start, view.end)
    bare = np.isin(account.group_feed, [feed for feed, chain in above.items() if chain.isdisjoint(agreed)])
    rows = np.zeros(len(account.group_feed), np.int64)
    seconds = account.expected.added(rows, 1, bare.astype(np.int64))[0]
    late = max(view.agreement.grace_s, view.agreement.max_lag_s)  # until then another roster may come into force
    past = (np.arange(*view.window) + 1) * view.agreement.bucket_s + late <= seen
    return int(seconds[past].sum())


def _settle(level: Assurance) -> str:
    return {Assurance.L4: "independent meters", Assurance.L1: "records"}.get(level, f"evidence of {level.name}")
