"""What a liar, or a rival with an honest lab's log, makes of terms: they hold for no liar and accuse nobody."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import pytest

from attest.bundle import Bundle
from attest.format.block import commit, format_meter
from attest.format.bodies import Channel, MeterBody
from attest.format.note import format_vkey
from attest.format.roster import Feed, Host, Roster
from attest.format.vocabulary import Quantity, Role, State
from attest.sign.signer import Signer
from attest.simulate.cast import Identity
from attest.simulate.lab import Lab, Mute
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import Event, Plan, Site, Trace, Trouble
from attest.simulate.source import Draft
from attest.simulate.telemetry import Observed, observe
from attest.terms.gap import _runs
from attest.trust.keys import format_key
from attest.verdict import Outcome, TermResult
from tests.check.world import ACME, DAY, END, HOUR, START, TRAINING, judge, lab, site, under

NOON = START + DAY // 2
LAST = START + 4 * DAY
LATE = START + 20 * DAY
TIMELY: Table = {"kind": "timeliness", "share": "60 %"}
METERED: Table = {"kind": "assurance", "level": "L4", "share": "60 %"}


def of(bundles: Bundle | list[MemoryBundle], pact: Pact, at: int = LATE) -> TermResult:
    return judge(bundles, pact, at=at).parties[0].terms[0]


def of_host(node: int) -> Mute:
    return lambda sub, start, end: f"n{node:04d}" in sub


class Changing(Lab):
    """A lab whose roster can be changed: `change` makes the one in force from now on of the true one."""

    change: Callable[[Roster], Roster] = staticmethod(lambda roster: roster)

    def roster(self) -> Roster:
        return self.change(super().roster())

    def turn(self, change: Callable[[Roster], Roster], start: int) -> None:
        """Another roster from `start` on."""
        self.change = change
        self.inventory(self.roster(), start)
        self.witness()
        self.head()


# -- shares: of a part of what a term is about they say nothing


class Second(Identity):
    """Another site of the party, under the same root holders."""

    def holder_keys(self) -> tuple[Signer, ...]:
        return Identity(self.name).holder_keys()


DC2 = Second("acme", site_name="dc2")


@dataclass(frozen=True)
class TwoSites(Pact):
    """An agreement with Acme about both."""

    def text(self) -> bytes:
        text = super().text().decode().replace("[[party.meter]]", '[[party.meter]]\nsite = "acme-dc1"')
        keys = ", ".join(f'"{format_vkey(v)}"' for v in DC2.log_vkeys())
        key = format_key(DC2.key("meter").public_key())
        more = f'[[party.site]]\nname = "acme-dc2"\norigin = "{DC2.origin}"\nlog_keys = [{keys}]\n'
        more += f'[[party.meter]]\nsub = "{DC2.meter}"\niss = "{DC2.meter_iss}"\nsite = "acme-dc2"\nkey = "{key}"\n'
        more += 'error = "1 %"\nclock = "1 s"\nintegrates = true\n'
        at = text.index("[[phase]]")
        return (text[:at] + more + text[at:]).encode()


def both(term: Table) -> TwoSites:
    return TwoSites((ACME,), (Phase("pause", START, END, (term,)),))


def large_site() -> MemoryBundle:
    made = Lab(DC2, Site(Plan("large", 6, START, LAST)))
    made.run()
    return made.bundle(name="dc2")


def test_one_of_two_sites_is_no_share_of_both_of_what_is_metered() -> None:
    """The small site has no meters, and the large one all of them; a rival hands in the log of the small one."""
    small = lab(end=LAST, meter=None)
    small.run()
    assert of([small.bundle(), large_site()], both(METERED)).outcome is Outcome.HOLDS
    found = of([small.bundle()], both(METERED))
    assert (found.outcome, [f.code for f in found.findings]) == (
        Outcome.UNPROVEN,
        ["site/no-bundle", "assurance/short"],
    )


def test_one_of_two_sites_is_no_share_of_both_of_what_is_covered() -> None:
    small = lab(events=(Event(Trouble.LOST, 0, START + HOUR, START + 5 * HOUR),), end=LAST)
    small.run()
    term: Table = {"kind": "coverage", "share": "92 %"}
    assert of([small.bundle(), large_site()], both(term)).outcome is Outcome.HOLDS
    assert of([small.bundle()], both(term)).outcome is Outcome.UNPROVEN


def test_one_of_two_sites_is_no_share_of_both_of_what_is_timely() -> None:
    small = lab(end=LAST, window_s=HOUR)
    small.run(until=START + 3 * DAY, mute=of_host(0))
    small.host(0).append(small.usage(0, END))
    small.run()
    term: Table = {"kind": "timeliness", "share": "80 %"}
    assert of([small.bundle(), large_site()], both(term)).outcome is Outcome.HOLDS
    assert of([small.bundle()], both(term)).outcome is Outcome.UNPROVEN


def test_no_site_is_short_of_less_than_nothing() -> None:
    made = lab(end=LAST)
    made.run()
    assert [f.code for f in of([made.bundle()], both(METERED)).findings] == ["site/no-bundle"]


def test_a_roster_that_a_copy_does_not_show_makes_no_hole_larger() -> None:
    """Four hours of a phase of three days, and a copy without the inventory of the last two of them."""
    made = Changing(ACME, site(events=(Event(Trouble.LOST, 0, START + HOUR, START + 5 * HOUR),), end=LAST))
    made.run(until=END)
    made.turn(lambda roster: Roster(roster.feeds, roster.hosts[::-1]), END)
    made.run()
    term: Table = {"kind": "coverage", "share": "95 %"}
    pact = under(term, end=START + 3 * DAY)
    bundle = without(made, made.roster_body)
    assert of(made.bundle(), pact).outcome is Outcome.HOLDS
    assert of(bundle, pact).outcome is Outcome.UNPROVEN


def without(made: Lab, *blocks: bytes) -> MemoryBundle:
    """A copy of a lab's log without some blocks."""
    bundle = made.bundle()
    for path in [path for path in bundle.files if path.startswith("blocks/")]:
        del bundle.files[path]
    for entry in made.entries:
        if entry.block is not None and entry.block not in blocks:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return bundle


# -- timeliness


def late_words(made: Lab, first: int) -> list[int]:
    """What a thief with the key of the first host says days later, of the whole phase, again and again."""
    host = made.host(0)
    drafts = [made.usage(0, LAST).but(start=START, end=END, seq=host.seq + first + n) for n in range(8)]
    return [made.append(host.sign(draft), draft.block) for draft in drafts]


def test_what_a_revoked_key_says_late_is_no_missed_duty() -> None:
    made = lab(end=LAST)
    made.run(until=START + 3 * DAY)
    made.revoke(made.host(0).signer, made.size - 1)
    late_words(made, 0)
    made.run(mute=of_host(0))
    assert of(made.bundle(), under(TIMELY)).outcome is Outcome.UNPROVEN


def test_what_root_holders_take_back_is_no_missed_duty() -> None:
    made = lab(end=LAST)
    made.run(until=START + 3 * DAY)
    made.void(late_words(made, 7))
    made.run()
    verdict = judge(made.bundle(), under(TIMELY), at=LATE)
    assert verdict.parties[0].outcome is Outcome.UNPROVEN


def test_an_old_copy_makes_what_was_late_no_larger_a_share() -> None:
    """Twelve hours of one source, three days late, in a phase of ten days."""
    end = START + 10 * DAY
    made = Lab(ACME, site(end=START + 12 * DAY), meter=None)
    made.run(until=START + 3 * DAY, mute=of_host(0))
    for until in (NOON, START + 3 * DAY):
        made.host(0).append(made.usage(0, until))
    made.witness()
    made.head()
    old = made.bundle()
    made.run()
    pact = replace(under({**TIMELY, "share": "97 %"}, end=end), meter=None)
    assert of(made.bundle(), pact).outcome is Outcome.HOLDS
    assert of(old, pact).outcome is Outcome.UNPROVEN


# -- assurance


def test_what_is_metered_is_no_hole_at_l1() -> None:
    """Four hours that the host has no record of: the meters stand over them all the same."""
    made = lab(events=(Event(Trouble.LOST, 0, START + HOUR, START + 5 * HOUR),), end=LAST)
    made.run()
    found = of(made.bundle(), under({**METERED, "level": "L1", "share": "100 %"}))
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 1_000_000, 1_000_000)


def test_a_feed_that_is_moved_from_one_meter_to_another_has_one() -> None:
    def hung(on: int) -> Callable[[Roster], Roster]:
        def change(roster: Roster) -> Roster:
            top, *nodes = roster.feeds
            feeds = (top, Feed("second", None, top.meter), *(Feed(feed.name, on, None) for feed in nodes))
            moved = (Host(h.sub, tuple(d._replace(feed=d.feed + 1) for d in h.devices)) for h in roster.hosts)
            return Roster(feeds, tuple(moved))

        return change

    class Hung(Changing):
        change = staticmethod(hung(0))

    made = Hung(ACME, site(end=LAST))
    made.run(until=NOON, mute=lambda sub, start, end: "meters.example" in sub)
    made.turn(hung(1), NOON)
    made.run(mute=lambda sub, start, end: "meters.example" in sub)
    found = of(made.bundle(), under(METERED))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["assurance/short"])


def test_an_old_copy_without_meters_frames_nobody() -> None:
    """In the first hours the inventory named no meters. The copy of then is cosigned again much later."""

    def bare(roster: Roster) -> Roster:
        return Roster(tuple(feed._replace(meter=None) for feed in roster.feeds), roster.hosts)

    class Bare(Changing):
        change = staticmethod(bare)

    made = Bare(ACME, site(end=LAST))
    made.run(until=START + 6 * HOUR, mute=lambda sub, start, end: "meters.example" in sub)
    old = made.copy()
    old.delay_s = 12 * DAY
    note = old.witness()
    made.turn(lambda roster: roster, START + 6 * HOUR)
    assert made.meter is not None
    made.meter.until = START + 6 * HOUR
    made.run()
    pact = under(METERED, end=START + 3 * DAY)
    assert of(made.bundle(), pact).outcome is Outcome.HOLDS
    assert of(old.bundle(note), pact).outcome is Outcome.UNPROVEN


# -- gap, and holes that a meter may fill


class Blind(Site):
    """A site of whose first node the agent saw nothing while it was off."""

    def _trace(self, node: int) -> Trace:
        trace = super()._trace(node)
        return replace(trace, state=np.where(trace.state == State.OFF, State.MISSING, trace.state))


def off_for_two_days() -> Lab:
    made = lab((), (Event(Trouble.DOWN, 0, START, START + 2 * DAY),), end=LAST)
    made.tales[0] = Blind(made.site.plan)
    return made


DARK: tuple[Table, ...] = (
    {"kind": "gap", "longest": "2 h"},
    {"kind": "coverage", "share": "90 %"},
    {"kind": "assurance", "level": "L1", "share": "90 %"},
)


@pytest.mark.parametrize("term", DARK, ids=lambda term: term["kind"])
def test_a_copy_without_the_meters_blocks_frames_nobody(term: Table) -> None:
    """The meter shows that the first node was off; of its own agent's word there is nothing but a hole."""
    made = off_for_two_days()
    made.run()
    assert of(made.bundle(), under(term)).outcome is Outcome.HOLDS
    readings = [entry.block for entry in made.entries if entry.block is not None and b"meters.example" in entry.data]
    assert of(without(made, *readings), under(term)).outcome is Outcome.UNPROVEN
    one = of(without(made, readings[1]), under(term))  # and its neighbours lack what they need of it
    assert one.outcome is Outcome.UNPROVEN


@pytest.mark.parametrize("term", DARK, ids=lambda term: term["kind"])
def test_a_meter_that_stops_frames_nobody(term: Table) -> None:
    made = off_for_two_days()
    made.run(until=START + 6 * HOUR)
    made.run(mute=lambda sub, start, end: "meters.example" in sub)
    assert of(made.bundle(), under(term)).outcome is Outcome.UNPROVEN


@pytest.mark.parametrize("term", DARK[:2], ids=lambda term: term["kind"])
def test_a_hole_that_meters_show_to_be_none_is_one_still(term: Table) -> None:
    made = lab((TRAINING,), (Event(Trouble.LOST, 0, START + HOUR, START + 12 * HOUR),), end=LAST)
    made.run()
    assert of(made.bundle(), under(term)).outcome is Outcome.BREACHED


def test_a_feed_with_another_name_each_hour_ends_no_gap() -> None:
    """Two hosts train all day and are silent; every hour the inventory calls their feeds something else."""

    def called(hour: int) -> Callable[[Roster], Roster]:
        def change(roster: Roster) -> Roster:
            return Roster(tuple(f._replace(name=f"{f.name}-{hour}") for f in roster.feeds), roster.hosts)

        return change

    made = Changing(ACME, site((TRAINING,)), meter=None)
    for hour in range(1, 24):
        made.run(until=START + hour * HOUR, mute=lambda sub, start, end: True)
        made.turn(called(hour), START + hour * HOUR)
    made.run(mute=lambda sub, start, end: True)
    pact = replace(under({"kind": "gap", "longest": "1 h", "outage": "1 h"}), meter=None)
    found = of(made.bundle(), pact, END + HOUR)
    assert (found.outcome, found.high) == (Outcome.UNPROVEN, DAY)


def test_an_accelerator_takes_its_gap_to_another_host() -> None:
    """The hosts, both silent, change their accelerators at noon."""

    def crossed(roster: Roster) -> Roster:
        one, other = roster.hosts
        return Roster(roster.feeds, (Host(one.sub, other.devices), Host(other.sub, one.devices)))

    made = Changing(ACME, site((TRAINING,)), meter=None)
    made.run(until=NOON, mute=lambda sub, start, end: True)
    made.turn(crossed, NOON)
    made.run(mute=lambda sub, start, end: True)
    assert of(made.bundle(), replace(under({"kind": "gap", "longest": "12 h"}), meter=None)).high == DAY


def renewed(roster: Roster) -> Roster:
    hosts = (Host(h.sub, tuple(d._replace(uid=f"{d.uid}-new") for d in h.devices)) for h in roster.hosts)
    return Roster(roster.feeds, tuple(hosts))


def test_two_accelerators_in_one_place_have_two_gaps() -> None:
    """Dark for two hours; then others are in their place, and dark for two hours."""
    made = Changing(ACME, site(events=(Event(Trouble.LOST, 0, NOON - 2 * HOUR, NOON + 2 * HOUR),), end=LAST))
    made.run(until=NOON)
    made.turn(renewed, NOON)
    made.run()
    found = of(made.bundle(), under({"kind": "gap", "longest": "3 h", "outage": "3 h"}))
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 2 * HOUR, 4 * HOUR)
    assert of(made.bundle(), under({"kind": "gap", "longest": "1 h"})).outcome is Outcome.BREACHED


def test_who_is_declared_for_five_minutes_is_dark_for_no_hour() -> None:
    """A host comes at five to twelve, dark until noon: its gap is of five minutes, in buckets of an hour."""
    begin = NOON - 300

    class One(Changing):
        change = staticmethod(lambda roster: Roster(roster.feeds, roster.hosts[1:]))

    made = One(ACME, site(events=(Event(Trouble.LOST, 0, begin, NOON),), end=LAST))
    made.run(until=begin - begin % HOUR, mute=of_host(0))
    assert made.meter is not None
    made.host(1).append(made.usage(1, begin))
    made.meter.append(made.metering(begin))
    made.host(0).until = made.now = begin
    made.turn(lambda roster: roster, begin)
    made.head_s = 300
    made.run(until=NOON)
    made.head_s = HOUR
    made.run()
    verdict = judge(made.bundle(), under({"kind": "gap", "longest": "10 min"}), at=LATE)
    found = verdict.parties[0].terms[0]
    assert (verdict.outcome, found.outcome, found.low) == (Outcome.UNPROVEN, Outcome.UNPROVEN, 0)


def test_runs_of_a_million_buckets_take_no_minutes() -> None:
    """As many as the phases of an agreement have; every one alike would be gone through one by one else."""
    values = np.tile(np.array([[3, 0, 2, 2]]), (4, 1 << 18))
    assert _runs(values).tolist() == [7] * 4
    assert _runs(np.zeros((2, 0), np.int64)).tolist() == [0, 0]


# -- idle


def idle(power: str, assurance: str = "L4") -> Table:
    return {"kind": "idle", "power": power, "assurance": assurance}


def test_a_meter_over_two_hosts_does_not_share_one_hosts_work_with_the_other() -> None:
    """The first host trains at 598 W each and says that it rests, the second is off, and the site's meter is the only
    one: 432 W each if they shared."""

    class OneMeter(Changing):
        change = staticmethod(
            lambda roster: Roster(
                (roster.feeds[0], *(f._replace(meter=None) for f in roster.feeds[1:])),
                roster.hosts,
            )
        )

        @property
        def feeds(self) -> dict[int, str]:
            return {-1: self.identity.site_name}

    truth = site((TRAINING._replace(nodes=(0,), start=START, end=END),), (Event(Trouble.DOWN, 1, START, END),))
    made = OneMeter(ACME, truth)
    made.tales = {0: site(()), 1: site(())}
    made.run()
    assert truth.trace(0).power_mw.mean() > 590_000
    assert of(made.bundle(), under(idle("500 W"))).outcome is Outcome.UNPROVEN
    assert of(made.bundle(), under(idle("1 kW"))).outcome is Outcome.HOLDS


def test_a_counter_that_lags_makes_nobody_busy() -> None:
    """What was drawn within the last 100 ms before a bucket may be counted in it: 70 J of each accelerator."""
    made = lab(())
    made.run()
    pact = replace(under(idle("1 mW", "L1")), bucket="1 min")
    found = of(made.bundle(), pact)
    energy = max(int(site(()).trace(node).power_mw.sum(axis=0).max()) * 60 for node in (0, 1))
    assert found.low == (energy * 95 // 100 - 8 * 70_000) // (8 * 60)


# -- what holds still: each fails now, and is to be decided


def test_meters_that_nobody_needs_do_not_make_a_lab_timely() -> None:
    """The first of two hosts tells of the whole day three days late, and sixty meters of the lab's own in time."""
    subs = [f"{ACME.iss}/dc1/pad{number}" for number in range(60)]

    class Padded(Changing):
        change = staticmethod(
            lambda roster: Roster(
                (*roster.feeds, *(Feed(f"pad{number}", 0, sub) for number, sub in enumerate(subs))), roster.hosts
            )
        )

    made = Padded(ACME, site(end=LAST))
    pads = [made.enrol(sub, Role.METER, ACME.key(sub)) for sub in subs]
    made.run(until=END, mute=of_host(0))
    for number, source in enumerate(pads):
        block = format_meter(bytes(32), made.binding(source), Quantity.REGISTER, [(np.zeros(2), np.array([0, 60_000]))])
        channel = Channel(f"pad{number}", 2, 0)
        source.append(source.draft(MeterBody(Quantity.REGISTER, 60_000, 0, 1, (channel,), commit(block)), END, block))
    made.witness()
    made.head()
    made.run(until=START + 3 * DAY, mute=of_host(0))
    made.host(0).append(made.usage(0, END))
    made.run()
    assert of(made.bundle(), under({**TIMELY, "share": "98 %"})).outcome is not Outcome.HOLDS


@pytest.mark.parametrize(
    "term",
    [
        {"kind": "run-cap", "limit": "1 FLOP", "assurance": "L1"},
        {"kind": "scale-cap", "devices": 0, "assurance": "L1"},
    ],
    ids=lambda term: term["kind"],
)
def test_work_of_no_run_is_work(term: Table) -> None:
    """Both hosts train for 18 hours by their own counters, and name no run."""

    class Unnamed(Lab):
        def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
            start = self.host(node).until
            seen, told = (observe(of_what, node, start, until) for of_what in (self.site, site(())))
            return super().usage(node, until, replace(seen, runs=told.runs, spans=told.spans))

    made = Unnamed(ACME, site((TRAINING,)))
    made.run()
    assert of(made.bundle(), under({**term})).outcome is not Outcome.HOLDS
