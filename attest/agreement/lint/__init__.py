"""Lint: holes in an agreement that is valid (schemas/agreement.md, "Lint").

A text that can be parsed says something possible. That it says enough is another question: a cap that nothing proves, a
phase in which nobody has to say anything, a quorum that one operator can deny, an exemption as large as the cap. `lint`
finds what can be found without evidence; `lines` says it, and prints what can be proven at each site.
"""

from collections.abc import Iterable, Iterator

from attest.agreement.lint import duties, exemptions, figures, meters, phases, quorum
from attest.agreement.lint.figures import TABLE_DAYS, Cap, SiteTable, caps, tables
from attest.agreement.lint.hole import Hole, Text
from attest.agreement.model import Agreement
from attest.agreement.units import DURATION
from attest.format.event import EventAct

__all__ = ["Cap", "Hole", "SiteTable", "caps", "lines", "lint", "tables"]

RULES = (quorum.holes, figures.holes, phases.holes, duties.holes, meters.holes)


def lint(agreement: Agreement, events: Iterable[EventAct] = ()) -> list[Hole]:
    """Every hole, by line, with those that events of the agreement make."""
    text = Text(agreement)
    return sorted({hole for rule in RULES for hole in rule(text)} | set(exemptions.holes(text, events)))


def lines(agreement: Agreement, events: Iterable[EventAct] = ()) -> Iterator[str]:
    """The holes, and what can be proven at each site."""
    found = lint(agreement, events)
    for hole in found:
        yield f"line {hole.line}: {hole.code}  {hole.text}"
        yield f"  to do  {hole.do}"
    yield f"{len(found)} hole{'' if len(found) == 1 else 's'}" if found else "no holes"
    for table in tables(agreement):
        yield from _table(table, assumed=not agreement.pins)
    for cap in caps(Text(agreement)):
        most = f"{cap.limit:.2g} FLOP in {DURATION.format(cap.seconds)} at {cap.level.name}"
        yield f"{cap.name}, {cap.party}: {most}, proven by {'; or '.join(cap.proven) or 'nothing in the table'}"


def _table(table: SiteTable, *, assumed: bool) -> Iterator[str]:
    name = f"{table.party}, {table.site}"
    if not table.rows:
        yield f"what can be proven at {name}: nothing says how many accelerators it has"
        return
    model = f"{table.model}{' (assumed)' if assumed else ''}"
    yield f"what can be proven at {name}, {table.devices:,} {model}, FLOP in {TABLE_DAYS} d"
    for row in table.rows:
        yield f"  {row.flop:.1e}  L{row.level}  {row.mode}, {row.evidence}"
