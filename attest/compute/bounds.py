"""How much a device can have computed at most, and how much its owner admits: raw facts to MFLOP.

Facts are sums over device-intervals of one model, a class and a time bucket: device-seconds, mJ, 10^6
tensor-active cycles, SM activity in 1/10,000 device-seconds. Taken on sums the bounds are looser than on
single intervals and as sound, since a sum of minima is at most the minimum of sums. With t device-seconds,
n unbroken runs of readings, and e the counter's error:

    E+        = E (1 + e) + resolution x n
    presence  = P t
    energy    = min(P t, k E+), with a proven floor also min(..., k' max(0, E+ - f t_proven))
    activity  = min(P t, (1 + e) x cycles x operations per cycle + V x SM-active)
    u         = the least of those admitted

Which methods are admitted is the caller's decision (assurance), one mask a method. Upper bounds round up,
lower bounds down, and nothing wraps (`attest.compute.exact`). An H100 for an hour, 700 W, tensor cores
active half of the time at 1,830 MHz:

    >>> from attest.compute.accelerators import default_pin
    >>> pin = default_pin("NVIDIA H100 SXM5 80GB")
    >>> facts = Raw(3_600, energy_mj=2_520_000_000, cycles=3_294_000, sm_active=34_000_000)
    >>> f"{upper(facts, pin, Admitted()).item():.3e}"                            # presence, MFLOP
    '7.708e+12'
    >>> f"{upper(facts, pin, Admitted(activity=True)).item():.3e}"
    '4.196e+12'
    >>> f"{admitted(3_294_000, pin, Precision.BF16, clocked=True).item():.3e}"
    '1.664e+12'
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.compute.exact import PPM, Amount, Array, add, amounts, least, minus, scale
from attest.compute.pins import Pin
from attest.format.vocabulary import Precision

MFLOP: Final = 10**6
SHARE: Final = 10_000  # of SM activity
# What the activity method overshot executed work by on real runs, at most: with the clock, and without it.
OVERSHOOT_CLOCKED_PPM: Final = 1_070_000
OVERSHOOT_UNCLOCKED_PPM: Final = 1_420_000
# A counter that was reset in a gap cannot have climbed past this many times power limit x gap.
BRIDGE_MARGIN_PERCENT: Final = 120

Mask = bool | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Raw:
    """Sums over device-intervals, single integers or arrays of one shape; None where nothing was measured.

    `runs`: how often a resolution is charged, once for each unbroken run of readings of one device.
    `floor_seconds`: device-seconds between device-signed presences with unbroken cycle counters.
    A class without `sm_active` has its vector units taken as always busy.
    """

    seconds: Amount
    energy_mj: Amount | None = None
    runs: Amount = 1
    floor_seconds: Amount = 0
    cycles: Amount | None = None
    sm_active: Amount | None = None


class Admitted(NamedTuple):
    """Where a method counts; `floor` may be set only where every device's presence is device-signed."""

    energy: Mask = False
    floor: Mask = False
    activity: Mask = False


def presence(seconds: Amount, pin: Pin) -> Array:
    """P t: what devices that were there could have done."""
    return scale(seconds, pin.peak_flop_per_s, MFLOP, up=True)


def presence_ms(milliseconds: Amount, flop_per_s: int) -> Array:
    """What devices with this peak in all could have done, for spans in ms."""
    return scale(milliseconds, flop_per_s, MFLOP * 1_000, up=True)


def widened(energy_mj: Amount, error_ppm: int, resolution_mj: int = 0, runs: Amount = 0) -> Array:
    """E+ = E (1 + e) + resolution x n, in mJ."""
    energy = scale(energy_mj, PPM + error_ppm, PPM, up=True)
    return add(energy, scale(amounts(runs, "runs"), resolution_mj, 1, up=True)) if resolution_mj else energy


def narrowed(energy_mj: Amount, error_ppm: int, resolution_mj: int = 0, runs: Amount = 0) -> Array:
    """The least energy that can lie behind a reading: E (1 - e) - resolution x n, or 0."""
    energy = scale(energy_mj, max(PPM - error_ppm, 0), PPM, up=False)
    return minus(energy, scale(amounts(runs, "runs"), resolution_mj, 1, up=True)) if resolution_mj else energy


def by_energy(widened_mj: Amount, pin: Pin) -> Array:
    """k E+."""
    return scale(widened_mj, pin.efficiency_mflop_per_mj, 1, up=True)


def by_marginal_energy(widened_mj: Amount, floor_seconds: Amount, pin: Pin) -> Array:
    """k' max(0, E+ - f t): sound only if the devices were on, and so drew f, for all of these seconds."""
    floor = scale(floor_seconds, pin.floor_mw, 1, up=False)  # mW x s = mJ
    return scale(minus(widened_mj, floor), pin.marginal_mflop_per_mj, 1, up=True)


def by_activity(cycles: Amount, sm_active: Amount, pin: Pin) -> Array:
    """(1 + e) x cycles x operations per cycle + V x SM-active; 10^6 cycles x FLOP per cycle = MFLOP."""
    matrix = scale(cycles, pin.operations_per_cycle * (PPM + pin.activity_error_ppm), PPM, up=True)
    return add(matrix, scale(sm_active, pin.vector_flop_per_s, MFLOP * SHARE, up=True))


def upper(facts: Raw, pin: Pin, methods: Admitted) -> Array:
    """u: the least bound of the methods admitted; presence always is.

    Raises EvidenceError `bounds/negative`.
    """
    seconds = amounts(facts.seconds, "seconds")
    bound = presence(seconds, pin)
    if facts.energy_mj is not None and (np.any(methods.energy) or np.any(methods.floor)):
        energy = widened(facts.energy_mj, pin.energy_error_ppm, pin.resolution_mj, facts.runs)
        bound = _where(methods.energy, by_energy(energy, pin), bound)
        proven = least(facts.floor_seconds, seconds)
        bound = _where(methods.floor, by_marginal_energy(energy, proven, pin), bound)
    if facts.cycles is not None and np.any(methods.activity):
        busy = scale(seconds, SHARE, 1, up=True) if facts.sm_active is None else facts.sm_active
        bound = _where(methods.activity, by_activity(facts.cycles, busy, pin), bound)
    return bound


def cycles_from_activity(share: Amount, clock_mhz: int, seconds: int, *, up: bool) -> Array:
    """10^6 tensor-active cycles from a share in 1/10,000 and a clock, over one interval.

    Without a clock reading take the maximum clock and round up for `high`, the reference clock and round down
    for `low`.
    """
    return scale(share, clock_mhz * seconds, SHARE, up=up)


def admitted(cycles: Amount, pin: Pin, precision: Precision, *, clocked: bool) -> Array:
    """The work that a lab's own cycles admit, deflated by the measured overshoot of the method.

    Counted at the 16-bit rate, for TF32 at a quarter of it, and not at all for formats whose rate may be lower
    yet or is not told.
    """
    if precision is Precision.TF32:
        operations = pin.admitted_operations_per_cycle // 4
    elif precision in (Precision.BF16, Precision.FP16, Precision.FP8, Precision.FP4):
        operations = pin.admitted_operations_per_cycle
    else:
        operations = 0
    overshoot = OVERSHOOT_CLOCKED_PPM if clocked else OVERSHOOT_UNCLOCKED_PPM
    return scale(cycles, operations * PPM, overshoot, up=False)


def capacity(seconds: Amount, pin: Pin) -> Array:
    """P t, rounded down: what devices could have done, where more must not be admitted."""
    return scale(seconds, pin.peak_flop_per_s, MFLOP, up=False)


def declared(mflop: Amount, seconds: Amount, pin: Pin) -> Array:
    """The size that a lab declares for a run, as far as the devices it names could have done it."""
    return least(mflop, capacity(seconds, pin))


def clipped(low: Amount, *independent: Amount) -> Array:
    """`low` no higher than any upper bound that others measured: admission is no proof."""
    return least(low, *independent)


def crossed(low: Amount, high: Amount) -> npt.NDArray[np.bool_]:
    """Where low > high: the evidence contradicts itself (`bounds/crossed`, unproven)."""
    return np.asarray(amounts(low) > amounts(high), np.bool_)


def bridge(before_mj: int, after_mj: int, gap_seconds: int, pin: Pin) -> int | None:
    """The mJ that a device drew in a gap by its cumulative counter, or None if it may have been reset.

    A reset starts again from 0 and climbs at most power limit x gap; a counter that stood above 1.2 times
    that and did not fall was not reset. The same device is for the caller to know; error and resolution are
    not in it yet.
    """
    return _bridge(before_mj, after_mj, gap_seconds, pin.tdp_mw)


def bridge_cycles(before: int, after: int, gap_seconds: int, pin: Pin) -> int | None:
    """The same for a counter of 10^6 tensor-active cycles, which climbs at most at maximum clock."""
    return _bridge(before, after, gap_seconds, pin.max_clock_mhz)


def gaps(
    seconds: Array,
    before_mj: Array,
    drawn_mj: Array,
    before_cycles: Array,
    cycles: Array,
    readings: Array,
    pin: Pin,
) -> Array:
    """u of gaps, one a row: presence, or what a counter that bridges the gap leaves possible; `before_` is -1 where
    there is no counter, `readings` how often the counter's resolution is charged."""
    bound = presence(seconds, pin)
    bridged = (before_mj >= 0) & (drawn_mj >= 0) & _bridges(before_mj, seconds, pin.tdp_mw)
    energy = widened(np.where(bridged, drawn_mj, 0), pin.energy_error_ppm, pin.resolution_mj, readings)
    bound = _where(bridged, by_energy(energy, pin), bound)
    bridged = (before_cycles >= 0) & (cycles >= 0) & _bridges(before_cycles, seconds, pin.max_clock_mhz)
    activity = by_activity(np.where(bridged, cycles, 0), scale(seconds, SHARE, 1, up=True), pin)
    return _where(bridged, activity, bound)


def _bridge(before: int, after: int, seconds: int, rate: int) -> int | None:
    return after - before if after >= before and _bridges(before, seconds, rate) else None


def _bridges(before: Any, seconds: Amount, rate: int) -> Any:
    """Whether a counter stood too high for one that was reset to have climbed past it at `rate` a second."""
    return before > scale(seconds, rate * BRIDGE_MARGIN_PERCENT, 100, up=False)


def _where(mask: Mask, method: Array, bound: Array) -> Array:
    return np.asarray(np.where(mask, least(method, bound), bound))
