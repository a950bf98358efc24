"""The term reporting: runs are announced before they start and closed when they end (schemas/agreement.md, "Terms").

Notices are entries of the office's, statements name runs by lineage, and witnesses tell when each was there. A run that
starts within the phase is late for certain if the copies of all of the party's logs reach beyond the time by which its
notice was due, and none has it by then. By which time that is nobody knows but from the statement that names it first:
the run began no earlier than its window does (to hold), and no later than it ends (to be a breach).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from attest.agreement import Reporting
from attest.compute.exact import Array, add, gathered
from attest.evaluate import View
from attest.facts import Cell, Work
from attest.format.vocabulary import Label, Report
from attest.terms.case import Case
from attest.terms.declared import intact
from attest.terms.runs import ALONE, denied
from attest.timeline import Timeline
from attest.verdict import Finding, Outcome, TermResult, utc

MOST_NAMED = 5  # runs; the rest are counted


class Run(NamedTuple):
    """A lineage that started in the phase, over all sites: windows of the first and the last statement that names it
    (Unix s), and the accelerators that it had at once, for certain and at most."""

    lineage: int
    first: tuple[int, int]
    last: tuple[int, int]
    devices: int
    most: int


class Told(NamedTuple):
    """By when a quorum had witnessed each notice, by heads that the logs keep; and until when all logs were."""

    notices: dict[tuple[Report, int], list[int]]
    until: int

    def by(self, report: Report, lineage: int, time: int, since: int = 0) -> bool:
        """Whether a notice came between two times."""
        return any(since <= seen <= time for seen in self.notices.get((report, lineage), ()))


def judge_reporting(case: Case[Reporting]) -> TermResult:
    """Every run of more than so many accelerators against the notices of the office."""
    term = case.term
    views, lost = intact(case)
    told = _told(views)
    runs = [run for run in _runs(views) if run.most > term.devices]
    missed = [found for run in runs if (found := _missed(term, run, told, case.views[0].agreement.grace_s)) is not None]
    findings = [*lost, *missed[:MOST_NAMED]]
    if len(missed) > MOST_NAMED:
        more = f"and {len(missed) - MOST_NAMED:,} more runs"
        findings.append(Finding("reporting/missed", Outcome.UNPROVEN, more, numbers={"runs": len(missed)}))
    dark = int(add(*(_dark(view) for view in views)).max()) if views else 0
    if dark > term.devices * case.views[0].agreement.bucket_s:
        text = f"runs of which nothing was said may have had {dark:,} device-seconds of a bucket"
        settle = f"records that name the runs of these, or all but {term.devices:,} accelerators shown to be off"
        numbers = {"device_seconds": dark}
        findings.append(Finding("reporting/unnamed", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
    certain = not lost and any(finding.outcome is Outcome.BREACHED for finding in missed)
    outcome = Outcome.BREACHED if certain else Outcome.UNPROVEN if findings or not views else Outcome.HOLDS
    kept = len(runs) - len(missed)
    return case.result(
        outcome,
        f"{kept:,} of {len(runs):,} runs reported",
        findings if certain else [_softened(finding) for finding in findings],
        unit="runs",
        low=kept,
        high=kept + sum(finding.outcome is Outcome.UNPROVEN for finding in missed),
        limit=len(runs),
        tightest=kept,
    )


def _softened(finding: Finding) -> Finding:
    """Where a log of the party is not there, what is missing may stand in it."""
    if finding.outcome is not Outcome.BREACHED:
        return finding
    return Finding("reporting/missed", Outcome.UNPROVEN, finding.text, numbers=finding.numbers)


def _missed(term: Reporting, run: Run, told: Told, grace: int) -> Finding | None:
    """What is not shown to have been reported of a run, or None. One that may be too small for it is not late."""
    certain = run.devices > term.devices
    name = "a run without lineage" if run.lineage == ALONE else f"lineage {run.lineage % (1 << 64)}"
    numbers = {"accelerators": run.devices}
    if run.lineage == ALONE or not told.by(Report.STARTS, run.lineage, run.first[0] - term.notice_s):
        due = run.first[1] - term.notice_s
        text = f"{name}, which started by {utc(run.first[1])}, was not announced by {utc(run.first[0] - term.notice_s)}"
        late = run.lineage == ALONE or not told.by(Report.STARTS, run.lineage, due)
        if certain and late and told.until >= due + grace:
            return Finding("term/reporting", Outcome.BREACHED, text, numbers=numbers)
        return Finding("reporting/missed", Outcome.UNPROVEN, text, numbers=numbers, settle="heads that show its notice")
    if term.closing_s is None:
        return None
    due = run.last[1] + term.closing_s
    # What was said before the last window began is not of this end.
    if told.by(Report.ENDS, run.lineage, due, since=run.last[0]) or told.until < due:  # it may go on
        return None
    over = certain and told.until >= due + grace
    return _open(name, due, numbers, Outcome.BREACHED if over else Outcome.UNPROVEN)


def _open(name: str, due: int, numbers: dict[str, int], outcome: Outcome) -> Finding:
    code = "term/reporting" if outcome is Outcome.BREACHED else "reporting/missed"
    return Finding(code, outcome, f"{name} was not closed by {utc(due)}", numbers=numbers, settle="a notice of its end")


def _told(views: Sequence[View]) -> Told:
    notices: dict[tuple[Report, int], list[int]] = {}
    reach = []
    for view in views:
        kept = Timeline(view.agreement.policy, view.control.heads)
        records = view.control.notices
        uppers = kept.uppers(np.array([record.index for record in records], np.int64))
        for record, seen in zip(records, uppers.tolist(), strict=True):
            lineage = int(np.array(record.notice.lineage, np.uint64).view(np.int64))
            notices.setdefault((record.notice.report, lineage), []).append(seen)
        reach.append(max((t for h in view.control.heads if (t := kept.lower(h.note)) is not None), default=0))
    return Told(notices, min(reach, default=0))


def _runs(views: Sequence[View]) -> Iterator[Run]:
    """Lineages whose first statement of all begins within the phase; statements without lineage are one run each."""
    windows: dict[int, list[tuple[int, int]]] = {}
    seconds: dict[tuple[int, int, int], int] = {}
    groups: dict[int, set[tuple[int, int]]] = {}
    for number, view in enumerate(views):
        worth, most = view.worth, view.account.expected.most
        rows = view.facts.work[worth.of(view.facts.work[:, Work.INDEX], worth.admitted)]
        rows = rows[(rows[:, Work.SECONDS] > 0) & ~denied(view, rows[:, Work.INDEX], rows[:, Work.GROUP])]
        times = worth.windows[np.searchsorted(worth.indices, rows[:, Work.INDEX])]
        own = np.where(rows[:, Work.LINEAGE] == ALONE, rows[:, Work.INDEX] << 12 | rows[:, Work.RUN], -1)
        keys, at = np.unique(np.column_stack((rows[:, Work.LINEAGE], times, own)), axis=0, return_inverse=True)
        at = at.reshape(-1)
        sums = gathered(rows[:, Work.SECONDS], at, len(keys))
        named = gathered(most[rows[:, Work.GROUP]], at, len(keys))
        for (lineage, start, end, _), amount, all_of in zip(keys.tolist(), sums.tolist(), named.tolist(), strict=True):
            if lineage != ALONE:
                windows.setdefault(lineage, []).append((start, end))
                seconds[lineage, start, end] = seconds.get((lineage, start, end), 0) + amount
            elif view.start <= start < view.end:
                yield Run(ALONE, (start, end), (start, end), -(-amount // (end - start)), all_of)
        for lineage, group in np.unique(rows[:, [Work.LINEAGE, Work.GROUP]], axis=0).tolist():
            groups.setdefault(lineage, set()).add((number, group))
    devices: dict[int, int] = {}
    for (lineage, start, end), amount in seconds.items():
        devices[lineage] = max(devices.get(lineage, 0), -(-amount // (end - start)))
    for lineage, found in sorted(windows.items()):
        if views[0].start <= min(found)[0] < views[0].end:
            most_of = sum(int(views[n].account.expected.most[group]) for n, group in groups[lineage])
            yield Run(lineage, min(found), max(found), devices[lineage], most_of)


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
