"""Outages and exemptions: what they excuse, what a liar would like them to, and that the worst case has them all."""

from collections.abc import Callable
from typing import Any

from attest.format.event import TFLOP, Allowance, Deed, Place
from attest.format.vocabulary import Label
from attest.simulate.cast import Adjudicators
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Trouble
from attest.verdict import TermResult
from tests.attacks.test_events import WORK, entered
from tests.attacks.vectors import EVENING, HOUR, MORNING, NOON, Case, Vector, attacks, breach, holds, play, unproven
from tests.check.world import ACME, COVERAGE, END, PACT, START, TRAINING_CAP, lab, replace

BLIND = {"kind": "compute-cap", "limit": "1e24 FLOP", "assurance": "L1"}
WATCHED = replace(PACT, phases=(Phase("pause", START, END, (COVERAGE, BLIND)),), grace="1 h")
SPARE = replace(WATCHED, life={"outages": {"share": "15 %"}})
SCARCE = replace(WATCHED, life={"outages": {"share": "5 %"}})
HASTY = replace(SPARE, max_lag="2 h")
CAPPED = replace(PACT, phases=(Phase("pause", START, END, (TRAINING_CAP,)),), adjudicators=Adjudicators())
LATER_PHASE = replace(
    replace(SPARE, life={"outages": {"share": "30 %"}}),
    phases=(Phase("before", START, NOON, (COVERAGE,)), Phase("pause", NOON, END, (COVERAGE,))),
)
CHAT = WORK._replace(name="chat", label=Label.INFERENCE, nodes=(0,))
ASIDE = WORK._replace(nodes=(1,), effort_ppm=450_000)
DARK = (Event(Trouble.LOST, 0, MORNING, NOON),)  # six hours of half of the site: an eighth of the day
SITE, NODE, OTHER = (Place("acme-dc1", feed) for feed in (None, "dc1-n0000", "dc1-n0001"))


def outage(
    pact: Pact = SPARE, *, at: int = MORNING, start: int = MORNING, place: Place = SITE, **fields: Any
) -> Callable[[], Case]:
    """Half of the site is dark from six to noon, and the office enters an act about it."""
    given = {"party": ACME.iss, "signers": ACME.holder_keys(), "allowance": Allowance((place,), None), **fields}

    def story() -> Case:
        made = lab((), DARK)
        made.run(until=at)
        made.event(pact.event(Deed.OUTAGE, 1, start, NOON, **given))
        made.run()
        return Case([made.bundle()], pact)

    return story


def dark(pact: Pact = SPARE) -> Case:
    made = lab((), DARK)
    made.run()
    return Case([made.bundle()], pact)


def exempt(
    budget: int = 10**26, *, at: int = START + HOUR, place: Place = SITE, jobs: tuple[Job, ...] = (WORK,), **fields: Any
) -> Callable[[], Case]:
    """A lab that trained from three to nine in the evening, exempt from two on."""
    given = {"party": ACME.iss, "allowance": Allowance((place,), budget // TFLOP), **fields}
    act = CAPPED.event(Deed.EXEMPTION, 1, START + 2 * HOUR, END, **given)
    return lambda: Case([entered(((at, act),), jobs).bundle()], CAPPED)


def disputed() -> Case:
    """The exempt work was told with keys that were revoked afterwards."""
    act = CAPPED.event(
        Deed.EXEMPTION, 1, START + 2 * HOUR, END, party=ACME.iss, allowance=Allowance((SITE,), 10**26 // TFLOP)
    )
    made = entered(((START + HOUR, act),))
    for host in made.hosts:
        made.revoke(host.signer, 8)
    made.witness()
    return Case([made.bundle()], CAPPED)


VECTORS = [
    breach("half of the site dark for six hours", dark, "term/coverage"),
    holds("an outage that was told", outage(), "event/in-force"),
    holds("an outage of the node that was dark", outage(place=NODE), "event/in-force"),
    breach("an outage of another node", outage(place=OTHER), "term/coverage"),
    breach("an outage longer than the agreement excuses", outage(SCARCE), "term/coverage"),
    breach("an outage told after the lag", outage(HASTY, at=EVENING), "event/expired"),
    breach("an outage by one holder of two", outage(signers=ACME.holder_keys()[:1]), "event/no-quorum"),
    breach("an outage where the agreement excuses none", outage(WATCHED), "event/not-allowed"),
    unproven("an outage too long, before the grace is over", outage(replace(SCARCE, grace="2 d")), "coverage/gap"),
    breach("an outage that begins off the edge of a bucket", outage(start=MORNING + 1), "term/coverage"),
    breach("an outage of another phase", outage(LATER_PHASE), "term/coverage"),
    unproven("declared work in an exempt place", exempt(jobs=(WORK._replace(declared_ppm=2_000_000),)), "event/exempt"),
    breach("work of another label in the exempt place", exempt(place=NODE, jobs=(CHAT, ASIDE)), "term/compute-cap"),
    unproven("disputed work in an exempt place", disputed, "event/exempt"),
    unproven("work in an exempt place", exempt(), "event/exempt"),
    breach("work beyond the budget", exempt(10**18), "event/exempt"),
    breach("work beside the exempt place", exempt(place=NODE), "term/compute-cap"),
    breach("work before the exemption was entered", exempt(at=EVENING + HOUR), "term/compute-cap"),
    breach("an exemption that the lab gives itself", exempt(signers=ACME.holder_keys()), "event/no-quorum"),
    breach("an exemption from another phase", exempt(phase="wind-down"), "event/other-phase"),
]


@attacks(VECTORS)
def test_relief(vector: Vector) -> None:
    play(vector)


def term(case: Case, kind: str) -> TermResult:
    return next(t for t in case.verdict().parties[0].terms if t.kind == kind)


def test_an_outage_is_in_the_worst_case() -> None:
    assert term(outage()(), "compute-cap").high == term(dark(), "compute-cap").high


def test_an_outage_is_said() -> None:
    found = term(outage()(), "coverage")
    assert found.text == "20,160 of 23,040 device-intervals, and 2,880 in outages that are excused"


def test_an_exemption_is_in_the_worst_case() -> None:
    with_it, without = (term(case, "compute-cap") for case in (exempt()(), Case([entered(()).bundle()], CAPPED)))
    assert (with_it.low, with_it.high) == (without.low, without.high)


def test_what_is_exempt_is_not_held_against_a_party_when_it_is_disputed() -> None:
    assert [f.code for f in term(disputed(), "compute-cap").findings] == ["bounds/too-wide", "event/exempt"]
