"""What a plan turns into: counters, troubles, truth."""

import numpy as np

from attest.format.runs import NO_RUN
from attest.format.vocabulary import Label, Precision, State
from attest.simulate.site import Event, Job, Plan, Site, Trouble

HOUR = 3_600
TRAINING = Job("pretrain", Label.TRAINING, Precision.BF16, (0, 1), 0, 4 * HOUR)


def site(*events: Event, jobs: tuple[Job, ...] = (TRAINING,)) -> Site:
    return Site(Plan("test", 2, 0, 8 * HOUR, jobs, events))


def test_a_name_is_a_seed() -> None:
    trace, again = site().trace(0), site().trace(0)
    assert all(np.array_equal(a, b) for a, b in zip(vars(trace).values(), vars(again).values(), strict=True))
    other = Site(Plan("other", 2, 0, 8 * HOUR, (TRAINING,))).trace(0)
    assert not np.array_equal(trace.power_mw, other.power_mw)


def test_traces_stay_what_they_are() -> None:
    trace = site().trace(0)
    sums = [int(a.sum()) for a in (trace.power_mw, trace.cycles, trace.work, trace.node_mw)]
    assert sums == [1346234131, 95522046, 50751000262290, 2221999849]


def test_counters_add_up() -> None:
    trace = site().trace(1)
    assert np.array_equal(np.diff(trace.energy_total), trace.power_mw * 60)
    assert np.array_equal(np.diff(trace.cycles_total), trace.cycles)


def test_work_is_cycles_at_the_rate_of_the_format() -> None:
    narrow = TRAINING._replace(precision=Precision.FP8)
    assert abs(site(jobs=(narrow,)).executed() - 2 * site().executed()) < 10**13
    assert site().executed(0, 4 * HOUR, Label.TRAINING) == site().executed()
    assert site().executed(4 * HOUR) == 0
    share = site().executed() / (16 * 4 * HOUR * 989.4e12)
    assert 0.3 < share < 0.65


def test_devices_work_on_where_nobody_looks() -> None:
    lost = site(Event(Trouble.LOST, 0, HOUR, 2 * HOUR, (3,)))
    assert lost.executed() == site().executed()
    state = lost.trace(0).state
    assert (state[3, 60:120] == State.MISSING).all() and (state == State.SAMPLED).sum() == state.size - 60


def test_a_reload_stops_work_and_starts_counters_again() -> None:
    trace = site(Event(Trouble.RELOAD, 0, HOUR, HOUR + 60, (2,))).trace(0)
    assert trace.state[2, 60] == State.RESET and trace.job[2, 60] == NO_RUN and trace.work[2, 60] == 0
    assert trace.energy_total[2, 60] > trace.energy_total[2, 61] == trace.power_mw[2, 60] * 60
    assert (np.diff(np.delete(trace.energy_total, 2, axis=0)) > 0).all()


def test_a_node_that_is_off_draws_what_its_outlet_does() -> None:
    trace = site(Event(Trouble.DOWN, 1, 2 * HOUR, 3 * HOUR)).trace(1)
    assert (trace.node_mw[120:180] < 1_000).all() and (trace.node_mw[:120] > 6_000_000).all()
    assert (trace.state[:, 120:180] == State.OFF).all() and not trace.work[:, 120:181].any()
    assert (trace.state[:, 180] == State.RESET).all()
    assert (trace.energy_total[:, 181] < trace.energy_total[:, 180]).all()
    forever = site(Event(Trouble.DOWN, 1, 2 * HOUR, 8 * HOUR)).trace(1)
    assert not forever.work[:, 120:].any() and (forever.state[:, 120:] == State.OFF).all()
    assert (np.diff(forever.energy_total) >= 0).all()


def test_the_site_meter_sees_more_than_its_nodes() -> None:
    played = site()
    nodes = played.trace(0).node_mw + played.trace(1).node_mw
    assert (played.site_mw >= nodes).all() and (played.site_mw <= nodes * 103 // 100).all()
