"""Anomalies in the series of single devices, each by itself (`attest.series`), where they were read.

One device of eight whose counter stands still is an eighth less in a sum, and no noise at all leaves the sum as it is.
Rules that need the model's pin, to know work from rest, are left out where a model has none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from attest.anomalies.remark import hours, remark
from attest.compute import plausible as rules
from attest.compute.exact import total
from attest.compute.pins import Pin
from attest.evaluate import View
from attest.facts import Table
from attest.series import Look, Odd, Series
from attest.verdict import Finding


def in_devices(view: View, series: Series) -> Iterator[Finding]:
    """The anomalies of one site in one phase; those that need a pin only where all models have one."""
    odd, worth = series.odd, view.worth
    odd = odd[np.isin(odd[:, Odd.INDEX], worth.indices[worth.usable])]
    odd = odd[(odd[:, Odd.BUCKET] >= view.window[0]) & (odd[:, Odd.BUCKET] < view.window[1])]
    yield from _still(view, odd)
    if not view.unpinned:
        yield from _clean(view, odd)
        yield from _traffic(view, odd)


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
