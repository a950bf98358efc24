"""What evidence of each kind can prove over 30 days of H100s (FP8), 8 to a node: the cells of the design's table.

Each cell is the bound that the formulas give for evidence of a site that is as idle, or as off, as it says. What
the table assumes of the world stands with each test; the rest are default pins. "Inference only" depends on the
load, and the counters of idle devices on how often they are signed: those two rows belong to the agreement's lint.
"""

import numpy as np
import pytest

from attest.compute.accelerators import default_pin
from attest.compute.bounds import Admitted, Raw, presence, upper
from attest.compute.record import Record
from attest.compute.tree import Meter, bound

PIN = default_pin("NVIDIA H100 SXM5 80GB")
DAY = 86_400
DAYS = 30
MFLOP = 10**6
SITES = pytest.mark.parametrize("devices", [1_000, 10_000, 100_000])


def _metered(count: int, devices: int, milliwatts: int, error_ppm: int, resolution_mj: int = 0) -> int:
    """The sum over days of H of one meter of `count` equal ones, by day."""
    meter = Meter(
        error_ppm, PIN.efficiency_mflop_per_mj, -(-PIN.peak_flop_per_s // MFLOP) * devices, resolution_mj=resolution_mj
    )
    record = Record.of([[milliwatts * DAY] * DAYS], [[DAY * 1_000] * DAYS])
    direct = np.tile(presence(devices * DAY, PIN).reshape(1, 1), DAYS)
    days = [(i, i + 1) for i in range(DAYS)]
    found = bound([meter], record, direct, windows=days, bucket_seconds=DAY)
    return count * sum(found.windows[0].tolist()) * MFLOP


@SITES
def test_presence_only(devices: int) -> None:
    """1,000 x 30 d x 2.141e15 FLOP/s = 5.549e24; the table has 5.6e24, rounded up."""
    total = int(presence(devices * DAYS * DAY, PIN)) * MFLOP
    assert total == devices * DAYS * DAY * 2_141 * 10**12
    assert total == pytest.approx(5.6e21 * devices, rel=0.01)


@SITES
def test_off_with_an_energy_register_per_node(devices: int) -> None:
    """Registers that count in 0.01 kWh, read daily, stand still: 36 kJ a node and day cannot be told from nothing.

    125 x 30 x 36e6 mJ x 5,650 MFLOP/mJ = 7.6275e14 MFLOP. It is half of the default boot of 72 kJ, too.
    """
    total = _metered(devices // 8, 8, 0, 10_000, resolution_mj=36_000_000)
    assert total == devices // 8 * 30 * 36_000_000 * 5_650 * MFLOP
    assert total == pytest.approx(7.6e17 * devices, rel=0.01)
    assert PIN.boot_mj == 2 * 36_000_000


@SITES
def test_off_with_a_site_meter_only(devices: int) -> None:
    """Nodes that are off draw 70 W each for their management: 125 x 70 W x 30 d x 1.01 x 5.65e12 = 1.29e23."""
    assert _metered(1, devices, devices // 8 * 70_000, 10_000) == pytest.approx(1.3e20 * devices, rel=0.01)


@SITES
def test_idle_with_energy_counters(devices: int) -> None:
    """70 W a device, floor proven: 1,000 x (70 W x 1.05 - 60 W) x 30 d x 8.482e12 = 2.97e23."""
    seconds = devices * DAYS * DAY
    facts = Raw(seconds, 70_000 * seconds, runs=devices, floor_seconds=seconds)
    total = int(upper(facts, PIN, Admitted(energy=True, floor=True))) * MFLOP
    assert total == pytest.approx(3e20 * devices, rel=0.02)


@SITES
def test_idle_with_node_meters_only(devices: int) -> None:
    """Idle nodes of 2.1 kW, 560 W of it in the devices: 125 x 2,100 W x 30 d x 1.01 x 5.65e12 = 3.9e24."""
    assert _metered(devices // 8, 8, 2_100_000, 10_000) == pytest.approx(4e21 * devices, rel=0.05)
