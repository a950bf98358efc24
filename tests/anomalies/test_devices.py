"""What the series of single devices show: each rule remarks on what it is for, and on no honest lab."""

from dataclasses import replace

import numpy as np
import pytest

from attest.agreement import verify_agreement
from attest.anomalies.measured import rate_of
from attest.check import check, examine
from attest.format.vocabulary import Label, Precision
from attest.series import Copy, Series, joined
from attest.simulate import scenes
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.site import Event, Job, Trace, Trouble
from attest.trust.pins import parse_trust
from attest.verdict import Finding, Status
from tests.anomalies.tales import LOOSE, anomalies, retold, told, verdict_on
from tests.check.world import HOUR, INFERENCE, START, TRAINING, lab

SERVED = TRAINING._replace(claimed=Label.INFERENCE)
TROUBLE = (
    Event(Trouble.LOST, 0, START + 4 * HOUR, START + 5 * HOUR, (1,)),
    Event(Trouble.RELOAD, 0, START + 7 * HOUR, START + 8 * HOUR),
    Event(Trouble.DOWN, 1, START + 9 * HOUR, START + 12 * HOUR),
    Event(Trouble.STALE, 1, START + 14 * HOUR, START + 15 * HOUR),
)


def only(found: list[Finding], code: str) -> Finding:
    """The one finding there is."""
    assert [f.code for f in found] == [code]
    assert found[0].text.endswith(rate_of(code))
    assert found[0].settle and found[0].source and found[0].index > 0
    return found[0]


@pytest.mark.parametrize("jobs", [(INFERENCE,), (TRAINING,), (INFERENCE, TRAINING._replace(nodes=(1,))), ()])
@pytest.mark.parametrize("events", [(), TROUBLE], ids=["smooth", "trouble"])
def test_honest_labs_have_none(jobs: tuple[Job, ...], events: tuple[Event, ...]) -> None:
    made = lab(jobs, events)
    made.run()
    assert [f for f in found_in(made) if f.code.startswith("anomaly/")] == []


def found_in(made: Lab) -> tuple[Finding, ...]:
    return verdict_on(made, series=True).parties[0].findings


def mirrored(trace: Trace) -> Trace:
    """Device 5 is told as device 2."""
    power, cycles = trace.power_mw.copy(), trace.cycles.copy()
    power[5], cycles[5] = power[2], cycles[2]
    return retold(trace, power_mw=power, cycles=cycles)


def test_one_device_told_for_another_of_the_same_host() -> None:
    finding = only(anomalies(told(mirrored, (TRAINING,)), series=True), "anomaly/identical-series")
    assert finding.numbers["seconds"] == 24 * HOUR
    assert (finding.numbers["device"], finding.numbers["of_device"]) == (5, 2)
    assert finding.numbers["of_index"] == finding.index
    assert finding.numbers["statements"] == 4


def test_a_copy_of_another_hour() -> None:
    """Device 0 tells at noon what it did at six, in another statement, and nothing else is copied."""

    def again(trace: Trace) -> Trace:
        power = trace.power_mw.copy()
        power[0, 720:780] = power[0, 360:420]
        return retold(trace, power_mw=power)

    finding = only(anomalies(told(again, (TRAINING,)), series=True), "anomaly/identical-series")
    assert finding.numbers["seconds"] == HOUR
    assert finding.numbers["of_index"] < finding.index


def test_a_copied_hour_with_one_millijoule_changed_is_not_seen() -> None:
    """As the page says: these rules catch what was made up carelessly."""

    def nearly(trace: Trace) -> Trace:
        power = mirrored(trace).power_mw.copy()
        power[5, ::60] += 1
        return retold(trace, power_mw=power)

    assert anomalies(told(nearly, (TRAINING,)), series=True) == []


def test_a_gauge_of_whole_watts_that_hardly_moves_is_no_copy() -> None:
    def whole(trace: Trace) -> Trace:
        return retold(trace, power_mw=np.full_like(trace.power_mw, 68_000))

    assert anomalies(told(whole, ()), series=True) == []


def test_a_counter_that_stands_still_among_seven_that_do_not() -> None:
    def stuck(trace: Trace) -> Trace:
        power = trace.power_mw.copy()
        power[3] = 0
        return retold(trace, power_mw=power)

    made = told(stuck, (INFERENCE,))
    assert anomalies(made) == []
    finding = only(anomalies(made, series=True), "anomaly/energy-still")
    assert finding.numbers == {"statements": 4, "seconds": 24 * HOUR, "device": 3}


def test_work_without_noise() -> None:
    def smooth(trace: Trace) -> Trace:
        power = np.where(trace.cycles > 0, 600_000 + np.arange(8)[:, None] * 1_000, trace.power_mw)
        power += (np.arange(power.shape[1]) % 2) * 20  # 33 ppm
        return retold(trace, power_mw=power)

    finding = only(anomalies(told(smooth, (TRAINING,)), series=True), "anomaly/too-clean")
    assert finding.numbers["seconds"] == 8 * 18 * HOUR
    assert finding.numbers["devices"] == 8


def test_training_labelled_as_inference() -> None:
    made = told(lambda trace: trace, (SERVED,), nodes=())
    finding = only(anomalies(made, series=True), "anomaly/fabric-label")
    assert finding.numbers["seconds"] == 16 * 18 * HOUR
    assert finding.text.endswith("there is no real trace of such data")


def test_served_models_with_traffic_alone_are_none() -> None:
    def spread(trace: Trace) -> Trace:
        return retold(trace, fabric=np.where(trace.cycles > 0, 60 * 30_000, 0))

    assert anomalies(told(spread, (INFERENCE,)), series=True) == []


def test_series_are_not_checked_unless_they_are_read() -> None:
    made = lab((INFERENCE,))
    made.run()
    for read, status in ((False, Status.NOT_CHECKED), (True, Status.PASS)):
        checks = {code: s for code, s, _ in verdict_on(made, series=read).checks if code.startswith("anomaly/")}
        assert len(checks) == 7
        assert checks["anomaly/mfu"] is Status.PASS
        assert checks["anomaly/identical-series"] is checks["anomaly/too-clean"] is status


def test_blocks_that_cannot_be_read_are_passed_over() -> None:
    """They are charged like gaps; what another block shows is still seen."""
    made = told(mirrored, (TRAINING,))
    bundle = made.bundle()
    (pack,) = (path for path in bundle.files if path.startswith("blocks/"))
    bundle.flip(pack, len(bundle.files[pack]) // 2)
    assert series_of(bundle).comparable < series_of(made.bundle()).comparable
    del bundle.files[pack]
    assert series_of(bundle).comparable == 0


def series_of(bundle: MemoryBundle) -> Series:
    found = examine(bundle, verify_agreement(LOOSE.signed()), anomalies=True).series
    assert found is not None
    return found


def test_of_too_many_series_the_same_ones_are_kept_whatever_the_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = series_of(told(mirrored, (TRAINING,)).bundle())
    monkeypatch.setattr("attest.series.MAX_SERIES", 100)
    halves = [replace(whole, copies=whole.copies[part], comparable=0) for part in (slice(150), slice(150, None))]
    once, twice = joined([whole]), joined([joined([half]) for half in halves])
    assert 100 <= len(once.copies) <= 101
    assert np.array_equal(once.copies, twice.copies)
    alike = [dict(zip(*np.unique(copies[:, Copy.FIRST], return_counts=True))) for copies in (whole.copies, once.copies)]
    assert any(count == 2 for count in alike[1].values())
    assert all(alike[0][key] == count for key, count in alike[1].items())  # all of a copy, or none


def test_the_labs_of_the_demo_have_none() -> None:
    demo = scenes.Demo()
    signed, trust = verify_agreement(demo.pact.signed()), parse_trust(demo.pact.trust())
    for kind, made in demo.labs():
        verdict = check([made.bundle()], signed, trust, at=demo.at, anomalies=True)
        assert not [f for p in verdict.parties for f in p.findings if f.code.startswith("anomaly/")], kind


def test_precision_and_label_are_told_by_run() -> None:
    """A device that changes runs within a bucket is not held to one label."""
    short = SERVED._replace(precision=Precision.FP8, end=START + 3 * HOUR + 1_800)
    assert anomalies(told(lambda trace: trace, (short,), nodes=()), series=True) == []
