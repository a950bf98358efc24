"""Attacks on the order of things: chains of sources cut, doubled, bent, and spliced into another log."""

from attest.format.bodies import GenesisBody, UsageBody
from attest.format.statement import parse_statement
from attest.log.merkle import leaf_hash
from attest.sign.statements import header_for, sign_statement
from attest.simulate.cast import replace
from attest.simulate.lab import Lab
from attest.simulate.source import Draft
from tests.attacks.vectors import (
    EVENING,
    HOUR,
    INVALID,
    MORNING,
    NOON,
    PARTY,
    SOURCE,
    UNPROVEN,
    Vector,
    attacks,
    ended,
    play,
    ran,
    tampered,
    went_on,
)
from tests.check.world import ACME, END, site


def statements(made: Lab, sub: str) -> list[int]:
    """The log indices of a source's statements."""
    return [i for i, e in enumerate(made.entries) if parse_statement(e.data).header.sub == sub]


def overlap() -> Lab:
    made = ran()
    made.host(0).until -= HOUR
    return went_on(made)


def hole() -> Lab:
    made = ran()
    made.host(0).until += HOUR
    return went_on(made)


def skipped() -> Lab:
    made = ran()
    made.host(0).seq += 1
    return went_on(made)


def begins_late() -> Lab:
    made = ran(until=MORNING - HOUR)
    made.host(0).seq += 1
    return went_on(made)


def begins_elsewhere() -> Lab:
    made = ran(until=MORNING - HOUR)
    made.host(0).prev = made.host(1).prev and bytes(32)
    return went_on(made)


def replayed(again: int = 0) -> Lab:
    """A statement stands in the log again, `again` statements of the same source later."""
    made = ran(until=EVENING)
    made.append(*made.entries[statements(made, made.host(0).sub)[-1 - again]])
    return went_on(made)


def replayed_late() -> Lab:
    return replayed(again=1)


def other_predecessor() -> Lab:
    made = ran()
    made.host(0).prev = bytes(32)
    return went_on(made)


def under_another_source() -> Lab:
    made = ran()
    draft = made.usage(0, EVENING)
    made.append(made.host(1).sign(draft), draft.block)
    return went_on(made)


def in_the_chain_of_another() -> Lab:
    made = ran()
    mine, theirs = made.host(1), made.usage(0, EVENING)
    mine.append(theirs.but(seq=mine.seq, prev=mine.prev))
    return went_on(made)


def in_the_name_of_another() -> Lab:
    made = ran()
    source, draft = made.host(1), made.usage(0, EVENING)
    header = header_for(source.signer, source.iss, made.host(0).sub)
    made.append(sign_statement(header, draft.statement, source.signer), draft.block)
    return went_on(made)


def equivocation() -> Lab:
    made = ran()
    draft = made.usage(0, EVENING)
    other = draft.but(anchor=None)
    made.host(0).append(draft)
    made.append(made.host(0).sign(other), other.block)
    return went_on(made)


def reordered() -> Lab:
    made = ran(until=MORNING)
    for until in (NOON, EVENING):
        made.host(0).append(made.usage(0, until))
    made.entries[-2], made.entries[-1] = made.entries[-1], made.entries[-2]
    return went_on(made)


def rewritten() -> Lab:
    made = ran(until=EVENING)
    del made.entries[statements(made, made.host(0).sub)[1]]
    return went_on(made)


def after_the_end() -> Lab:
    made = ran()
    made.close(made.host(0))
    return went_on(made)


def foreign_log(made: Lab, draft: Draft) -> Draft:
    return draft.but(log=bytes(32))


def spliced() -> Lab:
    made, twin = ran(), Lab(replace(ACME, seed="twin"), site())
    twin.run(until=MORNING)
    made.append(*twin.entries[statements(twin, twin.host(0).sub)[0]])
    return went_on(made)


def spliced_with_the_same_keys() -> Lab:
    """The same lab opens its log twice, an hour apart, and moves a statement over."""
    made, twin = ran(), Lab(ACME, site(), head_s=2 * HOUR)
    twin.run(until=MORNING)
    made.append(*twin.entries[statements(twin, twin.host(0).sub)[0]])
    return went_on(made)


def second_genesis() -> Lab:
    made = ran()
    genesis = parse_statement(made.entries[0].data).statement
    assert isinstance(genesis.body, GenesisBody)
    made.append(made.office.sign(Draft(genesis._replace(anchor=made.anchor))))
    return went_on(made)


def dropped_tail() -> Lab:
    made = ran(until=NOON)
    made.now = END
    made.witness()
    return made


def dropped_source() -> Lab:
    made = ran(until=MORNING - HOUR)
    made.run(mute=lambda sub, start, end: sub == ACME.host(1))
    return made


VECTORS = (
    Vector("windows that overlap", overlap, INVALID, "chain/window", SOURCE),
    Vector("a hole between windows", hole, INVALID, "chain/window", SOURCE),
    Vector("a statement left out of the middle", skipped, INVALID, "chain/gap", SOURCE),
    Vector("a first statement left out", begins_late, INVALID, "chain/gap", SOURCE),
    Vector("a chain that does not begin at its enrolment", begins_elsewhere, INVALID, "chain/prev", SOURCE),
    Vector("a statement twice", replayed, INVALID, "chain/replayed", SOURCE),
    Vector("a statement again, later", replayed_late, INVALID, "chain/order", SOURCE, frozenset({"chain/gap"})),
    Vector("another predecessor", other_predecessor, INVALID, "chain/prev", SOURCE),
    Vector("one host's statement signed by another", under_another_source, INVALID, "chain/prev", SOURCE,
           frozenset({"block/binding", "chain/equivocation"})),
    Vector("one host's telemetry in another's chain", in_the_chain_of_another, INVALID, "counter/discontinuous", SOURCE,
           frozenset({"block/binding"})),
    Vector("one host's statement in another's name", in_the_name_of_another, INVALID, "key/header", SOURCE),
    Vector("two contents for one place", equivocation, INVALID, "chain/equivocation", SOURCE,
           frozenset({"chain/prev"})),
    Vector("statements in another order", reordered, INVALID, "chain/order", SOURCE, frozenset({"chain/gap"})),
    Vector("history rewritten under its heads", rewritten, INVALID, "log/fork", PARTY,
           frozenset({"chain/gap", "anchor/mismatch"})),
    Vector("a statement after the end of its chain", after_the_end, INVALID, "chain/closed", SOURCE),
    Vector("a statement for another log", lambda: tampered(foreign_log), INVALID, "chain/foreign-log", SOURCE,
           frozenset({"chain/gap"})),
    Vector("two logs spliced", spliced, INVALID, "key/unknown", SOURCE),
    Vector("two logs of the same keys spliced", spliced_with_the_same_keys, INVALID, "chain/foreign-log", SOURCE),
    Vector("a second genesis", second_genesis, INVALID, "chain/foreign-log", SOURCE),
    Vector("a tail that was never written", dropped_tail, UNPROVEN, "coverage/gap"),
    Vector("a whole source that is silent", dropped_source, UNPROVEN, "coverage/gap"),
    Vector("a source that falls silent", lambda: ended(lambda made, draft: draft), UNPROVEN, "coverage/gap"),
)  # fmt: skip


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_a_leaf_hash_is_the_link() -> None:
    made = ran(until=NOON)
    first, second = statements(made, made.host(0).sub)
    later = parse_statement(made.entries[second].data).statement
    assert isinstance(later.body, UsageBody)
    assert later.prev == leaf_hash(made.entries[first].data)
