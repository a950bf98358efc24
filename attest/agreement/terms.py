"""Terms: one TOML table of a phase to one typed term, kind by kind (schemas/agreement.md, "Terms").

Every kind has the keys `kind`, `name`, `parties` and `sites`; its reader's table says which others it takes.
"""

from typing import Final

from attest.agreement.compute_terms import COMPUTE
from attest.agreement.duty_terms import DUTIES
from attest.agreement.kinds import Term
from attest.agreement.power_terms import POWER_TERMS
from attest.agreement.reading import MAX_NAME, Readers, Setting
from attest.format.toml_table import Table

MAX_NAMED: Final = 4_096  # parties or sites that one term names
_COMMON: Final = ("kind", "name", "parties", "sites")
_KINDS: Final[Readers] = {**COMPUTE, **POWER_TERMS, **DUTIES}


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
