"""The term assurance: over how much device-time evidence of a level stands (schemas/agreement.md, "Terms").

L1 is what usable statements account for. L4 is what an independent meter stands over without a gap. Between the two
nothing is ever shown by this verifier, whose ignorance accuses nobody. It is a duty: what the lab itself declares to be
on a feed without an independent meter is missed for certain. A meter that fell silent is somebody else's, and accuses
nobody either.
"""

from typing import Final

import numpy as np

from attest.agreement import Assurance, AssuranceShare
from attest.evaluate import View
from attest.figures import INDEPENDENT, SOFTWARE, figures
from attest.lights import metered_time
from attest.terms.case import Case
from attest.terms.coverage import admitted
from attest.terms.declared import no_pin, undeclared
from attest.verdict import Finding, Outcome, TermResult

PPM: Final = 1_000_000
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
    outcome = Outcome.UNPROVEN
    if expected and (expected - missed) * PPM < term.share_ppm * expected:
        outcome = Outcome.BREACHED
        text = f"{missed // HOUR:,} device-hours have no evidence of {term.level.name}, by the lab's own statements"
        findings.append(Finding("term/assurance", Outcome.BREACHED, text, numbers={"device_seconds": missed}))
    elif known and expected and shown * PPM >= term.share_ppm * expected:
        outcome = Outcome.HOLDS
    elif expected:
        short = -(-term.share_ppm * expected // PPM) - shown
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
    seen = view.timeline.lower(view.head.note)
    if level < INDEPENDENT or seen is None:
        return 0
    account = view.account
    agreed = set(figures(view.layouts, account.pinned, INDEPENDENT, account.metered[:0]))
    parents = view.layouts.parents(view.start, view.end)
    without = [feed for feed in range(len(view.layouts.feeds)) if not _reaches(feed, parents, agreed)]
    bare = np.isin(account.group_feed, without)
    rows = np.zeros(len(account.group_feed), np.int64)
    seconds = account.expected.added(rows, 1, bare.astype(np.int64))[0]
    past = (np.arange(*view.window) + 1) * view.agreement.bucket_s + view.agreement.grace_s <= seen
    return int(seconds[past].sum())


def _reaches(feed: int, parents: dict[int, int | None], agreed: set[int]) -> bool:
    """Whether a feed, or one that it hangs on, has an independent meter."""
    above: int | None = feed
    while above is not None:
        if above in agreed:
            return True
        below, above = above, parents.get(above)
        if above is not None and above >= below:
            return True  # moved about: nothing is certain
    return False


def _settle(level: Assurance) -> str:
    return {Assurance.L4: "independent meters", Assurance.L1: "records"}.get(level, f"evidence of {level.name}")
