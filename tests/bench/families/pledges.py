"""What honest sites have agreed to, for each kind of phase terms of every kind that fit it; and what their offices tell
of runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from attest.format.notice import Notice
from attest.format.vocabulary import Report
from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from tests.bench.families.scene import DAY, HOUR, START

DAYS: Final = 7
KINDS: Final = ("full stop", "idle stop", "service", "training")
NOTICE: Final = HOUR  # before a run starts


def pledges(kind: str, nodes: int) -> tuple[Table, ...]:
    """The terms of a phase of a kind at a site."""
    duties: tuple[Table, ...] = (
        {"kind": "coverage", "share": "90 %"},
        {"kind": "gap", "longest": "1 d", "outage": "2 d"},
        {"kind": "inventory", "minimum": 8 * nodes, "maximum": 8 * nodes},
        {"kind": "witnessing"},
        {"kind": "timeliness", "share": "90 %"},
        {"kind": "freshness", "max_age": "1 d"},
        {"kind": "assurance", "level": "L1", "share": "95 %"},
        {"kind": "assurance", "level": "L4", "share": "90 %"},
        {"kind": "reporting", "devices": 4 * nodes, "notice": f"{NOTICE} s", "closing": "1 d"},
    )
    cap: Table = {"kind": "compute-cap", "assurance": "L1"}
    run: Table = {"kind": "run-cap", "limit": f"{nodes}e22 FLOP", "assurance": "L1"}
    scale: Table = {"kind": "scale-cap", "devices": 8 * nodes, "assurance": "L1"}
    rate: Table = {"kind": "slowdown", "baseline": f"{4 * nodes}e16 FLOP/s", "share": "50 %", "assurance": "L1"}
    power: Table = {
        "kind": "power-cap",
        "assurance": "L4",
        "limit": f"{(4 if kind == 'idle stop' else 9) * nodes} kW",
    }
    caps: dict[str, tuple[Table, ...]] = {
        "full stop": (
            {**cap, "limit": f"{nodes}e19 FLOP", "assurance": "L4"},
            {"kind": "power-off", "assurance": "L4"},
            {**scale, "devices": 0, "assurance": "L4"},
        ),
        "idle stop": (
            {**cap, "limit": f"{2 * nodes}e22 FLOP"},
            power,
            {"kind": "idle", "power": "560 W", "assurance": "L4"},
        ),
        "service": (
            {**cap, "limit": "1e21 FLOP", "label": "training"},
            {**cap, "limit": f"{nodes}e22 FLOP"},
            power,
            {**run, "per": "owner", "name": "owner"},
            run,
            scale,
            rate,
        ),
        "training": (
            {**cap, "limit": f"{nodes}e22 FLOP"},
            {**cap, "limit": f"{nodes}e21 FLOP", "window": "1 d"},
            power,
            run,
            scale,
            rate,
            {"kind": "ramp", "step": _steps(nodes), "assurance": "L1"},
        ),
    }
    return (*caps[kind], *duties)


def _steps(nodes: int) -> list[dict[str, str | datetime]]:
    """Half of the week, a day, and the rest, each a little slower."""
    start, day = datetime.fromtimestamp(START, UTC), timedelta(days=1)
    return [
        {"start": start, "limit": f"{4_000 * nodes}e18 FLOP"},
        {"start": start + 3.5 * day, "limit": f"{1_100 * nodes}e18 FLOP"},
        {"start": start + 4.5 * day, "limit": f"{2_700 * nodes}e18 FLOP"},
    ]


def notices(lab: Lab, some_hours: Callable[[int], int]) -> list[tuple[int, Notice]]:
    """When the office tells of each run: a day before it has to, since witnesses may be away, or as soon as there is a
    log; and within hours when it has stopped, for good or for long, after which it is announced anew. It does so when a
    head is due."""
    found = []
    plan, head = lab.site.plan, lab.head_s
    for number, job in enumerate(plan.jobs):
        at_work = np.any([(lab.site.trace(n).job == number).any(axis=0) for n in range(plan.nodes)], axis=0)
        times = plan.start + np.flatnonzero(at_work) * plan.interval
        if not len(times):
            continue  # others took its place throughout
        for start in (int(times[0]), *times[1:][np.diff(times) > 6 * HOUR].tolist()):
            told = max(start - NOTICE - DAY - some_hours(12), plan.start)
            found.append((told - (told - plan.start) % head, Notice(Report.STARTS, job.lineage, start)))
        for stop in (*times[:-1][np.diff(times) > 6 * HOUR].tolist(), int(times[-1])):
            end = stop + plan.interval
            over = min(end + HOUR + some_hours(5), plan.end - head)
            found.append((over + (plan.start - over) % head, Notice(Report.ENDS, job.lineage, end)))
    return sorted(found)
