"""What only several logs together show: a lab that hides behind another's telemetry or devices, a rival who copies.

Whoever was witnessed first loses nothing, and nobody is accused.
"""

from hashlib import sha256

import pytest

from attest.agreement import CONTENT_TYPE, SignedAgreement, together, verify_agreement
from attest.check import check
from attest.errors import AgreementError
from attest.format.roster import Device, Host, Roster
from attest.sign.documents import sign_document
from attest.sign.signer import Signer
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.site import Job, Site
from attest.trust.keys import Alg, format_key
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, Verdict, as_data
from tests.check.three import (
    ACME,
    BOREALIS,
    CAP,
    CASTOR,
    EVERYBODY,
    JOBS,
    about,
    instead,
    joint,
    lab,
    outcomes,
    pact,
    party,
    site,
    told,
)
from tests.check.world import COVERAGE, DAY, END, HOUR, LATER, START, Label, Precision, judge, replace

HOLDS, UNPROVEN, BREACHED = Outcome.HOLDS, Outcome.UNPROVEN, Outcome.BREACHED
NOON = START + DAY // 2
SECRET = (*JOBS, Job("secret", Label.TRAINING, Precision.BF16, (1,), START + HOUR, END - HOUR, lineage=1))


def tells_of_acme(made: Lab) -> None:
    """Its second node's agent tells what Acme's did."""
    made.tales[1] = site("acme")


def has_acmes_devices(made: Lab) -> None:
    """The devices of its second node have the serials of Acme's."""
    redeclare(made, made.site.plan.start, second=site("acme"))


def redeclare(made: Lab, start: int, second: Site | None = None, *, without_second: bool = False) -> None:
    """An inventory from `start` on, the second node's devices being those of another site, or not there."""
    roster = made.roster()
    one, two = roster.hosts
    of = second or made.site
    devices = tuple(Device(of.uid(1, n), d.model, d.feed) for n, d in enumerate(two.devices))
    hosts = (one,) if without_second else (one, Host(two.sub, devices))
    made.inventory(Roster(roster.feeds, hosts), start)


def nobody_is_accused(verdict: Verdict) -> None:
    found = [f for p in verdict.parties for f in (*p.findings, *(f for t in p.terms for f in t.findings))]
    assert {f.scope for f in found} <= {None}
    assert Outcome.INVALID not in {f.outcome for f in found}


def test_three_honest_labs_hold() -> None:
    verdict = joint()
    assert (verdict.outcome, verdict.exit_code) == (HOLDS, 0)
    assert verdict.decided_by == tuple(identity.iss for identity in EVERYBODY)
    assert verdict.findings == () and all(not p.findings for p in verdict.parties)


def test_a_party_without_a_bundle_is_unproven_in_every_term() -> None:
    verdict = judge([told(ACME), told(CASTOR)], pact())
    assert (verdict.outcome, verdict.exit_code) == (UNPROVEN, 4)
    assert outcomes(verdict) == [HOLDS, UNPROVEN, HOLDS]
    assert verdict.decided_by == (BOREALIS.iss,)
    missing = party(verdict, BOREALIS)
    assert len(missing.terms) == 4
    assert all(t.outcome is UNPROVEN and t.findings[0].code == "site/no-bundle" for t in missing.terms)


def test_telemetry_of_another_lab_counts_as_silence_and_only_for_the_later_one() -> None:
    verdict = joint(instead(CASTOR, tells_of_acme))
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert about(verdict, ACME) == about(verdict, BOREALIS) == {}
    finding = about(verdict, CASTOR)["joint/series"]
    assert finding.numbers == {"statements": 4}
    assert "acme.example/dc1" in finding.text and "borealis" not in finding.text
    coverage = next(t for t in party(verdict, CASTOR).terms if t.kind == "coverage")
    assert (coverage.outcome, coverage.low) == (UNPROVEN, 500_000)  # ppm: one of its two nodes is silent
    nobody_is_accused(verdict)


def test_alone_nothing_is_wrong_with_the_copy() -> None:
    copy = instead(CASTOR, tells_of_acme)
    assert outcomes(judge([copy], pact())) == [UNPROVEN, UNPROVEN, HOLDS]
    assert about(judge([copy, told(BOREALIS)], pact()), CASTOR) == {}


def test_telemetry_of_another_day_and_of_another_site_of_a_copied_lab_is_found() -> None:
    verdict = joint(instead(CASTOR, lambda made: made.tales.update({0: site("borealis"), 1: site("acme")})))
    finding = about(verdict, CASTOR)["joint/series"]
    assert finding.numbers == {"statements": 8}
    assert "acme.example/dc1 and borealis.example/dc1" in finding.text


def test_the_order_in_which_logs_are_given_does_not_matter() -> None:
    copy, made = instead(CASTOR, tells_of_acme), lab(ACME)
    made.run()
    given = [made.bundle(made.notes[min(made.notes)]), told(ACME), told(BOREALIS), copy]
    assert as_data(judge(given, pact())) == as_data(judge(given[::-1], pact()))


def test_what_was_witnessed_at_the_same_time_is_believed_of_neither() -> None:
    verdict = joint(instead(CASTOR, tells_of_acme, delay_s=60))
    assert outcomes(verdict) == [UNPROVEN, HOLDS, UNPROVEN]
    assert list(about(verdict, ACME)) == list(about(verdict, CASTOR)) == ["joint/series"]
    nobody_is_accused(verdict)


def test_a_rival_that_nobody_pinned_takes_nothing_from_an_honest_lab() -> None:
    """Acme is late to have its log witnessed, and Castor copied it before; but only the other two are pinned."""
    honest, copy = late(), instead(CASTOR, tells_of_acme)
    under = pact()
    pinned = under.trust_holders().split(b"[[party]]")
    trust = b"[[party]]".join(p for p in pinned if b"castor.example" not in p)
    verdict = judge([honest, told(BOREALIS), copy], under, trust=trust)
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert list(about(verdict, CASTOR)) == ["joint/series"]
    assert outcomes(judge([honest, told(BOREALIS), copy], under)) == [UNPROVEN, HOLDS, HOLDS]


def test_a_rival_with_two_histories_takes_nothing_either() -> None:
    rival = lab(CASTOR)
    tells_of_acme(rival)
    rival.run(until=NOON)
    other = rival.copy()
    other.append(b"another history")
    forged = other.witness()
    rival.run(until=NOON + HOUR)
    rival.head(forged)
    rival.run()
    verdict = judge([late(), told(BOREALIS), rival.bundle()], pact())
    assert outcomes(verdict) == [HOLDS, HOLDS, Outcome.INVALID]
    assert about(verdict, ACME) == {}


def test_an_idle_lab_is_no_copy_of_another_idle_lab() -> None:
    verdict = judge([quiet(identity) for identity in EVERYBODY], pact(), at=LATER)
    assert outcomes(verdict) == [HOLDS] * 3
    assert all(about(verdict, identity) == {} for identity in EVERYBODY)


def quiet(identity: Identity) -> MemoryBundle:
    made = lab(identity, site(identity.name, ()))
    made.run()
    return made.bundle()


def test_a_device_that_another_lab_declared_first_is_unproven_for_the_later_one() -> None:
    verdict = joint(instead(CASTOR, has_acmes_devices))
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert about(verdict, ACME) == {}
    finding = about(verdict, CASTOR)["joint/device"]
    assert finding.numbers == {"devices": 8}
    assert "GPU-acme-0001-0" in finding.text
    nobody_is_accused(verdict)


def twin(**options: object) -> Lab:
    """A rival that has Acme's devices and its telemetry, and both witnessed before an Acme that is late."""
    return Lab(CASTOR, site("acme"), delay_s=60, **options)  # type: ignore[arg-type]


def late() -> MemoryBundle:
    """An honest Acme that has its log witnessed a quarter of an hour after the rival."""
    return instead(ACME, lambda made: None, delay_s=900)


def test_devices_claimed_by_somebody_that_nobody_pinned_are_still_the_honest_labs() -> None:
    rival, under = twin(), pact()
    rival.run()
    trust = b"[[party]]".join(p for p in under.trust_holders().split(b"[[party]]") if b"castor.example" not in p)
    verdict = judge([late(), told(BOREALIS), rival.bundle()], under, trust=trust)
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert about(verdict, ACME) == {}
    assert set(about(verdict, CASTOR)) == {"joint/device", "joint/series"}
    assert "joint/device" in about(judge([late(), told(BOREALIS), rival.bundle()], under), ACME)


def test_devices_claimed_in_a_log_with_two_histories_are_still_the_honest_labs() -> None:
    rival = twin()
    rival.run(until=NOON)
    other = rival.copy()
    other.append(b"another history")
    rival.head(other.witness())
    rival.run()
    verdict = judge([late(), told(BOREALIS), rival.bundle()], pact())
    assert outcomes(verdict) == [HOLDS, HOLDS, Outcome.INVALID]
    assert about(verdict, ACME) == {}


def test_a_claim_that_no_quorum_saw_comes_last() -> None:
    rival = twin(witnesses=Witnesses(count=2))
    rival.run()
    verdict = judge([late(), told(BOREALIS), rival.bundle()], pact())
    assert about(verdict, ACME) == {}
    assert "joint/device" in about(verdict, CASTOR)


def test_who_declares_the_same_again_had_it_before() -> None:
    """Acme gives a new inventory at noon, of the same devices; Castor claimed them in the morning."""
    again = lab(ACME)
    again.run(until=NOON - HOUR)
    redeclare(again, NOON)
    again.run()
    claims = lab(CASTOR)
    claims.run(until=START + 5 * HOUR)
    redeclare(claims, START + 6 * HOUR, site("acme"))
    claims.run()
    verdict = judge([again.bundle(), told(BOREALIS), claims.bundle()], pact(CAP))
    assert about(verdict, ACME) == {}
    assert list(about(verdict, CASTOR)) == ["joint/device"]


class Second(Identity):
    """Acme's second site, with the same root holders."""

    def key(self, role: str, alg: Alg = Alg.ED25519) -> Signer:
        return ACME.key(role, alg) if role.startswith("holder ") else super().key(role, alg)


def test_a_device_in_two_sites_of_one_party_is_counted_twice_whoever_was_first() -> None:
    second = Second("acme", site_name="dc2")
    made = Lab(second, site("acme"), delay_s=900)
    made.run()
    signed = verify_agreement(pact(CAP).signed())
    (other,) = verify_agreement(pact(CAP, parties=(second,)).signed()).agreement.parties
    acme, *others = signed.agreement.parties
    both = replace(acme, sites=(*acme.sites, *other.sites), meters=(*acme.meters, *other.meters))
    terms = tuple(replace(t, sites=(*t.sites, other.sites[0].name)) for t in signed.agreement.phases[0].terms)
    phase = replace(signed.agreement.phases[0], terms=terms)
    agreement = replace(signed.agreement, parties=(both, *others), phases=(phase,))
    given = [told(identity) for identity in EVERYBODY] + [made.bundle(name="dc2")]
    signed = SignedAgreement(agreement, signed.signers)
    verdict = check(given, signed, parse_trust(pact(CAP).trust()), at=LATER)
    found = [f for f in party(verdict, ACME).findings if f.code == "joint/device"]
    assert [f.numbers for f in found] == [{"devices": 16}] * 2
    assert party(verdict, ACME).outcome is UNPROVEN
    nobody_is_accused(verdict)


def test_devices_claimed_at_the_same_time_are_unproven_for_both() -> None:
    rival = twin()
    rival.run()
    verdict = joint(rival.bundle(), under=pact(CAP))
    assert outcomes(verdict) == [UNPROVEN, HOLDS, UNPROVEN]
    for identity in (ACME, CASTOR):
        assert about(verdict, identity)["joint/device"].numbers == {"devices": 16}


def test_a_device_that_was_sold_at_noon_is_nobodys_twice() -> None:
    sells = lab(ACME)
    sells.run(until=NOON - HOUR)
    redeclare(sells, NOON, without_second=True)
    sells.run(mute=lambda sub, start, end: sub == ACME.host(1) and start >= NOON)
    buys = lab(CASTOR)
    buys.run(until=NOON - HOUR)
    redeclare(buys, NOON, site("acme"))
    buys.run()
    verdict = judge([sells.bundle(), told(BOREALIS), buys.bundle()], pact(CAP))
    assert about(verdict, ACME) == about(verdict, CASTOR) == {}
    early = lab(CASTOR)
    early.run(until=NOON - 3 * HOUR)
    redeclare(early, NOON - 2 * HOUR, site("acme"))
    early.run()
    verdict = judge([sells.bundle(), told(BOREALIS), early.bundle()], pact(CAP))
    assert about(verdict, ACME) == {}
    assert list(about(verdict, CASTOR)) == ["joint/device"]
    afternoon = judge([sells.bundle(), told(BOREALIS), early.bundle()], pact(CAP, start=NOON))
    assert about(afternoon, CASTOR) == {}  # what was told twice was told before the phase


def test_an_old_copy_leaves_its_party_unproven_where_every_term_would_hold() -> None:
    made = lab(CASTOR)
    made.run()
    old = made.bundle(made.notes[sorted(made.notes)[-4]])
    under = pact({"kind": "inventory", "minimum": 16})
    verdict = joint(old, under=under)
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert [t.outcome for t in party(verdict, CASTOR).terms] == [HOLDS]
    assert list(about(verdict, CASTOR)) == ["joint/window"]
    assert outcomes(joint(under=under)) == [HOLDS] * 3
    alone = judge([old], pact({"kind": "inventory", "minimum": 16}, parties=(CASTOR,)))
    assert about(alone, CASTOR) == {}


def test_a_phase_that_does_not_bind_all_is_named() -> None:
    some = {**CAP, "parties": [ACME.iss, BOREALIS.iss]}
    under = pact(CAP)
    first = under.phases[0]._replace(name="before", start=START - DAY, end=START, terms=(some,))
    verdict = joint(under=replace(under, phases=(first, *under.phases)))
    assert [(f.code, f.outcome) for f in verdict.findings] == [("joint/unequal", HOLDS)]
    assert "no term of before binds castor" in verdict.findings[0].text


def test_a_copy_hides_no_breach() -> None:
    guilty = lab(CASTOR, site("castor", SECRET))
    tells_of_acme(guilty)
    guilty.run()
    verdict = joint(guilty.bundle(), under=pact({**CAP, "limit": "1e19 FLOP"}, COVERAGE))
    assert party(verdict, CASTOR).outcome is BREACHED
    assert "joint/series" in about(verdict, CASTOR)


OTHER = replace(pact({**CAP, "limit": "9e24 FLOP"}), version=2, life={"amends": {"sha256": "00" * 32, "version": 1}})
OWNER = {identity: identity.holder_keys() for identity in EVERYBODY}


def shown(*files: bytes, under: bytes | None = None) -> Verdict:
    """The verdict on three honest logs, other files of the agreement being there too."""
    signed = together(verify_agreement(under or pact().signed()), files)
    return check([told(identity) for identity in EVERYBODY], signed, parse_trust(pact().trust()), at=LATER)


def test_signatures_of_several_files_of_one_text_count_together() -> None:
    parts = [pact().signed(OWNER[identity]) for identity in EVERYBODY]
    assert outcomes(shown(under=parts[0])) == [HOLDS, UNPROVEN, UNPROVEN]
    assert outcomes(shown(*parts[1:], under=parts[0])) == [HOLDS] * 3


def test_a_party_that_bound_itself_to_a_later_text_too_is_unproven() -> None:
    verdict = shown(OTHER.signed(OWNER[CASTOR]))
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    assert about(verdict, CASTOR)["joint/version"].text.startswith("bound itself to version 2 of A pause, too, SHA-256")
    verdict = shown(replace(OTHER, version=1, life={}).signed(OWNER[CASTOR]))
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    nobody_is_accused(verdict)


def test_a_text_that_amends_the_judged_one_is_to_be_judged_by() -> None:
    amends = {"sha256": sha256(pact().text()).hexdigest(), "version": 1}
    verdict = shown(replace(OTHER, life={"amends": amends}).signed(OWNER[CASTOR]))
    assert outcomes(verdict) == [HOLDS, HOLDS, UNPROVEN]
    (found,) = (f for f in party(verdict, CASTOR).findings if f.code == "agreement/amended")
    assert found.settle == "--agreement with version 2"
    nobody_is_accused(verdict)


def test_fewer_holders_than_bind_a_party_bind_it_to_nothing() -> None:
    assert outcomes(shown(OTHER.signed(OWNER[CASTOR][:1]))) == [HOLDS] * 3


def test_an_earlier_version_is_a_remark() -> None:
    new = replace(pact(), version=2, life={"amends": {"sha256": sha256(pact().text()).hexdigest(), "version": 1}})
    signed = together(verify_agreement(new.signed()), [pact().signed()])
    verdict = check([told(identity) for identity in EVERYBODY], signed, parse_trust(new.trust()), at=LATER)
    assert outcomes(verdict) == [HOLDS] * 3
    assert [about(verdict, identity)["joint/version"].outcome for identity in EVERYBODY] == [HOLDS] * 3


def test_a_version_with_the_number_of_the_one_amended_is_that_one_or_no_remark() -> None:
    before = pact({**CAP, "limit": "8e24 FLOP"})
    new = replace(pact(), version=2, life={"amends": {"sha256": sha256(pact().text()).hexdigest(), "version": 1}})
    signed = together(verify_agreement(new.signed()), [before.signed()])
    verdict = check([told(identity) for identity in EVERYBODY], signed, parse_trust(new.trust()), at=LATER)
    assert outcomes(verdict) == [UNPROVEN] * 3
    nobody_is_accused(verdict)


def test_a_rival_binds_nobody_else_to_a_text_of_its_own() -> None:
    """It gives Acme's holders keys of its own, and by another text Acme's key to a holder whose other key it has."""
    false = replace(ACME, seed="rival")
    text = replace(OTHER, parties=(false, BOREALIS, CASTOR))
    assert outcomes(shown(text.signed([*false.holder_keys(), *OWNER[CASTOR]]))) == [HOLDS, HOLDS, UNPROVEN]
    both = text.text()
    for fake, true in zip(false.holder_keys(), ACME.holder_keys(), strict=True):
        key, other = (f'"{format_key(k.public_key())}"'.encode() for k in (fake, true))
        both = both.replace(key, key + b", " + other)
    mixed = sign_document(both, CONTENT_TYPE, false.holder_keys())
    assert outcomes(shown(mixed)) == [HOLDS] * 3


def test_a_text_that_does_not_name_a_party_binds_it_to_nothing() -> None:
    text = OTHER.text().replace(b"https://acme.example", b"https://somebody.example")
    assert outcomes(shown(sign_document(text, CONTENT_TYPE, OWNER[ACME]))) == [HOLDS] * 3


def test_another_agreement_is_no_version() -> None:
    with pytest.raises(AgreementError, match="agreement/other-name"):
        shown(replace(OTHER, name="A treaty").signed())
