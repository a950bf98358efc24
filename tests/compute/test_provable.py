"""What evidence of each kind can prove over 30 days of H100s (FP8), 8 to a node: the cells of the design's table.

Each cell is the bound that the formulas give for evidence of a site that is as idle, or as off, as it says. What
the table assumes of the world stands with each test; the rest are default pins. "Inference only" depends on the
load, and the counters of idle devices on how often they are signed: those two rows belong to the agreement's lint.
"""

import numpy as np
import pytest

from attest.compute.accelerators import default_pin
from attest.compute.bounds import Admitted, Raw, presence, upper
from attest.compute.provable import Equipment, Metered, Span, least, metered, rows
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


@SITES
def test_the_table_that_is_printed_has_these_cells(devices: int) -> None:
    """`attest.compute.provable`, with meters that err by 1 %."""
    site = Equipment(devices, PIN, (Metered(10_000),))
    found = {(row.mode, row.evidence): row.flop for row in rows(site, Span.of_days(DAYS))}
    assert found["off", "an energy register a node"] == devices // 8 * 30 * 36_000_000 * 5_650 * MFLOP
    assert found["off", "a site meter"] == _metered(1, devices, devices // 8 * 70_000, 10_000)
    assert found["idle", "meters"] == _metered(1, devices, devices // 8 * 2_100_000, 10_000)
    assert found["any", "presence alone"] == int(presence(devices * DAYS * DAY, PIN)) * MFLOP
    inference = [flop for (mode, _), flop in found.items() if mode == "inference"]
    assert 2.5e20 * devices < min(inference) < max(inference) < 1.9e21 * devices
    idle = found["idle", "the lab's own counters"]
    assert idle == devices * DAYS * DAY * PIN.vector_flop_per_s  # vector units count always: k E+ is three times that


def test_storage_is_lost_once_a_day_and_generation_all_day() -> None:
    plain, full = (Equipment(1_000, PIN, (meter,)) for meter in (Metered(0), Metered(0, 3_600_000_000, 1_000_000)))
    more = metered(full, 10**8, Span(DAY, 2)) - metered(plain, 10**8, Span(DAY, 2))
    assert more == (2 * 3_600_000_000 + DAY * 1_000_000) * 5_650 * MFLOP
    assert [row.evidence for row in rows(full, Span.of_days(1)) if row.mode == "off"] == ["a site meter"]


def test_the_least_cap_is_what_evidence_of_a_level_leaves() -> None:
    bare, site = Equipment(1_000, PIN), Equipment(1_000, PIN, (Metered(10_000),))
    month = Span.of_days(DAYS)
    assert least(site, 1, month) == 0  # by a lab's word that all is off
    assert least(site, 4, month) == next(rows(site, month)).flop
    assert least(bare, 3, month) == int(presence(1_000 * DAYS * DAY, PIN)) * MFLOP
    assert {row.level for row in rows(bare, month)} == {0, 1}


def test_a_window_begins_inside_a_bucket_and_a_day() -> None:
    assert Span.of_window(DAY, 3_600) == Span(25 * 3_600, 3)
    assert Span.of_window(3_600, 3_600) == Span(2 * 3_600, 2)
    assert Span.of_window(DAY, 3_600).widened(1, 3_600) == Span(27 * 3_600, 3)
