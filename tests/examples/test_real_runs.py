"""The real runs, end to end: readings in at one end, bounds with the truth inside at the other."""

import csv
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "real_runs"


def loaded(name: str) -> Any:
    spec = spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script() -> Any:
    return loaded("run")


@pytest.fixture(scope="module")
def terms(monkeypatch_module: pytest.MonkeyPatch) -> Any:
    monkeypatch_module.syspath_prepend(str(FOLDER))
    return loaded("terms")


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def rows(script: Any, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    truth = shared / "vectors" / "known-compute" / "real-runs.csv"
    return list(script.rows(shared / "data", truth, tmp_path_factory.mktemp("runs")))


def test_every_run_of_the_truth_file_is_bounded(rows: Any) -> None:
    assert len(rows) == 45
    assert all(row.low <= row.true <= row.high for row in rows)


def test_a_cap_below_between_and_above(rows: Any) -> None:
    assert {row.outcomes for row in rows} == {("breached", "unproven", "holds")}


def test_the_bounds_are_neither_the_truth_nor_empty(rows: Any) -> None:
    assert all(0.2 < row.low / row.true < 0.9 for row in rows)
    assert all(2 < row.high / row.true < 21 for row in rows)


def test_the_inference_meters_clock_is_reported(rows: Any) -> None:
    assert sum("8 h ahead" in row.note for row in rows) == 8


def test_the_table_has_a_line_for_each_benchmark_and_machine(script: Any, rows: Any) -> None:
    assert len(script.table(rows).splitlines()) == 2 + 4 + 2 + 8


def test_the_readme_has_the_table(script: Any, rows: Any) -> None:
    assert script.table(rows) in (ROOT / "README.md").read_text("utf-8")


def test_the_truth_lies_within_every_kind_of_term(terms: Any, shared: Path, tmp_path: Path) -> None:
    """`lines` fails where one does not."""
    with (shared / "vectors" / "known-compute" / "real-runs.csv").open(newline="") as file:
        known = {line["run"]: float(line["flop_executed"]) for line in csv.DictReader(file)}
    runs = list(terms.first_runs(shared / "data"))
    found = {run.name: list(terms.lines(run, known[run.name], tmp_path)) for run in runs}
    assert len(found) == 9
    assert {len(lines) for lines in found.values()} == {13}
    head = terms.table([]) + "\n"
    assert terms.table(found["llama2_70b_lora/0"]).replace(head, "") in (ROOT / "README.md").read_text("utf-8")
    bounded = {line.term for line in found["llama2_70b_lora/0"] if line.high is not None}
    assert bounded == {line.term for line in found["llama2_70b_lora/0"]}


def test_trapezoids_give_the_same_energy_to_a_fifth_of_a_percent(script: Any, shared: Path) -> None:
    """Of whole records; a mean times its step is not a line through means (decision 0012)."""
    data = shared / "data"
    differences = []
    for runs in (
        script.training_runs(data / "mlperf-train-8b200-lenovo"),
        script.cluster_runs(data / "mlperf-train-512h100-smc"),
        script.inference_runs(data / "mlperf-infer-wallpower-8gpu"),
    ):
        for run in runs:
            means = lines = 0.0
            for series in run.nodes.values():
                steps, power = np.diff(np.asarray(series.time_ms, float)), np.asarray(series.values, float)
                covered = steps <= 2.5 * np.median(steps)
                means += (power[1:] * steps)[covered].sum()
                lines += ((power[1:] + power[:-1]) / 2 * steps)[covered].sum()
            differences.append(abs(means / lines - 1))
    assert len(differences) == 45
    assert max(differences) < 0.002
    assert sum(difference < 0.001 for difference in differences) == 38
