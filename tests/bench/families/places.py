"""Work somewhere else: families 2 (undeclared chips), 5 (split runs), 15 (elsewhere)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from attest.agreement import Agreement, verify_agreement
from attest.format.roster import Roster
from attest.format.vocabulary import Label, Precision
from attest.sign.signer import Signer
from attest.simulate.cast import Identity
from attest.simulate.pact import METER, Pact, Phase
from attest.simulate.site import Job, Site
from attest.trust.keys import Alg
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import SCENES, Cases, bases, magnitudes, of, shown
from tests.bench.families.liar import Liar, metering
from tests.bench.families.scene import START, Scene, Story

RIVAL: Final = Identity("borealis")
# Which runs there are, whose, and of which label, is the lab's word (agreement.md, "run-cap", "compute-cap").
OF_LINEAGES: Final = ("run L1", "scale L1", "reporting")
OF_OWNERS: Final = ("owner L1",)
OF_LABELS: Final = ("training L1",)
OWNER: Final = 5


class Annexe(Identity):
    """A second site of the lab, with the same root holders."""

    def key(self, role: str, alg: Alg = Alg.ED25519) -> Signer:
        """Holders are the party's, other keys the site's."""
        return ACME.key(role, alg) if role.startswith("holder") else super().key(role, alg)


SECOND: Final = Annexe("acme", site_name="dc2")


# -- 2: chips that nobody declared


def undeclared() -> Cases:
    """Family 2. Some nodes are in no inventory, or are said to be of another model."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                for name, (story, beyond) in _HIDING.items():

                    def build(  # type: ignore[no-untyped-def]
                        scene=scene, base=base, nodes=nodes, hour=hour, hours=hours, story=story, beyond=beyond
                    ) -> Attempt:
                        return replace(story(scene, base, nodes, hour, hours), beyond=beyond)

                    yield f"{name}, {words} as many again, beside {base_name}", build


Hiding = Callable[[Scene, Story, tuple[int, ...], float, float], Attempt]


def _cellar(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> Site:
    cellar = Scene(f"{scene.name} cellar", len(nodes), scene.days)
    return cellar.play(cellar.secret(cellar.every, hour, hours))


def _past_meters(known: bool) -> Hiding:
    def story(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
        site, cellar = scene.play(base), _cellar(scene, nodes, hour, hours)
        truth = of(site, cellar, undeclared=True)
        pact = Pact((ACME,), (), devices=truth.devices() if known else None)
        return shown(Liar(site), scene, truth, pact=pact)

    return story


def _behind_the_site(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
    site, cellar = scene.play(base), _cellar(scene, nodes, hour, hours)
    seen = Site(site.plan)
    seen.__dict__["site_mw"] = site.site_mw + cellar.site_mw
    return shown(Liar(site, tell_meter=metering(seen)), scene, of(site, cellar, undeclared=True))


def _left_out(known: bool) -> Hiding:
    """The nodes' feeds are declared and metered, and what hangs on them is not."""

    def story(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
        site = scene.play(base, scene.secret(nodes, hour, hours))
        kept = [n for n in scene.every if n not in nodes] or [scene.every[-1]]

        def roster_of(roster: Roster) -> Roster:
            return replace(roster, hosts=tuple(roster.hosts[n] for n in kept))

        subs = {ACME.host(n) for n in scene.every if n not in kept}
        truth = of(site, undeclared=bool(subs))
        pact = Pact((ACME,), (), devices=truth.devices() if known else None)
        return shown(Liar(site, roster_of=roster_of), scene, truth, mute=lambda s, a, b: s in subs, pact=pact)

    return story


def _weaker(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
    """H100 are declared as V100, which do a seventeenth of it and as much for a joule as these."""
    job = scene.job(nodes, hour, hours, precision=Precision.FP8, effort_ppm=1_500_000)
    site = scene.play(base, Story((job,)))

    def roster_of(roster: Roster) -> Roster:
        hosts = (
            h._replace(devices=tuple(d._replace(model="NVIDIA V100 SXM2 32GB") for d in h.devices))
            for h in roster.hosts
        )
        return replace(roster, hosts=tuple(hosts))

    return shown(Liar(site, roster_of=roster_of), scene, of(site))


# And whether it is beyond logs: nothing in any of them tells of chips, or of a model, that nobody declared.
_HIDING: Final[dict[str, tuple[Hiding, bool]]] = {
    "past every meter": (_past_meters(known=False), True),
    "past every meter, and the parties know how many there are": (_past_meters(known=True), False),
    "behind the site's meter": (_behind_the_site, True),
    "of the site's own, on metered feeds": (_left_out(known=False), True),
    "of the site's own, and the parties know how many there are": (_left_out(known=True), False),
    "declared as a weaker model": (_weaker, True),
}


# -- 5: one run as many


def split() -> Cases:
    """Family 5. One run is cut up: by time, node, lineage, label, day, site; all of it is recorded truly."""
    for scene in SCENES:
        for words, nodes, hour, hours in magnitudes(scene):
            for name, (cut, claims) in _CUTS.items():
                jobs = tuple(cut(scene, nodes, hour, hours))
                site = scene.play(scene.idle._replace(jobs=jobs))

                def build(scene=scene, site=site, claims=claims) -> Attempt:  # type: ignore[no-untyped-def]
                    return shown(Liar(site), scene, of(site), claims=claims)

                yield f"{name}, {words}", build
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            for share in (50, 10):
                for given in ("both", "the first alone"):

                    def sites(scene=scene, nodes=nodes, hour=hour, hours=hours, share=share, given=given) -> Attempt:  # type: ignore[no-untyped-def]
                        return _two_sites(scene, nodes, hour, hours, share, both=given == "both")

                    yield f"over two sites, {share} % at the second, {given} shown, {words}", sites


def _by_time(minutes: int) -> Callable[[Scene, tuple[int, ...], float, float], list[Job]]:
    def cut(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
        count = max(round(hours * 60) // minutes, 1)
        each = hours / count
        return [scene.job(nodes, hour + n * each, each, f"run {n}", lineage=1 + n, owner=OWNER) for n in range(count)]

    return cut


def _by_node(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    return [scene.job((n,), hour, hours, f"run {n}", lineage=1 << n, owner=OWNER) for n in nodes]


def _without_lineage(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    """Each host's statement is of a run of its own, which has no relatives."""
    return [scene.job(nodes, hour, hours, "run", lineage=0, owner=OWNER)]


def _by_owner(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    """An owner a node and a quarter of the time, all of one lineage."""
    quarter = max(round(hours * 60 / 4), 1) / 60
    return [
        scene.job((n,), hour + part * quarter, quarter, f"run {n} {part}", lineage=1, owner=1 + part + 4 * n)
        for n in nodes
        for part in range(4)
    ]


def _by_label(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    labels = (Label.TRAINING, Label.FINE_TUNING, Label.EVALUATION, Label.OTHER, Label.INFERENCE)
    each = max(round(hours * 60 / len(labels)), 1) / 60
    return [
        scene.job(nodes, hour + n * each, each, f"run {n}", lineage=1 + n, owner=OWNER, claimed=label)
        for n, label in enumerate(labels)
    ]


def _over_midnight(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    """Half of it on each side of the end of a day, of a watch and of a bucket."""
    at = 24 if scene.days > 1 else 12
    half = min(hours / 2, 11)
    return [
        scene.job(nodes, at - half, half, "evening", lineage=2, owner=OWNER),
        scene.job(nodes, at, half, "morning", lineage=1, owner=OWNER),
    ]


def _turns(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float) -> list[Job]:
    """Half an hour around each edge of a bucket, on one node after the other."""
    count = max(round(hours), 1)
    return [
        scene.job((nodes[n % len(nodes)],), n + 0.75, 0.5, f"turn {n}", lineage=1 + n, owner=OWNER)
        for n in range(count)
    ]


_CUTS: Final = {
    "into jobs of ten minutes": (_by_time(10), OF_LINEAGES),
    "into jobs of an hour": (_by_time(60), OF_LINEAGES),
    "into jobs of seven minutes": (_by_time(7), OF_LINEAGES),
    "over nodes, each a lineage": (_by_node, OF_LINEAGES),
    "without a lineage": (_without_lineage, ()),
    "over owners": (_by_owner, OF_OWNERS),
    "over labels": (_by_label, OF_LINEAGES + OF_LABELS),
    "over midnight": (_over_midnight, OF_LINEAGES),
    "in turns at the edges of hours": (_turns, OF_LINEAGES),
}


def _two_sites(scene: Scene, nodes: tuple[int, ...], hour: float, hours: float, share: int, *, both: bool) -> Attempt:
    here = scene.play(scene.idle, scene.secret(nodes, hour, hours * (100 - share) / 100))
    other = Scene(f"{scene.name} dc2", scene.nodes, scene.days)
    there = other.play(other.idle, other.secret(nodes, hour, hours * share / 100))
    first, second = Liar(here), Liar(there, identity=SECOND)
    second.run()
    first.run()
    bundles = [first.bundle(), second.bundle()] if both else [first.bundle()]

    def amend(agreement: Agreement) -> Agreement:
        pact = Pact((SECOND,), (Phase("x", START, scene.end, ({"kind": "witnessing"},)),))
        (added,) = verify_agreement(pact.signed()).agreement.parties
        (party,) = agreement.parties
        merged = replace(party, sites=(*party.sites, *added.sites), meters=(*party.meters, *added.meters))
        names = tuple(site.name for site in merged.sites)
        phases = tuple(
            replace(phase, terms=tuple(replace(term, sites=names) for term in phase.terms))
            for phase in agreement.phases
        )
        return replace(agreement, parties=(merged,), phases=phases)

    return shown(first, scene, of(here, there), bundles=bundles, amend=amend)


# -- 15: elsewhere


def elsewhere() -> Cases:
    """Family 15. The work is done where the agreement does not look."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                for name, story in _ELSEWHERE.items():

                    def build(scene=scene, base=base, nodes=nodes, hour=hour, hours=hours, story=story) -> Attempt:  # type: ignore[no-untyped-def]
                        return story(scene, base, nodes, hour, hours)

                    yield f"{name}, {words}, beside {base_name}", build


def _rented(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
    """At a site of nobody who signed."""
    truth = of(scene.play(base), _cellar(scene, nodes, hour, hours))
    return shown(Liar(scene.play(base)), scene, truth, beyond=True)


def _at_a_party(shown_too: bool) -> Hiding:
    """At another party of the pact, whose log is not shown, or is."""

    def story(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
        other = Scene(f"{scene.name} rival", scene.nodes, scene.days)
        there = other.play(other.idle, other.secret(nodes, hour, hours))
        mine, theirs = Liar(scene.play(base)), Liar(there, identity=RIVAL)
        mine.run()
        theirs.run()
        bundles = [mine.bundle(), theirs.bundle()] if shown_too else [mine.bundle()]
        pact = Pact((ACME, RIVAL), (), meter=METER)
        return shown(mine, scene, of(there), bundles=bundles, pact=pact, party=1)

    return story


def _at_a_second_site(shown_too: bool) -> Hiding:
    def story(scene: Scene, base: Story, nodes: tuple[int, ...], hour: float, hours: float) -> Attempt:
        return _two_sites(scene, nodes, hour, hours, 90, both=shown_too)

    return story


_ELSEWHERE: Final[dict[str, Hiding]] = {
    "rented from somebody outside": _rented,
    "at another party that shows nothing": _at_a_party(shown_too=False),
    "at another party that shows its log": _at_a_party(shown_too=True),
    "at a second site that is not shown": _at_a_second_site(shown_too=False),
    "at a second site that is shown": _at_a_second_site(shown_too=True),
}
