"""Terms: one TOML table of a phase to one typed term, kind by kind (schemas/agreement.md, "Terms").

Every kind has the keys `kind`, `name`, `parties` and `sites`; `_KINDS` says which others it takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from attest.agreement.model import (
    LABELS,
    Assurance,
    ComputeCap,
    Coverage,
    Freshness,
    Inventory,
    Party,
    PowerCap,
    PowerOff,
    Term,
    Witnessing,
)
from attest.agreement.units import DURATION, ENERGY, FLOP, POWER, SHARE, Dimension
from attest.format.toml_table import Table

MAX_DEVICES: Final = 10**8
MAX_NAMED: Final = 4_096  # parties or sites that one term names
MAX_NAME: Final = 200  # characters
_COMMON: Final = ("kind", "name", "parties", "sites")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a term is read against: the parties it may name, the length of its phase, the bucket."""

    parties: tuple[Party, ...]
    length_s: int
    bucket_s: int


def parse_terms(tables: list[Table], setting: Setting) -> tuple[Term, ...]:
    """The terms of one phase; those without a name are named after their kind. Raises AgreementError."""
    kinds = [_kind(table) for table in tables]
    taken: set[str] = set()
    for table in tables:
        if "name" in table:
            name = table.text("name", limit=MAX_NAME)
            if name in taken:
                raise table.error("toml/duplicate", f"a second term named {name} in this phase", "name")
            taken.add(name)
    terms: list[Term] = []
    for kind, table in zip(kinds, tables, strict=True):
        name = table.text("name", limit=MAX_NAME) if "name" in table else _free_name(kind, taken)
        taken.add(name)
        parties, sites = _scope(table, setting)
        common = {"name": name, "parties": parties, "sites": sites}
        terms.append(_KINDS[kind][1](table, setting, common))
    return tuple(terms)


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


def _kind(table: Table) -> str:
    kind = table.text("kind")
    if kind not in _KINDS:
        hint = "the kinds are " + ", ".join(_KINDS)
        raise table.error("agreement/unknown-term", f"no term is of kind {kind[:40]}", "kind", hint=hint)
    table.only(*_COMMON, *_KINDS[kind][0])
    return kind


def _free_name(kind: str, taken: set[str]) -> str:
    number = 1
    name = kind
    while name in taken:
        number += 1
        name = f"{kind}-{number}"
    return name


def _scope(table: Table, setting: Setting) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parties and sites that the term binds, written out."""
    parties = _named(table, "parties", {p.iss for p in setting.parties}, "party")
    sites = _named(table, "sites", {s.name for p in setting.parties for s in p.sites}, "site")
    bound = [p for p in setting.parties if p.iss in parties and any(s.name in sites for s in p.sites)]
    for party in setting.parties:
        if "parties" in table and party.iss in parties and party not in bound:
            raise table.error("agreement/reference", f"none of these sites is a site of {party.iss}", "sites")
    owned = {s.name for p in bound for s in p.sites}
    if "sites" in table and (strange := sites - owned):
        detail = f"{min(strange)} is a site of none of these parties"
        raise table.error("agreement/reference", detail, "sites")
    chosen = tuple(s.name for p in bound for s in p.sites if s.name in sites)
    return tuple(p.iss for p in bound), chosen


def _named(table: Table, key: str, known: set[str], what: str) -> set[str]:
    if key not in table:
        return known
    found: set[str] = set()
    for text in table.texts(key, MAX_NAMED):
        if text.value not in known:
            raise table.error_at("agreement/reference", f"the agreement has no {what} {text.value[:80]}", text.path)
        if text.value in found:
            raise table.error_at("toml/duplicate", f"{text.value} is named twice", text.path)
        found.add(text.value)
    return found


def _assurance(table: Table) -> Assurance:
    if "assurance" not in table:
        return Assurance.L3
    text = table.text("assurance")
    if text not in Assurance.__members__:
        raise table.error("agreement/assurance", f"{text[:40]} is no level: they are L0 to L4", "assurance")
    return Assurance[text]


def _window(table: Table, setting: Setting) -> int | None:
    if "window" not in table:
        return None
    window = quantity(table, "window", DURATION, low=setting.bucket_s)
    if window > setting.length_s:
        raise table.error("agreement/window", "is longer than the phase", "window", hint="leave it out")
    return window


def _compute_cap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    label = None
    if "label" in table:
        text = table.text("label")
        if text not in LABELS:
            hint = "the labels are " + ", ".join(LABELS)
            raise table.error("agreement/label", f"{text[:40]} is no label", "label", hint=hint)
        label = LABELS[text]
    return ComputeCap(
        limit=quantity(table, "limit", FLOP),
        label=label,
        window_s=_window(table, setting),
        assurance=_assurance(table),
        **common,
    )


def _power_off(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return PowerOff(assurance=_assurance(table), **common)


def _coverage(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Coverage(share_ppm=quantity(table, "share", SHARE, low=1), **common)


def _freshness(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Freshness(max_age_s=quantity(table, "max_age", DURATION, low=1), **common)


def _witnessing(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Witnessing(**common)


def _inventory(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    minimum = table.integer("minimum", 1, MAX_DEVICES) if "minimum" in table else None
    maximum = table.integer("maximum", 1, MAX_DEVICES) if "maximum" in table else None
    roster = table.digest("roster") if "roster" in table else None
    if minimum is None and maximum is None and roster is None:
        raise table.error("toml/missing-key", "an inventory term needs minimum, maximum or roster", "minimum")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise table.error("agreement/impossible", f"minimum {minimum:,} is above maximum {maximum:,}", "minimum")
    if roster is not None and len(common["sites"]) != 1:
        detail = "a roster is the inventory of one site: name it in sites"
        raise table.error("agreement/impossible", detail, "roster")
    return Inventory(minimum=minimum, maximum=maximum, roster=roster, **common)


def _power_cap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    meter = table.text("meter") if "meter" in table else None
    if meter is not None:
        owner = next((p for p in setting.parties for m in p.meters if m.sub == meter), None)
        if owner is None:
            raise table.error("agreement/reference", f"the agreement has no meter {meter[:80]}", "meter")
        site = next(m.site for m in owner.meters if m.sub == meter)
        if site not in common["sites"]:
            raise table.error("agreement/reference", f"{meter} is at {site}, which this term excludes", "meter")
        common = {**common, "parties": (owner.iss,), "sites": (site,)}
    feed = table.text("feed", limit=MAX_NAME) if "feed" in table else None
    if feed is not None and len(common["sites"]) != 1:
        raise table.error("agreement/impossible", "a feed is of one site: name it in sites", "feed")
    if feed is not None and meter is not None:
        detail = "a cap is on a meter with all its feeds, or on one feed, whichever meter it has"
        raise table.error("agreement/impossible", detail, "feed")
    energy = _is_energy(table)
    if "window" in table and not energy:
        detail = "a limit on power holds in every bucket: a window needs a limit on energy"
        raise table.error("quantity/unit", detail, "window")
    return PowerCap(
        meter=meter,
        feed=feed,
        limit_mw=None if energy else quantity(table, "limit", POWER),
        limit_mj=quantity(table, "limit", ENERGY) if energy else None,
        window_s=_window(table, setting),
        assurance=_assurance(table),
        **common,
    )


def _is_energy(table: Table) -> bool:
    """Whether the limit is one; a unit of neither kind is refused with both named."""
    unit = str(table.values.get("limit", "")).rpartition(" ")[2]
    if unit not in POWER.units and unit not in ENERGY.units and " " in str(table.values.get("limit", "")):
        hint = "its units are " + ", ".join((*POWER.units, *ENERGY.units))
        raise table.error("quantity/unit", f"{unit[:16]} is a unit of neither power nor energy", "limit", hint=hint)
    return unit in ENERGY.units


_Build = Callable[[Table, Setting, Mapping[str, Any]], Term]
_KINDS: Final[Mapping[str, tuple[tuple[str, ...], _Build]]] = {
    "compute-cap": (("limit", "label", "window", "assurance"), _compute_cap),
    "power-off": (("assurance",), _power_off),
    "coverage": (("share",), _coverage),
    "freshness": (("max_age",), _freshness),
    "witnessing": ((), _witnessing),
    "inventory": (("minimum", "maximum", "roster"), _inventory),
    "power-cap": (("limit", "meter", "feed", "window", "assurance"), _power_cap),
}
