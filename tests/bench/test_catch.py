"""A sample of the catch table: nothing passes but what is counted apart, and no honest site is accused."""

import pytest

from attest.agreement import verify_agreement
from attest.simulate.pact import Pact
from tests.bench import catch
from tests.bench.families.attempt import ACME, Apart, Span, agreed
from tests.bench.families.breakable import BREAKABLE
from tests.bench.families.scene import START, Scene
from tests.bench.families.truth import Told, Truth

LOGS = 2  # of each family
WEEKS = 8
ELSEWHERE = {2, 10, 15}  # all of a sample may be beyond logs


@pytest.mark.parametrize("family", catch.FAMILIES, ids=lambda family: family.title)
def test_a_sample_of_each_family(family: catch.Family) -> None:
    count = len(catch.cases(family.number))
    step = max(count // LOGS, 1)
    results = catch.attempts(family.number, range(family.number % step, count, step))
    assert results
    assert {r.attempt for r in catch.undue(results)} == set()
    outcomes = {r.outcome for r in results if r.apart is None}
    assert outcomes & {"unproven", "breached", "invalid"} or family.number in ELSEWHERE


def test_every_kind_of_term_can_be_broken() -> None:
    scene = Scene("everything", 1, 1)
    site = scene.play(scene.idle, scene.secret((0,), 6, 1))
    truth = Truth((site,), True, unrecorded=3_600, unmetered=3_600, late=True, stale_s=3_600, told=Told(3_600, 3_600))
    pact = agreed(Pact((ACME,), ()), truth, [Span(START, scene.end)])
    (phase,) = verify_agreement(pact.signed()).agreement.phases
    assert {term.name for term in phase.terms} == set(BREAKABLE)
    assert {term.kind for term in phase.terms} == set(catch.KINDS)


def test_what_the_truth_keeps_is_no_attempt() -> None:
    scene = Scene("nothing", 1, 1)
    pact = agreed(Pact((ACME,), ()), Truth((scene.play(scene.off),)), [Span(START, scene.end)])
    assert {term["name"] for phase in pact.phases for term in phase.terms} == {"power L1", "power L4", "energy L4"}


def test_some_honest_weeks() -> None:
    weeks = catch.weeks(range(WEEKS))
    assert [week for week in weeks if week.accused] == []
    assert sum(week.outcome == "holds" for week in weeks) > WEEKS // 2
    assert {trouble for week in weeks for trouble in week.troubles}


def test_the_same_numbers_give_the_same_weeks() -> None:
    assert catch.weeks([5]) == catch.weeks([5])


def test_the_table_counts_apart_what_is_said_to_be() -> None:
    results = catch.attempts(2, [0])
    assert {r.apart for r in results} == {Apart.BEYOND}
    table = catch.table(results, 1)
    assert len(table.splitlines()) == 2 + len(catch.FAMILIES)
    held = sum(r.outcome == "holds" for r in results)
    assert held and f"| 0 | 0 | 0 | 0 | {held} of {len(results)} |" in table
    assert len(catch.by_kind(results).splitlines()) == 2 + len(catch.KINDS)
