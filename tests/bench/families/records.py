"""Lies by leaving out and by the clock: families 3 (records dropped) and 7 (backdated, written in advance,
rewritten)."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from attest.format.statement import peek
from attest.format.vocabulary import Kind, State
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact
from attest.simulate.site import DEVICES, Event, Site, Trouble
from attest.simulate.source import Draft, Source
from attest.simulate.telemetry import observe
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import HOSTS, LAG, SCENES, Cases, attempt, bases, device_seconds, magnitudes, of, shown
from tests.bench.families.liar import Liar, following, restated
from tests.bench.families.scene import HOUR, START, Scene

WATCH: Final = 6 * HOUR
_STATES: Final = {
    "missing": Trouble.LOST,
    "stale": Trouble.STALE,
    "a step of the clock": Trouble.STEP,
}


def dropped() -> Cases:
    """Family 3. The hours of the work are not in the log, or not in the copy."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene)[1:]:
                secret = scene.secret(nodes, hour, hours)
                begin, end = START + round(hour * HOUR), START + round((hour + hours) * HOUR)
                lost = device_seconds(len(nodes), hours)
                for name, what in _STATES.items():
                    events = tuple(Event(what, node, begin, end) for node in nodes)
                    site = scene.play(base, secret._replace(events=events))

                    def build(scene=scene, site=site, lost=lost) -> Attempt:  # type: ignore[no-untyped-def]
                        return shown(Liar(site), scene, of(site, unrecorded=lost))

                    yield f"{words} said to be {name}, {base_name}", build
                site = scene.play(base, secret)
                for name, story in _watches(nodes, begin, end, scene.play(base)).items():

                    def cut(scene=scene, site=site, story=story, hours=hours, nodes=nodes) -> Attempt:  # type: ignore[no-untyped-def]
                        return story(scene, site, device_seconds(len(nodes), min(hours, 24)))

                    yield f"{words}, {name}, {base_name}", cut


Story = Callable[[Scene, Site, int], Attempt]


def _watches(nodes: tuple[int, ...], begin: int, end: int, tale: Site) -> dict[str, Story]:
    """What may become of the statements whose windows the work touches; `tale` is the site without it."""
    subs = {ACME.host(node) for node in nodes}

    def touched(start: int, until: int) -> bool:
        return start < end and until > begin

    def restate(state: State, still: bool) -> Story:
        def story(scene: Scene, site: Site, lost: int) -> Attempt:
            def tell(lab: Liar, node: int, start: int, until: int):  # type: ignore[no-untyped-def]
                if node not in nodes or not touched(start, until):
                    return None
                return restated(observe(site, node, start, until), state, still=still)

            return shown(Liar(site, tell=tell), scene, of(site, unrecorded=lost), word=HOSTS if still else ())

        return story

    def skipped(how: Callable[[Source, int], None]) -> Story:
        """The statement is not made, and the chain goes on after it in some way."""

        def story(scene: Scene, site: Site, lost: int) -> Attempt:
            def change(lab: Liar, draft: Draft, source: Source) -> Draft | None:
                statement = draft.statement
                if source.sub in subs and touched(statement.start, statement.end):
                    how(source, statement.end)
                    return None
                return draft

            return shown(Liar(site, change=change), scene, of(site, unrecorded=lost))

        return story

    def jumps(source: Source, until: int) -> None:
        source.until = until

    def counts_on(source: Source, until: int) -> None:
        source.until, source.seq = until, source.seq + 1

    def silent_from_then_on(scene: Scene, site: Site, lost: int) -> Attempt:
        return shown(Liar(site), scene, of(site, unrecorded=lost), mute=lambda s, a, b: s in subs and b > begin)

    def closes(scene: Scene, site: Site, lost: int) -> Attempt:
        lab = Liar(site)
        lab.run(until=begin - begin % WATCH)
        for node in nodes:
            lab.close(lab.host(node))
        return shown(lab, scene, of(site, unrecorded=lost), mute=lambda s, a, b: s in subs)

    def never_there(scene: Scene, site: Site, lost: int) -> Attempt:
        return shown(Liar(site), scene, of(site, unrecorded=lost), mute=lambda s, a, b: s in subs)

    def blocks_withheld(scene: Scene, site: Site, lost: int) -> Attempt:
        lab = Liar(site)
        lab.run()
        bundle = lab.bundle()
        for path in [path for path in bundle.files if path.startswith("blocks/")]:
            del bundle.files[path]
        for entry in lab.entries:
            if entry.block is not None and peek(entry.data).kind in (Kind.INVENTORY, Kind.METER):
                bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
        return attempt(lab, scene, of(site, unrecorded=lost), bundles=[bundle])

    def old_copy(scene: Scene, site: Site, lost: int) -> Attempt:
        """Under a note of the time before the work."""
        lab = Liar(site)
        lab.run(until=begin - begin % WATCH)
        note = lab.note
        old = scene.end + LAG - lab.now - lab.delay_s
        lab.run()
        return attempt(lab, scene, of(site, unrecorded=lost, stale_s=old), bundles=[lab.bundle(note)])

    def meter_left_out(throughout: bool) -> Story:
        """Hosts tell of a quiet day, and what the meter says is left out of the log."""

        def story(scene: Scene, site: Site, lost: int) -> Attempt:
            watches = range(START, scene.end, WATCH)
            bare = WATCH * scene.nodes * DEVICES * sum(throughout or touched(at, at + WATCH) for at in watches)
            lab = Liar(site, tell=following(tale))
            return shown(
                lab,
                scene,
                of(site, unmetered=bare),
                word=HOSTS,
                mute=lambda s, a, b: s == ACME.meter and (throughout or touched(a, b)),
            )

        return story

    def seven_of_eight(scene: Scene, site: Site, lost: int) -> Attempt:
        """The last device of each node is said by no statement."""

        def change(lab: Liar, draft: Draft, source: Source) -> Draft:
            if source.sub in subs and touched(draft.statement.start, draft.statement.end):
                node = next(n for n in nodes if ACME.host(n) == source.sub)
                seen = observe(site, node, draft.statement.start, draft.statement.end)
                blank = restated(seen, State.SAMPLED)
                return draft.but_body(
                    devices=DEVICES - 1, block=None, columns=(), counters=(), runs=(), spans=blank.spans[: 7 * 8]
                )._replace(block=None)
            return draft

        return shown(Liar(site, change=change), scene, of(site, unrecorded=lost // DEVICES))

    return {
        "said to be off, counters still": restate(State.OFF, still=True),
        "said to be off, counters true": restate(State.OFF, still=False),
        "said to be missing, counters still": restate(State.MISSING, still=True),
        "said to be reset": restate(State.RESET, still=False),
        "left out with a hole": skipped(jumps),
        "left out with its number": skipped(counts_on),
        "and silent from then on": silent_from_then_on,
        "after the chain was closed": closes,
        "by hosts that never speak": never_there,
        "blocks withheld": blocks_withheld,
        "in an old copy": old_copy,
        "told of seven devices of eight": seven_of_eight,
        "told by hosts as quiet, the meter left out": meter_left_out(throughout=False),
        "told by hosts as quiet, no word of the meter": meter_left_out(throughout=True),
    }


def untimely() -> Cases:
    """Family 7. What is said was written at another time than it seems."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene)[:2]:
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                begin = START + round(hour * HOUR)
                for name, story in _times(nodes, begin, hours if base_name == "off" else 0).items():

                    def build(scene=scene, site=site, tale=tale, story=story) -> Attempt:  # type: ignore[no-untyped-def]
                        return story(scene, site, tale)

                    yield f"{name}, {words}, said to be {base_name}", build


Rewriting = Callable[[Scene, Site, Site], Attempt]


def _times(nodes: tuple[int, ...], begin: int, hours: float) -> dict[str, Rewriting]:
    """`hours`: for how long the nodes were on, where a meter shows that they were off the rest of the time."""
    subs = {ACME.host(node) for node in nodes}
    noon = begin - begin % WATCH

    def late(hours_later: float, *, old_anchor: bool = False, kept: bool = False) -> Rewriting:
        """Nodes fall silent when the work begins; afterwards they tell of a quiet day, in a log that may go on."""

        def story(scene: Scene, site: Site, tale: Site) -> Attempt:
            lab = Liar(site, tell=following(tale))
            lab.run(until=noon)
            anchor = lab.anchor
            lab.run(mute=lambda s, a, b: s in subs)
            lab.now += round(hours_later * HOUR)
            for node in nodes:
                while lab.host(node).until < scene.last:
                    draft = lab.usage(node, min(lab.host(node).until + WATCH, scene.last))
                    lab.say(draft.but(anchor=anchor) if old_anchor else draft, lab.host(node))
            lab.witness()
            if kept:
                lab.head()
            silent = device_seconds(len(nodes), hours or (scene.end - noon) / HOUR)
            truth = of(site, unrecorded=silent, late=True)
            return attempt(lab, scene, truth, at=lab.now + HOUR)

        return story

    def in_advance(scene: Scene, site: Site, tale: Site) -> Attempt:
        """What the nodes will have done is written before they do it, by more than the lag."""
        lab = Liar(site, tell=following(tale))
        lab.run(until=scene.first + WATCH)
        for node in nodes:
            while lab.host(node).until < scene.last:
                lab.say(lab.usage(node, min(lab.host(node).until + WATCH, scene.last)), lab.host(node))
        return shown(lab, scene, of(site, late=True), pact=Pact((ACME,), (), max_lag="3 h"))

    def a_watch_ahead(scene: Scene, site: Site, tale: Site) -> Attempt:
        """The same, never by more than the lag allows, so that it is in time."""
        lab = Liar(site, tell=following(tale))
        while lab.now < scene.last:
            until = min(lab.now + 2 * WATCH, scene.last)
            for node in nodes:
                if lab.host(node).until < until:
                    lab.say(lab.usage(node, until), lab.host(node))
            lab.run(until=min(lab.now + WATCH, scene.last))
        return attempt(lab, scene, of(site), word=HOSTS)

    def rewritten(scene: Scene, site: Site, tale: Site) -> Attempt:
        """The log that told the truth is thrown away, and the day is written again; witnesses see the new one late."""
        lab = Liar(site, tell=following(tale))
        lab.delay_s = 20 * HOUR
        return shown(lab, scene, of(site, late=True), at=scene.last + 30 * HOUR)

    def heads_left_out(scene: Scene, site: Site, tale: Site) -> Attempt:
        """No head is kept between the first and one the day after, so that nobody can say when anything was written."""
        lab = Liar(site, tell=following(tale))
        lab.run(heads=False)
        lab.now = scene.last + 20 * HOUR
        lab.witness()
        return attempt(lab, scene, of(site, late=True), at=lab.now + HOUR)

    def clocks_put_back(scene: Scene, site: Site, tale: Site) -> Attempt:
        """Statements of the truth's hours are dated days ahead of the true ones: what was idle is told of the work."""
        lab = Liar(site, tell=following(tale))
        lab.delay_s = -20 * HOUR
        return shown(lab, scene, of(site, late=True))

    def unwitnessed(scene: Scene, site: Site, tale: Site) -> Attempt:
        """Two witnesses of the four see it, too few for a quorum."""
        lab = Liar(site, tell=following(tale))
        plain: Callable[..., bytes] = Lab.witness
        lab.witness = lambda time=None, words=None: plain(lab, time, ("w1", "w2"))  # type: ignore[method-assign]
        return shown(lab, scene, of(site, late=True))

    def unanchored(scene: Scene, site: Site, tale: Site) -> Attempt:
        def change(lab: Liar, draft: Draft, source: Source) -> Draft:
            return draft.but(anchor=None) if source.sub in subs else draft

        return shown(Liar(site, tell=following(tale), change=change), scene, of(site, late=True))

    return {
        "written a day later": late(20),
        "written 13 hours late": late(7.1),
        "written a day later and anchored early": late(20, old_anchor=True),
        "written two days later, and the log goes on": late(44, kept=True),
        "written in advance, by more than the lag": in_advance,
        "written a watch in advance, as the lag allows": a_watch_ahead,
        "rewritten and witnessed late": rewritten,
        "heads left out": heads_left_out,
        "witnessed before it happened": clocks_put_back,
        "seen by too few witnesses": unwitnessed,
        "without anchors": unanchored,
    }
