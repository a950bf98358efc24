"""The terms freshness, witnessing and timeliness (schemas/agreement.md, "Terms").

Old copies frame nobody: freshness and witnessing are never breached. Timeliness is a duty, judged by those heads alone
that the log keeps as entries: whoever hands in an old copy can have its last head cosigned again whenever he likes.
It is of hosts alone: meters have no accelerators to tell of, and an independent one that is late accuses nobody.
"""

import numpy as np

from attest.agreement import Freshness, Timeliness, Witnessing
from attest.compute.columns import Ints
from attest.compute.exact import PPM
from attest.evaluate import View
from attest.facts import Mask
from attest.terms.case import Case
from attest.terms.declared import about_nothing, in_part, reaches_end
from attest.terms.disputed import only_disputed
from attest.timeline import Timeline
from attest.verdict import Finding, Outcome, TermResult, utc


def judge_freshness(case: Case[Freshness]) -> TermResult:
    """The age of the newest head that a quorum witnessed."""
    term, at, views = case.term, case.at, case.views
    findings = [*case.lost, *about_nothing(case)]
    ages = []
    for view in views:
        seen = view.timeline.lower(view.head.note)
        if seen is None:
            text = "no quorum cosigned the newest head"
            settle = f"cosignatures of {view.agreement.policy.quorum} on the head of size {view.head.size:,}"
            findings.append(Finding("head/unwitnessed", Outcome.UNPROVEN, text, settle=settle))
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
    findings = [*case.lost, *about_nothing(case)]
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
        settle = f"cosigned heads that show these {late:,} earlier"
        findings.append(Finding("time/untimely", Outcome.UNPROVEN, text, numbers={"statements": late}, settle=settle))
    if not statements:
        findings.append(Finding("log/no-statements", Outcome.UNPROVEN, "no statement is about this phase"))
    outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    text = f"{statements - late:,} of {statements:,} statements witnessed in time"
    good = statements - late
    return case.result(outcome, text, findings, unit="statements", low=good, high=good, limit=statements, tightest=good)


def judge_timeliness(case: Case[Timeliness]) -> TermResult:
    """The share of the device-time that hosts tell of which heads show to have been told in time."""
    term = case.term
    findings = list(case.lost)
    whole = not in_part(findings) and reaches_end(case.views)
    told = timely = missed = disputed = untold = 0
    for view in case.views:
        devices = _devices(view)
        seconds, good, late = _timely(view, term, devices)
        told += int(seconds.sum())
        timely += int(seconds[good].sum())
        # What a thief said with a key that was revoked, or the root holders took back, is not the lab's.
        missed += int(seconds[late & view.worth.admitted].sum())
        disputed += int(seconds[late & view.worth.claimed].sum())
        untold += _untold(view, devices)
    most = told + untold
    outcome = Outcome.UNPROVEN
    if not told:
        findings.append(Finding("log/no-statements", Outcome.UNPROVEN, "no host tells of this phase"))
    elif whole and (most - missed) * PPM < term.share_ppm * most:
        outcome = Outcome.BREACHED
        findings.append(_late(term, missed, told))
    elif timely * PPM >= term.share_ppm * told:
        outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    else:
        if whole and (most - disputed) * PPM < term.share_ppm * most:
            findings.append(only_disputed(_late(term, disputed, told)))
        text = f"{told - timely:,} of {told:,} device-seconds are not shown to have been told of in time"
        settle = f"heads that show statements about {-(-term.share_ppm * told // PPM) - timely:,} of them earlier"
        numbers = {"device_seconds": told - timely}
        findings.append(Finding("time/untimely", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
    low, high = ((n * PPM // of) if told else None for n, of in ((timely, told), (most - missed, most)))
    text = f"{timely:,} of {told:,} device-seconds told of within {term.max_lag_s:,} s"
    return case.result(outcome, text, findings, unit="ppm", low=low, high=high, limit=term.share_ppm, tightest=low)


def _late(term: Timeliness, seconds: int, told: int) -> Finding:
    text = f"{seconds:,} of {told:,} device-seconds were told of later than {term.max_lag_s:,} s and the grace"
    return Finding("term/timeliness", Outcome.BREACHED, text, numbers={"device_seconds": seconds})


def _devices(view: View) -> Ints:
    """The most accelerators of each source by any roster of the phase; none of meters, however many a lab has."""
    numbers = {source.sub: source.number for source in view.control.sources}
    devices = np.zeros(len(numbers), np.int64)
    for start, end, record in view.layouts.periods():
        if record.roster is not None and start < view.end and end > view.start:
            for host in record.roster.hosts:
                if host.sub in numbers:
                    devices[numbers[host.sub]] = max(devices[numbers[host.sub]], len(host.devices))
    return devices


def _timely(view: View, term: Timeliness, devices: Ints) -> tuple[Ints, Mask, Mask]:
    """Of statements: device-seconds of the phase that each tells of; which were in time; which were not, grace
    included."""
    worth = view.worth
    start, end = worth.windows[:, 0], worth.windows[:, 1]
    seconds = np.maximum(np.minimum(end, view.end) - np.maximum(start, view.start), 0) * devices[worth.sources]
    kept = Timeline(view.agreement.policy, view.control.heads).uppers(worth.indices)
    late = kept > end + term.max_lag_s + view.agreement.grace_s
    good = worth.timely & (worth.upper <= end + term.max_lag_s)
    return seconds, np.asarray(good), np.asarray(late)


def _untold(view: View, devices: Ints) -> int:
    """Device-seconds of the phase of which a longer copy of the log may yet tell."""
    worth = view.worth
    reach = np.full(len(devices), view.start)
    np.maximum.at(reach, worth.sources, worth.windows[:, 1])
    return int((np.maximum(view.end - reach, 0) * devices).sum())
