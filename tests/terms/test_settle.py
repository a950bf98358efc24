"""What would settle a term: given that evidence it is no longer unproven, and given half of it it still is."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attest.format.roster import Feed, Roster
from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.verdict import Finding, Outcome, TermResult
from tests.check.world import ACME, COVERAGE, END, HOUR, START, TRAINING, judge, under

PEAK = 2_141 * 10**12
OFF = tuple(Event(Trouble.DOWN, node, START, END) for node in (0, 1, 2))


def cap(limit: int, assurance: str = "L1", **more: str) -> Table:
    return {"kind": "compute-cap", "limit": f"{limit} FLOP", "assurance": assurance, **more}


@cache
def told(hours: tuple[int, int, int], meter: str | None = None, events: tuple[Event, ...] = OFF) -> Lab:
    """Three nodes, of which each told of so many hours of the day."""
    made = Lab(ACME, Site(Plan("settle", 3, START, END, (), events)), window_s=HOUR, meter=meter)
    until = {ACME.host(node): START + hour * HOUR for node, hour in enumerate(hours)}
    made.run(mute=lambda sub, start, end: sub in until and end > until[sub])
    return made


def of(made: Lab, term: Table) -> TermResult:
    return judge(made.bundle(), under(term)).parties[0].terms[0]


def wide(found: TermResult) -> Finding:
    (finding,) = [finding for finding in found.findings if finding.code == "bounds/too-wide"]
    assert found.outcome is Outcome.UNPROVEN
    return finding


def hours(device_hours: float) -> tuple[int, int, int]:
    """Records for so many device-hours, of node 0 first, then of node 1."""
    first = min(int(device_hours // 8), 24)
    return first, min(int(device_hours // 8) - first, 24), 24


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 384))
def test_records_for_so_many_device_hours_and_no_fewer(allowed: int) -> None:
    """Two nodes are silent all day: 384 device-hours at peak, of which the cap allows some."""
    limit = allowed * HOUR * PEAK - 1
    finding = wide(of(told((0, 0, 24)), cap(limit)))
    needed = finding.numbers["device_seconds_needed"] / HOUR
    assert finding.numbers["device_seconds_missing"] == 384 * HOUR
    assert 384 - allowed < needed <= (384 - allowed) * 1.02 + 1
    feeds = "dc1-n0000" if needed <= 192 else "dc1-n0000, dc1-n0001"
    shown = -(-finding.numbers["device_seconds_needed"] // HOUR)
    assert finding.settle == f"records or a metered power-off for {shown} of these 384 device-hours: {feeds}"
    assert of(told(hours(min(needed + 8, 384))), cap(limit)).outcome is Outcome.HOLDS
    assert of(told(hours(needed / 2)), cap(limit)).outcome is Outcome.UNPROVEN


def test_the_tightest_cap_is_told_beside_it() -> None:
    found = of(told((0, 0, 24)), cap(10**20))
    assert found.tightest == found.high == 384 * HOUR * PEAK
    assert of(told((0, 0, 24)), cap(found.tightest)).outcome is Outcome.HOLDS


def test_what_a_meter_leaves_out_already_is_not_charged_for_twice() -> None:
    """Two idle nodes are silent, and the lab's own meters see a little less than what they could do; what records of
    idle devices leave is little."""
    made = told((0, 0, 24), "own", ())
    high = of(made, cap(10**22)).high
    assert high is not None and high < 384 * HOUR * PEAK
    limit = high * 2 // 3
    finding = wide(of(made, cap(limit)))
    needed = finding.numbers["device_seconds_needed"] / HOUR
    assert needed > (high - limit) / PEAK / HOUR  # of which a part goes to what the meter leaves out
    # The meter of node 1 reads more, so that less of what is told of it goes to what that leaves out.
    shown = -(-finding.numbers["device_seconds_needed"] // HOUR)
    assert finding.settle == f"records or a metered power-off for {shown} of these 384 device-hours: dc1-n0001"
    more = int(needed * 11 // 80) + 1  # what is told is idle, which leaves a sixteenth of presence
    assert of(told((0, more, 24), "own", ()), cap(limit)).outcome is Outcome.HOLDS
    assert of(told((0, int(needed // 16), 24), "own", ()), cap(limit)).outcome is Outcome.UNPROVEN


def test_over_a_rolling_window_every_bucket_is_given_its_share() -> None:
    """Two nodes silent all day; any 6 h may have what one node can do in 7 h: half of each bucket must be told."""
    limit = 8 * 7 * HOUR * PEAK
    finding = wide(of(told((0, 0, 24)), cap(limit, window="6 h")))
    assert finding.numbers["device_seconds_needed"] == pytest.approx(192 * HOUR, rel=0.02)
    assert of(told((24, 0, 24)), cap(limit, window="6 h")).outcome is Outcome.HOLDS
    assert of(told((12, 0, 24)), cap(limit, window="6 h")).outcome is Outcome.UNPROVEN


def test_a_window_is_settled_where_it_is_too_wide_alone() -> None:
    """Node 0 fell silent at noon: nothing is asked of the morning."""
    made = told((12, 24, 24))
    finding = wide(of(made, cap(8 * 3 * HOUR * PEAK, window="5 h")))
    assert finding.numbers["device_seconds_missing"] == 96 * HOUR
    assert finding.numbers["device_seconds_needed"] == pytest.approx(48 * HOUR, rel=0.1)


def gaps(*times: tuple[int, int, int]) -> Lab:
    """Three nodes that are off all day, whose meters were silent on a node from one hour to another."""
    events = tuple(Event(Trouble.METER_GAP, node, START + a * HOUR, START + b * HOUR) for node, a, b in times)
    made = Lab(ACME, Site(Plan("settle", 3, START, END, (), (*OFF, *events))), window_s=HOUR, site_meter=False)
    made.run()
    return made


def test_above_l1_readings_of_meters_settle_it() -> None:
    """Two nodes' meters have gaps of six and of four hours; the cap leaves room for the shorter."""
    limit = 8 * 6 * HOUR * PEAK
    finding = wide(of(gaps((0, 4, 10), (1, 12, 16)), cap(limit, "L4")))
    assert "independent meters (L4)" in finding.settle and "dc1-n0000" in finding.settle
    assert of(gaps((1, 12, 16)), cap(limit, "L4")).outcome is Outcome.HOLDS
    assert of(gaps((0, 7, 10), (1, 12, 16)), cap(limit, "L4")).outcome is Outcome.UNPROVEN
    assert finding.numbers["device_seconds_needed"] == pytest.approx(8 * 6 * HOUR, rel=0.01)


class Bare(Lab):
    """A lab with a node on whose feed there is no meter."""

    @property
    def feeds(self) -> dict[int, str]:
        return {node: name for node, name in super().feeds.items() if node != 1}

    def roster(self) -> Roster:
        whole = super().roster()
        feeds = tuple(Feed(f.name, f.parent, None if f.name.endswith("n0001") else f.meter) for f in whole.feeds)
        return Roster(feeds, whole.hosts)


def test_a_feed_without_a_meter_is_named() -> None:
    made = Bare(ACME, Site(Plan("settle", 3, START, END, (), OFF)), window_s=HOUR, site_meter=False)
    made.run()
    limit = 48 * HOUR * PEAK
    finding = wide(of(made, cap(limit, "L4")))
    shown = -(-finding.numbers["device_seconds_needed"] // HOUR)
    assert finding.settle == (
        f"a power-off by independent meters (L4) for {shown} of these 192 device-hours: dc1-n0001"
    )
    assert 144 <= shown <= 147
    assert of(gaps(), cap(limit, "L4")).outcome is Outcome.HOLDS


def test_where_nothing_is_missing_only_less_energy_would_do() -> None:
    busy = Lab(ACME, Site(Plan("settle", 3, START, END, (TRAINING,))), meter=None)
    busy.run()
    high = of(busy, cap(10**24)).high
    assert high is not None
    finding = wide(of(busy, cap(high - 1)))
    energy = (high - 1) // 10**6 // 5_650
    assert finding.settle.startswith("independent meters (L4) that let through ")
    assert finding.settle.endswith(" at most on dc1-n0000, dc1-n0001, dc1-n0002")
    assert finding.numbers["device_seconds_needed"] == 0
    assert f"{energy:,}".split(",")[0][:2] in finding.settle.replace(".", "")
    metered = Lab(ACME, Site(Plan("settle", 3, START, END, (TRAINING,))))
    metered.run()
    finding = wide(of(metered, cap(10**21, "L4")))
    assert finding.settle.startswith("no evidence is missing: meters leave ")


def test_a_run_cap_is_settled_by_what_is_dark() -> None:
    run = Job("run", TRAINING.label, TRAINING.precision, (2,), START, END, lineage=7)
    found = {}
    for hour in (0, 12, 24):
        made = Lab(ACME, Site(Plan("settle", 3, START, END, (run,))), window_s=HOUR, meter=None)
        made.run(mute=lambda sub, start, end, hour=hour: sub.endswith(("n0000", "n0001")) and end > START + hour * HOUR)
        found[hour] = made
    high = of(found[24], {"kind": "run-cap", "limit": "1e30 FLOP", "assurance": "L1"}).high
    assert high is not None
    term: Table = {"kind": "run-cap", "limit": f"{high + 96 * HOUR * PEAK} FLOP", "assurance": "L1"}
    finding = wide(of(found[0], term))
    needed = finding.numbers["device_seconds_needed"]
    assert 192 * HOUR < needed <= 384 * HOUR
    assert of(found[24], term).outcome is Outcome.HOLDS
    assert of(found[12], term).outcome is Outcome.UNPROVEN


@pytest.mark.parametrize(("assurance", "what"), [("L1", "records"), ("L4", "a power-off by independent meters (L4)")])
def test_a_scale_cap_counts_device_hours_of_those_that_are_too_many(assurance: str, what: str) -> None:
    """24 accelerators, of which 16 are dark for 12 hours; 8 may be one run."""
    made = told((12, 12, 24), "independent", ())
    finding = wide(of(made, {"kind": "scale-cap", "devices": 8, "assurance": assurance}))
    assert finding.settle.startswith(what)
    if assurance == "L1":
        assert finding.numbers["device_seconds_needed"] == 12 * 8 * HOUR
        assert finding.numbers["device_seconds_missing"] == 12 * 16 * HOUR
        scale: Table = {"kind": "scale-cap", "devices": 8, "assurance": "L1"}
        assert of(told((24, 12, 24), "independent", ()), scale).outcome is Outcome.HOLDS
        assert of(told((18, 12, 24), "independent", ()), scale).outcome is Outcome.UNPROVEN
    else:
        assert finding.numbers["device_seconds_needed"] == 24 * 16 * HOUR


def test_a_power_cap_says_how_good_a_meter_must_be() -> None:
    made = Lab(ACME, Site(Plan("settle", 3, START, END, (TRAINING,))))
    made.run()

    def term(limit: int) -> Table:
        return {"kind": "power-cap", "limit": f"{limit} mW", "assurance": "L4"}

    high = of(made, term(10**9)).high
    assert high is not None
    assert wide(of(made, term(high - high // 200))).settle.endswith(" at most, and not by 1 %")
    assert wide(of(made, term(high - high // 200))).settle.startswith("meters that err by 0.")
    assert wide(of(made, term(high * 98 // 100))).settle.startswith("no better meter: they read 1.")


def test_a_power_cap_names_the_feeds_without_readings() -> None:
    made = gaps((1, 3, 5))
    found = of(made, {"kind": "power-cap", "limit": "1 MW", "assurance": "L4"})
    assert [f.settle for f in found.findings if f.code == "meter/none"] == ["a meter of L4 on dc1"]
    found = of(
        made, {"kind": "power-cap", "limit": "1 MW", "feed": "dc1-n0001", "sites": ["acme-dc1"], "assurance": "L4"}
    )
    assert [f.settle for f in found.findings] == ["readings of dc1-n0001 for these 7,260 s"]


def test_coverage_asks_for_no_more_than_its_share_needs() -> None:
    """576 device-hours, of which 96 and 16 lack records; 99 % need 107 more of them, the largest hole first."""
    found = of(told((12, 22, 24)), COVERAGE)
    assert [(f.source, f.settle) for f in found.findings] == [
        (ACME.host(0), "records or a metered power-off for 96 of these 96 device-hours"),
        (ACME.host(1), "records or a metered power-off for 11 of these 16 device-hours"),
    ]
    assert of(told((24, 22, 24)), {"kind": "coverage", "share": "97 %"}).outcome is Outcome.HOLDS
    found = of(told((12, 22, 24)), {"kind": "coverage", "share": "97 %"})
    assert [f.settle for f in found.findings] == ["records or a metered power-off for 95 of these 96 device-hours", ""]


def test_an_inventory_that_is_short_is_told_by_how_much() -> None:
    found = of(told((24, 24, 24)), {"kind": "inventory", "minimum": 40})
    assert [(f.code, f.settle) for f in found.findings] == [("inventory/short", "an inventory of 16 accelerators more")]


def test_what_was_not_witnessed_asks_for_cosignatures() -> None:
    made = told((24, 24, 24))
    term: Table = {"kind": "freshness", "max_age": "1 d"}
    found = judge(made.bundle(made.checkpoint()), under(term)).parties[0].terms[0]
    assert [f.code for f in found.findings] == ["head/unwitnessed"]
    assert found.findings[0].settle == f"cosignatures of enough on the head of size {made.size:,}"
