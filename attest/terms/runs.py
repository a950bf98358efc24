"""Runs as statements name them: what the terms run-cap and scale-cap have in common (schemas/agreement.md, "Terms").

A run is known by its lineage, a number that its restarts share over all sites of a party; statements whose run has
lineage 0 stand alone. Likewise the runs of one owner. Which runs there are is the lab's word. So `low` is what it
admits of one lineage, and `high`, above L1, is everything: any accelerator that was not shown to be off may have been
part of one run.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from attest.agreement import RunCap, ScaleCap, Tie
from attest.compute.columns import Ints
from attest.compute.exact import running
from attest.evaluate import View
from attest.facts import Mask, Table, Work
from attest.figures import INDEPENDENT
from attest.terms.case import Case
from attest.terms.disputed import only_disputed
from attest.terms.settle import Settled
from attest.usage import CLASS_STEP
from attest.verdict import Finding, Outcome, TermResult

ALONE: Final = 0  # the lineage of a run without one
MAX_TRIED: Final = 256  # lineages that are gone through one by one

Key = tuple[int, int]


class Named(NamedTuple):
    """What a site's statements say of runs in a phase: rows of `Work`, and the number of each row's lineage in `keys`:
    (lineage, 0), or (0, a number of its own) for what stands alone."""

    rows: Table
    lineage: Ints
    keys: list[Key]


class Largest(NamedTuple):
    """The largest run: how large it is for certain, and which lineage it is."""

    amount: int
    lineage: int
    tie: Tie = Tie.LINEAGE

    @property
    def whose(self) -> str:
        """Its lineage in words."""
        if not self.amount:
            return "no run admitted"
        return f"a run without {self.tie}" if self.lineage == ALONE else f"{self.tie} {self.lineage % (1 << 64)}"


def named(number: int, view: View, mask: Mask, label: int | None, tie: Tie = Tie.LINEAGE) -> Named:
    """What the statements of a mask say; `number` is the site's, so that what stands alone has a key of its own."""
    account = view.account
    first, last = account.reach(account.work[:, Work.INDEX])
    here = account.worth.of(account.work[:, Work.INDEX], mask) & (first < account.end) & (last >= account.first)
    rows = account.work[here]
    if label is not None:
        rows = rows[rows[:, Work.CLASS] // CLASS_STEP == label]
    lineage = rows[:, Work.LINEAGE if tie is Tie.LINEAGE else Work.OWNER]
    own = np.where(lineage == ALONE, rows[:, Work.INDEX] << 12 | rows[:, Work.RUN], -1)
    found, at = np.unique(np.stack((lineage, own), axis=1), axis=0, return_inverse=True)
    keys = [(of, 0) if of != ALONE else (ALONE, number << 52 | alone) for of, alone in found.tolist()]
    return Named(rows, at.reshape(-1), keys)


def denied(view: View, index: Ints, group: Ints) -> Mask:
    """Of groups in statements, those on a feed that an independent meter shows to be off in any bucket of the
    statement's window."""
    account = view.account
    metering = account.metering(INDEPENDENT)
    off = running(metering.off.astype(np.int64))
    first, last = account.reach(index)
    first, end = (np.clip(edge, account.first, account.end) - account.first for edge in (first, last + 1))
    row = metering.row_of[account.group_feed[group]]
    return np.asarray(off[row, end] > off[row, first])


def result(
    case: Case[RunCap] | Case[ScaleCap],
    code: str,
    lost: tuple[Finding, ...],
    low: Largest,
    claimed: Largest,
    high: int,
    limit: int,
    breach: Callable[[Largest], str],
    unit: str,
    settle: Callable[[], Settled],
) -> TermResult:
    """A term about the largest run: as admitted, and with what is disputed; `breach` says what of one breaks it,
    `settle` what would prove it."""
    numbers = {"low": low.amount, "high": high, "limit": limit}
    findings: tuple[Finding, ...] = ()
    outcome = Outcome.UNPROVEN
    if low.amount > high:
        why = "admitted is above the worst case: the evidence contradicts itself"
        findings = (Finding("bounds/crossed", Outcome.UNPROVEN, why, numbers=numbers),)
    elif low.amount > limit:
        outcome = Outcome.BREACHED
        findings = (Finding(code, Outcome.BREACHED, breach(low), numbers=numbers),)
    elif high > limit and claimed.amount > limit:
        numbers["disputed"] = claimed.amount
        findings = (only_disputed(Finding(code, Outcome.BREACHED, breach(claimed), numbers=numbers)),)
    elif high > limit:
        why = "whatever was not shown to be off may have been one run"
        found = settle()
        numbers |= {"device_seconds_needed": found.needed_s, "device_seconds_missing": found.missing_s}
        findings = (Finding("bounds/too-wide", Outcome.UNPROVEN, why, numbers=numbers, settle=found.text),)
    elif not lost:
        outcome = Outcome.HOLDS
    known = None if lost else high
    return case.result(
        outcome,
        low.whose,
        (*lost, *findings),
        unit=unit,
        low=low.amount,
        high=known,
        limit=limit,
        tightest=known,
    )
