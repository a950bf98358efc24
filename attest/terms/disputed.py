"""Breaches that rest on what was taken back: `breach/disputed`, told alike by every judge of work (design section 3).

A revocation or a void may be a lab's that was robbed, or a lab's that is caught. What it disputes lowers no `high` and
is in no `low`. So where a term is neither broken by what is admitted nor shown to be kept, its judge looks once more,
at what was `claimed`: that and what is disputed. If this breaks the term, nobody is accused of it, and it is said, so
that the adjudicators decide.
"""

from collections.abc import Sequence
from dataclasses import replace

from attest.evaluate import View
from attest.facts import Mask
from attest.verdict import Finding, Outcome


def admitted(views: Sequence[View]) -> list[Mask]:
    """Of each view the statements that count for `low`."""
    return [view.worth.admitted for view in views]


def claimed(views: Sequence[View]) -> list[Mask] | None:
    """The same with what is disputed, or None where nothing is."""
    if not any(view.worth.disputed.any() for view in views):
        return None
    return [view.worth.claimed for view in views]


def only_disputed(breach: Finding) -> Finding:
    """What would be this breach."""
    text = f"{breach.text}, but only by what a revocation or a void disputes"
    return replace(breach, code="breach/disputed", outcome=Outcome.UNPROVEN, text=text)
