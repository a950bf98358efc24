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
    MORNING,
    NOON,
    PARTY,
    SOURCE,
    Vector,
    attacks,
    ended,
    invalid,
    play,
    ran,
    tampered,
    unproven,
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
    invalid("windows that overlap", overlap, "chain/window", SOURCE),
    invalid("a hole between windows", hole, "chain/window", SOURCE),
    invalid("a statement left out of the middle", skipped, "chain/gap", SOURCE),
    invalid("a first statement left out", begins_late, "chain/gap", SOURCE),
    invalid("a chain that does not begin at its enrolment", begins_elsewhere, "chain/prev", SOURCE),
    invalid("a statement twice", replayed, "chain/replayed", SOURCE),
    invalid("a statement again, later", replayed_late, "chain/order", SOURCE, "chain/gap"),
    invalid("another predecessor", other_predecessor, "chain/prev", SOURCE),
    invalid(
        "one host's statement signed by another",
        under_another_source,
        "chain/prev",
        SOURCE,
        "block/binding",
        "chain/equivocation",
    ),
    invalid(
        "one host's telemetry in another's chain",
        in_the_chain_of_another,
        "counter/discontinuous",
        SOURCE,
        "block/binding",
    ),
    invalid("one host's statement in another's name", in_the_name_of_another, "key/header", SOURCE),
    invalid("two contents for one place", equivocation, "chain/equivocation", SOURCE, "chain/prev"),
    invalid("statements in another order", reordered, "chain/order", SOURCE, "chain/gap"),
    invalid("history rewritten under its heads", rewritten, "log/fork", PARTY, "chain/gap", "anchor/mismatch"),
    invalid("a statement after the end of its chain", after_the_end, "chain/closed", SOURCE),
    invalid("a statement for another log", lambda: tampered(foreign_log), "chain/foreign-log", SOURCE, "chain/gap"),
    invalid("two logs spliced", spliced, "key/unknown", SOURCE),
    invalid("two logs of the same keys spliced", spliced_with_the_same_keys, "chain/foreign-log", SOURCE),
    invalid("a second genesis", second_genesis, "chain/foreign-log", SOURCE),
    unproven("a tail that was never written", dropped_tail, "coverage/gap"),
    unproven("a whole source that is silent", dropped_source, "coverage/gap"),
    unproven("a source that falls silent", lambda: ended(lambda made, draft: draft), "coverage/gap"),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_a_leaf_hash_is_the_link() -> None:
    made = ran(until=NOON)
    first, second = statements(made, made.host(0).sub)
    later = parse_statement(made.entries[second].data).statement
    assert isinstance(later.body, UsageBody)
    assert later.prev == leaf_hash(made.entries[first].data)
