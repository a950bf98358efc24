"""Pass 6: evidence against an agreement at a time -> a verdict (schemas/verification.md, clause 6).

Terms are always judged over what is intact, so that bad evidence never hides a breach: a party's outcome is the
most serious of its terms and of its evidence. What only judging finds to be wrong leaves that one term unproven. A
party for which no bundle was given is unproven. A party that `trust` does not pin is at best unproven and is not
accused, since the agreement would then vouch for itself; only what accuses nobody (a copy that is not what was
signed) stays invalid.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from attest import __version__
from attest.across import compared
from attest.acts import Paper, PartyActs, read_acts
from attest.agreement import Agreement, Party, Phase, SignedAgreement, Term
from attest.anomalies import anomalies, copied_between, looked_for
from attest.errors import Scope, UnsupportedError
from attest.evaluate import SiteEvidence, View, judged, longest
from attest.format.fields import HIDDEN
from attest.joint import about_all, about_parties
from attest.lights import Tally, lights, tally
from attest.schedule import Schedule, schedule
from attest.terms import Case, judge_term
from attest.trust.pins import Trust
from attest.verdict import (
    Finding,
    Outcome,
    PartyResult,
    SiteResult,
    Status,
    TermResult,
    Verdict,
    finding_of,
    utc,
    worst,
)

MOST_NAMED: Final = 3  # files of a bundle that no head needs

Check = tuple[str, Status, str]


def judge(
    signed: SignedAgreement,
    trust: Trust | None,
    evidence: Sequence[SiteEvidence],
    *,
    at: int,
    papers: Sequence[Paper] = (),
) -> Verdict:
    """The verdict over every party of the agreement, from the evidence and the papers that were given."""
    agreement = signed.agreement
    acts = read_acts(agreement, [*papers, *(paper for e in evidence for paper in _papers(e))])
    lives = {party.iss: schedule(agreement, acts.parties[party.iss], at) for party in agreement.parties}
    pinned = frozenset() if trust is None else trust.pinned(agreement)
    evidence = compared(evidence, pinned - set(signed.unbound))
    windows = {
        iss: [(slot.phase.name, w) for slot in life.slots if (w := judged(slot.start, slot.end, agreement, at))]
        for iss, life in lives.items()
    }
    joint = about_parties(signed, pinned - set(signed.unbound), evidence, windows)
    strangers = [e for e in evidence if e.party is None]
    findings = [finding_of(fault) for e in strangers for fault in e.faults]
    findings += (*acts.findings, *about_all(signed, windows))
    findings += copied_between(longest(evidence), agreement.bucket_s)
    checks: list[Check] = []
    parties = []
    for party in agreement.parties:
        mine = [e for e in evidence if e.party is not None and e.party.iss == party.iss]
        bound = party.iss not in signed.unbound
        known = party.iss in pinned
        found = _Given(mine, acts.parties[party.iss], lives[party.iss], joint[party.iss])
        parties.append(_party(agreement, party, found, at, pinned=known, bound=bound, checks=checks))
    outcome = worst([*(p.outcome for p in parties), *(f.outcome for f in findings)])
    models = sorted({g.model for e in evidence if e.layouts is not None for g in e.layouts.groups})
    return Verdict(
        at,
        __version__,
        agreement.digest,
        agreement.name,
        agreement.version,
        None if trust is None else trust.digest,
        outcome,
        tuple(parties),
        tuple(findings),
        tuple(sorted(set(checks))),
        {model: pin for model in models if (pin := _pin_data(agreement, model))},
        events=tuple(sorted({sha256(paper.document).digest() for paper in papers})),
    )


class _Given(NamedTuple):
    """Of one party: its logs, the acts that bind it, when its phases do, and what other parties' logs say of them."""

    evidence: Sequence[SiteEvidence]
    acts: PartyActs
    life: Schedule
    joint: Sequence[Finding]


def _party(
    agreement: Agreement,
    party: Party,
    given: _Given,
    at: int,
    *,
    pinned: bool,
    bound: bool,
    checks: list[Check],
) -> PartyResult:
    evidence, acts, life = given.evidence, given.acts, given.life
    findings = [finding_of(fault) for e in evidence for fault in e.faults]
    findings += [*_evidence_findings(party, evidence), *given.joint, *acts.findings, *life.findings]
    if not bound:
        text = f"fewer root holders of {party.name} signed the agreement than its threshold asks for"
        findings.append(Finding("agreement/unbound", Outcome.UNPROVEN, text))
    if not pinned:
        text = "nothing outside of the agreement says that these are the party's keys"
        findings.append(
            Finding("agreement/unpinned", Outcome.UNPROVEN, text, settle="--trust with a digest or root holders")
        )
    terms: list[TermResult] = []
    tallies: list[Tally] = []
    for phase, start, end in life.slots:
        window = judged(start, end, agreement, at)
        if window is None:
            checks.append(("phase/not-begun", Status.NOT_CHECKED, f"{phase.name} begins at {utc(start)}"))
            continue
        views = (View.of(e, agreement, window, acts.relief.of(phase.name)) for e in longest(evidence))
        of_phase = [view for view in views if view is not None]
        for term in phase.terms:
            if party.iss in term.parties:
                terms.append(_term(term, phase, party, of_phase, evidence, at))
                checks.append(
                    (f"term/{term.kind}", _status(terms[-1].outcome), f"{party.name} · {phase.name} · {term.name}")
                )
            else:
                checks.append((f"term/{term.kind}", Status.NOT_CHECKED, f"{term.name} does not bind {party.name}"))
        for view in of_phase:
            tallies.append(tally(view))
            findings += anomalies(view)
            view.forget()
    if tallies:
        read = all(found.view.evidence.series is not None for found in tallies)
        checks += looked_for({f.code for f in findings}, party.name, series=read)
    if not terms:
        findings.append(
            Finding("agreement/nothing-judged", Outcome.UNPROVEN, f"no term binds {party.name} yet at {utc(at)}")
        )
    outcome = worst([*(t.outcome for t in terms), *(f.outcome for f in findings)])
    if not pinned or not bound:
        accusing = any(f.outcome is Outcome.INVALID and f.scope is Scope.COPY for f in findings)
        outcome = Outcome.INVALID if accusing else Outcome.UNPROVEN
    return PartyResult(
        party.iss,
        party.name,
        outcome,
        lights(findings, terms, tallies),
        tuple(_site(e) for e in evidence if e.site is not None),
        tuple(terms),
        tuple(findings),
    )


def _papers(evidence: SiteEvidence) -> Iterator[Paper]:
    """The events that a log carries, each with the time by which it was witnessed there."""
    if evidence.party is None or evidence.site is None or evidence.control is None or evidence.timeline is None:
        return
    for record in evidence.control.events:
        upper = evidence.timeline.upper(record.index)
        yield Paper(record.document, evidence.site.origin, evidence.party.iss, record.index, upper)


def _term(
    term: Term,
    phase: Phase,
    party: Party,
    views: Sequence[View],
    evidence: Sequence[SiteEvidence],
    at: int,
) -> TermResult:
    names = [site.name for site in party.sites if site.name in term.sites]
    given = {e.site.name for e in evidence if e.site is not None}
    chosen = [view for view in views if view.site.name in names]
    readable = {view.site.name for view in chosen}
    lost = tuple(
        Finding("site/no-bundle", Outcome.UNPROVEN, f"no bundle of {name} was given", settle=f"the log of {name}")
        if name not in given
        else Finding("site/unreadable", Outcome.UNPROVEN, f"the log of {name} could not be read that far")
        for name in names
        if name not in readable
    )
    return judge_term(Case(term, phase, chosen, lost, at))


def _evidence_findings(party: Party, evidence: Sequence[SiteEvidence]) -> list[Finding]:
    findings = []
    origins = [e.site.origin for e in evidence if e.site is not None]
    for origin in sorted({o for o in origins if origins.count(o) > 1}):
        text = f"{origins.count(origin)} bundles of {origin} were given: each log is judged once"
        findings.append(Finding("bundle/twice", Outcome.UNPROVEN, text))
    for e in evidence:
        if e.facts is None or e.site is None:
            continue
        if e.facts.faulted > len(e.facts.faults):
            text = f"{e.facts.faulted:,} faults in {e.site.origin}, the first {len(e.facts.faults):,} are listed"
            listed = worst(finding_of(fault).outcome for fault in e.facts.faults)
            scope = Scope.SOURCE if listed is Outcome.INVALID else None
            findings.append(Finding("log/more-faults", listed, text, scope))
        if e.facts.absent_blocks:
            text = f"{e.facts.absent_blocks:,} blocks are absent; what they held is charged like a gap"
            findings.append(Finding("block/absent", Outcome.HOLDS, text, settle="the blocks"))
        if e.worth is not None and e.worth.repeated.any():
            text = (
                f"{int(e.worth.repeated.sum()):,} statements have the energy of others, bucket by bucket, the first at"
                f" index {int(e.worth.indices[e.worth.repeated][0])}; their devices count as silent"
            )
            findings.append(Finding("usage/repeated", Outcome.HOLDS, text, settle="the records of these devices"))
        if e.extra:
            # Whoever carries the bundle may name a file as he likes: so that it looks like a line of this verdict, say.
            names = (ascii(path) if HIDDEN.search(path) else path for path in e.extra[:MOST_NAMED])
            text = f"files that no head needs were not read: {', '.join(names)}"
            text += " ..." if len(e.extra) > MOST_NAMED else ""
            findings.append(Finding("bundle/extra", Outcome.HOLDS, text))
    return findings


def _site(evidence: SiteEvidence) -> SiteResult:
    assert evidence.site is not None and evidence.head is not None  # an unknown site has no result
    head, timeline = evidence.head, evidence.timeline
    devices = 0
    if evidence.control is not None and evidence.control.rosters:
        roster = evidence.control.rosters[-1].roster
        devices = 0 if roster is None else roster.count()
    return SiteResult(
        evidence.site.name,
        evidence.site.origin,
        evidence.bundle,
        head.size,
        head.root,
        head.note,
        0 if evidence.facts is None else evidence.facts.statements,
        tuple(sorted(head.times)),
        None if timeline is None else timeline.lower(head.note),
        evidence.colluders,
        devices,
    )


def _pin_data(agreement: Agreement, model: str) -> dict[str, int]:
    try:
        return agreement.pin(model).figures()
    except UnsupportedError:
        return {}


def _status(outcome: Outcome) -> Status:
    if outcome is Outcome.HOLDS:
        return Status.PASS
    return Status.NOT_CHECKED if outcome is Outcome.UNPROVEN else Status.FAIL
