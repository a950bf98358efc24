"""The fabric cap of a scale-cap: what one accelerator moved for certain, at most, and what is not known of it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from attest.agreement import verify_agreement
from attest.check import check
from attest.format.block import MAX_PER_SECOND
from attest.format.roster import Host, Roster
from attest.format.vocabulary import Column, Label, Precision
from attest.simulate.lab import Lab
from attest.simulate.pact import Phase, Table
from attest.simulate.site import DEVICES, Event, Job, Trace, Trouble
from attest.simulate.telemetry import COLUMNS
from attest.terms import fabric as module
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, TermResult
from tests.anomalies.tales import Tale, retold
from tests.check.world import DAY, END, HOUR, LATER, PACT, START, honest, judge, lab, site, under

NOON = START + DAY // 2
RUN = Job("run", Label.TRAINING, Precision.BF16, (0,), START + HOUR, NOON, lineage=7)
CHAT = Job("chat", Label.INFERENCE, Precision.BF16, (1,), START, END, lineage=9)
PEAK = MAX_PER_SECOND[Column.FABRIC]  # MiB/s
MUCH = 10**12  # MiB


def cap(mib: int, assurance: str = "L1", **more: str | int) -> Table:
    return {"kind": "scale-cap", "devices": 16, "fabric": f"{mib} MiB", "assurance": assurance, **more}


def of(made: Lab, term: Table, **options: object) -> TermResult:
    return judge(made.bundle(), under(term), **options).parties[0].terms[0]  # type: ignore[arg-type]


def bounds(found: TermResult) -> tuple[int, int]:
    """low and high of the fabric, which a breach, or the want of evidence, brings out."""
    finding = found.findings[-1]
    assert finding.code in ("term/scale-cap", "bounds/too-wide")
    return finding.numbers["low"], finding.numbers["high"]


def moved(jobs: tuple[Job, ...], start: int = START, end: int = END) -> int:
    """What the accelerator that moved most truly did."""
    place = slice((start - START) // 60, (end - START) // 60)
    return max(int(site(jobs).trace(node).fabric[:, place].sum(axis=1).max()) for node in range(2))


def test_a_lab_that_tells_everything_has_one_number() -> None:
    truth = moved((RUN, CHAT))
    kept = of(honest((RUN, CHAT)), cap(truth))
    assert (kept.outcome, kept.unit, kept.findings) == (Outcome.HOLDS, "accelerators", ())
    assert kept.text.endswith(f"; {truth:,} MiB to {truth:,} MiB through the fabric of one accelerator")
    broken = of(honest((RUN, CHAT)), cap(truth - 1))
    assert (broken.outcome, broken.unit) == (Outcome.BREACHED, "MiB")
    assert (broken.low, broken.high, broken.limit, broken.tightest) == (truth, truth, truth - 1, truth)
    assert [f.code for f in broken.findings] == ["term/scale-cap"]


def test_the_pages_example() -> None:
    """schemas/agreement.md, "scale-cap": two days at 5,000 MiB/s."""
    end = START + 2 * DAY

    def steady(trace: Trace) -> Trace:
        return replace(trace, fabric=np.full_like(trace.fabric, 60 * 5_000))

    def found(tib: int, *events: Event) -> TermResult:
        made = lab((RUN._replace(nodes=(0, 1), start=START, end=end),), events, end=end)
        for node in range(2):
            made.tales[node] = Tale(made.site.plan, steady)
        made.run()
        term = cap(tib << 20, window="1 d")
        return judge(made.bundle(), under(term, end=end), at=end + HOUR).parties[0].terms[0]

    assert found(500).text.endswith("; 432,000,000 MiB to 450,000,000 MiB through the fabric of one accelerator")
    assert found(500).outcome is Outcome.HOLDS
    assert found(400).outcome is Outcome.BREACHED
    lost = found(500, Event(Trouble.LOST, 0, START + HOUR, START + HOUR + 60))
    assert (lost.outcome, bounds(lost)) == (Outcome.UNPROVEN, (432_000_000, 689_700_000))
    assert lost.findings[-1].settle.endswith(f"for {8 * 42} of these {8 * 60} device-seconds")


def test_an_accelerator_is_held_against_the_cap_by_itself() -> None:
    """One of eight moves ten times what its neighbours do, by turns another: neither their sum nor their largest."""

    def turns(trace: Trace) -> Trace:
        fabric = np.where(trace.cycles > 0, 100, 0)
        for device in range(DEVICES):
            fabric[device, 60 * (device + 1) : 60 * (device + 2)] *= 10
        return retold(trace, fabric=fabric)

    made = lab((RUN,))
    made.tales[0] = Tale(made.site.plan, turns)
    made.run()
    truth = 60 * 100 * 10 + 600 * 100  # one hour of eleven
    assert of(made, cap(truth)).outcome is Outcome.HOLDS
    assert bounds(of(made, cap(truth - 1))) == (truth, truth)


def test_windows_roll_over_buckets() -> None:
    """A window of six hours may begin inside an hour: high is of seven, low of six whole ones."""
    hours = [START + n * HOUR for n in range(24)]
    low, high = (max(moved((RUN,), at, at + n * HOUR) for at in hours if at + n * HOUR <= END) for n in (6, 7))
    assert 0 < low < high
    assert of(honest((RUN,)), cap(high, window="6 h")).outcome is Outcome.HOLDS
    between = of(honest((RUN,)), cap(low, window="6 h"))
    assert (between.outcome, bounds(between)) == (Outcome.UNPROVEN, (low, high))
    assert (
        between.findings[-1].settle
        == f"no evidence is missing: the fabric column itself leaves {high:,} MiB of one accelerator"
    )
    assert of(honest((RUN,)), cap(low - 1, window="6 h")).outcome is Outcome.BREACHED


def test_of_two_labels_one_is_capped() -> None:
    train, serve = moved((RUN,)), moved((CHAT,))
    assert serve < train
    assert of(honest((RUN, CHAT)), cap(serve, label="inference")).outcome is Outcome.HOLDS
    assert of(honest((RUN, CHAT)), cap(serve - 1, label="inference")).outcome is Outcome.BREACHED
    assert of(honest((RUN, CHAT)), cap(0, label="evaluation")).outcome is Outcome.HOLDS


@pytest.mark.parametrize("term", [cap, lambda mib: cap(mib, label="training")], ids=["any", "training"])
def test_what_was_moved_on_no_run_may_have_been_part_of_one(term: Callable[[int], Table]) -> None:
    def nameless(trace: Trace) -> Trace:
        return retold(trace, job=np.full_like(trace.job, 0xFFFF))

    made = lab((RUN,))
    made.tales[0] = Tale(made.site.plan, nameless)
    made.run()
    truth = moved((RUN,))
    found = of(made, term(truth - 1))
    assert (found.outcome, bounds(found)) == (Outcome.UNPROVEN, (0, truth))
    assert of(made, term(truth)).outcome is Outcome.HOLDS


def test_a_run_without_a_label_is_a_run() -> None:
    """And may be one of any label."""
    plain = RUN._replace(claimed=Label.NONE)
    truth = moved((RUN,))
    assert of(honest((plain,)), cap(truth - 1)).outcome is Outcome.BREACHED
    found = of(honest((plain,)), cap(truth - 1, label="training"))
    assert (found.outcome, bounds(found)) == (Outcome.UNPROVEN, (0, truth))


def test_a_gap_is_charged_with_all_that_a_column_can_hold() -> None:
    """Ten minutes of all eight: of each its own ten."""
    lost = Event(Trouble.LOST, 0, START + 2 * HOUR, START + 2 * HOUR + 600)
    made = honest((RUN,), (lost,))
    truth = moved((RUN,))
    told = site((RUN,)).trace(0).fabric.copy()
    told[:, 120:130] = 0
    most = int(told.sum(axis=1).max())
    assert of(made, cap(most + 600 * PEAK)).outcome is Outcome.HOLDS
    found = of(made, cap(most + 300 * PEAK))
    low, high = bounds(found)
    assert found.outcome is Outcome.UNPROVEN
    assert (low, high) == (most, most + 600 * PEAK)
    assert low <= truth <= high
    finding = found.findings[-1]
    assert finding.settle.startswith("records of the fabric, or a metered power-off, for 1 of these 2 device-hours")
    assert finding.numbers["device_seconds_missing"] == 8 * 600
    assert 8 * 299 <= finding.numbers["device_seconds_needed"] <= 8 * 301


def test_what_is_needed_is_enough() -> None:
    """The seconds that are said to be needed, given back, bring the cap; two minutes less do not."""
    lost = Event(Trouble.LOST, 0, START + 2 * HOUR, START + 3 * HOUR)
    limit = moved((RUN,)) + 600 * PEAK
    needed = of(honest((RUN,), (lost,)), cap(limit)).findings[-1].numbers["device_seconds_needed"] // DEVICES
    assert 2_940 <= needed <= 3_000  # ten minutes may be left, and what was moved in the others fits in
    minutes = -(-needed // 60)
    for more, outcome in ((minutes, Outcome.HOLDS), (minutes - 2, Outcome.UNPROVEN)):
        shorter = lost._replace(start=lost.start + more * 60)
        assert of(honest((RUN,), (shorter,)), cap(limit)).outcome is outcome


def test_a_silent_host_is_charged_as_long_as_it_is_silent() -> None:
    made = lab((RUN,))
    made.run(mute=lambda sub, start, end: "n0001" in sub and start == START + 6 * HOUR)
    found = of(made, cap(18 * HOUR * PEAK - 1))  # what it says later of a window begins where it fell silent
    assert (found.outcome, bounds(found)) == (Outcome.UNPROVEN, (moved((RUN,)), 18 * HOUR * PEAK))
    assert of(made, cap(18 * HOUR * PEAK)).outcome is Outcome.HOLDS
    nothing = lab((RUN,))
    nothing.run(mute=lambda sub, start, end: True)
    assert bounds(of(nothing, cap(0))) == (0, DAY * PEAK)


def test_what_a_meter_shows_to_be_off_moved_nothing() -> None:
    """At any level: the other node is not known about, but for an outlet without a current."""
    off = Event(Trouble.DOWN, 1, START, END)
    within = replace(PACT, phases=(Phase("pause", START + 3 * HOUR, END - 3 * HOUR, (cap(0, "L4", devices=8),)),))
    silent = lab((), (off,))
    silent.run(mute=lambda sub, start, end: "n0001" in sub)
    assert bounds(judge(silent.bundle(), within).parties[0].terms[0]) == (0, 18 * HOUR * PEAK)  # node 0 is on
    word = replace(PACT, phases=(Phase("pause", START + 3 * HOUR, END - 3 * HOUR, (cap(0),)),))
    assert judge(silent.bundle(), word).parties[0].terms[0].outcome is Outcome.HOLDS
    alike = lab((), (off, off._replace(node=0)))
    alike.run()
    assert judge(alike.bundle(), within).parties[0].terms[0].outcome is Outcome.HOLDS


def test_above_the_labs_word_only_off_is_shown() -> None:
    found = of(honest(()), cap(0, "L4"))
    assert (found.outcome, bounds(found)) == (Outcome.UNPROVEN, (0, DAY * PEAK))
    assert found.findings[-1].settle == "a power-off by independent meters (L4) for 384 of these 384 device-hours"


def test_a_stolen_host_key_moves_nothing_through_what_a_meter_shows_off() -> None:
    off = Event(Trouble.DOWN, 1, START, END)
    framed = lab((), (off,))
    framed.tales[1] = site((RUN._replace(nodes=(0, 1)),))
    framed.run()
    found = of(framed, cap(0))
    assert (found.outcome, bounds(found)[0]) == (Outcome.UNPROVEN, 0)


def test_another_serial_is_no_other_accelerator() -> None:
    """A lab that renames its boards at noon, or puts them in another order, has moved as much with each."""

    def renamed(roster: Roster) -> Roster:
        hosts = [
            Host(host.sub, tuple(device._replace(uid=f"{device.uid}-b") for device in host.devices[::-1]))
            for host in roster.hosts
        ]
        return Roster(roster.feeds, tuple(hosts))

    whole = RUN._replace(start=START, end=END)
    made = lab((whole,))
    made.run(until=NOON)
    made.inventory(renamed(made.roster()), NOON)
    made.run()
    truth = moved((whole,))
    found = of(made, cap(truth - 1))
    low, high = bounds(found)
    assert found.outcome is Outcome.UNPROVEN
    assert 0 < low < truth <= high < truth * 101 // 100
    assert of(made, cap(high)).outcome is Outcome.HOLDS
    assert of(made, cap(low - 1)).outcome is Outcome.BREACHED


def test_numbers_are_pythons_and_the_seam_of_parts_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Event(Trouble.LOST, 0, START + 2 * HOUR, START + 3 * HOUR)
    made = honest((RUN, CHAT), (lost,))
    whole = of(made, cap(0))
    assert {type(n) for f in whole.findings for n in f.numbers.values()} == {int}
    for cells in (1, 24 * 3, 24 * 10):
        monkeypatch.setattr(module, "CELLS", cells)
        assert of(made, cap(0)) == whole


def test_more_than_there_is_room_for_is_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    made = honest((RUN,))
    monkeypatch.setattr(module, "MAX_MOVED", 10)
    found = of(made, cap(MUCH))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["unsupported/size"])
    over = of(made, cap(MUCH, devices=7))
    assert over.outcome is Outcome.BREACHED  # on accelerators, which is what facts tell


def test_blocks_are_read_again_only_where_a_term_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("attest.check.read_traffic", lambda *_: calls.append(1))
    made = honest((RUN,)).bundle()
    signed = under({"kind": "scale-cap", "devices": 16, "assurance": "L1"})
    check([made], verify_agreement(signed.signed()), parse_trust(signed.trust()), at=LATER)
    assert calls == []


def test_what_is_on_another_label_is_not_charged_where_it_is_not_counted() -> None:
    served = CHAT._replace(nodes=(0, 1))
    bare = lab((served,), columns=[c for c in COLUMNS if c is not Column.FABRIC])
    bare.run()
    assert of(bare, cap(0, label="training")).outcome is Outcome.HOLDS
    assert bounds(of(bare, cap(0, label="inference"))) == (0, DAY * PEAK)


def test_accelerators_and_buckets_that_there_is_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EXPECTED", 100)
    found = of(honest((RUN,)), cap(MUCH))
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["unsupported/size"])


def test_a_lab_without_the_column_proves_nothing_and_admits_nothing() -> None:
    bare = lab((RUN,), columns=[c for c in COLUMNS if c is not Column.FABRIC])
    bare.run()
    assert bounds(of(bare, cap(0))) == (0, DAY * PEAK)
