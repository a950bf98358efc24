"""Attacks on a log, one fault each: what the liar does, and the outcome, code and scope that must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from attest.errors import Scope
from attest.format.block import Binding, commit, format_usage
from attest.format.bodies import KeysBody, Rotate, UsageBody
from attest.format.statement import parse_statement
from attest.format.vocabulary import Column, Role
from attest.log.merkle import leaf_hash
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.verdict import Outcome, Verdict
from tests.check.world import ACME, END, HOUR, INFERENCE, LATER, PACT, START, TRAINING, codes, honest, judge, lab, under

NOON = START + 12 * HOUR
FRESH = {"kind": "freshness", "max_age": "6 h"}


@dataclass(frozen=True)
class Attack:
    """`story` tells the lab's log; the verdict must have this outcome and, among its findings, this code."""

    name: str
    story: Callable[[], MemoryBundle]
    outcome: Outcome
    code: str
    scope: Scope | None = None


def half() -> Lab:
    """A lab that was honest until noon."""
    made = lab()
    made.run(until=NOON)
    return made


def finish(made: Lab) -> MemoryBundle:
    made.run()
    return made.bundle()


def index_of(made: Lab, kind: type, number: int = 0) -> int:
    """The log index of a statement whose body is of this type."""
    found = [i for i, e in enumerate(made.entries) if isinstance(parse_statement(e.data).statement.body, kind)]
    return found[number]


def overlap() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    made.host(0).append(draft.but(start=draft.statement.start - HOUR, end=draft.statement.end))
    return made.bundle()


def hole() -> MemoryBundle:
    made = half()
    made.host(0).until += HOUR
    return finish(made)


def dropped_statement() -> MemoryBundle:
    made = half()
    made.host(0).seq += 1
    return finish(made)


def replayed() -> MemoryBundle:
    made = half()
    made.append(*made.entries[index_of(made, UsageBody)])
    return finish(made)


def other_source() -> MemoryBundle:
    made = half()
    stolen = made.usage(0, NOON + 6 * HOUR)
    made.append(made.host(1).sign(stolen), stolen.block)
    return made.bundle()


def equivocation() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    made.append(made.host(0).sign(draft), draft.block)
    made.append(made.host(0).sign(draft.but(end=draft.statement.end - HOUR)), draft.block)
    return made.bundle()


def moved_block() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    body = parse_statement(made.entries[index_of(made, UsageBody)].data).statement.body
    assert isinstance(body, UsageBody)
    other = made.entries[index_of(made, UsageBody)].block
    assert other is not None
    made.host(0).append(draft.but_block(other))
    return made.bundle()


def counters(change: Callable[[int, bytes, bytes], tuple[int, bytes, bytes]]) -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    body = draft.statement.body
    assert isinstance(body, UsageBody)
    made.host(0).append(draft.but_body(counters=tuple(change(*c) for c in body.counters)))
    return made.bundle()


def shifted(data: bytes, by: int) -> bytes:
    return (np.frombuffer(data, "<i8") + by).astype("<i8").tobytes()


def out_of_range() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    body = draft.statement.body
    assert isinstance(body, UsageBody)
    count = body.devices * (draft.statement.end - draft.statement.start) // body.interval
    columns = {c: np.zeros(count, np.int64) for c in body.columns}
    columns[Column.ENERGY] = np.full(count, 0xFFFFFFFF)
    source = made.host(0)
    block = format_usage(bytes(32), Binding(made.log, source.sub, source.seq), columns)
    source.append(draft.but_block(block))
    return made.bundle()


def spliced() -> MemoryBundle:
    made = half()
    other = Lab(replace(ACME, seed="twin"), made.site)
    other.run(until=NOON)
    made.append(*other.entries[index_of(other, UsageBody)])
    return finish(made)


def reordered() -> MemoryBundle:
    made = honest()
    first, second = index_of(made, UsageBody, 0), index_of(made, UsageBody, 2)
    made.entries[first], made.entries[second] = made.entries[second], made.entries[first]
    return made.bundle()


def junk() -> MemoryBundle:
    made = half()
    made.append(b"not a statement")
    return finish(made)


def forged_signature() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    key = made.host(0).signer.public_key()
    entry = made.host(0).sign(draft, seeded_key("thief"))
    genuine = made.host(0).sign(draft)
    made.append(genuine[:-64] + entry[-64:], draft.block)
    assert key == made.host(0).signer.public_key()
    return made.bundle()


def foreign_key() -> MemoryBundle:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    made.append(made.host(0).sign(draft, seeded_key("thief")), draft.block)
    return made.bundle()


def old_key() -> MemoryBundle:
    made = half()
    old = made.host(0).signer
    made.rotate(made.host(0), seeded_key("next"))
    made.host(0).signer = old
    return finish(made)


def rotation_without_possession() -> MemoryBundle:
    made = half()
    key = seeded_key("next").public_key()
    made.host(0).say(KeysBody((Rotate(int(key.alg), key.raw, bytes(64)),)), made.host(0).until)
    return finish(made)


def enrolled_twice() -> MemoryBundle:
    made = half()
    made.keys(made.enrolment(made.host(0).sub, Role.HOST, seeded_key("second")))
    return finish(made)


def shared_key() -> MemoryBundle:
    made = half()
    made.keys(made.enrolment("https://acme.example/dc1/spare", Role.HOST, made.host(0).signer))
    return finish(made)


def root_key_as_host() -> MemoryBundle:
    made = half()
    made.keys(made.enrolment("https://acme.example/dc1/spare", Role.HOST, ACME.holder_keys()[0]))
    return finish(made)


def host_enrols() -> MemoryBundle:
    made = half()
    act = made.enrolment("https://acme.example/dc1/spare", Role.HOST, seeded_key("spare"))
    made.host(0).say(KeysBody((act,)), made.host(0).until)
    return finish(made)


def forked() -> MemoryBundle:
    made, twin = half(), half()
    twin.append(b"another history")
    twin.append(b"of the same length and more")
    note = twin.witness()
    while made.size < twin.size:
        made.run(until=made.now + HOUR)
    made.head(note)
    return finish(made)


def altered_tile() -> MemoryBundle:
    bundle = honest().bundle()
    bundle.flip(next(p for p in bundle.files if p.startswith("tile/entries")), 700)
    return bundle


def altered_block() -> MemoryBundle:
    bundle = honest().bundle()
    path = next(p for p in bundle.files if p.startswith("blocks/"))
    bundle.flip(path, len(bundle.files[path]) // 2)
    return bundle


def void_replayed() -> MemoryBundle:
    made = half()
    bad = made.append(b"not a statement")
    made.void([bad])
    made.void([bad])
    return finish(made)


INVALID, UNPROVEN, BREACHED = Outcome.INVALID, Outcome.UNPROVEN, Outcome.BREACHED
ATTACKS = (
    Attack("windows that overlap", overlap, INVALID, "chain/window", Scope.SOURCE),
    Attack("a window left out", hole, INVALID, "chain/window", Scope.SOURCE),
    Attack("a statement dropped from the middle", dropped_statement, INVALID, "chain/gap", Scope.SOURCE),
    Attack("a statement replayed", replayed, INVALID, "chain/order", Scope.SOURCE),
    Attack("a statement under another source", other_source, INVALID, "chain/prev", Scope.SOURCE),
    Attack("two contents for one place", equivocation, INVALID, "chain/equivocation", Scope.SOURCE),
    Attack("a block that serves two statements", moved_block, INVALID, "block/binding", Scope.SOURCE),
    Attack(
        "a counter that runs backwards",
        lambda: counters(lambda c, b, a: (c, a, b)),
        INVALID,
        "counter/backwards",
        Scope.SOURCE,
    ),
    Attack(
        "a counter that does not go on",
        lambda: counters(lambda c, b, a: (c, shifted(b, 10**9), shifted(a, 10**9))),
        INVALID,
        "counter/discontinuous",
        Scope.SOURCE,
    ),
    Attack(
        "a counter that does not add up",
        lambda: counters(lambda c, b, a: (c, b, shifted(a, 10**9))),
        INVALID,
        "counter/mismatch",
        Scope.SOURCE,
    ),
    Attack("a column beyond its maximum", out_of_range, INVALID, "block/range", Scope.SOURCE),
    Attack("two logs spliced", spliced, INVALID, "key/unknown", Scope.SOURCE),
    Attack("history in another order", reordered, INVALID, "chain/gap", Scope.SOURCE),
    Attack("junk in the log", junk, INVALID, "cose/tag", Scope.SOURCE),
    Attack("a forged signature", forged_signature, INVALID, "signature/invalid", Scope.SOURCE),
    Attack("a key that nobody enrolled", foreign_key, INVALID, "key/unknown", Scope.SOURCE),
    Attack("a key that was rotated away", old_key, INVALID, "key/retired", Scope.SOURCE),
    Attack("rotation without possession", rotation_without_possession, INVALID, "key/possession", Scope.SOURCE),
    Attack("a source enrolled twice", enrolled_twice, INVALID, "key/sub-taken", Scope.SOURCE),
    Attack("a key shared by two sources", shared_key, INVALID, "key/reused", Scope.SOURCE),
    Attack("a root key enrolled as a host's", root_key_as_host, INVALID, "key/reused", Scope.SOURCE),
    Attack("a host that enrols hosts", host_enrols, INVALID, "key/role", Scope.SOURCE),
    Attack("two roots of one size", forked, INVALID, "log/fork", Scope.PARTY),
    Attack("a byte of an entry altered in transit", altered_tile, INVALID, "tree/tile", Scope.COPY),
    Attack("a byte of a block altered in transit", altered_block, INVALID, "block/digest", Scope.COPY),
    Attack("a void act used twice", void_replayed, INVALID, "void/replayed", Scope.SOURCE),
)


def findings(verdict: Verdict) -> dict[str, Scope | None]:
    everything = [f for p in verdict.parties for f in p.findings] + list(verdict.findings)
    return {f.code: f.scope for f in everything}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(attack: Attack) -> None:
    verdict = judge(attack.story())
    assert (verdict.outcome, attack.code in codes(verdict)) == (attack.outcome, True), codes(verdict)
    assert findings(verdict).get(attack.code) == attack.scope


def test_the_honest_lab_holds() -> None:
    assert judge(honest().bundle()).outcome is Outcome.HOLDS


def test_a_label_that_lies_is_caught_by_the_label_blind_cap() -> None:
    from attest.format.vocabulary import Label

    liar = honest((TRAINING._replace(claimed=Label.INFERENCE),))
    blind = {"kind": "compute-cap", "limit": "1e20 FLOP", "assurance": "L1"}
    assert judge(liar.bundle(), under(blind)).outcome is Outcome.BREACHED


def test_a_tail_cut_off_is_charged_at_peak_and_never_breached() -> None:
    made = half()
    verdict = judge(made.bundle(), under(PACT.phases[0].terms[0], FRESH))
    assert verdict.outcome is Outcome.UNPROVEN
    assert "head/stale" in codes(verdict)


def test_a_whole_source_that_is_silent_leaves_it_unproven() -> None:
    made = lab()
    made.run(mute=lambda sub, start, end: sub == ACME.host(1))
    verdict = judge(made.bundle())
    assert verdict.outcome is Outcome.UNPROVEN
    assert "coverage/gap" in codes(verdict)


def test_statements_written_afterwards_are_not_evidence() -> None:
    made = lab()
    made.run(mute=lambda sub, start, end: sub == ACME.host(0))
    made.now = END + 40 * HOUR
    made.host(0).append(made.usage(0, END))
    made.witness()
    verdict = judge(made.bundle(), at=END + 50 * HOUR)
    assert verdict.outcome is Outcome.UNPROVEN
    assert "time/untimely" in codes(verdict)


def test_statements_without_an_anchor_are_not_evidence() -> None:
    made = half()
    hosts = (ACME.host(0), ACME.host(1))
    made.run(until=NOON + 6 * HOUR, mute=lambda sub, start, end: sub in hosts)
    for node in (0, 1):
        made.host(node).append(made.usage(node, made.now).but(anchor=None))
    verdict = judge(finish(made))
    assert verdict.outcome is Outcome.UNPROVEN
    assert "time/untimely" in codes(verdict)


def test_an_anchor_that_is_not_this_trees() -> None:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    assert draft.statement.anchor is not None
    made.host(0).append(draft.but(anchor=draft.statement.anchor._replace(root=bytes(32))))
    verdict = judge(made.bundle())
    assert verdict.outcome is Outcome.INVALID
    assert findings(verdict)["anchor/mismatch"] is Scope.SOURCE


def test_a_void_lets_judging_go_on_and_charges_what_is_missing() -> None:
    made = half()
    bad = made.append(b"not a statement")
    made.void([bad])
    verdict = judge(finish(made))
    assert verdict.outcome is Outcome.HOLDS


def test_a_lab_cannot_revoke_its_way_out_of_a_breach() -> None:
    made = honest((TRAINING,))
    assert judge(made.bundle()).outcome is Outcome.BREACHED
    first = index_of(made, UsageBody)
    for node in (0, 1):
        made.revoke(made.host(node).signer, first - 1)
    verdict = judge(made.bundle())
    assert verdict.outcome is Outcome.UNPROVEN
    assert "breach/disputed" in codes(verdict)


def test_a_stolen_host_key_frames_nobody_at_party_scope() -> None:
    made = half()
    draft = made.usage(0, NOON + 6 * HOUR)
    made.append(made.host(0).sign(draft.but(seq=99)), draft.block)
    verdict = judge(finish(made))
    assert verdict.outcome is Outcome.INVALID
    assert Scope.PARTY not in findings(verdict).values()
    assert not any(term.outcome is Outcome.BREACHED for party in verdict.parties for term in party.terms)


def test_a_chain_that_contradicts_itself_admits_no_hole() -> None:
    made = half()
    source, skipped = made.host(0), made.usage(0, NOON + 6 * HOUR)
    made.append(source.sign(skipped, seeded_key("thief")), skipped.block)
    source.seq, source.until = source.seq + 1, NOON + 6 * HOUR
    made.now = NOON + 6 * HOUR
    finish(made)
    verdict = judge(made.bundle(), replace(PACT, grace="1 h"))
    assert verdict.outcome is Outcome.INVALID
    assert not any(term.outcome is Outcome.BREACHED for party in verdict.parties for term in party.terms)


def test_bad_evidence_does_not_hide_a_breach() -> None:
    made = honest((TRAINING,))
    made.append(b"not a statement")
    verdict = judge(made.bundle())
    assert verdict.outcome is Outcome.INVALID
    assert any(term.outcome is Outcome.BREACHED for party in verdict.parties for term in party.terms)


def test_a_bundle_and_agreement_of_the_forgers_own_keys() -> None:
    forger = replace(ACME, seed="forger")
    made = Lab(forger, lab().site)
    made.run()
    theirs = replace(PACT, parties=(forger,))
    assert judge(made.bundle()).outcome is Outcome.INVALID
    assert judge(made.bundle(), theirs, trust=PACT.trust()).outcome is Outcome.UNPROVEN
    assert judge(made.bundle(), theirs, trust=None).outcome is Outcome.UNPROVEN


def test_without_a_trust_file_nothing_holds_and_nobody_is_accused() -> None:
    for made in (honest(), honest((TRAINING,))):
        verdict = judge(made.bundle(), trust=None)
        assert verdict.outcome is Outcome.UNPROVEN
        assert "agreement/unpinned" in codes(verdict)


def test_a_party_without_a_bundle_is_unproven() -> None:
    assert judge([]).outcome is Outcome.UNPROVEN
    assert "site/no-bundle" in codes(judge([]))


def test_one_log_given_twice_is_no_more_evidence() -> None:
    bundle = honest().bundle()
    verdict = judge([bundle, bundle])
    assert verdict.outcome is Outcome.UNPROVEN
    assert "bundle/twice" in codes(verdict)


def test_a_quorum_that_was_not_met() -> None:
    made = honest()
    note = made.witness(words=("w1", "w2"))
    verdict = judge(made.bundle(note), under(*PACT.phases[0].terms, FRESH))
    assert verdict.outcome is Outcome.UNPROVEN
    assert "head/unwitnessed" in codes(verdict)


def test_a_block_that_is_absent_is_missing_evidence() -> None:
    bundle = honest().bundle()
    for path in [p for p in bundle.files if p.startswith("blocks/")]:
        del bundle.files[path]
    verdict = judge(bundle)
    assert verdict.outcome is Outcome.UNPROVEN


def test_fewer_accelerators_than_the_parties_were_told_of() -> None:
    told = replace(PACT, devices=17)
    verdict = judge(honest().bundle(), told)
    assert verdict.outcome is Outcome.UNPROVEN
    assert "inventory/short" in codes(verdict)


def test_before_the_phase_nothing_is_judged() -> None:
    verdict = judge(honest().bundle(), at=START - HOUR)
    assert verdict.outcome is Outcome.UNPROVEN
    assert "agreement/nothing-judged" in codes(verdict)


def test_any_changed_byte_of_any_file_never_holds() -> None:
    bundle = honest((INFERENCE,)).bundle()
    draw = np.random.Generator(np.random.PCG64(20261124))
    for path, data in sorted(bundle.files.items()):
        places = range(len(data)) if len(data) <= 600 else sorted(set(draw.integers(0, len(data), 120).tolist()))
        for place in places:
            bundle.flip(path, place, int(draw.integers(0, 8)))
            outcome = judge(bundle, at=LATER).outcome
            bundle.files[path] = data
            assert outcome is not Outcome.HOLDS, f"{path} byte {place}"


def test_leaves_are_what_the_tree_is_made_of() -> None:
    made = honest()
    assert leaf_hash(made.entries[0].data) == made.log
    assert commit(made.entries[index_of(made, UsageBody)].block or b"").size > 0
