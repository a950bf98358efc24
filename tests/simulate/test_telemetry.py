"""What agents and meters say agrees with what happened, by the verifier's own readers."""

from itertools import pairwise

import numpy as np
import pytest

from attest.evidence.meter import Row, integrate
from attest.facts import Cell, Gap
from attest.format.bodies import UsageBody
from attest.format.vocabulary import Label, Precision, Quantity, State
from attest.layout import Layout
from attest.simulate.site import DEVICES, Event, Job, Plan, Site, Trouble
from attest.simulate.telemetry import SITE_FEED, Instrument, devices_of, observe, read
from attest.usage import UsageFacts, read_usage

HOUR = 3_600
JOBS = (
    Job("pretrain", Label.TRAINING, Precision.BF16, (0,), HOUR, 5 * HOUR, declared_ppm=500_000),
    Job("serve", Label.INFERENCE, Precision.FP8, (0,), 5 * HOUR, 8 * HOUR, lineage=3, claimed=Label.EVALUATION),
)
TROUBLES = (
    Event(Trouble.LOST, 0, 2 * HOUR, 3 * HOUR, (1, 2)),
    Event(Trouble.RELOAD, 0, 4 * HOUR, 4 * HOUR + 120, (3,)),
    Event(Trouble.STEP, 0, 6 * HOUR, 6 * HOUR + 60),
    Event(Trouble.DOWN, 0, 8 * HOUR, 10 * HOUR),
)


def site(*events: Event) -> Site:
    return Site(Plan("test", 2, 0, 12 * HOUR, JOBS, events))


def usage(played: Site, start: int, end: int) -> UsageFacts:
    seen = observe(played, 0, start, end)
    body = UsageBody(
        seen.interval, bytes(32), DEVICES, None, tuple(sorted(seen.columns)), seen.runs, seen.spans, seen.counters
    )
    group = np.zeros(DEVICES, np.int64)
    layout = Layout(group, (0,), group, devices_of(played, 0))
    columns = {c: v.ravel() for c, v in seen.columns.items()}
    return read_usage(7, body, start, end, layout, columns, HOUR)


@pytest.mark.parametrize("window", [1, 2, 3, 4, 6, 12])
def test_statements_are_accepted_and_add_up(window: int) -> None:
    played = site(*TROUBLES)
    found = [usage(played, start * HOUR, (start + window) * HOUR) for start in range(0, 12, window)]
    cells = np.concatenate([f.cells for f in found])
    trace = played.trace(0)
    seen = trace.state == State.SAMPLED
    assert cells[:, Cell.ENERGY].sum() == (trace.power_mw * 60)[seen].sum()
    assert cells[:, Cell.CYCLES].sum() == trace.cycles[seen].sum()
    for state, column in ((State.MISSING, Cell.MISSING), (State.RESET, Cell.RESET), (State.OFF, Cell.OFF)):
        assert cells[:, column].sum() == (trace.state == state).sum() * 60
    gaps = np.concatenate([f.gaps for f in found])
    lost = gaps[(gaps[:, Gap.FIRST] <= 2) & (gaps[:, Gap.LAST] >= 2) & (gaps[:, Gap.SECONDS] == HOUR)]
    if window == 1:
        assert lost[:, Gap.ENERGY].tolist() == (trace.power_mw[1:3, 120:180] * 60).sum(axis=1).tolist()


def test_runs_say_what_the_lab_claims() -> None:
    played = site()
    training, serving = observe(played, 0, 4 * HOUR, 6 * HOUR).runs
    assert (training.label, serving.label, serving.lineage) == (Label.TRAINING, Label.EVALUATION, 3)
    assert training.declared == int(played.trace(0).work[:, 240:300].sum()) // 2 and serving.declared is None


def test_counters_go_on_from_window_to_window() -> None:
    played = site(*TROUBLES)
    windows = [observe(played, 0, hour * HOUR, (hour + 1) * HOUR).counters for hour in range(12)]
    for before, after in pairwise(windows):
        assert [end for _, _, end in before] == [begin for _, begin, _ in after]


@pytest.mark.parametrize("quantity", list(Quantity))
@pytest.mark.parametrize("step", [10, 60, 300])
def test_meters_measure_what_passes(quantity: Quantity, step: int) -> None:
    played = site()
    for node in (SITE_FEED, 0):
        power = played.site_mw if node == SITE_FEED else played.trace(node).node_mw
        values, offsets = read(played, node, 0, 12 * HOUR, Instrument(quantity, step, error_ppm=0))
        register = quantity is Quantity.REGISTER
        rows = integrate(values, offsets, register=register, step_ms=step * 1_000, start=0, end=12 * HOUR, bucket=HOUR)
        true = power.reshape(12, 60).sum(axis=1) * 60
        assert not rows[:, Row.GAP].any()
        # A step over a jump of power is split wrongly by up to one step of it.
        assert np.abs(rows[:, Row.HIGH] - true).max() <= (1 if register else step * 6_000_000)


def test_a_register_goes_on_and_a_wrong_scale_stays() -> None:
    played = site()
    first, _ = read(played, 0, 0, 6 * HOUR, Instrument())
    second, _ = read(played, 0, 6 * HOUR, 12 * HOUR, Instrument())
    assert first[-1] == second[0] and (np.diff(first) > 0).all()
    true = int(played.trace(0).node_mw.sum()) * 60
    assert abs(int(second[-1] - first[0]) - true) * 1_000_000 <= 3_000 * true + 10**6


def test_a_gap_of_the_meter_has_no_readings_and_its_clock_may_be_ahead() -> None:
    gap = site(Event(Trouble.METER_GAP, 0, HOUR, 2 * HOUR))
    _, offsets = read(gap, 0, 0, 3 * HOUR, Instrument())
    assert not ((offsets >= HOUR * 1_000) & (offsets < 2 * HOUR * 1_000)).any() and len(offsets) == 121
    straight, _ = read(site(), 0, 0, 12 * HOUR, Instrument(Quantity.MEAN_POWER))
    ahead, _ = read(site(), 0, 0, 12 * HOUR, Instrument(Quantity.MEAN_POWER, ahead_s=HOUR))
    assert (ahead[61:] == straight[1:-60]).all()
