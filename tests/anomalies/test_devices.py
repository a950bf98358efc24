"""What the series of single devices show: each rule remarks on what it is for, and on no honest lab."""

import numpy as np
import pytest

from attest.agreement import verify_agreement
from attest.check import check
from attest.format.vocabulary import Label, Precision
from attest.simulate import scenes
from attest.simulate.site import Event, Job, Trace, Trouble
from attest.trust.pins import parse_trust
from attest.verdict import Status
from tests.anomalies.tales import anomalies, only, retold, told, verdict_on
from tests.check.world import HOUR, INFERENCE, START, TRAINING, lab

SERVED = TRAINING._replace(claimed=Label.INFERENCE)
TROUBLE = (
    Event(Trouble.LOST, 0, START + 4 * HOUR, START + 5 * HOUR, (1,)),
    Event(Trouble.RELOAD, 0, START + 7 * HOUR, START + 8 * HOUR),
    Event(Trouble.DOWN, 1, START + 9 * HOUR, START + 12 * HOUR),
    Event(Trouble.STALE, 1, START + 14 * HOUR, START + 15 * HOUR),
)


@pytest.mark.parametrize("jobs", [(INFERENCE,), (TRAINING,), (INFERENCE, TRAINING._replace(nodes=(1,))), ()])
@pytest.mark.parametrize("events", [(), TROUBLE], ids=["smooth", "trouble"])
def test_honest_labs_have_none(jobs: tuple[Job, ...], events: tuple[Event, ...]) -> None:
    made = lab(jobs, events)
    made.run()
    found = verdict_on(made, series=True).parties[0].findings
    assert [f for f in found if f.code.startswith("anomaly/")] == []


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
        assert len(checks) == 8
        assert checks["anomaly/mfu"] is Status.PASS
        assert checks["anomaly/identical-series"] is checks["anomaly/too-clean"] is status


def test_the_labs_of_the_demo_have_none() -> None:
    demo = scenes.Demo()
    signed, trust = verify_agreement(demo.pact.signed()), parse_trust(demo.pact.trust())
    for kind, made in demo.labs():
        verdict = check([made.bundle()], signed, trust, at=demo.at, anomalies=True)
        assert not [f for p in verdict.parties for f in p.findings if f.code.startswith("anomaly/")], kind


def test_labels_are_of_whole_buckets() -> None:
    """A device that changes runs within a bucket is not held to one label."""
    short = SERVED._replace(precision=Precision.FP8, end=START + 3 * HOUR + 1_800)
    assert anomalies(told(lambda trace: trace, (short,), nodes=()), series=True) == []
