"""What the generators share: scenes of several sizes, magnitudes, and an attempt out of a lab that has run."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from attest.simulate.lab import Lab, Mute
from attest.simulate.site import Site
from tests.bench.families.attempt import Attempt, Span
from tests.bench.families.breakable import Word
from tests.bench.families.scene import HOUR, START, Scene, Story
from tests.bench.families.truth import Truth

Build = Callable[[], Attempt]
Cases = Iterator[tuple[str, Build]]

SCENES: Final = (Scene("small", 1, 1), Scene("pair", 2, 2), Scene("row", 4, 1), Scene("hall", 12, 2))
# From a quarter of an hour on one node to everything all the time: hour, hours, share of the nodes.
MAGNITUDES: Final = ((9.5, 0.25, 0.01), (3.0, 13.0, 0.34), (0.0, 24.0, 1.0), (6.0, 1.0, 0.01), (5.75, 0.5, 1.0))
LARGE: Final = 8  # nodes, from which on a scene costs as much as four others, and has the first three magnitudes
LAG: Final = 26 * HOUR  # after the phase's end everything should be there
HOSTS: Final = (Word.HOSTS,)  # a consistent lie of hosts
# A run that was not recorded and is shorter than a bucket hides in it (agreement.md, "reporting").
SHORT_RUNS: Final = "reporting"
ALL_ITS_OWN: Final = (Word.HOSTS, Word.OWN_METER)


def magnitudes(scene: Scene) -> Iterator[tuple[str, tuple[int, ...], float, float]]:
    """How much is hidden: in words, which nodes, from which hour, for how many."""
    seen = set()
    for hour, hours, share in MAGNITUDES[: 3 if scene.nodes >= LARGE else None]:
        nodes = scene.every[: max(1, round(scene.nodes * share))]
        if (nodes, hours) not in seen:
            seen.add((nodes, hours))
            yield f"{len(nodes)} of {scene.nodes} nodes for {hours:g} h of {scene.days} d", nodes, hour, hours


def shown(lab: Lab, scene: Scene, truth: Truth, *, mute: Mute | None = None, **of: Any) -> Attempt:
    """What a lab shows of itself when it has run to its end."""
    lab.run(mute=mute)
    return attempt(lab, scene, truth, **of)


def attempt(lab: Lab, scene: Scene, truth: Truth, **of: Any) -> Attempt:
    """The same of a lab that has run."""
    given = {"phases": (Span(START, scene.end),), "at": scene.end + LAG, "bundles": [lab.bundle()], **of}
    if truth.unrecorded and not truth.sustained(START, scene.end):
        given["unclaimed"] = (*given.get("unclaimed", ()), SHORT_RUNS)
    return Attempt(truth=truth, **given)


def of(*sites: Site, **more: Any) -> Truth:
    """That this is what happened."""
    return Truth(sites, **more)


def bases(scene: Scene) -> tuple[tuple[str, Story], ...]:
    """What is admitted to run."""
    return (("off", scene.off), ("idle", scene.idle), ("serving", scene.chat))


def device_seconds(nodes: int, hours: float) -> int:
    """Of so many nodes for so long."""
    return round(nodes * 8 * hours * HOUR)


def whole(scene: Scene) -> int:
    """All device-seconds of the phase."""
    return device_seconds(scene.nodes, 24 * scene.days)
