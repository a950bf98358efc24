"""The terms run-cap and scale-cap: what is certain of one run, and the most that any can have been."""

from dataclasses import replace

import numpy as np
import pytest

from attest.agreement import LABELS
from attest.format.vocabulary import Label, Precision
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import Event, Job, Trouble
from attest.verdict import Outcome, TermResult
from tests.check.world import DAY, END, HOUR, PACT, START, honest, judge, lab, site, under

NOON = START + DAY // 2
RUN = Job("run", Label.TRAINING, Precision.BF16, (0,), START, NOON, lineage=7)
AGAIN = RUN._replace(name="run, restarted", nodes=(1,), start=NOON, end=END)
OTHER = AGAIN._replace(name="another", lineage=8)
CHAT = Job("chat", Label.INFERENCE, Precision.BF16, (1,), START, END, lineage=9)


def cap(limit: str = "1e30 FLOP", assurance: str = "L1", **more: str) -> Table:
    return {"kind": "run-cap", "limit": limit, "assurance": assurance, **more}


def scale(devices: int, assurance: str = "L1", **more: str) -> Table:
    return {"kind": "scale-cap", "devices": devices, "assurance": assurance, **more}


def of(made: Lab, term: Table | Pact) -> TermResult:
    return judge(made.bundle(), term if isinstance(term, Pact) else under(term)).parties[0].terms[0]


def low(found: TermResult) -> int:
    assert found.low is not None
    return found.low


def test_restarts_are_one_run() -> None:
    together, first = low(of(honest((RUN, AGAIN)), cap())), low(of(honest((RUN,)), cap()))
    alone = low(of(honest((AGAIN,)), cap()))
    assert together == first + alone
    assert together <= site((RUN, AGAIN)).executed()
    assert together > site((RUN, AGAIN)).executed() * 9 // 10


def test_runs_of_other_lineages_are_not() -> None:
    found = of(honest((RUN, OTHER)), cap())
    assert low(found) == max(low(of(honest((RUN,)), cap())), low(of(honest((OTHER,)), cap())))
    assert found.text in ("lineage 7", "lineage 8")


def test_the_truth_of_the_largest_run_lies_within() -> None:
    for jobs in ((RUN, OTHER), (RUN, AGAIN), (RUN, CHAT)):
        lineages = {job.lineage for job in jobs}
        truth = max(site(tuple(j for j in jobs if j.lineage == n)).executed() for n in lineages)
        for assurance in ("L1", "L4"):
            found = of(honest(jobs), cap(assurance=assurance))
            assert found.high is not None
            assert low(found) <= truth <= found.high


def test_runs_without_lineage_stand_alone_for_low() -> None:
    """Six hours of it are in each statement."""
    found = of(honest((RUN._replace(lineage=0),)), cap())
    assert found.text == "a run without lineage"
    assert low(found) == pytest.approx(low(of(honest((RUN,)), cap())) / 2, rel=0.01)


def test_the_runs_of_one_owner_are_one() -> None:
    """Another lineage each, and of one owner."""
    mine = tuple(job._replace(owner=3) for job in (RUN, OTHER))
    found = of(honest(mine), cap(per="owner"))
    assert found.text == "owner 3"
    assert low(found) == sum(low(of(honest((job,)), cap())) for job in (RUN, OTHER))
    assert low(of(honest(mine), cap())) < low(found)
    nobody = of(honest((RUN, OTHER)), cap(per="owner"))
    assert nobody.text == "a run without owner"


def test_a_run_cap_breaks_on_what_one_lineage_admits() -> None:
    admitted = low(of(honest((RUN, AGAIN)), cap()))
    found = of(honest((RUN, AGAIN)), cap(f"{admitted - 1} FLOP"))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.BREACHED, ["term/run-cap"])
    assert of(honest((RUN, AGAIN)), cap(f"{admitted} FLOP")).outcome is Outcome.UNPROVEN
    assert of(honest((RUN, OTHER)), cap(f"{admitted - 1} FLOP")).outcome is not Outcome.BREACHED


def test_above_the_labs_word_only_a_total_proves_a_run_cap() -> None:
    """The lab's own word leaves its largest run less than everything; a liar's runs may all be one."""
    word, proof = of(honest((RUN, OTHER)), cap()), of(honest((RUN, OTHER)), cap(assurance="L4"))
    assert word.high is not None and proof.high is not None
    assert word.high < proof.high
    total = judge(honest((RUN, OTHER)).bundle(), under({"kind": "compute-cap", "limit": "1 YFLOP", "assurance": "L4"}))
    assert proof.high == total.parties[0].terms[0].high


def test_a_declared_size_counts_where_it_is_more_than_cycles_admit() -> None:
    twice = RUN._replace(declared_ppm=1_300_000)
    assert low(of(honest((twice,)), cap())) > low(of(honest((RUN,)), cap())) * 12 // 10


def test_a_declared_size_is_no_more_than_its_devices_could_do() -> None:
    boast = RUN._replace(declared_ppm=10**9)
    most = 8 * (NOON - START) * 2_141 * 10**12
    assert 0 < low(of(honest((boast,)), cap())) <= most


def test_labels_choose_runs() -> None:
    jobs = (RUN, CHAT)
    for word in ("training", "inference"):
        chosen = tuple(job for job in jobs if job.label is LABELS[word])
        found = of(honest(jobs), cap(label=word))
        assert low(found) == low(of(honest(chosen), cap()))


def test_two_runs_of_one_class_on_one_host_admit_no_more_than_there_was() -> None:
    """They take turns within one statement: what is certain of each is what the other cannot have done."""
    half = START + 3 * HOUR
    first = RUN._replace(end=half)
    second = RUN._replace(name="second", start=half, end=START + 6 * HOUR, lineage=8)
    found = of(honest((first, second)), cap())
    assert low(found) <= max(site((job,)).executed() for job in (first, second))


def test_a_scale_cap_counts_accelerators_at_once() -> None:
    wide = RUN._replace(nodes=(0, 1))
    found = of(honest((wide,)), scale(15))
    assert (found.outcome, found.low, found.high) == (Outcome.BREACHED, 16, 16)
    assert [f.code for f in found.findings] == ["term/scale-cap"]
    assert of(honest((wide,)), scale(16)).outcome is Outcome.HOLDS


def test_a_run_that_moves_is_not_on_both_at_once() -> None:
    found = of(honest((RUN, AGAIN)), scale(8))
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 8, 8)


def test_half_of_a_window_is_half_of_the_accelerators_for_certain() -> None:
    """Three hours on 16 of a window of six: 8 for certain, and by the lab's own word at most 16."""
    short = RUN._replace(nodes=(0, 1), end=START + 3 * HOUR)
    found = of(honest((short,)), scale(8))
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 8, 16)


def test_the_dark_may_have_been_part_of_it() -> None:
    lost = Event(Trouble.LOST, 1, START + HOUR, START + 2 * HOUR)
    found = of(honest((RUN,), (lost,)), scale(8))
    assert (found.outcome, found.low, found.high) == (Outcome.UNPROVEN, 8, 16)


def test_above_the_labs_word_whatever_is_on_counts() -> None:
    off = Event(Trouble.DOWN, 1, START, END)
    within = replace(PACT, phases=(Phase("pause", START + 3 * HOUR, END - 3 * HOUR, (scale(8, "L4"),)),))
    assert of(honest((RUN,)), within).high == 16
    found = of(honest((RUN,), (off,)), within)
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 8, 8)


def test_a_site_without_a_run_holds_only_what_is_shown() -> None:
    assert of(honest(()), scale(0)).outcome is Outcome.HOLDS
    assert of(honest(()), cap("1e21 FLOP")).outcome is Outcome.HOLDS
    assert of(honest(()), cap("1 FLOP")).outcome is Outcome.UNPROVEN  # counters leave idle devices some vector work
    assert of(honest(()), cap("1 FLOP", "L4")).outcome is Outcome.UNPROVEN
    assert of(honest(()), scale(0, "L4")).outcome is Outcome.UNPROVEN
    silent = lab(())
    silent.run(mute=lambda sub, start, end: True)
    assert of(silent, scale(0)).outcome is Outcome.UNPROVEN
    assert of(silent, cap("1e30 FLOP")).outcome is Outcome.HOLDS  # 16 accelerators at peak are no more than that


def test_what_is_shown_is_in_whole_numbers() -> None:
    found = of(honest((RUN,)), cap())
    assert type(found.low) is int and type(found.high) is int
    assert np.int64 not in {type(value) for f in found.findings for value in f.numbers.values()}


def test_a_stolen_host_key_adds_no_accelerators_that_a_meter_shows_off() -> None:
    off = Event(Trouble.DOWN, 1, START, END)
    framed = lab((RUN,), (off,))
    framed.tales[1] = site((RUN._replace(nodes=(0, 1)),))
    framed.run()
    found = of(framed, scale(8))
    assert (found.outcome, found.low) == (Outcome.UNPROVEN, 8)
