"""Hours without a meter, blocks stripped from a copy, witnesses who were away, gaps of minutes, feeds that move."""

from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from attest.compute.record import Record
from attest.facts import MAX_FAULTS
from attest.format.block import commit, format_meter
from attest.format.bodies import Channel, CloseBody, MeterBody
from attest.format.roster import Device, Feed, Host, Roster
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Quantity
from attest.simulate.lab import Lab
from attest.simulate.pact import METER, Phase
from attest.simulate.site import Event, Trouble
from attest.simulate.telemetry import Instrument
from attest.terms.power_cap import certain_of
from attest.verdict import Outcome, Verdict
from tests.attacks.vectors import EVENING, NOON, ran
from tests.check.world import (
    ACME,
    CAP,
    COVERAGE,
    DAY,
    END,
    HOUR,
    START,
    TRAINING,
    codes,
    honest,
    judge,
    lab,
    site,
    under,
)

DAYS = 3
LAST = START + DAYS * DAY
POWER = {"kind": "power-cap", "limit": "1 GW", "assurance": "L4"}


def unnamed(hours: Collection[int]) -> Lab:
    """A register meter with steps of seven minutes, which no roster names in some hours."""
    made = lab(jobs=(), end=LAST, instrument=Instrument(Quantity.REGISTER, 420))
    named = made.roster()
    bare = Roster(tuple(feed._replace(meter=None) for feed in named.feeds), named.hosts)
    for hour in range(1, 24 * DAYS + 1):
        made.now = START + hour * HOUR
        if hour in hours or hour - 1 in hours or hour % 6 == 0:
            for node in (0, 1):
                made.host(node).append(made.usage(node, made.now))
        if hour in hours:
            made.inventory(bare, made.now)
        if hour - 1 in hours:
            made.inventory(named, made.now)
        if hour % 2 == 0 and made.meter is not None:
            made.meter.append(made.metering(made.now))
        made.witness()
        made.head()
    return made


def high(made: Lab) -> int:
    verdict = judge(made.bundle(), under(CAP, end=LAST), at=LAST + DAY)
    found = verdict.parties[0].terms[0].high
    assert found is not None
    return found


def test_a_meter_that_is_unnamed_for_hours_bounds_no_tighter() -> None:
    """A step over the edge of such an hour counts whole on both of its sides, never less than nothing."""
    assert high(unnamed((1, 3, 5, 7, 9, 11))) >= high(unnamed(()))


@pytest.mark.parametrize("hour", range(2, 6))
def test_whichever_hour_it_is_there_is_a_verdict(hour: int) -> None:
    assert high(unnamed((hour, hour + 2))) > 0


def stripped(made: Lab) -> Verdict:
    """The verdict on a copy without any block but the roster."""
    bundle = made.bundle()
    for path in [path for path in bundle.files if path.startswith("blocks/")]:
        del bundle.files[path]
    for entry in made.entries:
        if entry.block is not None and peek(entry.data).kind == Kind.INVENTORY:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return judge(bundle, under(COVERAGE, end=LAST), at=LAST + DAY)


def test_who_strips_the_blocks_makes_no_breach() -> None:
    made = lab(end=LAST)
    made.run()
    verdict = stripped(made)
    assert verdict.outcome is Outcome.UNPROVEN
    assert {"block/absent", "coverage/gap"} <= codes(verdict)


@pytest.mark.parametrize("down", [False, True], ids=["idle", "off"])
def test_late_witnesses_make_no_breach(down: bool) -> None:
    """What statements account for, sampled or off, and was witnessed too late, is nobody's silence."""
    events = tuple(Event(Trouble.DOWN, node, START, END) for node in (0, 1)) if down else ()
    made = lab(jobs=(), events=events, end=LAST)
    made.delay_s = 13 * HOUR
    made.run(until=END)
    made.delay_s = 60
    made.run()
    verdict = judge(made.bundle(), under(COVERAGE, end=END), at=LAST + DAY)
    assert verdict.outcome is Outcome.UNPROVEN
    assert "term/coverage" not in codes(verdict)


def test_a_meter_of_feeds_that_hang_on_each_other_counts_no_energy_twice() -> None:
    """The site's feed and its nodes' are all the independent meter's: what it measured is what the site's feed took."""
    made = honest((TRAINING,))
    by_meter, by_feed = (
        judge(made.bundle(), under(POWER | which)).parties[0].terms[0]
        for which in ({"meter": ACME.meter}, {"feed": "dc1"})
    )
    assert (by_meter.low, by_meter.high) == (by_feed.low, by_feed.high)


def test_a_gap_is_charged_with_the_most_devices_of_any_moment() -> None:
    """100 devices all day, 900 more for the six minutes of the meter's gap: 1,000 x 360 s x 2.141e15 FLOP/s."""
    made, noon, minutes = lab(), START + 12 * HOUR, 360
    meter, hosts = made.meter, made.hosts
    assert meter is not None
    few, many = (
        Roster(
            (Feed("f", None, meter.sub),),
            tuple(
                Host(host.sub, tuple(Device(f"{host.sub}-{n}", "NVIDIA H100 80GB HBM3", 0) for n in range(count)))
                for host, count in zip(hosts, counts, strict=False)
            ),
        )
        for counts in ((100,), (100, 900))
    )
    made.inventory(few, START)
    for hours, seconds in ((6, 0), (12, 0), (12, minutes), (18, 0), (24, 0)):
        made.now = START + hours * HOUR + seconds
        if made.now == noon:
            made.inventory(many, noon)
        elif made.now == noon + minutes:
            made.inventory(few, made.now)
        if not seconds:
            offsets = np.arange(0, made.now - meter.until + 1, 60)
            at = meter.until + offsets
            offsets = offsets[(at <= noon) | (at >= noon + minutes)]
            readings = [(np.zeros(len(offsets), np.int64), offsets * 1_000)]
            block = format_meter(bytes(32), made.binding(meter), Quantity.REGISTER, readings)
            body = MeterBody(Quantity.REGISTER, 60_000, 0, 1, (Channel("f", len(offsets), 0),), commit(block))
            meter.append(meter.draft(body, made.now, block))
        made.witness()
        made.head()
    found = judge(made.bundle(), under(CAP)).parties[0].terms[0].high
    assert found is not None and found >= 1_000 * minutes * 2_141 * 10**12


class Moving(Lab):
    """A site whose nodes hang on a feed between them and the site's, once they have been moved."""

    moved = False

    def roster(self) -> Roster:
        top, *nodes = super().roster().feeds
        feeds = (top, Feed("between", 0, None), *(node._replace(parent=int(self.moved)) for node in nodes))
        hosts = super().roster().hosts
        moved = (tuple(d._replace(feed=d.feed + 1) for d in host.devices) for host in hosts)
        return Roster(feeds, tuple(Host(host.sub, devices) for host, devices in zip(hosts, moved, strict=True)))


@pytest.mark.parametrize("cap", [{}, {"meter": ACME.meter}], ids=["from outside", "by meter"])
def test_a_feed_that_is_moved_is_not_counted_beside_the_one_above_it(cap: dict[str, str]) -> None:
    made = Moving(ACME, site())
    made.run(until=START + 12 * HOUR)
    made.moved = True
    made.inventory(made.roster(), made.now)
    made.run()
    verdict = judge(made.bundle(), under({"kind": "power-cap", "limit": "10 kW", "assurance": "L4", **cap}))
    assert verdict.outcome is Outcome.HOLDS


def test_a_year_of_a_gigawatt_is_summed_exactly() -> None:
    """10^12 mW x 3,600 s in each of 8,766 hours: 3.16e19 mJ, which 64 bits do not hold."""
    year = Record.of([[36 * 10**14] * 8_766], [[3_600_000] * 8_766])
    assert year.most(0, np.array([[0, 8_766]])) == year.fewest(0, np.array([[0, 8_766]])) == 8_766 * 36 * 10**14


def capped(limit_mw: int, clock: str | None, hours: int = 24) -> Verdict:
    """A power-cap in the middle hours of what an idle site draws in a day, by a meter with this clock."""
    meter = {key: value for key, value in METER.items() if key != "clock"} | ({"clock": clock} if clock else {})
    term = {"kind": "power-cap", "limit": f"{limit_mw} mW", "assurance": "L4"}
    before = (24 - hours) // 2 * HOUR
    phase = Phase("pause", START + before, END - before, (term,))
    return judge(honest(()).bundle(), replace(under(term), meter=meter, phases=(phase,)))


def test_energy_that_a_clock_may_have_moved_accuses_nobody() -> None:
    """22 buckets that draw the same, a clock wrong by up to one: what 20 of them metered was used in 22, so the mean
    of some bucket is at least 20/22 of what was metered. A limit well below that is broken whatever the clock says,
    and none is kept for certain below what half an hour before and half an hour after a bucket can add to it."""
    (found,) = capped(1, "30 min", 22).parties[0].terms
    (exact,) = capped(1, "1 s", 22).parties[0].terms
    assert found.outcome is exact.outcome is Outcome.BREACHED
    assert exact.high is not None and exact.high * 18 // 22 < found.low <= exact.high * 20 // 22
    assert found.high is not None and exact.high * 19 // 10 < found.high < exact.high * 21 // 10
    assert capped(exact.high, "1 s", 22).outcome is Outcome.HOLDS
    assert capped(exact.high, "30 min", 22).outcome is Outcome.UNPROVEN
    assert capped(found.low - 1, "30 min", 22).outcome is Outcome.BREACHED
    assert capped(found.high, "30 min", 22).outcome is Outcome.HOLDS


def test_what_a_meter_read_beside_a_phase_is_asked_for_unless_its_clock_is_good() -> None:
    """The log has nothing before the phase and nothing after it: a minute of an hour is let pass, half an hour not."""
    high = 10**9
    assert capped(high, "1 min").outcome is Outcome.HOLDS
    verdict = capped(high, "61 s")
    assert verdict.outcome is Outcome.UNPROVEN and codes(verdict) == {"meter/clock"}
    assert capped(high, "61 s", 22).outcome is Outcome.HOLDS


@pytest.mark.parametrize("limit_mw", [1, 10**9])
@pytest.mark.parametrize("clock", ["1 h", None])
def test_a_clock_that_is_wrong_by_a_bucket_or_not_known_holds_no_power_cap(clock: str | None, limit_mw: int) -> None:
    verdict = capped(limit_mw, clock)
    assert "meter/clock" in codes(verdict)
    breached = clock is not None and limit_mw == 1  # energy of an unknown time may be of another phase
    assert verdict.outcome is (Outcome.BREACHED if breached else Outcome.UNPROVEN)


def test_some_window_has_its_share_of_what_was_metered_around_it() -> None:
    """60 kWh in 4 h by a clock good to 1 h: at least 10 in one of 6 hours, at least 30 in one of two windows of 3 h;
    nothing is certain of what stands in the first and the last bucket."""
    hours = np.array([0, 15, 15, 15, 15, 0])

    def energy(length: int) -> np.ndarray:
        return np.convolve(hours, np.ones(length, int), "valid")

    assert certain_of(energy, 6, 1, 0) == 15
    assert certain_of(energy, 6, 1, 1) == 10
    assert certain_of(energy, 6, 3, 1) == 30
    assert certain_of(energy, 6, 6, 1) == 60
    assert certain_of(lambda k: energy(k)[1:-1], 4, 4, 1) == 30
    assert certain_of(energy, 6, 6, 3) == 0


def test_energy_over_a_phase_has_every_step_once() -> None:
    """Means of 22 1/2 minutes lie over the edges of hours. Over the phase the most has each once, and the least all but
    those of the first and the last hour, which a clock may move, and those over the edges of these."""
    made = lab(jobs=(), instrument=Instrument(Quantity.MEAN_POWER, 1_350))
    made.run()
    true = int(site(()).site_mw.sum()) * 60
    cap = {"kind": "power-cap", "limit": "1 GWh", "assurance": "L4", "feed": "dc1"}
    (found,) = judge(made.bundle(), replace(under(cap), meter={**METER, "error": "0.3 %"})).parties[0].terms
    assert found.low is not None and found.high is not None
    assert true * 90 // 100 < found.low <= true <= found.high < true * 1_015 // 1_000


def test_what_was_voided_may_be_told_again() -> None:
    """A statement that names another one before it is voided and told anew: that is no copy of what counts."""
    made = ran(jobs=())
    told = made.usage(0, EVENING)
    made.void([made.append(made.host(0).sign(told.but(prev=bytes(32))), told.block)])
    made.run()
    verdict = judge(made.bundle(), under(COVERAGE))
    assert verdict.outcome is Outcome.HOLDS
    assert "usage/repeated" not in codes(verdict)


@pytest.mark.parametrize("count", [MAX_FAULTS - 1, MAX_FAULTS, MAX_FAULTS + 1])
def test_no_number_of_faults_hides_whose_another_one_is(count: int) -> None:
    """After junk enough to fill the list a host tells one window twice: its silence is charged all the same."""
    made = ran(until=NOON, jobs=())
    for number in range(count):
        made.append(b"junk %d" % number)
    made.witness()
    made.head()
    host = made.host(0)
    until = host.until
    for _ in (0, 1):
        host.until = until
        host.append(made.usage(0, EVENING))
    made.run()
    verdict = judge(made.bundle(), under(COVERAGE))
    assert verdict.outcome is Outcome.INVALID
    coverage = verdict.parties[0].terms[0]
    assert coverage.outcome is not Outcome.HOLDS and (coverage.high or 0) <= 500_000


def test_statements_of_a_later_version_accuse_nobody_however_many() -> None:
    made = ran(until=EVENING)
    entry = bytearray(made.host(0).sign(made.host(0).draft(CloseBody(), made.host(0).until)))
    entry[entry.index(bytes((0xA9, 0, 1, 1))) + 2] = 2
    for _ in range(MAX_FAULTS + 1):
        made.append(bytes(entry))
    made.run()
    verdict = judge(made.bundle())
    assert verdict.outcome is Outcome.UNPROVEN
    assert {"unsupported/version", "log/more-faults"} <= codes(verdict)


def test_a_feed_that_no_roster_names_any_more_may_still_feed_something() -> None:
    """The independent meter's second node is no longer declared when the phase begins: the cap on the meter is open."""
    made = lab(end=LAST)
    made.run(until=END)
    roster = made.roster()
    made.inventory(Roster(roster.feeds[:2], roster.hosts[:1]), END)
    made.run(mute=lambda sub, start, end: sub == made.host(1).sub)
    pact = replace(under(end=LAST), phases=(Phase("later", END, LAST, ({**POWER, "meter": ACME.meter},)),))
    verdict = judge(made.bundle(), pact, at=LAST + DAY)
    assert verdict.parties[0].terms[0].outcome is Outcome.UNPROVEN
