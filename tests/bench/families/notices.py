"""Lies about runs: families 3 (what was to be told of a run is left out) and 7 (told late, or beforehand).

All of it is recorded truly; it is the office that says too little of the run, or at another time."""

from collections.abc import Callable
from typing import Final

from attest.format.bodies import NoticeBody
from attest.format.notice import Notice
from attest.format.vocabulary import Report
from attest.simulate.site import Site
from tests.bench.families.attempt import Attempt
from tests.bench.families.common import SCENES, Cases, attempt, magnitudes, of
from tests.bench.families.liar import Liar
from tests.bench.families.scene import DAY, HOUR, START, Scene
from tests.bench.families.truth import Told

LINEAGE: Final = 7
# The end of a run is known to a window, and so is by when it is to be closed (agreement.md, "reporting").
OF_WINDOWS: Final = ("reporting of the end",)
Notices = tuple[tuple[int, Notice], ...]  # when each is entered
Saying = Callable[[int, int], Notices]  # from when the run begins, and when it ends


def left_out() -> Cases:
    """Family 3. A run, or its end, is not told of."""
    yield from _cases(_LEFT_OUT)


def untimely() -> Cases:
    """Family 7. A run is told of when it has begun, or its end long after or beforehand."""
    yield from _cases(_UNTIMELY)


def _cases(sayings: dict[str, Saying]) -> Cases:
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            site = scene.play(scene.idle, scene.secret(nodes, hour, hours, lineage=LINEAGE))
            begin, end = START + round(hour * HOUR), START + round((hour + hours) * HOUR)
            for name, saying in sayings.items():

                def build(scene=scene, site=site, saying=saying, run=(begin, end)) -> Attempt:  # type: ignore[no-untyped-def]
                    return _told(scene, site, saying(*run), *run)

                yield f"{name}, {words}", build


def _told(scene: Scene, site: Site, notices: Notices, begin: int, end: int) -> Attempt:
    lab = Liar(site)
    seen: dict[Report, int] = {}
    for time, notice in notices:
        lab.run(until=time)
        lab.office.say(NoticeBody((notice,)))
        lab.witness()
        lab.head()
        if notice.lineage == LINEAGE:
            seen[notice.report] = lab.now + lab.delay_s
        lab.run(until=lab.now + -lab.now % HOUR)
    lab.run()
    started, ended = seen.get(Report.STARTS), seen.get(Report.ENDS)
    closed = ended is not None and ended >= end
    told = Told(None if started is None else begin - started, ended - end if ended is not None and closed else None)
    return attempt(lab, scene, of(site, told=told), unclaimed=OF_WINDOWS if closed else ())


def _starts(begin: int, lineage: int = LINEAGE) -> Notice:
    return Notice(Report.STARTS, lineage, begin)


def _ends(end: int) -> Notice:
    return Notice(Report.ENDS, LINEAGE, end)


_EARLY: Final = START - 5 * HOUR
_LEFT_OUT: Final[dict[str, Saying]] = {
    "a run that nobody was told of": lambda begin, end: (),
    "a run told of under another lineage": lambda begin, end: ((_EARLY, _starts(begin, LINEAGE + 1)),),
    "a run told of, and never its end": lambda begin, end: ((_EARLY, _starts(begin)),),
    "a run of which the end alone is told": lambda begin, end: ((end + HOUR, _ends(end)),),
}
_UNTIMELY: Final[dict[str, Saying]] = {
    "a run told of an hour before it began": lambda begin, end: ((begin - HOUR, _starts(begin)),),
    "a run told of when it had begun": lambda begin, end: ((begin + 600, _starts(begin)),),
    "a run told of when it was over, and dated back": lambda begin, end: ((end + HOUR, _starts(begin - DAY)),),
    "an end told of beforehand": lambda begin, end: ((_EARLY, _starts(begin)), (_EARLY + HOUR, _ends(end))),
    "an end told of an hour late": lambda begin, end: ((_EARLY, _starts(begin)), (end + HOUR, _ends(end))),
}
