"""A clock that was set is not believed for an hour, whatever becomes of the recorder and the machine in between."""

from pathlib import Path

import pytest

from attest.record import clock as clocks
from attest.record.clock import Moment, SystemClock, Watch, moment
from attest.record.frames import CLOCK_STEP, doubt, note
from tests.collect.test_import import START, Site, site
from tests.record.rig import MINUTE, PlayedClock, Rig, Stopped
from tests.record.test_recorder import causes, intervals, missing, require_all

__all__ = ["site"]  # a fixture

HOUR_MS = 3_600_000


@pytest.fixture
def rig(site: Site) -> Rig:
    return Rig.of(site.path, 20)


def kill() -> None:
    raise Stopped


def run_until(rig: Rig, minute: float) -> None:
    rig.clock.end_ms = int((START + minute * MINUTE) * 1000)
    rig.run()


def stated(site: Site) -> int:
    """The last minute that is stated."""
    return max(intervals(site)["GPU-0"])


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("booted", [False, True])
def test_killed_in_the_hour_it_does_not_believe_the_clock_any_sooner(
    rig: Rig, site: Site, hours: int, booted: bool
) -> None:
    """Set at 15:10, killed at 20:20, begun again two minutes later. Of a machine that was off the two do not count."""
    rig.clock.at = {
        15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", hours * HOUR_MS),
        20 * MINUTE + 20: kill,
    }
    run_until(rig, 30)
    rig.clock.true_ms += 2 * MINUTE * 1000
    if booted:
        rig.clock.start_again()
    ends = 77 if booted else 75
    run_until(rig, ends - 0.1)
    assert stated(site) == 9
    run_until(rig, ends + (4 if hours > 0 else 20))  # back, the hour is passed through again
    assert stated(site) > 9


def test_the_doubt_of_several_lives_adds_up(rig: Rig, site: Site) -> None:
    rig.clock.at = {15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", HOUR_MS)}
    for minute in (20, 35, 50, 65):
        run_until(rig, minute)
        assert stated(site) == 9
    run_until(rig, 80)
    require_all(site, 1, 130)
    assert {cause[4] for cause in causes(rig)} == {"clock/step", "record/stopped"}


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_while_no_recorder_runs(rig: Rig, site: Site, hours: int) -> None:
    run_until(rig, 15.5)
    rig.clock.ahead_ms = hours * HOUR_MS
    rig.clock.true_ms += 3 * MINUTE * 1000
    run_until(rig, 78)
    assert stated(site) == 9
    run_until(rig, 98)
    assert stated(site) > 9
    if hours > 0:  # the leap has its cause, and the three minutes theirs
        assert [minute for minute in missing(site) if minute < 100] == list(range(15, 79))
        leap = [(first, end) for uid, first, end, _, cause in causes(rig) if (uid, cause) == ("GPU-0", "clock/step")]
        assert (min(leap)[0], max(leap)[1]) == (19, 79)


@pytest.mark.parametrize("running", [True, False])
def test_set_ahead_and_set_right_what_was_taken_in_between_is_never_believed(
    rig: Rig, site: Site, running: bool
) -> None:
    """Set right beside a recorder or while none runs; not at once, and not when the time comes that it was set to."""
    rig.clock.at = {15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", 24 * HOUR_MS)}
    if running:
        rig.clock.at[35 * MINUTE + 10] = lambda: setattr(rig.clock, "ahead_ms", 0)
    else:
        run_until(rig, 35)
        rig.clock.ahead_ms = 0
    run_until(rig, 110)
    require_all(site, 1, 100)
    assert set(range(15, 35)) <= set(missing(site)) <= set(range(15, 37))
    day = 24 * 60
    for minute in (15, 25, 40):  # the windows of that time are closed one by one, which drops what was before them
        rig.clock.true_ms = (START + (day + minute) * MINUTE) * 1000
        run_until(rig, day + minute + 8)
    require_all(site, 1, day + 40)
    assert set(range(day, day + 15)) <= set(missing(site))
    sampled = [*range(day + 15, day + 23), *range(day + 25, day + 33)]
    assert set(range(day + 16, day + 40)) - set(missing(site)) <= set(sampled)


def test_a_machine_that_comes_back_with_a_clock_that_is_behind(rig: Rig, site: Site) -> None:
    run_until(rig, 15.5)
    rig.clock.ahead_ms = -24 * HOUR_MS
    rig.clock.start_again()
    run_until(rig, 70)
    assert stated(site) == 9
    rig.clock.ahead_ms = 0
    run_until(rig, 120)
    assert stated(site) == 9
    run_until(rig, 150)
    require_all(site, 1, 140)


def test_a_watch_goes_on_from_the_look_before() -> None:
    clock = PlayedClock(START * 1000, 0)
    before = moment(clock)
    clock.true_ms += 90_000
    assert Watch(clock, before).look() == (0, 90_000)
    clock.ahead_ms = -HOUR_MS
    assert Watch(clock, before).look() == (-HOUR_MS, 90_000)
    clock.start_again()
    assert Watch(clock, before).look() == (90_000 - HOUR_MS, 0)
    clock.ahead_ms = HOUR_MS  # nobody knows how long it was off
    assert Watch(clock, before).look() == (0, 0)
    assert Watch(clock, None).look() == (0, 0)


def test_what_does_not_say_which_run_it_is_of_is_compared_with_nothing() -> None:
    step = note(CLOCK_STEP, Moment(90_000_000, 1_000, ""), ms=86_400_000)
    assert doubt([step, {"time_ms": 90_060_000}], HOUR_MS, Moment(99_000_000, 9_000_000, "")) == HOUR_MS


def test_the_machine_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, other = moment(SystemClock()), moment(SystemClock())
    assert one.boot and 0 <= (one.until(other) or 0) < 60_000
    monkeypatch.setattr(clocks, "BOOT_ID", tmp_path / "nowhere")
    assert SystemClock().boot() == ""
