"""What would settle a cap that is unproven: the least evidence, in device-hours, that brings the bound to the limit.

    records or a metered power-off for 15 of 124 device-hours, dc1-r07 first
    a metered power-off for 96 of 96 device-hours: independent meters on dc1-r07, dc1-r08
    independent meters (L4) that let through 3.1 MWh at most on dc1-r07
    no evidence is missing: counters and meters leave 3.1e+22 FLOP possible

Evidence that is missing is tried in the order of what it takes away for each device-hour, the largest feeds first
(`attest.terms.dark`), until the bound is within the limit. That is computed and not estimated, on the premise that
evidence shows nothing to have been done; the least over all orders may be somewhat less. Over a rolling window every
bucket is given the largest share that any window around it needs.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from attest.agreement.units import ENERGY
from attest.compute.bounds import MFLOP
from attest.compute.exact import PPM, Array, add, gathered, total
from attest.evaluate import View
from attest.expected import MAX_EXPECTED
from attest.figures import SOFTWARE
from attest.metering import Window
from attest.terms.dark import Dark

HOUR: Final = 3_600
NEVER: Final = 1 << 62  # device-seconds: more than there are
MOST_FEEDS: Final = 3  # that are named
MAX_CELLS: Final = 1 << 20  # feeds x slots that are tried one by one
_ROUNDS: Final = 40  # of the search, which halves what is not known yet in each
_FINE: Final = 100  # the search ends within this part of what it has found


class Settled(NamedTuple):
    """The evidence that settles a term, in words; device-seconds of it, of those that have none; the feeds it is for,
    first ones first."""

    text: str
    needed_s: int = 0
    missing_s: int = 0
    feeds: tuple[str, ...] = ()


def settle_compute(
    views: Sequence[View],
    windows: Sequence[Window],
    limit: int,
    level: int,
    label: int | None,
    *,
    rolling: bool,
    high: int,
) -> Settled:
    """For a bound over `windows`, of the sum of all or of the largest if `rolling`, that exceeds `limit` FLOP."""
    first, end = windows[0][0], windows[-1][1]
    slots = [(b, b + 1) for b in range(first, end)] if rolling else windows
    sizes = [len(view.layouts.feeds) * len(slots) for view in views]
    groups = [view.account.expected.groups * view.account.expected.buckets for view in views]
    if sum(sizes) > MAX_CELLS or max(groups) > MAX_EXPECTED:
        fastest = max(pin.peak_flop_per_s for view in views for pin in view.pins.values())
        needed = -(-(high - limit) // fastest)
        return Settled(f"{_evidence(level)} for {device_time(needed)} at least, the largest feeds first", needed)
    sites = [Dark(view.account, windows, slots, level, label) for view in views]
    most = limit // MFLOP

    def bound(shares: Sequence[Array] | None) -> int:
        found = [site.high(None if shares is None else shares[at]) for at, site in enumerate(sites)]
        return int(add(*(f.windows for f in found)).max()) if rolling else sum(f.total for f in found)

    everything = [np.full(site.missing.seconds.shape, PPM) for site in sites]
    missing = sum(total(site.missing.seconds) for site in sites)
    now = bound(None)
    least = bound(everything) if missing else now
    if least > most:
        energy = 0 if rolling else _energy(sites, everything, most, least)
        return Settled(_never(least * MFLOP, missing, level, energy, sites), 0, missing)
    shares = _evenly(sites, most, bound) if rolling else _in_order(sites, now, most, bound)
    given = [site.missing.seconds * share for site, share in zip(sites, shares, strict=True)]
    needed = -(-sum(total(seconds) for seconds in given) // PPM)
    feeds = _largest(views, given)
    return Settled(_words(needed, missing, feeds, level), needed, missing, feeds)


def settle_dark(views: Sequence[View], dark: int, excess: int) -> Settled:
    """For a bound that has all that is dark at peak, `dark` FLOP, where it is `excess` FLOP too high."""
    missing = sum(int(view.holes.seconds.sum()) for view in views)
    if excess > dark or not missing:
        return Settled(f"records for all {device_time(missing)} that are dark are not enough", 0, missing)
    needed = -(-missing * excess // dark)
    feeds = tuple(_largest(views, [_by_feed(view, view.holes.seconds) for view in views]))
    return Settled(_words(needed, missing, feeds, SOFTWARE), needed, missing, feeds)


def settle_devices(views: Sequence[View], over: Array, dark: Array, level: int) -> Settled:
    """For a bound on accelerators at once that is too high by `over` in each bucket, of which `dark` could be shown to
    be off or be named; [bucket]."""
    bucket = views[0].agreement.bucket_s
    needed, missing = (int(np.maximum(each, 0).sum()) * bucket for each in (over, dark))
    what = "records that name runs, or a metered power-off," if level <= SOFTWARE else _evidence(level)
    if (over > dark).any():
        return Settled(f"{what} for {device_time(missing)} are not enough: the rest is named to one run", 0, missing)
    return Settled(f"{what} for {of_these(needed, missing)}", needed, missing)


def _by_feed(view: View, of_groups: Array) -> Array:
    """Values of groups added up by feed, [feed, 1]."""
    return gathered(of_groups, view.account.group_feed, len(view.layouts.feeds))[:, None]


def _in_order(sites: Sequence[Dark], now: int, most: int, high: Callable[[Sequence[Array]], int]) -> list[Array]:
    """Shares of the cells, in order of what each takes away for a device-second, that bring the bound to `most`."""
    gains = [site.gain() for site in sites]
    site = np.concatenate([np.full(gain.size, at) for at, gain in enumerate(gains)])
    cell = np.concatenate([np.arange(gain.size) for gain in gains])
    gain = np.concatenate([gain.ravel() for gain in gains]).astype(float)
    seconds = np.concatenate([each.missing.seconds.ravel() for each in sites])
    whole = np.concatenate([np.repeat(each.missing.whole, len(each.slots)) for each in sites])
    feed = np.concatenate([np.repeat(each.missing.seconds.sum(axis=1), len(each.slots)) for each in sites])
    rate = gain / np.maximum(seconds, 1)
    rate = np.round(rate / max(rate.max(), 1), 2)  # a hundredth is no difference: then the larger hole goes first
    order = np.lexsort((cell, site, -feed, -rate))
    order = order[seconds[order] > 0]
    ends = np.cumsum(seconds[order])

    def shares(given: int) -> list[Array]:
        flat = np.zeros(len(cell), np.int64)
        full = int(np.searchsorted(ends, given, "right"))
        flat[order[:full]] = PPM
        if full < len(order) and (begun := given - (int(ends[full - 1]) if full else 0)):
            at = order[full]
            flat[at] = PPM if whole[at] else -(-begun * PPM // int(seconds[at]))
        parts = np.split(flat, np.cumsum([gain.size for gain in gains])[:-1])
        return [part.reshape(gain.shape) for part, gain in zip(parts, gains, strict=True)]

    # Between what would do if nothing went to what meters leave out already, and what does for certain.
    worth = np.concatenate([add(each.missing.silent, each.missing.gaps).ravel() for each in sites])
    too_few, enough = (_reached(values[order].astype(float), ends, now - most) for values in (worth, gain))
    return shares(_least(int(ends[-1]), lambda given: high(shares(given)) <= most, too_few, enough))


def _reached(values: Array, ends: Array, excess: int) -> int:
    """After how many device-seconds, cells one after the other, values add up to an excess."""
    sums = np.cumsum(values)
    at = min(int(np.searchsorted(sums, excess)), len(ends) - 1)
    before, begun = (float(sums[at - 1]), int(ends[at - 1])) if at else (0.0, 0)
    part = min((excess - before) / max(float(values[at]), 1.0), 1.0)
    return begun + int(part * (int(ends[at]) - begun))


def _energy(sites: Sequence[Dark], everything: Sequence[Array], most: int, least: int) -> int:
    """The most energy (mJ) that meters on feeds without one may let through for the bound to come to `most`; 0 where
    no energy is little enough."""
    bare = sum(total(site.behind_none(share)) for site, share in zip(sites, everything, strict=True))
    left = most - (least - bare)
    efficiency = max(pin.efficiency_mflop_per_mj for site in sites for pin in site.account.models.pins)
    return max(left // efficiency, 0)


def _evenly(sites: Sequence[Dark], most: int, high: Callable[[Sequence[Array]], int]) -> list[Array]:
    """Shares of the cells by bucket, as large as any window around it needs."""
    now, then = (add(*(site.high(share).windows for site, share in each)) for each in _extremes(sites))
    need = np.where(now > most, (now - most).astype(float) / np.maximum((now - then).astype(float), 1), 0)
    windows, slots = sites[0].windows, sites[0].slots
    bucket = np.zeros(len(slots))
    for (begin, end), part in zip(windows, need, strict=True):
        here = slice(begin - slots[0][0], end - slots[0][0])
        bucket[here] = np.maximum(bucket[here], part)

    def shares(given: int) -> list[Array]:
        ppm = np.minimum(np.ceil(bucket * given), PPM).astype(np.int64)
        ppm[bucket == 0] = 0
        return [
            np.where(site.missing.whole[:, None] & (ppm > 0), PPM, np.broadcast_to(ppm, site.missing.seconds.shape))
            for site in sites
        ]

    top = PPM
    while high(shares(top)) > most:  # what meters leave out already has to be given first
        top *= 2
    return shares(_least(top, lambda given: high(shares(given)) <= most))


def _extremes(sites: Sequence[Dark]) -> list[list[tuple[Dark, Array | None]]]:
    full = [(site, np.full(site.missing.seconds.shape, PPM)) for site in sites]
    return [[(site, None) for site in sites], list(full)]


def _least(all_: int, suffices: Callable[[int], bool], too_few: int = 0, enough: int | None = None) -> int:
    """The least number up to `all_`, which suffices, that does, and a little more; two guesses may be wrong."""
    if enough is None or enough >= all_ or not suffices(enough):
        enough = all_
    if not 0 < too_few < enough or suffices(too_few):
        enough, too_few = (too_few, 0) if 0 < too_few < enough else (enough, 0)
    for _ in range(_ROUNDS):
        if enough - too_few <= max(enough // _FINE, 1):
            break
        middle = (enough + too_few) // 2
        if suffices(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _largest(views: Sequence[View], given: Sequence[Array]) -> tuple[str, ...]:
    """The feeds that evidence is given for, those with most of it first."""
    found = []
    for view, seconds in zip(views, given, strict=True):
        sums = seconds.sum(axis=1)
        found += [(-int(sums[number]), name) for name, number in view.layouts.feeds.items() if sums[number]]
    return tuple(name for _, name in sorted(found))


def _words(needed: int, missing: int, feeds: tuple[str, ...], level: int) -> str:
    return f"{_evidence(level)} for {of_these(needed, missing)}: {named(feeds)}"


def _evidence(level: int) -> str:
    return "records or a metered power-off" if level <= SOFTWARE else "a power-off by independent meters (L4)"


def named(feeds: Sequence[str]) -> str:
    """The first feeds by name, and how many more."""
    more = f" and {len(feeds) - MOST_FEEDS:,} more" if len(feeds) > MOST_FEEDS else ""
    return ", ".join(feeds[:MOST_FEEDS]) + more


def _never(least: int, missing: int, level: int, energy: int, sites: Sequence[Dark]) -> str:
    """Where all that is missing does not do."""
    bare = [name for site in sites for name in site.bare()]
    if level <= SOFTWARE and energy and bare:
        beside = f", beside records for all {device_time(missing)} without" if missing else ""
        return (
            f"independent meters (L4) that let through {ENERGY.format(_round(energy))} at most on {named(bare)}{beside}"
        )
    what = "records" if level <= SOFTWARE else "independent meters"
    rest = f"{'counters and meters' if level <= SOFTWARE else 'meters'} leave {least:.3g} FLOP possible"
    if not missing:
        return f"no evidence is missing: {rest}"
    return f"{what} for all {device_time(missing)} without are not enough: {rest}"


def _round(energy_mj: int) -> int:
    """Rounded down to two digits."""
    step: int = 10 ** max(len(str(energy_mj)) - 2, 0)
    return energy_mj // step * step


def of_these(needed: int, missing: int) -> str:
    """Device-seconds of so many, in words; what is needed rounded up."""
    if missing >= HOUR:
        return f"{-(-needed // HOUR):,} of these {-(-missing // HOUR):,} device-hours"
    return f"{needed:,} of these {missing:,} device-seconds"


def device_time(seconds: int) -> str:
    """Device-seconds in words: hours, or seconds where it is less than one."""
    return f"{seconds // HOUR:,} device-hours" if seconds >= HOUR else f"{seconds:,} device-seconds"
