"""The term reporting: runs are announced before they start and closed when they end (schemas/agreement.md, "Terms").

A run that starts within the phase is late for certain if the copies of all of the party's logs reach beyond the time by
which its notice was due, and none has it by then. By which time that is nobody knows but from the statement that names
it first: the run began no earlier than its window does (to hold), and no later than it ends (to be a breach). What goes
on after an end that was told, or takes up the lineage of what had ended, is a run of its own (`attest.terms.reported`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from attest.agreement import Agreement, Reporting
from attest.compute.exact import Array, add
from attest.evaluate import View
from attest.facts import Cell, Mask
from attest.format.vocabulary import Label
from attest.terms.case import Case
from attest.terms.declared import intact
from attest.terms.disputed import admitted, only_disputed
from attest.terms.reported import Run, Told, runs, told
from attest.terms.runs import ALONE
from attest.verdict import Finding, Outcome, TermResult, utc

MOST_NAMED: Final = 5  # runs; the rest are counted


def judge_reporting(case: Case[Reporting]) -> TermResult:
    """Every run of more than so many accelerators against the notices of the office."""
    views, lost = intact(case)
    count, missed = _missed(case.term, views, admitted(views), told(views))
    certain = not lost and any(finding.outcome is Outcome.BREACHED for finding in missed)
    findings = [*lost, *_first(missed if certain else [_softened(finding) for finding in missed])]
    findings += _unnamed(case.term, views)
    if not certain and not lost:  # no notice is taken back to make a term hold
        findings += _disputed(case.term, views)
    outcome = Outcome.BREACHED if certain else Outcome.UNPROVEN if findings or not views else Outcome.HOLDS
    kept = count - len(missed)
    return case.result(
        outcome,
        f"{kept:,} of {count:,} runs reported",
        findings,
        unit="runs",
        low=kept,
        high=kept + sum(finding.outcome is Outcome.UNPROVEN for finding in missed),
        limit=count,
        tightest=kept,
    )


def _missed(term: Reporting, views: Sequence[View], masks: Sequence[Mask], notices: Told) -> tuple[int, list[Finding]]:
    """How many runs were to be reported, and of each that is not shown to have been, what is missing."""
    large = [run for run in runs(views, masks, notices) if run.most > term.devices]
    found = (_of_run(term, run, notices, views[0]) for run in large)
    return len(large), [finding for finding in found if finding is not None]


def _disputed(term: Reporting, views: Sequence[View]) -> list[Finding]:
    """What would be missed for certain, did what is disputed count, statements and notices."""
    if not any(view.worth.disputed.any() or view.control.voided for view in views):
        return []
    _, missed = _missed(term, views, [view.worth.claimed for view in views], told(views, voided=True))
    return _first([only_disputed(finding) for finding in missed if finding.outcome is Outcome.BREACHED])


def _first(missed: list[Finding]) -> list[Finding]:
    """The first of them, and one that counts the rest."""
    if len(missed) <= MOST_NAMED:
        return missed
    more = f"and {len(missed) - MOST_NAMED:,} more runs"
    return [
        *missed[:MOST_NAMED],
        Finding("reporting/missed", Outcome.UNPROVEN, more, numbers={"runs": len(missed)}),
    ]


def _softened(finding: Finding) -> Finding:
    """Where a log of the party is not there, what is missing may stand in it."""
    if finding.outcome is not Outcome.BREACHED:
        return finding
    return Finding("reporting/missed", Outcome.UNPROVEN, finding.text, numbers=finding.numbers)


def _of_run(term: Reporting, run: Run, notices: Told, view: View) -> Finding | None:
    """What is not shown to have been reported of a run, or None. One that may be too small for it is not late."""
    due, by = run.first[0] - term.notice_s, run.first[1] + view.agreement.max_lag_s
    if run.lineage == ALONE or not notices.starts(run.lineage, due, run.ended, by):
        return _unannounced(term, run, notices, view.agreement.grace_s)
    return None if term.closing_s is None else _open(run, term.closing_s, term, notices, view.agreement)


def _unannounced(term: Reporting, run: Run, notices: Told, grace: int) -> Finding:
    """Of a run that is not shown to have been announced; for certain, if it was not by the end of its first window. One
    that follows on an end needs a notice after that, if it is after it whatever clocks say."""
    (_, began), _ = run.sure
    name, due, devices = _name(run), began - term.notice_s, run.devices
    late = run.lineage == ALONE or not notices.starts(run.lineage, due)
    text = f"{name}, which started by {utc(began)}, was not announced by {utc(run.first[0] - term.notice_s)}"
    if run.ended is not None and not late:
        if run.again is not None:
            (_, end), devices = run.again
            due = end - term.notice_s
            late = not notices.starts(run.lineage, due, run.ended)
        text = f"{name} ended at {utc(run.ended)}, as was told, and goes on, which was not announced by {utc(due)}"
    numbers = {"accelerators": devices}
    if devices > term.devices and late and notices.until >= due + grace:
        return Finding("term/reporting", Outcome.BREACHED, text, numbers=numbers)
    return Finding("reporting/missed", Outcome.UNPROVEN, text, numbers=numbers, settle="heads that show its notice")


def _open(run: Run, closing: int, term: Reporting, notices: Told, agreement: Agreement) -> Finding | None:
    """Of a run that is not shown to have been closed so long after it ended, or None."""
    # What was said before the last window began is not of this end.
    due = run.last[1] + closing
    if notices.ends(run.lineage, run.last[0], due) or notices.until < due:  # it may go on
        return None
    _, (last, end) = run.sure
    due = end + closing
    text, numbers = f"{_name(run)} was not closed by {utc(due)}", {"accelerators": run.devices}
    never = not notices.ends(run.lineage, last, due, agreement.max_lag_s)  # whatever clocks say
    over = run.devices > term.devices and never and notices.until >= due + agreement.grace_s
    code, outcome = ("term/reporting", Outcome.BREACHED) if over else ("reporting/missed", Outcome.UNPROVEN)
    return Finding(code, outcome, text, numbers=numbers, settle="a notice of its end")


def _name(run: Run) -> str:
    return "a run without lineage" if run.lineage == ALONE else f"lineage {run.lineage % (1 << 64)}"


def _unnamed(term: Reporting, views: Sequence[View]) -> list[Finding]:
    """Where a run of which nothing was said may have been."""
    dark = int(add(*(_dark(view) for view in views)).max()) if views else 0
    if not views or dark <= term.devices * views[0].agreement.bucket_s:
        return []
    text = f"runs of which nothing was said may have had {dark:,} device-seconds of a bucket"
    settle = f"records that name the runs of these, or all but {term.devices:,} accelerators shown to be off"
    numbers = {"device_seconds": dark}
    return [Finding("reporting/unnamed", Outcome.UNPROVEN, text, numbers=numbers, settle=settle)]


def _dark(view: View) -> Array:
    """Device-seconds in each bucket that are not accounted for, or have tensor cycles and no run."""
    account = view.account
    out = np.zeros(view.window[1] - view.window[0], np.int64)
    for _, seconds in view.unaccounted():
        out += seconds.sum(axis=0)
    cells = account.of_label(account.usable, int(Label.NONE))
    busy = cells[np.maximum(cells[:, Cell.CYCLES], cells[:, Cell.DERIVED]) > 0]
    np.add.at(out, busy[:, Cell.BUCKET] - account.first, busy[:, Cell.SAMPLED])
    return out
