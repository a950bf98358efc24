"""Terms about evidence itself: coverage, freshness, witnessing, inventory (schemas/agreement.md, "Terms").

Evidence is a duty. A hole in coverage is a breach once the party's own witnessed chain has gone past it by the
grace period: whoever fell silent altogether is unproven, whoever reports again and leaves the hole admits it. Old
copies frame nobody: freshness and witnessing are never breached.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from attest.agreement import Coverage, Freshness, Inventory, Phase, Witnessing
from attest.declared import undeclared
from attest.evaluate import View
from attest.facts import Cell
from attest.verdict import Finding, Outcome, TermResult, utc

PPM: Final = 1_000_000
HOUR: Final = 3_600
MOST_HOLES: Final = 5  # named one by one; the rest are counted


def judge_coverage(term: Coverage, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """The share of device-seconds accounted for."""
    lost = (*lost, *undeclared(views))
    findings = list(lost)
    expected = accounted = admitted_holes = 0
    interval = views[0].agreement.interval_s if views else 1
    for view in views:
        if view.unpinned:
            text = "no pin for " + ", ".join(view.unpinned)
            lost = (*lost, Finding("pin/missing", Outcome.UNPROVEN, text))
            findings.append(lost[-1])
            continue
        expected += view.expected_s
        accounted += view.accounted_s
        admitted_holes += admitted(view)
        findings += holes(view)
    outcome = Outcome.UNPROVEN
    if expected and (expected - admitted_holes) * PPM < term.share_ppm * expected:
        outcome = Outcome.BREACHED
        text = f"{admitted_holes // interval:,} device-intervals are missing that the party's own chain has gone past"
        findings.append(Finding("term/coverage", Outcome.BREACHED, text, numbers={"device_seconds": admitted_holes}))
    elif expected and not lost and accounted * PPM >= term.share_ppm * expected:
        outcome = Outcome.HOLDS
    text = f"{accounted // interval:,} of {expected // interval:,} device-intervals"
    share = accounted * PPM // expected if expected else None
    return _result(term, phase, views, outcome, text, findings, "ppm", share, term.share_ppm)


def admitted(view: View) -> int:
    """Device-seconds of holes for which the source's own witnessed chain went on for longer than the grace period."""
    bucket = view.agreement.bucket_s
    reach = view.witnessed_end()
    edges = (np.arange(view.window[0], view.window[1]) + 1) * bucket
    account = view.account
    # What a statement accounts for, but its block does not show, or what came too late, may still turn up.
    late = account.worthy(account.cells, ~view.worth.usable)
    excuses = late[:, Cell.SAMPLED] + late[:, Cell.OFF] + late[:, Cell.LOST]
    # What stands in a chain that contradicts itself is not the lab's admission.
    disputed = {fault.source for fault in view.evidence.faults}
    ends = np.array([0 if g.sub in disputed else reach.get(g.sub, 0) for g in view.layouts.groups], np.int64)
    total = 0
    for groups, seconds in view.unaccounted():
        excused = account.by_group(late, excuses, groups)
        excused += account.by_group(account.usable, account.usable[:, Cell.LOST], groups)
        past = edges + view.agreement.grace_s <= ends[groups, None]
        total += int(np.maximum(seconds - excused, 0)[past].sum())
    return total


def holes(view: View) -> list[Finding]:
    """The largest holes, by group of devices, and one finding that counts the rest."""
    by_group = view.holes.seconds
    order = [int(g) for g in np.argsort(-by_group, kind="stable") if by_group[g]]
    bucket = view.agreement.bucket_s
    findings = []
    for number in order[:MOST_HOLES]:
        group = view.layouts.groups[number]
        seconds = int(by_group[number])
        peak = view.pins[group.model].peak_flop_per_s * seconds
        findings.append(
            Finding(
                "coverage/gap",
                Outcome.UNPROVEN,
                f"no record for {device_time(seconds)} of {group.model} (up to {peak:.2e} FLOP at peak)",
                source=group.sub,
                start=int(view.holes.first[number] + view.window[0]) * bucket,
                end=int(view.holes.last[number] + 1 + view.window[0]) * bucket,
                numbers={"device_seconds": seconds, "flop_at_peak": peak},
                settle=f"records or a metered power-off for {device_time(seconds)}",
            )
        )
    if len(order) > MOST_HOLES:
        rest = int(by_group[order[MOST_HOLES:]].sum())
        text = f"and {device_time(rest)} in {len(order) - MOST_HOLES} more groups"
        findings.append(Finding("coverage/gap", Outcome.UNPROVEN, text, numbers={"device_seconds": rest}))
    return findings


def device_time(seconds: int) -> str:
    """Device-seconds in words: hours, or seconds where it is less than one."""
    return f"{seconds // HOUR:,} device-hours" if seconds >= HOUR else f"{seconds:,} device-seconds"


def judge_freshness(
    term: Freshness, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...], at: int
) -> TermResult:
    """The age of the newest head that a quorum witnessed."""
    findings = list(lost)
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
    return _result(
        term, phase, views, Outcome.HOLDS if good else Outcome.UNPROVEN,
        f"newest head {max(ages):,} s old" if ages else "no witnessed head",
        findings, "s", max(ages, default=None), term.max_age_s,
    )  # fmt: skip


def judge_witnessing(term: Witnessing, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """Every statement about the phase was witnessed by the quorum in time, and the quorum resists its colluders."""
    findings = list(lost)
    late = statements = 0
    for view in views:
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
    return _result(term, phase, views, outcome, text, findings, "statements", statements - late, statements)


def judge_inventory(term: Inventory, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """How many accelerators are declared, all through the phase."""
    findings = [*lost, *undeclared(views)]
    low, high = 0, 0
    for view in views:
        counts = []
        for start, end, record in view.layouts.periods():
            if record.roster is not None and start < view.end and end > view.start:
                counts.append(record.roster.count())
                if term.roster is not None and record.block.digest != term.roster:
                    text = f"the inventory in force is {record.block.digest.hex()}, not {term.roster.hex()}"
                    findings.append(Finding("inventory/other", Outcome.UNPROVEN, text, index=record.index))
        first = view.layouts.in_force(view.start)
        low += min(counts, default=0) if first is not None else 0
        high += max(counts, default=0)
    if not low and not any(finding.code == "inventory/empty" for finding in findings):
        findings.append(Finding("inventory/empty", Outcome.UNPROVEN, "at some time no accelerator is declared"))
    if term.minimum is not None and low < term.minimum:
        text = f"{low:,} accelerators are declared, the agreement counts on at least {term.minimum:,}"
        findings.append(Finding("inventory/short", Outcome.UNPROVEN, text, numbers={"missing": term.minimum - low}))
    outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    if term.maximum is not None and high > term.maximum:
        outcome = Outcome.BREACHED
        text = f"{high:,} accelerators were declared at a time, at most {term.maximum:,} are allowed"
        findings.append(Finding("term/inventory", Outcome.BREACHED, text))
    return _result(
        term, phase, views, outcome, f"{low:,} accelerators declared", findings, "accelerators", low, term.minimum
    )


def _result(
    term: Coverage | Freshness | Witnessing | Inventory,
    phase: Phase,
    views: Sequence[View],
    outcome: Outcome,
    text: str,
    findings: Sequence[Finding],
    unit: str,
    found: int | None,
    limit: int | None,
) -> TermResult:
    start, end = (views[0].start, views[0].end) if views else (phase.start, phase.end)
    return TermResult(
        phase.name,
        term.name,
        term.kind,
        outcome,
        start,
        end,
        0,
        text,
        unit,
        found,
        found,
        limit,
        found,
        {},
        tuple(findings),
    )
