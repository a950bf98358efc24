"""Anomalies in the series of single devices (`attest.series`), where they were read.

Of series that are alike the first in the log is taken for the true one, as with statements (verification.md, 5.6): so
nobody can spoil what others said before. That accuses nobody: which of two is the copy no series tells.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from attest.anomalies.remark import hours, remark
from attest.compute import plausible as rules
from attest.compute.columns import Ints
from attest.compute.exact import total
from attest.compute.pins import Pin
from attest.evaluate import View
from attest.facts import Mask, Table
from attest.series import Copy, Look, Odd, Series
from attest.verdict import Finding

PPM: Final = 1_000_000


def in_devices(view: View, series: Series) -> Iterator[Finding]:
    """The anomalies of one site in one phase; those that need a pin only where all models have one."""
    counting = view.worth.indices[view.worth.usable]
    yield from _copied(view, series, counting)
    odd = series.odd
    odd = odd[np.isin(odd[:, Odd.INDEX], counting) & _inside(view, odd[:, Odd.BUCKET])]
    yield from _still(view, odd)
    if not view.unpinned:
        yield from _clean(view, odd)
        yield from _traffic(view, odd)


def _inside(view: View, bucket: Ints) -> Mask:
    return np.asarray((bucket >= view.window[0]) & (bucket < view.window[1]))


def repeats(copies: Table) -> tuple[Ints, Ints]:
    """The rows that are alike an earlier one of the log, and which row that is."""
    order = np.lexsort((copies[:, Copy.BUCKET], copies[:, Copy.DEVICE], copies[:, Copy.INDEX], copies[:, Copy.FIRST]))
    order = order[np.argsort(copies[order, Copy.SECOND], kind="stable")]
    ordered = copies[order]
    new = np.ones(len(order), bool)
    hashes = [Copy.FIRST, Copy.SECOND]
    new[1:] = (ordered[1:, hashes] != ordered[:-1, hashes]).any(axis=1)
    original = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return order[~new], original[~new]


def _copied(view: View, series: Series, counting: Ints) -> Iterator[Finding]:
    copies = series.copies[np.isin(series.copies[:, Copy.INDEX], counting)]
    later, earlier = repeats(copies)
    here = _inside(view, copies[later, Copy.BUCKET])
    rows, like = copies[later[here]], copies[earlier[here]]
    if not len(rows):
        return
    at = int(np.lexsort((rows[:, Copy.BUCKET], rows[:, Copy.DEVICE], rows[:, Copy.INDEX]))[0])
    first, other = rows[at].tolist(), like[at].tolist()
    seconds = len(rows) * view.agreement.bucket_s
    text = (
        f"{hours(seconds)} have the energy of other series in every interval, the first that of device"
        f" {first[Copy.DEVICE]} in statement {first[Copy.INDEX]:,}: as device {other[Copy.DEVICE]} in statement"
        f" {other[Copy.INDEX]:,}"
    )
    if len(series.copies) < series.comparable:
        text += f"; {len(series.copies):,} of {series.comparable:,} series were compared"
    numbers = {"seconds": seconds, "device": first[Copy.DEVICE], "of_index": other[Copy.INDEX]}
    numbers["of_device"] = other[Copy.DEVICE]
    settle = "the collector's own files of both devices over these hours, and a meter of each node"
    yield remark("anomaly/identical-series", text, settle, view, rows[:, Copy.INDEX], numbers)


def _still(view: View, odd: Table) -> Iterator[Finding]:
    rows = odd[odd[:, Odd.WHAT] & Look.STILL > 0]
    if len(rows):
        seconds = int(rows[:, Odd.SECONDS].sum())
        text = f"energy counters of single devices stand still for {hours(seconds)} in which they are sampled as on"
        settle = "a meter of their nodes over these hours, or a statement that the devices were off"
        numbers = {"seconds": seconds, "device": int(rows[0, Odd.DEVICE])}
        yield remark("anomaly/energy-still", text, settle, view, rows[:, Odd.INDEX], numbers)


def _clean(view: View, odd: Table) -> Iterator[Finding]:
    def working(rows: Table, pin: Pin) -> Any:
        return rules.at_work(rows[:, Odd.SECONDS], rows[:, Odd.ENERGY], pin.tdp_mw)

    rows = _of(view, odd, Look.CLEAN, working)
    if len(rows):
        seconds = int(rows[:, Odd.SECONDS].sum())
        devices = len(np.unique(rows[:, [Odd.GROUP, Odd.DEVICE]], axis=0))
        text = (
            f"{hours(seconds)} of {devices:,} devices at work vary by less than {rules.CLEAN_PPM} ppm from one interval"
            " to the next, where nodes at work were measured at 696 ppm and more"
        )
        settle = "the collector's raw readings of a few of these hours, and a meter of the nodes"
        numbers = {"seconds": seconds, "devices": devices, "energy_mj": total(rows[:, Odd.ENERGY])}
        yield remark("anomaly/too-clean", text, settle, view, rows[:, Odd.INDEX], numbers)


def _traffic(view: View, odd: Table) -> Iterator[Finding]:
    def busy(rows: Table, pin: Pin) -> Any:
        return rules.busy(rows[:, Odd.SECONDS], rows[:, Odd.CYCLES], pin.max_clock_mhz)

    rows = _of(view, odd, Look.TRAFFIC, busy)
    if len(rows):
        seconds, fabric = int(rows[:, Odd.SECONDS].sum()), total(rows[:, Odd.FABRIC])
        text = (
            f"{hours(seconds)} labelled inference or evaluation with {fabric // seconds:,} MiB/s between devices and"
            f" {total(rows[:, Odd.CYCLES]) // seconds:,} MHz of tensor-active cycles a device, as in training"
        )
        settle = "how the model is spread over devices, and the requests that it served in these hours"
        numbers = {"seconds": seconds, "fabric_mib": fabric, "megacycles": total(rows[:, Odd.CYCLES])}
        yield remark("anomaly/fabric-label", text, settle, view, rows[:, Odd.INDEX], numbers)


def _of(view: View, odd: Table, what: Look, rule: Any) -> Table:
    """The rows that look like this, and of which a rule holds that needs the model's pin."""
    rows = odd[odd[:, Odd.WHAT] & what > 0]
    picked = view.account.models.over(rows[:, Odd.GROUP], lambda pin, at: np.asarray(rule(rows[at], pin)))
    chosen: Table = rows[picked.astype(bool)]
    return chosen
