"""Games with the life of an agreement: family 14, in a baseline, a pause that a trigger begins, and what a lift begins.

The pause begins on the second day, and the work is in it. Somebody signs, withholds or dates back what is to let the
lab go: an act that does not count changes nothing, and one that counts lets no more pass than it says."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from attest.acts import Paper
from attest.format.event import TFLOP, Allowance, Deed, Place
from attest.sign.signer import Signer
from attest.simulate.cast import Adjudicators
from attest.simulate.pact import Pact
from attest.simulate.site import Event, Trouble
from tests.bench.families.attempt import ACME, Attempt, Span, agreed
from tests.bench.families.breakable import BREAKABLE
from tests.bench.families.common import HOSTS, Cases, attempt, device_seconds, of
from tests.bench.families.liar import Liar, following
from tests.bench.families.scene import DAY, HOUR, START, Scene
from tests.bench.families.truth import Truth

SCENE: Final = Scene("acts", 2, 3)
TRIGGERED: Final = START + DAY
FOREVER: Final = START + 365 * DAY
SPANS: Final = (
    Span(START, TRIGGERED),
    Span(TRIGGERED, SCENE.end, "trigger"),
    Span(START + 2 * DAY, SCENE.end, "lift"),
)
PAUSE: Final = "phase 1"
# The steps of a ramp have dates, and a phase that waits has none.
UNDATED: Final = tuple(label for label in BREAKABLE if not label.startswith("ramp"))
PACT: Final = Pact((ACME,), (), adjudicators=Adjudicators(), life={"withdrawal": {"notice": "90 d"}})
EVERYWHERE: Final = Allowance((Place("acme-dc1", None),), 10**26 // TFLOP)
OUTAGE_PPM: Final = 10_000
SPARE: Final = Pact((ACME,), (), life={"outages": {"share": f"{OUTAGE_PPM} ppm"}})


class Acts(NamedTuple):
    """What stands beside the log, and what the office enters in it, each at its time."""

    papers: Sequence[bytes] = ()
    entries: Sequence[tuple[int, bytes]] = ()


Sign = Callable[[Pact, int], Acts]  # by the agreement, and when the work begins


def acted() -> Cases:
    """Family 14. Acts that would let the work pass, and outages that are none."""
    for nodes in ((0,), (0, 1)):
        for hours in (0.5, 5, 24):
            for lie in (False, True):
                story = SCENE.secret(nodes, 30, hours)
                site, tale = SCENE.play(SCENE.idle, story), SCENE.play(SCENE.idle)
                words = f"{len(nodes)} of 2 nodes for {hours:g} h, hosts {'quiet' if lie else 'honest'}"
                for name, sign in _ACTS.items():

                    def build(site=site, tale=tale, sign=sign, lie=lie) -> Attempt:  # type: ignore[no-untyped-def]
                        truth = of(site)
                        pact = agreed(PACT, truth, SPANS, UNDATED)
                        lab = Liar(site, tell=following(tale) if lie else None)
                        return _played(lab, truth, pact, sign(pact, START + 30 * HOUR), word=HOSTS if lie else ())

                    yield f"{name}, {words}", build
            for name, (valid, sign) in _OUTAGES.items():

                def dark(nodes=nodes, hours=hours, valid=valid, sign=sign) -> Attempt:  # type: ignore[no-untyped-def]
                    return _dark(nodes, hours, valid, sign)

                yield f"{name}, {len(nodes)} of 2 nodes for {hours:g} h", dark


def _played(lab: Liar, truth: Truth, pact: Pact, acts: Acts, **more: object) -> Attempt:
    for time, document in acts.entries:
        lab.run(until=time)
        lab.event(document)
    lab.run()
    papers = [Paper(document) for document in acts.papers]
    return attempt(lab, SCENE, truth, pact=pact, papers=papers, **more)


def _dark(nodes: tuple[int, ...], hours: float, valid: bool, sign: Sign) -> Attempt:
    """Agents are out while the nodes train."""
    job = SCENE.job(nodes, 30, hours)
    events = tuple(Event(Trouble.LOST, node, job.start, job.end) for node in nodes)
    site = SCENE.play(SCENE.secret(nodes, 30, hours)._replace(events=events))
    lost, most = device_seconds(len(nodes), hours), device_seconds(SCENE.nodes, 72) * OUTAGE_PPM // 10**6
    truth = of(site, unrecorded=lost, excused=min(lost, most) if valid else 0)
    pact = agreed(SPARE, truth, (Span(START, SCENE.end),))
    return _played(Liar(site), truth, pact, sign(pact, job.start))


def _trigger(pact: Pact) -> bytes:
    return pact.event(Deed.TRIGGER, 1, TRIGGERED, FOREVER, phase=PAUSE)


def _lift(pact: Pact, since: int, **signed: Sequence[Signer]) -> bytes:
    return pact.event(Deed.LIFT, 2, since, FOREVER, phase=PAUSE, **signed)  # type: ignore[arg-type]


def _of_acme(deed: Deed, **more: object) -> Callable[[Pact, int], bytes]:
    def sign(pact: Pact, since: int) -> bytes:
        given = {"party": ACME.iss, "phase": PAUSE, **more}
        return pact.event(deed, 2, since, FOREVER, **given)  # type: ignore[arg-type]

    return sign


def _entered(sign: Callable[[Pact, int], bytes], hours_before: int = 2) -> Sign:
    """The trigger is known, and the office enters an act before the work."""

    def acts(pact: Pact, begin: int) -> Acts:
        at = begin - hours_before * HOUR
        return Acts((_trigger(pact),), ((at, sign(pact, at)),))

    return acts


def _late_trigger(pact: Pact, begin: int) -> Acts:
    return Acts(entries=((SCENE.end - HOUR, _trigger(pact)),))


def _dated_back(pact: Pact, begin: int) -> Acts:
    return Acts((_trigger(pact),), ((SCENE.end - HOUR, _lift(pact, begin - HOUR)),))


def _kept_back(pact: Pact, begin: int) -> Acts:
    """The lift of an earlier pause answers a new trigger."""
    again = pact.event(Deed.TRIGGER, 3, TRIGGERED, FOREVER, phase=PAUSE)
    return Acts((again,), ((begin - 2 * HOUR, _lift(pact, begin - 2 * HOUR)),))


_HOLDERS: Final = {"signers": ACME.holder_keys()}
_ACTS: Final[dict[str, Sign]] = {
    "a trigger that the lab leaves out": lambda pact, begin: Acts((_trigger(pact),)),
    "a trigger that it enters when all is over": _late_trigger,
    "a lift by one adjudicator": _entered(lambda pact, at: _lift(pact, at, signers=Adjudicators().keys()[:1])),
    "a lift by the lab's own holders": _entered(lambda pact, at: _lift(pact, at, **_HOLDERS)),
    "a lift in a file alone": lambda pact, begin: Acts((_trigger(pact), _lift(pact, begin - 2 * HOUR))),
    "a lift entered when all is over, and dated back": _dated_back,
    "a lift kept back from before the trigger": _kept_back,
    "an exit by the lab's own holders": _entered(_of_acme(Deed.EXIT, **_HOLDERS)),
    "a withdrawal without its notice": _entered(_of_acme(Deed.WITHDRAWAL, phase=None, **_HOLDERS)),
    "an exemption by the lab's own holders": _entered(_of_acme(Deed.EXEMPTION, allowance=EVERYWHERE, **_HOLDERS)),
    "an exemption for all of it": _entered(_of_acme(Deed.EXEMPTION, allowance=EVERYWHERE)),
}


def _outage(pact: Pact, begin: int, **signed: object) -> bytes:
    given = {"party": ACME.iss, "phase": "phase 0", "allowance": EVERYWHERE._replace(budget=None), **_HOLDERS, **signed}
    start = begin - begin % HOUR
    return pact.event(Deed.OUTAGE, 1, start, SCENE.end, **given)  # type: ignore[arg-type]


# And whether it counts.
_OUTAGES: Final[dict[str, tuple[bool, Sign]]] = {
    "an outage told in time": (True, lambda pact, begin: Acts(entries=((begin, _outage(pact, begin)),))),
    "an outage told after the lag": (
        False,
        lambda pact, begin: Acts(entries=((begin + 14 * HOUR, _outage(pact, begin)),)),
    ),
    "an outage by one holder": (
        False,
        lambda pact, begin: Acts(entries=((begin, _outage(pact, begin, signers=ACME.holder_keys()[:1])),)),
    ),
}
