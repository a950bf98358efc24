"""The simulated machines against the measured ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from attest.format.vocabulary import Label, Precision
from attest.simulate.figures import B200, H100, OVERSHOOT, Model
from attest.simulate.site import Job, Plan, Site

DAY = 86_400


def nodes(model: Model, label: Label | None, count: int = 12) -> list[np.ndarray]:
    """Node power (W) of `count` simulated nodes, idle or at work for two hours."""
    jobs = () if label is None else (Job("job", label, Precision.BF16, tuple(range(count)), 0, 7_200),)
    site = Site(Plan("calibration", count, 0, 7_200, jobs, model=model.name))
    return [site.trace(n).node_mw / 1_000 for n in range(count)]


def watts(path: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["node"], []).append(float(row["watts"]))
    return found


def test_h100_nodes_idle_as_measured(shared: Path) -> None:
    run = shared / "data/mlperf-train-512h100-smc/llama2_70b_lora/5864-240518083207394458159_1/power_ac.csv"
    least = [min(readings) for readings in watts(run).values()]
    idle = [w.mean() for w in nodes(H100, None)]
    assert np.quantile(least, 0.05) * 0.9 < min(idle) and max(idle) < np.quantile(least, 0.95) * 1.2
    assert np.median(idle) == pytest.approx(np.median(least), rel=0.12)


def test_h100_nodes_train_as_measured(shared: Path) -> None:
    lines = (shared / "data/mlperf-train-512h100-smc/raw-format-sample/node_1.txt").read_text().splitlines()
    events = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines if "power_reading" in line]
    measured = np.array([event["value"] for event in events])
    training = nodes(H100, Label.TRAINING)
    assert np.median(np.concatenate(training)) == pytest.approx(np.median(measured), rel=0.04)
    assert max(w.max() for w in training) < 1.05 * measured.max()


@pytest.mark.parametrize("benchmark", ["llama2_70b_lora", "bert", "retinanet", "stable_diffusion"])
def test_b200_nodes_train_as_measured(shared: Path, benchmark: str) -> None:
    measured = watts(shared / "data/mlperf-train-8b200-lenovo" / benchmark / "power.csv")["node_0"]
    training = np.concatenate(nodes(B200, Label.TRAINING))
    assert np.median(training) == pytest.approx(np.median(measured), rel=0.06)


def test_b200_nodes_idle_as_measured(shared: Path) -> None:
    measured = watts(shared / "data/mlperf-train-8b200-lenovo/llama2_70b_lora/power.csv")["node_0"]
    assert np.median([w.mean() for w in nodes(B200, None)]) == pytest.approx(min(measured), rel=0.12)


def test_activity_of_training_is_that_of_the_probe(shared: Path) -> None:
    runs = json.loads((shared / "vectors/known-compute/h100-pcie-probe.json").read_text())["runs"]
    tensor = [run["tensor_active"] for run in runs]
    sm = [run["sm_active"] for run in runs]
    for number in range(10):
        job = Job(f"run {number}", Label.TRAINING, Precision.BF16, (0,), 0, 3_600)
        trace = Site(Plan("probe", 1, 0, 3_600, (job,))).trace(0)
        share = (trace.cycles / (trace.clock_mhz * 60)).mean()
        assert 0.98 * min(tensor) < share < 1.02 * max(tensor)
        assert 0.98 * min(sm) < trace.sm.mean() / 10_000 < 1.02 * max(sm)


def test_the_activity_method_is_off_as_on_real_runs(shared: Path) -> None:
    runs = json.loads((shared / "vectors/known-compute/h100-pcie-probe.json").read_text())["runs"]
    off = []
    for run in runs:
        executed = run["tokens_per_s"] * run["elapsed_s"] * run["executed_flops_per_token"]
        method = run["tensor_active"] * run["sm_clock_mhz"] / 1_620 * 756.45e12 * run["elapsed_s"]
        off.append((method / executed - 1) * 1e6)
    # The note of the source rounds to -2 % and +6 %.
    assert OVERSHOOT.low == pytest.approx(min(off), abs=10_000) and OVERSHOOT.high == pytest.approx(
        max(off), abs=10_000
    )


@pytest.mark.parametrize("model", [H100, B200])
def test_a_node_shows_more_than_its_devices_by_what_was_measured(model: Model) -> None:
    site = Site(Plan("more", 4, 0, DAY, (Job("t", Label.TRAINING, Precision.BF16, (0, 1), 0, DAY),), model=model.name))
    for node in range(4):
        trace = site.trace(node)
        more = trace.node_mw - trace.power_mw.sum(axis=0)
        assert model.node_mw.low <= more.min() and more.max() <= model.node_mw.high
        devices = model.busy_mw if node < 2 else model.idle_mw
        assert 0.9 * devices.low <= trace.power_mw.min() and trace.power_mw.max() <= 1.02 * devices.high
