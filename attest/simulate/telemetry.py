"""What is seen of a site: the columns and spans that a node's agent records, the readings that a meter takes.

An agent runs beside its node (on its management controller, say), so that it reports a node that is off. It sees
nothing in intervals whose state is not SAMPLED: its columns are 0 there, and its cumulative counters alone tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from attest.compute.columns import format_spans
from attest.format.block import DTYPES, Array
from attest.format.runs import NO_RUN, Run
from attest.format.vocabulary import Column, Label, Quantity, State
from attest.simulate.draws import Ints, Stream, named_bytes
from attest.simulate.figures import Range
from attest.simulate.site import DEVICES, PPM, Site, Trouble

# 18 bytes a device-interval: what an exporter with profiling fields has.
COLUMNS: Final = (Column.ENERGY, Column.CYCLES, Column.FABRIC, Column.SM, Column.DRAM, Column.CLOCK)
SITE_FEED: Final = -1  # in the place of a node: the feed on which all nodes hang


@dataclass(frozen=True)
class Observed:
    """What an agent has to say of a window: the parts of a usage statement. Columns are [device, interval]."""

    interval: int
    columns: Mapping[int, Array]
    runs: tuple[Run, ...]
    spans: bytes
    counters: tuple[tuple[int, bytes, bytes], ...]


def observe(site: Site, node: int, start: int, end: int, columns: Sequence[int] = COLUMNS) -> Observed:
    """What the agent of a node records in [start, end)."""
    plan, trace = site.plan, site.trace(node)
    when = plan.during(start, end)
    state, job = trace.state[:, when], trace.job[:, when]
    seen = state == State.SAMPLED
    values = {
        Column.ENERGY: trace.power_mw * plan.interval,
        Column.CYCLES: trace.cycles,
        Column.DERIVED_CYCLES: trace.cycles,
        Column.FABRIC: trace.fabric,
        Column.SM: trace.sm,
        Column.DRAM: trace.dram,
        Column.CLOCK: trace.clock_mhz,
    }
    present = [int(number) for number in np.unique(job[seen]) if number != NO_RUN]
    claimed = np.full(job.shape, NO_RUN, np.int64)
    for place, number in enumerate(present):
        claimed[seen & (job == number)] = place
    return Observed(
        plan.interval,
        {int(c): np.where(seen, values[Column(c)][:, when], 0).astype(DTYPES[c]) for c in columns},
        tuple(_run(site, number, int(trace.work[:, when][job == number].sum())) for number in present),
        _spans(state, claimed),
        tuple(
            (int(column), _edge(total, when.start), _edge(total, when.stop))
            for column, total in ((Column.ENERGY, trace.energy_total), (Column.CYCLES, trace.cycles_total))
        ),
    )


def _run(site: Site, number: int, work: int) -> Run:
    job = site.plan.jobs[number]
    label: Label = job.label if job.claimed is None else job.claimed
    declared = None if job.declared_ppm is None else work * job.declared_ppm // PPM
    return Run(named_bytes(f"run {site.plan.name} {job.name}"), label, job.precision, job.lineage, declared, job.owner)


def _spans(state: Ints, run: Ints) -> bytes:
    """The device-intervals at which state or run changes, and each device's first."""
    code = (state << 16 | run).ravel()
    first = np.concatenate(([True], code[1:] != code[:-1])) | (np.arange(code.size) % state.shape[1] == 0)
    places = np.flatnonzero(first)
    return format_spans([(int(p), int(code[p]) >> 16, int(code[p]) & 0xFFFF) for p in places])


def _edge(total: Ints, place: int) -> bytes:
    return total[:, place].astype("<u8").tobytes()


@dataclass(frozen=True)
class Instrument:
    """A kind of meter: what it reads, every how many seconds, how far its scale may be off either way, and by how
    many seconds its clock is ahead."""

    quantity: Quantity = Quantity.REGISTER
    step_s: int = 60
    error_ppm: int = 3_000
    ahead_s: int = 0


def read(site: Site, node: int, start: int, end: int, instrument: Instrument) -> tuple[Ints, Ints]:
    """Values (mW, or mJ of a register) and offsets (ms from `start`) of a feed's meter in [start, end].

    A reading of mean power is over the step before it, of a gauge over one interval, with 2 % of flutter.
    """
    plan = site.plan
    power = site.site_mw if node == SITE_FEED else site.trace(node).node_mw
    total = np.concatenate(([0], np.cumsum(power * plan.interval)))
    stream = Stream(f"meter {plan.name} {node}")
    scale, first = (
        PPM + stream.one(Range(-instrument.error_ppm, instrument.error_ppm)),
        stream.one(Range(10**9, 10**12)),
    )

    def energy(times: Ints) -> Ints:
        """mJ since the plan's start."""
        inside = np.clip(times, plan.start, plan.end) - plan.start
        place = np.minimum(inside // plan.interval, plan.intervals - 1)
        return np.asarray(total[place] + power[place] * (inside - place * plan.interval))

    stamps = np.arange(start, end + 1, instrument.step_s, dtype=np.int64)
    for event in plan.events:
        if event.what is Trouble.METER_GAP and event.node == node:
            stamps = stamps[(stamps < event.start) | (stamps >= event.end)]
    true = stamps - instrument.ahead_s
    if instrument.quantity is Quantity.REGISTER:
        # first + energy x scale / PPM, of which energy x scale alone would leave int64 in a week of 16 nodes
        used = energy(true)
        values = first + used + used * (scale - PPM) // PPM
    elif instrument.quantity is Quantity.MEAN_POWER:
        since = np.maximum(true, plan.start + instrument.step_s)
        values = (energy(since) - energy(since - instrument.step_s)) // instrument.step_s * scale // PPM
    else:
        now = np.clip(true, plan.start, plan.end - 1)
        flutter = Stream(f"meter {plan.name} {node}, from {start}").array(Range(-20_000, 20_000), now.shape)
        values = power[(now - plan.start) // plan.interval] * scale // PPM
        values += values * flutter // PPM
    return np.asarray(values), (stamps - start) * 1_000


def devices_of(site: Site, node: int) -> tuple[str, ...]:
    """The serials of a node's devices, in the order of the columns."""
    return tuple(site.uid(node, device) for device in range(DEVICES))
