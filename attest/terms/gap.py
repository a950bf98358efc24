"""The term gap: for how long an accelerator may be unaccounted for (schemas/agreement.md, "Terms").

Facts have gaps by group of accelerators and bucket. So the longest gap of any one lies between two numbers: the time in
which all of a group were dark, and the time that the dark seconds of neighbouring buckets allow one of them. A gap is a
breach, like a hole of coverage, once the party's own witnessed chain has gone past it by the grace period.
"""

from typing import Final, NamedTuple

import numpy as np

from attest.agreement import Gap
from attest.compute.exact import Array
from attest.evaluate import View
from attest.facts import Mask
from attest.terms.case import Case
from attest.terms.coverage import past_holes
from attest.terms.declared import no_pin, undeclared
from attest.verdict import Finding, Outcome, TermResult

NONE: Final = -1  # no group


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
        worst, certain = _longest(view)
        low, high = max(low, certain.low), max(high, worst.high)
        limits = [(term.longest_s, certain.low, worst.high, certain.group, "at a time")]
        if term.outage_s is not None:
            limits.append((term.outage_s, certain.all_low, worst.all_high, certain.all_group, "in all"))
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


def _longest(view: View) -> tuple[Longest, Longest]:
    """By all holes, and by those that the party's own chain has gone past."""
    worst = certain = Longest()
    bucket = view.agreement.bucket_s
    devices = view.account.expected
    for (groups, holes), (_, past) in zip(view.unaccounted(), past_holes(view), strict=True):
        declared = devices.of(groups)
        # One accelerator is dark in a bucket for no longer than the bucket, and than all of its group together.
        most = np.minimum(holes, bucket)
        high = _runs(most, most > 0)
        worst = worst._replace(
            high=max(worst.high, int(high.max(initial=0))),
            all_high=max(worst.all_high, int(most.sum(axis=1).max(initial=0))),
        )
        # Where all that is declared was dark all the time, each one was.
        dark = (past >= declared) & (declared > 0)
        low = _runs(np.where(dark, bucket, 0), dark)
        mean = past.sum(axis=1) // np.maximum(devices.most[groups], 1)
        if len(low) and low.max() > certain.low:
            certain = certain._replace(low=int(low.max()), group=groups.start + int(low.argmax()))
        if len(mean) and mean.max() > certain.all_low:
            certain = certain._replace(all_low=int(mean.max()), all_group=groups.start + int(mean.argmax()))
    return worst, certain


def _runs(values: Array, inside: Mask) -> Array:
    """The largest sum of values over an unbroken run of buckets, [group]."""
    longest = np.zeros(len(values), np.int64)
    run = longest.copy()
    for bucket in range(values.shape[1]):
        run = np.where(inside[:, bucket], run + values[:, bucket], 0)
        np.maximum(longest, run, out=longest)
    return longest
