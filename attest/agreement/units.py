"""Quantities: texts like "1e21 FLOP" and "30 d" to exact integers of one base unit a dimension, and back.

    >>> FLOP.parse("1e21 FLOP")
    1000000000000000000000
    >>> EFFICIENCY.parse("5.65 TFLOP/J"), POWER.parse("1.7 kW"), SHARE.parse("99.5 %")
    (5650, 1700000, 995000)
    >>> DURATION.format(2592000), ENERGY.format(36_000_000), FLOP.format(29 * 10**20)
    ('30 d', '36 kJ', '2.9e21 FLOP')

A quantity is a number, one space and a unit. Numbers are decimal, without sign, separators or superfluous
leading zeros, with an optional exponent; no binary float is ever made of them. A quantity that is no whole number
of base units is refused, not rounded, and every dimension has a maximum by name.

| dimension | base | units |
|---|---|---|
| FLOP | FLOP | FLOP, kFLOP, MFLOP, GFLOP, TFLOP, PFLOP, EFLOP, ZFLOP, YFLOP |
| RATE | FLOP/s | the same, each per s |
| EFFICIENCY | MFLOP/mJ | GFLOP/J, TFLOP/J |
| WORK | FLOP/cycle | FLOP/cycle |
| DURATION | s | s, min, h, d |
| POWER | mW | mW, W, kW, MW, GW |
| ENERGY | mJ | mJ, J, kJ, MJ, GJ, TJ, Wh, kWh, MWh, GWh |
| FREQUENCY | MHz | MHz, GHz |
| TRAFFIC | MiB | MiB, GiB, TiB, PiB |
| SHARE | ppm | ppm, % |

Codes: quantity/unit, quantity/number, quantity/precision, quantity/range. Line and key are the caller's to add.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from attest.errors import AgreementError

MAX_FLOP: Final = 10**30
MAX_RATE: Final = 10**18  # of one device
MAX_SPEED: Final = 10**27  # of a party: a billion of them
MAX_EFFICIENCY: Final = 10**9
MAX_WORK: Final = 10**9
MAX_DURATION: Final = 36_525 * 86_400  # a century
MAX_POWER: Final = 10**15  # a terawatt
MAX_ENERGY: Final = 10**22  # a gigawatt for three centuries
MAX_FREQUENCY: Final = 10**6
MAX_TRAFFIC: Final = 10**17  # of a device: 4 TiB a second for seven centuries
MAX_SHARE: Final = 10**6

_QUANTITY: Final = re.compile(r"((?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][0-9]{1,2})?) (\S{1,16})", re.ASCII)


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: its units as multiples of the base unit, preferred ones last, and its maximum."""

    name: str
    units: Mapping[str, int]
    maximum: int

    def parse(self, text: str) -> int:
        """The quantity in base units. Raises AgreementError."""
        match = _QUANTITY.fullmatch(text)
        if not match:
            raise self._malformed(text)
        number, unit = match.groups()
        if unit not in self.units:
            known = ", ".join(self.units)
            raise AgreementError("quantity/unit", f"{unit} is no unit of {self.name}", hint=f"its units are {known}")
        value = Fraction(Decimal(number)) * self.units[unit]
        if value > self.maximum:
            detail = f"{text} is more than {self.format(self.maximum)}, the most that is read"
            raise AgreementError("quantity/range", detail)
        if value.denominator != 1:
            base = next(u for u, factor in self.units.items() if factor == 1)
            raise AgreementError("quantity/precision", f"{text} is not a whole number of {base}")
        return value.numerator

    def format(self, value: int) -> str:
        """The shortest text of a quantity; `parse` gives the same value back."""
        if self.units.get("FLOP") or self.units.get("FLOP/s"):
            return f"{_scientific(value)} {next(iter(self.units))}"
        texts = [
            f"{_decimal(Fraction(value, factor))} {unit}"
            for unit, factor in self.units.items()
            if factor <= value or not value or unit == "%"
        ]
        # Of equally short ones the largest unit; nothing is 0 s rather than 0 d.
        return min((t for t in (texts[::-1] if value else texts) if not t.startswith("~")), key=len)

    def _malformed(self, text: str) -> AgreementError:
        example = f'write it as "30 {next(iter(self.units))}"'
        if re.fullmatch(r"[0-9.]+", text, re.ASCII):
            return AgreementError("quantity/unit", f"{text[:40]} has no unit", hint=example)
        return AgreementError(
            "quantity/number", f"{text[:40]!r} is not a number, one space and a unit of {self.name}", hint=example
        )


def _si(base: str, first: int, prefixes: str) -> dict[str, int]:
    return {prefix.strip() + base: first * 1000**power for power, prefix in enumerate(prefixes)}


FLOP: Final = Dimension("compute", _si("FLOP", 1, " kMGTPEZY"), MAX_FLOP)
RATE: Final = Dimension("speed", _si("FLOP/s", 1, " kMGTPEZY"), MAX_RATE)
SPEED: Final = Dimension("speed", _si("FLOP/s", 1, " kMGTPEZY"), MAX_SPEED)
EFFICIENCY: Final = Dimension("efficiency", {"GFLOP/J": 1, "TFLOP/J": 1_000}, MAX_EFFICIENCY)
WORK: Final = Dimension("work", {"FLOP/cycle": 1}, MAX_WORK)
DURATION: Final = Dimension("time", {"s": 1, "min": 60, "h": 3_600, "d": 86_400}, MAX_DURATION)
POWER: Final = Dimension("power", _si("W", 1, "m kMG"), MAX_POWER)
_WH: Final = {"Wh": 3_600_000, "kWh": 3_600_000_000, "MWh": 3_600 * 10**9, "GWh": 3_600 * 10**12}
ENERGY: Final = Dimension("energy", _WH | _si("J", 1, "m kMGT"), MAX_ENERGY)
FREQUENCY: Final = Dimension("frequency", {"MHz": 1, "GHz": 1_000}, MAX_FREQUENCY)
TRAFFIC: Final = Dimension("traffic", {"MiB": 1, "GiB": 1 << 10, "TiB": 1 << 20, "PiB": 1 << 30}, MAX_TRAFFIC)
SHARE: Final = Dimension("a share", {"ppm": 1, "%": 10_000}, MAX_SHARE)


def _scientific(value: int) -> str:
    """A compute figure: 1e21, 2.141e15; short ones in full."""
    digits = str(value)
    significant = digits.rstrip("0") or "0"
    if len(digits) <= 4 or value == 0:
        return digits
    mantissa = significant[0] + ("." + significant[1:] if significant[1:] else "")
    return f"{mantissa}e{len(digits) - 1}"


def _decimal(value: Fraction) -> str:
    """Exact decimal digits, or a text beginning with ~ where there are none that end."""
    whole, rest = divmod(value.numerator, value.denominator)
    digits = ""
    while rest and len(digits) < 30:
        digit, rest = divmod(rest * 10, value.denominator)
        digits += str(digit)
    return f"~{whole}" if rest else f"{whole}" + (f".{digits}" if digits else "")
