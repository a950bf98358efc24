"""Work that is hidden where evidence is coarse: between samples, in means, behind batteries, in what a clock may be off
by, and in the power of machines that were switched off for it. Each is held to a limit just under what was truly
done."""

from collections.abc import Callable
from typing import Any

import pytest

from attest.format.vocabulary import Quantity
from attest.simulate.pact import METER, Pact
from attest.simulate.site import Site
from attest.simulate.telemetry import Instrument
from tests.attacks.vectors import BREACHED, UNPROVEN
from tests.bench.families.attempt import ACME, Attempt, judge
from tests.bench.families.common import HOSTS, of, shown
from tests.bench.families.liar import Liar, following, metering
from tests.bench.families.meters import Fed
from tests.bench.families.scene import DAY, HOUR, START, Scene, Story
from tests.bench.families.telemetry import laundering

SCENE = Scene("hidden", 2, 2)
EXACT = Instrument(error_ppm=0)


def hidden(work: Story, beside: Story, **options: Any) -> tuple[Site, Liar]:
    """What truly happened, and a lab whose hosts tell of the day without the work."""
    site = SCENE.play(beside, work)
    return site, Liar(site, tell=following(SCENE.play(beside)), **options)


def clock_shifted() -> Attempt:
    """The last two hours of the phase are stamped after it: the clock is three hours ahead, as the agreement allows."""
    site, lab = hidden(
        SCENE.secret((0, 1), 46, 2),
        SCENE.off,
        instrument=Instrument(error_ppm=0, ahead_s=3 * HOUR),
        clock_uncertainty=3 * HOUR,
    )
    return shown(lab, SCENE, of(site), word=HOSTS, pact=agreed(clock="3 h"), only=("compute L4", "off L4", "power L4"))


def clock_shifted_by_half_a_bucket() -> Attempt:
    """An hour of training on the edge of two hours by the clock of a meter that is half an hour off: each has half."""
    site, lab = hidden(
        SCENE.secret((0, 1), 12, 1),
        SCENE.idle,
        instrument=Instrument(error_ppm=0, ahead_s=HOUR // 2),
        clock_uncertainty=HOUR // 2,
    )
    return shown(lab, SCENE, of(site), word=HOSTS, pact=agreed(clock="30 min"), only=("power L4", "idle L4"))


def pulse() -> Attempt:
    """Nine minutes of ten the nodes train; the meter looks in the tenth."""
    jobs = tuple(SCENE.job((0, 1), n / 6 + 1 / 60, 9 / 60, f"pulse {n}") for n in range(144))
    site, lab = hidden(Story(jobs), SCENE.idle, instrument=Instrument(Quantity.GAUGE_POWER, 600, 0))
    only = ("compute L4", "power L4", "energy L4", "off L4", "idle L4")
    return shown(lab, SCENE, of(site), word=HOSTS, pact=agreed(integrates=False), only=only)


def battery() -> Attempt:
    """A day's battery of 20 kWh feeds an hour of training on each day, and the meter sees a circuit that is off."""
    job = SCENE.secret((0,), 12, 1)
    site, tale = SCENE.play(SCENE.off, job), SCENE.play(SCENE.off)
    fed = Fed(site, {0: site.trace(0).node_mw - tale.trace(0).node_mw})
    lab = Liar(site, tell=following(tale), tell_meter=metering(fed), instrument=EXACT)
    only = ("compute L4", "off L4", "scale L4", "idle L4")
    return shown(lab, SCENE, of(site), word=HOSTS, pact=agreed(storage="20 kWh"), only=only)


def coarse_mean(hours: float, quantity: Quantity = Quantity.MEAN_POWER) -> Callable[[], Attempt]:
    """So much work a day, and a meter that tells means of half a day."""

    def story() -> Attempt:
        jobs = tuple(SCENE.job((0,), 24 * day + 12, hours, f"day {day}") for day in range(SCENE.days))
        instrument = Instrument(quantity, 12 * HOUR, 0)
        site, lab = hidden(Story(jobs), SCENE.off, instrument=instrument, window_s=12 * HOUR)
        only = ("compute L4", "off L4", "idle L4", "scale L4")
        return shown(lab, SCENE, of(site), word=HOSTS, pact=agreed(max_lag="2 d"), only=only)

    return story


def hour_of_means() -> Attempt:
    """An hour of work, to the minute, in means of ten minutes: none of it may be counted to the hour after."""
    site, lab = hidden(SCENE.secret((0, 1), 6, 1), SCENE.off, instrument=Instrument(Quantity.MEAN_POWER, 600, 0))
    return shown(lab, SCENE, of(site), word=HOSTS, only=("power L4", "energy L4", "compute L4"))


def told_past_the_meters() -> Attempt:
    """Hosts tell the truth of what ran past every meter: meters that deny it all the way up bound nothing."""
    site, tale = SCENE.play(SCENE.off, SCENE.secret((0,), 6, 6)), SCENE.play(SCENE.off)
    lab = Liar(site, tell_meter=metering(tale), instrument=EXACT)
    return shown(lab, SCENE, of(site), only=("compute L1", "compute L4", "training L1", "slowdown L4"))


def past_the_meter_above() -> Attempt:
    """The site's meter shows nothing, the meter of one node shows that it works: the one above shows nothing off."""
    site, tale = SCENE.play(SCENE.off, SCENE.secret((0,), 9.5, 0.25)), SCENE.play(SCENE.off)
    fed = Fed(site, {}, site.trace(0).node_mw - tale.trace(0).node_mw)
    lab = Liar(site, tell=following(tale), tell_meter=metering(fed), instrument=EXACT)
    only = ("compute L4", "compute in any 6 h L4", "off L4", "power L4", "energy L4", "scale L4")
    return shown(lab, SCENE, of(site), word=HOSTS, only=only)


def agreed(max_lag: str = "12 h", **figures: Any) -> Pact:
    return Pact((ACME,), (), meter={**METER, **figures}, max_lag=max_lag)


STORIES: dict[str, Callable[[], Attempt]] = {
    "laundering": laundering(Scene("launder", 3, 2), 6, 1_000_000),
    "laundering, hour by hour": laundering(Scene("launder", 3, 3), 1, 600_000),
    "a meter whose clock is shifted": clock_shifted,
    "a meter whose clock is shifted by half a bucket": clock_shifted_by_half_a_bucket,
    "a pulse between samples": pulse,
    "a battery behind the meter": battery,
    "an hour of work a day under a mean of half a day": coarse_mean(1),
    "a minute of work a day under a mean of half a day": coarse_mean(1 / 60),
    "a minute of work a day under a register read twice a day": coarse_mean(1 / 60, Quantity.REGISTER),
    "an hour's power in means of ten minutes": hour_of_means,
    "work past the meter above": past_the_meter_above,
    "work past the meters that hosts tell of": told_past_the_meters,
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_hidden_work_does_not_hold(story: Callable[[], Attempt]) -> None:
    results = judge(0, "hidden", story())
    found = {r.agreement: r.outcome for r in results if not r.apart}
    assert found.pop("off L4", UNPROVEN) in (UNPROVEN, BREACHED)  # hosts that say that they are idle admit to be on
    assert set(found.values()) == {UNPROVEN}


def test_what_the_meter_saw_of_the_laundering_had_not_moved() -> None:
    """A third of the nodes train at 0.3 of their effort and the rest are off: the site draws no more than when all
    idle."""
    scene = Scene("launder", 3, 3)
    idle = scene.play(scene.idle)
    third = scene.every[:1]
    off = tuple(e._replace(start=START + DAY) for e in scene.off.events if e.node not in third)
    site = scene.play(Story((scene.job(third, 24, 48, effort_ppm=300_000),), off))
    later = site.plan.during(START + DAY + HOUR, scene.end)
    assert site.site_mw[later].mean() < 1.05 * idle.site_mw[later].mean()
