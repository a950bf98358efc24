"""Holes that exemptions make: a budget that is no smaller than a cap which it exempts from."""

from collections.abc import Iterable, Iterator

from attest.agreement.lint.figures import limits
from attest.agreement.lint.hole import Hole, Text
from attest.agreement.units import FLOP
from attest.format.event import TFLOP, Deed, EventAct


def holes(text: Text, events: Iterable[EventAct]) -> Iterator[Hole]:
    """Of the exemptions among the events, each with every cap on compute of its phase and party."""
    for event in events:
        if event.deed is not Deed.EXEMPTION or event.allowance is None:
            continue
        budget, sites = (event.allowance.budget or 0) * TFLOP, {place.site for place in event.allowance.places}
        for bound in text.terms():
            bound_here = sites.intersection(site.name for site in bound.sites)
            if (bound.phase.name, bound.party.iss) != (event.phase, event.party) or not bound_here:
                continue
            smallest = min((limit for limit, _, _ in limits(bound)), default=None)
            if smallest is not None and budget >= smallest:
                what = (
                    f"{bound.name}: exemption {event.number} has a budget of {FLOP.format(budget)} for"
                    f" {bound.party.name}, and the cap is {FLOP.format(smallest)}: nothing that is admitted there"
                    " would break it"
                )
                yield Hole(bound.line, "lint/exemption", what, f"a budget well below {FLOP.format(smallest)}")
