"""Energy of nodes that nobody declared, behind a meter that nobody bent: remarked on where it is more than the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attest.format.roster import Roster
from attest.simulate.lab import Lab, Mute
from attest.simulate.pact import METER
from attest.simulate.site import Event, Job, Site, Trouble
from attest.simulate.telemetry import SITE_FEED
from tests.anomalies.tales import LOOSE, anomalies, only
from tests.check.world import ACME, DAY, END, INFERENCE, START, TRAINING, codes, judge, site

CODE = "anomaly/unexplained-energy"


class Metered(Lab):
    """A lab of which one meter at the gate reads all."""

    def roster(self) -> Roster:
        roster = super().roster()
        feeds = tuple(feed if feed.parent is None else feed._replace(meter=None) for feed in roster.feeds)
        return replace(roster, feeds=feeds)

    @property
    def feeds(self) -> dict[int, str]:
        return {SITE_FEED: self.identity.site_name}


class OneHost(Lab):
    """A lab that declares the first of its nodes, and the feeds of all."""

    def roster(self) -> Roster:
        roster = super().roster()
        return replace(roster, hosts=roster.hosts[:1])


class Early(Lab):
    """A lab whose first inventory has the nodes' feeds come from outside."""

    def roster(self) -> Roster:
        roster = super().roster()
        return replace(roster, feeds=tuple(feed._replace(parent=None) for feed in roster.feeds))


def drawing(
    times: float,
    jobs: tuple[Job, ...] = (INFERENCE,),
    *,
    kind: type[Lab] = Metered,
    mute: Mute | None = None,
    events: tuple[Event, ...] = (),
    **options: Any,
) -> Lab:
    """A lab whose site takes so many times what its nodes take."""
    played = Site(site(jobs, events).plan)
    played.__dict__["site_mw"] = (site(jobs, events).site_mw * times).astype(np.int64)
    made = kind(ACME, played, **options)
    made.run(mute=mute)
    return made


@pytest.mark.parametrize(("jobs", "times"), [((INFERENCE,), 2.2), ((TRAINING,), 2.0), ((), 2.2)])
def test_a_site_may_take_twice_what_its_nodes_do(jobs: tuple[Job, ...], times: float) -> None:
    assert anomalies(drawing(times, jobs)) == []


@pytest.mark.parametrize("jobs", [(INFERENCE,), (TRAINING,), ()])
def test_what_is_far_more_is_remarked_on(jobs: tuple[Job, ...]) -> None:
    made = drawing(4, jobs)
    finding = only(anomalies(made), CODE)
    assert finding.feed == "dc1"
    metered, declared = finding.numbers["metered_mj"], finding.numbers["declared_mj"]
    assert metered == pytest.approx(4 * int(site(jobs).site_mw.sum()) * 60, rel=0.02)  # the meter is good to 1 %
    assert metered > 2 * declared
    assert f"{(metered - declared) * 100 // metered} % of it is not explained" in finding.text


def test_meters_of_the_nodes_explain_more_exactly() -> None:
    """Twice the nodes' own meters, 2 % lost on the way: 2.3 times as much is over it, though not by counters."""
    assert anomalies(drawing(1.9, kind=Lab)) == []
    assert only(anomalies(drawing(2.1, kind=Lab)), CODE).feed == "dc1"


def test_a_gap_of_a_nodes_meter_is_explained_by_what_is_behind_it() -> None:
    gaps = tuple(Event(Trouble.METER_GAP, node, START, END) for node in range(2))
    assert anomalies(drawing(1.5, kind=Lab, events=gaps)) == []


def test_batteries_may_have_been_charged() -> None:
    made = drawing(4)
    assert CODE in codes(judge(made.bundle(), replace(LOOSE, meter={**METER, "storage": "10 kWh"})))
    assert CODE not in codes(judge(made.bundle(), replace(LOOSE, meter={**METER, "storage": "1 MWh"})))


def test_silent_accelerators_may_have_drawn_their_limit() -> None:
    """Of two idle nodes one says nothing: it may have taken 8 x 700 W and not 8 x 100 W."""
    assert only(anomalies(drawing(3, ())), CODE)
    assert anomalies(drawing(3, (), mute=lambda sub, start, end: sub == ACME.host(1))) == []


def test_a_feed_without_accelerators_explains_nothing() -> None:
    """Of two nodes one is declared; the other's feed has a meter, and what that read counts for nothing declared."""
    found = anomalies(drawing(1.3, (), kind=OneHost, mute=lambda sub, start, end: sub == ACME.host(1)))
    assert only(found, CODE).feed == "dc1"
    assert anomalies(drawing(1.3, (), kind=Lab)) == []


def test_a_feed_that_was_moved_leaves_its_meter_out() -> None:
    """At noon both nodes are put on the gate's feed: the tree has them behind nothing, and nothing is compared."""
    made = Early(ACME, drawing(1.5, (), kind=Lab).site)
    made.run(until=START + DAY // 2)
    made.inventory(Lab.roster(made), START + DAY // 2)
    made.run()
    assert anomalies(made) == []


def test_a_meter_of_the_labs_own_is_not_asked() -> None:
    assert anomalies(drawing(4, meter="own")) == []


def test_a_clock_that_nobody_knows_shows_no_day() -> None:
    made, pact = drawing(4), replace(LOOSE, meter={"error": "1 %", "integrates": True})
    assert CODE not in codes(judge(made.bundle(), pact))
    assert CODE in codes(judge(made.bundle(), LOOSE))
