"""Sizes that a log or an agreement may have and no memory: bounded by name, looser for `high`, never for `low`."""

import tracemalloc
from collections.abc import Callable

import pytest

from attest import expected, metering
from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import METER, Phase
from attest.verdict import Outcome, TermResult, Verdict
from tests.check.world import (
    ACME,
    CAP,
    COVERAGE,
    DAY,
    HOUR,
    PACT,
    START,
    TRAINING,
    TRAINING_CAP,
    codes,
    honest,
    judge,
    lab,
    replace,
    under,
)

YEAR = START + 365 * DAY
OFF = {"kind": "power-off", "assurance": "L4"}
POWER = {"kind": "power-cap", "limit": "1 GW", "assurance": "L4"}
BY_LAB = {**CAP, "assurance": "L1", "name": "by its own word"}
MODEL = "NVIDIA H100 SXM5 80GB"


def peak_mb(work: Callable[[], object]) -> float:
    """The most memory that something takes at a time, MB."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def declaring(change: Callable[[Roster], Roster], times: int = 1) -> MemoryBundle:
    """A lab that declares something and never says anything more; the same again a second later, so many times."""
    made = lab()
    body = format_roster(change(made.roster()))
    for n in range(times):
        made.office.say(InventoryBody(commit(body), change(made.roster()).count()), START + n, body)
    return made.bundle()


def terms(verdict: Verdict) -> dict[str, TermResult]:
    return {term.term: term for term in verdict.parties[0].terms}


def bare_feeds(roster: Roster) -> Roster:
    """Feeds without a device or a reading: 10 bytes of a roster each, and a year of hours."""
    feeds = tuple(Feed(f"f{n}", None, ACME.meter) for n in range(20_000))
    return Roster(feeds, (Host("h", (Device("d", MODEL, 0),)),))


def bare_hosts(roster: Roster) -> Roster:
    """Hosts that never say anything, each on a feed of its own."""
    feeds = tuple(Feed(f"f{n}", None, None) for n in range(2_000))
    return Roster(feeds, tuple(Host(f"h{n}", (Device(f"d{n}", MODEL, n),)) for n in range(2_000)))


@pytest.mark.parametrize("change", [bare_feeds, bare_hosts])
def test_a_roster_takes_no_memory_for_every_bucket_of_a_year(change: Callable[[Roster], Roster]) -> None:
    bundle = declaring(change)
    pact = under({**CAP, "limit": "1e30 FLOP"}, BY_LAB, COVERAGE, OFF, end=YEAR)
    assert peak_mb(lambda: judge(bundle, pact, at=YEAR + DAY)) < 250  # one array of int64 is 140 and 1,400 MB


def test_rosters_that_take_turns_are_added_up_once() -> None:
    """1,000 changes between two rosters within the first hour are no more work than one."""
    made = lab()
    rosters = (made.roster(), bare_hosts(made.roster()))
    bodies = [format_roster(roster) for roster in rosters]
    for n in range(1_000):
        made.office.say(InventoryBody(commit(bodies[n % 2]), rosters[n % 2].count()), START + n, bodies[n % 2])
    bundle = made.bundle()
    pact = under({**CAP, "limit": "1e30 FLOP"}, COVERAGE)
    verdicts: list[Verdict] = []
    assert peak_mb(lambda: verdicts.append(judge(bundle, pact))) < 100
    peak = 2_141 * 10**12
    high = terms(verdicts[0])["compute-cap"].high
    assert high == peak * (500 * 16 + (DAY - 500) * 2_000)


def test_a_breach_shows_however_much_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    pact = under(CAP, TRAINING_CAP, BY_LAB, COVERAGE, OFF)
    bundle = honest((TRAINING,)).bundle()
    before = terms(judge(bundle, pact))
    monkeypatch.setattr(expected, "MAX_EXPECTED", 2 * 24 - 1)
    verdict = judge(bundle, pact)
    found = terms(verdict)
    assert found["training"].outcome is Outcome.BREACHED and verdict.outcome is Outcome.BREACHED
    assert found["coverage"].outcome is Outcome.UNPROVEN
    assert [finding.code for finding in found["coverage"].findings] == ["unsupported/size"]
    assert found["power-off"] == before["power-off"]
    for name in ("compute-cap", "training", "by its own word"):
        assert found[name].low == before[name].low
        assert (found[name].high or 0) >= (before[name].high or 0)
    assert found["by its own word"].parts["silent"] > 0 == before["by its own word"].parts["silent"]


def test_too_many_meters_of_the_agreement_are_judged_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MAX_GRID", 2 * 26)  # there are three
    verdict = judge(honest((TRAINING,)).bundle(), under(CAP, OFF, POWER, {"kind": "witnessing"}))
    found = terms(verdict)
    for name in ("compute-cap", "power-off", "power-cap"):
        assert found[name].outcome is Outcome.UNPROVEN
        assert [finding.code for finding in found[name].findings] == ["unsupported/size"]
    assert found["witnessing"].outcome is Outcome.HOLDS
    assert codes(verdict) == {"unsupported/size"}


def test_too_many_meters_of_the_lab_bound_nothing_and_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site without an independent meter: its own ones are left out, and what it admits is not."""
    bundle = own_meter().bundle()
    power = {**POWER, "assurance": "L1"}
    pact = replace(under(CAP, {**TRAINING_CAP, "limit": "1 FLOP"}, BY_LAB, COVERAGE, power), meter=None)
    before = terms(judge(bundle, pact))
    monkeypatch.setattr(metering, "MAX_GRID", 25)
    found = terms(judge(bundle, pact))
    for name in ("coverage", "power-cap"):
        assert before[name].outcome is Outcome.HOLDS and found[name].outcome is Outcome.UNPROVEN
        assert [finding.code for finding in found[name].findings] == ["unsupported/size"]
    assert found["training"].outcome is Outcome.BREACHED
    assert found["training"].low == before["training"].low
    assert (found["by its own word"].high or 0) >= (before["by its own word"].high or 0)


def test_a_meter_counts_however_often_the_same_roster_is_declared() -> None:
    """A hundred times an hour, all day: a lab has no way to be rid of what an independent meter shows."""
    pact = under({"kind": "power-cap", "limit": "1 W", "assurance": "L4"})
    before = terms(judge(honest().bundle(), pact))["power-cap"]
    made = lab()
    for n in range(2_400):
        made.office.say(InventoryBody(commit(made.roster_body), 16), START + n * 36, made.roster_body)
        made.run(START + n // 100 * HOUR)
    made.run()
    found = terms(judge(made.bundle(), pact))["power-cap"]
    assert found.outcome is Outcome.BREACHED and (found.low, found.high) == (before.low, before.high)


def own_meter() -> Lab:
    made = lab((TRAINING,), meter="own")
    made.run()
    return made


def test_an_agreement_of_many_phases_is_held_a_phase_at_a_time() -> None:
    """A clock that may be a day off: each quarter of an hour needs the readings of all of the day, in minutes."""
    bundle = honest().bundle()

    def peak(phases: int) -> float:
        quarter = HOUR // 4
        each = [Phase(f"p{n}", START + n * quarter, START + (n + 1) * quarter, (CAP, COVERAGE)) for n in range(phases)]
        pact = replace(PACT, bucket="60 s", phases=tuple(each), meter={**METER, "clock": "1 d"})
        return peak_mb(lambda: judge(bundle, pact))

    peak(1)  # what is made once for the process is no phase's
    assert peak(16) < 1.2 * peak(1)
