"""Terms about power, read: power-off, idle, power-cap (schemas/agreement.md, "Terms")."""

from collections.abc import Mapping
from typing import Any, Final

from attest.agreement.kinds import Idle, PowerCap, PowerOff, Term
from attest.agreement.reading import MAX_NAME, Readers, Setting, assurance, quantity, window
from attest.agreement.units import ENERGY, POWER, SHARE
from attest.format.toml_table import Table


def _power_off(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return PowerOff(assurance=assurance(table), **common)


def _idle(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Idle(
        power_mw=quantity(table, "power", POWER, low=1),
        activity_ppm=quantity(table, "activity", SHARE) if "activity" in table else None,
        assurance=assurance(table),
        **common,
    )


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
        window_s=window(table, setting),
        assurance=assurance(table),
        **common,
    )


def _is_energy(table: Table) -> bool:
    """Whether the limit is one; a unit of neither kind is refused with both named."""
    unit = str(table.values.get("limit", "")).rpartition(" ")[2]
    if unit not in POWER.units and unit not in ENERGY.units and " " in str(table.values.get("limit", "")):
        hint = "its units are " + ", ".join((*POWER.units, *ENERGY.units))
        raise table.error("quantity/unit", f"{unit[:16]} is a unit of neither power nor energy", "limit", hint=hint)
    return unit in ENERGY.units


POWER_TERMS: Final[Readers] = {
    "power-off": (("assurance",), _power_off),
    "idle": (("power", "activity", "assurance"), _idle),
    "power-cap": (("limit", "meter", "feed", "window", "assurance"), _power_cap),
}
