"""A pin: the figures by which one exact model is bounded, all integers, each with its unit in its name.

An agreement may set any of them; defaults come from `attest.compute.accelerators.default_pin`. One MFLOP is
10^6 FLOP and one mJ 10^-3 J, so 5.65 TFLOP/J is 5,650 MFLOP/mJ.

    >>> pin = Pin("toy", 2_000_000_000_000, 1_000_000_000_000, 100_000_000_000, 5, 8, 60, 1_000, 500, 500,
    ...           1_500, 2_000, 700, 72, 300, 50_000, 50_000, 70)
    >>> pin.with_overrides(floor_mw=0).floor_mw
    0
    >>> pin.restricted_to_bf16().peak_flop_per_s
    1000000000000
"""

from dataclasses import dataclass, fields, replace
from typing import Final

from attest.errors import AgreementError

MAX_FIGURE: Final = 10**18  # of any field: a peak of 1 EFLOP/s in one device, say
_MAY_BE_ZERO: Final = frozenset(
    {"floor_mw", "energy_error_ppm", "activity_error_ppm", "resolution_mj", "admitted_operations_per_cycle"}
)


@dataclass(frozen=True, slots=True)
class Pin:
    """What one device of a model can do at most.

    peak: fastest format not excluded by evidence, at maximum clock; peak_bf16: the same for 16-bit formats.
    vector: everything beside the matrix units. efficiency (k): most work per energy in total; marginal (k'):
    above the floor, which is drawn whenever the device is on. operations_per_cycle: matrix work of the whole
    device in one tensor-active cycle, fastest and 16-bit; admitted: 16-bit, rounded down, for `low`, 0 where
    unknown. boot: the least energy a start of the device's circuit takes; idle: the least the started circuit
    draws. Errors are of the device's own counters; resolution is charged once per run of readings.

    Raises AgreementError `pin/range` with the key.
    """

    model: str
    peak_flop_per_s: int
    peak_bf16_flop_per_s: int
    vector_flop_per_s: int
    efficiency_mflop_per_mj: int
    marginal_mflop_per_mj: int
    floor_mw: int
    operations_per_cycle: int
    operations_per_cycle_bf16: int
    admitted_operations_per_cycle: int
    reference_clock_mhz: int
    max_clock_mhz: int
    tdp_mw: int
    boot_mj: int
    idle_mw: int
    energy_error_ppm: int
    activity_error_ppm: int
    resolution_mj: int

    def __post_init__(self) -> None:
        for name in FIGURES:
            value = getattr(self, name)
            if type(value) is not int or not (name in _MAY_BE_ZERO or value) or not 0 <= value <= MAX_FIGURE:
                detail = f"{self.model}: {name} is {value!r}, not an integer of 1 to 10^18"
                raise AgreementError("pin/range", detail, key=name)
        for less, more in _ORDERED:
            if getattr(self, less) > getattr(self, more):
                raise AgreementError("pin/range", f"{self.model}: {less} exceeds {more}", key=less)

    def with_overrides(self, **figures: int) -> "Pin":
        """The pin with single figures as an agreement sets them. Raises AgreementError `pin/unknown-key`."""
        for name in figures:
            if name not in FIGURES:
                raise AgreementError("pin/unknown-key", f"{name} is no figure of a pin", key=name)
        return replace(self, **figures)  # type: ignore[arg-type]

    def figures(self) -> dict[str, int]:
        """Every figure by its name."""
        return {name: getattr(self, name) for name in FIGURES}

    def restricted_to_bf16(self) -> "Pin":
        """The pin where evidence excludes every format narrower than 16 bits.

        k stays: power does not reveal the format, and evidence about formats says nothing of power.
        """
        return replace(
            self,
            peak_flop_per_s=self.peak_bf16_flop_per_s,
            operations_per_cycle=self.operations_per_cycle_bf16,
        )


FIGURES: Final = tuple(f.name for f in fields(Pin) if f.name != "model")
_ORDERED: Final = (
    ("peak_bf16_flop_per_s", "peak_flop_per_s"),
    ("efficiency_mflop_per_mj", "marginal_mflop_per_mj"),
    ("operations_per_cycle_bf16", "operations_per_cycle"),
    ("admitted_operations_per_cycle", "operations_per_cycle_bf16"),
    ("floor_mw", "tdp_mw"),
)
