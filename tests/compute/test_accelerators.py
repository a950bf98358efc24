"""The accelerator table and default pins, against the published table and against arithmetic by hand."""

import csv
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from attest.compute.accelerators import Accelerator, accelerators, default_pin, lookup
from attest.compute.pins import FIGURES
from attest.errors import AgreementError, UnsupportedError

FIELDS = {
    "bf16_dense_flops": ("bf16", 1),
    "fp8_dense_flops": ("fp8", 1),
    "fp4_dense_flops": ("fp4", 1),
    "fp32_flops": ("fp32", 1),
    "tf32_dense_flops": ("tf32", 1),
    "int8_dense_ops": ("int8", 1),
    "max_dense_ops": ("max_dense", 1),
    "tdp_w": ("tdp_mw", 1_000),
    "idle_w": ("idle_mw", 1_000),
    "memory_gb": ("memory_gb", 1),
}
PINS = {  # P, P BF16, k, f
    "NVIDIA H100 SXM5 80GB": (2_141 * 10**12, 1_071 * 10**12, 5_650, 60_000),
    "NVIDIA H200 SXM": (2_141 * 10**12, 1_071 * 10**12, 5_650, 60_000),
    "NVIDIA H100 PCIe 80GB": (1_639 * 10**12, 819 * 10**12, 8_650, 0),
    "NVIDIA B200 SXM": (10_600 * 10**12, 2_380 * 10**12, 20_000, 0),
    "NVIDIA A100 SXM 80GB": (1_248 * 10**12, 312 * 10**12, 6_240, 0),
}
NO_DEFAULT = {
    "NVIDIA Rubin R200 (pre-release)",
    "AMD Instinct MI455X (pre-release)",
    "Google TPU v4",
    "Google TPU v5e",
    "AWS Trainium1",
    "Microsoft Maia 100",
    "Huawei Ascend 910C",
    "Huawei Ascend 950DT (pre-release)",
}


def test_every_figure_of_the_shared_table(shared: Path) -> None:
    with (shared / "data/accelerators.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    for row in rows:
        ours = accelerators()[row["name"]]
        for column, (field, factor) in FIELDS.items():
            figure = int(Decimal(row[column]) * factor) if row[column] else None
            assert getattr(ours, field) == figure, (row["name"], column)
        assert (ours.vendor, ours.confidence) == (row["vendor"], row["confidence"])
        assert ours.source


@pytest.mark.parametrize("model", PINS)
def test_the_table_of_pins(model: str) -> None:
    pin = default_pin(model)
    found = (pin.peak_flop_per_s, pin.peak_bf16_flop_per_s, pin.efficiency_mflop_per_mj, pin.floor_mw)
    assert found == PINS[model]


@pytest.mark.parametrize("model", PINS)
def test_the_pinned_efficiencies_are_2x_and_3x_fastest_by_tdp(model: str) -> None:
    """H100: 2 x 1.979e15 / 700 W = 5.6543 TFLOP/J, pinned as 5.65; 3 x gives 8.4814, rounded up 8.482."""
    pin, row = default_pin(model), lookup(model)
    assert row.tdp_mw is not None
    assert pin.efficiency_mflop_per_mj == pytest.approx(2 * row.fastest / row.tdp_mw / 1e6, rel=1e-3)
    assert pin.marginal_mflop_per_mj == pytest.approx(3 * row.fastest / row.tdp_mw / 1e6, rel=1e-3)


def test_a_derived_pin_by_hand() -> None:
    """L4: INT4 4.85e14 at 2,040 MHz, its maximum, 72 W, FP32 3.03e13, BF16 1.21e14.

    k = ceil(2 x 4.85e14 / 72 / 1e9) = ceil(13,472.2); k' = ceil(20,208.3); operations a cycle =
    ceil(4.85e14 / 2.04e9) = ceil(237,745.1), 16-bit ceil(59,313.7), admitted floor; V = 4 x 3.03e13; the energy
    counter lags by 72 W x 0.1 s.
    """
    pin = default_pin("NVIDIA L4")
    assert pin.peak_flop_per_s == 485 * 10**12
    assert pin.peak_bf16_flop_per_s == 121 * 10**12
    assert (pin.efficiency_mflop_per_mj, pin.marginal_mflop_per_mj) == (13_473, 20_209)
    assert (pin.operations_per_cycle, pin.operations_per_cycle_bf16) == (237_746, 59_314)
    assert pin.admitted_operations_per_cycle == 59_313
    assert pin.vector_flop_per_s == 1_212 * 10**11
    assert (pin.floor_mw, pin.tdp_mw, pin.resolution_mj) == (0, 72_000, 7_200)


def test_unknown_clocks_get_a_margin() -> None:
    """MI300X: 2.615e15 x 1.1 = 2.8765e15; the clock behind it unknown, so a cycle is taken to do 2.615e15 / 900 MHz
    = 2,905,555.6, and `low` admits nothing."""
    pin = default_pin("AMD Instinct MI300X")
    assert pin.peak_flop_per_s == 28_765 * 10**11
    assert pin.operations_per_cycle == 2_905_556
    assert pin.admitted_operations_per_cycle == 0


def test_int4_counts_though_the_maximum_column_leaves_it_out() -> None:
    """A100 PCIe: INT4 1.248e15 of 300 W is 8.32 TFLOP/J; by its column of 6.24e14 it would be half."""
    assert default_pin("NVIDIA A100 PCIe 80GB").efficiency_mflop_per_mj == 8_320


@pytest.mark.parametrize("model", sorted(accelerators()))
def test_a_default_pin_is_no_less_than_any_known_figure(model: str) -> None:
    row = accelerators()[model]
    if model in NO_DEFAULT:
        with pytest.raises(AgreementError) as error:
            default_pin(model)
        assert error.value.code == "pin/no-default"
        return
    pin = default_pin(model)
    known = [row.bf16, row.fp16, row.fp8, row.fp4, row.int8, row.int4, row.max_dense, row.highest_quoted]
    assert pin.peak_flop_per_s >= max(v for v in known if v is not None)
    assert pin.peak_flop_per_s <= pin.operations_per_cycle * pin.max_clock_mhz * 10**6
    assert pin.vector_flop_per_s >= 2 * (row.fp32 or 0)


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe 80GB"),
        ("NVIDIA B200", "NVIDIA B200 SXM"),
        ("NVIDIA H200", "NVIDIA H200 SXM"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM 80GB"),
        ("nvidia  l40s", "NVIDIA L40S"),
        ("Tesla T4", "NVIDIA T4"),
    ],
)
def test_names_as_telemetry_reports_them(reported: str, name: str) -> None:
    assert lookup(reported).name == name


def test_names_are_of_one_model_each() -> None:
    names = [n.casefold() for a in accelerators().values() for n in (a.name, *a.aliases)]
    assert len(names) == len(set(names))


def test_every_model_of_the_shared_expositions_is_known(shared: Path) -> None:
    found: set[str] = set()
    for path in (shared / "data/dcgm-exporter-expositions").glob("*.prom"):
        found.update(re.findall(r'modelName="([^"]*)"', path.read_text()))
    assert found
    assert all(isinstance(lookup(name), Accelerator) for name in found)


def test_the_accelerators_of_the_real_runs_have_pins() -> None:
    for name in ("B200", "H100-SXM", "A100-PCIe", "H100-PCIe"):
        assert default_pin(name).tdp_mw >= 300_000


@pytest.mark.parametrize("name", ["", "NVIDIA H100 NVL", "NVIDIA H200 NVL", "Tesla V100-PCIE-32GB"])
def test_a_near_name_is_another_model(name: str) -> None:
    """Slower cards under a lower power limit do more per joule: no alias may lead to them."""
    with pytest.raises(UnsupportedError) as error:
        lookup(name)
    assert error.value.code == "model/unknown"


def test_an_agreement_overrides_single_figures() -> None:
    pin = default_pin("NVIDIA H100 SXM5 80GB")
    assert pin.with_overrides(floor_mw=0, efficiency_mflop_per_mj=4_000).floor_mw == 0
    assert pin.with_overrides() == pin
    assert pin.restricted_to_bf16().operations_per_cycle == pin.operations_per_cycle_bf16


@pytest.mark.parametrize(
    ("figures", "code", "key"),
    [
        ({"speed": 1}, "pin/unknown-key", "speed"),
        ({"model": 1}, "pin/unknown-key", "model"),
        ({"peak_flop_per_s": 0}, "pin/range", "peak_flop_per_s"),
        ({"floor_mw": -1}, "pin/range", "floor_mw"),
        ({"floor_mw": True}, "pin/range", "floor_mw"),
        ({"efficiency_mflop_per_mj": 5.65}, "pin/range", "efficiency_mflop_per_mj"),
        ({"tdp_mw": 10**18 + 1}, "pin/range", "tdp_mw"),
        ({"peak_flop_per_s": 1}, "pin/range", "peak_bf16_flop_per_s"),
        ({"marginal_mflop_per_mj": 1}, "pin/range", "efficiency_mflop_per_mj"),
        ({"floor_mw": 700_001}, "pin/range", "floor_mw"),
    ],
)
def test_an_override_that_cannot_be(figures: dict[str, int], code: str, key: str) -> None:
    with pytest.raises(AgreementError) as error:
        default_pin("NVIDIA H100 SXM5 80GB").with_overrides(**figures)
    assert (error.value.code, error.value.key) == (code, key)


def test_every_figure_has_its_unit_in_its_name() -> None:
    units = ("_flop_per_s", "_mflop_per_mj", "_mw", "_mj", "_ppm", "_mhz", "operations_per_cycle", "_cycle_bf16")
    assert all(name.endswith(units) for name in FIGURES)


def test_importing_the_table_is_cheap() -> None:
    """No numpy, and the file is not read before it is asked for."""
    program = (
        "import sys, attest.compute.accelerators as a\n"
        "assert 'numpy' not in sys.modules\n"
        "assert a.accelerators.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
