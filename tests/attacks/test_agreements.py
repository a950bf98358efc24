"""Attacks on trust itself: agreements that vouch for themselves, or bind nobody; and each term, broken."""

from collections.abc import Callable

import pytest

from attest.agreement import verify_agreement
from attest.errors import AgreementError, AttestError, EvidenceError
from attest.format.vocabulary import Label
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.simulate.cast import Witnesses
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from tests.attacks.vectors import (
    COPY,
    EVENING,
    HOUR,
    INVALID,
    MORNING,
    NOON,
    SOURCE,
    UNPROVEN,
    Case,
    Vector,
    attacks,
    breach,
    findings,
    holds,
    invalid,
    play,
    ran,
    unproven,
)
from tests.check.world import (
    ACME,
    CAP,
    COVERAGE,
    END,
    INFERENCE,
    PACT,
    START,
    TRAINING,
    TRAINING_CAP,
    honest,
    lab,
    replace,
    site,
    under,
)

FORGER = replace(ACME, seed="forger")
THEIRS = replace(PACT, parties=(FORGER,), witnesses=Witnesses(seed="forger"))
RIVAL = replace(ACME, name="rival")
BOTH = replace(PACT, parties=(ACME, RIVAL))
STRANGERS = replace(PACT, parties=(RIVAL,))
PINNED, HOLDERS = PACT.trust(), PACT.trust_holders()
OFF = replace(PACT, phases=(Phase("off", MORNING, EVENING, ({"kind": "power-off", "assurance": "L4"},)),))


def forged() -> Lab:
    """The same story with keys that are all the forger's own, witnesses' too."""
    made = Lab(FORGER, site(), Witnesses(seed="forger"))
    made.run()
    return made


def trained(**job: object) -> Lab:
    return honest((TRAINING._replace(**job),))


def of(story: Callable[[], Lab], pact: Pact = PACT, **fields: object) -> Callable[[], Case]:
    return lambda: Case([story().bundle()], pact, **fields)  # type: ignore[arg-type]


def both(*, rival: bool = True, honest_rival: bool = True) -> Callable[[], Case]:
    """A pause that two parties agreed to."""

    def story() -> Case:
        jobs = (INFERENCE,) if honest_rival else (TRAINING,)
        other = Lab(RIVAL, Site(Plan("rival", 2, START, END, jobs)))
        other.run()
        return Case([honest().bundle(), *([other.bundle()] if rival else [])], BOTH)

    return story


def signed_by(*signers: int) -> Callable[[], Case]:
    keys = ACME.holder_keys()
    return lambda: Case([honest().bundle()], signed=PACT.signed([keys[n] for n in signers]))


def pinned_by_holders(pact: Pact = PACT, known: Pact = PACT) -> Callable[[], Case]:
    return lambda: Case([honest().bundle()], pact, trust=known.trust_holders())


def a_lower_threshold() -> Case:
    """The agreement asks one holder to sign where the verifier knows of two."""
    lower = replace(PACT, parties=(replace(ACME, threshold=1),))
    return Case([honest().bundle()], lower, trust=PACT.trust_holders())


def amended() -> Case:
    """Another text than the one that was pinned: a cap ten times as high."""
    return Case([honest().bundle()], under(CAP | {"limit": "1e24 FLOP"}), trust=PACT.trust())


def idle_for_a_while() -> Case:
    """Work that is over the limit of any six hours, and within that of a day spread evenly."""
    sprint = Job("sprint", Label.TRAINING, TRAINING.precision, (0, 1), NOON, EVENING)
    made = honest((sprint,))
    cap = {"kind": "compute-cap", "limit": "1e20 FLOP", "window": "6 h", "assurance": "L1"}
    return Case([made.bundle()], under(cap))


def split(owners: int = 3) -> Case:
    """One run told as three, on two nodes, each of them below what any label would be asked about."""
    parts = [
        Job(f"part {n}", Label.OTHER, TRAINING.precision, (0, 1), START + n * 8 * HOUR, START + (n + 1) * 8 * HOUR)
        for n in range(owners)
    ]
    made = honest(tuple(parts))
    return Case([made.bundle()], under(CAP | {"limit": "5e19 FLOP", "assurance": "L1"}))


def called_inference() -> Case:
    made = trained(claimed=Label.INFERENCE)
    return Case([made.bundle()], under(TRAINING_CAP, CAP | {"limit": "1e20 FLOP", "assurance": "L1"}))


def holes_left_behind() -> Case:
    """A node says nothing for two hours, goes on, and all grace is over."""
    lost = tuple(Event(Trouble.LOST, 0, START + 3 * HOUR, START + 5 * HOUR) for _ in (0,))
    made = lab(events=lost)
    made.run()
    return Case([made.bundle()], replace(under(COVERAGE), grace="1 h"))


def within_tolerance() -> Case:
    """A hole of half an hour a day, inside of what coverage allows: it is charged at peak all the same."""
    lost = (Event(Trouble.LOST, 0, NOON, NOON + HOUR // 2),)
    made = lab(events=lost)
    made.run()
    share = {"kind": "coverage", "share": "95 %"}
    return Case([made.bundle()], under(share, TRAINING_CAP | {"limit": "1e18 FLOP"}))


def over_the_power_cap() -> Case:
    cap = {"kind": "power-cap", "limit": "1 kW", "assurance": "L4", "feed": "dc1-n0000"}
    return Case([honest().bundle()], under(cap))


def over_the_energy_cap() -> Case:
    cap = {"kind": "power-cap", "limit": "1 kWh", "assurance": "L4", "feed": "dc1-n0000"}
    return Case([honest().bundle()], under(cap))


def near_the_power_cap() -> Case:
    """Between what the meter shows for certain and what it may have missed."""
    bundle = honest(()).bundle()

    def capped(milliwatts: int) -> Case:
        cap: Table = {"kind": "power-cap", "limit": f"{milliwatts} mW", "assurance": "L4", "feed": "dc1-n0000"}
        return Case([bundle], under(cap))

    (judged,) = capped(1_000_000).verdict().parties[0].terms
    assert judged.low is not None and judged.high is not None and judged.low < judged.high - 1
    return capped((judged.low + judged.high) // 2)


def one_site_too_few() -> Case:
    """What one site admits is over the limit, though nothing is shown of the other."""

    def amend(agreement):  # type: ignore[no-untyped-def]
        (party,) = agreement.parties
        second = replace(party.sites[0], name="acme-dc2", origin="acme.example/dc2")
        terms = tuple(replace(term, sites=("acme-dc1", "acme-dc2")) for term in agreement.phases[0].terms)
        phase = replace(agreement.phases[0], terms=terms)
        return replace(agreement, parties=(replace(party, sites=(*party.sites, second)),), phases=(phase,))

    return Case([trained().bundle()], under(TRAINING_CAP), amend=amend)


VECTORS = (
    # trust
    unproven("an agreement that vouches for itself", of(honest, trust=None), "agreement/unpinned"),
    Vector(
        "a breach that only its own agreement knows",
        of(trained, trust=None),
        UNPROVEN,
        "agreement/unpinned",
        breached=True,
    ),
    unproven("a world of the forger's own", of(forged, THEIRS, trust=None), "agreement/unpinned"),
    unproven(
        "a world of the forger's own, and a pin of the true one",
        of(forged, THEIRS, trust=PACT.trust()),
        "agreement/unpinned",
    ),
    unproven(
        "a world of the forger's own, and the true holders",
        of(forged, THEIRS, trust=PACT.trust_holders()),
        "agreement/unpinned",
    ),
    invalid("a log of the forger's own", of(forged), "checkpoint/unsigned", COPY),
    unproven("another text than was pinned", amended, "agreement/unpinned"),
    unproven("a lower threshold than is known", a_lower_threshold, "agreement/unpinned"),
    unproven("holders of somebody else", pinned_by_holders(known=STRANGERS), "agreement/unpinned"),
    unproven("an agreement that too few have signed", signed_by(0), "agreement/unbound"),
    holds("an agreement that enough have signed", signed_by(0, 2)),
    holds("an agreement pinned by its holders", pinned_by_holders()),
    # parties
    unproven("a party that shows nothing", of(honest, BOTH), "site/no-bundle"),
    unproven("nobody shows anything", lambda: Case([]), "site/no-bundle"),
    holds("two parties that both keep it", both()),
    breach("two parties, and one breaks it", both(honest_rival=False), "term/compute-cap"),
    unproven("a time at which nothing is judged yet", of(honest, at=START - HOUR), "agreement/nothing-judged"),
    unproven("a time at which nothing can be witnessed yet", of(honest, at=START + HOUR), "agreement/nothing-judged"),
    # terms
    breach("training over the limit", trained, "term/compute-cap"),
    breach("training called inference", called_inference, "term/compute-cap"),
    breach("one run split in three", split, "term/compute-cap"),
    breach("a sprint within a day", idle_for_a_while, "term/compute-cap"),
    breach("training at one of two sites", one_site_too_few, "term/compute-cap"),
    breach("devices that are on", of(honest, OFF), "term/power-off"),
    breach("more power than is allowed", over_the_power_cap, "term/power-cap"),
    breach("more energy than is allowed", over_the_energy_cap, "term/power-cap"),
    unproven("power as near to the limit as the meter is sure", near_the_power_cap, "bounds/too-wide"),
    breach("a hole that was left behind", holes_left_behind, "term/coverage"),
    unproven("a hole inside the tolerance", within_tolerance, "bounds/too-wide"),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "a text without signatures": (PACT.text(), "agreement/unsigned"),
    "signed by a stranger": (PACT.signed([seeded_key("stranger")]), "document/signer"),
    "a signature that does not verify": (PACT.signed()[:-1] + b"\0", "signature/invalid"),
    "an act in an agreement's place": (
        sign_document(PACT.text(), "application/vnd.attest.act+cbor", ACME.holder_keys()),
        "document/header",
    ),
    "another text under the same signatures": (PACT.signed().replace(b"1e23 FLOP", b"1e24 FLOP"), "signature/invalid"),
    "nothing": (b"", "agreement/unsigned"),
    "junk": (b"\xff\xfe", "agreement/unreadable"),
    "cut short": (PACT.signed()[:-10], "cbor/truncated"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_agreement_file_judges_nobody(name: str) -> None:
    data, code = BAD_FILES[name]
    with pytest.raises(AttestError) as caught:
        verify_agreement(data)
    assert caught.value.code == code
    assert isinstance(caught.value, AgreementError) or (
        isinstance(caught.value, EvidenceError) and caught.value.scope is COPY
    )


def test_nobody_is_accused_without_trust() -> None:
    for story in (honest, trained, forged):
        made = story()
        pact = THEIRS if story is forged else PACT
        verdict = Case([made.bundle()], pact, trust=None).verdict()
        assert verdict.exit_code == 4
        assert not [f for f in findings(verdict) if f.outcome is INVALID and f.scope is not COPY]


def test_faults_beyond_what_is_listed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attest.facts.MAX_FAULTS", 2)

    def junk() -> Lab:
        made = ran()
        for number in range(5):
            made.append(b"\x18%c" % number)
        return made

    play(invalid("more junk than is listed", junk, "log/more-faults", SOURCE, "cbor/head"))
