"""The life of an agreement in its text: adjudicators, amendments, phases that events begin; and its tolerances."""

from hashlib import sha256

import pytest

from attest.agreement import On, parse_agreement
from attest.agreement.tolerances import tolerance_lines
from attest.errors import AgreementError
from attest.simulate.cast import Adjudicators
from attest.simulate.pact import Pact, Phase
from attest.trust.holders import Holder
from attest.trust.keys import format_key
from tests.check.world import ACME, COVERAGE, DAY, END, PACT, START, TRAINING_CAP, replace

HALT = Phase("halt", 0, END + DAY, (TRAINING_CAP,), "trigger")
AFTER = Phase("after", 0, END + DAY, (COVERAGE,), "lift")
LIVING = replace(PACT, phases=(*PACT.phases, HALT, AFTER), adjudicators=Adjudicators())


def text(pact: Pact = LIVING, *, old: str = "", new: str = "") -> bytes:
    made = pact.text().decode()
    assert old in made
    return made.replace(old, new, 1).encode()


def test_adjudicators_are_holders() -> None:
    life = parse_agreement(text()).life
    assert life.adjudicators is not None
    assert life.adjudicators.threshold == 2
    keys = Adjudicators().keys()
    assert life.adjudicators.holders[0] == Holder("Uma", (keys[0].public_key(),))


def test_nobody_adjudicates_where_nobody_is_named() -> None:
    life = parse_agreement(PACT.text()).life
    assert (life.adjudicators, life.amends, life.outage_ppm, life.notice_s) == (None, None, 0, None)


def test_a_phase_of_an_event_begins_no_earlier_than_the_one_before_it() -> None:
    pause, halt, after = parse_agreement(text()).phases
    assert (pause.on, halt.on, after.on) == (None, On.TRIGGER, On.LIFT)
    assert (halt.start, halt.end, after.start) == (START, END + DAY, START)


def test_an_amendment_names_the_version_before() -> None:
    amends = {"sha256": sha256(PACT.text()).hexdigest(), "version": 1}
    life = parse_agreement(replace(PACT, version=2, life={"amends": amends}).text()).life
    assert life.amends == (sha256(PACT.text()).digest(), 1)


AMENDS = {"sha256": "00" * 32, "version": 1}
HOLDER = format_key(ACME.holder_keys()[0].public_key())
UMA = format_key(Adjudicators().keys()[0].public_key())
REFUSED = {
    "a key of an adjudicator and a holder": (text(old=UMA, new=HOLDER), "key/reused"),
    "one key of two adjudicators": (
        text(old=UMA, new=format_key(Adjudicators().keys()[1].public_key())),
        "key/reused",
    ),
    "more adjudicators than there are": (
        text(replace(LIVING, adjudicators=Adjudicators(threshold=4))),
        "holders/threshold",
    ),
    "a phase that begins by its date and on a trigger": (
        text(old='on = "trigger"', new='on = "trigger"\nstart = 2026-11-10T00:00:00Z'),
        "agreement/event-phase",
    ),
    "a phase that begins on a whim": (text(old='on = "trigger"', new='on = "whim"'), "agreement/event-phase"),
    "a first phase on a trigger": (text(replace(LIVING, phases=(HALT, AFTER))), "agreement/event-phase"),
    "a phase that nobody can trigger": (text(replace(LIVING, adjudicators=None)), "agreement/event-phase"),
    "a phase on a trigger that ends before the one before": (
        text(replace(LIVING, phases=(PACT.phases[0], HALT._replace(end=END - DAY // 2)))),
        "agreement/overlap",
    ),
    "a phase by its date inside one on a trigger": (
        text(replace(LIVING, phases=(PACT.phases[0], HALT, Phase("x", END, END + DAY, (COVERAGE,))))),
        "agreement/overlap",
    ),
    "version 2 that amends nothing": (text(replace(PACT, version=2)), "agreement/amends"),
    "version 3 that amends version 1": (text(replace(PACT, version=3, life={"amends": AMENDS})), "agreement/amends"),
    "version 1 that amends version 1": (text(replace(PACT, life={"amends": AMENDS})), "agreement/amends"),
    "outages without a unit": (text(replace(PACT, life={"outages": {"share": "5"}})), "quantity/unit"),
    "outages over all of the time": (text(replace(PACT, life={"outages": {"share": "101 %"}})), "quantity/range"),
    "an unknown key": (text(replace(PACT, life={"withdrawal": {"notice": "1 d", "fee": "1 d"}})), "toml/unknown-key"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_a_life_that_cannot_be_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(AgreementError) as caught:
        parse_agreement(data)
    assert caught.value.code == code
    assert caught.value.line


def test_five_percent_of_a_hundred_thousand_accelerators() -> None:
    pause = Phase("pause", START, END, ({**COVERAGE, "share": "95 %"},))
    loose = replace(PACT, devices=100_000, meter=None, phases=(pause,))
    assert list(tolerance_lines(parse_agreement(loose.text()))) == [
        "tolerances of acme: FLOP that each can hide in 30 d, were all accelerators NVIDIA H100 SXM5 80GB",
        "  coverage (pause): 5 % of device-time unaccounted for: 2.77e+25",
    ]


def test_what_is_not_known_has_no_number() -> None:
    pause = Phase("pause", START, END, (COVERAGE,))
    tight = replace(PACT, meter=None, life={"outages": {"share": "1 %"}}, phases=(pause,))
    lines = list(tolerance_lines(parse_agreement(tight.text())))
    assert lines[1:] == [
        f"  {what}: no number, for it is not said how many accelerators there are"
        for what in ("coverage (pause): 1 % of device-time unaccounted for", "outages: 1 % of device-time excused")
    ]


def test_nothing_is_tolerated_where_no_term_does() -> None:
    strict = replace(PACT, meter=None, phases=(Phase("pause", START, END, (TRAINING_CAP,)),))
    assert list(tolerance_lines(parse_agreement(strict.text()))) == []
