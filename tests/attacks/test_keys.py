"""Attacks with keys: shared, stolen, rotated, revoked, never enrolled, or used for what they are not for."""

from collections.abc import Callable

from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, possession
from attest.format.bodies import CloseBody, GenesisBody, HeadBody
from attest.format.key_acts import Enrol, KeyAct, KeysBody, Revoke, Rotate, Void
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from attest.simulate.cast import Witnesses
from attest.simulate.lab import Lab
from attest.simulate.source import Draft
from attest.trust.keys import Alg
from tests.attacks.vectors import (
    EVENING,
    SOURCE,
    Case,
    Vector,
    attacks,
    findings,
    invalid,
    play,
    ran,
    unproven,
    went_on,
)
from tests.check.world import ACME, PACT, TRAINING, honest, lab, replace

SPARE = "https://acme.example/dc1/spare"
THIEF = seeded_key("thief")
FRESH = seeded_key("fresh")
Act = Callable[[Lab], KeyAct]


def acted(act: Act, who: Callable[[Lab], str] = lambda made: made.office.sub) -> Callable[[], Lab]:
    """A source makes an act, and everybody goes on."""

    def story() -> Lab:
        made = ran()
        source = made.sources[who(made)]
        source.say(KeysBody((act(made),)), source.until)
        return went_on(made)

    return story


def by_host(made: Lab) -> str:
    return made.host(0).sub


def by_meter(made: Lab) -> str:
    assert made.meter is not None
    return made.meter.sub


def enrolled(sub: str = SPARE, signer: Signer = FRESH, role: Role = Role.HOST) -> Act:
    return lambda made: made.enrolment(sub, role, signer)


def enrolled_with(alg: int, key: bytes, proof: bytes = bytes(64)) -> Act:
    return lambda made: Enrol(SPARE, Role.HOST, alg, key, proof)


def without_possession(made: Lab) -> KeyAct:
    return made.enrolment(SPARE, Role.HOST, FRESH)._replace(proof=bytes(64))


def possession_elsewhere(made: Lab) -> KeyAct:
    key = FRESH.public_key()
    proof = FRESH.sign(possession(bytes(32), SPARE, Role.HOST, int(key.alg), key.raw))
    return Enrol(SPARE, Role.HOST, int(key.alg), key.raw, proof)


def possession_of_another_role(made: Lab) -> KeyAct:
    return made.enrolment(SPARE, Role.METER, FRESH)._replace(role=Role.HOST)


def rotated_to(signer: Signer, prover: Signer | None = None) -> Act:
    def act(made: Lab) -> KeyAct:
        key = signer.public_key()
        message = possession(made.log, made.host(0).sub, Role.HOST, int(key.alg), key.raw)
        return Rotate(int(key.alg), key.raw, (prover or signer).sign(message))

    return act


def revoked(signer: Callable[[Lab], Signer], last: Callable[[Lab], int] = lambda made: 5) -> Act:
    return lambda made: Revoke(signer(made).public_key().thumbprint, last(made))


def voided(*places: tuple[int, bytes], number: int = 1, log: bytes | None = None, signers: int = 2) -> Act:
    def act(made: Lab) -> KeyAct:
        payload = format_act(VoidAct(log or made.log, number, places))
        return Void(sign_document(payload, CONTENT_TYPE, made.identity.holder_keys()[:signers]))

    return act


def voided_by(*signers: Signer) -> Act:
    return lambda made: Void(sign_document(format_act(VoidAct(made.log, 1, ((1, bytes(32)),))), CONTENT_TYPE, signers))


def voided_with_a_genesis(made: Lab) -> KeyAct:
    act = GenesisAct(ACME.origin, ACME.iss, ACME.office, int(Alg.ED25519), bytes(32), None)
    return Void(sign_document(format_act(act), CONTENT_TYPE, made.identity.holder_keys()))


def voided_with_junk(made: Lab) -> KeyAct:
    return Void(sign_document(b"\xa0", CONTENT_TYPE, made.identity.holder_keys()))


def voided_as_an_agreement(made: Lab) -> KeyAct:
    payload = format_act(VoidAct(made.log, 1, ((1, bytes(32)),)))
    return Void(sign_document(payload, "application/vnd.attest.agreement+toml", made.identity.holder_keys()))


def junk_voided(times: int = 1, leaf: bytes | None = None) -> Callable[[], Lab]:
    def story() -> Lab:
        made = ran()
        bad = made.append(b"not a statement")
        for _ in range(times):
            made.keys(voided((bad, leaf or leaf_hash(b"not a statement")))(made))
        return went_on(made)

    return story


def old_key() -> Lab:
    made = ran()
    before = made.host(0).signer
    made.rotate(made.host(0), FRESH)
    made.host(0).signer = before
    return went_on(made)


def rotated_twice_at_once() -> Lab:
    """One statement that rotates to two keys: which of them speaks from then on?"""
    made = ran()
    host = made.host(0)
    host.say(KeysBody((rotated_to(FRESH)(made), rotated_to(THIEF)(made))), host.until)
    host.signer = FRESH
    return went_on(made)


def revoked_beside_a_bad_act() -> Lab:
    made = trained()
    acts = [without_possession(made), *(Revoke(host.signer.public_key().thumbprint, 5) for host in made.hosts)]
    made.keys(*acts)
    return made


def new_key_too_early() -> Lab:
    """The statement that rotates is signed by the key that it brings in."""
    made = ran()
    made.host(0).signer, act = FRESH, rotated_to(FRESH)(made)
    made.host(0).say(KeysBody((act,)), made.host(0).until)
    return went_on(made)


def before_its_enrolment() -> Lab:
    """The first statement of a source stands before the act that enrols it."""
    made = ran()
    act = made.enrolment(SPARE, Role.HOST, FRESH)
    spare = made._source(SPARE, ACME.iss, FRESH, bytes(32))
    spare.say(CloseBody(), spare.until)
    made.keys(act)
    return went_on(made)


def signed_by(signer: Signer) -> Callable[[], Lab]:
    def story() -> Lab:
        made = ran()
        made.host(0).append(made.usage(0, EVENING), signer)
        made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
        return made

    return story


def forged_signature() -> Lab:
    """The host's own header over a signature that its key never made."""
    made = ran()
    draft = made.usage(0, EVENING)
    entry = made.host(0).sign(draft)
    made.append(entry[:-64] + THIEF.sign(entry), draft.block)
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def signature_cut() -> Lab:
    made = ran()
    draft = made.usage(0, EVENING)
    entry = made.host(0).sign(draft)
    made.append(entry[:-66] + b"\x58\x3f" + entry[-63:], draft.block)
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def high_s() -> Lab:
    """An ECDSA signature as good as the true one, made of it by anybody: n - s in the place of s."""
    made = ran()
    made.rotate(made.host(0), seeded_key("p256", Alg.ESP256))
    draft = made.usage(0, EVENING)
    entry = made.host(0).sign(draft)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = order - int.from_bytes(entry[-32:], "big")
    made.append(entry[:-32] + other.to_bytes(32, "big"), draft.block)
    made.run(mute=lambda sub, start, end: sub == made.host(0).sub)
    return made


def another_party() -> Lab:
    """The host's key and sub under another party's name."""
    made = ran()
    source, draft = made.host(0), made.usage(0, EVENING)
    header = header_for(source.signer, "https://rival.example", source.sub)
    made.append(sign_statement(header, draft.statement, source.signer), draft.block)
    made.run(mute=lambda sub, start, end: sub == source.sub)
    return made


def meter_signs_usage() -> Lab:
    made = ran()
    meter, draft = made.meter, made.usage(0, EVENING)
    assert meter is not None
    meter.append(draft.but(seq=meter.seq, prev=meter.prev))
    made.run(mute=lambda sub, start, end: sub == meter.sub)
    return made


def host_signs_meter() -> Lab:
    made = ran()
    host, draft = made.host(0), made.metering(EVENING)
    host.append(draft.but(seq=host.seq, prev=host.prev))
    made.run(mute=lambda sub, start, end: sub == host.sub)
    return made


def office_signs_usage() -> Lab:
    made = ran()
    office, draft = made.office, made.usage(0, EVENING)
    made.append(office.sign(draft.but(seq=office.seq, prev=office.prev)), draft.block)
    return went_on(made)


def host_signs_head() -> Lab:
    made = ran()
    assert made.note is not None
    made.append(made.host(0).sign(made.host(0).draft(HeadBody(made.note), made.host(0).until)))
    return went_on(made)


def host_signs_inventory() -> Lab:
    made = ran()
    host = made.host(0)
    office, before = made.office, (made.office.seq, made.office.prev, made.office.until)
    made.sources[office.sub] = host
    made.inventory(made.roster(), host.until)
    made.sources[office.sub] = office
    office.seq, office.prev, office.until = before
    return went_on(made)


def genesis_by(signers: int = 2, seed: str = "simulation", **fields: object) -> Callable[[], Lab]:
    """A log whose genesis the root holders did not sign so."""

    def story() -> Lab:
        made = lab()
        identity = replace(ACME, seed=seed)
        key = made.office.signer.public_key()
        act = GenesisAct(ACME.origin, ACME.iss, ACME.office, int(key.alg), key.raw, None)._replace(**fields)
        document = sign_document(format_act(act), CONTENT_TYPE, identity.holder_keys()[:signers])
        office = made.office
        first = Draft(
            office.draft(GenesisBody(document), made.now).statement._replace(seq=0, prev=None, log=None, anchor=None)
        )
        made.entries[0] = made.entries[0]._replace(data=office.sign(first))
        return made

    return story


def office_key_of_a_holder() -> Lab:
    made = lab()
    holder = ACME.holder_keys()[0]
    key = holder.public_key()
    act = GenesisAct(ACME.origin, ACME.iss, ACME.office, int(key.alg), key.raw, None)
    document = sign_document(format_act(act), CONTENT_TYPE, ACME.holder_keys()[:2])
    first = made.office.draft(GenesisBody(document), made.now).statement._replace(
        seq=0, prev=None, log=None, anchor=None
    )
    made.entries[0] = made.entries[0]._replace(data=made.office.sign(Draft(first), holder))
    return made


def no_genesis() -> Lab:
    made = lab()
    del made.entries[0]
    return made


def trained() -> Lab:
    """A lab whose own statements show a breach."""
    return honest((TRAINING,))


def revoked_out() -> Lab:
    made = trained()
    for host in made.hosts:
        made.revoke(host.signer, 5)
    return made


def voided_out() -> Lab:
    made = trained()
    made.void([i for i, e in enumerate(made.entries) if peek(e.data).kind == Kind.USAGE])
    return made


def rotated_and_revoked_out() -> Lab:
    """The training was signed with a key that was rotated in; the first key is revoked from before that on."""
    made = lab((TRAINING,))
    first = made.host(0).signer, made.host(1).signer
    for node in (0, 1):
        made.rotate(made.host(node), seeded_key(f"rotated {node}"))
    made.run()
    for signer in first:
        made.revoke(signer, 3)
    return made


def a_key_too_far() -> Case:
    """Root holders of another party sign acts of this one."""
    rival = replace(ACME, name="rival")
    pact = replace(PACT, parties=(ACME, rival))
    made = ran()
    made.keys(voided_by(*rival.holder_keys())(made))
    return Case([went_on(made).bundle()], pact)


WITNESS = Witnesses().members()[0].signer
VECTORS = (
    # whose key it is
    invalid("a key that nobody enrolled", signed_by(THIEF), "key/unknown", SOURCE),
    invalid("a signature that does not verify", forged_signature, "signature/invalid", SOURCE),
    invalid("a signature cut short", signature_cut, "signature/size", SOURCE),
    invalid("a signature with a high s", high_s, "signature/high-s", SOURCE),
    invalid("a host's key in another party's name", another_party, "key/header", SOURCE),
    invalid("a key that was rotated away", old_key, "key/retired", SOURCE),
    invalid("two keys in the place of one", rotated_twice_at_once, "key/retired", SOURCE),
    invalid("a key that is not in force yet", new_key_too_early, "key/unknown", SOURCE),
    invalid("a statement before its source was enrolled", before_its_enrolment, "key/not-yet", SOURCE),
    invalid("a log of keys that the agreement does not know", genesis_by(seed="forger"), "document/signer", SOURCE),
    # what a key may do
    invalid("a meter that speaks for devices", meter_signs_usage, "key/role", SOURCE),
    invalid("a host that speaks for a meter", host_signs_meter, "key/role", SOURCE),
    invalid("an office that speaks for devices", office_signs_usage, "key/role", SOURCE),
    invalid("a host that carries a head", host_signs_head, "key/role", SOURCE),
    invalid("a host that declares devices", host_signs_inventory, "key/role", SOURCE, "chain/gap"),
    invalid("a host that enrols hosts", acted(enrolled(), by_host), "key/role", SOURCE),
    invalid(
        "a host that revokes the other", acted(revoked(lambda made: made.host(1).signer), by_host), "key/role", SOURCE
    ),
    invalid("a host that voids", acted(voided((1, bytes(32))), by_host), "key/role", SOURCE),
    invalid("a meter that enrols meters", acted(enrolled(role=Role.METER), by_meter), "key/role", SOURCE),
    invalid("an office that enrols an office", acted(enrolled(role=Role.OFFICE)), "key/role", SOURCE),
    invalid("an office that revokes itself", acted(revoked(lambda made: made.office.signer)), "key/role", SOURCE),
    invalid(
        "an office that revokes the agreement's meter",
        acted(revoked(lambda made: made.sources[by_meter(made)].signer)),
        "key/role",
        SOURCE,
    ),
    # new keys
    invalid("enrolment without possession", acted(without_possession), "key/possession", SOURCE),
    invalid("possession shown in another log", acted(possession_elsewhere), "key/possession", SOURCE),
    invalid("possession shown for another role", acted(possession_of_another_role), "key/possession", SOURCE),
    invalid("rotation without possession", acted(rotated_to(FRESH, THIEF), by_host), "key/possession", SOURCE),
    invalid(
        "a source enrolled twice",
        acted(lambda made: made.enrolment(made.host(0).sub, Role.HOST, FRESH)),
        "key/sub-taken",
        SOURCE,
    ),
    invalid(
        "a meter in the agreement's meter's place",
        acted(lambda made: made.enrolment(by_meter(made), Role.METER, FRESH)),
        "key/sub-taken",
        SOURCE,
    ),
    invalid(
        "one key for two hosts",
        acted(lambda made: made.enrolment(SPARE, Role.HOST, made.host(0).signer)),
        "key/reused",
        SOURCE,
    ),
    invalid(
        "the office's key for a host",
        acted(lambda made: made.enrolment(SPARE, Role.HOST, made.office.signer)),
        "key/reused",
        SOURCE,
    ),
    invalid("a root holder's key for a host", acted(enrolled(signer=ACME.holder_keys()[2])), "key/reused", SOURCE),
    invalid("the log's key for a host", acted(enrolled(signer=ACME.log_keys()[0])), "key/reused", SOURCE),
    invalid("a witness's key for a host", acted(enrolled(signer=WITNESS)), "key/reused", SOURCE),
    invalid("the independent meter's key for a host", acted(enrolled(signer=ACME.key("meter"))), "key/reused", SOURCE),
    invalid(
        "rotation to the other host's key",
        acted(lambda made: rotated_to(made.host(1).signer)(made), by_host),
        "key/reused",
        SOURCE,
    ),
    invalid("rotation to a root holder's key", acted(rotated_to(ACME.holder_keys()[0]), by_host), "key/reused", SOURCE),
    invalid(
        "rotation to the key that is rotated",
        acted(lambda made: rotated_to(made.host(0).signer)(made), by_host),
        "key/reused",
        SOURCE,
    ),
    invalid("an office that is a root holder", office_key_of_a_holder, "key/reused", SOURCE),
    invalid("a weak key", acted(enrolled_with(int(Alg.ED25519), bytes(32))), "key/weak", SOURCE),
    invalid("a key of another length", acted(enrolled_with(int(Alg.ED25519), bytes(33))), "key/size", SOURCE),
    invalid(
        "a key beside its curve", acted(enrolled_with(int(Alg.ESP256), b"\4" + bytes(63) + b"\1")), "key/point", SOURCE
    ),
    unproven("a key of an algorithm to come", acted(enrolled_with(-48_000, bytes(32))), "unsupported/alg"),
    # revocation
    invalid("a revocation of nobody's key", acted(revoked(lambda made: THIEF)), "key/unknown", SOURCE),
    invalid(
        "a revocation of what is still to come",
        acted(revoked(lambda made: made.host(0).signer, lambda made: made.size)),
        "key/revoked-ahead",
        SOURCE,
    ),
    unproven("revoking one's way out of a breach", revoked_out, "breach/disputed"),
    unproven("rotating and revoking one's way out of a breach", rotated_and_revoked_out, "breach/disputed"),
    unproven("voiding one's way out of a breach", voided_out, "breach/disputed"),
    # acts of the root holders
    invalid("a void by too few holders", acted(voided((1, bytes(32)), signers=1)), "document/threshold", SOURCE),
    invalid("a void by strangers", acted(voided_by(THIEF, FRESH)), "document/signer", SOURCE),
    invalid("a void by another party's holders", a_key_too_far, "document/signer", SOURCE),
    invalid("a void of another log", acted(voided((1, bytes(32)), log=bytes(32))), "void/other-log", SOURCE),
    invalid("a genesis in a void's place", acted(voided_with_a_genesis), "void/other-log", SOURCE),
    invalid("a void that says nothing", acted(voided_with_junk), "act/keys", SOURCE),
    invalid("a void signed as an agreement", acted(voided_as_an_agreement), "document/header", SOURCE),
    invalid("a void used twice", junk_voided(times=2), "void/replayed", SOURCE),
    invalid("a void of entries to come", acted(voided((10**6, bytes(32)))), "void/ahead", SOURCE),
    invalid("a void of another entry", junk_voided(leaf=bytes(32)), "void/other-entry", SOURCE, "cose/tag"),
    # genesis
    invalid("a genesis by one holder of two", genesis_by(signers=1), "document/threshold", SOURCE),
    invalid("a genesis for another log", genesis_by(origin="acme.example/dc2"), "log/other-genesis", SOURCE),
    invalid("a genesis for another party", genesis_by(iss="https://rival.example"), "log/other-genesis", SOURCE),
    invalid("a genesis that another key signed", genesis_by(key=FRESH.public_key().raw), "key/unknown", SOURCE),
    invalid("a log without a genesis", no_genesis, "log/no-genesis", SOURCE),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_the_story_of_a_rotation_is_allowed() -> None:
    made = ran()
    made.rotate(made.host(0), FRESH)
    assert Case([went_on(made).bundle()]).verdict().outcome == "holds"


def test_a_revocation_is_not_lost_behind_an_act_that_fails() -> None:
    verdict = play(invalid("a bad act before a revocation", revoked_beside_a_bad_act, "key/possession", SOURCE))
    assert "breach/disputed" in {finding.code for finding in findings(verdict)}
