"""Expositions of other exporters than NVIDIA's: what of them is a value, and whose."""

import pytest

from attest.collect.dcgm import Scrape, read_expositions
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.irregular import Irregularity, Kind
from attest.collect.times import Times

AMD = 'gpu_id="0",card_model="102-G36218",serial_number="692",hostname="n1",gpu_compute_partition_type="{0}"'
TPU = 'accelerator_id="1234-{0}",make="cloud-tpu",model="tpu-v6e-slice",tpu_topology="2x2"'


def scrape(text: str) -> tuple[list[Scrape], list[Irregularity]]:
    found: list[Irregularity] = []
    lines = [line.encode() for line in text.splitlines()]
    return list(read_expositions([("1745514105.prom", lines)], Times(), found)), found


def test_amd_energy_is_in_microjoules() -> None:
    labels = AMD.format("spx") + ',gpu_partition_id="0"'
    text = f"""
# TYPE gpu_energy_consumed gauge
gpu_energy_consumed{{{labels}}} 1.4e17
gpu_package_power{{{labels}}} 748
gpu_gfx_activity{{{labels}}} 57.5
gpu_umc_activity{{{labels}}} 12
gpu_clock{{{labels},clock_type="GPU_CLOCK_TYPE_SYSTEM",clock_index="0"}} 1533
gpu_clock{{{labels},clock_type="GPU_CLOCK_TYPE_SYSTEM",clock_index="1"}} 2100
gpu_clock{{{labels},clock_type="GPU_CLOCK_TYPE_MEMORY",clock_index="8"}} 2600
gpu_edge_temperature{{{labels}}} 41
gpu_nodes_total{{hostname="n1"}} 8
"""
    ((only,), found) = scrape(text)
    assert (only.host, only.uid, only.serial, only.model, found) == ("n1", "692", "692", "102-G36218", [])
    assert only.values == {
        Field.ENERGY: 140_000_000_000_000,
        Field.POWER: 748_000,
        Field.SM: 575_000,
        Field.DRAM: 120_000,
        Field.CLOCK: 2_100,
    }


def partitioned() -> str:
    board = {"gpu_energy_consumed": "5000000", "gpu_power_usage": "748", "gpu_gfx_activity": "50"}
    return "\n".join(
        f'{metric}{{{AMD.format("cpx")},gpu_partition_id="{part}"}} {value if part == 0 else 0}'
        for metric, value in board.items()
        for part in range(4)
    )


def test_zeros_of_other_partitions_are_no_values() -> None:
    ((board,), found) = scrape(partitioned())
    # Activity is left out: it is of one partition, and nobody knows of how much of the board.
    assert board.values == {Field.ENERGY: 5_000, Field.POWER: 748_000}
    assert [(i.kind, i.numbers) for i in found] == [(Kind.BLANK, {"values": 9})]


def test_a_board_of_which_only_another_partition_is_seen_has_no_energy_and_not_none_at_all() -> None:
    text = "\n".join(line for line in partitioned().splitlines() if 'partition_id="0"' not in line)
    ((board,), _) = scrape(text)
    assert board.values == {}


def test_a_tpu_has_activity_and_no_energy() -> None:
    text = "\n".join(
        f"{name}{{{TPU.format(chip)}{workload}}} {value}"
        for name, workload, value in [
            ("tensorcore_utilization", ',pod="p",namespace="d",container="c"', 22),
            ("tensorcore_utilization_node", "", 22),
            ("duty_cycle_node", "", 80),
            ("memory_bandwidth_utilization_node", "", 12.5),
            ("memory_used_node", "", 1_000),
        ]
        for chip in range(4)
    )
    scrapes, _ = scrape(text)
    assert [(s.host, s.uid, s.model) for s in scrapes] == [
        ("1234", f"1234-{chip}", "tpu-v6e-slice") for chip in range(4)
    ]
    assert {tuple(s.values.items()) for s in scrapes} == {
        ((Field.TENSOR, 220_000), (Field.SM, 800_000), (Field.DRAM, 125_000))
    }


def test_an_idle_tpu_is_missing_and_not_idle() -> None:
    busy = [f"tensorcore_utilization_node{{{TPU.format(chip)}}} 22" for chip in range(2)]
    files = [
        (f"{1_745_514_000 + 60 * k}.prom", [line.encode() for line in (busy if k != 1 else busy[:1])]) for k in range(3)
    ]
    found: list[Irregularity] = []
    (host,) = gather_series(read_expositions(files, Times(), found), found).values()
    assert len(host.devices["1234-1"].time_ms) == 2
    missing = [i for i in found if i.kind is Kind.MISSING]
    assert [(i.who, i.numbers) for i in missing] == [("1234-1", {"expositions": 1})]


@pytest.mark.parametrize(
    "line",
    [
        'duty_cycle{accelerator_id="GPU-1",make="nvidia",model="NVIDIA L4"} 57',
        'gpu_energy_consumed{hostname="n1"} 7',
        'gpu_temperature{gpu="0"} 7',
    ],
)
def test_metrics_of_others_are_nobodys(line: str) -> None:
    scrapes, _ = scrape(f"{line}\ntensorcore_utilization{{{TPU.format(0)}}} 1")
    assert [s.uid for s in scrapes] == ["1234-0"]
