"""The term idle: an envelope of power and activity, by counters at L1 and by independent meters above it."""

import numpy as np
import pytest

from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from attest.simulate.site import Event, Trouble
from attest.verdict import Outcome, TermResult
from tests.check.world import DAY, END, HOUR, INFERENCE, START, TRAINING, honest, judge, lab, site, under


def of(made: Lab, power: str = "150 W", assurance: str = "L1", **more: str) -> TermResult:
    term: Table = {"kind": "idle", "power": power, "assurance": assurance, **more}
    return judge(made.bundle(), under(term)).parties[0].terms[0]


def codes(found: TermResult) -> list[str]:
    return [finding.code for finding in found.findings]


def test_a_fleet_at_rest_is_idle() -> None:
    found = of(honest(()), activity="1 %")
    assert (found.outcome, codes(found)) == (Outcome.HOLDS, [])
    means = [site(()).trace(node).power_mw.mean() for node in (0, 1)]
    assert found.low is not None and found.high is not None
    assert found.low < max(means) < found.high < 138_000 * 106 // 100  # the most that an H100 idles at, and the error


def test_work_is_not_idle() -> None:
    found = of(honest((TRAINING,)))
    assert (found.outcome, codes(found)) == (Outcome.BREACHED, ["term/idle", "idle/not-shown"])
    breach = found.findings[0]
    assert breach.numbers == {"device_seconds": 16 * 18 * HOUR}
    assert (breach.start, breach.end) == (START + 3 * HOUR, START + 21 * HOUR)


def test_an_envelope_that_leaves_room_is_kept() -> None:
    assert of(honest((INFERENCE,)), "800 W").outcome is Outcome.HOLDS


def test_activity_is_judged_beside_power() -> None:
    found = of(honest((INFERENCE,)), "800 W", activity="0.1 %")
    assert (found.outcome, codes(found)[0]) == (Outcome.BREACHED, "term/idle")
    assert of(honest((INFERENCE,)), "800 W", activity="100 %").outcome is Outcome.HOLDS


@pytest.mark.parametrize("what", [Trouble.LOST, Trouble.STALE, Trouble.STEP])
def test_a_gap_is_not_idle(what: Trouble) -> None:
    found = of(honest((), (Event(what, 0, START + HOUR, START + 2 * HOUR),)))
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["idle/not-shown"])
    assert found.findings[0].numbers == {"device_seconds": 8 * HOUR}
    assert found.findings[0].settle == "energy counters of 8 device-hours"


def test_what_is_off_is_idle() -> None:
    assert of(honest((), (Event(Trouble.DOWN, 0, START, END),))).outcome is Outcome.HOLDS


def test_silence_is_not_idle() -> None:
    silent = lab(())
    silent.run(mute=lambda sub, start, end: "n0001" in sub)
    found = of(silent)
    assert (found.outcome, found.high) == (Outcome.UNPROVEN, None)
    assert found.findings[0].numbers == {"device_seconds": 8 * DAY}


def test_a_meter_sees_the_whole_node() -> None:
    """About 1.7 kW of hosts for eight accelerators: an envelope for meters has to be as wide as the node."""
    assert of(honest(()), "150 W", "L4").outcome is Outcome.UNPROVEN
    found = of(honest(()), "400 W", "L4")
    assert (found.outcome, codes(found)) == (Outcome.HOLDS, [])
    assert of(honest((TRAINING,)), "400 W", "L4").outcome is Outcome.BREACHED  # by the lab's own counters


def test_a_meter_sees_no_cycles() -> None:
    found = of(honest(()), "400 W", "L4", activity="1 %")
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["idle/not-shown"])


def test_no_meter_shows_nothing() -> None:
    assert of(honest(()), "400 W", "L3").outcome is Outcome.HOLDS  # an independent meter is L4
    bare = lab((), meter=None)
    bare.run()
    assert of(bare, "400 W", "L4").outcome is Outcome.UNPROVEN
    assert of(bare, "400 W").outcome is Outcome.HOLDS


def test_a_hosts_key_alone_breaches_nothing_that_a_meter_denies() -> None:
    """Whoever stole a host's key tells of a day of training; the meter of the node saw a day of rest."""
    framed = lab(())
    framed.tales[0] = site((TRAINING._replace(nodes=(0,)),))
    framed.run()
    found = of(framed)
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["bounds/crossed", "idle/not-shown"])


def test_a_meter_that_lets_through_less_than_counters_show_holds_nothing() -> None:
    """It reads half of a watt; the counters of idle accelerators show a hundred and more each."""
    made = lab(())
    made.run(until=END - 6 * HOUR, mute=lambda sub, start, end: "meters.example" in sub)
    made.run(mute=lambda sub, start, end: "meters.example" in sub)
    readings = [(np.full(1_441, 500, np.int64), np.arange(1_441) * 60_000) for _ in made.feeds]
    assert made.meter is not None
    made.meter.append(made.metering(END, readings))
    made.witness()
    made.head()
    found = of(made, "400 W", "L4")
    assert (found.outcome, codes(found)) == (Outcome.UNPROVEN, ["bounds/crossed"])
