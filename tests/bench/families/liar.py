"""A lab that lies: what its hosts and its meter say goes through its hands, and its counters fit what they say.

    Liar(site, tell=lambda lab, node, start, end: observe(idle, node, start, end))     # hosts tell another story
    Liar(site, change=lambda lab, draft, source: draft.but(seq=7))                     # a statement is bent

A lie about telemetry is made to fit: counters go on from where the last statement left them, and climb as the columns
do. `change` sees every statement before it is signed; it gives back what is signed in its place, or None for silence.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from attest.compute.columns import format_spans
from attest.format.block import DTYPES
from attest.format.bodies import UsageBody
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, State
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.draws import Stream
from attest.simulate.figures import Range
from attest.simulate.lab import Lab, Mute
from attest.simulate.site import DEVICES, Site
from attest.simulate.source import Draft, Source
from attest.simulate.telemetry import Observed, observe, read
from tests.bench.families.attempt import ACME

Tell = Callable[["Liar", int, int, int], Observed | None]
Readings = tuple[Any, Any]
TellMeter = Callable[["Liar", int, int, int], Readings]
Change = Callable[["Liar", Draft, Source], Draft | None]


class Liar(Lab):
    """`tell` says what a node's agent saw in a window (None: the truth), `tell_meter` what a feed's meter read,
    `change` bends statements; `roster_of` makes another roster of the true one."""

    def __init__(
        self,
        site: Site,
        *,
        tell: Tell | None = None,
        tell_meter: TellMeter | None = None,
        change: Change | None = None,
        roster_of: Callable[[Any], Any] | None = None,
        identity: Identity = ACME,
        witnesses: Witnesses | None = None,
        **options: Any,
    ) -> None:
        self.tell, self.tell_meter, self.change, self.roster_of = tell, tell_meter, change, roster_of
        self.stands: dict[str, dict[int, bytes]] = {}
        super().__init__(identity, site, witnesses, **options)

    def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
        """The statement of what the host tells."""
        start = self.host(node).until
        told = observed or (self.tell(self, node, start, until) if self.tell else None)
        seen = told or observe(self.tales.get(node, self.site), node, start, until, self.columns)
        return super().usage(node, until, going_on(seen, self.stands.get(self.host(node).sub, {})))

    def metering(self, until: int, readings: Any = None) -> Draft:
        """The statement of what the meter tells."""
        if readings is None and self.tell_meter is not None and self.meter is not None:
            readings = [self.tell_meter(self, node, self.meter.until, until) for node in self.feeds]
        return super().metering(until, readings)

    def report(self, mute: Mute | None = None) -> None:
        """Every source's statement, as bent."""
        for draft, source in self.window(self.now):
            if mute is not None and mute(source.sub, draft.statement.start, self.now):
                continue
            said = self.change(self, draft, source) if self.change else draft
            if said is not None:
                self.say(said, source)

    def say(self, draft: Draft, source: Source) -> int:
        """Sign and append, and remember where the counters stand."""
        body = draft.statement.body
        if isinstance(body, UsageBody):
            self.stands[source.sub] = {column: after for column, _, after in body.counters}
        return source.append(draft)

    def roster(self) -> Any:
        """What is declared."""
        true = super().roster()
        return self.roster_of(true) if self.roster_of else true


def going_on(seen: Observed, stands: dict[int, bytes]) -> Observed:
    """The same with counters that begin where others ended, and climb as much; one that fell is left where it ends."""
    counters = []
    for column, before, after in seen.counters:
        if column in stands and stands[column] != before:
            was, is_, stood = (np.frombuffer(c, "<u8").astype(np.int64) for c in (before, after, stands[column]))
            after = np.where(is_ >= was, stood + is_ - was, is_).astype("<u8").tobytes()
            before = stands[column]
        counters.append((column, before, after))
    return replace(seen, counters=tuple(counters))


def following(tale: Site) -> Tell:
    """Hosts tell of another site."""
    return lambda lab, node, start, end: observe(tale, node, start, end, lab.columns)


def metering(tale: Site, scale_ppm: int = 10**6) -> TellMeter:
    """The meter reads another site, and of that so many ppm."""

    def tell(lab: Liar, feed: int, start: int, end: int) -> Readings:
        values, offsets = read(tale, feed, start, end, lab.instrument)
        return values + values * (scale_ppm - 10**6) // 10**6, offsets

    return tell


def moved(tale: Site, node: int, start: int, end: int, since: int) -> Observed:
    """What a node saw in another window of the same length, told as if it were of this one."""
    if not tale.plan.start <= since <= since + end - start <= tale.plan.end:
        raise ValueError(f"nothing was seen of [{since}, {since + end - start})")
    return observe(tale, node, since, since + end - start)


def noisy(seen: Observed, name: str, ppm: int = 2_000) -> Observed:
    """The same with noise on what was measured, and counters that fit; only for what was sampled throughout."""
    columns, climbs = dict(seen.columns), {}
    for column in (Column.ENERGY, Column.CYCLES):
        if column in columns:
            true = columns[column].reshape(DEVICES, -1).astype(np.int64)
            noise = Stream(f"noise {name} {column}").array(Range(-ppm, ppm), true.shape)
            changed = true + true * noise // 10**6
            columns[column] = changed.astype(DTYPES[column]).reshape(seen.columns[column].shape)
            climbs[int(column)] = changed.sum(axis=1)
    counters = tuple(
        (c, before, (np.frombuffer(before, "<u8").astype(np.int64) + climbs[c]).astype("<u8").tobytes())
        if c in climbs
        else (c, before, after)
        for c, before, after in seen.counters
    )
    return replace(seen, columns=columns, counters=counters)


def scaled(seen: Observed, ppm: int, which: tuple[int, ...] = (Column.ENERGY, Column.CYCLES)) -> Observed:
    """The same with so many ppm of what was measured, in counters too; only for what was sampled throughout."""
    columns, counters = dict(seen.columns), []
    for column, before, after in seen.counters:
        if column in which and column in columns:
            values = columns[column].astype(np.int64) * ppm // 10**6
            columns[column] = values.astype(DTYPES[column])
            climb = values.reshape(DEVICES, -1).sum(axis=1)
            after = (np.frombuffer(before, "<u8").astype(np.int64) + climb).astype("<u8").tobytes()
        counters.append((column, before, after))
    return replace(seen, columns=columns, counters=tuple(counters))


def restated(seen: Observed, state: State, *, still: bool = True) -> Observed:
    """All of a window said to be in one state. With `still` counters do not move, else they go on as they truly did."""
    count = len(next(iter(seen.columns.values())).ravel()) // DEVICES
    spans = format_spans([(device * count, state, NO_RUN) for device in range(DEVICES)])
    counters = tuple((c, before, before if still else after) for c, before, after in seen.counters)
    blank = {c: np.zeros_like(values) for c, values in seen.columns.items()}
    return replace(seen, columns=blank, runs=(), spans=spans, counters=counters)
