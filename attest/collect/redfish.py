"""Redfish resources of servers and rack PDUs to readings: watts of a moment, and energy since the meter was made.

| resource | power | energy |
|---|---|---|
| Power | PowerControl[].PowerConsumedWatts | |
| Sensor | Reading, of ReadingType Power | LifetimeReading, of ReadingType EnergykWh, EnergyWh, EnergyJoules |
| Outlet, OutletGroup, Circuit, PowerDistributionMetrics, EnvironmentMetrics | PowerWatts | EnergykWh, EnergyJoules |
| PowerSupplyMetrics | InputPowerWatts | EnergykWh |

Of an energy only `LifetimeReading` is taken: `Reading` starts anew whenever anybody posts ResetMetrics. What supplies
say of themselves inside Power is not: PowerInputWatts is the rating of its range on a Dell (900 W at an output of 203),
and LastPowerOutputWatts is behind the loss on an HPE and 0 for a supply in standby. PowerMetrics there is of minutes
that ended nobody knows when. A node is the path of its resource; of several members in one, with their number.

A resource of another kind, and a value that is null or of a part that is absent, is no reading. What is negative, not a
number, or in another unit than its name says, goes to `wrong`.

    >>> resource = {"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": "/redfish/v1/PowerEquipment/1/Outlets/A1"}
    >>> values = {"PowerWatts": {"Reading": Decimal("197.4")}, "EnergykWh": {"Reading": 7, "LifetimeReading": 36170}}
    >>> [(r.quantity.name, r.value) for r in read_resource(resource | values, "outlet.json", 1_745_514_105_000)]
    [('GAUGE_POWER', 197400), ('REGISTER', 130212000000000)]
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from attest.collect.collector import Reading
from attest.collect.dcgm import Wrong, stop
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.readings import MeterLog, gather_readings
from attest.collect.stamps import parse_power, parse_time
from attest.collect.times import Times, time_of
from attest.errors import ImportDataError
from attest.format.fields import MAX_TEXT
from attest.format.vocabulary import Quantity

ROOT: Final = "/redfish/v1/"
MAX_MEMBERS: Final = 256  # of PowerControl
MAX_REGISTER: Final = 1 << 62  # mJ

MJ: Final = {"EnergyJoules": 1_000, "EnergyWh": 3_600_000, "EnergykWh": 3_600_000_000}
UNITS: Final = {"Power": "W", "EnergyJoules": "J", "EnergyWh": "W.h", "EnergykWh": "kW.h"}
METERS: Final = {
    "Outlet": "PowerWatts",
    "OutletGroup": "PowerWatts",
    "Circuit": "PowerWatts",
    "PowerDistributionMetrics": "PowerWatts",
    "EnvironmentMetrics": "PowerWatts",
    "PowerSupplyMetrics": "InputPowerWatts",
}
_TYPE: Final = re.compile(r"#(\w+)\.(?:v\d+_\d+_\d+\.)?\w+", re.ASCII)

Resource = Mapping[str, Any]


def parse_resource(body: bytes, place: str) -> Resource:
    """A resource from its JSON. Raises ImportDataError `import/redfish`."""
    try:
        value = json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ImportDataError("import/redfish", f"{place}: no JSON: {type(error).__name__} {error}") from error
    if not isinstance(value, dict) or kind_of(value) is None:
        raise ImportDataError("import/redfish", f"{place}: no resource of Redfish: it names no @odata.type")
    return value


def kind_of(resource: Resource) -> str | None:
    """`Outlet`, of `#Outlet.v1_4_2.Outlet`; None if it is no resource."""
    match = _TYPE.fullmatch(str(resource.get("@odata.type", "")))
    return match[1] if match else None


def read_resource(resource: Resource, place: str, time_ms: int, wrong: Wrong = stop) -> Iterator[Reading]:
    """The readings in a resource; `time_ms` is of those that have no ReadingTime of their own.

    What is wrong is an ImportDataError `import/value`, `import/time`, `import/line` to `wrong`, with the node.
    """
    kind = kind_of(resource)
    node = str(resource.get("@odata.id", "")).removeprefix(ROOT).strip("/")
    if not 0 < len(node) <= MAX_TEXT or not node.isprintable():
        wrong(ImportDataError("import/line", f"{place}: no @odata.id that could name a node"), "")
        return
    for name, quantity, value in _values(kind, node, resource):
        try:
            at = _time(value, time_ms)
        except ValueError as error:
            wrong(ImportDataError("import/time", f"{place}: {name}: {error}"), name)
            continue
        try:
            taken = _taken(quantity, value)
        except ValueError as error:
            wrong(ImportDataError("import/value", f"{place}: {name}: {error}"), name)
            continue
        if taken is not None:
            yield Reading(name, at, quantity, taken, place)


def read_redfish(
    files: Iterable[tuple[str, bytes]],
    times: Times,
    quantity: Quantity | None,
    only: Collection[str],
    found: list[Irregularity],
) -> tuple[MeterLog, Quantity]:
    """The series in files, each (name, body), in the order of their recording, and what their readings are.

    Registers where every node has one, and power where none has; with both, `quantity` says which, and a node without
    it is added to `found` as missing. `only` names the nodes that are taken, all if it is empty. Raises
    ImportDataError, `import/quantity`, `import/node` and `import/empty` too.
    """
    readings: list[Reading] = []
    for number, (name, body) in enumerate(files):
        resource = parse_resource(body, name)
        time_ms = 0 if resource.get("ReadingTime") is not None else time_of(name, number, times)
        readings += read_resource(resource, name, time_ms)
    nodes = dict.fromkeys(reading.node for reading in readings)
    if absent := [node for node in only if node not in nodes]:
        refuse("import/node", "the files given", f"no node {absent[0]!r} in them: {', '.join(nodes)[:200]}")
    taken = [reading for reading in readings if not only or reading.node in only]
    if not taken:
        refuse("import/empty", "the files given", "no reading in them")
    registers = {reading.node for reading in taken if reading.quantity is Quantity.REGISTER}
    if quantity is None:
        if registers and registers != {reading.node for reading in taken}:
            hint = "say which with --quantity, or name nodes with --only"
            refuse("import/quantity", "the files given", "some nodes have an energy register and some have none", hint)
        quantity = Quantity.REGISTER if registers else Quantity.GAUGE_POWER
    irregular: list[Irregularity] = []
    series = gather_readings(taken, quantity, irregular)
    require_bounded(irregular)
    for node in dict.fromkeys(reading.node for reading in taken if reading.node not in series):
        others = [reading for reading in taken if reading.node == node]
        found.append(Irregularity(Kind.MISSING, others[0].where, node, others[0].time_ms, {"readings": len(others)}))
    if not series:
        refuse("import/empty", "the files given", "no reading of that quantity in them")
    return MeterLog(series, (), irregular), quantity


def _values(kind: str | None, node: str, resource: Resource) -> Iterator[tuple[str, Quantity, Resource]]:
    """What a resource measures, each as a sensor: ReadingType says its unit."""
    if kind == "Power":
        members = _dicts(resource.get("PowerControl"))
        for number, member in enumerate(members):
            name = node if len(members) == 1 else f"{node}#{number}"
            sensor = {"ReadingType": "Power", "Reading": member.get("PowerConsumedWatts")}
            yield name, Quantity.GAUGE_POWER, sensor | {"Status": member.get("Status")}
    elif kind == "Sensor" and resource.get("ReadingType") == "Power":
        yield node, Quantity.GAUGE_POWER, resource
    elif kind == "Sensor" and str(resource.get("ReadingType")) in MJ:
        yield node, Quantity.REGISTER, resource
    elif kind in METERS:
        status = {"Status": resource.get("Status")}
        for value in _dicts([resource.get(METERS[kind])]):
            yield node, Quantity.GAUGE_POWER, {**value, **status, "ReadingType": "Power"}
        registers = [(unit, value) for unit in MJ for value in _dicts([resource.get(unit)])]
        for unit, value in registers[:1]:
            yield node, Quantity.REGISTER, {**value, **status, "ReadingType": unit}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)][:MAX_MEMBERS] if isinstance(value, list) else []


def _taken(quantity: Quantity, sensor: Resource) -> int | None:
    """mW or mJ; None where the sensor says nothing. Raises ValueError."""
    status = sensor.get("Status")
    if isinstance(status, dict) and status.get("State") in ("Absent", "Disabled", "UnavailableOffline"):
        return None
    number = sensor.get("Reading" if quantity is Quantity.GAUGE_POWER else "LifetimeReading")
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise ValueError(f"{str(number)[:40]!r} is no number")
    kind = sensor["ReadingType"]
    if sensor.get("ReadingUnits", UNITS[kind]) != UNITS[kind]:
        raise ValueError(f"{str(sensor['ReadingUnits'])[:40]!r} where {UNITS[kind]!r} should be")
    if quantity is Quantity.GAUGE_POWER:
        return parse_power(str(number))
    if not 0 <= number < MAX_REGISTER // MJ[kind]:
        raise ValueError(f"{str(number)[:40]} is no energy")
    return int(number * MJ[kind])


def _time(sensor: Resource, time_ms: int) -> int:
    stamp = sensor.get("ReadingTime")
    return time_ms if stamp is None else parse_time(str(stamp))
