"""The term custody: an archive's office says in one unbroken chain what it did (schemas/agreement.md, "Terms").

    S ---------- a --- b ------------- c --------- E        the phase, as far as it is judged; a, b, c are acts
                                       |-- cut? --|         a copy shows as much as witnesses, or its last entry, say

Every statement's window begins where the office's last one ended, so that an unbroken chain leaves no time out; what it
cannot show is what came after the copy was made. Old copies frame nobody: a silence counts as broken only between two
acts that follow on each other in the chain. There need be no accelerator: this says nothing of compute.
"""

from typing import Final

import numpy as np

from attest.agreement import Custody
from attest.compute.columns import Ints
from attest.control import FOREVER
from attest.evaluate import View
from attest.facts import Mask
from attest.terms.case import Case
from attest.verdict import Finding, Outcome, TermResult, utc

_NEWER: Final = "a newer copy of the log"


def judge_custody(case: Case[Custody]) -> TermResult:
    """The custody statements of each site, and the longest time between them."""
    term, findings = case.term, list(case.lost)
    count = low = high = 0
    for view in case.views:
        log = _Log(view, case.at)
        findings += log.unsound()
        findings += log.unshown(term)
        count += log.count
        longest = log.silences(log.shown, edges=True)
        certain = log.silences(log.certain)
        high, low = max(high, int(np.diff(longest).max())), max(low, int(np.diff(certain).max(initial=0)))
        if term.max_silence_s is not None:
            findings += _silent(log, longest, term.max_silence_s)
            findings += _broken(certain, term.max_silence_s, view.agreement.grace_s)
    outcomes = {finding.outcome for finding in findings}
    outcome = Outcome.UNPROVEN if Outcome.UNPROVEN in outcomes or not case.views else Outcome.HOLDS
    return case.result(
        Outcome.BREACHED if Outcome.BREACHED in outcomes else outcome,
        f"{count:,} custody statements, {high:,} s without one at most" if case.views else "no custody log was read",
        findings,
        unit="s",
        low=low if case.views else None,
        high=high if case.views else None,
        limit=term.max_silence_s,
        tightest=high if case.views else None,
    )


class _Log:
    """The custody statements of a site: when what each tells of was done, and which of them count.

    That is the end of its window, or when a quorum had witnessed it if that is earlier: nobody tells of a time to come.
    What is dated after the time of judgement, or was never witnessed though a quorum is asked for, counts for nothing.
    """

    def __init__(self, view: View, at: int) -> None:
        self.view, self.required = view, view.agreement.policy.required
        self.index, self.start, self.end = view.facts.entered.T
        self.seen = view.timeline.uppers(self.index) if self.required else self.end
        self.time = np.minimum(self.end, self.seen)
        office = view.control.sources[0].sub
        # What a known source but the office did wrong is not in the office's chain.
        self.faults = sorted(fault for fault in view.evidence.faults if fault.source in ("", office))
        said = (self.seen >= 0) & (self.time <= at)
        self.voided = np.isin(self.index, list(view.control.voided))
        self.shown = said & ~self.voided
        # A silence is certain between two acts that nobody took back, and that stand before anything that is wrong.
        own = said & (self.index < self._first_fault())
        ends = np.flatnonzero(own & self.shown)
        place = np.arange(len(own))
        self.certain = own & (place >= ends.min(initial=len(own))) & (place <= ends.max(initial=-1))

    @property
    def count(self) -> int:
        """How many statements tell of the phase and count."""
        return int((self.shown & (self.end >= self.view.start) & (self.start < self.view.end)).sum())

    @property
    def reaches(self) -> bool:
        """Whether a quorum shows that the copy has all that there was by the end of what is judged."""
        newest = self.view.timeline.newest
        return newest is not None and newest >= self.view.end

    def silences(self, mask: Mask, *, edges: bool = False) -> Ints:
        """The times of these acts, rising and cut to the phase; with its two edges, if they are asked for."""
        start, end = self.view.start, self.view.end
        times = np.clip(np.sort(self.time[mask]), start, end)
        return np.concatenate(([start], times, [end])) if edges else times

    def unsound(self) -> list[Finding]:
        """Why the chain is not shown to be one, and unbroken."""
        findings = []
        if self.faults:
            first = self.faults[0]
            text = f"{len(self.faults):,} faults of the log or its office, the first {first.code}: {first.detail}"
            findings.append(Finding("custody/broken", Outcome.UNPROVEN, text, index=first.index, settle="a sound copy"))
        elif self.view.facts.faulted > len(self.view.facts.faults):
            text = "there are more faults than are listed, and nobody knows whose they are"
            findings.append(Finding("custody/broken", Outcome.UNPROVEN, text, settle="a sound copy"))
        if self.voided.any():
            index = int(self.index[self.voided][0])
            text = f"{int(self.voided.sum()):,} custody statements were taken back by the root holders"
            findings.append(Finding("custody/voided", Outcome.UNPROVEN, text, index=index))
        return findings

    def unshown(self, term: Custody) -> list[Finding]:
        """What of the phase this copy does not show, or not in time."""
        view = self.view
        findings = self._unwitnessed() if self.required else [_own_word(view.site.origin)]
        if not self.count:
            text = f"no custody statement of {view.site.origin} is about this phase"
            settle = "" if self.reaches else _NEWER
            findings.append(Finding("custody/none", Outcome.UNPROVEN, text, settle=settle))
        elif term.max_silence_s is None and (begun := int(self.start[self.shown].min())) > view.start:
            text = f"the first custody statement tells of the time from {utc(begun)} on"
            findings.append(Finding("custody/begins-late", Outcome.UNPROVEN, text, start=view.start, end=begun))
        return findings

    def _unwitnessed(self) -> list[Finding]:
        view, newest = self.view, self.view.timeline.newest
        findings = []
        if newest is None:
            text, settle = "no quorum cosigned any head", f"cosignatures of {view.agreement.policy.quorum}"
            findings.append(Finding("head/unwitnessed", Outcome.UNPROVEN, text, settle=settle))
        elif newest < view.end:
            text = f"this copy was last witnessed at {utc(newest)}, and {utc(view.end)} is the end of what is judged"
            findings.append(Finding("custody/cut", Outcome.UNPROVEN, text, settle=_NEWER))
        here = (self.end >= view.start) & (self.end < view.end)
        late = int((here & ((self.seen < 0) | (self.seen > self.end + view.agreement.max_lag_s))).sum())
        if late:
            text = f"{late:,} of {int(here.sum()):,} custody statements are not shown to have been witnessed in time"
            settle = f"cosigned heads that show these {late:,} earlier"
            numbers = {"statements": late}
            findings.append(Finding("time/untimely", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
        return findings

    def _first_fault(self) -> int:
        first = min((fault.index for fault in self.faults if fault.index >= 0), default=FOREVER)
        facts = self.view.facts
        return min(first, facts.faults[-1].index) if facts.faulted > len(facts.faults) else first


def _own_word(origin: str) -> Finding:
    text = f"no witness is asked for: when {origin} was written, and that it has one history, is its own word"
    settle = "witnesses in the agreement, or stamps of a time authority beside the log"
    return Finding("custody/unwitnessed", Outcome.HOLDS, text, settle=settle)


def _silent(log: _Log, times: Ints, most: int) -> list[Finding]:
    """The longest silence, if it may have been longer than it should."""
    lengths = np.diff(times)
    place, long = int(lengths.argmax()), int((lengths > most).sum())
    if not long:
        return []
    start, end = times[place : place + 2].tolist()
    last = long == 1 and place == len(lengths) - 1 and not log.reaches
    text = f"no custody statement for {end - start:,} s, at most {most:,} s are allowed"
    numbers = {"seconds": end - start, "silences": long}
    settle = _NEWER if last else ""
    return [Finding("custody/silent", Outcome.UNPROVEN, text, start=start, end=end, numbers=numbers, settle=settle)]


def _broken(times: Ints, most: int, grace: int) -> list[Finding]:
    """The longest silence between two acts, if it was longer than it should be for certain."""
    lengths = np.diff(times)
    if lengths.max(initial=0) <= most + grace:
        return []
    start, end = times[int(lengths.argmax()) :][:2].tolist()
    text = f"the office went on after {end - start:,} s without a custody statement, at most {most:,} s are allowed"
    numbers = {"seconds": end - start}
    return [Finding("term/custody", Outcome.BREACHED, text, start=start, end=end, numbers=numbers)]
