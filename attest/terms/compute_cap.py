"""The term compute-cap: bounds of sites, and what they say of a limit (schemas/agreement.md, "Terms").

A cap holds if the worst case is within it and is breached if the admission, clipped to every independent upper
bound, exceeds it; between the two it is unproven, and the tightest cap that the evidence would prove is the worst
case itself. `low > high` is a contradiction of the evidence and proves neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from attest.account import Account
from attest.admitted import admission
from attest.agreement import ComputeCap
from attest.compute.exact import Array, add, total
from attest.evaluate import View
from attest.metering import Window
from attest.terms.case import Case
from attest.terms.declared import no_pin, undeclared
from attest.verdict import Finding, Outcome, TermResult

MFLOP: Final = 10**6
DAY: Final = 86_400


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
        admission(account, low_windows, label, worth.admitted | worth.disputed) if worth.disputed.any() else low,
        {name: total(value) * MFLOP for name, value in parts.items()},
        tuple(names[i] for i in found.negative),
    )


def judge_compute(case: Case[ComputeCap]) -> TermResult:
    """A compute cap over sites."""
    term = case.term
    lost = (*case.lost, *(no_pin(model) for view in case.views for model in view.unpinned), *undeclared(case.views))
    views = [view for view in case.views if not view.unpinned and view.layouts.feeds]
    if not views:
        return case.result(Outcome.UNPROVEN, "no bound", lost, unit="FLOP", limit=term.limit)
    windows = _days(views[0]) if term.window_s is None else _rolling(views[0], views[0].most_buckets(term.window_s))
    label = None if term.label is None else int(term.label)
    within = [views[0].window] if term.window_s is None else _rolling(views[0], views[0].fewest_buckets(term.window_s))
    found = [compute(view.account, windows, int(term.assurance), label, within) for view in views]
    rolling = term.window_s is not None
    high = int(add(*(c.high for c in found)).max()) if rolling else sum(c.total for c in found)
    low = int(add(*(c.low for c in found)).max())
    disputed = int(add(*(c.disputed for c in found)).max())
    parts: dict[str, int] = {}
    for site in found:
        for name, value in site.parts.items():
            parts[name] = parts.get(name, 0) + value
    outcome, findings = _outcome(low * MFLOP, high * MFLOP, disputed * MFLOP, term.limit)
    if lost and outcome is not Outcome.BREACHED:  # what is intact may show a breach, and bounds nothing beyond itself
        outcome = Outcome.UNPROVEN
    negative = tuple(
        Finding("balance/negative", Outcome.UNPROVEN, "more energy came out of this feed than went in", feed=feed)
        for site in found
        for feed in site.negative
    )
    return case.result(
        outcome,
        "any label" if term.label is None else f"label {term.label.name.lower().replace('_', '-')}",
        (*lost, *findings, *negative),
        unit="FLOP",
        low=low * MFLOP,
        high=None if lost else high * MFLOP,
        limit=term.limit,
        tightest=None if lost else high * MFLOP,
        parts=parts,
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
