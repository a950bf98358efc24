"""The terms freshness, witnessing and timeliness (schemas/agreement.md, "Terms").

Old copies frame nobody: freshness and witnessing are never breached. Timeliness is a duty, judged by those heads alone
that the log keeps as entries: whoever hands in an old copy can have its last head cosigned again whenever he likes.
What an independent meter says late accuses nobody either.
"""

from typing import Final

import numpy as np

from attest.agreement import Freshness, Timeliness, Witnessing
from attest.compute.columns import Ints
from attest.evaluate import View
from attest.facts import Mask
from attest.terms.case import Case
from attest.terms.declared import in_part, reaches_end
from attest.timeline import Timeline
from attest.verdict import Finding, Outcome, TermResult, utc

PPM: Final = 1_000_000


def judge_freshness(case: Case[Freshness]) -> TermResult:
    """The age of the newest head that a quorum witnessed."""
    term, at, views = case.term, case.at, case.views
    findings = list(case.lost)
    ages = []
    for view in views:
        seen = view.timeline.lower(view.head.note)
        if seen is None:
            findings.append(Finding("head/unwitnessed", Outcome.UNPROVEN, "no quorum cosigned the newest head"))
            continue
        ages.append(at - seen)
        if at - seen > term.max_age_s:
            text = f"the newest head was witnessed {at - seen:,} s before {utc(at)}, at most {term.max_age_s:,} s"
            findings.append(Finding("head/stale", Outcome.UNPROVEN, text, settle="a newer copy of the log"))
        if seen > at:
            text = f"the newest head was witnessed at {utc(seen)}, after {utc(at)}"
            findings.append(Finding("head/ahead-of-time", Outcome.UNPROVEN, text, settle="a later time of judgement"))
    good = bool(ages) and not findings
    age = max(ages, default=None)
    return case.result(
        Outcome.HOLDS if good else Outcome.UNPROVEN,
        "no witnessed head" if age is None else f"newest head {age:,} s old",
        findings,
        unit="s",
        low=age,
        high=age,
        limit=term.max_age_s,
        tightest=age,
    )


def judge_witnessing(case: Case[Witnessing]) -> TermResult:
    """Every statement about the phase was witnessed by the quorum in time, and the quorum resists its colluders."""
    findings = list(case.lost)
    late = statements = 0
    for view in case.views:
        colluders = view.agreement.policy.colluders(view.party.affiliated)
        if colluders <= view.agreement.tolerates:
            text = (
                f"{colluders} colluding witnesses can fork this log, the agreement tolerates {view.agreement.tolerates}"
            )
            findings.append(Finding("quorum/forks", Outcome.UNPROVEN, text))
        start, end = view.worth.windows[:, 0], view.worth.windows[:, 1]
        here = (end > view.start) & (start < view.end)
        statements += int(here.sum())
        late += int((here & ~view.worth.timely).sum())
    if late:
        text = f"{late:,} of {statements:,} statements are not shown to have been witnessed within the lag"
        findings.append(Finding("time/untimely", Outcome.UNPROVEN, text, numbers={"statements": late}))
    if not statements:
        findings.append(Finding("log/no-statements", Outcome.UNPROVEN, "no statement is about this phase"))
    outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    text = f"{statements - late:,} of {statements:,} statements witnessed in time"
    good = statements - late
    return case.result(outcome, text, findings, unit="statements", low=good, high=good, limit=statements, tightest=good)


def judge_timeliness(case: Case[Timeliness]) -> TermResult:
    """The share of what statements tell of, by the length of their windows, that heads show to be witnessed in time."""
    term = case.term
    findings = list(case.lost)
    whole = not in_part(findings) and reaches_end(case.views)
    told = timely = missed = untold = 0
    for view in case.views:
        seconds, good, late = _timely(view, term)
        told += int(seconds.sum())
        timely += int(seconds[good].sum())
        missed += int(seconds[late].sum())
        untold += _untold(view)
    most = told + untold
    outcome = Outcome.UNPROVEN
    if not told:
        findings.append(Finding("log/no-statements", Outcome.UNPROVEN, "no statement is about this phase"))
    elif whole and (most - missed) * PPM < term.share_ppm * most:
        outcome = Outcome.BREACHED
        text = f"of {missed:,} of {told:,} s statements were witnessed later than {term.max_lag_s:,} s and the grace"
        findings.append(Finding("term/timeliness", Outcome.BREACHED, text, numbers={"seconds": missed}))
    elif timely * PPM >= term.share_ppm * told:
        outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    else:
        text = f"of {told - timely:,} of {told:,} s statements are not shown to have been witnessed in time"
        settle = f"heads that show statements of {-(-term.share_ppm * told // PPM) - timely:,} s earlier"
        numbers = {"seconds": told - timely}
        findings.append(Finding("time/untimely", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
    low, high = ((n * PPM // of) if told else None for n, of in ((timely, told), (most - missed, most)))
    text = f"statements of {timely:,} of {told:,} s witnessed within {term.max_lag_s:,} s"
    return case.result(outcome, text, findings, unit="ppm", low=low, high=high, limit=term.share_ppm, tightest=low)


def _timely(view: View, term: Timeliness) -> tuple[Ints, Mask, Mask]:
    """Of statements: seconds of the phase that each tells of; which were in time; which were not, grace included."""
    worth = view.worth
    start, end = worth.windows[:, 0], worth.windows[:, 1]
    seconds = np.maximum(np.minimum(end, view.end) - np.maximum(start, view.start), 0)
    kept = Timeline(view.agreement.policy, view.control.heads).uppers(worth.indices)
    # What a thief said with a key that was revoked, or the root holders took back, is not the lab's.
    late = (kept > end + term.max_lag_s + view.agreement.grace_s) & ~worth.independent & worth.admitted
    good = worth.timely & (worth.upper <= end + term.max_lag_s)
    return seconds, np.asarray(good), np.asarray(late)


def _untold(view: View) -> int:
    """Seconds of the phase of which a longer copy of the log may yet tell, by its meters and the rosters' hosts."""
    worth = view.worth
    reach = np.zeros(len(view.control.sources), np.int64)
    np.maximum.at(reach, worth.sources, worth.windows[:, 1])
    hosts = {group.sub for group in view.layouts.groups}
    seen = {source.number for source in view.control.sources if source.sub in hosts} | set(worth.sources.tolist())
    return sum(view.end - min(max(int(reach[number]), view.start), view.end) for number in seen)
