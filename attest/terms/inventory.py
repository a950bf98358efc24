"""The term inventory: what the lab declares (schemas/agreement.md, "Terms")."""

from attest.agreement import Inventory
from attest.terms.case import Case
from attest.terms.declared import undeclared
from attest.verdict import Finding, Outcome, TermResult


def judge_inventory(case: Case[Inventory]) -> TermResult:
    """How many accelerators are declared, all through the phase."""
    term, views = case.term, case.views
    findings = [*case.lost, *undeclared(views)]
    low, high = 0, 0
    for view in views:
        counts = []
        for start, end, record in view.layouts.periods():
            if record.roster is not None and start < view.end and end > view.start:
                counts.append(record.roster.count())
                if term.roster is not None and record.block.digest != term.roster:
                    text = f"the inventory in force is {record.block.digest.hex()}, not {term.roster.hex()}"
                    findings.append(Finding("inventory/other", Outcome.UNPROVEN, text, index=record.index))
        first = view.layouts.in_force(view.start)
        low += min(counts, default=0) if first is not None else 0
        high += max(counts, default=0)
    if not low and not any(finding.code == "inventory/empty" for finding in findings):
        findings.append(Finding("inventory/empty", Outcome.UNPROVEN, "at some time no accelerator is declared"))
    if term.minimum is not None and low < term.minimum:
        text = f"{low:,} accelerators are declared, the agreement counts on at least {term.minimum:,}"
        missing = term.minimum - low
        settle = f"an inventory of {missing:,} accelerators more"
        findings.append(Finding("inventory/short", Outcome.UNPROVEN, text, numbers={"missing": missing}, settle=settle))
    outcome = Outcome.UNPROVEN if findings else Outcome.HOLDS
    if term.maximum is not None and high > term.maximum:
        outcome = Outcome.BREACHED
        text = f"{high:,} accelerators were declared at a time, at most {term.maximum:,} are allowed"
        findings.append(Finding("term/inventory", Outcome.BREACHED, text))
    text = f"{low:,} accelerators declared"
    return case.result(
        outcome, text, findings, unit="accelerators", low=low, high=low, limit=term.minimum, tightest=low
    )
