"""The real telemetry in ../shared/data through the importers: what each file is found to hold.

    python tests/bench/real_files.py            the table of the README

An interval lies between two readings of one device or node that no gap parts; of a file that is one moment there is
none. Slurm's files are run tables and no telemetry; those of Helios and Philly count jobs and name no device.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from attest.collect.columns import Wanted  # noqa: E402
from attest.collect.dcgm import Scrape, read_expositions  # noqa: E402
from attest.collect.devices import gather_series  # noqa: E402
from attest.collect.files import lines, whole  # noqa: E402
from attest.collect.irregular import Irregularity, Kind, count  # noqa: E402
from attest.collect.power import Options, read_power  # noqa: E402
from attest.collect.readings import MeterLog  # noqa: E402
from attest.collect.redfish import parse_resource, read_redfish, read_resource  # noqa: E402
from attest.collect.smi import read_smi  # noqa: E402
from attest.collect.times import Times  # noqa: E402

DATA: Final = ROOT.parent / "shared" / "data"
MOMENT: Final = Times(1_745_514_105_000, utc_offset=0)  # of files that do not say when they were recorded
RUNS: Final = 10  # of one file of Lenovo's, at most


class Row(NamedTuple):
    """A file or several alike: what was found, added up."""

    files: str
    verb: str
    devices: int
    readings: int
    intervals: int
    irregular: str


def rows() -> Iterator[Row]:
    """All of them, in the order of their names."""
    yield from _exporters(DATA / "dcgm-exporter-expositions")
    yield from _tools(DATA / "bmc-pdu-smi-samples")
    yield from _bmcs(DATA / "bmc-pdu-smi-samples" / "redfish")
    wall = sorted((DATA / "mlperf-infer-wallpower-8gpu").rglob("spl.txt"))
    logs = [read_power([(str(path), lines(str(path)))], Options(node="wall", utc_offset=0)) for path in wall]
    yield _meters(f"mlperf-infer-wallpower-8gpu/\\*/spl.txt ({len(wall)})", "power", logs)
    for path in sorted((DATA / "mlperf-train-512h100-smc").rglob("power_ac.csv")):
        log = read_power([(str(path), lines(str(path)))], Options())
        yield _meters(f"mlperf-train-512h100-smc/{path.parent.name}/{path.name}", "power", [log])
    raw = DATA / "mlperf-train-512h100-smc" / "raw-format-sample" / "node_1.txt"
    yield _meters(_name(raw), "power", [read_power([(str(raw), lines(str(raw)))], Options(node="node_1"))])
    for path in sorted((DATA / "mlperf-train-8b200-lenovo").rglob("power.csv")):
        runs = range(len(list(path.parent.glob("events_rank0_result_*.jsonl"))))
        wanted = [Options(Wanted(where=(("result", str(run)),))) for run in runs]
        logs = [read_power([(str(path), lines(str(path)))], options) for options in wanted]
        yield _meters(f"{_name(path)} ({len(runs)} runs)", "power", logs)


def _exporters(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.prom")):
        found: list[Irregularity] = []
        yield _devices(path, "dcgm", read_expositions([(str(path), lines(str(path)))], MOMENT, found), found)


def _tools(folder: Path) -> Iterator[Row]:
    for path in sorted([*folder.glob("amd/*.json"), *folder.glob("nvidia-smi/*.xml")]):
        found: list[Irregularity] = []
        yield _devices(path, "nvml", read_smi([(path.name, whole(str(path)))], "", MOMENT, found), found)


def _bmcs(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.json")):
        body = whole(str(path))
        if list(read_resource(parse_resource(body, path.name), path.name, 0)):
            log, _ = read_redfish([(path.name, body)], MOMENT, None, (), [])
            yield _meters(_name(path), "redfish", [log])
        else:
            yield Row(_name(path), "redfish", 0, 0, 0, "measures nothing")


def _devices(path: Path, verb: str, scrapes: Iterator[Scrape], found: list[Irregularity]) -> Row:
    hosts = gather_series(scrapes, found).values()
    devices = [device for host in hosts for device in host.devices.values()]
    read = [len(device.time_ms) for device in devices]
    gaps = sum(i.kind is Kind.GAP for i in found)
    return Row(_name(path), verb, len(devices), sum(read), sum(read) - len(read) - gaps, _irregular(found))


def _meters(files: str, verb: str, logs: list[MeterLog]) -> Row:
    read = [len(series.time_ms) for log in logs for series in log.nodes.values()]
    found = [i for log in logs for i in log.irregularities]
    gaps = sum(i.kind is Kind.GAP for i in found)
    nodes = max(len(log.nodes) for log in logs)
    return Row(files, verb, nodes, sum(read), sum(read) - len(read) - gaps, _irregular(found))


def _name(path: Path) -> str:
    return path.relative_to(DATA).as_posix()


def _irregular(found: list[Irregularity]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in count(found).items())


def table() -> str:
    """The rows as Markdown."""
    head = (
        "| file | `attest import` | devices or nodes | readings | intervals | irregular |\n|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {r.files} | {r.verb} | {r.devices} | {r.readings:,} | {r.intervals:,} | {r.irregular} |\n" for r in rows()
    )


if __name__ == "__main__":
    print(table(), end="")
