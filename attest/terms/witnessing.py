"""The terms freshness and witnessing (schemas/agreement.md, "Terms").

Old copies frame nobody: neither is ever breached.
"""

from attest.agreement import Freshness, Witnessing
from attest.terms.case import Case
from attest.verdict import Finding, Outcome, TermResult, utc


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
