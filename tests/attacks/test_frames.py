"""Attempts to make an honest lab look guilty: by whoever has one host's key, a rival's files, or a colluding witness.

No term of these labs is ever breached, no finding names the party; and once the lab's root holders have voided what the
thief wrote, or its office has revoked the key, judging goes on, with the stolen hours charged at peak.
"""

from collections.abc import Callable
from hashlib import sha256

from attest.compute.columns import format_spans
from attest.errors import Scope
from attest.format.act import possession
from attest.format.block import Binding, commit, format_usage
from attest.format.bodies import UsageBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.roster import Roster
from attest.format.runs import NO_RUN, Run
from attest.format.vocabulary import Label, Precision, Role, State
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_payload
from attest.simulate.lab import Lab
from attest.simulate.pact import Phase
from attest.simulate.site import Event, Trouble
from attest.simulate.source import Draft
from attest.simulate.telemetry import observe
from tests.attacks.vectors import (
    EVENING,
    HOUR,
    MORNING,
    NOON,
    SOURCE,
    Case,
    Vector,
    attacks,
    findings,
    holds,
    invalid,
    play,
    ran,
    unproven,
    went_on,
)
from tests.check.world import (
    ACME,
    CAP,
    COVERAGE,
    DAY,
    END,
    PACT,
    START,
    TRAINING,
    lab,
    replace,
    under,
)

DOWN = tuple(Event(Trouble.DOWN, node, START, END) for node in (0, 1))
OFF = replace(PACT, phases=(Phase("off", MORNING, EVENING, ({"kind": "power-off", "assurance": "L4"},)),))
LOOSE = CAP | {"limit": "1e22 FLOP", "assurance": "L1"}  # above what sixteen devices can do in a day
DEVICES = 8


def told(made: Lab, what: State, run: Run | None, until: int, node: int = 0) -> Draft:
    """A usage statement without a block: all devices in one state, at work on a run or not."""
    host = made.host(node)
    count = (until - host.until) // 60
    body = made.usage(node, EVENING).statement.body
    assert isinstance(body, UsageBody)
    spans = format_spans([(d * count, what, NO_RUN if run is None else 0) for d in range(DEVICES)])
    runs = () if run is None else (run,)
    counters = tuple((c, before, before) for c, before, _ in body.counters)
    changed = body._replace(block=None, columns=(), runs=runs, spans=spans, counters=counters)
    return host.draft(changed, until)


def boast(declared: int | None = 1 << 62) -> Run:
    """More training than any machine could do, in FLOP that the lab is said to declare."""
    return Run(b"boast".ljust(32), Label.TRAINING, Precision.BF16, 0, declared)


class Theft:
    """From noon on somebody else has the key of the first host, and the honest host is heard no more."""

    def __init__(self, jobs: tuple = (), events: tuple[Event, ...] = (), **options: object) -> None:  # type: ignore[type-arg]
        self.lab = ran(until=NOON, jobs=jobs, events=events, **options)
        self.stolen = self.lab.host(0).signer
        self.before = self.lab.size - 1
        self.written: list[int] = []

    def write(self, draft: Draft) -> "Theft":
        self.written.append(self.lab.host(0).append(draft, self.stolen))
        return self

    def go_on(self) -> Lab:
        self.lab.run(mute=lambda sub, start, end: sub == ACME.host(0))
        return self.lab

    def revoke(self) -> Lab:
        self.lab.revoke(self.stolen, self.before)
        return self.go_on()

    def void(self) -> Lab:
        self.lab.void(self.written)
        return self.go_on()


def boasted(theft: Theft) -> Theft:
    return theft.write(told(theft.lab, State.SAMPLED, boast(), EVENING))


def boasts_over_a_meter() -> Lab:
    """The independent meter shows that the lab was off."""
    return boasted(Theft(events=DOWN)).go_on()


def boasts_without_a_meter(after: Callable[[Theft], Lab]) -> Callable[[], Lab]:
    return lambda: after(boasted(Theft(meter=None)))


def boasts_over_and_over() -> Lab:
    """The same six hours ten times, each a new statement, so that ten times the work is admitted."""
    theft = Theft(events=DOWN)
    host = theft.lab.host(0)
    for number in range(10):
        host.until = NOON
        theft.write(told(theft.lab, State.SAMPLED, boast(declared=1 + number), EVENING))
    return theft.revoke()


def switches_on() -> Case:
    """Devices that are off, as every meter shows, are said to be sampled."""
    theft = Theft(events=DOWN)
    return Case([theft.write(told(theft.lab, State.SAMPLED, None, EVENING)).go_on().bundle()], OFF)


def says_missing(until: int) -> Theft:
    theft = Theft()
    return theft.write(told(theft.lab, State.MISSING, None, until))


def says_missing_until(until: int, after: Callable[[Theft], Lab], terms: tuple = (COVERAGE,)) -> Callable[[], Case]:  # type: ignore[type-arg]
    """Nothing was recorded, it says, and that far into the future; judged when all grace is over."""
    return lambda: Case([after(says_missing(until)).bundle()], replace(under(*terms), grace="1 h"), at=END + 5 * DAY)


def closes() -> Lab:
    theft = Theft()
    theft.lab.close(theft.lab.host(0))
    return went_on(theft.lab)


def rotates_away(after: Callable[[Lab, int, int], Lab]) -> Callable[[], Lab]:
    """The thief brings in a key of his own; the honest host signs on with the one it knows."""

    def story() -> Lab:
        theft = Theft()
        made, host, fresh = theft.lab, theft.lab.host(0), seeded_key("of the thief")
        key = fresh.public_key()
        proof = fresh.sign(possession(made.log, host.sub, Role.HOST, int(key.alg), key.raw))
        act = host.say(KeysBody((Rotate(int(key.alg), key.raw, proof),)), host.until)
        return after(made, act, theft.before)

    return story


def comes_back(made: Lab, act: int, before: int) -> Lab:
    """The office revokes the key from before the theft on; the host comes back under a new name with a new key."""
    made.revoke(ACME.key(ACME.host(0)), before)
    roster = made.roster()
    spare = made.enrol(f"{ACME.host(0)}/again", Role.HOST, seeded_key("again"))
    again = roster.hosts[0]._replace(sub=spare.sub)
    made.inventory(Roster(roster.feeds, (again, *roster.hosts[1:])), made.now)
    while made.now < END:
        made.now += HOUR
        if (made.now - START) % (6 * HOUR) == 0:
            spare.append(as_told_by(made, spare.sub, made.now))
            made.host(1).append(made.usage(1, made.now))
            assert made.meter is not None
            made.meter.append(made.metering(made.now))
        made.witness()
        made.head()
    return made


def as_told_by(made: Lab, sub: str, until: int) -> Draft:
    """What the first node's agent saw, under another source."""
    source = made.sources[sub]
    seen = observe(made.site, 0, source.until, until, made.columns)
    block = format_usage(bytes(32), Binding(made.log, sub, source.seq), seen.columns)
    digest = sha256(made.roster_body).digest()
    columns = tuple(sorted(seen.columns))
    body = UsageBody(seen.interval, digest, DEVICES, commit(block), columns, seen.runs, seen.spans, seen.counters)
    return source.draft(body, until, block)


def equivocates(after: Callable[[Theft], Lab]) -> Callable[[], Lab]:
    """Beside what the host said the thief says something else for the same place."""

    def story() -> Lab:
        theft = Theft()
        host = theft.lab.host(0)
        draft = told(theft.lab, State.MISSING, None, EVENING)
        theft.lab.run(until=EVENING)
        theft.written.append(theft.lab.append(host.sign(draft)))
        return after(theft)

    return story


def honest_after_void(theft: Theft) -> Lab:
    theft.lab.void(theft.written)
    return went_on(theft.lab)


def honest_after(theft: Theft) -> Lab:
    return went_on(theft.lab)


def a_hole_of_somebodys_making() -> Case:
    """A forged statement stands where the host's own did not get in; the host goes on after it."""
    made = ran()
    host, draft = made.host(0), made.usage(0, EVENING)
    made.append(host.sign(draft, seeded_key("stranger")), draft.block)
    host.seq, host.until = host.seq + 1, EVENING
    return Case([went_on(made).bundle()], replace(PACT, grace="1 h"))


def junk(payload: bytes) -> Callable[[], Lab]:
    """The host's true signature under something that is no statement."""

    def story() -> Lab:
        made = ran()
        host = made.host(0)
        made.append(sign_payload(header_for(host.signer, host.iss, host.sub), payload, host.signer))
        return went_on(made)

    return story


def junk_voided() -> Lab:
    made = ran()
    host = made.host(0)
    bad = made.append(sign_payload(header_for(host.signer, host.iss, host.sub), b"\xff", host.signer))
    made.void([bad])
    return went_on(made)


def acts_voided() -> Lab:
    """With a host's key the thief tried to enrol a key of his own; the root holders void it."""
    made = ran()
    host = made.host(0)
    act = made.enrolment("https://acme.example/dc1/spare", Role.HOST, seeded_key("spare"))
    made.void([host.say(KeysBody((act,)), host.until)])
    return went_on(made)


VECTORS = (
    unproven("a boast that the independent meter denies", boasts_over_a_meter, "coverage/gap"),
    unproven("a boast, and the key is revoked", boasts_without_a_meter(Theft.revoke), "breach/disputed"),
    unproven("a boast, and it is voided", boasts_without_a_meter(Theft.void), "breach/disputed"),
    unproven("one boast ten times", boasts_over_and_over, "coverage/gap"),
    unproven("devices said to be on that are off", switches_on, "bounds/crossed"),
    unproven("a hole said to be the host's own", says_missing_until(EVENING, Theft.revoke), "coverage/gap"),
    unproven("a hole that goes on for days", says_missing_until(END + 4 * DAY, Theft.go_on), "coverage/gap"),
    unproven("a hole that goes on for days, revoked", says_missing_until(END + 4 * DAY, Theft.revoke), "coverage/gap"),
    unproven("a hole that goes on for days, voided", says_missing_until(END + 4 * DAY, Theft.void), "coverage/gap"),
    invalid("a hole of somebody else's making", a_hole_of_somebodys_making, "key/unknown", SOURCE, "chain/gap"),
    invalid("a chain closed by another", closes, "chain/closed", SOURCE),
    invalid("a key rotated away", rotates_away(lambda made, act, before: went_on(made)), "key/retired", SOURCE),
    holds("a key rotated away, and revoked from before", rotates_away(comes_back)),
    invalid(
        "a second story beside the true one", equivocates(honest_after), "chain/equivocation", SOURCE, "chain/prev"
    ),
    holds("a second story, voided", equivocates(honest_after_void)),
    invalid("junk with a true signature", junk(b"\xff"), "cbor/load", SOURCE),
    holds("junk with a true signature, voided", junk_voided),
    holds("an act that no host may make, voided", acts_voided),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    verdict = play(vector)
    assert Scope.PARTY not in {f.scope for f in findings(verdict)}


def test_what_is_voided_is_charged_at_peak() -> None:
    made = says_missing(EVENING)
    made.written = made.written[:1]
    verdict = Case([made.void().bundle()], under(LOOSE)).verdict()
    (term,) = verdict.parties[0].terms
    six_hours = DEVICES * 6 * 3_600 * 2_141 * 10**12
    assert term.high is not None
    assert term.high > 2 * six_hours  # voided, and silent after it
    assert term.outcome == "holds"


def test_a_breach_shows_beside_a_thiefs_junk() -> None:
    made = lab(jobs=(TRAINING,))
    made.run(until=EVENING)
    bad = made.append(b"junk")
    made.run()
    play(invalid("junk over a breach", lambda: made, "cbor/truncated", SOURCE, breached=True))
    made.void([bad])
    assert str(Case([made.bundle()]).verdict().outcome) == "breached"
