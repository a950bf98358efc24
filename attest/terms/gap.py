"""The term gap: for how long an accelerator may be unaccounted for (schemas/agreement.md, "Terms").

Facts have gaps by group of accelerators and bucket. So the longest gap of any one lies between two numbers: the time in
which all of a group were dark, and the time that the dark seconds of neighbouring buckets allow one of them. A gap is a
breach, like a hole of coverage, once the party's own witnessed chain has gone past it by the grace period.

Rosters may move accelerators from group to group. What is moved takes its gap along: groups that had an accelerator or
a host in common at different times are dark together for the larger number; and for the smaller one a time in which a
group had others in it than before is a time of its own.
"""

from typing import Final, NamedTuple

import numpy as np

from attest.agreement import Gap
from attest.compute.exact import Array
from attest.errors import UnsupportedError
from attest.evaluate import View
from attest.facts import Mask
from attest.terms.case import Case
from attest.terms.coverage import past_holes
from attest.terms.declared import no_pin, undeclared
from attest.terms.moves import Moves
from attest.verdict import Finding, Outcome, TermResult

NONE: Final = -1  # no group
MAX_MOVED: Final = 1 << 26  # sets of groups that were moved about x buckets


class Longest(NamedTuple):
    """In s, of any accelerator: the longest gap and the sum of all, each at least and at most, and the groups."""

    low: int = 0
    high: int = 0
    all_low: int = 0
    all_high: int = 0
    group: int = NONE
    all_group: int = NONE


def judge_gap(case: Case[Gap]) -> TermResult:
    """The longest gap of any accelerator, and the longest time of any in all gaps."""
    term = case.term
    findings = [*case.lost, *undeclared(case.views)]
    outcome = Outcome.HOLDS if case.views and not findings else Outcome.UNPROVEN
    low = high = 0
    breached = False
    for view in case.views:
        if view.unpinned:
            findings += [no_pin(model) for model in view.unpinned]
            outcome = Outcome.UNPROVEN
            continue
        found = _longest(view)
        low, high = max(low, found.low), max(high, found.high)
        limits = [(term.longest_s, found.low, found.high, found.group, "at a time")]
        if term.outage_s is not None:
            limits.append((term.outage_s, found.all_low, found.all_high, found.all_group, "in all"))
        for limit, least, most, group, what in limits:
            if least > limit:
                breached = True
                source = view.layouts.groups[group].sub
                text = f"an accelerator is unaccounted for {least:,} s {what}, at most {limit:,} s"
                numbers = {"seconds": least, "limit": limit}
                findings.append(Finding("term/gap", Outcome.BREACHED, text, source=source, numbers=numbers))
            elif most > limit:
                outcome = Outcome.UNPROVEN
                text = f"an accelerator may be unaccounted for {most:,} s {what}, at most {limit:,} s"
                settle = f"records or a metered power-off, so that {most - limit:,} s less are dark"
                numbers = {"seconds": most, "limit": limit}
                findings.append(Finding("gap/too-long", Outcome.UNPROVEN, text, numbers=numbers, settle=settle))
    return case.result(
        Outcome.BREACHED if breached else outcome,
        f"no gap over {high:,} s",
        findings,
        unit="s",
        low=low,
        high=high,
        limit=term.longest_s,
        tightest=high,
    )


def _longest(view: View) -> Longest:
    """By all holes at most, and at least by those that the party's own chain has gone past."""
    found = Longest()
    bucket, devices = view.agreement.bucket_s, view.account.expected
    moves = Moves(view)
    if moves.sets * devices.buckets > MAX_MOVED:
        detail = f"{moves.sets:,} sets of accelerators that were moved, over {devices.buckets:,} buckets"
        raise UnsupportedError("unsupported/size", detail)
    moved = np.zeros((moves.sets, devices.buckets), np.int64)
    for (groups, holes), (_, past) in zip(view.unaccounted(), past_holes(view), strict=True):
        here = moves.set_of[groups]
        np.add.at(moved, here[here != NONE], holes[here != NONE])
        found = _most(found, holes[here == NONE], bucket)
        found = _least(found, view, groups, past, moves)
    return _most(found, moved, bucket)


def _most(found: Longest, holes: Array, bucket: int) -> Longest:
    """One accelerator is dark in a bucket for no longer than the bucket, and than all of its like together."""
    most = np.minimum(holes, bucket)
    return found._replace(
        high=max(found.high, int(_runs(most).max(initial=0))),
        all_high=max(found.all_high, int(most.sum(axis=1).max(initial=0))),
    )


def _least(found: Longest, view: View, groups: slice, past: Array, moves: Moves) -> Longest:
    """Where all that is declared was dark all the time, each one was."""
    bucket, devices = view.agreement.bucket_s, view.account.expected
    declared, most = devices.of(groups), devices.most[groups]
    fixed = moves.set_of[groups] == NONE
    whole = np.where((past >= declared) & (declared > 0), bucket, 0)
    low = np.where(fixed, _runs(np.where(declared == most[:, None] * bucket, whole, 0)), 0)
    for begin, end in moves.periods if not fixed.all() else ():
        np.maximum(low, np.where(fixed, 0, _runs(whole[:, begin:end])), out=low)
    mean = past.sum(axis=1) // np.maximum(moves.different[groups], 1)
    if len(low) and low.max() > found.low:
        found = found._replace(low=int(low.max()), group=groups.start + int(low.argmax()))
    if len(mean) and mean.max() > found.all_low:
        found = found._replace(all_low=int(mean.max()), all_group=groups.start + int(mean.argmax()))
    return found


def _runs(values: Array) -> Array:
    """The largest sum over neighbouring buckets of which none is 0, [group]."""
    if not values.shape[1]:
        return np.zeros(len(values), np.int64)
    sums = np.cumsum(values, axis=1)
    before: Mask = values == 0
    base = np.maximum.accumulate(np.where(before, sums, 0), axis=1)
    return np.asarray((sums - base).max(axis=1))
