"""Counted tensor cycles: the cumulative counters of a device as 10^6 cycles, mean over its SMs.

The counters of SM cycles elapsed and of cycles with active tensor pipes, DCGM's and NVML's, go on since reboot, so that
their differences cover an interval whole, which a gauge does not. Nothing says whether they are of one
SM, the mean, or the sum over all of them. The cycles elapsed in a second tell: no SM runs faster than 4 GHz, so a
counter that does is a sum, and is divided by the number of SMs of the model. Where that number is not known, or the
quotient is no clock either, the counters are left out; the same where tensor pipes are said to have been active for
longer than time went by.

    >>> time_ms, elapsed = np.array([0, 60_000]), np.array([0, 132 * 1_980 * 60])
    >>> per_sm(time_ms, elapsed, elapsed // 2, "NVIDIA H100 80GB HBM3").tolist()
    [0, 59400]
    >>> per_sm(time_ms, elapsed, elapsed // 2, "a model that nobody knows") is None
    True

Of how many SMs they are does not matter to the share of cycles in which an SM had a warp: it is the same on both sides.

    >>> active_share(np.array([7_920, 7_920, 0]), np.array([1_980, 8_900, 0])).tolist()
    [2500, -1, -1]
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from attest.collect.dcgm_fields import MAX_CLOCK, NONE
from attest.compute.accelerators import lookup
from attest.errors import UnsupportedError

WHOLE: Final = 10_000
MAX_SMS: Final = 1_024  # of any device
SLACK: Final = 1.05  # the two counters, and the stamp, are not read at one moment

# SMs in use; times 4,096 (Hopper) or 8,192 (Blackwell) BF16 operations a cycle they are the dense peak of the table.
SMS: Final[Mapping[str, int]] = {
    "NVIDIA H100 SXM5 80GB": 132,
    "NVIDIA H100 PCIe 80GB": 114,
    "NVIDIA H200 SXM": 132,
    "NVIDIA GH200": 132,
    "NVIDIA B200 SXM": 148,
}

Array = npt.NDArray[np.int64]


def per_sm(time_ms: Array, elapsed: Array, active: Array, model: str) -> Array | None:
    """The counter of active cycles, mean over the SMs, NONE where it has no value; None if it is of unknown unit."""
    both = np.flatnonzero((elapsed != NONE) & (active != NONE))
    seconds = np.diff(time_ms[both]) / 1_000
    passed, worked = np.diff(elapsed[both]), np.diff(active[both])
    rises = (passed > 0) & (worked >= 0) & (seconds > 0)
    if not rises.any() or (worked[rises] > SLACK * passed[rises] + 1).any():
        return None
    clock = float((passed[rises] / seconds[rises]).max())
    sms = 1 if clock <= SLACK * MAX_CLOCK else _sms(model)
    if sms is None or clock / sms > SLACK * MAX_CLOCK:
        return None
    return np.where((elapsed != NONE) & (active != NONE), active // sms, NONE)


def active_share(elapsed: Array, active: Array) -> Array:
    """SM activity in 1/10,000 by what both counters rose by; NONE where one did not, or where they contradict."""
    good = (elapsed > 0) & (active >= 0) & (active <= SLACK * elapsed)
    share = WHOLE * active // np.where(good, elapsed, 1)
    return np.where(good, np.minimum(share, WHOLE), NONE)


def _sms(model: str) -> int | None:
    try:
        return SMS.get(lookup(model).name)
    except UnsupportedError:
        return None
