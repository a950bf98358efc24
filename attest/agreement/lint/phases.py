"""Holes of phases: what a phase leaves without a cap, without evidence that is a duty, or without an inventory."""

from collections.abc import Iterator

from attest.agreement.kinds import ComputeCap, Coverage, Inventory, PowerOff, Ramp, Slowdown
from attest.agreement.lint.hole import Hole, Text, named
from attest.agreement.model import Phase, Site
from attest.agreement.term_words import utc
from attest.agreement.units import DURATION

CAPS = (ComputeCap, Slowdown, Ramp)


def holes(text: Text) -> Iterator[Hole]:
    """Of all phases."""
    yield from _between(text)
    for phase, line in text.phases():
        yield from _uncapped(text, phase, line)
        yield from _without(
            text,
            phase,
            line,
            {name for term in phase.terms if isinstance(term, Coverage) for name in term.sites},
            "lint/no-coverage",
            "nothing demands records of {}: whoever says nothing there is never in breach",
            'a term of kind "coverage" that binds them',
        )
        counted = {
            name
            for term in phase.terms
            if isinstance(term, Inventory) and (term.minimum is not None or term.roster is not None)
            for name in term.sites
        }
        counted |= {site.name for _, site, _ in text.sites() if site.devices is not None}
        yield from _without(
            text,
            phase,
            line,
            counted,
            "lint/no-inventory",
            "nothing says how many accelerators {} must declare: an inventory of one would do",
            "devices at the site, or an inventory term with minimum or roster",
        )


def _uncapped(text: Text, phase: Phase, line: int) -> Iterator[Hole]:
    """Sites that no label-blind cap binds; a labelled cap that stands alone is a hole at its own line."""
    capped = {
        name
        for term in phase.terms
        if isinstance(term, PowerOff) or (isinstance(term, CAPS) and term.label is None)
        for name in term.sites
    }
    labelled: set[str] = set()
    do = "a compute-cap, slowdown or ramp without label beside it, or power-off"
    for bound in text.terms():
        if bound.phase is phase and isinstance(bound.term, CAPS) and bound.term.label is not None:
            bare = tuple(site for site in bound.sites if site.name not in capped)
            labelled |= {site.name for site in bare}
            if bare:
                what = f"{bound.name}: labels are the lab's word, and no cap on all compute binds {named(bare)}"
                yield Hole(bound.line, "lint/label-only", what, do)
    yield from _without(
        text,
        phase,
        line,
        capped | labelled,
        "lint/no-cap",
        "no cap on compute of any label, nor power-off, binds {}",
        "a compute-cap without label for them; `attest agreement lint` prints what can be proven",
    )


def _without(text: Text, phase: Phase, line: int, have: set[str], code: str, what: str, do: str) -> Iterator[Hole]:
    asked = have | text.archives
    missing: list[Site] = [site for _, site, _ in text.sites() if site.name not in asked]
    if missing:
        yield Hole(line, code, f"{phase.name}: {what.format(named(missing))}", do)


def _between(text: Text) -> Iterator[Hole]:
    before: Phase | None = None
    for phase, line in text.phases():
        if before is not None and phase.on is None and before.end < phase.start:
            length = DURATION.format(phase.start - before.end)
            what = f"for {length}, from {utc(before.end)} to {utc(phase.start)}, no term binds anybody"
            yield Hole(line, "lint/phase-gap", what, f"let {phase.name} begin when {before.name} ends")
        before = phase
