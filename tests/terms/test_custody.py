"""The term custody: what an archive's office says in one chain, and how far a copy of it reaches."""

import pytest

from attest.format.bodies import HeadBody
from attest.format.custody import CustodyBody
from attest.simulate.archive import Archive
from attest.simulate.pact import Pact, Table
from attest.verdict import Outcome, Status, TermResult, Verdict, as_data
from tests.check.keeping import FOUR, KEEPER, NOW, SILENCE, keeping, kept, rewritten
from tests.check.world import DAY, END, HOUR, START, codes, honest, judge, under

CHAIN: Table = {"kind": "custody"}


def of(made: Archive, pact: Pact | None = None, at: int = NOW) -> TermResult:
    return judge(made.bundle(), pact or keeping(), at=at).parties[0].terms[0]


def said(found: TermResult) -> list[str]:
    return [finding.code for finding in found.findings]


def lights(verdict: Verdict) -> dict[str, tuple[Status, str]]:
    return {light.name: (light.status, light.text) for light in verdict.parties[0].lights}


# -- what holds, without a single accelerator


def test_a_chain_without_a_witness_holds_as_the_archives_own_word() -> None:
    verdict = judge(kept().bundle(), keeping(), at=NOW)
    found = verdict.parties[0].terms[0]
    assert (verdict.outcome, found.outcome, said(found)) == (Outcome.HOLDS, Outcome.HOLDS, ["custody/unwitnessed"])
    assert (found.low, found.high, found.limit, found.tightest) == (HOUR, HOUR, 2 * HOUR, HOUR)
    assert found.text == "25 custody statements, 3,600 s without one at most"


def test_no_light_passes_on_nothing() -> None:
    """No witness, no accelerator, no cap: not one light is lit, and no word is said of compute."""
    verdict = judge(kept().bundle(), keeping(), at=NOW)
    shown = lights(verdict)
    assert [status for status, _ in shown.values()] == [Status.NOT_CHECKED] * 4
    assert "no witness is asked for" in shown["authentic"][1]
    assert shown["complete"][1] == "no declared accelerators to account for"
    assert shown["corroborated"][1] == "no declared accelerators to corroborate"
    assert verdict.parties[0].sites[0].devices == 0 and not verdict.pins
    assert "scope/unentered" in as_data(verdict)["not_covered"]
    assert "scope/unentered" not in as_data(judge(honest().bundle()))["not_covered"]


def test_a_chain_that_witnesses_saw_is_authentic() -> None:
    verdict = judge(kept(witnesses=FOUR).bundle(), keeping(CHAIN, witnesses=FOUR), at=NOW)
    assert (verdict.outcome, codes(verdict)) == (Outcome.HOLDS, set())
    assert lights(verdict)["authentic"][0] is Status.PASS


def test_freshness_and_witnessing_stand_beside_it() -> None:
    terms: tuple[Table, ...] = (CHAIN, {"kind": "freshness", "max_age": "6 h"})
    verdict = judge(kept(witnesses=FOUR).bundle(), keeping(*terms, witnesses=FOUR), at=NOW)
    assert [term.outcome for term in verdict.parties[0].terms] == [Outcome.HOLDS] * 2


@pytest.mark.parametrize(
    "term", [{"kind": "freshness", "max_age": "6 h"}, {"kind": "witnessing"}], ids=lambda t: t["kind"]
)
def test_alone_they_are_about_nothing_where_no_accelerator_is(term: Table) -> None:
    verdict = judge(kept(witnesses=FOUR).bundle(), keeping(term, witnesses=FOUR), at=NOW)
    assert (verdict.outcome, "inventory/empty" in codes(verdict)) == (Outcome.UNPROVEN, True)


# -- how far a copy reaches


def test_an_archive_that_never_said_anything_shows_nothing() -> None:
    made = Archive(KEEPER, START)
    del made.entries[1:]
    found = of(made)
    assert (found.outcome, said(found)) == (Outcome.UNPROVEN, ["custody/unwitnessed", "custody/none", "custody/silent"])
    assert judge([], keeping(), at=NOW).parties[0].terms[0].outcome is Outcome.UNPROVEN


def test_acts_of_another_time_are_not_about_this_phase() -> None:
    made = kept(3, FOUR)
    made.now = END + DAY
    made.office.say(HeadBody(made.witness()))
    pact = keeping(CHAIN, witnesses=FOUR, start=START + 6 * HOUR)
    assert said(of(made, pact, END + 2 * DAY)) == ["custody/none"]


def test_a_silence_of_all_that_is_allowed_is_one_that_is_kept() -> None:
    made = kept(10)
    made.now += HOUR
    made.put("after two hours")
    made.keep(13)
    assert (of(made).outcome, of(made).high) == (Outcome.HOLDS, 2 * HOUR)
    shorter = of(made, keeping({"kind": "custody", "max_silence": "7199 s"}))
    assert (shorter.outcome, said(shorter)) == (Outcome.UNPROVEN, ["custody/unwitnessed", "custody/silent"])


def test_an_end_that_was_cut_off_is_a_silence_of_which_a_newer_copy_may_tell() -> None:
    made = rewritten(kept(), -1, -2, -3, -4)
    found = of(made)
    assert (found.outcome, found.high, found.low) == (Outcome.UNPROVEN, 3 * HOUR, HOUR)
    silent = found.findings[-1]
    assert (silent.code, silent.settle) == ("custody/silent", "a newer copy of the log")
    assert (silent.start, silent.end) == (START + 21 * HOUR, END)


def test_a_copy_that_no_witness_saw_at_the_end_is_cut() -> None:
    old = kept(20, FOUR)
    found = of(old, keeping(CHAIN, witnesses=FOUR))
    assert (found.outcome, said(found)) == (Outcome.UNPROVEN, ["custody/cut"])
    assert found.findings[0].settle == "a newer copy of the log"


def test_an_open_phase_is_judged_up_to_the_lag() -> None:
    made = kept(12, FOUR)
    pact = keeping(CHAIN, witnesses=FOUR)
    assert of(made, pact, START + 13 * HOUR).outcome is Outcome.HOLDS
    assert said(of(made, pact, START + 15 * HOUR)) == ["custody/cut"]


def test_a_log_that_began_within_the_phase_tells_of_nothing_before() -> None:
    made = kept(23, FOUR, START + 2 * HOUR)
    assert said(of(made, keeping(CHAIN, witnesses=FOUR))) == ["custody/begins-late"]
    assert of(made, keeping(SILENCE, witnesses=FOUR)).outcome is Outcome.HOLDS
    assert said(of(made, keeping({"kind": "custody", "max_silence": "90 min"}, witnesses=FOUR))) == ["custody/silent"]


# -- times


def test_what_was_witnessed_late_may_have_been_made_up() -> None:
    made = kept(10, FOUR)
    late = made.act("put", ("manifest", b"backdated"))
    made.now += 5 * HOUR
    made.enter(late)
    made.keep(15)
    found = of(made, keeping(CHAIN, witnesses=FOUR))
    assert (found.outcome, said(found)) == (Outcome.UNPROVEN, ["time/untimely"])
    assert found.findings[0].numbers == {"statements": 1}


def test_nobody_tells_of_a_time_to_come() -> None:
    """Acts that were signed and witnessed in the morning, and dated through the day, break no silence."""
    made = kept(3, FOUR)
    morning = made.now
    for hour in range(4, 27):
        made.now = START + hour * HOUR
        made.office.append(made.act("fixity"))
    made.now = morning
    made.office.say(HeadBody(made.witness()), START + 26 * HOUR)
    made.now = NOW
    made.office.say(HeadBody(made.witness()))
    found = of(made, keeping(SILENCE, witnesses=FOUR))
    assert (found.outcome, said(found)) == (Outcome.UNPROVEN, ["custody/silent"])
    assert found.high == END - morning - made.delay_s


def test_without_witnesses_what_is_dated_after_the_judgement_counts_for_nothing() -> None:
    made = kept(10)
    made.now = START + 50 * 365 * DAY
    made.did("fixity", objects=0)
    found = of(made)
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, HOUR, 14 * HOUR)


# -- what is broken, and for whom


def broken(hours: int) -> Archive:
    """Witnesses saw it fall silent for so many hours, and go on."""
    made = kept(6, FOUR)
    made.now += (hours - 1) * HOUR
    made.keep(20)
    return made


def test_who_goes_on_after_a_silence_has_broken_it() -> None:
    pact = keeping(SILENCE, witnesses=FOUR)
    found = of(broken(4), pact)
    assert (found.outcome, said(found)) == (Outcome.BREACHED, ["custody/silent", "term/custody"])
    assert (found.low, found.high, found.findings[1].numbers) == (4 * HOUR, 4 * HOUR, {"seconds": 4 * HOUR})
    assert (found.findings[1].start, found.findings[1].end) == (START + 6 * HOUR, START + 10 * HOUR)


def test_within_the_grace_it_is_not_broken() -> None:
    found = of(broken(3), keeping(SILENCE, witnesses=FOUR))
    assert (found.outcome, said(found)) == (Outcome.UNPROVEN, ["custody/silent"])


@pytest.mark.parametrize(
    ("silence", "grace", "outcome"),
    [
        ("2 d", "12 h", Outcome.HOLDS),
        ("1 d", "12 h", Outcome.BREACHED),
        ("1 d", "1 d", Outcome.UNPROVEN),
    ],
)
def test_the_example_of_the_page(silence: str, grace: str, outcome: Outcome) -> None:
    made = Archive(KEEPER, START - 15 * HOUR)
    for day in (0, 2, 3, 4):
        made.now = START + 9 * HOUR + day * DAY
        made.did("fixity")
    pact = keeping({"kind": "custody", "max_silence": silence}, end=START + 4 * DAY, grace=grace)
    assert of(made, pact, START + 5 * DAY).outcome is outcome
    old = rewritten(made, -1, -2, -3)
    noon = of(old, keeping({"kind": "custody", "max_silence": "1 d"}, end=START + 4 * DAY), START + DAY + 12 * HOUR)
    assert (noon.outcome, noon.high) == (Outcome.UNPROVEN, 26 * HOUR)


def test_no_old_copy_breaks_it() -> None:
    """Copies of every age, judged long after: they are unproven until one shows the act after the silence."""
    made = broken(4)
    pact = keeping(SILENCE, witnesses=FOUR)
    sizes = sorted(made.notes)
    seen = {size: judge(made.bundle(made.notes[size]), pact, at=NOW + 9 * DAY).outcome for size in sizes}
    after = next(size for size in sizes if seen[size] is Outcome.BREACHED)
    assert [seen[size] for size in sizes if size < after] == [Outcome.UNPROVEN] * 7
    assert {seen[size] for size in sizes if size >= after} == {Outcome.BREACHED}


def test_the_archives_own_word_breaks_it_without_witnesses_too() -> None:
    made = kept(6)
    made.now += 3 * HOUR
    made.keep(20)
    assert of(made).outcome is Outcome.BREACHED


def test_what_the_root_holders_take_back_makes_no_silence_and_breaks_none() -> None:
    made = kept(8)
    bad = made.put("never came")
    made.keep(16)
    made.now += HOUR
    made.void([bad])
    found = of(made, at=NOW)
    assert (found.outcome, found.low) == (Outcome.UNPROVEN, HOUR)
    assert said(found) == ["custody/voided", "custody/unwitnessed"]
    assert found.findings[0].index == bad


def test_nothing_takes_back_a_silence() -> None:
    made = kept(6)
    made.now += 5 * HOUR
    act = made.put("after the silence")
    made.keep(14)
    made.void([act])
    assert of(made).outcome is Outcome.BREACHED


def test_the_last_act_taken_back_breaks_nothing() -> None:
    made = kept(6)
    made.now += 5 * HOUR
    made.void([made.put("after the silence")])
    assert of(made).outcome is Outcome.UNPROVEN


def test_what_stands_after_a_fault_is_nobodys_breach() -> None:
    made = kept(6)
    made.append(b"junk")
    made.now += 5 * HOUR
    made.keep(14)
    found = of(made)
    assert (found.outcome, said(found)[0]) == (Outcome.UNPROVEN, "custody/broken")


# -- in the log of a lab


def test_custody_in_a_labs_log_changes_nothing() -> None:
    """The same verdict, but for how many statements there are and what they hash to."""
    made = honest()
    plain = as_data(judge(made.bundle()))
    entries, after = made.size, made.copy()
    body = CustodyBody("put", "ines", (), (("size", 7),))
    assert after.office.say(body) == entries
    after.witness()
    found = as_data(judge(after.bundle()))
    for data in (plain, found):
        for party in data["parties"]:
            party["lights"]["authentic"].pop("text")
            for site in party["sites"]:
                for key in ("size", "root", "checkpoint", "statements"):
                    site.pop(key)
    assert found == plain


def test_a_lab_is_asked_for_custody_as_an_archive_is() -> None:
    verdict = judge(honest().bundle(), under(CHAIN))
    assert (verdict.outcome, codes(verdict)) == (Outcome.UNPROVEN, {"custody/none"})
