"""The real logs: how many nodes, readings and irregularities each holds, and the energy that is stated of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from attest.collect.clock import find_shift, read_session, session_of_mark
from attest.collect.columns import Wanted
from attest.collect.dcgm import read_expositions
from attest.collect.dcgm_fields import Field
from attest.collect.files import lines, whole
from attest.collect.irregular import Irregularity, Kind, count
from attest.collect.power import Options, read_power
from attest.collect.readings import MeterLog
from attest.collect.times import Times

H100 = "mlperf-train-512h100-smc/llama2_70b_lora"
B200 = "mlperf-train-8b200-lenovo"
WALL = "mlperf-infer-wallpower-8gpu"


def read(path: Path, options: Options | None = None) -> MeterLog:
    return read_power([(path.name, lines(str(path)))], options or Options())


def total(log: MeterLog) -> int:
    return sum(len(series.time_ms) for series in log.nodes.values())


@pytest.mark.parametrize(
    ("run", "readings", "gaps", "kwh"),
    [("5730-240516232429153071029_3", 3_747, 12, 10.57), ("5864-240518083207394458159_1", 3_686, 4, 10.34)],
)
def test_64_nodes_of_h100(shared: Path, run: str, readings: int, gaps: int, kwh: float) -> None:
    log = read(shared / "data" / H100 / run / "power_ac.csv")
    assert (len(log.nodes), total(log)) == (64, readings)
    assert count(log.irregularities) == {"gap": gaps}
    assert {2_000 < (series.step_ms or 0) < 2_012 for series in log.nodes.values()} == {True}
    joules = sum(trapezoid(series.time_ms, series.values) for series in log.nodes.values())
    # The submitter's total also holds an estimate of 59,570 W for the interconnect, over the run.
    assert 5.9 < joules / 3.6e6 < kwh


def trapezoid(time_ms: np.ndarray, power_mw: np.ndarray) -> float:
    return float((np.diff(time_ms) * (power_mw[1:].astype(float) + power_mw[:-1])).sum() / 2e6)


@pytest.mark.parametrize(
    ("benchmark", "readings"),
    [
        ("bert", [211, 186, 200, 199, 224, 200, 212, 211, 199, 211]),
        ("llama2_70b_lora", [624, 624, 624, 625, 707, 624, 708, 625, 624, 624]),
        ("retinanet", [1_270, 1_272, 1_272, 1_273, 1_273]),
        ("stable_diffusion", [897, 671, 897, 896, 896, 897, 672, 896, 672, 671]),
    ],
)
def test_runs_of_one_node_of_b200(shared: Path, benchmark: str, readings: list[int]) -> None:
    path = shared / "data" / B200 / benchmark / "power.csv"
    for run, expected in enumerate(readings):
        log = read(path, Options(Wanted(where=(("result", str(run)),))))
        assert (list(log.nodes), total(log), log.irregularities) == (["node_0"], expected, [])
        assert log.nodes["node_0"].step_ms == 1_000


def test_runs_that_are_not_in_the_order_of_time_are_not_taken_for_one(shared: Path) -> None:
    log = read(shared / "data" / B200 / "llama2_70b_lora" / "power.csv")
    steps = [i for i in log.irregularities if i.kind is Kind.BACKWARDS]
    assert [i.where for i in steps] == ["power.csv:1250"]
    assert 9_000_000 < steps[0].numbers["step_ms"] < 9_200_000


@pytest.mark.parametrize("system", ["A100", "H100"])
@pytest.mark.parametrize("benchmark", ["bert-99", "resnet50"])
@pytest.mark.parametrize("scenario", ["Offline", "Server"])
def test_wall_meters_whose_sessions_are_named_in_another_zone(
    shared: Path, system: str, benchmark: str, scenario: str
) -> None:
    run = shared / "data" / WALL / f"{system}-PCIe-80GBx8_TRT_MaxQ" / benchmark / scenario
    log = read(run / "spl.txt", Options(node="wall", utc_offset=0))
    ((name, series),) = log.nodes.items()
    assert (name, series.step_ms, log.irregularities) == ("wall", 1_000, [])
    assert len(series.time_ms) == len((run / "spl.txt").read_text().splitlines())
    first, last = int(series.time_ms[0]), int(series.time_ms[-1])
    (mark,) = log.marks
    named = session_of_mark(mark.text)
    assert named is not None
    assert find_shift(first, last, named).zone_s == 28_800
    for file in ("server.json", "client.json"):
        assert find_shift(first, last, read_session(whole(str(run / file)), file)).zone_s == 0
    assert json.loads((run / "server.json").read_text())["timezone"] == 28_800


@pytest.mark.parametrize(
    ("file", "host", "model", "energy", "fields"),
    [
        ("l40s_upcloud.prom", "gpu1-wl8sg", "NVIDIA L40S", 5_551_899_580, 7),
        ("l4_kops_node1.prom", "i-030791dc5a37cd257", "NVIDIA L4", 4_742_776, 7),
        ("l4_kops_node2.prom", "i-030791dc5a37cd257", "NVIDIA L4", 4_742_776, 7),
        ("t4_ericsson.prom", "cp-bm14r7", "Tesla T4", 15_152_422_938, 7),
    ],
)
def test_expositions(shared: Path, file: str, host: str, model: str, energy: int, fields: int) -> None:
    path = shared / "data" / "dcgm-exporter-expositions" / file
    found: list[Irregularity] = []
    (scrape,) = read_expositions([(file, lines(str(path)))], Times(1_745_514_105_000), found)
    assert (scrape.host, scrape.model, scrape.values[Field.ENERGY]) == (host, model, energy)
    assert (len(scrape.values), found) == (fields, [])
    assert Field.SM not in scrape.values  # not exported, which is not zero
