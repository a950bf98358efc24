"""Cycle counters of DCGM 4.6 and XID errors: counted cycles become the counted column, or are left out."""

from collections.abc import Mapping

import numpy as np
import pytest

from attest.collect.cycles import per_sm
from attest.collect.dcgm import Scrape, read_expositions
from attest.collect.dcgm_fields import NONE, Field
from attest.collect.devices import gather_series
from attest.collect.irregular import Irregularity, Kind
from attest.collect.statements import Chain
from attest.collect.times import Times
from attest.collect.usage_statements import Roster, UsageOptions, usage_drafts
from attest.format.vocabulary import Column
from tests.collect.test_usage_statements import read

T = 1_745_514_000
H100 = "NVIDIA H100 80GB HBM3"
CLOCK = 1_980  # MHz


def scrapes(sms: int, model: str = H100, *, share: float = 0.5, count: int = 4, **more: list[int]) -> list[Scrape]:
    """A device whose tensor pipes are active for a share of its cycles, counted over so many SMs."""
    return [
        Scrape(
            k, (T + 60 * k) * 1000, f"f:{k}", "n1", "GPU-1", "", model,
            {
                Field.ENERGY: 1 + 42_000_000 * k,
                Field.ELAPSED: 5 + sms * CLOCK * 60 * k,
                Field.MMA: 7 + int(sms * CLOCK * 60 * k * share),
                Field.TENSOR: 100_000 + k, Field.CLOCK: CLOCK,
                **{Field(name): values[k] for name, values in more.items()},
            },
        )
        for k in range(count)
    ]  # fmt: skip


def columns(given: list[Scrape]) -> tuple[dict[int, list[int]], list[Irregularity]]:
    found: list[Irregularity] = []
    (host,) = gather_series(given, found).values()
    chain, roster = Chain(b"g" * 32, "https://acme.example/dc1/n1", 0, None), Roster(0, b"r" * 32, ("GPU-1",))
    (only,) = usage_drafts(host, [roster], chain, UsageOptions(), lambda: b"s" * 32, found)
    return read(only)[1], found


def test_of_fields_1084_to_1096_those_are_taken_that_a_log_needs() -> None:
    base = 'gpu="0",UUID="GPU-1",hostname="n1"'
    names = [
        "SM_CYCLES_ELAPSED", "SM_CYCLES_ACTIVE", "MMA_CYCLES_ACTIVE", "DMMA_CYCLES_ACTIVE", "HMMA_CYCLES_ACTIVE",
        "IMMA_CYCLES_ACTIVE", "DFMA_CYCLES_ACTIVE", "PCIE_TX_BYTES", "PCIE_RX_BYTES", "INT_CYCLES_ACTIVE",
        "FP64_CYCLES_ACTIVE", "FP32_CYCLES_ACTIVE", "FP16_CYCLES_ACTIVE",
    ]  # fmt: skip
    lines = [f"DCGM_FI_PROF_{name}_TOTAL{{{base}}} {k}000000".encode() for k, name in enumerate(names, 1084)]
    (scrape,) = read_expositions([("1745514105.prom", lines)], Times(), [])
    assert scrape.values == {
        Field.ELAPSED: 1_084, Field.ACTIVE: 1_085, Field.MMA: 1_086,
        Field.PCIE_SENT: 1_091_000_000 >> 20, Field.PCIE_RECEIVED: 1_092_000_000 >> 20,
    }  # fmt: skip


@pytest.mark.parametrize("sms", [1, 132])
def test_counted_cycles_are_the_counted_column_whether_a_sum_or_a_mean(sms: int) -> None:
    stated, found = columns(scrapes(sms))
    assert stated[Column.CYCLES] == [CLOCK * 30] * 3
    assert Column.DERIVED_CYCLES not in stated
    assert found == []


@pytest.mark.parametrize(("sms", "model"), [(132, "a model that nobody knows"), (132, "NVIDIA L4"), (4 * 132, H100)])
def test_counters_of_which_nothing_tells_the_unit_are_left_out(sms: int, model: str) -> None:
    stated, found = columns(scrapes(sms, model))
    assert Column.CYCLES not in stated
    assert stated[Column.DERIVED_CYCLES] == [CLOCK * 60 // 10] * 3  # from the gauge, as ever
    assert [(i.kind, i.who) for i in found] == [(Kind.UNITS, "GPU-1")]


EXPOSITION = """\
# HELP DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL Total elapsed SM cycles.
# TYPE DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL counter
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {energy}
DCGM_FI_PROF_SM_ACTIVE{{{labels}}} {seen}
DCGM_FI_PROF_PCIE_TX_BYTES{{{labels}}} 1048576
DCGM_FI_PROF_PCIE_RX_BYTES{{{labels}}} 0
DCGM_FI_PROF_NVLINK_TX_BYTES{{{labels}}} 2097152
DCGM_FI_PROF_NVLINK_RX_BYTES{{{labels}}} 0
DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL{{{labels}}} {elapsed}
DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL{{{labels}}} {active}
DCGM_FI_PROF_HMMA_CYCLES_ACTIVE_TOTAL{{{labels}}} {active}
DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL{{{labels}}} {sent}
DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL{{{labels}}} 3145728
"""


def exposed(
    sms: int = 132, wrong: Mapping[str, Mapping[int, int]] = {}
) -> tuple[dict[int, list[int]], list[Irregularity]]:
    """Four expositions a minute apart: SMs busy for a quarter of their cycles between them, and at no moment of any;
    600 MiB over PCIe a minute. `wrong` has, by name, other values by the number of the exposition."""
    files = []
    for k in range(4):
        elapsed = 10**15 + 60 * k * CLOCK * sms * 10**6
        told = {
            "energy": 1 + 42_000_000 * k, "seen": f"0.00000{k}", "elapsed": elapsed,
            "active": 10**14 + (elapsed - 10**15) // 4, "sent": (1 << 45) + (600 << 20) * k,
        }  # fmt: skip
        told |= {name: values[k] for name, values in wrong.items() if k in values}
        text = EXPOSITION.format(labels=f'gpu="0",UUID="GPU-1",Hostname="n1",modelName="{H100}"', **told)
        files.append((f"{T + 60 * k}.prom", text.encode().splitlines()))
    return columns(list(read_expositions(files, Times(), [])))


def test_activity_and_traffic_between_two_scrapes_are_counted_and_not_what_gauges_saw() -> None:
    stated, found = exposed()
    assert stated[Column.SM] == [2_500] * 3
    assert stated[Column.FABRIC] == [600 + 120] * 3  # NVLink's rate stays the gauge's
    assert Column.CYCLES not in stated and found == []


@pytest.mark.parametrize("sms", [1, 132, 148])
def test_the_share_of_active_cycles_is_the_same_however_many_sms_are_counted(sms: int) -> None:
    assert exposed(sms)[0][Column.SM] == [2_500] * 3


@pytest.mark.parametrize(
    ("column", "wrong", "stated"),
    [
        (Column.SM, {"active": {2: 0}}, [2_500, 0, 0]),
        (Column.SM, {"active": {2: 10**16}}, [2_500, 0, 0]),  # for longer than time went by
        (Column.SM, {"elapsed": {2: 0}}, [2_500, 0, 0]),
        (Column.SM, {"elapsed": {2: 10**18}}, [2_500, 0, 0]),
        (Column.FABRIC, {"sent": {2: 0, 3: 600 << 20}}, [720, 180, 720]),  # it began again
        (Column.FABRIC, {"sent": {2: 1 << 60}}, [720, 180, 180]),  # no link carries that
    ],
)
def test_where_a_counter_tells_nothing_the_gauges_do(
    column: Column, wrong: dict[str, dict[int, int]], stated: list[int]
) -> None:
    assert exposed(wrong=wrong)[0][column] == stated


def test_counters_of_instances_are_not_added_up() -> None:
    """They come and go, so that a sum of theirs falls and rises by itself; of cycles none has a known share."""
    text = "".join(
        f'DCGM_FI_PROF_{name}_TOTAL{{gpu="0",UUID="GPU-1",GPU_I_ID="{part}",GPU_I_PROFILE="1g.10gb"}} 7e9\n'
        for name in ("SM_CYCLES_ELAPSED", "SM_CYCLES_ACTIVE", "MMA_CYCLES_ACTIVE", "PCIE_TX_BYTES", "PCIE_RX_BYTES")
        for part in (1, 2)
    )
    (scrape,) = read_expositions([("1745514105.prom", text.encode().splitlines())], Times(), [])
    assert scrape.values == {}


def test_pipes_that_were_active_for_longer_than_time_went_by_are_not_believed() -> None:
    stated, found = columns(scrapes(1, share=2))
    assert Column.CYCLES not in stated
    assert [i.kind for i in found] == [Kind.UNITS]


def test_a_counter_that_began_again_is_left_out_of_its_window() -> None:
    given = scrapes(1)
    given[2] = given[2]._replace(values={**given[2].values, Field.ELAPSED: 0, Field.MMA: 0})
    stated, _ = columns(given)
    assert Column.CYCLES not in stated
    assert Column.DERIVED_CYCLES in stated


def test_values_that_are_not_there_stay_so() -> None:
    time_ms = np.arange(4) * 60_000
    elapsed = np.array([0, 60 * CLOCK, NONE, 180 * CLOCK])
    counted = per_sm(time_ms, elapsed, np.array([0, 600, 700, NONE]), H100)
    assert counted is not None
    assert counted.tolist() == [0, 600, NONE, NONE]


@pytest.mark.parametrize("name", ["DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR", "dcgm_xid_errors"])
def test_an_xid_is_read_under_all_its_names(name: str) -> None:
    lines = [f'{name}{{gpu="0",UUID="GPU-1",hostname="n1"}} 79'.encode()]
    (scrape,) = read_expositions([("1745514105.prom", lines)], Times(), [])
    assert scrape.values == {Field.XID: 79}


def test_an_xid_is_recorded_when_it_first_stands_there() -> None:
    _, found = columns(scrapes(1, xid=[0, 79, 79, 48]))
    assert [(i.kind, i.where, i.numbers["xid"]) for i in found] == [(Kind.XID, "f:1", 79), (Kind.XID, "f:3", 48)]
