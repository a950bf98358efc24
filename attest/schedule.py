"""When each phase binds a party, by the agreement and by the acts that bind the party (schemas/events.md, "Phases").

A phase with a start begins then; one that waits for a trigger begins at each trigger, one that waits for a lift when
the phase listed before it is lifted. It ends at its end, or where a lift of a higher number than what began it works.
A trigger ends the phases listed before it from when it was witnessed in the party's own log: as long as it is not, both
bind, so that no paper found later takes a duty away.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from attest.acts import PartyActs, Standing
from attest.agreement import Agreement, On, Phase
from attest.format.event import Deed
from attest.verdict import Finding, Outcome, utc

Span = tuple[int, int]  # Unix s


class Slot(NamedTuple):
    """A phase as it binds a party once, and the part of it that is judged: [start, end), Unix s."""

    phase: Phase
    start: int
    end: int


class Schedule(NamedTuple):
    """What is judged of one party, in order, what is left out, and what acts made of the phases."""

    slots: tuple[Slot, ...]
    findings: tuple[Finding, ...]


def schedule(agreement: Agreement, acts: PartyActs, at: int) -> Schedule:
    """The phases as they bind a party, as far as `at` knows of them."""
    spans = _spans(agreement, acts)
    findings = [_in_force(standing) for found in acts.standing.values() for standing in found if standing.start <= at]
    findings += [_old(lift) for lift in acts.standing.get(Deed.LIFT, ()) if _answered(lift, acts)]
    slots: list[Slot] = []
    for phase, found in zip(agreement.phases, spans, strict=True):
        if phase.on is not None and not found:
            text = f"{phase.name} waits for a {phase.on}, and none that counts was found"
            findings.append(Finding("phase/not-triggered", Outcome.HOLDS, text, settle=f"the {phase.on}, as --event"))
        for begin, end in found:
            kept, left_out = _within(phase, (begin, end), acts, at)
            slots += [Slot(replace(phase, start=begin, end=end), *part) for part in kept]
            findings += left_out
    return Schedule(tuple(sorted(slots, key=lambda slot: slot.start)), tuple(findings))


def _spans(agreement: Agreement, acts: PartyActs) -> list[list[Span]]:
    """Of each phase the times at which it binds, before exits and withdrawals."""
    spans: list[list[Span]] = []
    lifted: list[Standing] = []  # what ended the phase before
    for number, phase in enumerate(agreement.phases):
        begun = [(phase.start, 0)]
        if phase.on is On.TRIGGER:
            begun = [(s.start, s.act.event.number) for s in acts.of(Deed.TRIGGER, phase.name)]
        elif phase.on is On.LIFT:
            begun = [(s.start, s.act.event.number) for s in lifted]
        lifts = acts.of(Deed.LIFT, phase.name)
        found = []
        for start, count in begun:
            ends = [s.start for s in lifts if s.act.event.number > count]
            found.append((start, min([phase.end, *ends])))
        spans.append(_merged(found))
        lifted = [s for s in lifts if any(end == s.start for start, end in spans[number] if start < end)]
    for number, phase in enumerate(agreement.phases):
        for standing in acts.of(Deed.TRIGGER, phase.name):
            if standing.witnessed is not None:
                for other in range(len(spans)):
                    if other != number:
                        spans[other] = _ended(spans[other], standing.witnessed, entirely=other < number)
    return spans


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch as one, the empty ones left out."""
    out: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((start, end))
    return out


def _ended(spans: list[Span], at: int, *, entirely: bool) -> list[Span]:
    """What is left of spans that something ends: of a phase that comes later, only what had begun."""
    kept = [(start, min(end, at) if start < at or entirely else end) for start, end in spans]
    return [(start, end) for start, end in kept if start < end]


def _within(phase: Phase, span: Span, acts: PartyActs, at: int) -> tuple[list[Span], list[Finding]]:
    """The parts of a span for which no act lets the party go, and a finding for each that one does."""
    parts, findings = [span], []
    gone = [(s, s.start, span[1]) for s in acts.of(Deed.WITHDRAWAL)]
    gone += [(s, s.start, s.end) for s in acts.of(Deed.EXIT, phase.name)]
    for standing, start, end in gone:
        left = [part for a, b in parts for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]]
        if left != parts and start < at:
            first, last = max(start, span[0]), min(end, span[1])
            what = "withdrew" if standing.act.event.deed is Deed.WITHDRAWAL else "was let go"
            code = "event/withdrawn" if standing.act.event.deed is Deed.WITHDRAWAL else "event/exit"
            text = f"the party {what}: {phase.name} is not judged from {utc(first)} to {utc(last)}"
            findings.append(Finding(code, Outcome.UNPROVEN, text, start=first, end=last))
        parts = left
    return parts, findings


def _answered(lift: Standing, acts: PartyActs) -> bool:
    """Whether a trigger of the phase came after a lift, or with its number."""
    triggers = acts.of(Deed.TRIGGER, lift.act.event.phase)
    return any(trigger.act.event.number >= lift.act.event.number for trigger in triggers)


def _old(lift: Standing) -> Finding:
    event, entry = lift.act.event, lift.act.paper.entry
    text = f"lift {event.number}: {event.phase} was triggered with a number that is not below it, and that goes on"
    return Finding("event/replayed", Outcome.HOLDS, text, index=entry)


def _in_force(standing: Standing) -> Finding:
    event, paper = standing.act.event, standing.act.paper
    about = f" of {event.phase}" if event.phase is not None else ""
    names = "; ".join(standing.act.signers)
    what = f"{event.deed.name.lower()} {event.number}{about}"
    text = f"{what} counts from {utc(standing.start)}, signed by {names} ({paper.name})"
    return Finding("event/in-force", Outcome.HOLDS, text, index=paper.entry)
