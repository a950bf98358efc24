"""The four lights of a party: authentic, complete, corroborated, within limit. They are never merged.

Authentic says who signed and witnessed, complete how much of what is declared is accounted for, corroborated by
what independent evidence, within limit how the caps stand. A light that nothing was checked for is not a pass.
"""

from collections.abc import Sequence
from typing import NamedTuple

from attest.compute.tree import ROOT
from attest.errors import EvidenceError
from attest.evaluate import View
from attest.figures import INDEPENDENT
from attest.verdict import Finding, Light, Outcome, Status, TermResult

LIMITS = ("compute-cap", "slowdown", "ramp", "run-cap", "scale-cap", "power-off", "idle", "power-cap")


class Tally(NamedTuple):
    """Of one site in one phase, in device-seconds: declared, accounted for, behind independent meters without a gap,
    and of these off. None where the evidence cannot be added up, and then `why`."""

    view: View
    expected: int
    accounted: int | None
    metered: int | None
    off: int
    why: str = ""


def tally(view: View) -> Tally:
    """What the lights need of a view. Where a model has no pin there is nothing."""
    if view.unpinned:
        return Tally(view, 0, 0, 0, 0)
    why, accounted, metered, off = "", None, None, 0
    try:
        metered, off = metered_time(view)
        accounted = view.accounted_s
    except EvidenceError as error:
        why = f"{error.code}: {error.detail}"
    return Tally(view, view.expected_s, accounted, metered, off, why)


def lights(findings: Sequence[Finding], terms: Sequence[TermResult], tallies: Sequence[Tally]) -> tuple[Light, ...]:
    """The lights, in the order in which every report shows them."""
    views = [found.view for found in tallies]
    return (_authentic(findings, views), _complete(tallies), _corroborated(tallies), _within(terms))


def _authentic(findings: Sequence[Finding], views: Sequence[View]) -> Light:
    bad = [f for f in findings if f.outcome is Outcome.INVALID]
    if bad:
        return Light("authentic", Status.FAIL, f"{bad[0].code}: {bad[0].text}")
    if not views:
        return Light("authentic", Status.NOT_CHECKED, "no log was read")
    texts, good = [], True
    for view in {v.site.origin: v for v in views}.values():
        head = f"head {view.head.root[:4].hex()} size {view.head.size:,}"
        good = good and view.timeline.lower(view.head.note) is not None
        if not view.agreement.policy.required:
            texts.append(f"{view.facts.statements:,} statements, no witness is asked for, {head}")
            continue
        counted = len(view.head.times)
        witnesses = len(view.agreement.policy.witnesses) - len(view.party.affiliated)
        safe = view.agreement.policy.colluders(view.party.affiliated) - 1
        texts.append(
            f"{view.facts.statements:,} statements, {counted} of {witnesses} witnesses"
            f" ({safe} colluder{'' if safe == 1 else 's'} could not fork), {head}"
        )
    return Light("authentic", Status.PASS if good else Status.NOT_CHECKED, "; ".join(texts))


def _complete(tallies: Sequence[Tally]) -> Light:
    expected, accounted = sum(t.expected for t in tallies), 0
    if not expected:
        return Light("complete", Status.NOT_CHECKED, "no declared accelerators to account for")
    for found in tallies:
        if found.accounted is None:
            return Light("complete", Status.NOT_CHECKED, found.why)
        accounted += found.accounted
    interval = tallies[0].view.agreement.interval_s
    text = f"{accounted // interval:,} of {expected // interval:,} device-intervals of {interval} s"
    return Light("complete", Status.PASS if accounted == expected else Status.NOT_CHECKED, text)


def _corroborated(tallies: Sequence[Tally]) -> Light:
    """By device-time behind independent meters that left no gap."""
    expected, metered, off = sum(t.expected for t in tallies), 0, sum(t.off for t in tallies)
    for found in tallies:
        if found.metered is None:
            return Light("corroborated", Status.NOT_CHECKED, found.why)
        metered += found.metered
    if not metered:
        why = "only the lab's own word (L1)" if expected else "no declared accelerators to corroborate"
        return Light("corroborated", Status.NOT_CHECKED, why)
    text = f"independent meters (L4) stand over {metered * 100 // expected} % of device-time"
    if off:
        text += f", and show {off * 100 // expected} % to be off"
    return Light("corroborated", Status.PASS if metered == expected else Status.NOT_CHECKED, text)


def metered_time(view: View) -> tuple[int, int]:
    """Device-seconds behind independent meters without a gap, and those of them that were off."""
    metering = view.account.metering(INDEPENDENT)
    full = metering.covered_ms() == view.agreement.bucket_s * 1_000
    for node, meter in enumerate(metering.meters):
        if meter.parent != ROOT:
            full[node] |= full[meter.parent]
    covered, behind = metering.behind(full), view.account.declared(metering)
    return int(behind[covered].sum()), int(behind[covered & metering.off].sum())


def _within(terms: Sequence[TermResult]) -> Light:
    caps = [term for term in terms if term.kind in LIMITS]
    if not caps:
        return Light("within limit", Status.NOT_CHECKED, "no term caps a quantity")
    order = (Outcome.BREACHED, Outcome.INVALID, Outcome.UNPROVEN, Outcome.HOLDS)
    worst = min(caps, key=lambda term: order.index(term.outcome))
    status = {Outcome.HOLDS: Status.PASS, Outcome.UNPROVEN: Status.NOT_CHECKED}.get(worst.outcome, Status.FAIL)
    return Light("within limit", status, describe(worst))


def describe(term: TermResult) -> str:
    """A cap in numbers, as reports say it."""
    if term.unit != "FLOP" or term.high is None or term.low is None or term.limit is None:
        return term.text
    if term.outcome is Outcome.HOLDS:
        return f"worst case {term.high:.3g} of {term.limit:.3g} FLOP; tightest cap this evidence proves {term.high:.3g}"
    return f"admitted {term.low:.3g}, worst case {term.high:.3g}, limit {term.limit:.3g} FLOP"
