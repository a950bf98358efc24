"""Real runs of ../shared/data, as examples/real_runs imports them, with a lie about each: families 3, 4, 11, 12.

Nothing speaks of these runs but their meters and what the lab declares, and their true FLOP is known. Without the
shared data there are none, and the table says so by its number of logs."""

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from attest.format.vocabulary import Label
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import METER, Pact
from tests.bench.families.attempt import ACME, Attempt, Span
from tests.bench.families.common import Build, Cases
from tests.bench.families.scene import HOUR
from tests.bench.families.truth import Truth

ROOT: Final = Path(__file__).parents[3]
DATA: Final = ROOT.parent / "shared" / "data" / "mlperf-train-8b200-lenovo"
TRUTH: Final = ROOT.parent / "shared" / "vectors" / "known-compute" / "real-runs.csv"
EVERY: Final = 4  # of the runs, one in so many
Lie = Callable[[Any], Any]


@lru_cache
def _script() -> Any:
    spec = spec_from_file_location("real_runs", ROOT / "examples" / "real_runs" / "run.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache
def _runs() -> dict[str, Any]:
    return {run.name: run for run in _script().training_runs(DATA)}


@lru_cache
def _true() -> dict[str, float]:
    with TRUTH.open(newline="") as file:
        return {line["run"]: float(line["flop_executed"]) for line in csv.DictReader(file)}


def _of(lies: dict[str, Lie], **figures: str) -> Cases:
    """Every lie about every chosen run."""
    if not DATA.is_dir():
        return
    for name in list(_true())[:35:EVERY]:
        for words, lie in lies.items():
            yield f"{words}, real run {name}", _build(name, lie, figures)


def _build(name: str, lie: Lie, figures: dict[str, str]) -> Build:
    def build() -> Attempt:
        run = lie(_runs()[name])
        with TemporaryDirectory() as folder:
            _, lab = _script().log_of(run, Path(folder))
        only = ("compute L4", "training L4", "compute L1")
        truth = Truth(flop=int(_true()[name]))
        pact = Pact((ACME,), (), bucket="1 s", interval="1 s", meter={**METER, **figures})
        bundle: MemoryBundle = lab.bundle()
        return Attempt([bundle], truth, (Span(run.start, run.end),), run.end + HOUR, only=only, pact=pact)

    return build


def _thinned(run: Any, keep: Callable[[Any], Any]) -> Any:
    """The run with some readings left out."""
    nodes = {}
    for name, series in run.nodes.items():
        kept = keep(series)
        nodes[name] = replace(series, time_ms=series.time_ms[kept], values=series.values[kept])
    return run._replace(nodes=nodes)


def _hole(share: float) -> Lie:
    def lie(run: Any) -> Any:
        begin = (run.start + (run.end - run.start) * (1 - share) / 2) * 1_000
        end = (run.start + (run.end - run.start) * (1 + share) / 2) * 1_000
        return _thinned(run, lambda s: (s.time_ms < begin) | (s.time_ms > end))

    return lie


def _scaled(ppm: int) -> Lie:
    def lie(run: Any) -> Any:
        nodes = {
            k: replace(s, values=(s.values.astype(np.int64) * ppm // 10**6).astype(np.uint32))
            for k, s in run.nodes.items()
        }
        return run._replace(nodes=nodes)

    return lie


def dropped() -> Cases:
    """Family 3. Readings are missing."""
    yield from _of(
        {
            "a minute without readings": _hole(0.08),
            "half of it without readings": _hole(0.5),
            "all but its ends without readings": _hole(0.98),
            "every second reading left out": lambda run: _thinned(run, lambda s: np.arange(len(s.time_ms)) % 2 == 0),
        }
    )


def labelled() -> Cases:
    """Family 4. Another label, and a tenth of the size."""
    yield from _of(
        {
            "said to be inference": lambda run: run._replace(label=Label.INFERENCE),
            "said to be inference of a tenth": lambda run: run._replace(
                label=Label.INFERENCE, samples=run.samples // 10
            ),
        }
    )


def tolerated() -> Cases:
    """Family 11. The meter reads as little as its error allows."""
    yield from _of({"a meter that reads 1 % less": _scaled(990_100)})
    yield from _of({"a meter that reads 4 % less": _scaled(961_540)}, error="4 %")


def inside() -> Cases:
    """Family 12. What is declared is a small part of it."""
    yield from _of(
        {
            "declared as a hundredth": lambda run: run._replace(samples=run.samples // 100),
            "declared as nothing": lambda run: run._replace(samples=0),
        }
    )
