"""Work at the edges of phases, and in outages that are none: family 14."""

from dataclasses import replace
from typing import Final

from attest.simulate.site import Event, Site, Trouble
from attest.simulate.telemetry import SITE_FEED
from tests.bench.families.attempt import Attempt, Span
from tests.bench.families.common import HOSTS, SCENES, Cases, bases, device_seconds, magnitudes, of, shown
from tests.bench.families.liar import Liar, following
from tests.bench.families.scene import DAY, HOUR, START, Scene, Story


def gamed() -> Cases:
    """Family 14. Work at the edges of phases, and in outages that are none."""
    scene = Scene("ramp", 2, 3)
    phases = tuple(Span(START + day * DAY, START + (day + 1) * DAY) for day in range(3))
    for nodes in ((0,), (0, 1)):
        for edge in (24, 48):
            for before, after in ((0.25, 0.25), (0, 0.1), (0.1, 0), (6, 6), (11.5, 0.5), (0.5, 11.5)):
                for base_name, base in bases(scene):
                    site, quiet = scene.play(base, scene.secret(nodes, edge - before, before + after)), scene.play(base)

                    def build(site=site, tale=quiet, lie=False) -> Attempt:  # type: ignore[no-untyped-def]
                        lab = Liar(site, tell=following(tale) if lie else None)
                        touched = tuple(p for p in phases if of(site).executed(p.start, p.end))
                        return shown(lab, scene, of(site), phases=touched, word=HOSTS if lie else ())

                    words = (
                        f"{before:g} h before and {after:g} h after hour {edge}, {len(nodes)} of 2, beside {base_name}"
                    )
                    yield f"work {words}", build

                    def hidden(build=build) -> Attempt:  # type: ignore[no-untyped-def]
                        return build(lie=True)  # type: ignore[no-any-return]

                    yield f"hidden work {words}", hidden
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                for name, which in _OUTAGES.items():

                    def out(scene=scene, base=base, nodes=nodes, hour=hour, hours=hours, which=which) -> Attempt:  # type: ignore[no-untyped-def]
                        return _outage(scene, base, nodes, hour, hours, *which)

                    yield f"{name}, {words}, {base_name}", out


_OUTAGES: Final = {
    "an outage of agents": (True, False, False, 0.0),
    "an outage of meters": (False, True, False, 0.0),
    "an outage of the site's meter": (False, False, True, 0.0),
    "an outage of everything": (True, True, True, 0.0),
    "an outage of everything, a quarter of an hour too long": (True, True, True, 0.25),
}


def _outage(
    scene: Scene,
    base: Story,
    nodes: tuple[int, ...],
    hour: float,
    hours: float,
    agents: bool,
    meters: bool,
    top: bool,
    more: float,
) -> Attempt:
    job = scene.job(nodes, hour, hours)
    begin, end = job.start - round(more * HOUR), job.end + round(more * HOUR)
    events = [Event(Trouble.LOST, n, begin, end) for n in nodes if agents]
    events += [Event(Trouble.METER_GAP, n, begin, end) for n in nodes if meters]
    events += [Event(Trouble.METER_GAP, SITE_FEED, begin, end)] if top else []
    site = scene.play(base, Story((job,)))
    site = Site(replace(site.plan, events=(*site.plan.events, *events)))
    tell = None if agents else following(scene.play(base))
    lost = device_seconds(len(nodes), hours) if agents else 0
    bare = device_seconds(len(nodes), min(hours + 2 * more, 24)) if meters and top else 0
    truth = of(site, unrecorded=lost, unmetered=bare)
    return shown(Liar(site, tell=tell), scene, truth, word=() if tell is None else HOSTS)
