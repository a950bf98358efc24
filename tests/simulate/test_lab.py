"""A simulated lab's log is what the verifier takes for an honest one, in memory and on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attest.agreement.signed import verify_agreement
from attest.bundle import Bundle
from attest.check import check
from attest.errors import LogError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind, Label, Precision, Role
from attest.sign.seeded import seeded_key
from attest.simulate.cast import Identity, Witnesses, replace
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.store.directory import DirectoryBundle
from attest.trust.keys import Alg
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, Verdict

HOUR, DAY = 3_600, 86_400
T = 1_794_182_400  # 2026-11-09
ACME = Identity("acme")
OFF = tuple(Event(Trouble.DOWN, node, T + 18 * HOUR, T + 60 * HOUR) for node in (0, 1))
TRAINING = Job("pretrain", Label.TRAINING, Precision.BF16, (0, 1), T, T + 18 * HOUR)
PAUSE = Phase(
    "pause",
    T + DAY,
    T + 2 * DAY,
    (
        {"kind": "compute-cap", "limit": "1e19 FLOP", "assurance": "L4"},
        {"kind": "power-off", "assurance": "L4"},
        {"kind": "coverage", "share": "99 %"},
        {"kind": "freshness", "max_age": "1 d"},
        {"kind": "witnessing"},
        {"kind": "inventory", "minimum": 16, "maximum": 16},
    ),
)


def plan(*events: Event, jobs: tuple[Job, ...] = (TRAINING,)) -> Plan:
    return Plan("acme-dc1", 2, T, T + 60 * HOUR, jobs, events or OFF)


def judged(bundle: Bundle, pact: Pact | None = None, at: int = T + 61 * HOUR) -> Verdict:
    agreed = pact or Pact((ACME,), (PAUSE,))
    return check([bundle], verify_agreement(agreed.signed()), parse_trust(agreed.trust()), at=at)


def codes(verdict: Verdict) -> set[str]:
    party = verdict.parties[0]
    return {f.code for f in (*verdict.findings, *party.findings, *(f for t in party.terms for f in t.findings))}


@pytest.fixture(scope="module")
def honest() -> Lab:
    lab = Lab(ACME, Site(plan()))
    lab.run()
    return lab


def test_an_honest_lab_holds(honest: Lab) -> None:
    verdict = judged(honest.bundle())
    assert verdict.outcome is Outcome.HOLDS, codes(verdict)
    assert [term.outcome for term in verdict.parties[0].terms] == [Outcome.HOLDS] * 6


def test_the_directory_is_the_same_log(honest: Lab, tmp_path: Path) -> None:
    honest.save(tmp_path / "log")
    memory = honest.bundle()
    memory.save(tmp_path / "copy")
    on_disk = {
        str(path.relative_to(tmp_path / "log")): path.read_bytes()
        for path in (tmp_path / "log").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert on_disk == memory.files
    assert judged(DirectoryBundle(tmp_path / "log")).outcome is Outcome.HOLDS
    assert judged(DirectoryBundle(tmp_path / "copy")).outcome is Outcome.HOLDS


def test_a_story_is_told_twice_the_same(honest: Lab) -> None:
    again = Lab(ACME, Site(plan()))
    again.run(until=T + 7 * HOUR)
    again.run()
    assert again.bundle().files == honest.bundle().files


def test_a_copy_goes_its_own_way(honest: Lab) -> None:
    size = len(honest.entries)
    other = honest.copy()
    other.rotate(other.hosts[0], seeded_key("other"))
    assert len(other.entries) == size + 1 and len(honest.entries) == size
    assert other.hosts[0].seq == honest.hosts[0].seq + 1
    assert honest.hosts[0].signer is not other.hosts[0].signer


def test_an_older_note_gives_an_older_log(honest: Lab) -> None:
    size = sorted(honest.notes)[4]
    bundle = honest.bundle(honest.notes[size])
    assert parse_checkpoint(parse_note(bundle.checkpoint()).text).size == size
    assert not bundle.extra()
    assert judged(bundle).outcome is Outcome.UNPROVEN


@pytest.mark.parametrize("meter", ["independent", "own", None])
def test_only_an_independent_meter_proves_it(meter: str | None) -> None:
    lab = Lab(ACME, Site(plan()), meter=meter)
    lab.run()
    expected = Outcome.HOLDS if meter == "independent" else Outcome.UNPROVEN
    assert judged(lab.bundle()).outcome is expected


def test_keys_of_every_kind_hold() -> None:
    witnesses = Witnesses(count=4, quorum=3, algs=(Alg.ML_DSA_44,))
    lab = Lab(replace(ACME, log_algs=(Alg.ED25519, Alg.ML_DSA_44)), Site(plan()), witnesses, head_s=6 * HOUR)
    lab.run()
    verdict = judged(lab.bundle(), Pact((lab.identity,), (PAUSE,), witnesses))
    assert verdict.outcome is Outcome.HOLDS, codes(verdict)


def test_acts_are_accepted() -> None:
    lab = Lab(ACME, Site(plan()))
    lab.run(until=T + 6 * HOUR)
    lab.rotate(lab.hosts[0], seeded_key("n0, second", Alg.ESP256))
    lab.rotate(lab.office, seeded_key("office, second"))
    lab.enrol(ACME.host(9), Role.HOST, seeded_key("n9"))
    lab.revoke(seeded_key("n9"), len(lab.entries) - 1)
    lab.run()
    verdict = judged(lab.bundle())
    assert verdict.outcome is Outcome.HOLDS, codes(verdict)


def test_a_void_acknowledges_junk() -> None:
    lab = Lab(ACME, Site(plan()))
    lab.run(until=T + 6 * HOUR)
    junk = lab.append(b"junk")
    lab.run()
    assert judged(lab.bundle()).outcome is Outcome.INVALID
    lab.void([junk])
    verdict = judged(lab.bundle())
    assert verdict.outcome is Outcome.HOLDS, codes(verdict)


def test_a_lab_cannot_save_what_its_own_log_refuses(honest: Lab, tmp_path: Path) -> None:
    lab = honest.copy()
    lab.hosts[0].seq -= 1
    lab.append(lab.hosts[0].sign(lab.hosts[0].draft(parse_statement(lab.entries[-1].data).statement.body, lab.now)))
    with pytest.raises(LogError, match="equivocation"):
        lab.save(tmp_path / "log")


def test_a_source_that_has_spoken_is_not_asked_again(honest: Lab) -> None:
    lab = Lab(ACME, Site(plan()))
    lab.run(until=T + 6 * HOUR)
    lab.hosts[0].append(lab.usage(0, T + 12 * HOUR))
    lab.meter.append(lab.metering(T + 12 * HOUR)) if lab.meter else None
    lab.run()
    assert len(lab.entries) == len(honest.entries)
    assert judged(lab.bundle()).outcome is Outcome.HOLDS


ATTACKS: dict[str, tuple[Callable[[Lab], object], str, Outcome]] = {
    "windows that overlap": (
        lambda lab: lab.hosts[0].append(lab.usage(0, lab.now).but(start=lab.hosts[0].until - 3_600)),
        "",
        Outcome.INVALID,
    ),
    "signed with another key": (
        lambda lab: lab.hosts[0].append(lab.usage(0, lab.now), seeded_key("mallory")),
        "key/unknown",
        Outcome.INVALID,
    ),
    "a number left out": (
        lambda lab: lab.hosts[0].append(lab.usage(0, lab.now).but(seq=lab.hosts[0].seq + 1)),
        "chain/gap",
        Outcome.INVALID,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_tampered_with_is_found(name: str) -> None:
    attack, code, outcome = ATTACKS[name]
    lab = Lab(ACME, Site(plan()))
    lab.run(until=T + 29 * HOUR)
    lab.now += HOUR
    attack(lab)
    verdict = judged(lab.bundle())
    assert verdict.outcome is outcome
    assert not code or code in codes(verdict)


def test_a_flipped_byte_is_found(honest: Lab) -> None:
    for path in honest.bundle().files:
        bundle = honest.bundle()
        bundle.flip(path, len(bundle.files[path]) // 2)
        assert judged(bundle).outcome is not Outcome.HOLDS, path


def test_silence_is_not_idleness() -> None:
    lab = Lab(ACME, Site(plan(jobs=())), meter=None)
    lab.run(mute=lambda sub, start, until: sub == ACME.host(1) and until > T + 30 * HOUR)
    verdict = judged(lab.bundle())
    assert verdict.outcome is Outcome.UNPROVEN and "coverage/gap" in codes(verdict)


def test_kinds_are_where_the_story_puts_them(honest: Lab) -> None:
    kinds = [parse_statement(entry.data).statement.kind for entry in honest.entries[:5]]
    assert kinds == [Kind.GENESIS, Kind.KEYS, Kind.INVENTORY, Kind.HEAD, Kind.HEAD]
