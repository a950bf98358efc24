"""Terms that cap a quantity: compute-cap, power-cap, power-off (schemas/agreement.md, "Terms").

A cap holds if the worst case is within it and is breached if the admission, clipped to every independent upper
bound, exceeds it; between the two it is unproven, and the tightest cap that the evidence would prove is the worst
case itself. `low > high` is a contradiction of the evidence and proves neither.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from attest.agreement import ComputeCap, Phase, PowerCap, PowerOff
from attest.compute.exact import add
from attest.declared import undeclared
from attest.evaluate import View
from attest.facts import Cell, Table
from attest.metering import INDEPENDENT, SOFTWARE, Window
from attest.verdict import Finding, Outcome, TermResult

MFLOP: Final = 10**6
DAY: Final = 86_400
HOUR: Final = 3_600


def judge_compute(term: ComputeCap, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """A compute cap over sites. `lost` says which of the term's sites have no readable evidence."""
    start, end = views[0].start if views else phase.start, views[0].end if views else phase.end
    lost = (*lost, *(_no_pin(model) for view in views for model in view.unpinned), *undeclared(views))
    views = [view for view in views if not view.unpinned and view.layouts.feeds]
    base = partial(TermResult, phase.name, term.name, term.kind, start=start, end=end, level=int(term.assurance))
    if not views:
        return base(outcome=Outcome.UNPROVEN, text="no bound", unit="FLOP", limit=term.limit, findings=lost)
    windows = _days(views[0]) if term.window_s is None else _rolling(views[0], most_buckets(views[0], term.window_s))
    label = None if term.label is None else int(term.label)
    within = [views[0].window] if term.window_s is None else _rolling(views[0], fewest_buckets(views[0], term.window_s))
    found = [view.account.compute(windows, int(term.assurance), label, within) for view in views]
    rolling = term.window_s is not None
    high = int(add(*(c.high for c in found)).max()) if rolling else sum(c.total for c in found)
    low = int(add(*(c.low for c in found)).max())
    disputed = int(add(*(c.disputed for c in found)).max())
    parts: dict[str, int] = {}
    for compute in found:
        for name, value in compute.parts.items():
            parts[name] = parts.get(name, 0) + value
    outcome, findings = _outcome(low * MFLOP, high * MFLOP, disputed * MFLOP, term.limit)
    if lost and outcome is not Outcome.BREACHED:  # what is intact may show a breach, and bounds nothing beyond itself
        outcome = Outcome.UNPROVEN
    negative = tuple(
        Finding("balance/negative", Outcome.UNPROVEN, "more energy came out of this feed than went in", feed=feed)
        for compute in found
        for feed in compute.negative
    )
    return base(
        outcome=outcome,
        text="any label" if term.label is None else f"label {term.label.name.lower().replace('_', '-')}",
        unit="FLOP",
        low=low * MFLOP,
        high=None if lost else high * MFLOP,
        limit=term.limit,
        tightest=None if lost else high * MFLOP,
        parts=parts,
        findings=(*lost, *findings, *negative),
    )


def _days(view: View) -> list[Window]:
    """The UTC days of the phase; a bucket longer than a day is a piece of its own."""
    first, end = view.window
    bucket = view.agreement.bucket_s
    days = sorted({b * bucket // DAY for b in range(first, end)})
    edges = sorted({first, end, *(min(max(-(-d * DAY // bucket), first), end) for d in days)})
    return list(pairwise(edges))


def _rolling(view: View, length: int) -> list[Window]:
    """Every position of a window of so many buckets."""
    first, end = view.window
    return [(b, b + length) for b in range(first, end - length + 1)]


def most_buckets(view: View, window_s: int) -> int:
    """How many buckets a rolling window can touch: it may begin inside one, and one partly inside counts for high."""
    return min(-(-window_s // view.agreement.bucket_s) + 1, view.window[1] - view.window[0])


def fewest_buckets(view: View, window_s: int) -> int:
    """How many whole buckets lie in a rolling window that begins on the edge of one: what counts for low."""
    return min(window_s // view.agreement.bucket_s, view.window[1] - view.window[0])


def _outcome(low: int, high: int, disputed: int, limit: int) -> tuple[Outcome, tuple[Finding, ...]]:
    numbers = {"low": low, "high": high, "limit": limit}
    if low > high:
        text = f"admitted {low:.3e} is above the worst case {high:.3e}: the evidence contradicts itself"
        return Outcome.UNPROVEN, (Finding("bounds/crossed", Outcome.UNPROVEN, text, numbers=numbers),)
    if low > limit:
        return Outcome.BREACHED, (
            Finding(
                "term/compute-cap",
                Outcome.BREACHED,
                f"admitted {low:.3e} over the limit {limit:.3e} FLOP",
                numbers=numbers,
            ),
        )
    if high <= limit:
        return Outcome.HOLDS, ()
    if disputed > limit:
        text = f"{disputed - low:.3e} FLOP over the limit rest on statements that a revocation disputes"
        return Outcome.UNPROVEN, (
            Finding("breach/disputed", Outcome.UNPROVEN, text, numbers={**numbers, "disputed": disputed}),
        )
    text = f"worst case {high:.3e} is over the limit {limit:.3e} FLOP, admitted {low:.3e}"
    return Outcome.UNPROVEN, (
        Finding(
            "bounds/too-wide", Outcome.UNPROVEN, text, numbers=numbers, settle="evidence that narrows the parts listed"
        ),
    )


def _no_pin(model: str) -> Finding:
    text = f"neither the agreement nor the table says what a {model} can do at most"
    return Finding("pin/missing", Outcome.UNPROVEN, text, settle=f"a pin for {model} in the agreement")


def judge_off(term: PowerOff, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """Every accelerator is off in every bucket, and a meter of the asked level agrees."""
    findings = [*lost, *undeclared(views)]
    known = not findings
    off_s = expected_s = on_s = 0
    for view in views:
        if view.unpinned:
            findings += [_no_pin(model) for model in view.unpinned]
            continue
        account = view.account
        off = account.metering(int(term.assurance)).off
        quiet = off[account.group_feed]
        off_s += int(account.expected[quiet].sum())
        expected_s += int(account.expected.sum())
        admitted = account.cells[account.worth.of(account.cells[:, Cell.INDEX], account.worth.admitted)]
        on = admitted[admitted[:, Cell.SAMPLED] > 0]
        # A host's key alone does not switch on what an independent meter shows to be off.
        shown = account.metering(INDEPENDENT).off
        denied = shown[account.group_feed[on[:, Cell.GROUP]], on[:, Cell.BUCKET] - view.window[0]]
        if denied.any():
            known = False
            findings.append(_crossed(view, on[denied]))
        on = on[~denied]
        on_s += int(on[:, Cell.SAMPLED].sum())
        if len(on):
            findings.append(_admits_on(view, on))
        findings += _not_off(view, off)
    if on_s:
        outcome = Outcome.BREACHED
    else:
        outcome = Outcome.HOLDS if expected_s and off_s == expected_s and known else Outcome.UNPROVEN
    start, end = views[0].start if views else phase.start, views[0].end if views else phase.end
    return TermResult(
        phase.name, term.name, term.kind, outcome, start, end, int(term.assurance),
        f"{off_s // HOUR:,} of {expected_s // HOUR:,} device-hours shown to be off",
        "device-seconds", on_s, expected_s - off_s, 0, expected_s - off_s, {}, tuple(findings),
    )  # fmt: skip


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


def _not_off(view: View, off: npt.NDArray[np.bool_]) -> list[Finding]:
    """One finding for each feed that is not shown to be off throughout."""
    account = view.account
    names = {number: name for name, number in view.layouts.feeds.items()}
    due = np.zeros(off.shape, bool)
    for group, feed in enumerate(account.group_feed):
        due[feed] |= account.expected[group] > 0
    findings = []
    for feed in np.flatnonzero((due & ~off).any(axis=1)).tolist():
        missing = np.flatnonzero(due[feed] & ~off[feed])
        bucket = view.agreement.bucket_s
        findings.append(
            Finding(
                "power/not-shown-off",
                Outcome.UNPROVEN,
                f"{len(missing)} of {int(due[feed].sum())} buckets are not shown to be off by a meter of this level",
                feed=names[feed],
                start=int(missing[0] + view.window[0]) * bucket,
                end=int(missing[-1] + 1 + view.window[0]) * bucket,
                numbers={"buckets": len(missing)},
                settle=f"an independent meter's readings of {names[feed]} for {len(missing)} buckets",
            )
        )
    return findings


def judge_power(term: PowerCap, phase: Phase, views: Sequence[View], lost: tuple[Finding, ...]) -> TermResult:
    """Energy or power through feeds against a limit, by their meters: mJ, or mW as the mean of any bucket."""
    findings = [*lost, *undeclared(views)]
    high = low = 0
    window = term.window_s
    known = bool(views) and not findings
    least: list[Table] = []
    for view in views:
        if view.unpinned:
            findings += [_no_pin(model) for model in view.unpinned]
            known = False
            continue
        metering = view.account.metering(int(term.assurance))
        feeds = [f for f in _feeds(term, view) if f in metering.figures]
        if not feeds or len(feeds) < len(_feeds(term, view)):
            known = False
            findings.append(
                Finding(
                    "meter/none", Outcome.UNPROVEN, f"no meter of L{int(term.assurance)} on a feed that the term caps"
                )
            )
            continue
        if any(metering.figures[feed].clock_uncertainty_s is None for feed in feeds):
            known = False
            text = "nothing is known of the clock of a meter on a feed that the term caps"
            findings.append(Finding("meter/clock", Outcome.UNPROVEN, text))
        bucket = view.agreement.bucket_s
        gap_ms = int((bucket * 1_000 - metering.covered_ms()[feeds]).sum())
        if gap_ms:
            known = False
            text = f"{gap_ms // 1_000:,} s of the capped feeds without a reading"
            findings.append(Finding("meter/gap", Outcome.UNPROVEN, text, numbers={"gap_ms": gap_ms}))
        upper = metering.most_mj()[feeds].sum(axis=0)
        lower = metering.fewest_mj()[feeds].sum(axis=0)
        most, fewest = _lengths(view, window, energy=term.limit_mj is not None)
        seconds = bucket if term.limit_mj is None else 1
        high += -(-_peak(upper, most) // seconds)
        least.append(lower)
        low = _peak(np.sum(least, axis=0), fewest) // seconds  # sites that peaked at the same time
    unit, limit = ("mW", term.limit_mw) if term.limit_mj is None else ("mJ", term.limit_mj)
    assert limit is not None  # a power cap has one of its two limits, by construction
    outcome = Outcome.UNPROVEN
    if low > limit:
        outcome = Outcome.BREACHED
        findings.append(Finding("term/power-cap", Outcome.BREACHED, f"metered {low:,} {unit}, limit {limit:,} {unit}"))
    elif known and high <= limit:
        outcome = Outcome.HOLDS
    elif known:
        findings.append(
            Finding("bounds/too-wide", Outcome.UNPROVEN, f"at most {high:,} {unit}, limit {limit:,} {unit}")
        )
    start, end = views[0].start if views else phase.start, views[0].end if views else phase.end
    return TermResult(
        phase.name, term.name, term.kind, outcome, start, end, int(term.assurance),
        "metered", unit, low, high if known else None, limit, high if known else None, {}, tuple(findings),
    )  # fmt: skip


def _feeds(term: PowerCap, view: View) -> list[int]:
    if term.feed is not None:
        return [view.layouts.feeds[term.feed]] if term.feed in view.layouts.feeds else []
    if term.meter is not None:
        return sorted(feed for (sub, _), feed in view.layouts.meters.items() if sub == term.meter)
    return view.account.metering(SOFTWARE).roots()


def _lengths(view: View, window_s: int | None, *, energy: bool) -> tuple[int, int]:
    """Buckets that are summed before the largest is taken, for high and for low."""
    buckets = view.window[1] - view.window[0]
    if not energy:
        return 1, 1
    return (buckets, buckets) if window_s is None else (most_buckets(view, window_s), fewest_buckets(view, window_s))


def _peak(values: Table, length: int) -> int:
    """The largest sum of `length` neighbouring buckets."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return int((sums[length:] - sums[:-length]).max())
