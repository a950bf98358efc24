"""What a site declares: without a roster, in time and with something on it, there is nothing a term could be about.

A window of which no roster tells what was there has no bound, however little the log says: nothing passes on nothing.
A roster is in force from the time that its statement names, and counts as declared in time if a quorum witnessed the
statement by then, `max_lag` allowed; one written later would let a lab take back afterwards what it had declared.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attest.agreement import Custody
from attest.evaluate import View
from attest.terms.case import Case
from attest.verdict import Finding, Outcome, utc

_IN_PART: Final = frozenset({"site/no-bundle", "site/unreadable", "inventory/absent", "pin/missing"})


def undeclared(views: Sequence[View]) -> list[Finding]:
    """Why nothing can be shown to be kept over all of the views: no roster, an unreadable, a late or an empty one."""
    findings = [finding for view in views for finding in _of_site(view)]
    if views and not findings and not any(_devices(view) for view in views):
        findings.append(_empty())
    return findings


def about_nothing(case: Case[Any]) -> list[Finding]:
    """Why a term about logs says nothing: no accelerator is declared in them, nor are they kept for their custody."""
    kept = {site for term in case.phase.terms if isinstance(term, Custody) for site in term.sites}
    views = [view for view in case.views if view.site.name not in kept]
    return [_empty()] if views and not any(_devices(view) for view in views) else []


def intact(case: Case[Any]) -> tuple[list[View], tuple[Finding, ...]]:
    """The views that a term can be judged on, and why nothing can be shown to be kept over all of them."""
    unpinned = (no_pin(model) for view in case.views for model in view.unpinned)
    views = [view for view in case.views if not view.unpinned and view.layouts.feeds]
    return views, (*case.lost, *unpinned, *undeclared(case.views))


def _of_site(view: View) -> list[Finding]:
    findings = []
    if view.layouts.in_force(view.start) is None:
        text = f"no inventory is in force when the phase begins, at {utc(view.start)}"
        settle = f"the inventory from {utc(view.start)} on"
        findings.append(
            Finding("inventory/none", Outcome.UNPROVEN, text, start=view.start, end=view.end, settle=settle)
        )
    for start, end, record in view.layouts.periods():
        if start >= view.end or end <= view.start:
            continue
        if record.roster is None:
            text = "the body of an inventory statement is absent"
            settle = f"the body with SHA-256 {record.block.digest.hex()}"
            findings.append(Finding("inventory/absent", Outcome.UNPROVEN, text, index=record.index, settle=settle))
        elif view.site.devices is not None and record.roster.count() < view.site.devices:
            text = (
                f"{record.roster.count():,} accelerators are declared, the agreement was told of {view.site.devices:,}"
            )
            settle = f"an inventory of {view.site.devices - record.roster.count():,} accelerators more"
            findings.append(Finding("inventory/short", Outcome.UNPROVEN, text, index=record.index, settle=settle))
        seen = view.timeline.upper(record.index)
        if seen is None or seen > record.start + view.agreement.max_lag_s:
            when = "by no quorum" if seen is None else f"at {utc(seen)}"
            text = f"the inventory in force from {utc(record.start)} on was witnessed {when}"
            findings.append(
                Finding(
                    "inventory/late", Outcome.UNPROVEN, text, index=record.index, settle="heads that show it earlier"
                )
            )
    return findings


def in_part(findings: Iterable[Finding]) -> bool:
    """Whether, by these, a part of what a term is about is not in view. A share of the rest is then no share of the
    whole: whoever hands in one site's log of two, or a copy without a roster, could make any hole look large."""
    return any(finding.code in _IN_PART for finding in findings)


def reaches_end(views: Sequence[View]) -> bool:
    """Whether each site has told of the very end of what is judged: of an old copy, cut off before, nobody knows what
    share its holes are of the whole."""
    return all(max(view.witnessed_end().values(), default=0) >= view.end for view in views)


def no_pin(model: str) -> Finding:
    """Why a model that is neither in the agreement nor in the table cannot be bounded."""
    text = f"neither the agreement nor the table says what a {model} can do at most"
    return Finding("pin/missing", Outcome.UNPROVEN, text, settle=f"a pin for {model} in the agreement")


def _empty() -> Finding:
    settle = "an inventory that lists accelerators"
    return Finding("inventory/empty", Outcome.UNPROVEN, "no accelerator is declared", settle=settle)


def _devices(view: View) -> int:
    return sum(
        record.roster.count()
        for start, end, record in view.layouts.periods()
        if record.roster is not None and start < view.end and end > view.start
    )
