"""A site of nodes of accelerators: what ran on them, what they drew, and what went wrong, interval by interval.

    plan = Plan("acme-dc1", nodes=2, start=..., end=..., jobs=(Job("pretrain-7", Label.TRAINING, ...),))
    trace = Site(plan).trace(0)
    trace.work.sum()        # the FLOP that node 0 truly executed, in MFLOP

A plan says everything; its name is the seed. Time is in Unix s on the grid of intervals, power in mW, energy in mJ,
cycles in 10^6 tensor-active cycles, work in MFLOP. A trace is what happened, and what is known of it: `state` says in
which intervals the node's agent saw the devices. The devices work on where it did not (`attest.simulate.telemetry`
makes statements of what it saw).

The work of an interval is its tensor-active cycles x operations per cycle, less what the activity method says too
much of this job (figures.OVERSHOOT); a format of 8 bits does two operations where a 16-bit one does one.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.format.runs import NO_RUN
from attest.format.vocabulary import Label, Precision, State
from attest.simulate.draws import Ints, Stream
from attest.simulate.figures import LOADS, MODELS, OVERSHOOT, Model, Range

PPM: Final = 1_000_000
DEVICES: Final = 8  # of a node
_JITTER: Final = Range(-10_000, 10_000)  # of idle power, ppm
_KEPT: Final = 64  # traces held at a time
# Operations in a tensor-active cycle, of those of a 16-bit format.
_RATES: Final = {
    Precision.TF32: Fraction(1, 2),
    Precision.BF16: Fraction(1),
    Precision.FP16: Fraction(1),
    Precision.FP8: Fraction(2),
    Precision.INT8: Fraction(2),
    Precision.FP4: Fraction(4),
}


class Job(NamedTuple):
    """Work on all devices of some nodes from `start` to `end`.

    effort_ppm: of what such a job usually asks of a device. declared_ppm: what the lab declares as the size of the
    run, of what it truly was; None for a lab that declares nothing. claimed: the label it is given, if another. lineage
    and owner: as in the run table.
    """

    name: str
    label: Label
    precision: Precision
    nodes: tuple[int, ...]
    start: int
    end: int
    lineage: int = 0
    effort_ppm: int = PPM
    declared_ppm: int | None = None
    claimed: Label | None = None
    owner: int = 0


class Trouble(Enum):
    """What can befall a node, its devices or its meter."""

    LOST = State.MISSING  # the agent recorded nothing; the devices worked on
    STALE = State.STALE  # it recorded values that had not been renewed
    STEP = State.STEP  # its clock was set, and the intervals cannot be told
    RELOAD = State.RESET  # the driver was reloaded: no work, and counters begin again at 0
    DOWN = State.OFF  # switched off at the outlet; counters begin again at 0 when it comes back
    METER_GAP = None  # the meter of the node recorded nothing


class Event(NamedTuple):
    """Something that befalls a node from `start` to `end`; `devices` are those concerned, all if empty."""

    what: Trouble
    node: int
    start: int
    end: int
    devices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A site and its time, [start, end)."""

    name: str
    nodes: int
    start: int
    end: int
    jobs: tuple[Job, ...] = ()
    events: tuple[Event, ...] = ()
    model: str = "NVIDIA H100 SXM5 80GB"
    interval: int = 60

    @property
    def intervals(self) -> int:
        """How many there are of each device."""
        return (self.end - self.start) // self.interval

    def place(self, time: int) -> int:
        """The interval that begins at a time, or ValueError."""
        place, rest = divmod(time - self.start, self.interval)
        if rest or not 0 <= place <= self.intervals:
            raise ValueError(f"{time} is no edge of an interval of the plan")
        return place

    def during(self, start: int, end: int) -> slice:
        """The intervals of [start, end), as far as the plan has them."""
        return slice(self.place(max(start, self.start)), self.place(min(max(end, self.start), self.end)))


@dataclass(frozen=True)
class Trace:
    """What happened on one node: arrays [device, interval], or [interval] for the whole node.

    job: the job's place in the plan, NO_RUN for none. energy_total and cycles_total are the devices' cumulative
    counters at the edges of intervals, one more than there are intervals; node_mw is what passes its outlet.
    """

    state: Ints
    job: Ints
    power_mw: Ints
    cycles: Ints
    sm: Ints
    dram: Ints
    fabric: Ints
    clock_mhz: Ints
    work: Ints
    energy_total: Ints
    cycles_total: Ints
    node_mw: Ints


class Site:
    """A plan played out. Traces are made when they are first asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = MODELS[plan.model]
        self.trace = lru_cache(_KEPT)(self._trace)

    def uid(self, node: int, device: int) -> str:
        """A device's serial."""
        return f"GPU-{self.plan.name}-{node:04d}-{device}"

    def executed(self, start: int | None = None, end: int | None = None, label: Label | None = None) -> int:
        """The FLOP that the site's devices truly executed in [start, end), of one label or of all."""
        plan = self.plan
        when = plan.during(plan.start if start is None else start, plan.end if end is None else end)
        wanted = [i for i, job in enumerate(plan.jobs) if label in (None, job.label)]
        total = 0
        for node in range(plan.nodes):
            trace = self.trace(node)
            total += int(trace.work[:, when][np.isin(trace.job[:, when], wanted)].sum())
        return total * 10**6

    @cached_property
    def site_mw(self) -> Ints:
        """What passes the site's feed: the nodes, and 2 % lost on the way to them."""
        nodes = sum((self.trace(n).node_mw for n in range(self.plan.nodes)), np.zeros(self.plan.intervals, np.int64))
        return nodes + nodes * 2 // 100

    def _trace(self, node: int) -> Trace:
        plan, model = self.plan, self.model
        draft = _Draft(plan, model, Stream(f"site {plan.name}, node {node}"))
        for number, job in enumerate(plan.jobs):
            if node in job.nodes:
                draft.work_on(number, job, node)
        mine = [event for event in plan.events if event.node == node and event.what is not Trouble.METER_GAP]
        # An agent that was blind through a reload sees afterwards, by the counters, that there was one.
        for event in sorted(mine, key=lambda event: event.what is Trouble.RELOAD):
            draft.befall(event)
        draft.switch()
        return draft.trace()


class _Draft:
    """A trace in the making: devices idle, then at work, then in trouble."""

    def __init__(self, plan: Plan, model: Model, stream: Stream) -> None:
        self.plan, self.model = plan, model
        shape = (DEVICES, plan.intervals)
        self.idle = stream.array(model.idle_mw, (DEVICES, 1))
        self.busy = stream.array(model.busy_mw, (DEVICES, 1))
        self.node_idle = model.node_mw.low + stream.one(Range(0, (model.node_mw.high - model.node_mw.low) // 2))
        self.outlet = stream.one(model.outlet_mw)
        self.first = stream.one(Range(10**9, 10**12)), stream.one(Range(10**6, 10**9))
        self.power = self.idle + self.idle * stream.array(_JITTER, shape) // PPM
        self.state = np.full(shape, State.SAMPLED, np.int64)
        self.job = np.full(shape, NO_RUN, np.int64)
        self.clock = np.full(shape, model.idle_mhz.low, np.int64)
        self.cycles, self.sm, self.dram, self.fabric, self.work = (np.zeros(shape, np.int64) for _ in range(5))
        self.reset, self.off = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)

    def work_on(self, number: int, job: Job, node: int) -> None:
        when = self.plan.during(job.start, job.end)
        load, interval = LOADS[job.label], self.plan.interval
        whole, mine = (Stream(f"site {self.plan.name}, job {job.name}{part}") for part in ("", f", node {node}"))
        tensor, active, memory, traffic = (whole.one(r) for r in (load.tensor, load.sm, load.dram, load.fabric))
        over = PPM + whole.one(OVERSHOOT)
        rate = _RATES[job.precision] * self.model.operations_per_cycle
        draw, clock = mine.array(load.draw, (DEVICES, 1)), mine.array(self.model.busy_mhz, (DEVICES, 1))
        swing = PPM + mine.array(Range(-load.wave, load.wave), (DEVICES, when.stop - when.start))
        level = swing * job.effort_ppm // PPM
        cycles = _share(tensor, level) * clock * interval // PPM
        self.job[:, when] = number
        self.power[:, when] = self.idle + (self.busy - self.idle) * _share(draw, level) // PPM
        self.clock[:, when] = clock
        self.cycles[:, when] = cycles
        self.work[:, when] = cycles * rate.numerator * PPM // (rate.denominator * over)
        self.sm[:, when] = _share(active, level) // 100
        self.dram[:, when] = _share(memory, level) // 100
        self.fabric[:, when] = traffic * level // PPM * interval

    def befall(self, event: Event) -> None:
        when = self.plan.during(event.start, event.end)
        rows = list(event.devices) or list(range(DEVICES))
        place = np.zeros_like(self.off)
        place[rows, when] = True
        if event.what is Trouble.DOWN:
            self.off |= place
            return
        self.state[place] = event.what.value
        if event.what is Trouble.RELOAD:
            self._stop(place)
            self.reset[rows, when.start : when.start + 1] = True

    def switch(self) -> None:
        """Nothing runs where a node is off, and in the interval in which it starts counters begin again."""
        started = np.zeros_like(self.off)
        started[:, 1:] = self.off[:, :-1] & ~self.off[:, 1:]
        self._stop(self.off | started)
        self.power[self.off] = self.clock[self.off] = 0
        self.state[self.off], self.state[started] = State.OFF, State.RESET
        self.reset[self.off], self.reset[started] = False, True

    def _stop(self, place: npt.NDArray[np.bool_]) -> None:
        for values in (self.cycles, self.sm, self.dram, self.fabric, self.work):
            values[place] = 0
        self.job[place] = NO_RUN
        self.power[place] = np.broadcast_to(self.idle, place.shape)[place]
        self.clock[place] = self.model.idle_mhz.low

    def trace(self) -> Trace:
        busy_share = (self.power - self.idle).sum(axis=0) * PPM // int((self.busy - self.idle).sum())
        more = (self.model.node_mw.high - self.model.node_mw.low) // 2 * np.clip(busy_share, 0, PPM) // PPM
        return Trace(
            self.state,
            self.job,
            self.power,
            self.cycles,
            self.sm,
            self.dram,
            self.fabric,
            self.clock,
            self.work,
            _counter(self.power * self.plan.interval, self.reset, self.first[0]),
            _counter(self.cycles, self.reset, self.first[1]),
            np.where(self.off.all(axis=0), self.outlet, self.power.sum(axis=0) + self.node_idle + more),
        )


def _share(full: int | Ints, level: Ints) -> Ints:
    return np.minimum(full * level // PPM, PPM)


def _counter(rises: Ints, reset: npt.NDArray[np.bool_], first: int) -> Ints:
    """Cumulative counters at the edges of intervals: from `first`, and from 0 again in each interval with a reset."""
    edges = np.concatenate((np.zeros((len(rises), 1), np.int64), np.cumsum(rises, axis=1)), axis=1)
    last = np.maximum.accumulate(np.where(reset, np.arange(reset.shape[1]), -1), axis=1)
    base = np.where(last >= 0, np.take_along_axis(edges, np.maximum(last, 0), axis=1), -first)
    edges[:, 1:] -= base
    edges[:, 0] += first
    return edges
