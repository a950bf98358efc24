"""What readers of terms have in common: quantities, levels, labels and windows of a term's table.

Each reader turns one TOML table into one term and raises one AgreementError that names line and key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from attest.agreement.kinds import LABELS, Assurance, Term
from attest.agreement.model import Party
from attest.agreement.units import DURATION, Dimension
from attest.format.toml_table import Table
from attest.format.vocabulary import Label

MAX_DEVICES: Final = 10**8
MAX_NAME: Final = 200  # characters


@dataclass(frozen=True, slots=True)
class Setting:
    """What a term is read against: the parties it may name, when its phase is (Unix s), the bucket, the lag."""

    parties: tuple[Party, ...]
    start: int
    end: int
    bucket_s: int
    max_lag_s: int

    @property
    def length_s(self) -> int:
        """Of the phase."""
        return self.end - self.start


Reader = Callable[[Table, Setting, Mapping[str, Any]], Term]
Readers = Mapping[str, tuple[tuple[str, ...], Reader]]  # kind: its keys beside the common ones, and who reads it


def quantity(table: Table, key: str, dimension: Dimension, low: int = 0, high: int | None = None) -> int:
    """The quantity at `key` in base units, from `low` to `high`."""
    if type(table.values.get(key)) in (int, float):
        hint = f'write it as "30 {next(iter(dimension.units))}", in quotes'
        raise table.error("quantity/unit", f"{key} has no unit", key, hint=hint)
    value = table.parsed(key, dimension.parse)
    if value < low or (high is not None and value > high):
        least = "must be at least " + dimension.format(low)
        most = "" if high is None else " and at most " + dimension.format(high)
        raise table.error("quantity/range", least + most, key)
    return value


def assurance(table: Table) -> Assurance:
    """The level at `assurance`, L3 if there is none."""
    if "assurance" not in table:
        return Assurance.L3
    return level(table, "assurance")


def level(table: Table, key: str) -> Assurance:
    """The level at `key`."""
    text = table.text(key)
    if text not in Assurance.__members__:
        raise table.error("agreement/assurance", f"{text[:40]} is no level: they are L0 to L4", key)
    return Assurance[text]


def label(table: Table) -> Label | None:
    """The label at `label`, None for any."""
    if "label" not in table:
        return None
    text = table.text("label")
    if text not in LABELS:
        hint = "the labels are " + ", ".join(LABELS)
        raise table.error("agreement/label", f"{text[:40]} is no label", "label", hint=hint)
    return LABELS[text]


def window(table: Table, setting: Setting) -> int | None:
    """The length at `window` in s, None for all of the phase."""
    if "window" not in table:
        return None
    length = quantity(table, "window", DURATION, low=setting.bucket_s)
    if length > setting.length_s:
        raise table.error("agreement/window", "is longer than the phase", "window", hint="leave it out")
    return length
