"""Attacks on an archive's custody log: by the archive itself, by who copies it, by who would sign in its name."""

from collections.abc import Callable
from dataclasses import replace

from attest.format.bodies import HeadBody
from attest.format.custody import MAX_OBJECTS, CustodyBody, CustodyObject
from attest.format.statement import Anchor
from attest.format.vocabulary import Role
from attest.log.merkle import compact_range
from attest.sign.seeded import seeded_key
from attest.simulate.archive import Archive
from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from attest.simulate.source import Source
from tests.attacks.vectors import (
    COPY,
    EVENING,
    PARTY,
    SOURCE,
    Case,
    Story,
    Vector,
    attacks,
    breach,
    holds,
    invalid,
    play,
    ran,
    unproven,
    went_on,
)
from tests.check.keeping import FOUR, KEEPER, NOW, keeping, kept, rewritten
from tests.check.world import DAY, HOUR, START

CHAIN: Table = {"kind": "custody"}
NOON_ACTS = 12
THIEF = seeded_key("thief")
WITNESSED = keeping(CHAIN, witnesses=FOUR)


def archived(story: Callable[[], Archive], **options: object) -> Story:
    """The story, judged under the archive's agreement."""
    return lambda: Case([story().bundle()], keeping(), NOW, **options)  # type: ignore[arg-type]


def witnessed(story: Callable[[], Archive], at: int = NOW) -> Story:
    return lambda: Case([story().bundle()], WITNESSED, at)


def went_on_keeping(made: Archive) -> Archive:
    """The archive, honest again past the end of the day."""
    made.keep(25 - NOON_ACTS)
    return made


def at_noon(change: Callable[[Archive], object]) -> Callable[[], Archive]:
    """An archive with which something was done at noon, and that went on from there."""

    def story() -> Archive:
        made = kept(NOON_ACTS)
        change(made)
        return went_on_keeping(made)

    return story


# -- entries removed, moved, altered, told twice


def removed() -> Archive:
    """The archive takes an act out of its log and signs a new head over the rest."""
    return rewritten(kept(), NOON_ACTS)


def without_its_end() -> Archive:
    return rewritten(kept(), *range(-6, 0))


def reordered() -> Archive:
    made = kept()
    made.entries[9], made.entries[10] = made.entries[10], made.entries[9]
    return made


def altered(signed: bool) -> Archive:
    """One letter of an act: who took the delivery."""
    made = kept()
    data = made.entries[NOON_ACTS].data
    made.entries[NOON_ACTS] = made.entries[NOON_ACTS]._replace(data=data.replace(b"ines", b"inez"))
    if signed:
        made.note = None
    return made


def altered_in_a_copy() -> Case:
    note = kept().sealed()
    return Case([altered(signed=False).bundle(note)], keeping(), NOW)


def told_twice(made: Archive) -> None:
    made.append(*made.entries[-1])


def another_at_the_same_place(made: Archive) -> None:
    """Two regulators were told of different deliveries, and one log has both."""
    office = made.office
    last = made.act("put", ("manifest", b"another"))
    made.append(office.sign(last.but(seq=office.seq - 1)))


def a_place_skipped(made: Archive) -> None:
    made.office.seq += 1


def backdated_window(made: Archive) -> None:
    made.office.until -= HOUR


# -- who signs, and what


def by_a_thief(made: Archive) -> None:
    made.append(made.office.sign(made.act("release", case="2026/117"), THIEF))


def by_a_host(made: Archive) -> None:
    """The archive's office enrols a host, which enters an act of its own."""
    host, key = f"{KEEPER.iss}/host", seeded_key("a host of the archive")
    made.keys(made.enrolment(host, Role.HOST, key))
    source = Source(made, host, KEEPER.iss, key, made.office.prev, made.now)
    source.append(source.draft(CustodyBody("expire", "nobody", (), ()), made.now))


def host_of_a_lab() -> Lab:
    made = ran()
    host = made.host(0)
    made.append(host.sign(host.draft(CustodyBody("put", "n1", (), ()), host.until)))
    return went_on(made)


def office_of_a_lab() -> Lab:
    """A lab's office tells of custody: under an agreement about compute that is nothing."""
    made = ran(until=EVENING)
    made.office.say(CustodyBody("put", "ines", (), ()))
    return went_on(made)


def bodied(**fields: object) -> Callable[[Archive], None]:
    """An act with a body that no archive writes."""

    def change(made: Archive) -> None:
        made.enter(made.act("put", ("manifest", b"a delivery")).but_body(**fields))

    return change


def anchored(made: Archive) -> None:
    """An act that names a head which this log never had."""
    made.enter(made.act("put").but(anchor=Anchor(3, bytes(32), bytes(32))))


# -- copies and histories


def head_of(made: Archive) -> bytes:
    """A trust file of who saw this head."""
    root = compact_range(0, made.leaves()).root().hex()
    text = f'[[head]]\norigin = "{KEEPER.origin}"\nsize = {made.size}\nroot = "{root}"\n'
    return keeping().trust() + text.encode()


def rolled_back() -> Case:
    """A copy that ends before what the verifier saw; its silence would be short enough."""
    return Case([kept(24).bundle()], keeping(), NOW, trust=head_of(kept()))


def written_anew() -> Case:
    """The archive makes its log anew without one delivery, chain, head and all."""
    anew = kept(NOON_ACTS)
    anew.now += HOUR
    anew.keep(24 - NOON_ACTS)
    return Case([anew.bundle()], keeping(), NOW, trust=head_of(kept(20)))


def written_anew_for_who_never_saw_it() -> Case:
    anew = written_anew()
    return replace(anew, trust=b"pinned")


def old_and_new() -> Case:
    """An old copy beside one of another history."""
    other = kept(20)
    other.did("fixity", objects=3)
    return Case([kept().bundle(), other.bundle(name="other")], keeping(), NOW)


def begun_anew() -> Archive:
    """Whatever was before is gone: a log that begins in the afternoon."""
    return kept(12, FOUR, START + 14 * HOUR)


def made_up_afterwards() -> Archive:
    """Entries of a whole day, written in the evening."""
    made = kept(2, FOUR)
    drafts = 20
    for _ in range(drafts):
        made.now += HOUR
        made.office.append(made.act("put"))
    made.now = NOW + 9 * HOUR
    made.office.say(HeadBody(made.witness()))
    return made


def never_witnessed() -> Archive:
    """No witness ever saw the log that the agreement asks witnesses for."""
    return kept()


def cut() -> Archive:
    return kept(20, FOUR)


def silent() -> Archive:
    """It ends in the afternoon, and says nothing more."""
    return kept(15)


def empty() -> Archive:
    made = kept()
    del made.entries[1:]
    return made


def fell_silent(made: Archive) -> None:
    made.now += 4 * HOUR


def dated_ahead(made: Archive) -> None:
    """One act, dated in fifty years, is to be the last word for as long."""
    made.now += 50 * 365 * DAY
    made.did("fixity", objects=0)


def acknowledged(made: Archive) -> None:
    """An act is missing in the chain. The root holders void what follows on the gap; the office goes on before it."""
    office, now = made.office, made.now
    seq, prev = office.seq, office.prev
    office.seq += 1
    bad = made.put("after the gap")
    office.seq, office.prev, office.until = seq, prev, now
    made.void([bad])


def lab_without_devices() -> Case:
    """An archive is no lab: under terms about a log alone it has nothing to show."""
    fresh = keeping({"kind": "freshness", "max_age": "6 h"}, witnesses=FOUR)
    return Case([kept(witnesses=FOUR).bundle()], fresh, NOW)


TOO_MANY = tuple(CustodyObject("o", bytes(32), bytes(64), n) for n in range(MAX_OBJECTS + 1))
VECTORS = (
    holds("an archive that keeps its word", archived(kept), "custody/unwitnessed"),
    # entries
    invalid("an act taken out of a custody log", archived(removed), "chain/gap", SOURCE),
    unproven("the last acts taken out of a custody log", archived(without_its_end), "custody/silent"),
    invalid("acts in another order", archived(reordered), "chain/order", SOURCE, "chain/gap"),
    invalid(
        "an act altered, and the head signed anew",
        archived(lambda: altered(True)),
        "signature/invalid",
        SOURCE,
        "chain/gap",
    ),
    invalid("an act altered in a copy", altered_in_a_copy, "tree/root", COPY),
    invalid("an act told twice", archived(at_noon(told_twice)), "chain/replayed", SOURCE),
    invalid(
        "two contents for one act",
        archived(at_noon(another_at_the_same_place)),
        "chain/equivocation",
        SOURCE,
        "chain/prev",
    ),
    invalid("an act left out from the start", archived(at_noon(a_place_skipped)), "chain/gap", SOURCE),
    invalid("an act in the time of another", archived(at_noon(backdated_window)), "chain/window", SOURCE),
    unproven("a gap that root holders acknowledge", archived(at_noon(acknowledged)), "custody/voided"),
    # who signs, and what
    invalid("a hold released by a thief", archived(at_noon(by_a_thief)), "key/unknown", SOURCE),
    invalid("an act of a host of the archive", archived(at_noon(by_a_host)), "key/role", SOURCE),
    invalid("an act of custody by a host of a lab", host_of_a_lab, "key/role", SOURCE),
    holds("an act of custody by the office of a lab", office_of_a_lab),
    invalid(
        "more objects than an act has",
        archived(at_noon(bodied(objects=TOO_MANY))),
        "statement/array",
        SOURCE,
        "chain/gap",
    ),
    invalid("an act by nobody", archived(at_noon(bodied(actor=""))), "statement/text", SOURCE, "chain/gap"),
    invalid(
        "an act that forges lines",
        archived(at_noon(bodied(actor="ines\n✔ HOLDS"))),
        "statement/text",
        SOURCE,
        "chain/gap",
    ),
    unproven("an act that this version does not know", archived(at_noon(bodied(action="burn"))), "unsupported/action"),
    invalid("an act under another head", archived(at_noon(anchored)), "anchor/mismatch", SOURCE),
    # copies and histories
    invalid("a custody log rolled back", rolled_back, "head/rolled-back", COPY),
    invalid("a custody log written anew", written_anew, "log/fork", PARTY),
    invalid("a custody log shown in two histories", old_and_new, "log/fork", PARTY),
    unproven("a custody log begun anew", witnessed(begun_anew), "custody/begins-late"),
    unproven("a custody log made up in the evening", witnessed(made_up_afterwards, NOW + 10 * HOUR), "time/untimely"),
    unproven("a custody log that no witness saw", witnessed(never_witnessed), "head/unwitnessed"),
    unproven("an old copy of a custody log", witnessed(cut), "custody/cut"),
    unproven("a custody log that ends early", archived(silent), "custody/silent"),
    unproven("a custody log of a genesis", archived(empty), "custody/none"),
    unproven("an act dated in fifty years", archived(at_noon(dated_ahead)), "custody/silent"),
    unproven("a fault in a custody log", archived(at_noon(bodied(action="burn"))), "custody/broken"),
    breach("an archive that fell silent and went on", archived(at_noon(fell_silent)), "term/custody"),
    unproven("an archive in the place of a lab", lab_without_devices, "inventory/empty"),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)
