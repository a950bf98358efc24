"""How often the rules of attest.anomalies are wrong: each of them on all the real traces that can speak of it.

    python tests/bench/anomalies.py ../shared/data

Prints for every rule how many windows there were, how many of them it remarks on, and how many it may remark on at
most, with 95 % confidence (Clopper and Pearson, one-sided: 1 - 0.05^(1/n) where it was silent). DATA is the folder of
telemetry; the runs of known compute lie beside it (../vectors/known-compute). The figures stand in
attest/anomalies/measured.py, and tests/anomalies/test_measured.py compares them with what this finds.
"""

import csv
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from math import comb
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attest.compute import plausible as rules
from attest.compute.accelerators import default_pin, lookup
from attest.compute.columns import Ints

NODE = 8  # accelerators of every node that was metered
GRID_MS = 100


class Found(NamedTuple):
    """What a rule made of real windows; `least` and `most` are the extremes of what it looks at."""

    windows: int
    alarms: int
    least: float
    most: float

    @property
    def upper_ppm(self) -> int:
        """The share of windows that it may remark on, at most, in ppm, rounded up; 95 % confidence."""
        return upper_ppm(self.windows, self.alarms)


class Trace(NamedTuple):
    """Readings of one meter: ms and mW; what the accelerators behind it may draw, mW."""

    name: str
    ms: tuple[int, ...]
    mw: tuple[int, ...]
    limit_mw: int


class Reading(NamedTuple):
    """One device at one time, or over one run: mean power, its limit, 10^6 tensor cycles a second (None: unknown),
    clock."""

    name: str
    mw: float
    limit_mw: int
    cycles: float | None
    clock_mhz: int
    rest: bool = True


def upper_ppm(windows: int, alarms: int) -> int:
    """The upper 95 % limit of Clopper and Pearson, one-sided."""
    low, high = 0, 1_000_000
    while low < high:
        middle = (low + high) // 2
        p = middle / 1e6
        tail = sum(comb(windows, k) * p**k * (1 - p) ** (windows - k) for k in range(alarms + 1))
        low, high = (middle + 1, high) if tail > 0.05 else (low, middle)
    return high


def traces(data: Path) -> list[Trace]:
    """Every metered node: 35 runs of a B200 node, two runs of 64 H100 nodes, 8 sessions of inference."""
    found: list[Trace] = []
    for path in sorted((data / "mlperf-train-8b200-lenovo").glob("*/power.csv")):
        found += _csv(path, "result", f"b200 {path.parent.name}", NODE * default_pin("B200").tdp_mw)
    for path in sorted((data / "mlperf-train-512h100-smc").glob("*/*/power_ac.csv")):
        found += _csv(path, "node", f"h100 {path.parent.name}", NODE * default_pin("H100-SXM").tdp_mw)
    for path in sorted((data / "mlperf-infer-wallpower-8gpu").glob("*/*/*/spl.txt")):
        model = path.parts[-4].split("x8_")[0]
        found.append(_spl(path, NODE * default_pin(model).tdp_mw))
    return found


def _csv(path: Path, key: str, name: str, limit: int) -> Iterator[Trace]:
    rows = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row[key]].append((int(row["time_ms"]), round(float(row["watts"]) * 1_000)))
    for value, readings in sorted(rows.items()):
        ms, mw = zip(*sorted(readings), strict=True)
        yield Trace(f"{name} {value}", ms, mw, limit)


def _spl(path: Path, limit: int) -> Trace:
    ms, mw = [], []
    for line in path.read_text().splitlines():
        fields = line.split(",")
        time = datetime.strptime(fields[1], "%m-%d-%Y %H:%M:%S.%f").replace(tzinfo=UTC)
        ms.append(round(time.timestamp() * 1_000))
        mw.append(round(float(fields[3]) * 1_000))
    return Trace(" ".join(path.parts[-4:-1]), tuple(ms), tuple(mw), limit)


def distinct(found: list[Trace]) -> list[Trace]:
    """One of those that have the same readings at the same times."""
    return list({(trace.ms, trace.mw): trace for trace in found}.values())


def binned(trace: Trace, step_ms: int) -> Ints:
    """Mean power (mW) over steps from the first reading on, with lines between readings."""
    grid = np.arange(trace.ms[0], trace.ms[-1], GRID_MS)
    power = np.interp(grid, trace.ms, trace.mw)
    each = step_ms // GRID_MS
    means = power[: len(power) // each * each].reshape(-1, each).mean(axis=1)
    return np.asarray(means.round(), np.int64)


def windows(values: Ints, length: int) -> Ints:
    """Windows of so many values that do not overlap, [window, value]."""
    return values[: len(values) // length * length].reshape(-1, length)


def readings(data: Path) -> list[Reading]:
    """Every device of which power was read: the six runs of the probe, four expositions, an A100, ten MI100."""
    known = data.parent / "vectors/known-compute/h100-pcie-probe.json"
    pin = default_pin("NVIDIA H100 PCIe 80GB")
    found = [
        Reading(
            "probe",
            1_000 * run["energy_j"] / run["elapsed_s"],
            pin.tdp_mw,
            run["tensor_active"] * run["sm_clock_mhz"],
            pin.max_clock_mhz,
            rest=False,
        )
        for run in json.loads(known.read_text())["runs"]
    ]
    for path in sorted((data / "dcgm-exporter-expositions").glob("*.prom")):
        found.append(_exposition(path))
    gpu = ET.parse(data / "bmc-pdu-smi-samples/nvidia-smi/a100_q.xml").getroot().find("gpu")
    assert gpu is not None
    power, limit = (
        float(str(gpu.findtext(f"gpu_power_readings/{key}")).split()[0]) for key in ("power_draw", "max_power_limit")
    )
    found.append(Reading("a100", power * 1_000, round(limit * 1_000), None, 1_410))
    for path in sorted((data / "bmc-pdu-smi-samples/amd").glob("*.json")):
        for name, card in json.loads(path.read_text()).items():
            if name.startswith("card"):
                most = float(card["Max Graphics Package Power (W)"])
                mean = float(card["Average Graphics Package Power (W)"])
                found.append(Reading(f"{path.stem} {name}", mean * 1_000, round(most * 1_000), None, 1_502))
    return found


def _exposition(path: Path) -> Reading:
    text = path.read_text()

    def value(field: str) -> float:
        match = re.search(rf"^{field}\{{.*\}} ([0-9.]+)$", text, re.MULTILINE)
        assert match is not None, field
        return float(match[1])

    model = re.search(r'modelName="([^"]*)"', text)
    assert model is not None
    row = lookup(model[1])
    assert row.tdp_mw is not None and row.max_clock_mhz is not None
    cycles = value("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE") * value("DCGM_FI_DEV_SM_CLOCK")
    return Reading(path.stem, value("DCGM_FI_DEV_POWER_USAGE") * 1_000, row.tdp_mw, cycles, row.max_clock_mhz)


class Known(NamedTuple):
    """A run whose executed FLOP are known: what its energy and its hours could have done at most, MFLOP."""

    name: str
    executed: float
    by_energy: float
    fastest: float
    bf16: float
    training: bool


def runs(data: Path) -> list[Known]:
    """The 45 runs of real-runs.csv, by their node's meter, and the six of the probe, by the device's counter."""
    folder = data.parent / "vectors/known-compute"
    found = []
    with (folder / "real-runs.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            seconds = float(row["seconds"]) * int(row["count"])
            executed, joule = float(row["flop_executed"]) / 1e6, float(row["energy_J"])
            found.append(
                _known(row["run"], row["accelerator"], executed, joule, seconds, "inference" not in row["set"])
            )
    for number, run in enumerate(json.loads((folder / "h100-pcie-probe.json").read_text())["runs"]):
        executed = run["tokens_per_s"] * run["elapsed_s"] * run["executed_flops_per_token"] / 1e6
        found.append(_known(f"probe {number}", "H100-PCIe", executed, run["energy_j"], run["elapsed_s"], True))
    return found


def _known(name: str, model: str, executed: float, joule: float, seconds: float, training: bool) -> Known:
    pin = default_pin(model)
    fastest, bf16 = (seconds * peak / 1e6 for peak in (pin.peak_flop_per_s, pin.peak_bf16_flop_per_s))
    return Known(name, executed, joule * 1_000 * pin.efficiency_mflop_per_mj, fastest, bf16, training)


def measure(data: Path) -> dict[str, Found]:
    """Every rule that real traces can speak of, on all of them."""
    metered, devices, known = traces(data), readings(data), runs(data)
    return {
        "anomaly/power-activity": _power_activity(devices),
        "anomaly/energy-still": _still(distinct(metered), devices),
        "anomaly/mfu": _mfu(devices, known),
        "anomaly/declared-size": _declared(known),
        "anomaly/too-clean": _clean(distinct(metered), 60_000, 6),
        "anomaly/identical-series": _identical(metered),
    }


def _power_activity(devices: list[Reading]) -> Found:
    """One second of each device of which power and activity are known."""
    ratios, alarms = [], 0
    for d in devices:
        if d.cycles is not None:
            starved = rules.starved(d.mw, d.cycles, d.limit_mw, d.clock_mhz)
            alarms += bool(starved or (d.rest and rules.unexplained(1, d.mw, d.cycles, d.limit_mw, d.clock_mhz)))
            if d.cycles:
                ratios.append(d.mw / d.limit_mw / (d.cycles / d.clock_mhz))
    return Found(sum(d.cycles is not None for d in devices), alarms, min(ratios), max(ratios))


def _still(metered: list[Trace], devices: list[Reading]) -> Found:
    """A minute of each node, and a second of each device, as a share of the power limit."""
    shares = [float(mw) / trace.limit_mw for trace in metered for mw in binned(trace, 60_000)]
    shares += [d.mw / d.limit_mw for d in devices]
    alarms = sum(bool(rules.still(1, share * 1e6, 1_000_000)) for share in shares)
    return Found(len(shares), alarms, min(shares), max(shares))


def _mfu(devices: list[Reading], known: list[Known]) -> Found:
    """Cycles of each device of which they are known, and the work of each run, against what there can be."""
    alarms = sum(bool(rules.beyond_clock(1, d.cycles, d.clock_mhz)) for d in devices if d.cycles is not None)
    alarms += sum(bool(rules.beyond_peak(run.executed, run.fastest)) for run in known)
    shares = [run.executed / run.fastest for run in known]
    return Found(len(known) + sum(d.cycles is not None for d in devices), alarms, min(shares), max(shares))


def _declared(known: list[Known]) -> Found:
    """Runs whose lab would declare what they executed."""
    alarms = sum(
        bool(
            rules.over_declared(run.by_energy, run.executed)
            or (run.training and rules.under_declared(run.by_energy, run.executed))
            or (run.training and rules.under_utilised(run.executed, run.bf16))
        )
        for run in known
    )
    ratios = [run.by_energy / run.executed for run in known]
    return Found(len(known), alarms, min(ratios), max(ratios))


def _clean(metered: list[Trace], step_ms: int, length: int) -> Found:
    """Windows of mean power."""
    rows = [windows(binned(trace, step_ms), length) for trace in metered]
    noise = rules.noise_ppm(np.concatenate([row for row in rows if len(row)]))
    return Found(len(noise), int(rules.too_clean(noise).sum()), float(noise.min()), float(noise.max()))


def _identical(metered: list[Trace]) -> Found:
    """Windows of readings as they were recorded, each against all others; `most` counts traces of another's readings
    and times."""
    seen: set[bytes] = set()
    looked, alarms, least = 0, 0, rules.SERIES
    for trace in metered:
        rows = windows(np.array(trace.mw, np.int64), rules.SERIES)
        values = rules.different(rows)
        least = min(least, int(values.min(initial=least)))
        for row in rows[values >= rules.DIFFERENT]:
            looked += 1
            alarms += row.tobytes() in seen
            seen.add(row.tobytes())
    return Found(looked, alarms, least, len(metered) - len(distinct(metered)))


def main() -> None:
    """Measures, prints."""
    data = Path(sys.argv[1] if len(sys.argv) == 2 else "../shared/data")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {data}")
    print(f"{'':26}windows  alarms  at most   least to most seen")
    for code, found in measure(data).items():
        seen = f"{found.least:.4g} to {found.most:.4g}"
        print(f"{code:26}{found.windows:7,} {found.alarms:7} {found.upper_ppm / 1e4:7.2f} %   {seen}")
    for step_ms, length in ((2_000, 24), (10_000, 6)):
        found = _clean(distinct(traces(data)), step_ms, length)
        name = f"too-clean, {length} of {step_ms / 1e3:.0f} s"
        print(f"{name:26}{found.windows:7,} {found.alarms:7} {found.upper_ppm / 1e4:7.2f} %   {found.least:.4g} ppm")


if __name__ == "__main__":
    main()
