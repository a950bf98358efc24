"""The accelerator table: published figures of each model, and the default pin that follows from them.

`accelerators.csv` holds dense figures in FLOP/s (or integer operations per second: every operation counts),
watts and MHz, each row with its sources; an empty field is an unknown, never zero. `highest_quoted_ops` is a
figure above the row's own that a vendor has published for the same part. `pins.csv` holds the pins of models
that were examined one by one; every other model's pin is derived by `default_pin`.

Models are named as in the table or as telemetry names them:

    >>> lookup("NVIDIA H100 80GB HBM3").name
    'NVIDIA H100 SXM5 80GB'
    >>> default_pin("NVIDIA H100 SXM5 80GB").efficiency_mflop_per_mj   # 5.65 TFLOP/J
    5650
    >>> default_pin("NVIDIA L4").efficiency_mflop_per_mj               # ceil(2 x 4.85e14 / 72 W / 1e9)
    13473
"""

import csv
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import ceil, floor
from types import MappingProxyType
from typing import Final, NamedTuple

from attest.compute.pins import Pin
from attest.errors import AgreementError, UnsupportedError

# Where no maximum clock is known: the largest ratio of maximum clock to datasheet clock found is 1.083.
CLOCK_MARGIN: Final = Fraction(11, 10)
# None of these states its peak at a lower clock, as far as is known: so peak / this is at least its work per cycle.
LEAST_REFERENCE_MHZ: Final = 900
UNKNOWN_MAX_CLOCK_MHZ: Final = 4_000
# Vector units beside the matrix units: four operations a lane and cycle for each of FP32's (packed 8-bit dot
# products), against FP32's own two.
VECTOR_PER_FP32: Final = 4
# An energy counter trails the device by up to one update of 100 ms at its full draw.
COUNTER_LAG_MS: Final = 100

# A boot of a server of eight large devices takes minutes at more than a kilowatt; the least that any is taken
# to need is 2 minutes at 600 W, and 90 s at 100 W for servers of small cards (schemas/bounds.md, "Off").
LARGE_TDP_MW: Final = 300_000
BOOT_MJ: Final = 72_000_000
SMALL_BOOT_MJ: Final = 9_000_000
IDLE_MW: Final = 300_000
SMALL_IDLE_MW: Final = 30_000

ENERGY_ERROR_PPM: Final = 50_000  # NVML states 5 %
ACTIVITY_ERROR_PPM: Final = 50_000  # measured: at most 3 % below the executed FLOP


class Accelerator(NamedTuple):
    """One row: dense FLOP/s or operations/s by format, power in mW; None where unknown."""

    name: str
    aliases: tuple[str, ...]
    vendor: str
    bf16: int | None
    fp16: int | None
    fp8: int | None
    fp4: int | None
    int8: int | None
    int4: int | None
    max_dense: int | None
    highest_quoted: int | None
    fp32: int | None
    tf32: int | None
    reference_clock_mhz: int | None
    max_clock_mhz: int | None
    tdp_mw: int | None
    idle_mw: int | None
    memory_gb: int | None
    confidence: str
    source: str

    @property
    def fastest(self) -> int:
        """The largest dense figure known for any format, FLOP/s."""
        known = (self.bf16, self.fp16, self.fp8, self.fp4, self.int8, self.int4)
        return max(v for v in (*known, self.max_dense, self.highest_quoted) if v is not None)


@cache
def accelerators() -> Mapping[str, Accelerator]:
    """The table by canonical name, read once, when first asked for."""
    return MappingProxyType({a.name: a for a in map(_row, _rows("accelerators.csv"))})


def lookup(name: str) -> Accelerator:
    """The accelerator of this canonical name or alias, whatever its case and spacing.

    Raises UnsupportedError `model/unknown`.
    """
    try:
        return _names()[_key(name)]
    except KeyError:
        raise UnsupportedError(
            "model/unknown", f"no accelerator {name!r} in the table", hint="pin it in the agreement"
        ) from None


def same_model(one: str, other: str) -> bool:
    """Whether two names are of one model: by the table, else whatever their case and spacing.

    >>> same_model("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"), same_model("Acme 1", "acme  1")
    (True, True)
    """
    known = [_names().get(_key(name)) for name in (one, other)]
    return known[0] is known[1] if all(known) else _key(one) == _key(other)


def default_pin(model: str) -> Pin:
    """The pin that bounds a model when the agreement has none: an assumption, which verdicts print.

    Models of `pins.csv` have those figures. For any other: peak is the fastest dense figure raised to the
    maximum clock; efficiency 2 x and marginal 3 x fastest/TDP; floor 0. Raises UnsupportedError
    `model/unknown`; AgreementError `pin/no-default` for a model without a known power limit, without any
    figure below 16 bits, or not yet released: a lower bound on its speed is no upper bound.
    """
    row = lookup(model)
    pinned = _pinned().get(row.name)
    matrix = row.bf16 or row.fp16
    narrow = row.fp8 or row.fp4 or row.int8 or row.int4 or row.fp16
    if row.tdp_mw is None or matrix is None or narrow is None or "pre-release" in row.name:
        missing = "its power limit" if row.tdp_mw is None else "its fastest format"
        raise AgreementError(
            "pin/no-default",
            f"{missing} is not known well enough for a default pin of {row.name}",
            hint=f"pin {row.name} in the agreement",
        )
    reference = row.reference_clock_mhz or LEAST_REFERENCE_MHZ
    clocks = row.reference_clock_mhz and row.max_clock_mhz
    headroom = Fraction(row.max_clock_mhz or 0, reference) if clocks else CLOCK_MARGIN
    vector = VECTOR_PER_FP32 * row.fp32 if row.fp32 is not None else matrix
    large = row.tdp_mw >= LARGE_TDP_MW
    figures = {
        "peak_flop_per_s": ceil(row.fastest * headroom),
        "peak_bf16_flop_per_s": ceil(matrix * headroom),
        "vector_flop_per_s": ceil(vector * headroom),
        "efficiency_mflop_per_mj": ceil(Fraction(2 * row.fastest, row.tdp_mw * 10**6)),
        "marginal_mflop_per_mj": ceil(Fraction(3 * row.fastest, row.tdp_mw * 10**6)),
        "floor_mw": 0,
        "operations_per_cycle": ceil(Fraction(row.fastest, reference * 10**6)),
        "operations_per_cycle_bf16": ceil(Fraction(matrix, reference * 10**6)),
    }
    # What is admitted must not be overstated: nothing where the clock behind the datasheet's peak is unknown.
    admitted = floor(Fraction(matrix, reference * 10**6)) if row.reference_clock_mhz else 0
    return Pin(
        model=row.name,
        **(pinned or figures),
        admitted_operations_per_cycle=admitted,
        reference_clock_mhz=reference,
        max_clock_mhz=row.max_clock_mhz or UNKNOWN_MAX_CLOCK_MHZ,
        tdp_mw=row.tdp_mw,
        boot_mj=BOOT_MJ if large else SMALL_BOOT_MJ,
        idle_mw=IDLE_MW if large else SMALL_IDLE_MW,
        energy_error_ppm=ENERGY_ERROR_PPM,
        activity_error_ppm=ACTIVITY_ERROR_PPM,
        resolution_mj=ceil(Fraction(row.tdp_mw * COUNTER_LAG_MS, 1_000)),
    )


@cache
def _names() -> Mapping[str, Accelerator]:
    return {_key(n): a for a in accelerators().values() for n in (a.name, *a.aliases)}


@cache
def _pinned() -> Mapping[str, dict[str, int]]:
    rows = _rows("pins.csv")
    return {r["model"]: {k: _integer(v) for k, v in r.items() if k != "model"} for r in rows}


def _rows(name: str) -> list[dict[str, str]]:
    text = files("attest.compute").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _row(row: dict[str, str]) -> Accelerator:
    def figure(name: str, factor: int = 1) -> int | None:
        return _integer(row[name], factor) if row[name] else None

    return Accelerator(
        name=row["name"],
        aliases=tuple(a for a in row["aliases"].split("|") if a),
        vendor=row["vendor"],
        bf16=figure("bf16_dense_flops"),
        fp16=figure("fp16_dense_flops"),
        fp8=figure("fp8_dense_flops"),
        fp4=figure("fp4_dense_flops"),
        int8=figure("int8_dense_ops"),
        int4=figure("int4_dense_ops"),
        max_dense=figure("max_dense_ops"),
        highest_quoted=figure("highest_quoted_ops"),
        fp32=figure("fp32_flops"),
        tf32=figure("tf32_dense_flops"),
        reference_clock_mhz=figure("reference_clock_mhz"),
        max_clock_mhz=figure("max_clock_mhz"),
        tdp_mw=figure("tdp_w", 1_000),
        idle_mw=figure("idle_w", 1_000),
        memory_gb=figure("memory_gb"),
        confidence=row["confidence"],
        source=row["source"],
    )


def _integer(text: str, factor: int = 1) -> int:
    value = Decimal(text) * factor
    if value != int(value):
        raise ValueError(f"{text} is not a whole number")
    return int(value)


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
