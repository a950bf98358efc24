"""What `attest import` says it found: one object, printed as text or as JSON (schemas/import.md, "Report").

Energies are those of the drafts, as `attest check` reads them, in mJ; what no draft covers has none.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from attest.collect.devices import Host
from attest.collect.irregular import Irregularity, count
from attest.collect.readings import Series
from attest.collect.stamps import format_time
from attest.collect.statements import DAY, Chain, Draft
from attest.collect.workloads import Workload
from attest.compute.columns import SPAN
from attest.evidence.meter import Row, read_meter
from attest.format.block import parse_meter, parse_usage
from attest.format.bodies import MeterBody, UsageBody
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, State

MAX_LISTED: Final = 5  # irregularities of one kind that the text lists; the JSON has all

Data = dict[str, Any]


class MeterReport:
    """Adds up the drafts of a meter as they pass."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.energy: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()

    def watch(self, drafts: Iterable[Draft]) -> Iterator[Draft]:
        """The drafts, unchanged."""
        for number, draft in enumerate(drafts):
            body = draft.body
            assert isinstance(body, MeterBody)
            readings = parse_meter(draft.block or b"", self.chain.binding(number), body)
            for channel, (values, offsets) in zip(body.channels, readings, strict=True):
                rows = read_meter(values, offsets, body, draft.start, draft.end, DAY)
                self.energy[channel.feed] += int(rows[:, [Row.LOW, Row.STARTING]].sum())  # each step once
                self.readings[channel.feed] += len(values)
            yield draft

    def data(self, nodes: Mapping[str, Series], feed_of: Mapping[str, str]) -> Data:
        """By node, what its record holds and what the drafts say of its feed."""
        return {
            "energy_mj": sum(self.energy.values()),
            "nodes": [
                {
                    "node": node,
                    "feed": feed_of[node],
                    "readings": len(series.time_ms),
                    "stated": self.readings[feed_of[node]],
                    "first": format_time(int(series.time_ms[0])),
                    "last": format_time(int(series.time_ms[-1])),
                    "step_ms": series.step_ms,
                    "energy_mj": self.energy[feed_of[node]],
                }
                for node, series in nodes.items()
            ],
        }


class UsageReport:
    """Adds up the drafts of a host as they pass; `uids` has the devices of each roster by its digest."""

    def __init__(self, chain: Chain, uids: Mapping[bytes, Sequence[str]]) -> None:
        self.chain = chain
        self.uids = uids
        self.energy: Counter[str] = Counter()
        self.states: dict[str, Counter[str]] = {}
        self.runs: Counter[bytes] = Counter()  # intervals by commitment
        self.no_run = 0

    def watch(self, drafts: Iterable[Draft]) -> Iterator[Draft]:
        """The drafts, unchanged."""
        for number, draft in enumerate(drafts):
            body = draft.body
            assert isinstance(body, UsageBody)
            uids = self.uids[body.roster]
            intervals = (draft.end - draft.start) // body.interval
            total = intervals * body.devices
            spans = np.frombuffer(body.spans, SPAN)
            lengths = np.diff(np.append(spans["first"], total))
            states = np.repeat(spans["state"], lengths).reshape(-1, intervals)
            self._count_runs(body, spans, lengths)
            for uid, row in zip(uids, states, strict=True):
                held = self.states.setdefault(uid, Counter())
                held.update(
                    {State(s).name.lower(): int(n) for s, n in zip(*np.unique(row, return_counts=True), strict=True)}
                )
            if Column.ENERGY in body.columns:
                binding = self.chain.binding(number)
                columns = parse_usage(draft.block or b"", binding, body.columns, total, interval=body.interval)
                sums = columns[Column.ENERGY].values.reshape(-1, intervals).sum(axis=1, dtype=np.int64)
                self.energy.update(dict(zip(uids, sums.tolist(), strict=True)))
            yield draft

    def _count_runs(self, body: UsageBody, spans: Any, lengths: Any) -> None:
        for place, run in enumerate(body.runs):
            self.runs[run.commitment] += int(lengths[spans["run"] == place].sum())
        self.no_run += int(lengths[(spans["run"] == NO_RUN) & (spans["state"] == State.SAMPLED)].sum())

    def named(self, workloads: Mapping[bytes, Workload]) -> Data:
        """By run, how many intervals belong to it, and how many that were sampled belong to none."""
        runs = [
            {
                "run": workloads[commitment].run,
                "label": workloads[commitment].label.name.lower().replace("_", "-"),
                "commitment": commitment.hex(),
                "intervals": intervals,
            }
            for commitment, intervals in self.runs.items()
        ]
        return {"runs": runs, "no_run": self.no_run}

    def data(self, host: Host) -> Data:
        """By device, what was scraped and what the drafts say."""
        by_uid = {uid: device for device in host.devices.values() for uid in (device.uid, device.serial)}
        devices = []
        for uid, states in self.states.items():
            device = by_uid.get(uid)
            devices.append(
                {
                    "device": uid,
                    "model": device.model if device else "",
                    "scrapes": len(device.time_ms) if device else 0,
                    "intervals": dict(states),
                    "energy_mj": self.energy[uid],
                }
            )
        return {"host": host.name, "energy_mj": sum(self.energy.values()), "devices": devices}


def envelope(
    source: str, windows: Sequence[tuple[int, int]], appended: int, found: Sequence[Irregularity], part: Data
) -> Data:
    """The whole report, of statements for these windows, of which so many were signed and appended."""
    return {
        "format": "attest-import/1",
        "source": source,
        "appended": appended,
        "from": format_time(windows[0][0] * 1000),
        "until": format_time(windows[-1][1] * 1000),
        "statements": len(windows),
        **part,
        "irregular": count(found),
        "irregularities": [irregularity.as_dict() for irregularity in found],
    }


def as_json(data: Data) -> str:
    """The report as JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_text(data: Data) -> str:
    """The report for people."""
    done = f"appended {data['appended']}" if data["appended"] else f"nothing written: would append {data['statements']}"
    plural = "" if data["statements"] == 1 else "s"
    lines = [f"{done} statement{plural} of {data['source']}", f"  window       {data['from']} to {data['until']}"]
    lines.append(f"  energy       {_joules(data['energy_mj'])}")
    for clock in data.get("clock", ()):
        lines.append(f"  clock        {clock['text']}")
    for node in data.get("nodes", ()):
        feed = "" if node["feed"] == node["node"] else f" as {node['feed']}"
        step = "" if node["step_ms"] is None else f" every {node['step_ms'] / 1000:g} s"
        lines.append(f"  {node['node']}{feed}: {node['readings']:,} readings{step}, {_joules(node['energy_mj'])}")
    for device in data.get("devices", ()):
        states = ", ".join(f"{n:,} {name}" for name, n in sorted(device["intervals"].items(), key=lambda i: -i[1]))
        model = f" ({device['model']})" if device["model"] else ""
        lines.append(f"  {device['device']}{model}: {states}; {_joules(device['energy_mj'])}")
    for run in data.get("runs", ()):
        lines.append(f"  run          {run['run']}: {run['label']}, {run['intervals']:,} intervals")
    if "no_run" in data:
        lines.append(f"  run          none: {data['no_run']:,} sampled intervals")
    return "\n".join([*lines, *listed(data)]) + "\n"


def listed(data: Data) -> list[str]:
    """The irregularities of a report as lines, the first of each kind."""
    lines = []
    for kind, number in data["irregular"].items():
        lines.append(f"  irregular    {number:,} x {kind}")
        held = [i for i in data["irregularities"] if i["kind"] == kind]
        lines += [f"    {_listed(irregularity)}" for irregularity in held[:MAX_LISTED]]
        if number > MAX_LISTED:
            lines.append(f"    and {number - MAX_LISTED:,} more, all of them in --format json")
    return lines or ["  irregular    nothing"]


def _listed(irregularity: Data) -> str:
    numbers = ", ".join(f"{name} {value:,}" for name, value in irregularity["numbers"].items())
    where = f" at {irregularity['where']}" if irregularity["where"] else ""
    time = f", {format_time(irregularity['time_ms'])}" if irregularity["time_ms"] else ""
    return f"{irregularity['who']}{where}{time}" + (f": {numbers}" if numbers else "")


def _joules(millijoules: int) -> str:
    return f"{millijoules / 1000:,.0f} J"
