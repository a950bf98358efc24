"""The terms compute-cap, slowdown and ramp: bounds of sites against a limit (schemas/agreement.md, "Terms").

A cap holds if the worst case is within it and is breached if the admission, clipped to every independent upper
bound, exceeds it; between the two it is unproven, and the tightest cap that the evidence would prove is the worst
case itself. `low > high` is a contradiction of the evidence and proves neither.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from attest.account import Account
from attest.admitted import admission
from attest.agreement import Assurance, ComputeCap, Ramp, Slowdown
from attest.compute.bounds import MFLOP
from attest.compute.exact import PPM, Array, add, total
from attest.evaluate import View
from attest.format.vocabulary import Label
from attest.metering import Window
from attest.terms.case import Case
from attest.terms.declared import intact
from attest.terms.disputed import only_disputed
from attest.terms.relieved import forgiven
from attest.terms.settle import Settled, settle_compute
from attest.verdict import Finding, Outcome, TermResult, utc, worst

BREACHES: Final[Mapping[str, str]] = {
    "compute-cap": "term/compute-cap",
    "slowdown": "term/slowdown",
    "ramp": "term/ramp",
}


@dataclass(frozen=True)
class Compute:
    """Bounds in MFLOP: `high` by window, `total` of all windows together, the lab's admission by window, and that
    with what is disputed. `parts` (FLOP) are the summands of the devices' own bounds before meters take their
    minimum; `negative` are feeds whose balance is negative."""

    high: Array
    total: int
    low: Array
    disputed: Array
    parts: Mapping[str, int]
    negative: tuple[str, ...]


def compute(
    account: Account, windows: Sequence[Window], level: int, label: int | None, low_windows: Sequence[Window]
) -> Compute:
    """Bounds of one site over `windows` (sorted by both ends), and admission over `low_windows`."""
    direct, parts = account.devices_bound(windows, level, label)
    metering = account.metering(level)
    found = metering.bound(direct, windows, account.device_mj(metering, windows) if metering.meters else None)
    names = {number: name for name, number in account.layouts.feeds.items()}
    worth = account.worth
    low = admission(account, low_windows, label, worth.admitted)
    return Compute(
        found.windows,
        found.total,
        low,
        admission(account, low_windows, label, worth.claimed) if worth.disputed.any() else low,
        {name: total(value) * MFLOP for name, value in parts.items()},
        tuple(names[i] for i in found.negative),
    )


def judge_compute(case: Case[ComputeCap]) -> TermResult:
    """A compute cap over sites."""
    term = case.term
    return judge_limits(case, [Limit(term.limit, term.window_s)], term.label, term.assurance)


def judge_slowdown(case: Case[Slowdown]) -> TermResult:
    """A share of a baseline over sites."""
    term = case.term
    length = case.phase.end - case.phase.start if term.window_s is None else term.window_s
    limit = Limit(term.baseline * length * term.share_ppm // PPM, term.window_s)
    return judge_limits(case, [limit], term.label, term.assurance)


def judge_ramp(case: Case[Ramp]) -> TermResult:
    """Each step of a ramp over sites."""
    term = case.term
    limits = [Limit(step.limit, None, (step.start, step.end)) for step in term.steps]
    return judge_limits(case, limits, term.label, term.assurance)


@dataclass(frozen=True)
class Limit:
    """At most `flop` over a time (start, end) in Unix s, the phase if None, or over any window of `window_s` in it."""

    flop: int
    window_s: int | None
    time: tuple[int, int] | None = None

    def span(self, view: View) -> Window:
        """What of it can be judged, in buckets; empty where that has not begun."""
        bucket, (first, end) = view.agreement.bucket_s, view.window
        if self.time is None:
            return first, end
        return max(first, self.time[0] // bucket), min(end, self.time[1] // bucket)


def judge_limits(
    case: Case[ComputeCap] | Case[Slowdown] | Case[Ramp],
    limits: Sequence[Limit],
    label: Label | None,
    assurance: Assurance,
) -> TermResult:
    """Limits over sites, one after the other; the numbers are those of the most serious, or of the last that began."""
    views, lost = intact(case)
    begun = [limit for limit in limits if views and operator.lt(*limit.span(views[0]))]
    if not begun:
        return case.result(Outcome.UNPROVEN, "no bound", lost, unit="FLOP", limit=limits[0].flop)
    found = [bounds_of(views, limit, label, assurance) for limit in begun]
    number = None if label is None else int(label)
    exempt = [forgiven(views, limit.span(views[0]), number) for limit in begun]
    judged = [
        _outcome(
            case.term.kind, bounds, limit.flop, *free, partial(settling, views, limit, label, assurance, bounds.high)
        )
        for bounds, limit, free in zip(found, begun, exempt, strict=True)
    ]
    outcome = worst(outcome for outcome, _ in judged)
    place = max(number for number, (each, _) in enumerate(judged) if each is outcome)
    bounds, limit = found[place], begun[place]
    if lost and outcome is not Outcome.BREACHED:  # what is intact may show a breach, and bounds nothing beyond itself
        outcome = Outcome.UNPROVEN
    negative = tuple(
        Finding("balance/negative", Outcome.UNPROVEN, "more energy came out of this feed than went in", feed=feed)
        for feed in dict.fromkeys(feed for bounds in found for feed in bounds.negative)
    )
    text = "any label" if label is None else f"label {label.name.lower().replace('_', '-')}"
    return case.result(
        outcome,
        text if limit.time is None else f"{text}, from {utc(limit.time[0])}",
        (*lost, *(finding for _, findings in judged for finding in findings), *negative),
        unit="FLOP",
        low=bounds.low,
        high=None if lost else bounds.high,
        limit=limit.flop,
        tightest=None if lost else bounds.high,
        parts=bounds.parts,
    )


@dataclass(frozen=True)
class Bounds:
    """Of all sites together, in FLOP; as in `Compute`."""

    low: int
    high: int
    disputed: int
    parts: Mapping[str, int]
    negative: tuple[str, ...]


def bounds_of(views: Sequence[View], limit: Limit, label: Label | None, assurance: Assurance) -> Bounds:
    """The bounds that a limit is held against; all sites have the same buckets."""
    span, window_s = limit.span(views[0]), limit.window_s
    windows, within = _windows(views[0], limit), [span]
    if window_s is not None:
        within = _rolling(span, views[0].fewest_buckets(window_s))
    number = None if label is None else int(label)
    found = [compute(view.account, windows, int(assurance), number, within) for view in views]
    high = sum(c.total for c in found) if window_s is None else int(add(*(c.high for c in found)).max())
    parts: dict[str, int] = {}
    for site in found:
        for name, value in site.parts.items():
            parts[name] = parts.get(name, 0) + value
    return Bounds(
        int(add(*(c.low for c in found)).max()) * MFLOP,
        high * MFLOP,
        int(add(*(c.disputed for c in found)).max()) * MFLOP,
        parts,
        tuple(feed for site in found for feed in site.negative),
    )


def settling(views: Sequence[View], limit: Limit, label: Label | None, assurance: Assurance, high: int) -> Settled:
    """What would bring the bounds of all sites, which are `high` FLOP, to the limit."""
    number = None if label is None else int(label)
    windows = _windows(views[0], limit)
    rolling = limit.window_s is not None
    return settle_compute(views, windows, limit.flop, int(assurance), number, rolling=rolling, high=high)


def _windows(view: View, limit: Limit) -> list[Window]:
    """The windows that `high` is the bound of."""
    span = limit.span(view)
    return view.days(span) if limit.window_s is None else _rolling(span, view.most_buckets(limit.window_s))


def _rolling(span: Window, length: int) -> list[Window]:
    """Every position of a window of so many buckets."""
    first, end = span
    return [(b, b + length) for b in range(first, end - length + 1)]


def _outcome(
    kind: str, bounds: Bounds, limit: int, free: int, exempt: tuple[Finding, ...], settle: Callable[[], Settled]
) -> tuple[Outcome, tuple[Finding, ...]]:
    """What a limit and bounds make of each other; `free` FLOP of what is admitted are exempt, as `exempt` says."""
    outcome, findings = _compared(kind, bounds, limit, free, settle)
    return outcome, (*findings, *exempt)


def _compared(
    kind: str, bounds: Bounds, limit: int, free: int, settle: Callable[[], Settled]
) -> tuple[Outcome, tuple[Finding, ...]]:
    low, high, disputed = bounds.low, bounds.high, bounds.disputed
    numbers = {"low": low, "high": high, "limit": limit}
    if low > high:
        text = f"admitted {low:.3e} is above the worst case {high:.3e}: the evidence contradicts itself"
        return Outcome.UNPROVEN, (Finding("bounds/crossed", Outcome.UNPROVEN, text, numbers=numbers),)
    if low - free > limit:
        text = f"admitted {low:.3e} over the limit {limit:.3e} FLOP"
        return Outcome.BREACHED, (Finding(BREACHES[kind], Outcome.BREACHED, text, numbers=numbers),)
    if high <= limit:
        return Outcome.HOLDS, ()
    if disputed - free > limit:
        text = f"admitted {disputed:.3e} over the limit {limit:.3e} FLOP"
        numbers["disputed"] = disputed
        return Outcome.UNPROVEN, (only_disputed(Finding(BREACHES[kind], Outcome.BREACHED, text, numbers=numbers)),)
    text = f"worst case {high:.3e} is over the limit {limit:.3e} FLOP, admitted {low:.3e}"
    found = settle()
    numbers |= {"device_seconds_needed": found.needed_s, "device_seconds_missing": found.missing_s}
    return Outcome.UNPROVEN, (Finding("bounds/too-wide", Outcome.UNPROVEN, text, numbers=numbers, settle=found.text),)
