"""The formulas of bounds, each with numbers worked by hand.

H100 SXM: P 2.141e15 FLOP/s = 2.141e9 MFLOP/s, k 5,650 and k' 8,482 MFLOP/mJ, f 60 W, 1,081,344 FLOP a cycle (16-bit
540,910), V 1.34e14 FLOP/s, e 5 %, resolution 70 J, power limit 700 W, at most 1,980 MHz.
"""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.accelerators import default_pin
from attest.compute.bounds import (
    Admitted,
    Raw,
    admitted,
    bridge,
    bridge_cycles,
    by_activity,
    by_energy,
    by_marginal_energy,
    clipped,
    crossed,
    cycles_from_activity,
    declared,
    gaps,
    narrowed,
    presence,
    presence_ms,
    upper,
    widened,
)
from attest.errors import EvidenceError
from attest.format.vocabulary import Precision

H100 = default_pin("NVIDIA H100 SXM5 80GB")


def test_presence() -> None:
    """One hour: 3,600 s x 2.141e9 MFLOP/s = 7.7076e12 MFLOP."""
    assert presence(3_600, H100).item() == 7_707_600_000_000


def test_presence_of_milliseconds_rounds_up() -> None:
    """1 ms at 2.141e15 FLOP/s is 2,141,000 MFLOP; at 2.141e15 + 1 FLOP/s one more."""
    assert presence_ms(1, H100.peak_flop_per_s).item() == 2_141_000
    assert presence_ms(1, H100.peak_flop_per_s + 1).item() == 2_141_001


def test_widened_energy() -> None:
    """1,001 mJ x 1.05 = 1,051.05, up to 1,052; plus 2 runs of 70,000 mJ: 141,052 mJ."""
    assert widened(1_001, 50_000, 70_000, 2).item() == 141_052


def test_narrowed_energy() -> None:
    """1,001,000 mJ x 0.95 = 950,950; less 2 x 70,000: 810,950 mJ. Never below 0."""
    assert narrowed(1_001_000, 50_000, 70_000, 2).item() == 810_950
    assert narrowed(1_000, 50_000, 70_000, 2).item() == 0


def test_energy_method() -> None:
    """An idle hour at 70 W: E = 252,000,000 mJ, E+ = 264,600,000 + 70,000 = 264,670,000 mJ;
    x 5,650 = 1.4953855e12 MFLOP, which is less than presence, 7.7076e12."""
    assert by_energy(264_670_000, H100).item() == 1_495_385_500_000
    assert upper(Raw(3_600, 252_000_000), H100, Admitted(energy=True)).item() == 1_495_385_500_000


def test_energy_never_raises_the_bound_above_presence() -> None:
    """At 700 W: 2,646,070,000 mJ x 5,650 = 1.495e13 MFLOP, above presence, 7.7076e12."""
    assert upper(Raw(3_600, 2_520_000_000), H100, Admitted(energy=True)).item() == 7_707_600_000_000


def test_floor_credit() -> None:
    """The same idle hour with the floor proven throughout: 264,670,000 - 60,000 x 3,600 = 48,670,000 mJ;
    x 8,482 = 4.1281894e11 MFLOP."""
    assert by_marginal_energy(264_670_000, 3_600, H100).item() == 412_818_940_000
    facts = Raw(3_600, 252_000_000, floor_seconds=3_600)
    assert upper(facts, H100, Admitted(energy=True, floor=True)).item() == 412_818_940_000
    assert upper(facts, H100, Admitted(energy=True)).item() == 1_495_385_500_000


def test_floor_credit_is_for_proven_seconds_only() -> None:
    """Proven for 1,000 of 3,600 s: 264,670,000 - 60,000,000 = 204,670,000 mJ x 8,482 = 1.73601e12, and k E+ is less.
    What is claimed beyond the seconds there are gives no more than those."""
    assert by_marginal_energy(204_670_000, 0, H100).item() == 1_736_010_940_000
    facts = Raw(3_600, 252_000_000, floor_seconds=1_000)
    assert upper(facts, H100, Admitted(energy=True, floor=True)).item() == 1_495_385_500_000
    beyond = Raw(3_600, 252_000_000, floor_seconds=1_000_000)
    assert upper(beyond, H100, Admitted(floor=True)).item() == 412_818_940_000


def test_a_floor_above_the_energy_gives_nothing_rather_than_less() -> None:
    """E+ = 70,000 mJ and f t = 216,000,000 mJ."""
    assert upper(Raw(3_600, 0, floor_seconds=3_600), H100, Admitted(floor=True)).item() == 0


def test_activity_method() -> None:
    """Half of an hour's cycles at 1,830 MHz, 3,294,000 x 10^6; SM active for 3,400 of 3,600 s:
    1.05 x 3,294,000 x 1,081,344 = 3.740044...e12 and 1.34e8 MFLOP/s x 3,400 s = 4.556e11 MFLOP.

    3,294,000 x 1,081,344 = 3,561,947,136,000; x 1.05 = 3,740,044,492,800; + 455,600,000,000 = 4,195,644,492,800.
    """
    assert by_activity(3_294_000, 34_000_000, H100).item() == 4_195_644_492_800
    facts = Raw(3_600, cycles=3_294_000, sm_active=34_000_000)
    assert upper(facts, H100, Admitted(activity=True)).item() == 4_195_644_492_800


def test_without_sm_activity_the_vector_units_are_taken_as_busy() -> None:
    """No cycles in an hour: 1.34e8 MFLOP/s x 3,600 s = 4.824e11 MFLOP."""
    assert upper(Raw(3_600, cycles=0), H100, Admitted(activity=True)).item() == 482_400_000_000


def test_bf16_proven_halves_the_activity_bound() -> None:
    """3,294,000 x 540,910 x 1.05 = 1,870,845,417,000; + 455,600,000,000. Presence: 3,600 x 1.071e9."""
    pin = H100.restricted_to_bf16()
    facts = Raw(3_600, cycles=3_294_000, sm_active=34_000_000)
    assert upper(facts, pin, Admitted(activity=True)).item() == 2_326_445_417_000
    assert upper(facts, pin, Admitted()).item() == 3_855_600_000_000


def test_methods_count_only_where_they_are_admitted() -> None:
    """Three buckets: energy admitted in the second, activity in the third, presence alone in the first."""
    facts = Raw([3_600] * 3, [252_000_000] * 3, cycles=[0] * 3, sm_active=[0] * 3)
    methods = Admitted(energy=np.array([False, True, False]), activity=np.array([False, False, True]))
    assert upper(facts, H100, methods).tolist() == [7_707_600_000_000, 1_495_385_500_000, 0]


def test_nothing_measured_is_presence_whatever_is_admitted() -> None:
    assert upper(Raw(3_600), H100, Admitted(True, True, True)).item() == 7_707_600_000_000


def test_a_large_site_does_not_wrap() -> None:
    """100,000 devices for a day: 8.64e9 s x 2.141e9 = 1.849824e19 MFLOP, beyond int64."""
    assert upper(Raw(8_640_000_000), H100, Admitted()).item() == 18_498_240_000_000_000_000
    facts = Raw(10**12, cycles=2 * 10**15, sm_active=0)
    exact = -(-2 * 10**15 * 1_081_344 * 105 // 100)
    assert upper(facts, H100, Admitted(activity=True)).item() == min(exact, 2_141_000_000 * 10**12)


def test_negative_facts_are_refused() -> None:
    with pytest.raises(EvidenceError) as error:
        upper(Raw(3_600, -1), H100, Admitted(energy=True))
    assert error.value.code == "bounds/negative"


def test_cycles_from_gauges() -> None:
    """57.935 % is 5,793 or 5,794 of 10,000; at 1,215 MHz for 60 s: 0.5793 x 72,900 = 42,230.97."""
    assert cycles_from_activity(5_793, 1_215, 60, up=False).item() == 42_230
    assert cycles_from_activity(5_793, 1_215, 60, up=True).item() == 42_231


def test_what_cycles_admit() -> None:
    """Admitted are floor(9.894e14 / 1.83e9) = 540,655 FLOP a cycle: 1,000 x 540,655 / 1.07 = 505,285,046.7 MFLOP,
    without the clock / 1.42 = 380,742,957.7, as TF32 1,000 x 135,163 / 1.07 = 126,320,560.7."""
    assert admitted(1_000, H100, Precision.BF16, clocked=True).item() == 505_285_046
    assert admitted(1_000, H100, Precision.FP8, clocked=True).item() == 505_285_046
    assert admitted(1_000, H100, Precision.BF16, clocked=False).item() == 380_742_957
    assert admitted(1_000, H100, Precision.TF32, clocked=True).item() == 126_320_560


@pytest.mark.parametrize("precision", [Precision.UNKNOWN, Precision.FP32, Precision.FP64, Precision.INT8])
def test_what_is_not_told_admits_nothing(precision: Precision) -> None:
    assert admitted(1_000, H100, precision, clocked=True).item() == 0


def test_declared_sizes_are_clipped_by_presence() -> None:
    """10 s of one device are at most 2.141e10 MFLOP, whatever is declared."""
    assert declared([10**9, 10**12], 10, H100).tolist() == [10**9, 21_410_000_000]


def test_low_is_clipped_to_what_others_measured_and_may_cross() -> None:
    assert clipped([100, 50], [70, 70], [80, 20]).tolist() == [70, 20]
    assert crossed([71, 70], [70, 70]).tolist() == [True, False]


def test_a_bridge() -> None:
    """A gap of 600 s: a reset counter climbs at most 700,000 mW x 600 s = 420,000,000 mJ; 1.2 x that is 504,000,000.
    From 504,000,001 to 604,000,001 the device drew 100,000,000 mJ."""
    assert bridge(504_000_001, 604_000_001, 600, H100) == 100_000_000
    assert bridge(504_000_000, 604_000_000, 600, H100) is None
    assert bridge(504_000_001, 504_000_000, 600, H100) is None
    assert bridge(504_000_001, 504_000_001, 600, H100) == 0


def test_a_bridge_by_cycles() -> None:
    """60 s at 1,980 MHz: 118,800 x 10^6 cycles; 1.2 x that is 142,560."""
    assert bridge_cycles(142_561, 142_571, 60, H100) == 10
    assert bridge_cycles(142_560, 142_570, 60, H100) is None


DEVICES = st.lists(
    st.tuples(st.integers(0, 3_600), st.integers(0, 3 * 10**9), st.integers(0, 8 * 10**6), st.integers(0, 36_000_000)),
    min_size=1,
    max_size=6,
)


@given(DEVICES)
def test_bounds_of_sums_are_never_below_sums_of_bounds(devices: list[tuple[int, int, int, int]]) -> None:
    """But for rounding, which is up in each: 1 mJ of energy, so k MFLOP, and 2 MFLOP of activity a device."""
    columns = [list(c) for c in zip(*devices, strict=True)]
    each = upper(Raw(columns[0], columns[1], 1, 0, columns[2], columns[3]), H100, Admitted(True, False, True))
    sums = [sum(c) for c in columns]
    merged = Raw(sums[0], sums[1], len(devices), 0, sums[2], sums[3])
    rounding = len(devices) * (H100.efficiency_mflop_per_mj + 2)
    assert upper(merged, H100, Admitted(True, False, True)).item() + rounding >= sum(each.tolist())


@given(DEVICES, st.integers(0, 3), st.integers(1, 10**6))
def test_more_evidence_of_work_never_lowers_a_bound(
    devices: list[tuple[int, int, int, int]], column: int, more: int
) -> None:
    columns = [np.array(c) for c in zip(*devices, strict=True)]
    methods = Admitted(True, False, True)
    before = upper(Raw(columns[0], columns[1], 1, 0, columns[2], columns[3]), H100, methods)
    columns[column] = columns[column] + more
    after = upper(Raw(columns[0], columns[1], 1, 0, columns[2], columns[3]), H100, methods)
    assert (after >= before).all()


def test_admission_by_activity_never_exceeds_the_truth_of_the_probe(shared: Path) -> None:
    """Six measured runs on one H100 PCIe: low <= executed <= high, with and without the clock."""
    probe = json.loads(
        (shared / "vectors/known-compute/h100-pcie-probe.json").read_text(), parse_float=Decimal, parse_int=Decimal
    )
    pin = default_pin("NVIDIA H100 PCIe 80GB")
    for run in probe["runs"]:
        true = run["tokens_per_s"] * run["elapsed_s"] * run["executed_flops_per_token"] / 10**6
        seconds = run["elapsed_s"]
        cycles = run["tensor_active"] * run["sm_clock_mhz"] * seconds
        unclocked = run["tensor_active"] * pin.reference_clock_mhz * seconds
        assert admitted(int(cycles), pin, Precision.BF16, clocked=True).item() <= true
        assert admitted(int(unclocked), pin, Precision.BF16, clocked=False).item() <= true
        active = int(run["sm_active"] * seconds * 10_000) + 1
        facts = Raw(int(seconds) + 1, int(run["energy_j"] * 1_000), 1, 0, int(cycles) + 1, active)
        by_counters = upper(facts, pin.restricted_to_bf16(), Admitted(activity=True)).item()
        assert Decimal("1.2") < by_counters / true < Decimal("1.6")
        assert upper(facts, pin, Admitted(energy=True)).item() >= true


@pytest.mark.parametrize("tdp_mw", [700_000, 10**9, 10**12, 10**15])
@pytest.mark.parametrize("seconds", [21_600, 86_400 * 365 * 3, 1 << 40])
def test_no_power_limit_and_no_gap_is_too_large_for_a_bridge(tdp_mw: int, seconds: int) -> None:
    """1 MW for three years times 120 does not fit 64 bits; a counter that stood at 10^9 mJ may have been reset."""
    pin = H100.with_overrides(tdp_mw=tdp_mw)
    none, one = np.array([-1]), np.array([1])
    for before in (10**9, 1 << 62):
        bridged = bridge(before, before + 1, seconds, pin) is not None
        assert bridged == (before * 100 > tdp_mw * seconds * 120)
        found = gaps(np.array([seconds]), np.array([before]), one, none, none, one, pin)
        assert (found < presence(seconds, pin)).item() == bridged
