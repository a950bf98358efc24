"""Lies in telemetry: families 1 (made up from day one), 4 (labels), 9 (replays), 12 (work inside declared jobs)."""

from collections.abc import Callable, Iterator
from typing import Final

from attest.format.vocabulary import Column, Label, Precision
from attest.simulate.pact import Pact
from attest.simulate.site import Job, Site
from attest.simulate.telemetry import Observed, observe
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import ALL_ITS_OWN, HOSTS, SCENES, Cases, bases, magnitudes, of, shown, whole
from tests.bench.families.liar import Liar, Tell, following, metering, moved, noisy, scaled
from tests.bench.families.scene import DAY, HOUR, START, Scene, Story

UNMETERED: Final = Pact((ACME,), (), meter=None)
# A label is the lab's word at L1 (agreement.md, "compute-cap").
BY_LABEL: Final = ("training L1",)


def fabricated() -> Cases:
    """Family 1. Every host tells of a day without the secret job, and its counters always fitted that."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for name, base in bases(scene):
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                for who in ("an honest meter", "no meter", "the lab's own meter in the lie", "the meter in the lie"):

                    def build(scene=scene, site=site, tale=tale, who=who) -> Attempt:  # type: ignore[no-untyped-def]
                        meter = {"no meter": None, "the lab's own meter in the lie": "own"}.get(who, "independent")
                        lies = metering(tale) if who.endswith("in the lie") else None
                        lab = Liar(site, tell=following(tale), tell_meter=lies, meter=meter)
                        if meter == "independent":
                            return shown(lab, scene, of(site), word=HOSTS, beyond=lies is not None)
                        truth = of(site, unmetered=whole(scene))
                        return shown(lab, scene, truth, word=ALL_ITS_OWN, pact=UNMETERED)

                    yield f"said to be {name}, {words}, {who}", build


def labelled() -> Cases:
    """Family 4. Training runs under other labels, or under none, or in a format that it is not in."""
    claims: tuple[tuple[str, Callable[[Job], Job]], ...] = (
        ("inference", lambda job: job._replace(claimed=Label.INFERENCE)),
        ("evaluation", lambda job: job._replace(claimed=Label.EVALUATION)),
        ("other work", lambda job: job._replace(claimed=Label.OTHER)),
        ("inference, in 8 bits", lambda job: job._replace(claimed=Label.INFERENCE, precision=Precision.FP8)),
        ("inference, of a tenth", lambda job: job._replace(claimed=Label.INFERENCE, declared_ppm=100_000)),
        ("inference, at a third", lambda job: job._replace(claimed=Label.INFERENCE, effort_ppm=333_000)),
    )
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for name, claim in claims:
                for base_name, base in bases(scene)[1:]:
                    job = claim(scene.job(nodes, hour, hours))
                    site = scene.play(base, scene.secret(nodes, hour, hours)._replace(jobs=(job,)))

                    def build(scene=scene, site=site) -> Attempt:  # type: ignore[no-untyped-def]
                        return shown(Liar(site), scene, of(site), claims=BY_LABEL)

                    yield f"training said to be {name}, beside {base_name}, {words}", build


def _copies(scene: Scene, watch: int) -> Iterator[tuple[str, Tell, bool, float]]:
    """What a host at work tells in place of the truth; whether the copy is past what verification.md, 5.6 sees; and
    from which hour on it has something to copy."""
    quiet = scene.play(scene.idle)
    last = scene.every[-1]
    if scene.nodes > 1:
        yield "its neighbour", lambda lab, node, start, end: moved(quiet, last, start, end, start), False, 0
    if scene.days > 1:
        yield (
            "the day before",
            _after(DAY, lambda lab, node, start, end: _day_before(quiet, node, start, end)),
            False,
            24,
        )
        yield (
            "the day before with noise",
            _after(DAY, lambda lab, node, start, end: noisy(_day_before(quiet, node, start, end), f"{node} {start}")),
            True,
            24,
        )
    first = scene.first
    again = _after(0, lambda lab, node, start, end: moved(quiet, node, start, end, first))
    yield "one watch over and over", again, watch < 6, 0


def _after(since: int, tell: Tell) -> Tell:
    """What is told from then on, the truth before."""
    return lambda lab, node, start, end: tell(lab, node, start, end) if start >= START + since else None


def _day_before(quiet: Site, node: int, start: int, end: int) -> Observed:
    return moved(quiet, node, start, end, start - DAY)


def replayed() -> Cases:
    """Family 9. A node that trains tells what another device, or another time, saw; counters are made to fit."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            nodes = nodes[:-1] if len(nodes) == scene.nodes and len(nodes) > 1 else nodes
            for watch in (6, 1):
                for name, tell, unseen, since in _copies(scene, watch):
                    site = scene.play(scene.idle, scene.secret(nodes, since + hour, hours))

                    def build(scene=scene, site=site, tell=tell, watch=watch, nodes=nodes, unseen=unseen) -> Attempt:  # type: ignore[no-untyped-def]
                        def told(lab: Liar, node: int, start: int, end: int) -> Observed | None:
                            return tell(lab, node, start, end) if node in nodes else None

                        lab = Liar(site, tell=told, window_s=watch * HOUR)
                        return shown(lab, scene, of(site), word=HOSTS if unseen else ())

                    yield f"tells of {name} in watches of {watch} h, {words}", build
    for scene in (Scene("thirds", 3, 2), Scene("sixths", 6, 4)):
        for watch in (6, 12, 1):
            for effort in (1_000_000, 600_000):
                words = f"{scene.nodes} nodes, watches of {watch} h, {effort // 10_000} %"
                yield f"laundering, {words}", laundering(scene, watch, effort)


def laundering(scene: Scene, watch: int, effort: int) -> Callable[[], Attempt]:
    """From the second day on two thirds of the nodes are off and the rest train, and all tell how they idled the day
    before; what the site draws is what it drew."""

    def build() -> Attempt:
        third = scene.every[: scene.nodes // 3]
        idle = scene.play(scene.idle)
        job = scene.job(third, 24, 24 * (scene.days - 1), effort_ppm=effort)
        off = tuple(e._replace(start=START + DAY) for e in scene.off.events if e.node not in third)
        site = scene.play(Story((job,), off))

        def tell(lab: Liar, node: int, start: int, end: int) -> Observed:
            return moved(idle, node, start, end, start - DAY if start >= START + DAY else start)

        return shown(Liar(site, tell=tell, window_s=watch * HOUR), scene, of(site))

    return build


def inside() -> Cases:
    """Family 12. A declared job is more than it is said to be."""
    tricks: tuple[tuple[str, dict[str, object], Tell | None], ...] = (
        ("twice the effort", {"effort_ppm": 2_000_000}, None),
        ("8 bits where 16 are said", {"precision": Precision.FP8}, None),
        ("a hundredth of it declared", {"declared_ppm": 10_000}, None),
        ("work in counters that are gauges", {}, None),
        ("a fifth of its cycles told", {}, _less(200_000, (Column.CYCLES,))),
        ("a fifth of its cycles and energy told", {}, _less(200_000, (Column.CYCLES, Column.ENERGY))),
    )
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for name, options, tell in tricks:
                job = scene.job(nodes, hour, hours, claimed=Label.INFERENCE, label=Label.TRAINING)._replace(**options)  # type: ignore[arg-type]
                site = scene.play(scene.idle._replace(jobs=(job,)))
                columns = (Column.ENERGY, Column.DERIVED_CYCLES) if "gauges" in name else None

                def build(scene=scene, site=site, tell=tell, columns=columns) -> Attempt:  # type: ignore[no-untyped-def]
                    lab = Liar(site, tell=tell, **({} if columns is None else {"columns": columns}))
                    return shown(lab, scene, of(site), word=() if tell is None else HOSTS, claims=BY_LABEL)

                yield f"{name}, {words}", build


def _less(ppm: int, which: tuple[int, ...]) -> Tell:
    return lambda lab, node, start, end: scaled(observe(lab.site, node, start, end), ppm, which)
