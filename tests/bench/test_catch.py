"""A sample of the catch table: of every family that logs can catch nothing passes, and no honest site is accused."""

import pytest

from tests.bench import catch

LOGS = 8  # of each family
WEEKS = 12


@pytest.mark.parametrize("family", catch.FAMILIES, ids=lambda family: family.title)
def test_a_sample_of_each_family(family: catch.Family) -> None:
    count = len(catch.cases(family.number))
    step = max(count // LOGS, 1)
    results = catch.attempts(family.number, range(family.number % step, count, step))
    assert results
    assert {r.attempt for r in catch.undue(results)} == set()
    assert {r.outcome for r in results if not r.apart} & {"unproven", "breached", "invalid"}


def test_some_honest_weeks() -> None:
    weeks = catch.weeks(range(WEEKS))
    assert [week for week in weeks if week.accused] == []
    assert sum(week.outcome == "holds" for week in weeks) > WEEKS // 2
    assert {trouble for week in weeks for trouble in week.troubles}


def test_the_same_numbers_give_the_same_weeks() -> None:
    assert catch.weeks([5]) == catch.weeks([5])


def test_the_table_says_what_passed() -> None:
    results = catch.attempts(2, [0])
    table = catch.table(results, 1)
    assert table.count("(not by logs alone)") == sum(not family.by_logs for family in catch.FAMILIES)
    assert len(table.splitlines()) == 2 + len(catch.FAMILIES)
