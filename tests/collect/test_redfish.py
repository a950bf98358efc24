"""Redfish: what is a reading of real and mocked resources, and what only looks like one; BMCs behind real HTTP."""

import json
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attest.collect.collector import Collector, Reading, Sample
from attest.collect.fetch import Fetcher
from attest.collect.irregular import Irregularity, Kind
from attest.collect.readings import coarse_step, gather_readings
from attest.collect.redfish import parse_resource, read_resource
from attest.collect.redfish_live import MAX_RESOURCES, REDISCOVER_MS, Redfish
from attest.errors import ImportDataError
from attest.format.vocabulary import Quantity
from tests.collect.hostile import Chunks, reply, serve

T = 1_745_514_105_000
SAMPLES = "bmc-pdu-smi-samples/redfish"


def read(value: Any) -> list[tuple[str, str, int]]:
    resource = parse_resource(value if isinstance(value, bytes) else json.dumps(value).encode(), "f")
    return [(r.node, r.quantity.name, r.value) for r in read_resource(resource, "f", T)]


def refused(value: dict[str, Any]) -> ImportDataError:
    with pytest.raises(ImportDataError) as info:
        read(value)
    return info.value


@pytest.mark.parametrize(
    ("file", "node", "milliwatts"),
    [
        # A Dell's supply says 900 W of input beside 203 W of output: the rating of its range. An HPE's say 0 and 90 W.
        ("dell_power.json", "Chassis/System.Embedded.1/Power", 429_000),
        ("hp_power.json", "Chassis/1/Power", 221_000),
        ("dmtf_Power_index.json", "Chassis/1U/Power", 344_000),
        ("dmtf_Sensors_TotalPower_index.json", "Chassis/1U/Sensors/TotalPower", 374_000),
        ("dmtf_PowerSubsystem_PowerSupplies_Bay1_Metrics_index.json",
         "Chassis/1U/PowerSubsystem/PowerSupplies/Bay1/Metrics", 937_400),
        ("outlet_rackpdu.json", "PowerEquipment/RackPDUs/1/Outlets/A1", 197_400),
    ],
)  # fmt: skip
def test_real_resources(shared: Path, file: str, node: str, milliwatts: int) -> None:
    # The energies there are resettable readings without a lifetime's: none of them is taken.
    assert read((shared / "data" / SAMPLES / file).read_bytes()) == [(node, "GAUGE_POWER", milliwatts)]


def test_a_chassis_measures_nothing(shared: Path) -> None:
    assert read((shared / "data" / SAMPLES / "dell_chassis.json").read_bytes()) == []


def outlet(**values: Any) -> dict[str, Any]:
    return {"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": "/redfish/v1/PDU/1/Outlets/A1", **values}


def sensor(kind: str = "Power", **values: Any) -> dict[str, Any]:
    head = {"@odata.type": "#Sensor.v1_6_0.Sensor", "@odata.id": "/redfish/v1/Chassis/1/Sensors/S", "ReadingType": kind}
    return head | values


@pytest.mark.parametrize(
    ("resource", "millijoules"),
    [
        (outlet(EnergykWh={"Reading": 1, "LifetimeReading": 36_170.5}), 130_213_800_000_000),
        (outlet(EnergyJoules={"LifetimeReading": 12.5}), 12_500),
        (sensor("EnergykWh", ReadingUnits="kW.h", LifetimeReading=2), 7_200_000_000),
        (sensor("EnergyJoules", ReadingUnits="J", Reading=5, LifetimeReading=2), 2_000),
    ],
)
def test_the_lifetimes_energy_is_a_register(resource: dict[str, Any], millijoules: int) -> None:
    assert [r[1:] for r in read(resource)] == [("REGISTER", millijoules)]


@pytest.mark.parametrize(
    "resource",
    [
        outlet(EnergykWh={"Reading": 36_166}),
        outlet(PowerWatts={"Reading": None}),
        outlet(PowerWatts={"Reading": 0}, Status={"State": "Absent"}),
        outlet(PowerWatts=None, EnergykWh=[]),
        sensor("EnergykWh", Reading=7),
        sensor("Temperature", Reading=7),
        {"@odata.type": "#Power.v1_5_0.Power", "@odata.id": "/redfish/v1/C/1/Power", "PowerControl": [{}, None]},
        {"@odata.type": "#PowerSubsystem.v1_1_0.PowerSubsystem", "@odata.id": "/redfish/v1/C/1", "CapacityWatts": 800},
    ],
)
def test_what_is_not_said_is_no_reading_and_no_zero(resource: dict[str, Any]) -> None:
    assert read(resource) == []


def test_members_of_one_resource_are_told_apart() -> None:
    members = [{"PowerConsumedWatts": 400}, {"PowerConsumedWatts": 120.5}]
    power = {"@odata.type": "#Power.v1_5_0.Power", "@odata.id": "/redfish/v1/C/1/Power", "PowerControl": members}
    assert read(power) == [("C/1/Power#0", "GAUGE_POWER", 400_000), ("C/1/Power#1", "GAUGE_POWER", 120_500)]


@pytest.mark.parametrize(
    ("resource", "code", "says"),
    [
        (outlet(PowerWatts={"Reading": -3}), "import/value", "negative"),
        (outlet(PowerWatts={"Reading": "197"}), "import/value", "no number"),
        (outlet(PowerWatts={"Reading": True}), "import/value", "no number"),
        (outlet(PowerWatts={"Reading": float("nan")}), "import/value", "no number"),
        (outlet(PowerWatts={"Reading": 1e12}), "import/value", ""),
        (outlet(EnergykWh={"LifetimeReading": -1}), "import/value", "no energy"),
        (outlet(EnergykWh={"LifetimeReading": 1e99}), "import/value", "no energy"),
        (sensor(Reading=1, ReadingUnits="kW"), "import/value", "'kW' where 'W' should be"),
        (sensor(Reading=1, ReadingTime="yesterday"), "import/time", "no time"),
        (sensor(Reading=1, ReadingTime="2025-04-24T17:01:45"), "import/time", "no zone"),
        ({"@odata.type": "#Outlet.v1_4_2.Outlet", "PowerWatts": {"Reading": 3}}, "import/line", "@odata.id"),
        ({"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": "/redfish/v1/\n"}, "import/line", "@odata.id"),
        ({"value": 3}, "import/redfish", "@odata.type"),
        ({"@odata.type": 7}, "import/redfish", "@odata.type"),
    ],
)
def test_what_is_wrong_is_refused(resource: dict[str, Any], code: str, says: str) -> None:
    error = refused(resource)
    assert error.code == code
    assert says in error.detail


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"<html>", b"[]", b'{"a":1e99999999999999999999}', b"\xff"])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ImportDataError) as info:
        parse_resource(body, "f")
    assert info.value.code == "import/redfish"


def gathered(quantity: Quantity, *values: int) -> tuple[list[int], list[Irregularity]]:
    found: list[Irregularity] = []
    readings = [Reading("a", T + 1_000 * k, quantity, value, f"f:{k}") for k, value in enumerate(values)]
    series = gather_readings(readings, quantity, found)
    return series["a"].values.tolist(), found


def test_steps_of_75_w_are_the_meters_resolution() -> None:
    values, found = gathered(Quantity.GAUGE_POWER, *[75_000 * k for k in (4, 5, 5, 6, 8, 4)])
    assert values == [300_000, 375_000, 375_000, 450_000, 600_000, 300_000]
    assert [(i.kind, i.numbers) for i in found] == [(Kind.COARSE, {"step_mw": 75_000})]
    assert gathered(Quantity.GAUGE_POWER, 429_000, 430_000, 436_000, 425_000, 300_000)[1] == []
    assert coarse_step(np.array([75_000, 75_000, 150_000])) is None  # two values agree on any step


def test_a_register_that_falls_is_a_reset() -> None:
    values, found = gathered(Quantity.REGISTER, 7_200_000_000, 10_800_000_000, 3_600_000_000)
    assert values == [7_200_000_000, 10_800_000_000, 3_600_000_000]
    assert [(i.kind, i.where, i.numbers) for i in found] == [
        (Kind.RESET, "f:2", {"before_mj": 10_800_000_000, "after_mj": 3_600_000_000})
    ]


class Bmc:
    """A server's tree of resources by path; its clock is `ahead` of the recorder's, which stands at `now`."""

    def __init__(self, tree: dict[str, Any], *, ahead: int = 0) -> None:
        self.tree, self.ahead, self.now = tree, ahead, T
        self.asked: list[str] = []

    def __call__(self, target: str) -> Chunks:
        self.asked.append(target)
        found = self.tree.get(target)
        if found is None:
            return reply(b"{}", "application/json", status="404 Not Found")
        if isinstance(found, list):
            return found
        date = formatdate((self.now + 1000 * self.ahead) / 1000, usegmt=True)
        kind = "application/json;odata.metadata=minimal;charset=utf-8"
        return reply(json.dumps({"@odata.id": target} | found).encode(), kind, Date=date)


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


POWER = {"@odata.type": "#Power.v1_5_0.Power", "PowerControl": [{"PowerConsumedWatts": 429}]}
RACK = "/redfish/v1/PowerEquipment/RackPDUs/1"
OUTLETS = {
    RACK: {
        "@odata.type": "#PowerDistribution.v1_3_0.PowerDistribution",
        "Outlets": link(f"{RACK}/Outlets"),
        "Metrics": link(f"{RACK}/Metrics"),
    },
    f"{RACK}/Metrics": {
        "@odata.type": "#PowerDistributionMetrics.v1_3_0.PowerDistributionMetrics",
        "PowerWatts": {"Reading": 400},
        "EnergykWh": {"Reading": 1, "LifetimeReading": 900},
    },
    f"{RACK}/Outlets": {
        "@odata.type": "#OutletCollection.OutletCollection",
        "Members": [link(f"{RACK}/Outlets/A{k}") for k in (1, 2)],
    },
    f"{RACK}/Outlets/A1": {"@odata.type": "#Outlet.v1_4_2.Outlet", "PowerWatts": {"Reading": 197.4}},
    f"{RACK}/Outlets/A2": {"@odata.type": "#Outlet.v1_4_2.Outlet", "PowerWatts": {"Reading": 202.6}},
}


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    pytest.importorskip("httpx")
    with Fetcher(seconds=0.5, limit=1 << 20) as fetcher:
        yield fetcher


def collect(fetcher: Fetcher, bmc: Bmc, path: str) -> Sample:
    with serve(bmc) as url:
        collector: Collector = Redfish("bmc", url + path, fetcher)
        return collector.collect(bmc.now)


def test_a_pdu_stands_for_its_metrics_and_outlets(fetcher: Fetcher) -> None:
    sample = collect(fetcher, Bmc(OUTLETS), RACK)
    assert [(r.node.rpartition("/")[2], r.quantity.name, r.value, r.time_ms) for r in sample.readings] == [
        ("Metrics", "GAUGE_POWER", 400_000, T),
        ("Metrics", "REGISTER", 3_240_000_000_000, T),
        ("A1", "GAUGE_POWER", 197_400, T),
        ("A2", "GAUGE_POWER", 202_600, T),
    ]
    assert (sample.refusals, sample.irregularities) == ((), ())


def test_a_chassis_stands_for_its_power_and_a_subsystem_for_its_supplies(fetcher: Fetcher) -> None:
    supplies = "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies"
    tree = {
        "/redfish/v1/Chassis": {"@odata.type": "#ChassisCollection.ChassisCollection",
                                "Members": [link("/redfish/v1/Chassis/1")]},
        "/redfish/v1/Chassis/1": {"@odata.type": "#Chassis.v1_6_0.Chassis",
                                  "Power": link("/redfish/v1/Chassis/1/Power")},
        "/redfish/v1/Chassis/1/Power": POWER,
        "/redfish/v1/Chassis/1/PowerSubsystem": {"@odata.type": "#PowerSubsystem.v1_1_0.PowerSubsystem",
                                                 "PowerSupplies": link(supplies)},
        supplies: {"@odata.type": "#PowerSupplyCollection.PowerSupplyCollection", "Members": [link(f"{supplies}/B1")]},
        f"{supplies}/B1": {"@odata.type": "#PowerSupply.v1_0_0.PowerSupply", "Metrics": link(f"{supplies}/B1/Metrics")},
        f"{supplies}/B1/Metrics": {"@odata.type": "#PowerSupplyMetrics.v1_0_1.PowerSupplyMetrics",
                                   "InputPowerWatts": {"Reading": 937.4}},
    }  # fmt: skip
    assert [r.value for r in collect(fetcher, Bmc(tree), "/redfish/v1/Chassis").readings] == [429_000]
    assert [r.value for r in collect(fetcher, Bmc(tree), "/redfish/v1/Chassis/1/PowerSubsystem").readings] == [937_400]


PATH = "/redfish/v1/Chassis/1/Power"


@pytest.mark.parametrize(
    ("ahead", "kind", "shift"),
    [
        (0, None, None), (4, None, None), (3_600, Kind.SHIFT, 3_600), (-28_800, Kind.SHIFT, -28_800),
        (19_800, Kind.SHIFT, 19_800), (-7_199, Kind.SHIFT, -7_200), (700, Kind.CLOCK, None),
        (86_400 * 400, Kind.CLOCK, None),
    ],
)  # fmt: skip
def test_a_clock_that_is_hours_off_is_recorded_and_the_recorders_time_taken(
    fetcher: Fetcher, ahead: int, kind: Kind | None, shift: int | None
) -> None:
    sample = collect(fetcher, Bmc({PATH: POWER}, ahead=ahead), PATH)
    assert [(r.value, r.time_ms) for r in sample.readings] == [(429_000, T)]
    assert [i.kind for i in sample.irregularities] == ([] if kind is None else [kind])
    assert [i.numbers.get("shift_s") for i in sample.irregularities] == ([] if kind is None else [shift])


def stamped(at: int) -> dict[str, Any]:
    stamp = f"2025-04-24T{17 + at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}Z"  # T is 17:01:45
    return {"@odata.type": "#Sensor.v1_6_0.Sensor", "ReadingType": "Power", "Reading": 374, "ReadingTime": stamp}


def test_a_sensor_is_dated_back_by_its_age(fetcher: Fetcher) -> None:
    sample = collect(fetcher, Bmc({PATH: stamped(105 - 20)}), PATH)
    assert [r.time_ms for r in sample.readings] == [T - 20_000]
    sample = collect(fetcher, Bmc({PATH: stamped(105 + 2)}), PATH)
    assert [r.time_ms for r in sample.readings] == [T]


def test_a_sensor_in_another_zone_than_its_server_is_recorded(fetcher: Fetcher) -> None:
    sample = collect(fetcher, Bmc({PATH: stamped(105 + 3_600)}), PATH)
    assert [(r.value, r.time_ms) for r in sample.readings] == [(374_000, T)]
    assert [(i.kind, i.numbers["shift_s"]) for i in sample.irregularities] == [(Kind.SHIFT, 3_600)]


def test_a_sensor_that_was_read_long_ago_is_no_reading(fetcher: Fetcher, shared: Path) -> None:
    mock = json.loads((shared / "data" / SAMPLES / "dmtf_Sensors_TotalPower_index.json").read_bytes())
    sample = collect(fetcher, Bmc({PATH: mock | {"@odata.id": PATH}}), PATH)
    assert sample.empty
    assert [(r.who, r.code) for r in sample.refusals] == [("Chassis/1/Power", "collect/stale")]


def test_one_resource_fails_for_itself(fetcher: Fetcher) -> None:
    tree = OUTLETS | {f"{RACK}/Outlets/A1": [60.0], f"{RACK}/Metrics": reply(b"<html>", "text/html")}
    sample = collect(fetcher, Bmc(tree), RACK)
    assert [r.value for r in sample.readings] == [202_600]
    assert sorted(r.code for r in sample.refusals) == ["collect/timeout", "collect/type"]
    with serve(Bmc(tree)) as url:
        collector = Redfish("bmc", url + RACK, fetcher)
        for k in range(3):  # at every asking, until it answers
            codes = {r.code for r in collector.collect(T + 1_000 * k).refusals}
            assert codes == {"collect/timeout", "collect/type"}
    negative = {"@odata.type": "#Outlet.v1_4_2.Outlet", "PowerWatts": {"Reading": -1}}
    sample = collect(fetcher, Bmc(OUTLETS | {f"{RACK}/Outlets/A1": negative}), RACK)
    assert len(sample.readings) == 3
    assert [(r.who.rpartition("/")[2], r.code) for r in sample.refusals] == [("A1", "import/value")]


def test_what_was_found_is_asked_again_and_looked_for_anew_when_it_fails(fetcher: Fetcher) -> None:
    bmc = Bmc(dict(OUTLETS))
    with serve(bmc) as url:
        collector = Redfish("bmc", url + RACK, fetcher)
        collector.collect(T)
        bmc.asked.clear()
        collector.collect(T + 1_000)
        assert len(bmc.asked) == 3  # the leaves alone
        gone = bmc.tree.pop(f"{RACK}/Outlets/A2")
        assert [r.code for r in collector.collect(T + 2_000).refusals] == ["collect/status"]
        bmc.tree[f"{RACK}/Outlets/A2"] = gone
        assert len(collector.collect(T + 3_000).readings) == 4
        bmc.asked.clear()
        collector.collect(T + 3_000 + REDISCOVER_MS)
        assert RACK in bmc.asked


def test_links_to_elsewhere_and_in_circles_are_not_followed(fetcher: Fetcher) -> None:
    members = [link(RACK), link("http://169.254.169.254/latest"), link("//evil/redfish"), {"@odata.id": 7}, None]
    tree = {RACK: {"@odata.type": "#OutletCollection.OutletCollection", "Members": members}}
    bmc = Bmc(tree)
    sample = collect(fetcher, bmc, RACK)
    assert [r.code for r in sample.refusals] == ["collect/empty"]
    assert bmc.asked == [RACK]


def test_an_endless_collection_is_cut_off(fetcher: Fetcher) -> None:
    members = [link(f"{RACK}/{k}") for k in range(1_000)]
    tree = {RACK: {"@odata.type": "#OutletCollection.OutletCollection", "Members": members}}
    sample = collect(fetcher, Bmc(tree), RACK)
    assert sample.refusals[-1].code in ("collect/size", "collect/status")
    assert len(sample.refusals) <= MAX_RESOURCES + 1
    assert "collect/size" in {r.code for r in sample.refusals}
