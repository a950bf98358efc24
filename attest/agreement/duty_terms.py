"""Terms about evidence, read: coverage, gap, freshness, timeliness, witnessing, assurance, inventory, reporting and
custody (schemas/agreement.md, "Terms")."""

from collections.abc import Mapping
from typing import Any, Final

from attest.agreement.kinds import (
    AssuranceShare,
    Coverage,
    Custody,
    Freshness,
    Gap,
    Inventory,
    Reporting,
    Term,
    Timeliness,
    Witnessing,
)
from attest.agreement.reading import MAX_DEVICES, Readers, Setting, level, quantity
from attest.agreement.units import DURATION, SHARE
from attest.format.toml_table import Table


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


def _gap(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    outage = quantity(table, "outage", DURATION) if "outage" in table else None
    return Gap(longest_s=quantity(table, "longest", DURATION), outage_s=outage, **common)


def _timeliness(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    lag = setting.max_lag_s
    if "max_lag" in table:
        lag = quantity(table, "max_lag", DURATION, low=1, high=lag)
    return Timeliness(share_ppm=quantity(table, "share", SHARE, low=1), max_lag_s=lag, **common)


def _assurance_share(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    share = quantity(table, "share", SHARE, low=1)
    return AssuranceShare(level=level(table, "level"), share_ppm=share, **common)


def _reporting(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    return Reporting(
        notice_s=quantity(table, "notice", DURATION) if "notice" in table else 0,
        closing_s=quantity(table, "closing", DURATION) if "closing" in table else None,
        devices=table.integer("devices", 0, MAX_DEVICES) if "devices" in table else 0,
        **common,
    )


def _custody(table: Table, setting: Setting, common: Mapping[str, Any]) -> Term:
    silence = quantity(table, "max_silence", DURATION, low=1) if "max_silence" in table else None
    return Custody(max_silence_s=silence, **common)


DUTIES: Final[Readers] = {
    "coverage": (("share",), _coverage),
    "gap": (("longest", "outage"), _gap),
    "freshness": (("max_age",), _freshness),
    "timeliness": (("share", "max_lag"), _timeliness),
    "witnessing": ((), _witnessing),
    "assurance": (("level", "share"), _assurance_share),
    "inventory": (("minimum", "maximum", "roster"), _inventory),
    "reporting": (("notice", "closing", "devices"), _reporting),
    "custody": (("max_silence",), _custody),
}
