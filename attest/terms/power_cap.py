"""The term power-cap: energy or power through feeds, by their meters (schemas/agreement.md, "Terms")."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from attest.agreement import PowerCap
from attest.agreement.kinds import GOOD_CLOCK
from attest.agreement.units import SHARE
from attest.compute.exact import PPM, Array, add
from attest.evaluate import View
from attest.metering import Metering
from attest.terms.case import Case
from attest.terms.declared import no_pin, undeclared
from attest.terms.disputed import claimed as claimed_of
from attest.terms.disputed import only_disputed
from attest.terms.settle import named
from attest.throughput import fewest_mj, most_mj, read
from attest.verdict import Finding, Outcome, TermResult


class Through(NamedTuple):
    """The capped feeds of one site. `high` is of their sum, in mJ or mW; `least` are the meters that count for low;
    `clock_s` is by how much the worst clock may be wrong, and `error_ppm` how much the worst meter errs."""

    metering: Metering
    high: int
    least: list[int]
    clock_s: int
    error_ppm: int


def judge_power(case: Case[PowerCap]) -> TermResult:
    """Energy or power through feeds against a limit, by their meters: mJ, or mW as the mean of any bucket."""
    term, views = case.term, case.views
    findings = [*case.lost, *undeclared(views)]
    known = bool(views) and not findings
    sites: list[Through] = []
    for view in views:
        told: list[Finding] = []
        found = _through(view, term, told)
        sites += [found] if found is not None else []
        findings += told
        known &= found is not None and not told
    high, low = sum(site.high for site in sites), _certain(case, sites)
    clock_s = max((site.clock_s for site in sites), default=0)
    unit, limit = ("mW", term.limit_mw) if term.limit_mj is None else ("mJ", term.limit_mj)
    assert limit is not None  # a power cap has one of its two limits, by construction
    claimed = low if claimed_of(views) is None else _certain(case, _claimed(case))
    breach = Finding(
        "term/power-cap", Outcome.BREACHED, f"metered {max(low, claimed):,} {unit}, limit {limit:,} {unit}"
    )
    outcome = Outcome.UNPROVEN
    if low > limit:
        outcome = Outcome.BREACHED
        findings.append(breach)
    elif claimed > limit:
        findings.append(only_disputed(breach))
    elif known and high <= limit:
        outcome = Outcome.HOLDS
    elif known:
        text = f"at most {high:,} {unit}, limit {limit:,} {unit}"
        settle = _finer(high, limit, max(site.error_ppm for site in sites))
        findings.append(Finding("bounds/too-wide", Outcome.UNPROVEN, text, settle=settle))
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


def _claimed(case: Case[PowerCap]) -> list[Through]:
    """The same with readings that a revocation or a void disputes."""
    found = (_through(view, case.term, [], claimed=True) for view in case.views)
    return [site for site in found if site is not None]


def _through(view: View, term: PowerCap, told: list[Finding], *, claimed: bool = False) -> Through | None:
    """What went through the capped feeds of a site, or None where there are none with a meter; `told` is given what
    keeps it from being all. `claimed` is with what is disputed."""
    if view.unpinned:
        told += [no_pin(model) for model in view.unpinned]
        return None
    names = {number: name for name, number in view.layouts.feeds.items()}
    level = int(term.assurance)
    metering = view.account.metering(level, claimed=claimed)
    feeds, always = view.layouts.tops(_feeds(term, view), view.start, view.end)
    if not feeds or any(feed not in metering.figures for feed in feeds):
        bare = [names[feed] for feed in feeds if feed not in metering.figures]
        settle = f"a meter of L{level} on {named(bare)}" if bare else "a feed of this name"
        text = f"no meter of L{level} on a feed that the term caps"
        told.append(Finding("meter/none", Outcome.UNPROVEN, text, settle=settle))
        return None
    meters = metering.nodes(feeds)
    clocks = {feed: metering.figures[feed].clock_uncertainty_s for feed in feeds}
    timed = {feed: clock for feed, clock in clocks.items() if clock is not None}
    worst = max(timed.values(), default=0)
    bucket = view.agreement.bucket_s
    if len(timed) < len(feeds) or worst >= bucket:
        what = "is not known" if len(timed) < len(feeds) else f"may be wrong by a bucket of {bucket:,} s or more"
        text = f"the clock of a meter on a feed that the term caps {what}"
        settle = f"meters whose clocks are good to less than {bucket:,} s"
        told.append(Finding("meter/clock", Outcome.UNPROVEN, text, settle=settle))
    gaps = _gaps(view, metering, feeds, meters, names)
    if gaps:
        told += gaps
    elif worst < bucket and len(timed) == len(feeds) and not read(metering)[meters].all():
        text = (
            f"a clock that may be wrong by {worst:,} s, and no reading of the bucket before the phase or of that after"
        )
        settle = f"readings of a bucket of {bucket:,} s before and after, or clocks good to {bucket // GOOD_CLOCK:,} s"
        told.append(Finding("meter/clock", Outcome.UNPROVEN, text, settle=settle))
    denied = [names[metering.feeds[node]] for node in meters if metering.contradicted[node]]
    text = "more energy came out of this feed than went in"
    told += [Finding("balance/negative", Outcome.UNPROVEN, text, feed=feed) for feed in sorted(denied)]
    upper = most_mj(metering, _lengths(view, term)[0])
    high = int(add(np.zeros(upper.shape[1], np.int64), *upper[meters]).max())
    # What hung on another of these feeds at another time may have been counted there already; and of a meter that
    # does not know its clock nobody knows whether the energy was used in the phase.
    least = metering.nodes([feed for feed in always if feed in timed])
    error = max(metering.figures[feed].error_ppm for feed in feeds)
    return Through(metering, -(-high // _seconds(view, term)), least, worst, error)


def _gaps(
    view: View, metering: Metering, feeds: Sequence[int], meters: Sequence[int], names: Mapping[int, str]
) -> list[Finding]:
    gap_ms = int(metering.gap_ms()[meters].sum())
    gap_ms += (len(feeds) - len(meters)) * (view.end - view.start) * 1_000
    if not gap_ms:
        return []
    silent = metering.gap_ms()[meters].sum(axis=1)
    holes = {names[metering.feeds[node]] for node, gap in zip(meters, silent, strict=True) if gap}
    holes |= {names[feed] for feed in feeds if feed not in metering.numbers}
    text = f"{gap_ms // 1_000:,} s of the capped feeds without a reading"
    settle = f"readings of {named(sorted(holes))} for these {-(-gap_ms // 1_000):,} s"
    return [Finding("meter/gap", Outcome.UNPROVEN, text, numbers={"gap_ms": gap_ms}, settle=settle)]


def _certain(case: Case[PowerCap], sites: Sequence[Through]) -> int:
    """What was metered for certain at all sites at the same time."""
    if not sites:
        return 0
    view = case.views[0]  # all views of a case have one agreement and one window
    buckets, bucket_s = view.window[1] - view.window[0], view.agreement.bucket_s
    pad = -(-max(site.clock_s for site in sites) // bucket_s)
    energy = certain_of(partial(_fewest, sites), buckets, _lengths(view, case.term)[1], pad)
    return energy // _seconds(view, case.term)


def _seconds(view: View, term: PowerCap) -> int:
    return view.agreement.bucket_s if term.limit_mj is None else 1


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


def _lengths(view: View, term: PowerCap) -> tuple[int, int]:
    """Buckets that are summed before the largest is taken, for high and for low."""
    buckets = view.window[1] - view.window[0]
    if term.limit_mj is None:
        return 1, 1
    window = term.window_s
    return (buckets, buckets) if window is None else (view.most_buckets(window), view.fewest_buckets(window))


def _fewest(sites: Sequence[Through], length: int) -> Array:
    """The least energy of all sites in every so many neighbouring buckets: sites that peaked at the same time."""
    rows = [fewest_mj(site.metering, length) for site in sites]
    chosen = (row for of, site in zip(rows, sites, strict=True) for row in of[site.least])
    return add(np.zeros(rows[0].shape[1], np.int64), *chosen)


def certain_of(energy: Callable[[int], Array], buckets: int, length: int, pad: int) -> int:
    """The most that some window of `length` neighbouring buckets has for certain, when the clock of the meters may be
    wrong by as much as `pad` buckets; `energy` says what they metered in every so many neighbouring ones of `buckets`.

    What was metered in k neighbouring buckets was used in the k + 2 pad around them; those are covered by
    ceil((k + 2 pad) / length) windows, of which one has its share. Tried for k that fills one window, for all, and for
    powers of two. Everything that may have been used before the first bucket or after the last counts for nothing.

        >>> hours = np.array([0, 90, 90, 90, 0])
        >>> energy = lambda k: np.convolve(hours, np.ones(k, int), "valid")
        >>> certain_of(energy, 5, 1, 0), certain_of(energy, 5, 1, 1)
        (90, 54)
    """
    if not pad:
        return int(energy(length).max())
    inner = buckets - 2 * pad
    tried = {length - 2 * pad, inner, *(1 << power for power in range(max(inner, 0).bit_length()))}
    most = ((k, int(energy(k)[pad : pad + inner - k + 1].max())) for k in tried if 0 < k <= inner)
    return max((sum_of_k // -(-(k + 2 * pad) // length) for k, sum_of_k in most), default=0)
