"""The term coverage: every declared device-interval is accounted for (schemas/agreement.md, "Terms").

Evidence is a duty. A hole is a breach once the party's own witnessed chain has gone past it by the grace period:
whoever fell silent altogether is unproven, whoever reports again and leaves the hole admits it.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from attest.agreement import Coverage
from attest.compute.exact import PPM, Array
from attest.evaluate import View
from attest.facts import Cell
from attest.terms.case import Case
from attest.terms.declared import in_part, reaches_end, undeclared
from attest.terms.relieved import allowance, excused
from attest.terms.settle import device_time, of_these
from attest.terms.unread import Unread
from attest.verdict import Finding, Outcome, TermResult

MOST_HOLES: Final = 5  # named one by one; the rest are counted


def judge_coverage(case: Case[Coverage]) -> TermResult:
    """The share of device-seconds accounted for."""
    term, views = case.term, case.views
    lost = (*case.lost, *undeclared(views))
    findings = list(lost)
    expected = accounted = admitted_holes = out_of_order = 0
    interval = views[0].agreement.interval_s if views else 1
    for view in views:
        if view.unpinned:
            text = "no pin for " + ", ".join(view.unpinned)
            lost = (*lost, Finding("pin/missing", Outcome.UNPROVEN, text))
            findings.append(lost[-1])
            continue
        expected += view.expected_s
        accounted += view.accounted_s
        most = allowance(view)
        out_of_order += min(excused(view, view.unaccounted()), most)
        admitted_holes += admitted(view) - min(excused(view, past_holes(view)), most)
    needed = max(-(-term.share_ppm * expected // PPM) - accounted - out_of_order, 0)
    for view in views:
        if not view.unpinned:
            found, needed = holes(view, needed)
            findings += found
    outcome = Outcome.UNPROVEN
    whole = not in_part(lost) and reaches_end(views)
    if whole and (expected - admitted_holes) * PPM < term.share_ppm * expected:
        outcome = Outcome.BREACHED
        text = f"{admitted_holes // interval:,} device-intervals are missing that the party's own chain has gone past"
        findings.append(Finding("term/coverage", Outcome.BREACHED, text, numbers={"device_seconds": admitted_holes}))
    elif expected and not lost and (accounted + out_of_order) * PPM >= term.share_ppm * expected:
        outcome = Outcome.HOLDS
    text = f"{accounted // interval:,} of {expected // interval:,} device-intervals"
    if out_of_order:
        text += f", and {out_of_order // interval:,} in outages that are excused"
    share = (accounted + out_of_order) * PPM // expected if expected else None
    return case.result(outcome, text, findings, unit="ppm", low=share, high=share, limit=term.share_ppm, tightest=share)


def admitted(view: View) -> int:
    """Device-seconds of holes for which the source's own witnessed chain went on for longer than the grace period."""
    return sum(int(seconds.sum()) for _, seconds in past_holes(view))


def past_holes(view: View) -> Iterator[tuple[slice, Array]]:
    """These device-seconds, [group, bucket], of some groups at a time."""
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
    unread = Unread(view)
    for groups, seconds in view.unaccounted():
        excused = account.by_group(late, excuses, groups)
        excused += account.by_group(account.usable, account.usable[:, Cell.LOST], groups)
        past = (edges + view.agreement.grace_s <= ends[groups, None]) & ~unread.behind(groups)
        yield groups, np.where(past, np.maximum(seconds - excused, 0), 0)


def holes(view: View, needed: int) -> tuple[list[Finding], int]:
    """The largest holes, by group of devices, and one finding that counts the rest. `needed` are the device-seconds
    that would do, of the largest holes first; with what of them other sites must have."""
    by_group = view.holes.seconds
    order = [int(g) for g in np.argsort(-by_group, kind="stable") if by_group[g]]
    bucket = view.agreement.bucket_s
    findings = []
    for number in order[:MOST_HOLES]:
        group = view.layouts.groups[number]
        seconds = int(by_group[number])
        peak = view.pins[group.model].peak_flop_per_s * seconds
        mine = min(needed, seconds)
        needed -= mine
        findings.append(
            Finding(
                "coverage/gap",
                Outcome.UNPROVEN,
                f"no record for {device_time(seconds)} of {group.model} (up to {peak:.2e} FLOP at peak)",
                source=group.sub,
                start=int(view.holes.first[number] + view.window[0]) * bucket,
                end=int(view.holes.last[number] + 1 + view.window[0]) * bucket,
                numbers={"device_seconds": seconds, "flop_at_peak": peak},
                settle=f"records or a metered power-off for {of_these(mine, seconds)}" if mine else "",
            )
        )
    if len(order) > MOST_HOLES:
        rest = int(by_group[order[MOST_HOLES:]].sum())
        text = f"and {device_time(rest)} in {len(order) - MOST_HOLES} more groups"
        mine = min(needed, rest)
        needed -= mine
        settle = f"records or a metered power-off for {of_these(mine, rest)}, the largest groups first" if mine else ""
        findings.append(
            Finding("coverage/gap", Outcome.UNPROVEN, text, numbers={"device_seconds": rest}, settle=settle)
        )
    return findings, needed
