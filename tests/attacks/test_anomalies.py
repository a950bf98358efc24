"""Tales that every other rule lets pass: nothing that is signed contradicts itself, and it does not fit all the same.

Each is a remark and changes no outcome; what only series show needs `--anomalies` (tests/anomalies has more of both).
"""

from collections.abc import Callable

import numpy as np
import pytest

from attest.format.vocabulary import Label
from attest.simulate.lab import Lab
from attest.simulate.site import Trace
from tests.anomalies.tales import LOOSE, anomalies, retold, told
from tests.attacks.vectors import Case, Vector, attacks, holds, play
from tests.check.world import INFERENCE, TRAINING, honest

SIZED = TRAINING._replace(declared_ppm=1_000_000)


def case(made: Callable[[], Lab]) -> Callable[[], Case]:
    """Judged by an agreement that asks for coverage alone."""
    return lambda: Case([made().bundle()], LOOSE)


def heater(trace: Trace) -> Trace:
    """Training told as idleness by a lab that cannot hide the power."""
    return retold(trace, cycles=0 * trace.cycles, job=np.full_like(trace.job, 0xFFFF))


def boast(trace: Trace) -> Trace:
    """The power of idle devices, and the work of training ones."""
    return retold(trace, power_mw=honest(()).site.trace(0).power_mw)


def overclocked(trace: Trace) -> Trace:
    """2,000 tensor-active cycles in a millisecond, of a clock that has 1,980 ticks."""
    return retold(trace, cycles=np.where(trace.cycles > 0, 120_000, 0), power_mw=2 * trace.power_mw)


def silenced(trace: Trace) -> Trace:
    """Devices that are on, and never draw anything."""
    return retold(trace, power_mw=0 * trace.power_mw, cycles=0 * trace.cycles)


VECTORS = (
    holds("training told as idleness", case(lambda: told(heater, (TRAINING,))), "anomaly/power-activity"),
    holds("cycles made up for idle devices", case(lambda: told(boast, (TRAINING,))), "anomaly/power-activity"),
    holds("more cycles than ticks", case(lambda: told(overclocked, (TRAINING,))), "anomaly/mfu"),
    holds("energy that stands still", case(lambda: told(silenced, (INFERENCE,))), "anomaly/energy-still"),
    holds(
        "a run declared at a fiftieth of its size",
        case(lambda: told(lambda trace: trace, (SIZED._replace(declared_ppm=20_000),))),
        "anomaly/declared-size",
    ),
)


@attacks(VECTORS)
def test_a_tale_that_does_not_fit(vector: Vector) -> None:
    verdict = play(vector)
    found = {f.code for party in verdict.parties for f in party.findings if f.code.startswith("anomaly/")}
    assert found == {vector.code}


def twin(trace: Trace) -> Trace:
    """The energy of device 1 is that of device 0."""
    power = trace.power_mw.copy()
    power[1] = power[0]
    return retold(trace, power_mw=power)


def formula(trace: Trace) -> Trace:
    """Energy by a formula: so much at work."""
    return retold(trace, power_mw=np.where(trace.cycles > 0, 610_000 + np.arange(8)[:, None], trace.power_mw))


def same(trace: Trace) -> Trace:
    """The truth, under a label that is none."""
    return trace


SERVED = TRAINING._replace(claimed=Label.INFERENCE)


@pytest.mark.parametrize(
    ("tale", "job", "code"),
    [
        (twin, TRAINING, "anomaly/identical-series"),
        (formula, TRAINING, "anomaly/too-clean"),
        (same, SERVED, "anomaly/fabric-label"),
    ],
)
def test_a_tale_that_only_series_give_away(tale: Callable[[Trace], Trace], job: object, code: str) -> None:
    made = told(tale, (job,))  # type: ignore[arg-type]
    assert anomalies(made) == []
    assert {finding.code for finding in anomalies(made, series=True)} == {code}
