"""A hole in an agreement, and where things stand in its text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from attest.agreement.kinds import Custody, Freshness, Term, Witnessing
from attest.agreement.model import Agreement, Meter, Party, Phase, Site
from attest.format.toml_lines import Path, key_lines


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """What an agreement leaves open: the line, a code, what it is in numbers, and what to do."""

    line: int
    code: str
    text: str
    do: str


class Bound(NamedTuple):
    """A term of a phase, with the line on which its table begins, and the sites of one party that it binds."""

    phase: Phase
    term: Term
    line: int
    party: Party
    sites: tuple[Site, ...]

    @property
    def name(self) -> str:
        """The term in words."""
        return f"{self.phase.name}, {self.term.name}"


class Text:
    """An agreement, with the line of each of its parts."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self._lines = key_lines(agreement.text.decode())

    def line(self, *path: str | int) -> int:
        """Where a value stands, or the table that should have it; the first line where nothing of it is there."""
        place: Path = path
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def sites(self) -> Iterator[tuple[Party, Site, int]]:
        """Each site with its party and its line."""
        for i, party in enumerate(self.agreement.parties):
            for j, site in enumerate(party.sites):
                yield party, site, self.line("party", i, "site", j)

    def meters(self) -> Iterator[tuple[Party, Meter, int]]:
        """Each independent meter with its party and its line."""
        for i, party in enumerate(self.agreement.parties):
            for j, meter in enumerate(party.meters):
                yield party, meter, self.line("party", i, "meter", j)

    @cached_property
    def archives(self) -> frozenset[str]:
        """Sites that only keep something: all that is asked of them is custody, and witnesses of it. Nobody was told
        of an accelerator there."""
        bound = [(site, bound.term) for bound in self.terms() for site in bound.sites]
        others = {site.name for site, term in bound if not isinstance(term, Custody | Freshness | Witnessing)}
        keeping = {site.name for site, term in bound if isinstance(term, Custody) and site.devices is None}
        return frozenset(keeping - others)

    def phases(self) -> Iterator[tuple[Phase, int]]:
        """Each phase with its line."""
        for i, phase in enumerate(self.agreement.phases):
            yield phase, self.line("phase", i)

    def terms(self) -> Iterator[Bound]:
        """Each term, once for each party that it binds."""
        for i, phase in enumerate(self.agreement.phases):
            for j, term in enumerate(phase.terms):
                for party in self.agreement.parties:
                    sites = tuple(site for site in party.sites if site.name in term.sites)
                    if party.iss in term.parties and sites:
                        yield Bound(phase, term, self.line("phase", i, "term", j), party, sites)


def integrating(party: Party, site: Site) -> list[Meter]:
    """The independent meters of a site that bound anything."""
    return [meter for meter in party.meters if meter.site == site.name and meter.integrates]


def named(sites: list[Site] | tuple[Site, ...]) -> str:
    """Sites in words."""
    return ", ".join(site.name for site in sites)
