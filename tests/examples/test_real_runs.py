"""The real runs, end to end: readings in at one end, bounds with the truth inside at the other."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "real_runs" / "run.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = spec_from_file_location("real_runs", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
