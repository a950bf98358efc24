"""Attacks by acts: triggers, lifts and what else a party may find, forge, withhold, keep back or play again."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from attest import replay
from attest.acts import Paper, read_acts
from attest.agreement import parse_agreement
from attest.format.cbor import encode
from attest.format.event import CONTENT_TYPE, Allowance, Deed, Place
from attest.format.vocabulary import Role
from attest.sign.documents import sign_document
from attest.simulate.cast import Adjudicators
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.verdict import Finding
from tests.attacks.vectors import (
    EVENING,
    HOUR,
    MORNING,
    NOON,
    SOURCE,
    Case,
    Vector,
    attacks,
    breach,
    findings,
    holds,
    invalid,
    play,
    unproven,
)
from tests.check.world import ACME, COVERAGE, DAY, END, PACT, START, TRAINING, TRAINING_CAP, codes, lab, replace, site

BASELINE = Phase("baseline", START, END, (COVERAGE, {"kind": "witnessing"}))
PAUSE = Phase("pause", START, END, (TRAINING_CAP, COVERAGE), "trigger")
ACT = replace(PACT, phases=(BASELINE, PAUSE), adjudicators=Adjudicators())
RIVAL = replace(ACME, name="rival")
BOTH = replace(ACT, parties=(ACME, RIVAL))
NEXT = replace(ACT, version=2, life={"amends": {"sha256": sha256(ACT.text()).hexdigest(), "version": 1}})
AFTER_NEXT = replace(ACT, version=2, life={"amends": {"sha256": "00" * 32, "version": 1}})
LEAVING = replace(ACT, life={"withdrawal": {"notice": "3 h"}})
FOREVER = START + 365 * DAY

WORK = TRAINING  # 03:00 to 21:00
LATE_WORK = TRAINING._replace(start=START + 13 * HOUR)
EARLY_WORK = TRAINING._replace(end=START + 10 * HOUR)
Entry = tuple[int, bytes]  # when the office enters a document, and the document


def trigger(pact: Pact = ACT, number: int = 1, start: int = START + 2 * HOUR, **fields: object) -> bytes:
    return pact.event(Deed.TRIGGER, number, start, FOREVER, **fields)  # type: ignore[arg-type]


def lift(pact: Pact = ACT, number: int = 2, start: int = NOON, end: int = FOREVER, **fields: object) -> bytes:
    return pact.event(Deed.LIFT, number, start, end, **fields)  # type: ignore[arg-type]


def entered(entries: Sequence[Entry], jobs: Sequence[object] = (WORK,), **options: object) -> Lab:
    """A lab that trained, and whose office entered documents at their times."""
    made = Lab(ACME, site(tuple(jobs)), **options)  # type: ignore[arg-type]
    for time, document in entries:
        made.run(until=time)
        made.event(document)
    made.run()
    return made


def told(
    *papers: bytes,
    pact: Pact = ACT,
    entries: Sequence[Entry] = (),
    jobs: Sequence[object] = (WORK,),
    others: Sequence[bytes] = (),
) -> Case:
    """What a verifier makes of the lab, with these files beside it, and `others` of the agreement."""
    made = entered(entries, jobs)
    given = [Paper(paper) for paper in papers]
    return Case([made.bundle()], pact, papers=given, others=others)


def beside(*papers: bytes, **fields: object) -> Callable[[], Case]:
    return lambda: told(*papers, **fields)  # type: ignore[arg-type]


def paused(*entries: Entry, jobs: Sequence[object] = (LATE_WORK,), pact: Pact = ACT) -> Callable[[], Case]:
    """A pause since two o'clock, as a file, and what else stands in the log of a lab that trained from one on."""
    return lambda: told(trigger(pact), pact=pact, entries=entries, jobs=jobs)


def of_rival(*entries: Entry, papers: Sequence[bytes] = ()) -> Callable[[], Case]:
    """The same between two parties, where it is the rival's log that has the entries."""

    def story() -> Case:
        mine = entered((), (LATE_WORK,))
        other = Lab(RIVAL, site(name="elsewhere"))
        for time, document in entries:
            other.run(until=time)
            other.event(document)
        other.run()
        given = [Paper(paper) for paper in papers]
        return Case([mine.bundle(), other.bundle()], BOTH, papers=given)

    return story


def odd(payload: object, signers: Sequence[object] | None = None) -> bytes:
    keys = signers or Adjudicators().keys()
    return sign_document(encode(payload), CONTENT_TYPE, keys)  # type: ignore[arg-type]


def unknown_kind() -> bytes:
    return odd({1: 99, 2: b"?" * 32})


def unwitnessed() -> Case:
    """The lift is the last entry of all, under a checkpoint that the witnesses never saw."""
    made = entered((), (LATE_WORK,))
    made.event(lift())
    return Case([made.bundle(made.checkpoint())], ACT, papers=[Paper(trigger())])


def adjudicator_as_host() -> Lab:
    made = lab()
    made.run(until=MORNING)
    made.enrol(f"{ACME.iss}/dc1/spare", Role.HOST, Adjudicators().keys()[0])
    made.run()
    return made


ONE, TWO, THREE = Adjudicators().keys()
VECTORS = [
    holds("a pause that nobody triggers", beside(), "phase/not-triggered"),
    breach("a trigger in a file", beside(trigger()), "term/compute-cap"),
    breach("a trigger in the lab's own log", beside(entries=((MORNING, trigger()),)), "term/compute-cap"),
    breach("a trigger in the rival's log", of_rival((MORNING, trigger(BOTH))), "term/compute-cap"),
    breach("a trigger for one party alone", beside(trigger(party=ACME.iss)), "term/compute-cap"),
    holds("a trigger for the rival", lambda: for_rival(trigger(BOTH, party=RIVAL.iss)), "event/in-force"),
    holds("a trigger by one adjudicator of two", beside(trigger(signers=[ONE])), "event/no-quorum"),
    holds("a trigger by the lab's rivals", beside(trigger(signers=RIVAL.holder_keys())), "event/no-quorum"),
    holds(
        "a trigger by a stranger and two adjudicators",
        beside(trigger(signers=[ONE, TWO, RIVAL.key("x")])),
        "event/no-quorum",
    ),
    holds("a trigger of another agreement", beside(trigger(BOTH)), "event/other-agreement"),
    holds("an old trigger in the next version", beside(trigger(ACT), pact=NEXT), "event/other-agreement"),
    holds("a trigger for nobody", beside(trigger(party="https://nobody.example")), "event/other-party"),
    holds("a trigger of a phase that there is not", beside(trigger(phase="halt")), "event/other-phase"),
    holds("a trigger of a phase that begins by its date", beside(trigger(phase="baseline")), "event/other-phase"),
    holds(
        "a trigger after its own validity",
        beside(ACT.event(Deed.TRIGGER, 1, START + 2 * HOUR + 1, START + 3 * HOUR)),
        "event/expired",
    ),
    breach(
        "a second trigger of the same number that begins later",
        beside(trigger(start=EVENING), trigger()),
        "event/replayed",
    ),
    holds("a file that is no event", beside(b"junk"), "event/unreadable"),
    holds("an event that is no map", beside(odd([1, 2, 3])), "event/unreadable"),
    holds("an entry that is no event", beside(entries=((MORNING, b"junk"),)), "event/unreadable"),
    unproven("an event of a kind that nobody knows", beside(unknown_kind()), "unsupported/event"),
    holds("an unknown kind that nobody signed", beside(odd({1: 99}, [ONE])), "event/no-quorum"),
    holds("the pause is lifted before the work", paused((MORNING, lift())), "event/in-force"),
    breach("a lift in a file alone", lambda: told(trigger(), lift(), jobs=(LATE_WORK,)), "event/not-witnessed"),
    breach(
        "a lift in the rival's log alone",
        of_rival((MORNING, lift(BOTH)), papers=[trigger(BOTH)]),
        "event/not-witnessed",
    ),
    breach("a lift that no witness saw", unwitnessed, "event/not-witnessed"),
    breach("a lab lifts its own pause", paused((MORNING, lift(signers=ACME.holder_keys()))), "event/no-quorum"),
    breach("a lift by one adjudicator of two", paused((MORNING, lift(signers=[TWO]))), "event/no-quorum"),
    breach("a lift entered after the work", paused((EVENING + HOUR, lift())), "term/compute-cap"),
    breach("a lift that is kept back until it is not valid", paused((EVENING, lift(end=EVENING))), "event/expired"),
    breach("a lift for the rival", lambda: own_log(lift(BOTH, party=RIVAL.iss)), "event/other-party"),
    breach("a lift of another phase", paused((MORNING, lift(phase="baseline"))), "term/compute-cap"),
    breach(
        "a lift of the version before",
        lambda: told(trigger(NEXT), entries=((MORNING, lift()),), pact=NEXT),
        "event/other-agreement",
    ),
    breach(
        "an old lift answers a new trigger",
        lambda: told(trigger(number=3), entries=((MORNING, lift()),)),
        "event/replayed",
    ),
    breach(
        "a lift with the trigger's number",
        lambda: told(trigger(number=2), entries=((MORNING, lift()),)),
        "event/replayed",
    ),
    breach(
        "a lift whose number another one had",
        paused((MORNING, lift(start=END - HOUR)), (MORNING + HOUR, lift())),
        "event/replayed",
    ),
    holds("a lift entered twice", paused((MORNING, lift()), (MORNING + HOUR, lift())), "event/replayed"),
    breach(
        "a trigger after the lift",
        lambda: told(trigger(), trigger(number=3, start=START + 13 * HOUR), entries=((MORNING, lift()),)),
        "term/compute-cap",
    ),
    unproven(
        "the party is let go",
        paused((MORNING, ACT.event(Deed.EXIT, 2, NOON, END, party=ACME.iss))),
        "event/exit",
    ),
    breach(
        "the party lets itself go",
        paused((MORNING, ACT.event(Deed.EXIT, 2, NOON, END, party=ACME.iss, signers=ACME.holder_keys()))),
        "event/no-quorum",
    ),
    breach(
        "the party breaches before it is let go",
        paused((MORNING, ACT.event(Deed.EXIT, 2, NOON, END, party=ACME.iss)), jobs=(WORK,)),
        "event/exit",
    ),
    unproven("the party withdraws in time", lambda: leaving(MORNING), "event/withdrawn"),
    breach("the party withdraws when it works already", lambda: leaving(EVENING), "term/compute-cap"),
    breach("the party withdraws where nobody may", lambda: leaving(MORNING, ACT), "event/not-allowed"),
    holds(
        "an outage where none is provided for",
        lambda: out_of_order("acme-dc1"),
        "event/not-allowed",
    ),
    holds(
        "an outage of a site of somebody else",
        lambda: out_of_order("rival-dc1"),
        "event/other-party",
    ),
    holds(
        "a trigger where there are no adjudicators",
        lambda: told(no_adjudicators(), pact=PACT, jobs=()),
        "event/not-allowed",
    ),
    unproven("an amendment that the party signed", beside(others=[NEXT.signed()], jobs=()), "agreement/amended"),
    breach("an amendment hides no breach", beside(trigger(), others=[NEXT.signed()]), "agreement/amended"),
    holds(
        "an amendment by one holder of two",
        beside(others=[NEXT.signed([ACME.holder_keys()[0]])]),
        "event/no-quorum",
    ),
    unproven("an amendment of another agreement", beside(others=[AFTER_NEXT.signed()]), "joint/version"),
    holds("the agreement itself as an amendment", beside(others=[ACT.signed()]), "phase/not-triggered"),
    invalid(
        "an adjudicator's key is a host's",
        lambda: Case([adjudicator_as_host().bundle()], ACT),
        "key/reused",
        SOURCE,
    ),
]  # fmt: skip


def for_rival(paper: bytes) -> Case:
    return replace(of_rival()(), papers=[Paper(paper)])


def own_log(document: bytes) -> Case:
    made, other = entered(((MORNING, document),), (LATE_WORK,)), Lab(RIVAL, site(name="elsewhere"))
    other.run()
    return Case([made.bundle(), other.bundle()], BOTH, papers=[Paper(trigger(BOTH))])


def out_of_order(site_name: str) -> Case:
    allowance = Allowance((Place(site_name, None),), None)
    fields = {"party": ACME.iss, "allowance": allowance, "signers": ACME.holder_keys()}
    return told(entries=((MORNING, ACT.event(Deed.OUTAGE, 1, MORNING, NOON, **fields)),))  # type: ignore[arg-type]


def hours(case: Case, phase: str) -> list[tuple[int, int]]:
    """The hours of a day in which a phase was judged."""
    terms = case.verdict().parties[0].terms
    return sorted({((t.start - START) // HOUR, (t.end - START) // HOUR) for t in terms if t.phase == phase})


def leaving(when: int, pact: Pact = LEAVING) -> Case:
    document = pact.event(Deed.WITHDRAWAL, 1, when, FOREVER, party=ACME.iss, phase=None, signers=ACME.holder_keys())
    return told(trigger(pact), pact=pact, entries=((when, document),), jobs=(LATE_WORK,))


def no_adjudicators() -> bytes:
    return lift(PACT, signers=[ONE, TWO])


@attacks(VECTORS)
def test_acts(vector: Vector) -> None:
    play(vector)


def of(case: Case, code: str) -> list[Finding]:
    return [f for f in findings(case.verdict()) if f.code == code]


def test_notes_accuse_nobody_and_say_where() -> None:
    (note,) = of(told(trigger(signers=[ONE])), "event/no-quorum")
    assert (str(note.outcome), note.scope, note.index) == ("holds", None, -1)
    name = sha256(trigger(signers=[ONE])).hexdigest()[:16]
    assert note.text == f"file {name}: document/threshold: 1 of 2 holders signed: Uma"
    (note,) = of(told(entries=((MORNING, lift(signers=[ONE])),), jobs=()), "event/no-quorum")
    assert note.index > 0


def test_the_baseline_ends_where_the_pause_begins() -> None:
    case = told(entries=((MORNING, trigger(start=NOON)),), jobs=(EARLY_WORK,))
    assert (hours(case, "baseline"), hours(case, "pause")) == ([(0, 12)], [(12, 24)])


def test_a_trigger_that_the_party_has_not_entered_ends_no_duty() -> None:
    case = told(trigger(start=NOON))
    assert (hours(case, "baseline"), hours(case, "pause")) == ([(0, 24)], [(12, 24)])


def test_a_trigger_entered_late_ends_duties_from_then_on() -> None:
    case = told(entries=((EVENING, trigger(start=NOON)),))
    assert (hours(case, "baseline"), hours(case, "pause")) == ([(0, 20)], [(12, 24)])


def test_times_off_an_edge_count_from_the_next_one() -> None:
    case = told(trigger(start=NOON - 1), entries=((MORNING, lift(start=EVENING + 1)),), jobs=())
    assert hours(case, "pause") == [(12, 19)]


def test_a_pause_begins_again_after_its_lift() -> None:
    case = told(trigger(), trigger(number=3, start=EVENING), entries=((MORNING, lift()),), jobs=())
    assert hours(case, "pause") == [(2, 12), (18, 24)]


def test_a_withdrawal_takes_its_notice_from_when_it_was_witnessed() -> None:
    assert hours(leaving(MORNING), "pause") == [(2, 11)]  # seen at 07:01, three hours before 10:01


def test_a_trigger_dated_before_the_agreement_counts_from_its_beginning() -> None:
    assert hours(told(trigger(start=START - 5 * HOUR), jobs=()), "pause") == [(0, 24)]


def test_of_several_logs_and_copies_the_earliest_counts() -> None:
    agreement = parse_agreement(ACT.text())
    papers = [
        Paper(lift(), origin, ACME.iss, 7, None if seen is None else START + seen * HOUR)
        for origin, seen in (("a", 18), ("a", 16), ("a", None), ("b", 15), ("c", 20))
    ]
    for given in (papers, papers[::-1]):
        (standing,) = read_acts(agreement, given).parties[ACME.iss].standing[Deed.LIFT]
        assert standing.start == START + 15 * HOUR
    (standing,) = read_acts(agreement, papers[:3]).parties[ACME.iss].standing[Deed.LIFT]
    assert standing.start == START + 16 * HOUR


def test_what_a_party_is_let_go_from_goes_on_afterwards() -> None:
    let_go = ACT.event(Deed.EXIT, 2, NOON, EVENING + 1, party=ACME.iss)
    assert hours(told(trigger(), entries=((MORNING, let_go),), jobs=()), "pause") == [(2, 12), (18, 24)]


def test_an_old_copy_of_the_log_frames_nobody() -> None:
    """Whoever cuts the copy off before the lift cuts off the work that came after it."""
    made = entered(((MORNING, lift()),), (LATE_WORK,))
    for size, note in sorted(made.notes.items()):
        case = Case([made.bundle(note)], ACT, papers=[Paper(trigger())])
        assert "term/compute-cap" not in codes(case.verdict()), size


def test_a_log_has_so_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_EVENTS", 1)
    verdict = told(entries=((MORNING, lift()), (NOON, lift(number=3))), jobs=()).verdict()
    assert [f.scope for f in findings(verdict) if f.code == "event/too-many"] == [SOURCE]


def test_an_amendment_concerns_those_who_signed_it() -> None:
    amends = {"sha256": sha256(BOTH.text()).hexdigest(), "version": 1}
    after = replace(BOTH, version=2, life={"amends": amends})
    verdict = replace(of_rival()(), others=[after.signed(RIVAL.holder_keys())]).verdict()
    assert [str(party.outcome) for party in verdict.parties] == ["holds", "unproven"]


def test_a_phase_that_binds_at_different_times_is_said() -> None:
    verdict = for_rival(trigger(BOTH, party=RIVAL.iss)).verdict()
    (finding,) = [f for f in verdict.findings if f.code == "joint/unequal"]
    assert (str(finding.outcome), finding.text) == (
        "holds",
        "pause does not bind all parties at the same time: acme at no time;"
        " rival 2026-11-09T02:00:00Z to 2026-11-10T00:00:00Z",
    )


def test_a_verdict_names_the_events_that_it_was_made_with() -> None:
    assert told(trigger(), jobs=()).verdict().events == (sha256(trigger()).digest(),)
