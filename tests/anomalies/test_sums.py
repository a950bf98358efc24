"""Each rule about sums remarks on what it is for, says where and how often it is wrong, and on nothing else."""

import numpy as np
import pytest

from attest.format.vocabulary import Label, Precision
from attest.simulate.site import Event, Job, Trace, Trouble
from tests.anomalies.tales import anomalies, only, retold, told
from tests.check.world import DAY, END, HOUR, INFERENCE, START, TRAINING, codes, honest, judge

SIZED = TRAINING._replace(declared_ppm=1_000_000)


@pytest.mark.parametrize(
    "jobs",
    [
        (INFERENCE,),
        (TRAINING,),
        (INFERENCE._replace(precision=Precision.FP8, declared_ppm=1_000_000),),
        (SIZED,),
        (SIZED._replace(label=Label.FINE_TUNING, declared_ppm=900_000, precision=Precision.FP8),),
        (Job("short", Label.EVALUATION, Precision.BF16, (1,), START + HOUR, START + 2 * HOUR),),
        (),
    ],
    ids=lambda jobs: "+".join(job.name for job in jobs) or "idle",
)
def test_honest_labs_have_none(jobs: tuple[Job, ...]) -> None:
    assert anomalies(told(lambda trace: trace, jobs)) == []


def test_energy_that_stands_still() -> None:
    found = anomalies(told(lambda t: retold(t, power_mw=np.zeros_like(t.power_mw), cycles=0 * t.cycles), (INFERENCE,)))
    finding = only(found, "anomaly/energy-still")
    assert finding.source == "https://acme.example/dc1/n0000"
    assert finding.numbers == {"statements": 4, "seconds": 8 * 86_400, "energy_mj": 0}
    assert finding.text.startswith("energy counters stand still, or nearly: 192.0 device-hours")


def test_work_without_power() -> None:
    """The energy of idle devices, and the cycles of training."""
    idle = honest(()).site.trace(0)
    finding = only(anomalies(told(lambda t: retold(t, power_mw=idle.power_mw), (TRAINING,))), "anomaly/power-activity")
    assert finding.numbers["seconds"] == 8 * 18 * HOUR
    assert "more tensor activity than their energy drives" in finding.text


def test_power_without_work() -> None:
    """Training that is told as nothing at all: no run, no cycles, and the energy that it took."""

    def hidden(t: Trace) -> Trace:
        return retold(t, cycles=0 * t.cycles, job=np.full_like(t.job, 0xFFFF))

    finding = only(anomalies(told(hidden, (TRAINING,))), "anomaly/power-activity")
    assert finding.numbers["seconds"] == 8 * 18 * HOUR
    assert "at the power of work" in finding.text


def test_more_cycles_than_the_clock_has() -> None:
    finding = only(
        anomalies(
            told(
                lambda t: retold(t, cycles=np.where(t.cycles > 0, 60 * 2_000, 0), power_mw=2 * t.power_mw), (TRAINING,)
            )
        ),
        "anomaly/mfu",
    )
    assert finding.numbers["megacycles"] == 8 * 18 * HOUR * 2_000


def test_a_size_above_the_peak() -> None:
    """A lab that declares ten times what it did, of 16-bit work: more than the devices can do in the time."""
    found = anomalies(told(lambda t: t, (SIZED._replace(declared_ppm=10_000_000),)))
    assert {f.code for f in found} == {"anomaly/mfu", "anomaly/declared-size"}


def test_a_size_that_the_energy_does_not_allow() -> None:
    """Work that takes eight-bit formats at their best, and the energy of idle devices."""
    idle = honest(()).site.trace(0)
    sized = SIZED._replace(precision=Precision.FP8, nodes=(0,), declared_ppm=800_000)
    found = anomalies(told(lambda t: retold(t, power_mw=idle.power_mw, cycles=0 * t.cycles), (sized,)))
    assert only(found, "anomaly/declared-size").numbers["statements"] == 4


def test_a_size_too_small_for_the_energy() -> None:
    finding = only(anomalies(told(lambda t: t, (SIZED._replace(declared_ppm=20_000),))), "anomaly/declared-size")
    assert "for training" in finding.text


def test_a_size_too_small_for_the_hours() -> None:
    """The same where no energy is told."""
    small = SIZED._replace(declared_ppm=20_000)
    finding = only(anomalies(told(lambda t: t, (small,), columns=(2,))), "anomaly/declared-size")
    assert "the 16-bit peak of its hours" in finding.text


def test_inference_may_be_small() -> None:
    """Serving can be limited by memory: little work, at any power, accuses nobody."""
    assert anomalies(told(lambda t: t, (INFERENCE._replace(declared_ppm=20_000),))) == []


def test_a_run_without_a_size_beside_it_leaves_the_energy_untold() -> None:
    """The energy is known by class, so that a size is compared with it only where all runs of the class have one."""
    small = SIZED._replace(declared_ppm=20_000, end=START + 11 * HOUR)
    other = TRAINING._replace(name="other", start=START + 11 * HOUR, end=START + 18 * HOUR)
    assert {f.numbers["statements"] for f in anomalies(told(lambda t: t, (small, other)))} == {2}


def test_a_statement_that_lost_an_hour_is_not_held_to_its_sizes() -> None:
    """What its runs did in that hour is in their size, and in no sum of what was seen."""
    lost = Event(Trouble.LOST, 0, START + 3 * HOUR, START + 6 * HOUR - 60)
    assert anomalies(told(lambda t: t, (SIZED,), nodes=(), events=(lost,))) == []


def test_what_does_not_count_is_not_looked_at() -> None:
    """Statements that came too late are charged as silence."""
    made = told(lambda t: retold(t, power_mw=0 * t.power_mw), (INFERENCE,), delay_s=13 * HOUR)
    assert "anomaly/energy-still" not in codes(judge(made.bundle(), at=END + DAY))
