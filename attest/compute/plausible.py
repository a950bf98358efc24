"""What of some numbers is plausible, and what is an anomaly (schemas/anomalies.md: formula and source of each rule).

Every rule is a function of numbers alone, so that the same function is used on logs and measured on real traces
(`tests/bench/anomalies.py`). Numbers are integers or arrays of them, of one device or summed over several: seconds
of devices, mJ, 10^6 tensor-active cycles, MFLOP; limits of a device are in mW and MHz. Products are made in floating
point, since nothing here bounds anything: a rule chooses what to remark on, and remarks change no outcome.

    >>> bool(still(8 * 3_600, 0, 700_000)), bool(still(8 * 3_600, 8 * 3_600 * 67_000, 700_000))   # 8 idle H100, an hour
    (True, False)
    >>> bool(starved(8 * 3_600 * 67_000, 8 * 3_600 * 900, 700_000, 1_980))      # idle power, 900 MHz of tensor work
    True
    >>> bool(starved(41_663_339, 84_750, 350_000, 1_755))                      # a run of the probe
    False
"""

from typing import Any, Final

import numpy as np

from attest.compute.columns import Ints

SHORTEST: Final = 600  # device-seconds of a cell: of fewer, energy trails behind activity by too large a share
STILL_SHARE: Final = 0.03  # of the power limit: the least measured of a board that is on is 0.10
STARVED_RATIO: Final = 0.8  # share of the power limit over share of the clock; measured 2.4 to 3.0
RESTING: Final = 0.001  # share of the clock; a T4 at work on other units showed 0.0024
AWAKE_SHARE: Final = 0.4  # of the power limit; boards at rest were measured at 0.10 to 0.23
MFU: Final = 0.9  # of the peak of the claimed format; measured at most 0.33 of the fastest format, 0.42 of 16 bits
LEAST_RATIO: Final = 1.5  # k E over the declared work; measured 6.0 to 46.5
MOST_RATIO: Final = 140  # of training: three times what was measured
LEAST_UTILISATION: Final = 0.05  # of the 16-bit peak, where training has no energy; measured 0.21 to 0.71
CLEAN_PPM: Final = 100  # mean size of second differences over the mean; measured 315 and more
TRAFFIC_MIB_S: Final = 10_240  # of one device: 10 GiB/s
BUSY_SHARE: Final = 0.25  # of the clock: tensor cycles beside that traffic
HOST_SHARE: Final = 0.5  # of the power limit: what a host takes beside each board; nodes of eight took 0.21 to 0.38
HOST_MW: Final = 350_000  # an accelerator, at least: a host does not shrink with it
OTHERS: Final = 2  # all that a meter lets through over that of hosts: cooling, storage and light take no more
SERIES: Final = 24  # intervals: shorter series are not compared, nor held to be too clean
DIFFERENT: Final = 20  # values in a series; one that has fewer may well be like another


def still(seconds: Any, energy_mj: Any, tdp_mw: int) -> Any:
    """Less energy than any board that is on draws: a counter that does not move, or hardly."""
    return energy_mj < seconds * (STILL_SHARE * tdp_mw)


def starved(energy_mj: Any, cycles: Any, tdp_mw: int, clock_mhz: int) -> Any:
    """More tensor-active cycles than this energy has ever been seen to drive: (E / TDP) < 0.8 (cycles / clock)."""
    return energy_mj * float(clock_mhz) < cycles * (STARVED_RATIO * tdp_mw)


def unexplained(seconds: Any, energy_mj: Any, cycles: Any, tdp_mw: int, clock_mhz: int) -> Any:
    """The power of work where no run is named and tensor cores rest."""
    return at_work(seconds, energy_mj, tdp_mw) & (cycles < seconds * (RESTING * clock_mhz))


def beyond_clock(seconds: Any, cycles: Any, clock_mhz: int) -> Any:
    """More tensor-active cycles than the clock has ticks."""
    return cycles > seconds * float(clock_mhz)


def beyond_peak(declared_mflop: Any, most_mflop: Any) -> Any:
    """A declared size above 0.9 of what the devices could have done in the claimed format."""
    return declared_mflop > most_mflop * MFU


def over_declared(by_energy_mflop: Any, declared_mflop: Any) -> Any:
    """More work for the energy than any run measured did: k E < 1.5 x declared."""
    return by_energy_mflop < declared_mflop * LEAST_RATIO


def under_declared(by_energy_mflop: Any, declared_mflop: Any) -> Any:
    """Less work for the energy than a third of what any training run measured did: k E > 140 x declared."""
    return by_energy_mflop > declared_mflop * float(MOST_RATIO)


def under_utilised(declared_mflop: Any, most_mflop: Any) -> Any:
    """A declared size below 5 % of the 16-bit peak over the hours: N x L x H x U with a U that no training had."""
    return declared_mflop < most_mflop * LEAST_UTILISATION


def noise_ppm(series: Ints) -> Ints:
    """The mean size of second differences, in ppm of the mean, of each row of a table [row, interval]: slow rises and
    falls leave it alone. Rows of zeros have none (-1)."""
    sizes = np.abs(series[:, 2:] - 2 * series[:, 1:-1] + series[:, :-2]).sum(axis=1) // (series.shape[1] - 2)
    mean = series.sum(axis=1) // series.shape[1]
    return np.where(mean > 0, sizes * 1_000_000 // np.maximum(mean, 1), -1)


def too_clean(noise: Any) -> Any:
    """Steadier than any meter has been seen to be."""
    return (noise >= 0) & (noise < CLEAN_PPM)


def different(series: Any) -> Ints:
    """How many different values each row of a table has."""
    ordered = np.sort(series, axis=1)
    return np.asarray((ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) + 1, np.int64)


def heavy_traffic(seconds: Any, fabric_mib: Any) -> Any:
    """Traffic between devices of 10 GiB/s a device."""
    return fabric_mib >= seconds * TRAFFIC_MIB_S


def busy(seconds: Any, cycles: Any, clock_mhz: int) -> Any:
    """Tensor cores a quarter busy."""
    return cycles >= seconds * (BUSY_SHARE * clock_mhz)


def host_mw(tdp_mw: int) -> int:
    """What a host may take beside each accelerator."""
    return max(round(HOST_SHARE * tdp_mw), HOST_MW)


def beyond_declared(metered_mj: Any, declared_mj: Any) -> Any:
    """More than twice the energy that all that is declared behind a meter can have taken."""
    return metered_mj > declared_mj * OTHERS


def at_work(seconds: Any, energy_mj: Any, tdp_mw: int) -> Any:
    """More power than a board at rest draws."""
    return energy_mj > seconds * (AWAKE_SHARE * tdp_mw)
