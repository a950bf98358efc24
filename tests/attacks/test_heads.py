"""Attacks on history and time: forks, heads withheld, bent or not this log's, statements made at other times."""

from collections.abc import Callable
from hashlib import sha256

import pytest

import attest.replay
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.format.statement import Anchor
from attest.format.vocabulary import Role
from attest.log.merkle import EMPTY_ROOT, compact_range
from attest.sign.notes import sign_note
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.source import Draft
from tests.attacks.vectors import (
    COPY,
    EVENING,
    HOUR,
    INVALID,
    MORNING,
    NOON,
    PARTY,
    SOURCE,
    UNPROVEN,
    Case,
    Vector,
    attacks,
    ended,
    holds,
    invalid,
    play,
    ran,
    tampered,
    unproven,
    went_on,
)
from tests.check.world import ACME, CAP, END, LATER, PACT, START, honest, lab, replace, under

FRESH = {"kind": "freshness", "max_age": "6 h"}
WITNESSING = {"kind": "witnessing"}


def other_branch(until: int = NOON, extra: int = 2) -> Lab:
    """The same lab, telling another story from `until` on: its log key signs that, too."""
    twin = ran(until=until)
    for number in range(extra):
        twin.append(b"another history, entry %d" % number)
    twin.witness()
    return twin


def carried(note: Callable[[], bytes | None]) -> Callable[[], Lab]:
    """The office records a note as if it were a head of this log."""

    def story() -> Lab:
        made = ran(until=EVENING)
        made.head(note())
        return went_on(made)

    return story


def signed_note(size: int, root: bytes, origin: str = ACME.origin, *, by: str = "log") -> bytes:
    note = sign_note(format_checkpoint(Checkpoint(origin, size, root)), origin, [ACME.key(by)])
    return ran(until=MORNING).witnesses.cosign(note, EVENING)


def of_the_log(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """A true head, bent."""
    return lambda: change(ran(until=EVENING).note or b"")


def damaged(note: bytes) -> bytes:
    return note[:-8] + b"AAAA" + note[-4:]


def badly_witnessed() -> Lab:
    """Two of four witnesses return what is no cosignature, all evening long, and the office records it."""
    made = ran(until=NOON)
    plain = made.head

    def head(note: bytes | None = None) -> int:
        return plain(again(made.note or b"", b"w1", b"w2"))

    made.head = head  # type: ignore[method-assign]
    made.run()
    return made


def again(note: bytes, *names: bytes) -> bytes:
    """The note with the ends of these witnesses' signatures changed."""
    lines = note.split(b"\n")
    return b"\n".join(line[:-8] + b"AAAA" + line[-4:] if line[4:6] in names else line for line in lines)


def extended(note: bytes) -> bytes:
    return note.replace(b"\n\n", b"\nsite dc1\n\n")


def shrunk(note: bytes) -> bytes:
    return note.replace(b"\n40\n", b"\n39\n")


def renamed(note: bytes) -> bytes:
    return note.replace(b"w2.witness", b"w9.witness")


def a_greeting() -> bytes:
    return sign_note("hello\n", ACME.origin, [ACME.key("log")])


def lone_branch() -> bytes:
    return other_branch().checkpoint()


def of_dc2() -> bytes:
    return signed_note(9, bytes(32), "acme.example/dc2")


def by_a_stranger() -> bytes:
    return signed_note(9, bytes(32), by="forger")


def forked_beyond() -> Lab:
    """A branch that was longer than this log was when it recorded the branch's head."""
    made = ran(until=NOON)
    made.head(other_branch(extra=9).note)
    return went_on(made)


def two_logs_for_two_regulators() -> Case:
    """Both copies are whole and witnessed; only together do they show what the lab did."""
    left, right = honest(), ran(until=EVENING)
    right.enrol(ACME.host(7), Role.HOST, seeded_key("what the other regulator is told"))
    right.run()
    return Case([left.bundle(), right.bundle(name="other")])


def forked_at_one_size() -> Case:
    left, right = ran(until=EVENING), ran(until=EVENING - HOUR)
    while right.size < left.size:
        right.enrol(ACME.host(right.size), Role.HOST, seeded_key(f"another history, {right.size}"))
    return Case([left.bundle(), right.bundle(name="other")])


def seen(size: int, root: bytes) -> bytes:
    return PACT.trust() + f'[[head]]\norigin = "{ACME.origin}"\nsize = {size}\nroot = "{root.hex()}"\n'.encode()


def rolled_back() -> Case:
    """A rival, or the lab, shows the log as it was before the verifier last saw it."""
    now, before = honest(), ran(until=EVENING)
    return Case([before.bundle()], trust=seen(now.size, compact_range(0, now.leaves()).root()))


def forked_since() -> Case:
    now = ran(until=EVENING)
    return Case([honest().bundle()], trust=seen(now.size, EMPTY_ROOT))


def cut_and_signed_again() -> Lab:
    """Whoever stole the log's key cuts off the evening and signs what is left; no witness has seen it so."""
    made = honest()
    del made.entries[-6:]
    made.note = None
    made.note = made.checkpoint()
    return made


def an_old_copy() -> Case:
    """A rival shows a copy of the morning."""
    return Case([ran(until=EVENING).bundle()], under(FRESH))


def withheld() -> Lab:
    """No head is recorded all day: only the last one shows when the statements were there."""
    made = lab()
    made.run(heads=False)
    made.now = END + 13 * HOUR
    made.witness()
    return made


def written_afterwards() -> Lab:
    """The day's statements of a host are written on the next one."""
    made = lab()
    made.run(mute=lambda sub, start, end: sub == ACME.host(0))
    made.now = END + 40 * HOUR
    while made.host(0).until < END:
        made.host(0).append(made.usage(0, made.host(0).until + 6 * HOUR))
    made.witness()
    return made


def backdated() -> Lab:
    """Written the next day, and anchored to a head of the first morning so that it looks old."""
    made = lab()
    made.run(mute=lambda sub, start, end: sub == ACME.host(0) and end == END)
    anchor = ran(until=MORNING).anchor
    made.now = END + 40 * HOUR
    made.host(0).append(made.usage(0, END).but(anchor=anchor))
    made.witness()
    return made


def in_advance() -> Lab:
    """Everything up to the end is signed on the first morning, when nobody could know it."""
    made = ran(until=MORNING)
    while made.host(0).until < END:
        made.host(0).append(made.usage(0, made.host(0).until + 6 * HOUR))
    return went_on(made)


def unanchored(made: Lab, draft: Draft) -> Draft:
    return draft.but(anchor=None)


def anchored(size: int, root: bytes = bytes(32), note: bytes = bytes(32)) -> Callable[[Lab, Draft], Draft]:
    return lambda made, draft: draft.but(anchor=Anchor(size, root, note))


def anchored_to_the_genesis(made: Lab, draft: Draft) -> Draft:
    """A root of this tree, and no note that anybody cosigned."""
    root = compact_range(0, made.leaves()[:32]).root()
    return draft.but(anchor=Anchor(1, root, sha256(b"no note").digest()))


def two_witnesses() -> Case:
    made = honest()
    return Case([made.bundle(made.witness(words=("w1", "w2")))], under(FRESH))


def no_witness_at_all() -> Lab:
    """A quorum never sees any head."""
    made = lab(head_s=6 * HOUR)
    made.run(heads=False)
    made.note = made.checkpoint()
    return made


def witnesses_of_its_own(affiliated: tuple[str, ...]) -> Callable[[], Case]:
    """Three of four cosign, as asked; one of them belongs to the lab."""

    def story() -> Case:
        made = lab()
        plain = made.witnesses.cosign
        object.__setattr__(
            made.witnesses, "cosign", lambda note, time, words=None: plain(note, time, ("w1", "w2", "w3"))
        )
        made.run()
        pact = replace(under(WITNESSING, FRESH), affiliated={"acme": affiliated} if affiliated else {})
        return Case([made.bundle()], pact)

    return story


def a_quorum_that_forks() -> Case:
    """No text of an agreement can say it: three of four resist one colluder, not two."""
    return Case([honest().bundle()], under(WITNESSING), amend=lambda agreement: replace(agreement, tolerates=2))


def judged_too_early() -> Case:
    return Case([honest().bundle()], under(FRESH), at=END)


def nothing_about_the_phase() -> Case:
    """The log ends before the phase begins."""
    made = lab()
    made.run(until=START)
    return Case([made.bundle()], under(WITNESSING))


def bent(change: Callable[[bytes], bytes]) -> Callable[[], MemoryBundle]:
    def story() -> MemoryBundle:
        bundle = honest().bundle()
        bundle.files["checkpoint"] = change(bundle.files["checkpoint"])
        return bundle

    return story


def empty_log() -> MemoryBundle:
    bundle = honest().bundle()
    bundle.files = {"checkpoint": signed_note(0, EMPTY_ROOT)}
    return bundle


def resigned_by_a_stranger() -> MemoryBundle:
    bundle = honest().bundle()
    text = bundle.files["checkpoint"].split(b"\n\n")[0] + b"\n"
    bundle.files["checkpoint"] = sign_note(text.decode(), ACME.origin, [seeded_key("forger")])
    return bundle


def of_another_log() -> MemoryBundle:
    made = Lab(replace(ACME, name="rival"), lab().site)
    made.run(until=MORNING)
    return made.bundle()


VECTORS = (
    # two histories
    invalid("a head of another branch", carried(lambda: other_branch().note), "log/fork", PARTY),
    invalid("a head of a longer branch", forked_beyond, "log/fork", PARTY),
    invalid(
        "a head of another branch that nobody witnessed",
        carried(lone_branch),
        "log/fork",
        PARTY,
    ),
    invalid("two logs for two regulators", two_logs_for_two_regulators, "log/fork", PARTY),
    invalid("two roots of one size", forked_at_one_size, "log/fork", PARTY),
    invalid("another log than was seen before", forked_since, "log/fork", PARTY),
    invalid("an older log than was seen before", rolled_back, "head/rolled-back", COPY),
    # heads in the log
    invalid("a head that lies ahead", carried(lambda: signed_note(10**6, bytes(32))), "head/ahead", SOURCE),
    invalid(
        "a head of another log",
        carried(of_dc2),
        "checkpoint/origin",
        SOURCE,
    ),
    invalid(
        "a head that a stranger signed",
        carried(by_a_stranger),
        "checkpoint/unsigned",
        SOURCE,
    ),
    holds("a head with a cosignature that is none", carried(of_the_log(damaged))),
    unproven("heads with cosignatures that are none", badly_witnessed, "time/untimely"),
    invalid("a head that is no note", carried(lambda: b"size 7"), "note/malformed", SOURCE),
    invalid(
        "a head that is no checkpoint",
        carried(a_greeting),
        "checkpoint/malformed",
        SOURCE,
    ),
    # the newest head
    invalid("a checkpoint of a log that the agreement does not name", of_another_log, "head/unknown-origin", COPY),
    invalid("a checkpoint of nothing", empty_log, "head/empty", COPY),
    invalid("a checkpoint that a stranger signed", resigned_by_a_stranger, "checkpoint/unsigned", COPY),
    invalid("a checkpoint with its size changed", bent(shrunk), "note/signature", COPY),
    invalid(
        "a checkpoint with an extension",
        bent(extended),
        "checkpoint/malformed",
        COPY,
    ),
    invalid("a checkpoint without its signatures", bent(lambda n: n.split(b"\n\n")[0] + b"\n"), "note/malformed", COPY),
    unproven(
        "a checkpoint with a signature by nobody known",
        bent(renamed),
        "unsupported/signature",
    ),
    unproven("a log cut short and signed with the stolen key", cut_and_signed_again, "coverage/gap"),
    unproven("an old copy", an_old_copy, "head/stale"),
    unproven("a head from after the time of judgement", judged_too_early, "head/ahead-of-time"),
    # witnesses
    unproven("a quorum that was not met", two_witnesses, "head/unwitnessed"),
    unproven("a log that no witness saw again", no_witness_at_all, "time/untimely"),
    unproven("a witness of the lab's own", witnesses_of_its_own(("w1",)), "head/unwitnessed"),
    unproven("a quorum that colluders can fork", a_quorum_that_forks, "quorum/forks"),
    # time
    unproven("heads that are withheld", withheld, "time/untimely"),
    unproven("a day written the day after", written_afterwards, "time/untimely"),
    unproven("a statement written late and anchored early", backdated, "time/untimely"),
    unproven("a day written in advance", in_advance, "time/untimely"),
    unproven("a statement without an anchor", lambda: tampered(unanchored), "time/untimely"),
    unproven("an anchor of another log", lambda: tampered(anchored(10**9)), "time/untimely"),
    unproven("an anchor that nobody cosigned", lambda: tampered(anchored_to_the_genesis), "time/untimely"),
    invalid("an anchor that is not this tree's", lambda: tampered(anchored(9)), "anchor/mismatch", SOURCE),
    unproven("a log that ends before the phase", nothing_about_the_phase, "log/no-statements"),
    unproven("a statement without an anchor, and no other after it", lambda: ended(unanchored), "time/untimely"),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_the_honest_are_not_late() -> None:
    assert str(Case([honest().bundle()], under(CAP, WITNESSING, FRESH)).verdict().outcome) == "holds"
    assert str(witnesses_of_its_own(())().verdict().outcome) == "holds"


def test_more_heads_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attest.replay, "MAX_HEADS", 3)
    play(invalid("a log of nothing but heads", honest, "head/too-many", SOURCE))


def test_a_fork_cannot_be_voided() -> None:
    made = ran(until=EVENING)
    bad = made.head(other_branch().note)
    made.void([bad])
    play(invalid("a fork that the root holders void", lambda: went_on(made), "log/fork", PARTY))


def test_without_trust_a_fork_accuses_nobody() -> None:
    told = two_logs_for_two_regulators()
    verdict = replace(told, trust=None).verdict()
    assert verdict.outcome is UNPROVEN
    assert told.verdict().outcome is INVALID
    assert told.at == LATER
