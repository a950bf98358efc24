"""The term power-off: meters show that every accelerator is off (schemas/agreement.md, "Terms")."""

from typing import Final

import numpy as np

from attest.agreement import PowerOff
from attest.evaluate import View
from attest.facts import Cell, Mask, Table
from attest.figures import INDEPENDENT
from attest.metering import Metering
from attest.terms.case import Case
from attest.terms.declared import no_pin, undeclared
from attest.terms.disputed import only_disputed
from attest.verdict import Finding, Outcome, TermResult

HOUR: Final = 3_600


def judge_off(case: Case[PowerOff]) -> TermResult:
    """Every accelerator is off in every bucket, and a meter of the asked level agrees."""
    term = case.term
    findings = [*case.lost, *undeclared(case.views)]
    known = not findings
    off_s = expected_s = on_s = 0
    taken_back: list[Finding] = []
    for view in case.views:
        if view.unpinned:
            findings += [no_pin(model) for model in view.unpinned]
            continue
        metering = view.account.metering(int(term.assurance))
        off_s += int(view.account.declared(metering)[metering.off].sum())
        expected_s += view.expected_s
        on, denied = _on(view, view.worth.admitted)
        if len(denied):
            known = False
            findings.append(_crossed(view, denied))
        on_s += int(on[:, Cell.SAMPLED].sum())
        if len(on):
            findings.append(_admits_on(view, on))
        disputed, _ = _on(view, view.worth.disputed)
        if len(disputed):
            taken_back.append(only_disputed(_admits_on(view, disputed)))
        findings += _not_off(view, metering)
    if on_s:
        outcome = Outcome.BREACHED
    elif expected_s and off_s == expected_s and known:
        outcome = Outcome.HOLDS
    else:
        outcome = Outcome.UNPROVEN
        findings += taken_back
    return case.result(
        outcome,
        f"{off_s // HOUR:,} of {expected_s // HOUR:,} device-hours shown to be off",
        findings,
        unit="device-seconds",
        low=on_s,
        high=expected_s - off_s,
        limit=0,
        tightest=expected_s - off_s,
    )


def _on(view: View, mask: Mask) -> tuple[Table, Table]:
    """What statements of a mask sampled, and what of it an independent meter denies: a host's key alone does not switch
    on what that shows to be off."""
    account = view.account
    cells = account.worthy(account.cells, mask)
    on = cells[cells[:, Cell.SAMPLED] > 0]
    shown = account.metering(INDEPENDENT)
    row = shown.row_of[account.group_feed[on[:, Cell.GROUP]]]
    denied = shown.off[row, on[:, Cell.BUCKET] - view.window[0]]
    return on[~denied], on[denied]


def _admits_on(view: View, on: Table) -> Finding:
    text = "the lab's own statements sampled {:,} device-seconds of devices that must be off"
    return _sampled(view, on, "term/power-off", Outcome.BREACHED, text)


def _crossed(view: View, on: Table) -> Finding:
    text = "statements sampled {:,} device-seconds that an independent meter shows to be off"
    return _sampled(view, on, "bounds/crossed", Outcome.UNPROVEN, text)


def _sampled(view: View, on: Table, code: str, outcome: Outcome, text: str) -> Finding:
    first = on[0]
    group = view.layouts.groups[int(first[Cell.GROUP])]
    bucket = view.agreement.bucket_s
    seconds = int(on[:, Cell.SAMPLED].sum())
    return Finding(
        code,
        outcome,
        text.format(seconds),
        index=int(first[Cell.INDEX]),
        source=group.sub,
        start=int(first[Cell.BUCKET]) * bucket,
        end=int(on[-1][Cell.BUCKET] + 1) * bucket,
        numbers={"device_seconds": seconds},
    )


def _not_off(view: View, metering: Metering) -> list[Finding]:
    """One finding for each feed that is not shown to be off throughout."""
    account = view.account
    names = {number: name for name, number in view.layouts.feeds.items()}
    findings = []
    for feed, due in account.expected.due(account.group_feed):
        missing = np.flatnonzero(due & ~metering.off[metering.row_of[feed]])
        if not len(missing):
            continue
        bucket = view.agreement.bucket_s
        findings.append(
            Finding(
                "power/not-shown-off",
                Outcome.UNPROVEN,
                f"{len(missing)} of {int(due.sum())} buckets are not shown to be off by a meter of this level",
                feed=names[feed],
                start=int(missing[0] + view.window[0]) * bucket,
                end=int(missing[-1] + 1 + view.window[0]) * bucket,
                numbers={"buckets": len(missing)},
                settle=f"an independent meter's readings of {names[feed]} for {len(missing)} buckets",
            )
        )
    return findings
