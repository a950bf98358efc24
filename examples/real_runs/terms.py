"""Every kind of term on real runs, with what is certain, what is true and what is possible.

    python examples/real_runs/terms.py DATA TRUTH

DATA and TRUTH are those of run.py. Of each benchmark and machine the first run is signed into a log as run.py does it,
and judged under an agreement with a term of every kind that anything is known of: what is true is the executed FLOP of
TRUTH, the readings of the meter between start and end of the run (trapezoids, by linear interpolation), and the number
of devices. The script fails if a truth lies outside. Meters alone speak, so nothing is known of what devices did: no
interval of theirs is accounted for, and of an idle envelope and a power-off there is only the upper bound.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from run import ACME, DEVICES, HOUR, RealRun, cluster_runs, inference_runs, log_of, training_runs

from attest.agreement import verify_agreement
from attest.check import check
from attest.collect.readings import Series
from attest.simulate.pact import Pact, Phase, Table
from attest.store.directory import DirectoryBundle
from attest.trust.pins import parse_trust
from attest.verdict import TermResult

BUCKET = 20  # s, where power is judged


class Line(NamedTuple):
    """A line of the table: a term, what is certain, true and possible, and in which unit."""

    run: str
    term: str
    low: int
    true: float
    high: int | None
    unit: str
    outcome: str


def terms(run: RealRun) -> tuple[Table, ...]:
    """One of every kind about compute and records, each with a limit that has no effect on its bounds."""
    half = (run.start + run.end) // 2
    steps = [{"start": datetime.fromtimestamp(start, UTC), "limit": "1e25 FLOP"} for start in (run.start, half)]
    return (
        {"kind": "compute-cap", "limit": "1e25 FLOP", "assurance": "L4"},
        {"kind": "slowdown", "baseline": "1e20 FLOP/s", "share": "50 %", "assurance": "L4"},
        {"kind": "ramp", "step": steps, "assurance": "L4"},
        {"kind": "run-cap", "limit": "1e25 FLOP", "assurance": "L4"},
        {"kind": "scale-cap", "devices": 100_000, "assurance": "L4"},
        {"kind": "coverage", "share": "1 ppm"},
        {"kind": "gap", "longest": "1 d"},
        {"kind": "timeliness", "share": "99 %"},
        {"kind": "inventory", "minimum": DEVICES},
    )


POWER: tuple[Table, ...] = (
    {"kind": "power-off", "assurance": "L4"},
    {"kind": "idle", "power": "3 kW", "assurance": "L4"},
    {"kind": "power-cap", "name": "energy", "limit": "1 GWh", "meter": ACME.meter, "assurance": "L4"},
    {"kind": "power-cap", "name": "power", "limit": "1 MW", "meter": ACME.meter, "assurance": "L4"},
    {"kind": "assurance", "level": "L4", "share": "99 %"},
)


def truths(run: RealRun, flop: float) -> dict[str, float]:
    """What is true of each term, in its unit; the second half of a ramp is not known by itself."""
    start, end = within(run)
    devices, seconds = DEVICES * len(run.nodes), run.end - run.start
    nodes = np.array([by_bucket(series, start, end) for series in run.nodes.values()])  # J, [node, bucket]
    return {
        "compute-cap": flop,
        "slowdown": flop,
        "run-cap": flop,
        "scale-cap": devices,
        "power-off": devices * (end - start),
        "idle": nodes.max() * 1_000 / BUCKET / DEVICES,
        "energy": nodes.sum() * 1_000,
        "power": nodes.sum(axis=0).max() * 1_000 / BUCKET,
        "coverage": 0,
        "gap": seconds,
        "assurance": 1_000_000,
        "timeliness": 1_000_000,
        "inventory": devices,
    }


def within(run: RealRun) -> tuple[int, int]:
    """The whole buckets of a run in which power is judged, without the first and the last: of a clock that is good to
    1 s in 20 it counts what it read before and after, and it proves nothing of buckets of 1 s."""
    return (-(-run.start // BUCKET) + 1) * BUCKET, (run.end // BUCKET - 1) * BUCKET


def by_bucket(series: Series, start: int, end: int) -> Any:
    """Joules in each bucket between two times."""
    time, watts = np.asarray(series.time_ms) / 1_000, np.asarray(series.values) / 1_000
    sums = np.concatenate(([0.0], np.cumsum(np.diff(time) * (watts[1:] + watts[:-1]) / 2)))
    edges = np.arange(start, end + 1, BUCKET, dtype=float)
    place = np.clip(np.searchsorted(time, edges, "right") - 1, 0, len(time) - 2)
    since = np.clip(edges, time[0], time[-1]) - time[place]
    slope = (watts[place + 1] - watts[place]) / (time[place + 1] - time[place])
    return np.diff(sums[place] + watts[place] * since + slope * since * since / 2)


def judged(run: RealRun, out: Path) -> tuple[TermResult, ...]:
    """The results of all terms, those about power under an agreement with longer buckets."""
    path, _ = log_of(run, out)
    found: list[TermResult] = []
    for bucket, (start, end), chosen in ((1, (run.start, run.end), terms(run)), (BUCKET, within(run), POWER)):
        pact = Pact((ACME,), (Phase("run", start, end, chosen),), bucket=f"{bucket} s", interval="1 s")
        trust = parse_trust(pact.trust())
        verdict = check([DirectoryBundle(path)], verify_agreement(pact.signed()), trust, at=run.end + HOUR)
        found += verdict.parties[0].terms
    return tuple(found)


def lines(run: RealRun, flop: float, out: Path) -> Iterator[Line]:
    """The table's lines of one run. Exits where a truth lies outside."""
    true = truths(run, flop)
    for term in judged(run, out):
        if term.term in true:
            line = Line(run.name, term.term, term.low or 0, true[term.term], term.high, term.unit, str(term.outcome))
            # What the meter's readings add up to by another way differs in the last digits.
            if not line.low <= line.true * (1 + 1e-6) or not (line.high is None or line.true <= line.high * (1 + 1e-6)):
                raise SystemExit(f"the truth lies outside: {line}")
            yield line


def first_runs(data: Path) -> Iterator[RealRun]:
    """The first run of each benchmark and machine."""
    seen: set[str] = set()
    for runs in (
        training_runs(data / "mlperf-train-8b200-lenovo"),
        cluster_runs(data / "mlperf-train-512h100-smc"),
        inference_runs(data / "mlperf-infer-wallpower-8gpu"),
    ):
        for run in runs:
            kind = f"{run.model} {run.benchmark}"
            if kind not in seen:
                seen.add(kind)
                yield run


def table(found: list[Line]) -> str:
    """As Markdown."""
    head = ["| run | term | low | true | high | unit | outcome |", "|---|---|---|---|---|---|---|"]
    return "\n".join(
        head
        + [
            f"| {line.run} | {line.term} | {line.low:.4g} | {line.true:.4g} |"
            f" {'not bounded' if line.high is None else f'{line.high:.4g}'} | {line.unit} | {line.outcome} |"
            for line in found
        ]
    )


def main() -> None:
    """Judges and prints."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    data, truth = (Path(word) for word in sys.argv[1:])
    with truth.open(newline="") as file:
        known = {line["run"]: float(line["flop_executed"]) for line in csv.DictReader(file)}
    with tempfile.TemporaryDirectory() as out:
        print(table([line for run in first_runs(data) for line in lines(run, known[run.name], Path(out))]))


if __name__ == "__main__":
    main()
