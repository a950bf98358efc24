"""Lies around meters: families 10 (power past the meters) and 11 (inside what the agreement tolerates)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from attest.format.vocabulary import Quantity
from attest.simulate.draws import Ints
from attest.simulate.pact import METER, Pact
from attest.simulate.site import Event, Site, Trace, Trouble
from attest.simulate.telemetry import SITE_FEED, Instrument, observe
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import HOSTS, SCENES, Cases, bases, magnitudes, of, shown
from tests.bench.families.liar import Liar, following, metering, scaled
from tests.bench.families.scene import DAY, HOUR, Scene

EVERY_MINUTE: Final = Instrument(error_ppm=0)
# A power-cap is on what passes the feed, and says so; what comes from behind it is in none (agreement.md, "power-cap").
OF_FEEDS: Final = ("power L1", "power L4", "energy L4")


class Fed(Site):
    """A site as its meters see it: `past` is the power (mW by interval) that reaches nodes past their own meter and the
    site's, `past_site` what passes neither."""

    def __init__(self, site: Site, past: Mapping[int, Ints], past_site: Ints | None = None) -> None:
        super().__init__(site.plan)
        self._true, self._past = site.trace, past
        unseen = sum(past.values(), np.zeros(site.plan.intervals, np.int64)) if past_site is None else past_site
        self.__dict__["site_mw"] = np.maximum(site.site_mw - unseen - unseen * 2 // 100, 0)
        self.trace = self._fed  # type: ignore[assignment]

    def _fed(self, node: int) -> Trace:
        true = self._true(node)
        if node not in self._past:
            return true
        return replace(true, node_mw=np.maximum(true.node_mw - self._past[node], 0))


def bypassed() -> Cases:
    """Family 10. The work's power passes no meter, or not all of them; hosts tell of the day without it, or the
    truth."""
    ways = {
        "all of it past every meter": (1_000_000, True),
        "all of it past the site's meter alone": (1_000_000, False),
        "nine tenths of it past every meter": (900_000, True),
        "a tenth of it past every meter": (100_000, True),
    }
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                for name, (ppm, everywhere) in ways.items():
                    for honest in (False, True):

                        def build(  # type: ignore[no-untyped-def]
                            scene=scene,
                            site=site,
                            tale=tale,
                            nodes=nodes,
                            ppm=ppm,
                            everywhere=everywhere,
                            honest=honest,
                        ) -> Attempt:
                            unseen = {n: _more(site, tale, n) * ppm // 10**6 for n in nodes}
                            whole = np.sum(list(unseen.values()), axis=0)
                            fed = Fed(site, unseen if everywhere else {}, whole)
                            lab = Liar(site, tell=None if honest else following(tale), tell_meter=metering(fed))
                            return shown(lab, scene, of(site), beyond=True)

                        told = "hosts honest" if honest else f"said to be {base_name}"
                        yield f"{name}, {base_name}, {told}, {words}", build


def _more(site: Site, tale: Site, node: int) -> Ints:
    """What a node draws beyond what it is said to."""
    return np.maximum(site.trace(node).node_mw - tale.trace(node).node_mw, 0)


Build = Callable[[Scene, Site, Site, tuple[int, ...], float], Attempt]


def tolerated() -> Cases:
    """Family 11. Every figure that the agreement tolerates is used up to its end."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                for name, story in _ENDS.items():

                    def build(scene=scene, site=site, tale=tale, story=story, nodes=nodes, hours=hours) -> Attempt:  # type: ignore[no-untyped-def]
                        return story(scene, site, tale, nodes, hours)

                    yield f"{name}, {base_name}, {words}", build


def _agreed(**figures: Any) -> Pact:
    return Pact((ACME,), (), meter={**METER, **figures})


def _error(error: str, ppm: int) -> Build:
    """The meter reads as little as its error allows, and hosts tell of a quiet day."""

    def story(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
        lab = Liar(site, tell=following(tale), tell_meter=metering(site, ppm), instrument=EVERY_MINUTE)
        return shown(lab, scene, of(site), word=HOSTS, pact=_agreed(error=error))

    return story


def _clock(agreed_s: int, ahead_s: int) -> Build:
    def story(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
        instrument = Instrument(error_ppm=0, ahead_s=ahead_s)
        lab = Liar(site, tell=following(tale), instrument=instrument, clock_uncertainty=agreed_s)
        pact = _agreed(clock=f"{agreed_s} s")
        return shown(lab, scene, of(site), word=HOSTS, pact=pact)

    return story


def _battery(kilojoules: int, of_generators: bool = False) -> Build:
    """What is agreed of storage a day, or of generators all day, feeds the work in the place of what is metered."""

    def story(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
        share = kilojoules // len(nodes)
        unseen = {}
        for node in nodes:
            unseen[node] = _given(site, _more(site, tale, node), share * 10**6, by_day=not of_generators)
        fed = Fed(site, unseen)
        figures = {"generation": f"{kilojoules} W"} if of_generators else {"storage": f"{kilojoules} kJ"}
        lab = Liar(site, tell=following(tale), tell_meter=metering(fed), instrument=EVERY_MINUTE)
        return shown(lab, scene, of(site), word=HOSTS, unclaimed=OF_FEEDS, pact=_agreed(**figures))

    return story


def _given(site: Site, more: Ints, most_mj: int, *, by_day: bool) -> Ints:
    """What a battery of so many mJ a UTC day gives, or a generator of as many thousandths of a mW, of what is
    needed."""
    plan = site.plan
    if not by_day:
        return np.minimum(more, most_mj // 1_000)
    out = np.zeros_like(more)
    times = plan.start + np.arange(plan.intervals) * plan.interval
    for day in np.unique(times // DAY):
        here = times // DAY == day
        before = np.cumsum(more[here] * plan.interval) - more[here] * plan.interval
        out[here] = np.clip(most_mj - before, 0, more[here] * plan.interval) // plan.interval
    return out


def _counters(energy_ppm: int, cycles_ppm: int) -> Build:
    """The devices' counters read as little as the pins allow for."""

    def story(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
        def tell(lab: Liar, node: int, start: int, end: int):  # type: ignore[no-untyped-def]
            seen = observe(lab.site, node, start, end)
            if (lab.site.trace(node).state[:, lab.site.plan.during(start, end)] != 1).any():
                return seen
            return scaled(scaled(seen, energy_ppm, (0,)), cycles_ppm, (1,))

        return shown(Liar(site, tell=tell), scene, of(site))

    return story


def _coverage(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
    """The work is where the share that need not be covered is: hosts and meters miss its hours."""
    jobs = [job for job in site.plan.jobs if job.name == "secret"]
    events = [Event(Trouble.LOST, node, job.start, job.end) for job in jobs for node in nodes]
    events += [Event(Trouble.METER_GAP, feed, job.start, job.end) for job in jobs for feed in (SITE_FEED, *nodes)]
    site = Site(replace(site.plan, events=(*site.plan.events, *events)))
    return shown(Liar(site), scene, of(site, unrecorded=round(len(nodes) * 8 * hours * HOUR)))


def _coarse(step_s: int, quantity: Quantity) -> Build:
    """A meter that tells means, or samples, of long steps only."""

    def story(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
        instrument = Instrument(quantity, step_s, 0)
        watch = max(6 * HOUR, step_s)
        lab = Liar(site, tell=following(tale), instrument=instrument, window_s=watch)
        pact = replace(_agreed(integrates=quantity is not Quantity.GAUGE_POWER), max_lag="2 d")
        return shown(lab, scene, of(site), word=HOSTS, pact=pact)

    return story


def _pulse(scene: Scene, site: Site, tale: Site, nodes: tuple[int, ...], hours: float) -> Attempt:
    """Nine minutes of every ten the nodes train, and a meter looks in the tenth."""
    count = min(round(hours * 6), 24 * scene.days * 6)
    jobs = tuple(scene.job(nodes, n / 6 + 1 / 60, 9 / 60, f"pulse {n}") for n in range(max(count, 1)))
    pulsed = scene.play(scene.idle._replace(jobs=jobs))
    lab = Liar(pulsed, tell=following(scene.play(scene.idle)), instrument=Instrument(Quantity.GAUGE_POWER, 600, 0))
    return shown(lab, scene, of(pulsed), word=HOSTS, pact=_agreed(integrates=False))


_ENDS: Final[dict[str, Build]] = {
    "a meter that reads 1 % less": _error("1 %", 990_100),
    "a meter that reads 5 % less": _error("5 %", 952_381),
    "a clock a second ahead": _clock(1, 1),
    "a clock half an hour ahead": _clock(1_800, 1_800),
    "a clock half an hour behind": _clock(1_800, -1_800),
    "a clock three hours ahead": _clock(3 * HOUR, 3 * HOUR),
    "a clock three hours behind": _clock(3 * HOUR, -3 * HOUR),
    "a battery of 30 kJ": _battery(30),
    "a battery of 10 kWh": _battery(36_000),
    "a battery of a day": _battery(10_000_000),
    "a generator of 100 W": _battery(100, of_generators=True),
    "a generator of 8 kW": _battery(8_000, of_generators=True),
    "counters that read 5 % and 3 % less": _counters(952_400, 971_000),
    "hours that need not be covered": _coverage,
    "means of ten minutes": _coarse(600, Quantity.MEAN_POWER),
    "means of a quarter of a day": _coarse(6 * HOUR, Quantity.MEAN_POWER),
    "a daily mean": _coarse(DAY, Quantity.MEAN_POWER),
    "a daily register": _coarse(DAY, Quantity.REGISTER),
    "samples every hour": _coarse(HOUR, Quantity.GAUGE_POWER),
    "a pulse between samples": _pulse,
}
