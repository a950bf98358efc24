"""Real power logs of real runs, at one end; a bounded verdict, at the other.

    python examples/real_runs/run.py DATA TRUTH [OUT]

DATA holds the folders mlperf-train-8b200-lenovo, mlperf-train-512h100-smc and mlperf-infer-wallpower-8gpu; TRUTH is
real-runs.csv with the executed FLOP of each run, from token and sample counts. For each run the script imports the
meter's readings, signs them into a log (OUT/RUN, a temporary folder by default), lets the lab declare half of what
its own count of samples gives, and checks the log four times: without a real cap, to learn the bounds, and with a cap
below low, between low and high, and above high. It prints a table and fails if a bound does not hold. TRUTH is read for
the comparison alone. No run here has device telemetry: only the meter speaks, so `high` is k x metered energy.

The meters are taken as independent and as means over their steps, within 1 % and 1 s. That is an assumption: whoever
made these logs did not sign them.
"""

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attest.agreement import verify_agreement
from attest.check import check
from attest.collect.clock import find_shift, irregularity, read_session, session_of_mark
from attest.collect.irregular import Irregularity, Kind
from attest.collect.meter_statements import MeterOptions, meter_drafts
from attest.collect.power import Options, read_power
from attest.collect.readings import Mark, Series
from attest.collect.statements import Chain
from attest.compute.columns import format_spans
from attest.format.bodies import UsageBody
from attest.format.roster import Host, Roster
from attest.format.runs import NO_RUN, Run
from attest.format.vocabulary import Label, Precision, State
from attest.simulate.cast import Identity
from attest.simulate.draws import named_bytes
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Plan, Site
from attest.store.directory import DirectoryBundle
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, TermResult

ACME = Identity("acme")
HOUR = 3_600
DEVICES = 8  # of a node, in all of these runs

# FLOP for each sample that a lab could know of its own model: 4 N a token where the base is frozen (LoRA, rounded
# to 69e9 parameters and full sequences), 6 N a token, or the forward pass of one image counted by layer, times three.
PER_SAMPLE = {
    "llama2_70b_lora": 4 * 69_000_000_000 * 8_192,
    "bert": 6 * 302_000_000 * 256,
    "retinanet": 1_200_000_000_000,
    "stable_diffusion": 2_100_000_000_000,
    "bert-99": 2 * 302_000_000 * 177,
    "resnet50": 8_200_000_000,
}


class RealRun(NamedTuple):
    """A run as it was recorded: its name in TRUTH, readings by node, and when it began and ended (Unix s)."""

    name: str
    model: str
    label: Label
    nodes: dict[str, Series]
    irregularities: list[Irregularity]
    start: int
    end: int
    samples: int
    benchmark: str


class Row(NamedTuple):
    """A line of the table."""

    name: str
    nodes: int
    seconds: int
    energy: float
    low: int
    true: float
    high: int
    outcomes: tuple[str, str, str]
    note: str


def training_runs(folder: Path) -> Iterator[RealRun]:
    """One node of 8 B200: one CSV a benchmark, with the run in its first column."""
    for benchmark in ("llama2_70b_lora", "bert", "retinanet", "stable_diffusion"):
        header, *lines = (folder / benchmark / "power.csv").read_text().splitlines()
        for number in sorted({int(line.split(",", 1)[0]) for line in lines}):
            mine = [line.split(",", 1)[1] for line in lines if line.startswith(f"{number},")]
            text = "\n".join([header.split(",", 1)[1], *mine]).encode()
            log = read_power([(f"{benchmark}/{number}", text.splitlines(keepends=True))], Options())
            start, end, samples = events(folder / benchmark / f"events_rank0_result_{number}.jsonl")
            name = f"{benchmark}/{number}"
            yield RealRun(
                name, "NVIDIA B200 SXM", Label.TRAINING, log.nodes, log.irregularities, start, end, samples, benchmark
            )


def cluster_runs(folder: Path) -> Iterator[RealRun]:
    """64 nodes of 8 H100."""
    for path in sorted((folder / "llama2_70b_lora").iterdir()):
        log = read_power([(path.name, (path / "power_ac.csv").read_bytes().splitlines(keepends=True))], Options())
        start, end, samples = events(path / "events_rank0.jsonl")
        name = f"llama2_70b_lora/{path.name.split('-')[0]}-{path.name.rsplit('_', 1)[1]}/ac"
        yield RealRun(
            name,
            "NVIDIA H100 SXM5 80GB",
            Label.TRAINING,
            log.nodes,
            log.irregularities,
            start,
            end,
            samples,
            "llama2_70b_lora",
        )


def inference_runs(folder: Path) -> Iterator[RealRun]:
    """A wall meter over a node that serves; its clock is hours off its session's."""
    for path in sorted(folder.glob("*/*/*/spl.txt")):
        machine, benchmark, scenario = path.parts[-4], path.parts[-3], path.parts[-2]
        log = read_power([(path.name, path.read_bytes().splitlines(keepends=True))], Options(node="node", utc_offset=0))
        series = log.nodes["node"]
        first, last = int(series.time_ms[0]), int(series.time_ms[-1])
        found = [shift_of(mark) for mark in log.marks]
        agreed = find_shift(first, last, read_session((path.parent / "client.json").read_bytes(), "client.json"))
        if len(found) != 1 or agreed.zone_s != 0:
            raise SystemExit(f"{path}: the meter's clock is not where its session's files put it")
        device = "H100" if machine.startswith("H100") else "A100"
        yield RealRun(
            f"{device}-PCIe-80GB/{benchmark}/{scenario}",
            f"NVIDIA {device} PCIe 80GB",
            Label.INFERENCE,
            log.nodes,
            [*log.irregularities, *found],
            first // 1_000,
            -(-last // 1_000),
            served(path.parent / "mlperf_log_summary.txt", scenario),
            benchmark,
        )


def shift_of(mark: Mark) -> Irregularity:
    """How far the meter's stamps are off the session that they are marked with."""
    session = session_of_mark(mark.text)
    found = session and irregularity(find_shift(mark.first_ms, mark.last_ms, session), session, "node", mark.first_ms)
    if not found:
        raise SystemExit(f"{mark.text}: no shift found")
    return found


def events(path: Path) -> tuple[int, int, int]:
    """When a training run started and stopped, and how many samples it trained on."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    start = next(e["time_ms"] for e in found if e["key"] == "run_start")
    end = next(e["time_ms"] for e in found if e["key"] == "run_stop")
    within = [e for e in found if start <= e["time_ms"] <= end]
    counted = [(e["metadata"] or {}).get("samples_count", 0) for e in within]
    epochs = max(sum(e["key"] == "epoch_stop" for e in within), 1)
    per_epoch = next(e["value"] for e in found if e["key"] == "train_samples")
    if path.parent.name == "retinanet":  # counts batches
        per_epoch *= next(e["value"] for e in found if e["key"] == "global_batch_size")
    return start // 1_000, -(-end // 1_000), max(counted) or per_epoch * epochs


def served(path: Path, scenario: str) -> int:
    """Samples that an inference run answered, by its own summary."""
    values = dict(line.split(":", 1) for line in path.read_text().splitlines() if line.count(":") == 1)
    found = {key.strip(): value.strip() for key, value in values.items()}
    if scenario == "Offline":
        return int(float(found["Samples per second"]) * int(found["min_duration (ms)"]) / 1_000)
    return int(float(found["Completed samples per second"]) * int(found["min_duration (ms)"]) / 1_000)


class RunLab(Lab):
    """A lab with the models of a real run; what they did is not simulated."""

    def __init__(self, run: RealRun, plan: Plan) -> None:
        self.run_model = run.model
        super().__init__(ACME, Site(plan), site_meter=False)

    def roster(self) -> Roster:
        """The roster with the run's model."""
        simulated = super().roster()
        hosts = (Host(h.sub, tuple(d._replace(model=self.run_model) for d in h.devices)) for h in simulated.hosts)
        return replace(simulated, hosts=tuple(hosts))


def log_of(run: RealRun, out: Path) -> tuple[Path, Lab]:
    """Sign a run into a log: the meter's readings, and a run that each node's host declares its share of."""
    first = min(int(s.time_ms[0]) for s in run.nodes.values()) // 1_000
    last = max(-(-int(s.time_ms[-1]) // 1_000) for s in run.nodes.values())
    span = min(first, run.start), max(last, run.end)
    plan = Plan(run.name, len(run.nodes), *span, interval=1)
    lab = RunLab(run, plan)
    assert lab.meter is not None
    feeds = dict(zip(lab.feeds.values(), run.nodes.values(), strict=True))
    chain = Chain(lab.log, lab.meter.sub, lab.meter.seq, None)
    options = MeterOptions(clock_uncertainty=1)
    for draft in meter_drafts(feeds, run.irregularities, chain, options, lambda: named_bytes(run.name), []):
        lab.meter.until = draft.start
        lab.meter.append(lab.meter.draft(draft.body, draft.end, draft.block))
    share = run.samples * PER_SAMPLE[run.benchmark] // 2 // len(run.nodes) // 10**6
    for node in range(len(run.nodes)):
        for start, end in ((span[0], run.start), (run.start, run.end), (run.end, span[1])):
            if start < end:
                lab.host(node).append(lab.host(node).draft(declared(lab, run, share, start, end), end))
    lab.now = span[1]
    path = out / run.name.replace("/", "-")
    lab.save(path)
    return path, lab


def declared(lab: Lab, run: RealRun, share: int, start: int, end: int) -> UsageBody:
    """No telemetry: every device-interval is missing, and within the run the lab says what it computed."""
    within = (start, end) == (run.start, run.end)
    table = (Run(named_bytes(run.name), run.label, Precision.UNKNOWN, 1, share),) if within else ()
    spans = format_spans([(d * (end - start), State.MISSING, 0 if within else NO_RUN) for d in range(DEVICES)])
    return UsageBody(1, sha256(lab.roster_body).digest(), DEVICES, None, (), table, spans, ())


def judged(path: Path, run: RealRun, limit: int) -> tuple[TermResult, TermResult]:
    """The compute cap and the metered energy of a run under an agreement with this cap, both at L4."""
    cap = {"kind": "compute-cap", "limit": f"{limit} FLOP", "assurance": "L4"}
    energy = {"kind": "power-cap", "limit": "1 GWh", "assurance": "L4", "meter": ACME.meter}
    pact = Pact((ACME,), (Phase("run", run.start, run.end, (cap, energy)),), bucket="1 s", interval="1 s")
    verdict = check(
        [DirectoryBundle(path)], verify_agreement(pact.signed()), parse_trust(pact.trust()), at=run.end + HOUR
    )
    (party,) = verdict.parties
    if any(finding.outcome is Outcome.INVALID for finding in party.findings):
        raise SystemExit(f"{run.name}: {party.findings}")
    compute, power = party.terms
    return compute, power


def row_of(run: RealRun, out: Path, true: float) -> Row:
    """Bounds and outcomes of one run. Exits where a promise is broken."""
    path, _ = log_of(run, out)
    compute, power = judged(path, run, 10**30)
    low, high = compute.low, compute.high
    if low is None or high is None or power.low is None:
        raise SystemExit(f"{run.name}: no bounds: {compute.findings}")
    caps = (low // 2, (low + high) // 2, high * 2)
    outcomes = tuple(str(judged(path, run, cap)[0].outcome) for cap in caps)
    if not low <= true <= high or outcomes != ("breached", "unproven", "holds"):
        raise SystemExit(f"{run.name}: low {low:.4g}, true {true:.4g}, high {high:.4g}, {outcomes}")
    shifts = [i.numbers["shift_s"] // HOUR for i in run.irregularities if i.kind is Kind.SHIFT]
    note = "".join(
        f"the meter's clock is {hours} h ahead of the session that its readings are marked with" for hours in shifts
    )
    return Row(
        run.name,
        len(run.nodes),
        run.end - run.start,
        power.low / 1e9,
        low,
        true,
        high,
        outcomes,
        note,  # type: ignore[arg-type]
    )


def rows(data: Path, truth: Path, out: Path) -> Iterator[Row]:
    """Every run of the three data sets."""
    with truth.open(newline="") as file:
        known = {line["run"]: float(line["flop_executed"]) for line in csv.DictReader(file)}
    for runs in (
        training_runs(data / "mlperf-train-8b200-lenovo"),
        cluster_runs(data / "mlperf-train-512h100-smc"),
        inference_runs(data / "mlperf-infer-wallpower-8gpu"),
    ):
        for run in runs:
            yield row_of(run, out, known[run.name])


def table(found: list[Row]) -> str:
    """The table as Markdown; runs of one benchmark and machine are one line, with ranges."""
    lines = [
        "| run | nodes | seconds | metered MJ, at least | low | true | high | high/true |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[str, list[Row]] = {}
    for row in found:
        name, _, number = row.name.rpartition("/")
        groups.setdefault(f"{name} ({row.nodes}x8)" if number.isdigit() else row.name, []).append(row)
    for name, members in groups.items():
        label = f"{name}, {len(members)} runs" if len(members) > 1 else name
        ratio = span([r.high / r.true for r in members], "{:.1f}")
        cells = [
            label,
            str(members[0].nodes),
            span([r.seconds for r in members], "{:,}"),
            span([r.energy for r in members], "{:.2f}"),
            span([r.low for r in members], "{:.2e}"),
            span([r.true for r in members], "{:.2e}"),
            span([r.high for r in members], "{:.2e}"),
            ratio,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def span(values: list[float] | list[int], form: str) -> str:
    """One number, or the least and the largest."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """Runs everything and prints the table."""
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(sys.argv[3]) if len(sys.argv) == 4 else Path(temporary)
        found = list(rows(Path(sys.argv[1]), Path(sys.argv[2]), out))
    print(table(found))
    ratios = np.array([row.high / row.true for row in found])
    print(
        f"\n{len(found)} runs: the true FLOP lies within [low, high] of every one; high/true {ratios.min():.1f} to"
        f" {ratios.max():.1f}; a cap below low is breached, one between is unproven, one above high holds."
    )
    for row in found:
        if row.note:
            print(f"{row.name}: {row.note}")


if __name__ == "__main__":
    main()
