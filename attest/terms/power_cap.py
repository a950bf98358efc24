"""The term power-cap: energy or power through feeds, by their meters (schemas/agreement.md, "Terms")."""

import numpy as np

from attest.agreement import PowerCap
from attest.agreement.units import SHARE
from attest.compute.exact import PPM, Array, add, running
from attest.evaluate import View
from attest.terms.case import Case
from attest.terms.declared import no_pin, undeclared
from attest.terms.settle import named
from attest.verdict import Finding, Outcome, TermResult


def judge_power(case: Case[PowerCap]) -> TermResult:
    """Energy or power through feeds against a limit, by their meters: mJ, or mW as the mean of any bucket."""
    term, views = case.term, case.views
    findings = [*case.lost, *undeclared(views)]
    high = low = 0
    window = term.window_s
    known = bool(views) and not findings
    clock_s = 0  # by how much the worst clock may be wrong
    least: list[Array] = []
    errors: list[int] = []  # of the worst meter of each site
    for view in views:
        if view.unpinned:
            findings += [no_pin(model) for model in view.unpinned]
            known = False
            continue
        metering = view.account.metering(int(term.assurance))
        feeds, always = view.layouts.tops(_feeds(term, view), view.start, view.end)
        if not feeds or any(feed not in metering.figures for feed in feeds):
            known = False
            text = f"no meter of L{int(term.assurance)} on a feed that the term caps"
            names = {number: name for name, number in view.layouts.feeds.items()}
            bare = [names[feed] for feed in feeds if feed not in metering.figures]
            settle = f"a meter of L{int(term.assurance)} on {named(bare)}" if bare else "a feed of this name"
            findings.append(Finding("meter/none", Outcome.UNPROVEN, text, settle=settle))
            continue
        bucket = view.agreement.bucket_s
        clocks = {feed: metering.figures[feed].clock_uncertainty_s for feed in feeds}
        timed = {feed: clock for feed, clock in clocks.items() if clock is not None}
        worst = max(timed.values(), default=0)
        clock_s = max(clock_s, worst)
        if len(timed) < len(feeds) or worst >= bucket:
            known = False
            what = "is not known" if len(timed) < len(feeds) else f"may be wrong by a bucket of {bucket:,} s or more"
            text = f"the clock of a meter on a feed that the term caps {what}"
            settle = f"meters whose clocks are good to less than {bucket:,} s"
            findings.append(Finding("meter/clock", Outcome.UNPROVEN, text, settle=settle))
        meters = metering.nodes(feeds)
        gap_ms = int((bucket * 1_000 - metering.covered_ms()[meters]).sum())
        gap_ms += (len(feeds) - len(meters)) * (view.end - view.start) * 1_000
        if gap_ms:
            known = False
            text = f"{gap_ms // 1_000:,} s of the capped feeds without a reading"
            silent = metering.gap_ms()[meters].sum(axis=1)
            names = {number: name for name, number in view.layouts.feeds.items()}
            holes = {names[metering.feeds[node]] for node, gap in zip(meters, silent, strict=True) if gap}
            holes |= {names[feed] for feed in feeds if feed not in metering.numbers}
            settle = f"readings of {named(sorted(holes))} for these {-(-gap_ms // 1_000):,} s"
            findings.append(Finding("meter/gap", Outcome.UNPROVEN, text, numbers={"gap_ms": gap_ms}, settle=settle))
        none = np.zeros(view.window[1] - view.window[0], np.int64)
        upper = add(none, *metering.most_mj()[meters])
        # What hung on another of these feeds at another time may have been counted there already; and of a meter that
        # does not know its clock nobody knows whether the energy was used in the phase.
        lower = add(none, *metering.fewest_mj()[metering.nodes([feed for feed in always if feed in timed])])
        most, fewest = _lengths(view, window, energy=term.limit_mj is not None)
        seconds = bucket if term.limit_mj is None else 1
        high += -(-most_of(upper, most) // seconds)
        errors.append(max((metering.figures[feed].error_ppm for feed in feeds), default=0))
        least.append(lower)
        low = certain_of(add(*least), fewest, -(-clock_s // bucket)) // seconds  # sites that peaked at the same time
    unit, limit = ("mW", term.limit_mw) if term.limit_mj is None else ("mJ", term.limit_mj)
    assert limit is not None  # a power cap has one of its two limits, by construction
    outcome = Outcome.UNPROVEN
    if low > limit:
        outcome = Outcome.BREACHED
        findings.append(Finding("term/power-cap", Outcome.BREACHED, f"metered {low:,} {unit}, limit {limit:,} {unit}"))
    elif known and high <= limit:
        outcome = Outcome.HOLDS
    elif known:
        text = f"at most {high:,} {unit}, limit {limit:,} {unit}"
        findings.append(Finding("bounds/too-wide", Outcome.UNPROVEN, text, settle=_finer(high, limit, max(errors))))
    return case.result(
        outcome,
        f"metered, by clocks good to {clock_s:,} s" if clock_s else "metered",
        findings,
        unit=unit,
        low=low,
        high=high if known else None,
        limit=limit,
        tightest=high if known else None,
    )


def _finer(high: int, limit: int, error_ppm: int) -> str:
    """How good meters would have to be for what they read to be within the limit, in so far as they err."""
    read = high * PPM // (PPM + error_ppm)
    if read > limit:
        return f"no better meter: they read {SHARE.format((read - limit) * PPM // max(limit, 1))} more than the limit"
    needed = (limit - read) * PPM // max(read, 1)
    return f"meters that err by {SHARE.format(needed)} at most, and not by {SHARE.format(error_ppm)}"


def _feeds(term: PowerCap, view: View) -> set[int]:
    """The feeds that a term is about, whatever hangs on what."""
    feeds = view.layouts.feeds
    if term.feed is not None:
        return {feeds[term.feed]} if term.feed in feeds else set()
    if term.meter is not None:
        return {feed for (sub, _), feed in view.layouts.meters.items() if sub == term.meter}
    return set(feeds.values())


def _lengths(view: View, window_s: int | None, *, energy: bool) -> tuple[int, int]:
    """Buckets that are summed before the largest is taken, for high and for low."""
    buckets = view.window[1] - view.window[0]
    if not energy:
        return 1, 1
    return (buckets, buckets) if window_s is None else (view.most_buckets(window_s), view.fewest_buckets(window_s))


def most_of(values: Array, length: int) -> int:
    """The largest sum of `length` neighbouring buckets."""
    sums = running(values)
    return int((sums[length:] - sums[:-length]).max())


def certain_of(values: Array, length: int, pad: int) -> int:
    """The most that some window of `length` neighbouring buckets has for certain, when the clock of what `values` were
    metered by may be wrong by as much as `pad` buckets.

    What was metered in k neighbouring buckets was used in the k + 2 pad around them; those are covered by
    ceil((k + 2 pad) / length) windows, of which one has its share. Tried for k that fills one window, for all, and for
    powers of two. Everything that may have been used before the first bucket or after the last counts for nothing.

        >>> certain_of(np.array([0, 90, 90, 90, 0]), 1, 0), certain_of(np.array([0, 90, 90, 90, 0]), 1, 1)
        (90, 54)
        >>> certain_of(np.array([90, 0, 0, 0, 90]), 5, 1)
        0
    """
    if not pad:
        return most_of(values, length)
    inner = values[pad : len(values) - pad]
    tried = {length - 2 * pad, len(inner), *(1 << power for power in range(len(inner).bit_length()))}
    return max(
        (most_of(inner, k) // -(-(k + 2 * pad) // length) for k in tried if 0 < k <= len(inner)),
        default=0,
    )
