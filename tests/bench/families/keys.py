"""Lies with keys and histories: families 6 (two histories) and 8 (stolen, shared, disowned keys)."""

from collections.abc import Callable

from attest.format.key_acts import KeysBody, Rotate
from attest.format.vocabulary import Role
from attest.log.merkle import compact_range
from attest.sign.seeded import seeded_key
from attest.simulate.site import Site
from attest.simulate.source import Source
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import LAG, SCENES, Cases, attempt, bases, magnitudes, of, shown
from tests.bench.families.liar import Liar, following
from tests.bench.families.scene import HOUR, START, Scene
from tests.bench.families.truth import Truth

Lie = Callable[[Scene, Site, Site], Attempt]


def forked() -> Cases:
    """Family 6. One history has the work and another has not; each regulator is shown one, or the second one both."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene):
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                for when in (scene.first + 6 * HOUR, START + 12 * HOUR):
                    for name, story in _histories(when).items():

                        def build(scene=scene, site=site, tale=tale, story=story) -> Attempt:  # type: ignore[no-untyped-def]
                            return story(scene, site, tale)

                        yield f"{name} from hour {(when - START) // HOUR}, {words}, said to be {base_name}", build


def _histories(when: int) -> dict[str, Lie]:
    def both(scene: Scene, site: Site, tale: Site) -> tuple[Liar, Liar]:
        """The true log, and one that tells another story from a time on, each as its own witnesses saw it."""
        true = Liar(site)
        true.run(until=when)
        false = true.copy()
        assert isinstance(false, Liar)
        false.tell, false.stands = following(tale), dict(true.stands)
        true.run()
        false.run()
        return true, false

    def two_copies(scene: Scene, site: Site, tale: Site) -> Attempt:
        true, false = both(scene, site, tale)
        return attempt(false, scene, of(site), bundles=[false.bundle(), true.bundle(name="the other copy")])

    def head_seen(scene: Scene, site: Site, tale: Site) -> Attempt:
        true, false = both(scene, site, tale)
        return attempt(false, scene, of(site), trust=_seen(true))

    def head_kept(scene: Scene, site: Site, tale: Site) -> Attempt:
        true, false = both(scene, site, tale)
        false.head(true.note)
        return attempt(false, scene, of(site))

    def lone_colluder(scene: Scene, site: Site, tale: Site) -> Attempt:
        """Honest witnesses saw the true log alone; one colluder, as many as are tolerated, cosigns the other."""
        true = Liar(site)
        true.run(until=when)
        false = true.copy()
        assert isinstance(false, Liar)
        false.tell, false.stands = following(tale), dict(true.stands)
        cosign = false.witness
        false.witness = lambda time=None, words=None: cosign(time, ("w1",))  # type: ignore[method-assign]
        return shown(false, scene, of(site, late=True))

    def rolled_back(scene: Scene, site: Site, tale: Site) -> Attempt:
        """The copy ends before the work, and the verifier has seen a later head."""
        true, _ = both(scene, site, tale)
        early = Liar(site)
        early.run(until=when)
        return attempt(early, scene, _as_of(early, scene, site, when), trust=_seen(true))

    def cosigned_again(scene: Scene, site: Site, tale: Site) -> Attempt:
        """The copy ends before the work, and one colluder says that it was the newest of all a moment ago."""
        early = Liar(site)
        early.run(until=when)
        truth, now = _as_of(early, scene, site, when), early.now + early.delay_s
        early.witness(time=[scene.end + LAG - 60, now, now, now])
        return attempt(early, scene, truth)

    return {
        "both histories": two_copies,
        "one history and a head of the other": head_seen,
        "one history with a head of the other in it": head_kept,
        "a history of one colluding witness": lone_colluder,
        "an older copy than was seen": rolled_back,
        "an older copy, cosigned again by one colluder": cosigned_again,
    }


def _seen(lab: Liar) -> bytes:
    root = compact_range(0, lab.leaves()).root().hex()
    return f'[[head]]\norigin = "{ACME.origin}"\nsize = {lab.size}\nroot = "{root}"\n'.encode()


def _as_of(lab: Liar, scene: Scene, site: Site, when: int) -> Truth:
    """Of a copy that ends early and is judged as if it did not."""
    return of(site, unrecorded=_silent(scene, when), stale_s=scene.end + LAG - lab.now - lab.delay_s)


def _silent(scene: Scene, since: int) -> int:
    return scene.nodes * 8 * (scene.end - max(since, START)) if not scene.off.events else 0


def stolen() -> Cases:
    """Family 8. Keys that are another's, retired, revoked, shared or nobody's sign the quiet story; or the true one is
    disowned by revoking what signed it."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            for base_name, base in bases(scene)[1:]:
                site, tale = scene.play(base, scene.secret(nodes, hour, hours)), scene.play(base)
                begin = START + round(hour * HOUR)
                for name, story in _signers(nodes, begin - begin % (6 * HOUR)).items():

                    def build(scene=scene, site=site, tale=tale, story=story) -> Attempt:  # type: ignore[no-untyped-def]
                        return story(scene, site, tale)

                    yield f"{name}, {words}, said to be {base_name}", build


def _signers(nodes: tuple[int, ...], since: int) -> dict[str, Lie]:
    subs = {ACME.host(node) for node in nodes}

    def signed_by(signer: Callable[[Liar, Source], object]) -> Lie:
        def story(scene: Scene, site: Site, tale: Site) -> Attempt:
            lab = Liar(site)
            lab.run(until=since)
            lab.tell = following(tale)
            for node in nodes:
                lab.host(node).signer = signer(lab, lab.host(node))  # type: ignore[assignment]
            return shown(lab, scene, of(site))

        return story

    def after(act: Callable[[Liar, Source, int], None]) -> Lie:
        """The truth is told to the end, and then disowned."""

        def story(scene: Scene, site: Site, tale: Site) -> Attempt:
            lab = Liar(site)
            lab.run(until=since)
            last = lab.size - 1
            lab.run()
            for node in nodes:
                act(lab, lab.host(node), last)
            lab.witness()
            return attempt(lab, scene, of(site))

        return story

    def retired(scene: Scene, site: Site, tale: Site) -> Attempt:
        """A rotation in the middle, and the old key goes on."""
        lab = Liar(site)
        lab.run(until=since)
        lab.tell = following(tale)
        for node in nodes:
            host = lab.host(node)
            old = host.signer
            lab.rotate(host, seeded_key(f"fresh {node}"))
            host.signer = old
        return shown(lab, scene, of(site))

    def stolen_proof(scene: Scene, site: Site, tale: Site) -> Attempt:
        """A rotation to a key that its owner never offered."""
        lab = Liar(site)
        lab.run(until=since)
        lab.tell = following(tale)
        for node in nodes:
            host, other = lab.host(node), seeded_key(f"of somebody else {node}")
            key = other.public_key()
            host.say(KeysBody((Rotate(int(key.alg), key.raw, host.signer.sign(b"mine")),)), host.until)
            host.signer = other
        return shown(lab, scene, of(site))

    def revoked_before(scene: Scene, site: Site, tale: Site) -> Attempt:
        """The office says that the keys were stolen before the work, and tells the quiet story under new names."""
        lab = Liar(site)
        lab.run(until=since)
        last = lab.size - 1
        lab.run()
        for node in nodes:
            lab.revoke(lab.host(node).signer, last)
            spare = lab.enrol(f"{ACME.host(node)}/again", Role.HOST, seeded_key(f"again {node}"))
            lab.sources[ACME.host(node)] = spare
        roster = lab.roster()
        renamed = tuple(h._replace(sub=f"{h.sub}/again") if h.sub in subs else h for h in roster.hosts)
        lab.inventory(type(roster)(roster.feeds, renamed), max(lab.office.until, since))
        lab.witness()
        return attempt(lab, scene, of(site))

    def voids(lab: Liar, source: Source, last: int) -> None:
        """The root holders void what the node said of its work."""
        said = [
            i
            for i in range(last + 1, lab.size)
            if source.sub.encode() in lab.entries[i].data and lab.entries[i].block is not None
        ]
        if said:
            lab.void(said, number=1 + len(lab.stands) + int(source.sub[-4:]))

    def of_a_neighbour(lab: Liar, host: Source) -> object:
        other = lab.site.plan.nodes - 1 - int(host.sub[-4:])
        return lab.host(other).signer if lab.host(other) is not host else ACME.key("spare")

    def disowned(lab: Liar, host: Source, last: int) -> None:
        lab.revoke(host.signer, last)

    return {
        "signed with nobody's key": signed_by(lambda lab, host: seeded_key(f"nobody {host.sub}")),
        "signed with another host's key": signed_by(of_a_neighbour),
        "signed with the office's key": signed_by(lambda lab, host: lab.office.signer),
        "signed with the log's key": signed_by(lambda lab, host: ACME.log_keys()[0]),
        "signed with a retired key": retired,
        "rotated to a key without its proof": stolen_proof,
        "revoked from before the work": after(disowned),
        "revoked and told again": revoked_before,
        "voided": after(voids),
    }
