"""The terms gap, timeliness and assurance: duties, missed for certain only by what the party itself has said."""

from dataclasses import replace

import pytest

from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Table
from attest.simulate.site import Event, Trouble
from attest.verdict import Outcome, TermResult
from tests.check.world import DAY, END, HOUR, INFERENCE, START, honest, judge, lab, under

LAST = START + 4 * DAY  # three days after the phase: the grace is one


def of(made: Lab, term: Table, at: int = LAST, pact: Pact | None = None) -> TermResult:
    return judge(made.bundle(), pact or under(term), at=at).parties[0].terms[0]


def went_on(*events: Event) -> Lab:
    """A lab whose chains go on for three days after the phase."""
    made = lab((INFERENCE,), events, end=LAST)
    made.run()
    return made


def gap(longest: str, **more: str) -> Table:
    return {"kind": "gap", "longest": longest, **more}


def lost(start: int, end: int, *devices: int) -> Event:
    return Event(Trouble.LOST, 0, START + start * HOUR, START + end * HOUR, devices)


def test_no_hole_is_no_gap() -> None:
    found = of(honest(), gap("0 s", outage="0 s"))
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 0, 0)


def test_a_gap_of_all_devices_is_certain() -> None:
    found = of(went_on(lost(2, 5)), gap("2 h"))
    assert (found.outcome, found.low, found.high) == (Outcome.BREACHED, 3 * HOUR, 3 * HOUR)
    assert [f.code for f in found.findings] == ["term/gap"]
    assert of(went_on(lost(2, 5)), gap("3 h")).outcome is Outcome.HOLDS


def test_a_gap_is_a_breach_only_after_the_grace() -> None:
    found = of(honest((INFERENCE,), (lost(2, 5),)), gap("2 h"), END + HOUR)
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 0, 3 * HOUR)
    assert [f.code for f in found.findings] == ["gap/too-long"]
    assert found.findings[0].settle == "records or a metered power-off, so that 3,600 s less are dark"


def test_a_gap_of_one_device_is_not_certain() -> None:
    """Facts have it by the eight of a host: one that was dark for three hours, or several that took turns."""
    found = of(went_on(lost(2, 5, 3)), gap("2 h"))
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 0, 3 * HOUR)


def test_gaps_apart_are_not_one() -> None:
    found = of(went_on(lost(2, 4), lost(6, 8)), gap("2 h"))
    assert (found.outcome, found.high) == (Outcome.HOLDS, 2 * HOUR)
    both = of(went_on(lost(2, 4), lost(6, 8)), gap("2 h", outage="3 h"))
    assert (both.outcome, [f.text for f in both.findings]) == (
        Outcome.BREACHED,
        ["an accelerator is unaccounted for 14,400 s in all, at most 10,800 s"],
    )


def test_an_outage_of_one_device_may_be_shared() -> None:
    """Eight device-hours of one in eight: at most 8 h of any, and on average 1 h of each."""
    found = of(went_on(lost(2, 10, 5)), gap("1 d", outage="30 min"))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.BREACHED, ["term/gap"])
    assert of(went_on(lost(2, 10, 5)), gap("1 d", outage="1 h")).outcome is Outcome.UNPROVEN
    assert of(went_on(lost(2, 10, 5)), gap("1 d", outage="8 h")).outcome is Outcome.HOLDS


def test_who_fell_silent_has_no_gap_for_certain() -> None:
    silent = lab(end=LAST)
    silent.run(mute=lambda sub, start, end: "n0001" in sub)
    found = of(silent, gap("1 h"))
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 0, DAY)


def test_a_metered_power_off_is_no_gap() -> None:
    off = Event(Trouble.DOWN, 0, START, LAST)
    silent = lab((), (off,), end=LAST)
    silent.run(mute=lambda sub, start, end: "n0000" in sub)
    found = of(silent, gap("2 h"))
    assert (found.outcome, found.high) == (
        Outcome.HOLDS,
        2 * HOUR,
    )  # of the first bucket and the one before nothing is known


TIMELY: Table = {"kind": "timeliness", "share": "100 %", "max_lag": "6 h"}


def test_statements_are_timely_by_heads() -> None:
    found = of(honest(), TIMELY, END + HOUR)
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 1_000_000, 1_000_000)


def late(seconds: int) -> Lab:
    """A lab whose heads were all witnessed so much later than the windows ended."""
    made = lab(delay_s=seconds)
    made.run()
    return made


@pytest.mark.parametrize(
    ("delay", "outcome"),
    [(6 * HOUR, Outcome.HOLDS), (7 * HOUR, Outcome.UNPROVEN), (31 * HOUR, Outcome.BREACHED)],
)
def test_late_heads_are_a_breach_after_the_grace(delay: int, outcome: Outcome) -> None:
    pact = replace(under(TIMELY), max_lag="2 d")
    found = of(late(delay), TIMELY, LAST, pact)
    assert found.outcome is outcome
    assert [f.code for f in found.findings] == {
        Outcome.HOLDS: [], Outcome.UNPROVEN: ["time/untimely"], Outcome.BREACHED: ["term/timeliness"],
    }[outcome]  # fmt: skip


def test_an_old_copy_that_is_cosigned_again_frames_nobody() -> None:
    """A rival keeps a copy of noon, and has its last head cosigned by the witnesses three days later."""
    made = lab()
    made.run(until=START + DAY // 2, heads=False)
    made.delay_s = 3 * DAY
    made.witness()
    found = of(made, TIMELY)
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["time/untimely"])
    assert found.high == 1_000_000


def test_many_short_statements_do_not_make_up_for_a_long_one() -> None:
    """The second host and the meter report hourly and in time; the first tells of the whole day three days later."""
    made = lab(end=LAST, window_s=HOUR)
    made.run(mute=lambda sub, start, end: "n0000" in sub)
    made.host(0).append(made.usage(0, END))
    made.witness()
    made.head()
    share = {**TIMELY, "share": "90 %"}
    found = of(made, share, START + 5 * DAY, replace(under(share), max_lag="12 h"))
    assert found.outcome is Outcome.BREACHED
    assert found.high == 500_000  # one of two hosts


def test_no_statement_is_timely() -> None:
    silent = lab()
    silent.run(mute=lambda sub, start, end: True)
    found = of(silent, TIMELY, END + HOUR)
    assert (found.outcome, found.low, [f.code for f in found.findings]) == (
        Outcome.UNPROVEN, None, ["log/no-statements"],
    )  # fmt: skip


def level(of_: str, share: str = "100 %") -> Table:
    return {"kind": "assurance", "level": of_, "share": share}


@pytest.mark.parametrize("asked", ["L0", "L1", "L2", "L3", "L4"])
def test_independent_meters_are_of_every_level(asked: str) -> None:
    assert of(honest(), level(asked), END + HOUR).outcome is Outcome.HOLDS


def unmetered(meter: str | None, end: int = END) -> Lab:
    made = lab(end=end, meter=meter)
    made.run()
    return made


@pytest.mark.parametrize("meter", ["own", None])
def test_without_independent_meters_there_is_the_labs_word(meter: str | None) -> None:
    assert of(unmetered(meter), level("L1"), END + HOUR).outcome is Outcome.HOLDS
    found = of(unmetered(meter), level("L4"), END + HOUR)
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["assurance/short"])
    assert found.findings[0].settle == "independent meters for 384 device-hours"


def test_an_inventory_without_meters_is_a_missed_duty() -> None:
    found = of(unmetered("own", LAST), level("L4", "50 %"))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.BREACHED, ["term/assurance"])
    assert found.findings[0].numbers == {"device_seconds": 16 * DAY}


@pytest.mark.parametrize("asked", ["L2", "L3"])
def test_what_this_verifier_cannot_read_accuses_nobody(asked: str) -> None:
    assert of(unmetered("own", LAST), level(asked)).outcome is Outcome.UNPROVEN


def test_a_meter_that_falls_silent_accuses_nobody() -> None:
    dark = lab(end=LAST)
    dark.run(until=START + 6 * HOUR)
    dark.run(mute=lambda sub, start, end: "meters.example" in sub)
    found = of(dark, level("L4"))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["assurance/short"])


def test_a_hole_in_the_record_is_a_hole_at_l1() -> None:
    pact = replace(under(level("L1", "99 %")), meter=None)
    made = lab((INFERENCE,), (lost(2, 5),), end=LAST, meter=None)
    made.run()
    assert of(made, {}, LAST, pact).outcome is Outcome.BREACHED
