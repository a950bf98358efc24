"""Anomalies that the facts of a site show: sums of a statement, group, bucket and class (schemas/anomalies.md).

Looked for with every verdict, over what counts as evidence in one phase, so all of it goes over whole columns once.
Eight H100 that drew idle power for an hour, of which 900 MHz of tensor work is claimed all the same:

    anomaly/power-activity  8.0 device-hours with more tensor activity than their energy drives: 67,000 mW and 900 MHz
    of tensor-active cycles a device; as shares of power limit and clock the one is under 0.8 times the other, and was
    2.4 times or more where measured; false alarms on real traces: 0 of 10 device readings, which are few, ...

Sums hide what one device of several does: only its own series shows that (`attest.anomalies.series`). What is declared
of runs is in `attest.anomalies.sizes`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from attest.anomalies.remark import hours, remark
from attest.compute import plausible as rules
from attest.compute.columns import Ints
from attest.compute.exact import total
from attest.compute.pins import Pin
from attest.evaluate import View
from attest.facts import Cell, Table
from attest.usage import CYCLES_KNOWN, DERIVED_KNOWN, ENERGY_KNOWN
from attest.verdict import Finding

_EITHER: Final = CYCLES_KNOWN | DERIVED_KNOWN
_SETTLE_POWER: Final = "the node's register over these hours, beside a test of the device's own counters"


def in_sums(view: View) -> Iterator[Finding]:
    """The anomalies of one site in one phase; none where a model has no pin."""
    if view.unpinned or not len(view.account.usable):
        return
    picked = _screened(view)
    rows = view.account.usable[picked]
    for rule in (_still, _starved, _unexplained, _beyond_clock):
        yield from rule(view, rows)


def _screened(view: View) -> Ints:
    """The rows that any of the rules about cells may remark on. Nearly always there are none, and this is all that is
    done: nothing here looks at a column twice."""
    cells, models = view.account.usable, view.account.models
    seconds, energy, klass = (cells[:, c] for c in (Cell.SAMPLED, Cell.ENERGY, Cell.CLASS))
    cycles = cells[:, Cell.CYCLES]
    if cells[:, Cell.DERIVED].any():
        cycles = np.maximum(cycles, cells[:, Cell.DERIVED])
    found = []
    for pin, mask in models.of(cells[:, Cell.GROUP]):
        here: Any = slice(None) if len(models.pins) == 1 else np.flatnonzero(mask)
        t, e, c = seconds[here], energy[here], cycles[here]
        odd = rules.still(t, e, pin.tdp_mw)
        odd |= rules.starved(e, c, pin.tdp_mw, pin.max_clock_mhz)
        odd |= rules.beyond_clock(t, c, pin.max_clock_mhz)
        places = np.flatnonzero(odd)
        free = np.flatnonzero(klass[here] == 0)
        free = free[rules.unexplained(t[free], e[free], c[free], pin.tdp_mw, pin.max_clock_mhz)]
        places = np.union1d(places, free)
        found.append(places if len(models.pins) == 1 else here[places])
    picked: Ints = np.sort(np.concatenate(found))
    return picked


def _rows(view: View, rows: Table, known: Sequence[int], rule: Callable[[Table, Pin], Any]) -> Table:
    """The rows of some length of which everything asked for is known, and that a rule picks."""
    kept = rows[:, Cell.SAMPLED] >= rules.SHORTEST
    for any_of in known:
        kept &= rows[:, Cell.MEASURED] & any_of > 0
    rows = rows[kept]
    picked = view.account.models.over(rows[:, Cell.GROUP], lambda pin, at: np.asarray(rule(rows[at], pin)))
    chosen: Table = rows[picked.astype(bool)]
    return chosen


def _cycles(rows: Table) -> Ints:
    return np.asarray(np.maximum(rows[:, Cell.CYCLES], rows[:, Cell.DERIVED]))


def _still(view: View, rows: Table) -> Iterator[Finding]:
    rows = _rows(view, rows, (ENERGY_KNOWN,), lambda r, p: rules.still(r[:, Cell.SAMPLED], r[:, Cell.ENERGY], p.tdp_mw))
    if len(rows):
        seconds, energy = int(rows[:, Cell.SAMPLED].sum()), total(rows[:, Cell.ENERGY])
        text = (
            f"energy counters stand still, or nearly: {hours(seconds)} sampled as on, with {energy // seconds:,} mW"
            f" a device in the mean, where a board that is on draws 10 % of its limit"
        )
        settle = "the reading of a meter over these hours, or a statement that the devices were off"
        yield remark(
            "anomaly/energy-still", text, settle, view, rows[:, Cell.INDEX], {"seconds": seconds, "energy_mj": energy}
        )


def _starved(view: View, rows: Table) -> Iterator[Finding]:
    def rule(r: Table, pin: Pin) -> Any:
        return rules.starved(r[:, Cell.ENERGY], _cycles(r), pin.tdp_mw, pin.max_clock_mhz)

    rows = _rows(view, rows, (ENERGY_KNOWN, _EITHER), rule)
    if len(rows):
        seconds, energy, cycles = int(rows[:, Cell.SAMPLED].sum()), total(rows[:, Cell.ENERGY]), total(_cycles(rows))
        text = (
            f"{hours(seconds)} with more tensor activity than their energy drives: {energy // seconds:,} mW and"
            f" {cycles // seconds:,} MHz of tensor-active cycles a device; as shares of power limit and clock the one"
            f" is under {rules.STARVED_RATIO} times the other, and was 2.4 times or more where measured"
        )
        numbers = {"seconds": seconds, "energy_mj": energy, "megacycles": cycles}
        yield remark("anomaly/power-activity", text, _SETTLE_POWER, view, rows[:, Cell.INDEX], numbers)


def _unexplained(view: View, rows: Table) -> Iterator[Finding]:
    def rule(r: Table, pin: Pin) -> Any:
        t, e = r[:, Cell.SAMPLED], r[:, Cell.ENERGY]
        return (r[:, Cell.CLASS] == 0) & rules.unexplained(t, e, _cycles(r), pin.tdp_mw, pin.max_clock_mhz)

    rows = _rows(view, rows, (ENERGY_KNOWN, _EITHER), rule)
    if len(rows):
        seconds, energy = int(rows[:, Cell.SAMPLED].sum()), total(rows[:, Cell.ENERGY])
        text = (
            f"{hours(seconds)} at the power of work, {energy // seconds:,} mW a device, with no run named and tensor"
            f" cores at rest; boards at rest drew at most 23 % of their limit where measured"
        )
        settle = "the run that these devices worked on, or their SM activity over these hours"
        numbers = {"seconds": seconds, "energy_mj": energy, "megacycles": total(_cycles(rows))}
        yield remark("anomaly/power-activity", text, settle, view, rows[:, Cell.INDEX], numbers)


def _beyond_clock(view: View, rows: Table) -> Iterator[Finding]:
    def rule(r: Table, pin: Pin) -> Any:
        return rules.beyond_clock(r[:, Cell.SAMPLED], _cycles(r), pin.max_clock_mhz)

    rows = _rows(view, rows, (_EITHER,), rule)
    if len(rows):
        seconds, cycles = int(rows[:, Cell.SAMPLED].sum()), total(_cycles(rows))
        text = (
            f"{hours(seconds)} with {cycles // seconds:,} MHz of tensor-active cycles a device, above the highest clock"
            f" of the model"
        )
        settle = "the exporter's version and units, and the clock that the devices are set to"
        yield remark("anomaly/mfu", text, settle, view, rows[:, Cell.INDEX], {"seconds": seconds, "megacycles": cycles})
