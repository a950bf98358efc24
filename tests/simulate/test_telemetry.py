"""What agents and meters say agrees with what happened, by the verifier's own readers."""

from itertools import pairwise

import numpy as np
import pytest

from attest.agreement import verify_agreement
from attest.check import examine
from attest.evidence.meter import Row, integrate
from attest.facts import Cell, Facts, Gap
from attest.format.vocabulary import Label, Precision, Quantity, State
from attest.simulate.cast import Identity
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.simulate.telemetry import SITE_FEED, Instrument, observe, read

HOUR = 3_600
T = 1_794_182_400  # 2026-11-09


def at(hour: int, second: int = 0) -> int:
    return T + hour * HOUR + second


JOBS = (
    Job("pretrain", Label.TRAINING, Precision.BF16, (0,), at(1), at(5), declared_ppm=500_000),
    Job("serve", Label.INFERENCE, Precision.FP8, (0,), at(5), at(8), lineage=3, claimed=Label.EVALUATION),
)
TROUBLES = (
    Event(Trouble.LOST, 0, at(2), at(3), (1, 2)),
    Event(Trouble.RELOAD, 0, at(4), at(4, 120), (3,)),
    Event(Trouble.STEP, 0, at(6), at(6, 60)),
    Event(Trouble.DOWN, 0, at(8), at(10)),
)


def site(*events: Event) -> Site:
    return Site(Plan("test", 1, T, at(12), JOBS, events))


def facts(played: Site, window: int) -> Facts:
    """What the verifier reads out of the log of a lab at this site."""
    identity = Identity("acme")
    lab = Lab(identity, played, window_s=window * HOUR, meter=None)
    lab.run()
    term = {"kind": "coverage", "share": "1 %"}
    pact = Pact((identity,), (Phase("phase", T, at(12), (term,)),), meter=None)
    evidence = examine(lab.bundle(), verify_agreement(pact.signed()))
    assert evidence.facts is not None and not evidence.faults
    return evidence.facts


@pytest.mark.parametrize("window", [1, 2, 3, 4, 6, 12])
def test_statements_are_accepted_and_add_up(window: int) -> None:
    played = site(*TROUBLES)
    found = facts(played, window)
    trace = played.trace(0)
    seen = trace.state == State.SAMPLED
    assert found.cells[:, Cell.ENERGY].sum() == (trace.power_mw * 60)[seen].sum()
    assert found.cells[:, Cell.CYCLES].sum() == trace.cycles[seen].sum()
    for state, column in ((State.MISSING, Cell.MISSING), (State.RESET, Cell.RESET), (State.OFF, Cell.OFF)):
        assert found.cells[:, column].sum() == (trace.state == state).sum() * 60
    if window == 1:
        lost = found.gaps[(found.gaps[:, Gap.FIRST] == at(2) // HOUR) & (found.gaps[:, Gap.SECONDS] == HOUR)]
        assert lost[:, Gap.ENERGY].tolist() == (trace.power_mw[1:3, 120:180] * 60).sum(axis=1).tolist()


def test_runs_say_what_the_lab_claims() -> None:
    played = site()
    training, serving = observe(played, 0, at(4), at(6)).runs
    assert (training.label, serving.label, serving.lineage) == (Label.TRAINING, Label.EVALUATION, 3)
    assert training.declared == int(played.trace(0).work[:, 240:300].sum()) // 2 and serving.declared is None


def test_counters_go_on_from_window_to_window() -> None:
    played = site(*TROUBLES)
    windows = [observe(played, 0, at(hour), at(hour + 1)).counters for hour in range(12)]
    for before, after in pairwise(windows):
        assert [end for _, _, end in before] == [begin for _, begin, _ in after]


@pytest.mark.parametrize("quantity", list(Quantity))
@pytest.mark.parametrize("step", [10, 60, 300])
def test_meters_measure_what_passes(quantity: Quantity, step: int) -> None:
    played = site()
    for node in (SITE_FEED, 0):
        power = played.site_mw if node == SITE_FEED else played.trace(node).node_mw
        values, offsets = read(played, node, T, at(12), Instrument(quantity, step, error_ppm=0))
        register = quantity is Quantity.REGISTER
        rows = integrate(values, offsets, register=register, step_ms=step * 1_000, start=T, end=at(12), bucket=HOUR)
        true = power.reshape(12, 60).sum(axis=1) * 60
        assert not rows[:, Row.GAP].any()
        # A step over a jump of power is split wrongly by up to one step of it.
        assert np.abs(rows[:, Row.HIGH] - true).max() <= (1 if register else step * 6_000_000)


def test_a_register_goes_on_and_a_wrong_scale_stays() -> None:
    played = site()
    first, _ = read(played, 0, T, at(6), Instrument())
    second, _ = read(played, 0, at(6), at(12), Instrument())
    assert first[-1] == second[0] and (np.diff(first) > 0).all()
    true = int(played.trace(0).node_mw.sum()) * 60
    assert abs(int(second[-1] - first[0]) - true) * 1_000_000 <= 3_000 * true + 10**6


def test_a_gap_of_the_meter_has_no_readings_and_its_clock_may_be_ahead() -> None:
    gap = site(Event(Trouble.METER_GAP, 0, at(1), at(2)))
    _, offsets = read(gap, 0, T, at(3), Instrument())
    assert not ((offsets >= HOUR * 1_000) & (offsets < 2 * HOUR * 1_000)).any() and len(offsets) == 121
    straight, _ = read(site(), 0, T, at(12), Instrument(Quantity.MEAN_POWER))
    ahead, _ = read(site(), 0, T, at(12), Instrument(Quantity.MEAN_POWER, ahead_s=HOUR))
    assert (ahead[61:] == straight[1:-60]).all()
