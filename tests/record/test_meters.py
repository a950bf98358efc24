"""The recorder of a meter: registers and gauges of its feeds, every reading once, whatever ends the process."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attest.collect import irregular
from attest.collect.collector import Reading, Sample
from attest.format.bodies import MeterBody
from attest.format.vocabulary import Quantity
from attest.record import recorder
from attest.record.asking import Asking
from attest.record.closing import Window
from attest.record.local import LocalLog
from attest.record.meters import Meter
from attest.record.metrics import Metrics
from attest.record.recorder import Recorder, Times
from attest.record.spool import Spool
from tests.collect.test_import import METER, START, Site, readings, signer, site
from tests.record.rig import MILLIWATTS, MINUTE, WINDOW, AtOnce, PlayedClock, Rig, Stopped

__all__ = ["site"]  # a fixture

NODES = ("node_0", "node_1")


@dataclass
class Registers:
    """Two feeds of one meter, as a collector."""

    clock: PlayedClock
    quantity: Quantity = Quantity.REGISTER
    name: str = "pdu"
    silent: bool = False
    nodes: tuple[str, ...] = field(default=NODES)

    def collect(self, now_ms: int) -> Sample:
        if self.silent:
            return Sample()
        value = MILLIWATTS
        if self.quantity is Quantity.REGISTER:
            value = (self.clock.true_ms - START * 1000 + 10**6) * MILLIWATTS // 1000
        return Sample(readings=tuple(Reading(node, now_ms, self.quantity, value, "pdu") for node in self.nodes))


def run(
    path: Path, clock: PlayedClock, registers: Registers, meter: Meter, interval: int = MINUTE, window: int = WINDOW
) -> None:
    with suppress(Stopped), closing(Spool(path / "spool", 1 << 20)) as spool:
        keys = [lambda: signer("meter")]
        log = LocalLog(path / "log", keys, spool, Window(interval, window, 30 * 86_400), path, Rig.sign, meter)
        times = Times(interval, 5, window, 3600, interval / 2 + 1)
        Recorder(times, clock, Asking([registers]), spool, log, Metrics()).run(AtOnce())


def stated(site: Site, node: str = "node_0") -> list[int]:
    """The minutes of the readings in statements."""
    return [ms // 60_000 for ms, _ in readings(site)[node]]


def bodies(site: Site) -> Iterator[MeterBody]:
    for statement in site.statements(METER):
        assert isinstance(statement.body, MeterBody)
        yield statement.body


@pytest.fixture
def clock() -> PlayedClock:
    return PlayedClock(START * 1000, (START + 32 * MINUTE) * 1000)


def test_registers_are_stated_once_and_windows_share_their_edges(site: Site, clock: PlayedClock) -> None:
    run(site.path, clock, Registers(clock), Meter({}, 2))
    for node in NODES:
        assert stated(site, node) == [*range(1, 11), *range(10, 21), *range(20, 31)]
    assert {body.quantity for body in bodies(site)} == {Quantity.REGISTER}
    assert {body.clock_uncertainty for body in bodies(site)} == {2}
    values = dict(readings(site)["node_0"])
    assert values[1_800_000] - values[60_000] == 29 * MINUTE * MILLIWATTS


@dataclass
class Sluggish(PlayedClock):
    """A process that is woken a little after each minute."""

    late_ms: int = 0

    def wait(self, seconds: float) -> bool:
        before = self.true_ms // 60_000
        stop = super().wait(seconds)
        if self.true_ms // 60_000 > before:
            self.true_ms += self.late_ms
        return stop


@pytest.mark.parametrize("late_ms", [3, 500])
def test_a_reading_is_of_the_boundary_that_it_was_asked_for_at(site: Site, late_ms: int) -> None:
    """Else it would stand just behind the edge of its window, and the step over the edge in no statement."""
    sluggish = Sluggish(START * 1000, (START + 32 * MINUTE) * 1000, late_ms=late_ms)
    run(site.path, sluggish, Registers(sluggish), Meter({}, 0))
    assert [ms / 60_000 for ms, _ in readings(site)["node_0"]] == [*range(1, 11), *range(10, 21), *range(20, 31)]
    assert {body.clock_uncertainty for body in bodies(site)} == {1}


def test_a_reading_that_was_asked_for_late_has_its_true_time(site: Site) -> None:
    sluggish = Sluggish(START * 1000, (START + 22 * MINUTE) * 1000, late_ms=1_501)
    run(site.path, sluggish, Registers(sluggish), Meter({}, None))
    assert {ms % 60_000 for ms, _ in readings(site)["node_0"]} == {1_501}
    assert {body.clock_uncertainty for body in bodies(site)} == {None}


def test_a_meter_that_was_silent_and_a_recorder_that_was_killed_go_on(site: Site, clock: PlayedClock) -> None:
    registers = Registers(clock)

    def kill() -> None:
        raise Stopped

    clock.at = {
        3 * MINUTE - 1: lambda: setattr(registers, "silent", True),
        5 * MINUTE - 1: lambda: setattr(registers, "silent", False),
        14 * MINUTE + 20: kill,
    }
    run(site.path, clock, registers, Meter({}, 2))
    clock.true_ms += 3 * MINUTE * 1000
    run(site.path, clock, registers, Meter({}, 2))
    assert stated(site) == [1, 2, *range(5, 11), *range(10, 15), 18, 19, 20, *range(20, 31)]


def test_a_gauge_is_called_one(site: Site, clock: PlayedClock) -> None:
    run(site.path, clock, Registers(clock, Quantity.GAUGE_POWER), Meter({}, None))
    assert {(body.quantity, body.clock_uncertainty) for body in bodies(site)} == {(Quantity.GAUGE_POWER, None)}


def test_a_node_that_no_inventory_names_keeps_no_other_from_being_stated(
    site: Site, clock: PlayedClock, caplog: pytest.LogCaptureFixture
) -> None:
    run(site.path, clock, Registers(clock, nodes=(*NODES, "outlet 9")), Meter({}, 2))
    assert stated(site) == stated(site, "node_1") == [*range(1, 11), *range(10, 21), *range(20, 31)]
    told = [record.__dict__["fields"] for record in caplog.records if "no inventory names" in record.msg]
    assert told == [{"device": "outlet 9"}] * 3


@pytest.mark.parametrize("chatter", [(), ("outlet 9",)])
def test_a_meter_that_was_silent_for_days_goes_on(
    site: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch, chatter: tuple[str, ...]
) -> None:
    """Over more than the day that is closed at once; whatever a node says meanwhile that is none of its feeds."""
    monkeypatch.setattr(recorder, "MAX_WAIT", 3_600.0)
    hour = 3_600
    registers = Registers(clock)
    clock.end_ms = (START + 96 * hour) * 1000
    clock.at = {
        5 * hour + 60: lambda: setattr(registers, "nodes", chatter),
        80 * hour - 60: lambda: setattr(registers, "nodes", NODES),
    }
    run(site.path, clock, registers, Meter({}, 2), interval=hour, window=6 * hour)
    hours = [minute // 60 for minute in stated(site)]
    assert sorted(set(hours)) == [*range(1, 6), *range(80, 92)]  # the last window ends there
    values = {ms // 3_600_000: value for ms, value in readings(site)["node_0"]}
    assert values[80] - values[5] == 75 * hour * MILLIWATTS


def test_nodes_are_feeds_by_name_or_as_is_said(
    site: Site, clock: PlayedClock, caplog: pytest.LogCaptureFixture
) -> None:
    registers = Registers(clock, nodes=("outlet 1", "outlet 2"))
    run(site.path, clock, registers, Meter({}, 2))
    assert site.statements(METER) == []
    clock.end_ms += 2 * MINUTE * 1000
    run(site.path, clock, registers, Meter({"outlet 1": "node_0", "outlet 2": "node_1"}, 2))
    assert stated(site)[:3] == [1, 2, 3]


def test_more_irregularities_than_are_looked_at_keep_no_window_open(
    site: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that a statement counts are all counted; of others it is told how many were dropped."""
    monkeypatch.setattr(irregular, "MAX_IRREGULARITIES", 0)
    registers = Registers(clock, nodes=(NODES[0], *NODES))  # the first one twice
    for minute in (3, 13):
        clock.at[minute * MINUTE - 1] = lambda: setattr(registers, "silent", True)
        clock.at[(minute + 3) * MINUTE - 1] = lambda: setattr(registers, "silent", False)
    run(site.path, clock, registers, Meter({}, 2))
    assert stated(site, "node_1") == [1, 2, *range(6, 11), 10, 11, 12, *range(16, 21), *range(20, 31)]
    counted = [{channel.feed: channel.irregular for channel in body.channels} for body in bodies(site)]
    assert counted == [{"node_0": 6, "node_1": 0}, {"node_0": 7, "node_1": 0}, {"node_0": 10, "node_1": 0}]
    told = [record.__dict__["fields"] for record in caplog.records if record.msg == "irregularities dropped"]
    assert told == [{irregular.Kind.GAP: 2}] * 2
