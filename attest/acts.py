"""Events of an agreement: which of the documents that were found bind whom, and from when (schemas/events.md).

A *paper* is a document and the place where it was found: a file, or an entry of somebody's log. An act that restricts
(a trigger) binds wherever it is found; one that relaxes binds a party only from the end of the bucket in which a quorum
had witnessed it in a log of that party, and not before the time that it names itself. What lacks its signatures, is
replayed, or is for another agreement, party or phase changes nothing, and a finding says so that accuses nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from attest.agreement import Agreement, On, Party
from attest.errors import EvidenceError, MalformedError, TrustError, UnsupportedError
from attest.format.cose import parse_document
from attest.format.event import CONTENT_TYPE, TFLOP, Deed, EventAct, parse_event
from attest.relief import Relief, Stretch
from attest.trust.holders import Holders, verify_document
from attest.verdict import Finding, Outcome, utc

BY_PARTY: Final = frozenset({Deed.OUTAGE, Deed.WITHDRAWAL})  # signed by the party's root holders, else by adjudicators


class Paper(NamedTuple):
    """A document, and where it was found: in the log `origin` of `party`, with the index of the `entry` and the time by
    which a quorum had witnessed it; else in a file, which is named by its digest, so that no path is in a verdict."""

    document: bytes
    origin: str = ""
    party: str = ""
    entry: int = -1
    upper: int | None = None

    @property
    def name(self) -> str:
        """Where it was found, in words."""
        return self.origin if self.party else f"file {sha256(self.document).hexdigest()[:16]}"


class Act(NamedTuple):
    """An event with its quorum, and who signed it."""

    event: EventAct
    signers: tuple[str, ...]
    paper: Paper


class Standing(NamedTuple):
    """An act that binds a party from `start` on, an exit until `end` (Unix s, on edges of buckets). `witnessed` is when
    a trigger, too, had been witnessed in the party's own log; None if it was not."""

    act: Act
    start: int
    end: int
    witnessed: int | None


class PartyActs(NamedTuple):
    """What binds one party, by kind, in order of number."""

    standing: Mapping[Deed, Sequence[Standing]]
    relief: Relief
    findings: Sequence[Finding]

    def of(self, deed: Deed, phase: str | None = None) -> list[Standing]:
        """The acts of a kind that name this phase."""
        return [s for s in self.standing.get(deed, ()) if s.act.event.phase == phase]


class Acts(NamedTuple):
    """What binds each party, by iss, and what is to be said of papers that stand in nobody's log."""

    parties: Mapping[str, PartyActs]
    findings: Sequence[Finding]


def read_acts(agreement: Agreement, papers: Iterable[Paper]) -> Acts:
    """Every paper read once, in the order of its place."""
    acts: list[Act] = []
    notes: dict[str, list[Finding]] = {party.iss: [] for party in agreement.parties}
    notes[""] = []
    for paper in _once(papers):
        try:
            acts.append(read_act(agreement, paper))
        except UnsupportedError as error:  # not understood, and signed by those who may restrict: nothing passes on it
            notes[paper.party].append(_note(paper, error.code, error.detail, Outcome.UNPROVEN))
        except EvidenceError as error:
            notes[paper.party].append(_note(paper, error.code, error.detail))
    parties = {}
    for party in agreement.parties:
        state = _Party(agreement, party, notes[party.iss])
        parties[party.iss] = state.read(acts)
    return Acts(parties, tuple(notes[""]))


def _once(papers: Iterable[Paper]) -> list[Paper]:
    """Each entry once, with the earliest time that any copy of its log shows."""
    found: dict[tuple[str, int, bytes], Paper] = {}
    for paper in papers:
        key = paper.origin, paper.entry, paper.document
        before = found.get(key)
        if before is None or (paper.upper is not None and (before.upper is None or paper.upper < before.upper)):
            found[key] = paper
    return sorted(found.values(), key=lambda p: (p.party, p.name, p.entry))


def read_act(agreement: Agreement, paper: Paper) -> Act:
    """The act in a paper. Raises EvidenceError `event/...`, or UnsupportedError where its signers count."""
    try:
        event = read_event(paper.document)
    except UnsupportedError:
        _signed(paper, signers_of(agreement, None))
        raise
    require_named(agreement, event)
    return Act(event, _signed(paper, signers_of(agreement, event)), paper)


def read_event(document: bytes) -> EventAct:
    """What a document says, whoever signed it. Raises MalformedError `event/unreadable`, and UnsupportedError."""
    try:
        return parse_event(parse_document(document).payload or b"")
    except MalformedError as error:
        raise MalformedError("event/unreadable", str(error)) from error


def signers_of(agreement: Agreement, event: EventAct | None) -> Holders:
    """Who must sign an event, adjudicators unless it is one of a party's own. Raises TrustError `event/not-allowed`."""
    life = agreement.life
    if event is not None and event.deed in BY_PARTY:
        party = agreement.party(event.party or "")
        assert party is not None  # such an act names one, and it is the agreement's
        allowed = life.outage_ppm > 0 if event.deed is Deed.OUTAGE else life.notice_s is not None
        if not allowed:
            raise TrustError("event/not-allowed", f"the agreement provides for no {event.deed.name.lower()}")
        return party.holders
    if life.adjudicators is None:
        raise TrustError("event/not-allowed", "the agreement names no adjudicators")
    return life.adjudicators


def require_named(agreement: Agreement, event: EventAct) -> None:
    """Raise TrustError unless the agreement, the party, the phase and the places of an event are this agreement's."""
    amends = agreement.life.amends
    if event.agreement != agreement.digest:
        which = f"version {amends.version}" if amends and amends.digest == event.agreement else "another agreement"
        raise TrustError("event/other-agreement", f"it is of {which}, {event.agreement.hex()}")
    if event.party is not None and agreement.party(event.party) is None:
        raise TrustError("event/other-party", f"the agreement has no party {event.party}")
    phase = None if event.phase is None else agreement.phase(event.phase)
    if event.phase is not None and phase is None:
        raise TrustError("event/other-phase", f"the agreement has no phase {event.phase}")
    if event.deed is Deed.TRIGGER and phase is not None and phase.on is not On.TRIGGER:
        raise TrustError("event/other-phase", f"the phase {phase.name} does not begin on a trigger")
    if event.allowance is not None:
        party = agreement.party(event.party or "")
        sites = set() if party is None else {site.name for site in party.sites}
        if strange := [place.site for place in event.allowance.places if place.site not in sites]:
            raise TrustError("event/other-party", f"the party has no site {strange[0]}")


def _signed(paper: Paper, holders: Holders) -> tuple[str, ...]:
    try:
        return verify_document(paper.document, holders, content_type=CONTENT_TYPE).signers
    except EvidenceError as error:
        raise TrustError("event/no-quorum", f"{error.code}: {error.detail}") from error


class _Party:
    """The acts that bind one party, found one after the other."""

    def __init__(self, agreement: Agreement, party: Party, findings: list[Finding]) -> None:
        self.agreement, self.party, self.findings = agreement, party, findings
        self.bucket = agreement.bucket_s
        self.standing: dict[Deed, list[Standing]] = {deed: [] for deed in Deed}
        self.outages: list[Stretch] = []
        self.exemptions: list[Stretch] = []

    def read(self, acts: Sequence[Act]) -> PartyActs:
        mine = [act for act in acts if act.event.party in (None, self.party.iss)]
        for act in acts:
            stranger = act.event.party not in (None, self.party.iss) and act.event.deed is not Deed.TRIGGER
            if stranger and act.paper.party == self.party.iss:
                self.say(act, "event/other-party", f"it is for {act.event.party}")
        self.restrict([act for act in mine if act.event.deed is Deed.TRIGGER])
        self.relax([act for act in mine if act.event.deed is not Deed.TRIGGER])
        for found in self.standing.values():
            found.sort(key=lambda s: (s.act.event.number, s.start))
        relief = Relief(tuple(self.outages), tuple(self.exemptions), self.agreement.life.outage_ppm)
        return PartyActs(self.standing, relief, tuple(self.findings))

    def restrict(self, acts: Sequence[Act]) -> None:
        """Of triggers with one number the one that begins first counts, wherever it was found."""
        chosen: dict[int, EventAct] = {}
        for act in sorted(acts, key=lambda a: (a.event.number, a.event.start, a.event.end)):
            event = act.event
            phase = self.agreement.phase(event.phase or "")
            assert phase is not None  # a trigger names one, and it is the agreement's
            if chosen.setdefault(event.number, event) != event:
                self.say(act, "event/replayed", f"number {event.number} is another trigger's")
                continue
            if any(s.act.event == event for s in self.standing[Deed.TRIGGER]):
                continue  # the same one, found twice
            start = max(self.up(event.start), phase.start)
            if start >= min(event.end, phase.end):
                self.say(act, "event/expired", f"it would begin {phase.name} at {utc(start)}, valid until then")
                continue
            seen = [a.paper.upper for a in acts if a.event == event and a.paper.party == self.party.iss]
            times = [self.up(max(upper, start)) for upper in seen if upper is not None]
            self.stand(act, start, min(times, default=None))

    def relax(self, acts: Sequence[Act]) -> None:
        """In each log of the party numbers rise; what stands elsewhere alone binds nobody."""
        last: dict[tuple[str, bool], int] = {}
        own = [act for act in acts if act.paper.party == self.party.iss]
        for act in own:
            event = act.event
            series = act.paper.name, event.deed in BY_PARTY
            if event.number <= last.get(series, 0):
                self.say(act, "event/replayed", f"number {event.number}, the last one was {last[series]}")
                continue
            last[series] = event.number
            self.witnessed(act)
        known = {act.event for act in own}
        for act in acts:
            if act.event not in known:
                self.say(act, "event/not-witnessed", f"it stands in no log of {self.party.name} that was given")

    def witnessed(self, act: Act) -> None:
        event, upper = act.event, act.paper.upper
        if upper is None:
            self.say(act, "event/not-witnessed", "no quorum of witnesses has seen it")
            return
        if event.deed is Deed.OUTAGE:
            self.outage(act, upper)
            return
        notice = (self.agreement.life.notice_s or 0) if event.deed is Deed.WITHDRAWAL else 0
        start, end = self.up(max(event.start, upper + notice)), self.down(event.end)
        if (upper if event.deed is Deed.WITHDRAWAL else start) >= end:
            self.say(act, "event/expired", f"witnessed at {utc(upper)}, it was valid until {utc(event.end)}")
            return
        if event.deed is Deed.EXEMPTION and event.allowance is not None:
            budget = (event.allowance.budget or 0) * TFLOP
            self.exemptions.append(Stretch(event.phase or "", start, end, event.allowance.places, budget))
        self.stand(act, start, start)

    def outage(self, act: Act, upper: int) -> None:
        """An outage comes unforeseen: it is told as statements are, within the lag, and excuses what lies in it."""
        event = act.event
        if upper > event.start + self.agreement.max_lag_s:
            text = f"witnessed at {utc(upper)}, later than the lag after it began at {utc(event.start)}"
            self.say(act, "event/expired", text)
        elif event.allowance is not None:
            start, end = self.up(event.start), self.down(event.end)
            self.outages.append(Stretch(event.phase or "", start, end, event.allowance.places))
            self.stand(act, start, start)

    def stand(self, act: Act, start: int, witnessed: int | None) -> None:
        known = self.standing[act.event.deed]
        before = next((s for s in known if s.act.event == act.event), None)
        if before is None or start < before.start:
            known[:] = [s for s in known if s is not before] + [
                Standing(act, start, self.down(act.event.end), witnessed)
            ]

    def say(self, act: Act, code: str, text: str) -> None:
        event = act.event
        self.findings.append(_note(act.paper, code, f"{event.deed.name.lower()} {event.number}: {text}"))

    def up(self, time: int) -> int:
        """The edge of a bucket at or after a time."""
        return -(-time // self.bucket) * self.bucket

    def down(self, time: int) -> int:
        return time // self.bucket * self.bucket


def _note(paper: Paper, code: str, text: str, outcome: Outcome = Outcome.HOLDS) -> Finding:
    """What is said of a paper; it accuses nobody."""
    where = f"{paper.name}: " if not paper.party else ""
    return Finding(code, outcome, f"{where}{text}", index=paper.entry)
