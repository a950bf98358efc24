"""Pins in an agreement: the figures that bound a model, written with their units, over the table's defaults.

    [[pin]]
    model = "NVIDIA H100 SXM5 80GB"
    peak = "2.2e15 FLOP/s"
    floor = "0 W"

What is left out is the default of `attest.compute.accelerators`; a model that the table does not know needs all.
"""

from collections.abc import Iterator
from typing import Final

from attest.agreement.model import canonical_model
from attest.agreement.reading import MAX_NAME, quantity
from attest.agreement.units import EFFICIENCY, ENERGY, FREQUENCY, POWER, RATE, SHARE, WORK, Dimension
from attest.compute.accelerators import default_pin
from attest.compute.pins import FIGURES, MAX_FIGURE, Pin
from attest.errors import AgreementError, UnsupportedError
from attest.format.toml_table import Table

MAX_PINS: Final = 256

# The figures of a pin as an agreement writes them: the unit stands in the value, not in the key.
_FIGURES: Final[dict[str, tuple[str, Dimension]]] = {
    "peak": ("peak_flop_per_s", RATE),
    "peak_bf16": ("peak_bf16_flop_per_s", RATE),
    "vector": ("vector_flop_per_s", RATE),
    "efficiency": ("efficiency_mflop_per_mj", EFFICIENCY),
    "marginal": ("marginal_mflop_per_mj", EFFICIENCY),
    "floor": ("floor_mw", POWER),
    "work": ("operations_per_cycle", WORK),
    "work_bf16": ("operations_per_cycle_bf16", WORK),
    "work_admitted": ("admitted_operations_per_cycle", WORK),
    "reference_clock": ("reference_clock_mhz", FREQUENCY),
    "max_clock": ("max_clock_mhz", FREQUENCY),
    "tdp": ("tdp_mw", POWER),
    "boot": ("boot_mj", ENERGY),
    "idle": ("idle_mw", POWER),
    "energy_error": ("energy_error_ppm", SHARE),
    "activity_error": ("activity_error_ppm", SHARE),
    "resolution": ("resolution_mj", ENERGY),
}

FIGURE_NAMES: Final = {name: key for key, (name, _) in _FIGURES.items()}


def read_pins(root: Table) -> dict[str, Pin]:
    """The `pin` tables of an agreement by model. Raises AgreementError."""
    pins: dict[str, Pin] = {}
    for table in root.tables("pin", MAX_PINS) if "pin" in root else ():
        table.only("model", *_FIGURES)
        model = canonical_model(table.text("model", limit=MAX_NAME))
        if model in pins:
            raise table.error("toml/duplicate", f"a second pin of {model}", "model")
        pins[model] = _pin(table, model)
    return pins


def _pin(table: Table, model: str) -> Pin:
    figures = {
        name: quantity(table, key, unit, high=min(unit.maximum, MAX_FIGURE))
        for key, (name, unit) in _FIGURES.items()
        if key in table
    }
    try:
        if len(figures) == len(FIGURES):
            return Pin(model, **figures)
        return default_pin(model).with_overrides(**figures)
    except UnsupportedError as error:
        missing = next(key for key in _FIGURES if key not in table)
        detail = f"{model[:80]} is in no table, so that its pin needs every figure: {missing} is missing"
        raise table.error("agreement/pin", detail, missing) from error
    except AgreementError as error:
        key = next((key for key, (name, _) in _FIGURES.items() if name == error.key), "model")
        raise table.error("agreement/pin", error.detail, key, hint=error.hint) from error


def write_pin(pin: Pin) -> Iterator[str]:
    """All figures of a pin as lines of its table."""
    yield f'model = "{pin.model}"'
    for key, (name, unit) in _FIGURES.items():
        yield f'{key} = "{unit.format(getattr(pin, name))}"'


def describe_pin(pin: Pin) -> str:
    """What the pin changes about the table's, as an agreement would write it."""
    try:
        default: Pin | None = default_pin(pin.model)
    except (AgreementError, UnsupportedError):
        default = None
    changed = [
        f"{key} {unit.format(getattr(pin, name))}"
        for key, (name, unit) in _FIGURES.items()
        if default is None or getattr(pin, name) != getattr(default, name)
    ]
    if not changed:
        return "as in the table"
    return ", ".join(changed) + ("; else as in the table" if default else "")
