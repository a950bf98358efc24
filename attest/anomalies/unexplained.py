"""Energy that no declared node explains: what an independent meter let through, against all that is declared behind it.

For a meter v and a UTC day w, with E- and E+ as clocks and errors leave them, and of its storage one charge a day:

    D(v, w) = sum over devices directly behind v of: board + host
            + sum over child meters c with devices behind them of: E+(c, w), or D(c, w) if that is more and c has a gap
        board = E+ of its own counter; where it has none, TDP x time; nothing where it says that it was off
        host  = half of TDP, 350 W at least, x time
    remark where E-(v, w) - storage > 2 D(v, w)

Nodes that no inventory names draw energy all the same, and so do pumps, disks and lights: no meter tells one from the
other. So a site may take twice what its declared nodes can have taken, and a remark says by how much more it was. A
child with no accelerator behind it explains nothing: who hides nodes on a feed for pumps may well meter it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from attest.agreement.kinds import GOOD_CLOCK
from attest.anomalies.remark import remark
from attest.compute import plausible as rules
from attest.compute.bounds import narrowed, widened
from attest.compute.exact import Array, add, scale, total
from attest.compute.tree import ROOT, behind
from attest.errors import EvidenceError
from attest.evaluate import View
from attest.facts import Cell, Mask, Metered
from attest.figures import INDEPENDENT
from attest.metering import Metering, Window
from attest.usage import ENERGY_KNOWN
from attest.verdict import Finding

_SETTLE: Final = "what else hangs on this feed, with a meter of its own, or an inspection of what does"
_KWH: Final = 3_600_000_000  # mJ


def in_meters(view: View) -> Iterator[Finding]:
    """One remark of a site and phase, about the meter with the most energy that nothing declared explains."""
    if view.unpinned or not view.layouts.groups:
        return
    try:
        metering = view.account.metering(INDEPENDENT)
    except EvidenceError:
        return  # what cannot be added up: terms and lights say so
    if not metering.meters:
        return
    days = view.days(view.window)
    declared = _declared(view, metering, days)
    went = _certain(metering, days)
    over = rules.beyond_declared(went, declared) & (declared > 0) & ~_moved(view, metering)[:, None]
    more = np.where(over, went - declared, 0).sum(axis=1)
    if not over.any():
        return
    node = int(more.argmax())
    let_through, explained = (total(energy[node][over[node]]) for energy in (went, declared))
    feed = metering.feeds[node]
    name = next(name for name, number in view.layouts.feeds.items() if number == feed)
    share = (let_through - explained) * 100 // let_through
    text = (
        f"{let_through // _KWH:,} kWh at least went through {name} in {int(over[node].sum())} UTC days, and all that is"
        f" declared behind it can have taken {explained // _KWH:,} kWh, hosts included: {share} % of it is not"
        f" explained, and cooling, storage and light may well take half"
    )
    others = int(over.any(axis=1).sum()) - 1
    text += f"; so with {others:,} more feeds" if others else ""
    numbers = {"metered_mj": let_through, "declared_mj": explained, "feeds": others + 1}
    index = metering.rows[metering.rows[:, Metered.FEED] == feed, Metered.INDEX]
    yield replace(remark("anomaly/unexplained-energy", text, _SETTLE, view, index, numbers), feed=name)


def _moved(view: View, metering: Metering) -> Mask:
    """Meters that accelerators hung on for a part of the time only, which the tree leaves out there."""
    out = np.zeros(len(metering.meters), bool)
    above = view.layouts.above(view.start, view.end)
    for feed in np.unique(view.account.group_feed).tolist():
        over = {metering.numbers[name] for name in above.get(feed, ()) if name in metering.numbers}
        node = int(metering.node_of[feed])
        while node != ROOT:
            over.discard(node)
            node = metering.meters[node].parent
        out[list(over)] = True
    return out


def _certain(metering: Metering, days: list[Window]) -> Array:
    """E- of each meter, less one charge of the storage behind it, [meter, day], mJ."""
    out = []
    for i, (meter, source) in enumerate(zip(metering.meters, behind(metering.meters), strict=True)):
        windows, pad = np.array(days, np.int64) - metering.first, _pad(metering, i)
        first = np.minimum(windows[:, 0] + pad, windows[:, 1])
        narrow = np.stack([first, np.maximum(windows[:, 1] - pad, first)], axis=1)
        energy = narrowed(metering.record.fewest(i, narrow), meter.error_ppm)
        out.append(np.asarray(np.maximum(energy - source.storage_mj, 0)))
    return np.stack(out)


def _pad(metering: Metering, node: int) -> int:
    """The buckets that a meter's clock may be off by: all of them where nobody knows, none where it is good."""
    clock = metering.meters[node].clock_uncertainty_s
    if clock is None:
        return metering.record.shape[1]
    return 0 if clock * GOOD_CLOCK <= metering.bucket else -(-clock // metering.bucket)


def _declared(view: View, metering: Metering, days: list[Window]) -> Array:
    """D of each meter, [meter, day], mJ; 0 where no accelerator is declared behind it."""
    taken = list(_directly(view, metering, days))
    buckets = metering.record.shape[1]
    windows = np.array(days, np.int64) - metering.first
    for i in range(len(taken) - 1, -1, -1):
        meter = metering.meters[i]
        if meter.parent == ROOT:
            continue
        wide = np.clip(windows + np.array([-1, 1]) * _pad(metering, i), 0, buckets)
        most = widened(metering.record.most(i, wide), meter.error_ppm)
        read = metering.record.within(metering.record.covered_ms, i, windows)
        full = read == (windows[:, 1] - windows[:, 0]) * metering.bucket * 1_000
        explained = np.where(full, most, np.maximum(most, taken[i]))
        taken[meter.parent] = add(taken[meter.parent], np.where(taken[i] > 0, explained, 0))
    return np.stack(taken)


def _directly(view: View, metering: Metering, days: list[Window]) -> Array:
    """What the accelerators directly behind each meter can have taken, and their hosts, [meter, day], mJ."""
    account, cells = view.account, view.account.usable
    known: Mask = cells[:, Cell.MEASURED] & ENERGY_KNOWN > 0
    rows, group, bucket = account.behind(metering), cells[:, Cell.GROUP], cells[:, Cell.BUCKET]
    counted = np.where(known, cells[:, Cell.SAMPLED], 0) + cells[:, Cell.OFF]
    energy = np.where(known, cells[:, Cell.ENERGY], 0)
    sums = []
    for number, pin in enumerate(account.models.pins):
        mine = account.models.number[group] == number
        declared = account.declared(metering, number)
        read = account.dense(rows, group[mine], bucket[mine], counted[mine])
        drawn = widened(
            account.dense(rows, group[mine], bucket[mine], energy[mine]),
            pin.energy_error_ppm,
            pin.resolution_mj,
            account.dense(rows, group[mine], bucket[mine], cells[mine, Cell.READINGS]),
        )
        unread = scale(np.maximum(declared - read, 0), pin.tdp_mw, 1, up=True)
        hosts = scale(declared, rules.host_mw(pin.tdp_mw), 1, up=True)
        sums.append(add(drawn, unread, hosts))
    return account.by_window(add(*sums), days)[:-1]
