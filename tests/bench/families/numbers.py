"""Tricks with numbers: family 13 (negative, overflow, units, overlap, duplicates), each made to hide the work."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from attest.compute.columns import format_spans
from attest.format.block import DTYPES, commit, format_usage
from attest.format.bodies import UsageBody
from attest.format.roster import Device, Host, Roster
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, State
from attest.simulate.draws import Ints
from attest.simulate.site import DEVICES
from attest.simulate.source import Draft, Source
from attest.simulate.telemetry import Observed, observe, read
from tests.bench.families.attempt import ACME, Attempt
from tests.bench.families.common import SCENES, Cases, magnitudes, of, shown, whole
from tests.bench.families.liar import Liar, restated
from tests.bench.families.scene import HOUR

Trick = Callable[[Liar, Draft, Source], Draft | None]
# These take an independent meter's word against hosts', and say so (agreement.md, "power-cap" and "scale-cap").
OF_READINGS: Final = ("power L1", "power L4", "energy L4", "scale L1", "scale L4")
_ENERGY: Final = (int(Column.ENERGY), int(Column.CYCLES))


def tricks() -> Cases:
    """Family 13. The statements that touch the work are bent; what is bent is not made to fit anything else."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            site = scene.play(scene.idle, scene.secret(nodes, hour, hours))
            for name, trick in _of_hosts(nodes).items():

                def build(scene=scene, site=site, trick=trick) -> Attempt:  # type: ignore[no-untyped-def]
                    return shown(Liar(site, change=trick), scene, of(site))

                yield f"{name}, {words}", build
            for name, change in _ROSTERS.items():

                def declared(scene=scene, site=site, change=change) -> Attempt:  # type: ignore[no-untyped-def]
                    lab = Liar(site, roster_of=change)
                    bare = 0 if any(feed.meter for feed in change(lab.roster()).feeds) else whole(scene)
                    return shown(lab, scene, of(site, unmetered=bare), mute=lambda sub, start, end: sub != ACME.meter)

                yield f"a roster with {name}, {words}", declared


def of_meters() -> Cases:
    """Family 13. The numbers of the independent meter are bent: so that they cannot be, or in another unit. There hosts
    tell what they drew, and the terms that are about readings take the meter's word."""
    for scene in SCENES[:3]:
        for words, nodes, hour, hours in magnitudes(scene):
            site = scene.play(scene.idle, scene.secret(nodes, hour, hours))
            for name, change in _METERS.items():

                def build(scene=scene, site=site, change=change, wrong=name == _WRONG_UNIT) -> Attempt:  # type: ignore[no-untyped-def]
                    def tell(lab: Liar, feed: int, start: int, end: int) -> tuple[Ints, Ints]:
                        return change(*read(site, feed, start, end, lab.instrument))  # type: ignore[no-any-return]

                    return shown(Liar(site, tell_meter=tell), scene, of(site), unclaimed=OF_READINGS if wrong else ())

                yield f"{name}, {words}", build


_WRONG_UNIT: Final = "a register in joules that is said to be in mJ"
_METERS: Final[dict[str, Callable[[Ints, Ints], tuple[Ints, Ints]]]] = {
    _WRONG_UNIT: lambda values, offsets: (values // 1_000, offsets),
    "a register that falls at every reading": lambda values, offsets: (values[::-1], offsets),
    "a register at the end of its numbers": lambda values, offsets: (values | (1 << 62), offsets),
    "readings all at one time": lambda values, offsets: (values, offsets * 0),
}


def _of_hosts(nodes: tuple[int, ...]) -> dict[str, Trick]:
    subs = {ACME.host(node): node for node in nodes}

    def bending(bend: Callable[[Liar, Draft, Source, Observed], Draft | None]) -> Trick:
        def change(lab: Liar, draft: Draft, source: Source) -> Draft | None:
            if source.sub not in subs:
                return draft
            seen = observe(lab.site, subs[source.sub], draft.statement.start, draft.statement.end)
            return bend(lab, draft, source, seen)

        return change

    def columns(change: Callable[[int, Any], Any], which: tuple[int, ...] = _ENERGY) -> Trick:
        """The columns of a block are others; counters stay."""

        def bend(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
            values = {c: change(c, v.astype(np.int64)) if c in which else v for c, v in seen.columns.items()}
            return _with_columns(lab, draft, source, {c: v.astype(DTYPES[c]) for c, v in values.items()})

        return bending(bend)

    def counters(change: Callable[[Any, Any], tuple[Any, Any]]) -> Trick:
        def bend(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
            made = []
            for c, b, a in _body(draft).counters:
                pair = change(np.frombuffer(b, "<u8").copy(), np.frombuffer(a, "<u8").copy())
                made.append((c, *(np.asarray(x, "<u8").tobytes() for x in pair)))
            return draft.but_body(counters=tuple(made))

        return bending(bend)

    def window(start: int, end: int) -> Trick:
        """Windows that overlap, or leave something between."""
        return bending(
            lambda lab, draft, source, seen: draft.but(
                start=draft.statement.start + start, end=draft.statement.end + end
            )
        )

    def runs(**of: Any) -> Trick:
        return bending(
            lambda lab, draft, source, seen: draft.but_body(runs=tuple(run._replace(**of) for run in _body(draft).runs))
        )

    def twice(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
        """The quiet story first, and then the true one for the same place."""
        quiet = draft.but_body(spans=restated(seen, State.OFF).spans, runs=(), block=None, columns=(), counters=())
        lab.append(source.sign(quiet._replace(block=None)))
        return draft

    def other_length(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
        """Intervals of ten minutes in the place of ten times as many: a tenth of everything."""
        count = (draft.statement.end - draft.statement.start) // 600
        kept = {c: v.reshape(DEVICES, -1)[:, ::10].copy() for c, v in seen.columns.items()}
        spans = format_spans([(device * count, State.SAMPLED, NO_RUN) for device in range(DEVICES)])
        return _with_columns(lab, draft, source, kept).but_body(interval=600, spans=spans, runs=())

    def too_long(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
        return draft.but(end=draft.statement.start + (1 << 40))

    def no_devices(lab: Liar, draft: Draft, source: Source, seen: Observed) -> Draft:
        return draft.but_body(devices=1, spans=_body(draft).spans[:8], counters=())

    def again(lab: Liar, draft: Draft, source: Source, seen: Observed) -> None:
        """The statement before stands in the place of this one."""
        said = [e for e in lab.entries if source.sub.encode() in e.data and e.block is not None]
        if said:
            lab.append(said[-1].data, said[-1].block)
        source.until = draft.statement.end

    return {
        "energy in joules": columns(lambda c, v: v // 1_000, (Column.ENERGY,)),
        "cycles in thousands of millions": columns(lambda c, v: v // 1_000, (Column.CYCLES,)),
        "energy and cycles of nothing": columns(lambda c, v: v * 0),
        "columns wrapped at 16 bits": columns(lambda c, v: v % (1 << 16)),
        "columns that are negative": columns(lambda c, v: -v),
        "columns of the most that fits": columns(lambda c, v: v * 0 + 0xFFFFFFFF),
        "counters that run backwards": counters(lambda b, a: (a, b)),
        "counters that are negative": counters(lambda b, a: (b | np.uint64(1 << 63), a)),
        "counters about to wrap": counters(lambda b, a: (b, a | np.uint64(1 << 63))),
        "counters that stand still": counters(lambda b, a: (b, b)),
        "counters in joules": counters(lambda b, a: (b // 1_000, a // 1_000)),
        "windows that overlap by an hour": window(-HOUR, 0),
        "windows that leave out an hour": window(HOUR, 0),
        "windows that end early": window(0, -HOUR),
        "windows of no time": bending(lambda lab, draft, source, seen: draft.but(end=draft.statement.start)),
        "windows of ages": bending(too_long),
        "sizes declared as nothing": runs(declared=0),
        "sizes beyond all measure": runs(declared=(1 << 63) - 1),
        "lineages beyond all measure": runs(lineage=(1 << 64) - 1),
        "two statements for one place": bending(twice),
        "an old statement in the place of a new one": bending(again),
        "intervals ten times as long": bending(other_length),
        "one device of eight": bending(no_devices),
    }


def _more(roster: Roster, node: Callable[[int, Host], Host]) -> Roster:
    return replace(roster, hosts=tuple(node(number, host) for number, host in enumerate(roster.hosts)))


def _of_no_model(roster: Roster, model: str) -> Roster:
    return _more(roster, lambda n, h: h._replace(devices=tuple(d._replace(model=model) for d in h.devices)))


_ROSTERS: Final[dict[str, Callable[[Roster], Roster]]] = {
    "no devices": lambda roster: replace(roster, hosts=()),
    "one device twice": lambda roster: _more(
        roster,
        lambda n, h: h._replace(
            devices=(h.devices[0], *(Device(h.devices[0].uid, d.model, d.feed) for d in h.devices[1:]))
        ),
    ),
    "a host twice": lambda roster: replace(roster, hosts=(roster.hosts[0], *roster.hosts)),
    "a model of no name": lambda roster: _of_no_model(roster, "Chip of tomorrow"),
    "a model that does a tenth": lambda roster: _of_no_model(roster, "NVIDIA A2"),
    "feeds that nobody meters": lambda roster: replace(
        roster, feeds=tuple(feed._replace(meter=None) for feed in roster.feeds)
    ),
}


def _body(draft: Draft) -> UsageBody:
    body = draft.statement.body
    assert isinstance(body, UsageBody)
    return body


def _with_columns(lab: Liar, draft: Draft, source: Source, columns: dict[int, Any]) -> Draft:
    block = format_usage(bytes(32), lab.binding(source), columns)
    return draft.but_block(block).but_body(block=commit(block), columns=tuple(sorted(columns)))
