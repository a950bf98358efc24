"""Cycle counters of DCGM 4.6 and XID errors: counted cycles become the counted column, or are left out."""

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


def test_fields_1084_and_1086_are_taken_and_the_others_are_not() -> None:
    base = 'gpu="0",UUID="GPU-1",hostname="n1"'
    names = [
        "SM_CYCLES_ELAPSED", "SM_CYCLES_ACTIVE", "MMA_CYCLES_ACTIVE", "DMMA_CYCLES_ACTIVE", "HMMA_CYCLES_ACTIVE",
        "IMMA_CYCLES_ACTIVE", "DFMA_CYCLES_ACTIVE", "PCIE_TX_BYTES", "PCIE_RX_BYTES", "INT_CYCLES_ACTIVE",
        "FP64_CYCLES_ACTIVE", "FP32_CYCLES_ACTIVE", "FP16_CYCLES_ACTIVE",
    ]  # fmt: skip
    lines = [f"DCGM_FI_PROF_{name}_TOTAL{{{base}}} {k}000000".encode() for k, name in enumerate(names, 1084)]
    (scrape,) = read_expositions([("1745514105.prom", lines)], Times(), [])
    assert scrape.values == {Field.ELAPSED: 1_084, Field.MMA: 1_086}


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
