"""Feeds with and without meters, against H worked out feed by feed in Python's integers."""

import random

import numpy as np
import pytest

from attest.agreement import Meter
from attest.compute.accelerators import default_pin
from attest.compute.exact import Array, gathered
from attest.control import Control, RosterRecord
from attest.facts import UNKNOWN, Metered, Table, table
from attest.figures import LAB_METER_ERROR_PPM, SOFTWARE
from attest.format.bodies import Block
from attest.format.roster import Device, Feed, Host, Roster
from attest.layout import Layouts
from attest.metering import Metering
from attest.sign.seeded import seeded_key
from attest.trust.keys import Alg

HOUR = 3_600
HOURS = 4
MODELS = ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 SXM5 80GB")
PINS = {model: default_pin(model) for model in MODELS}
ENOUGH = 10**8  # mJ in an hour: nobody is off
METER = "https://acme.example/meter"
HOST = Host("h", (Device("d", MODELS[0], 0),))


class Site:
    """Feeds in a random tree, some of them metered, with devices on them and energy that adds up."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        self.parents = [None if not i or draw.random() < 0.3 else draw.randrange(i) for i in range(draw.randint(1, 8))]
        feeds = range(len(self.parents))
        self.metered = [draw.random() < 0.5 for _ in feeds]
        self.devices = [[draw.choice(MODELS) for _ in range(draw.randint(0, 3))] for _ in feeds]
        self.energy = [[draw.randint(ENOUGH, 10 * ENOUGH) for _ in range(HOURS)] for _ in feeds]
        self.gap_ms = [[draw.choice((0, 0, 90_000)) for _ in range(HOURS)] for _ in feeds]
        for feed in reversed(feeds):  # what goes through a feed goes through those above it
            parent = self.parents[feed]
            if parent is not None:
                self.energy[parent] = [a + b for a, b in zip(self.energy[parent], self.energy[feed], strict=True)]
        self.direct = np.array([[draw.randint(0, 10**13) for _ in (0, 1)] for _ in feeds], np.int64)

    def layouts(self) -> Layouts:
        feeds = tuple(Feed(f"f{i}", p, METER if m else None) for i, (p, m) in enumerate(self._named()))
        hosts = tuple(
            Host(f"h{feed}", tuple(Device(f"{feed}-{n}", model, feed) for n, model in enumerate(models)))
            for feed, models in enumerate(self.devices)
        )
        record = RosterRecord(1, 0, Block(b"r" * 32, 1), Roster(feeds, hosts))
        return Layouts(Control(b"", {}, (), (record,), (), {}, ()))

    def _named(self) -> list[tuple[int | None, bool]]:
        return list(zip(self.parents, self.metered, strict=True))

    def rows(self) -> Table:
        rows = []
        for feed in (feed for feed, metered in enumerate(self.metered) if metered):
            for hour, (energy, gap) in enumerate(zip(self.energy[feed], self.gap_ms[feed], strict=True)):
                row = np.zeros((1, len(Metered)), np.int64)
                row[0, [Metered.FEED, Metered.BUCKET, Metered.HIGH, Metered.LOW]] = feed, hour, energy, energy
                row[0, Metered.COVERED] = HOUR * 1_000 - gap
                rows.append(row)
        return table(Metered, rows)

    def behind(self, feed: int) -> list[str]:
        """The models of all devices behind a feed."""
        below = [child for child, parent in enumerate(self.parents) if parent == feed]
        return [*self.devices[feed], *(model for child in below for model in self.behind(child))]

    def bound(self, feed: int, window: int, hours: range) -> int:
        """H of a feed: what its devices and the feeds on it can have done, or what its meter leaves possible."""
        below = [child for child, parent in enumerate(self.parents) if parent == feed]
        found = int(self.direct[feed, window]) + sum(self.bound(child, window, hours) for child in below)
        if not self.metered[feed]:
            return found
        pins = [PINS[model] for model in self.behind(feed)]
        energy = sum(self.energy[feed][hour] for hour in hours)
        most = -(-energy * (10**6 + LAB_METER_ERROR_PPM) // 10**6) * max(
            (pin.efficiency_mflop_per_mj for pin in pins), default=0
        )
        gap_ms = sum(self.gap_ms[feed][hour] for hour in hours)
        peak = sum(-(-pin.peak_flop_per_s // 10**6) for pin in pins)
        return min(found, most + -(-gap_ms * peak // 1_000))


def most(layouts: Layouts) -> Array:
    """How many devices of each group the one roster declares."""
    (declared,) = layouts.declared(0, HOURS * HOUR)
    devices = np.zeros(len(layouts.groups), np.int64)
    devices[declared.groups] = declared.devices
    return devices


def behind(metering: Metering, site: Site) -> Array:
    """u of what is directly behind each meter, and behind none."""
    return gathered(site.direct, metering.row_of, len(metering.feeds) + 1)


@pytest.mark.parametrize("seed", range(100))
def test_a_feed_without_a_meter_passes_on_what_hangs_on_it(seed: int) -> None:
    site = Site(seed)
    layouts = site.layouts()
    devices = most(layouts)
    metering = Metering(site.rows(), layouts, devices, {}, PINS, SOFTWARE, (0, HOURS), HOUR)
    windows = [(0, 3), (3, HOURS)]
    found = metering.bound(behind(metering, site), windows)
    roots = [feed for feed, parent in enumerate(site.parents) if parent is None]
    assert found.windows.tolist() == [
        sum(site.bound(feed, number, range(*window)) for feed in roots) for number, window in enumerate(windows)
    ]
    assert found.total <= sum(found.windows.tolist())


def test_storage_that_64_bits_do_not_hold_leaves_what_the_devices_say() -> None:
    """10^19 mW of generators behind every meter are 3.6e22 mJ an hour: the meters bound nothing, and nothing breaks."""
    site = Site(0)
    layouts = site.layouts()
    devices = most(layouts)
    key = seeded_key("a meter", Alg.ED25519).public_key()
    meter = Meter(METER, "https://grid.example", "dc", key, 0, 0, 0, 10**19, True, None)
    metering = Metering(site.rows(), layouts, devices, {METER: meter}, PINS, SOFTWARE, (0, HOURS), HOUR)
    assert metering.meters
    found = metering.bound(behind(metering, site), [(0, 3), (3, HOURS)]).windows.tolist()
    assert sum(found) > 0
    assert found == site.direct.sum(axis=0).tolist()


@pytest.mark.parametrize(("generator", "read"), [(False, False), (True, False), (True, True)])
def test_storage_behind_a_meter_below_may_have_fed_what_seems_to_be_off(generator: bool, read: bool) -> None:
    """Nothing goes into a site, but a hall of it, which is read or not, has a generator of 20 W: 72 kJ in an hour."""
    key = seeded_key("a meter", Alg.ED25519).public_key()
    grid, hall = (
        Meter(f"https://grid.example/{name}", "https://grid.example", "dc", key, 0, 0, 0, power, True, None)
        for name, power in (("grid", 0), ("hall", 20_000))
    )
    feeds = (Feed("f", None, grid.sub), Feed("g", 0, hall.sub if generator else None))
    roster = Roster(feeds, (HOST._replace(devices=tuple(d._replace(feed=1) for d in HOST.devices)),))
    layouts = Layouts(Control(b"", {}, (), (RosterRecord(1, 0, Block(b"1" * 32, 1), roster),), (), {}, ()))
    rows = np.zeros((HOURS * (1 + read), len(Metered)), np.int64)
    rows[:, Metered.FEED], rows[:, Metered.BUCKET] = np.divmod(np.arange(len(rows)), HOURS)
    rows[:, Metered.COVERED] = HOUR * 1_000
    pinned = {meter.sub: meter for meter in (grid, hall)}
    devices = np.ones(len(layouts.groups), np.int64)
    found = Metering(rows, layouts, devices, pinned, PINS, SOFTWARE, (0, HOURS), HOUR)
    assert found.off[found.row_of[1], -1] == (not generator)


@pytest.mark.parametrize("own_first", [False, True])
def test_a_boot_agreed_for_one_meter_is_none_for_the_labs_own_that_took_its_place(own_first: bool) -> None:
    """50 kJ in an hour are less than half of the agreed boot of 200 kJ, but more than half of the pins' 72 kJ."""
    key = seeded_key("a meter", Alg.ED25519).public_key()
    agreed = Meter("https://grid.example/m", "https://grid.example", "dc", key, 0, 0, 0, 0, True, 200_000_000)
    rows = np.zeros((HOURS, len(Metered)), np.int64)
    rows[:, Metered.BUCKET] = np.arange(HOURS)
    rows[:, [Metered.HIGH, Metered.LOW, Metered.COVERED]] = 50_000_000, 50_000_000, HOUR * 1_000

    def off(*meters: str) -> bool:
        records = [
            RosterRecord(1 + n, n * HOUR, Block(bytes([n]) * 32, 1), Roster((Feed("f", None, sub),), (HOST,)))
            for n, sub in enumerate(meters)
        ]
        layouts = Layouts(Control(b"", {}, (), tuple(records), (), {}, ()))
        devices = np.ones(len(layouts.groups), np.int64)
        window = (0, HOURS)
        found = Metering(rows, layouts, devices, {agreed.sub: agreed}, PINS, SOFTWARE, window, HOUR)
        return bool(found.off[0, -1])

    assert off(agreed.sub)
    assert not off(METER)
    assert not off(*((METER, agreed.sub) if own_first else (agreed.sub, METER)))


@pytest.mark.parametrize(
    ("stated", "clock", "hours"),
    [
        ((0, 0, 0, 0), 0, 1),
        ((0, 60, 0, 0), 60, 3),  # a minute of the hours around may belong to it, and they count whole
        ((0, 0, UNKNOWN, 0), None, None),  # its readings are of the whole record or of nothing
        ((7_200, UNKNOWN, 0, 0), None, None),
    ],
)
def test_the_labs_own_meter_is_as_sure_of_its_clock_as_its_statements_say(
    stated: tuple[int, ...], clock: int | None, hours: int | None
) -> None:
    """H of the second hour, out of 100 kJ in each."""
    layouts = one_feed(METER)
    devices = np.ones(len(layouts.groups), np.int64)
    found = Metering(even_rows(ENOUGH, stated), layouts, devices, {}, PINS, SOFTWARE, (0, HOURS), HOUR)
    assert [known.clock_uncertainty_s for known in found.figures.values()] == [clock]
    per_hour = ENOUGH * (10**6 + LAB_METER_ERROR_PPM) // 10**6 * PINS[MODELS[0]].efficiency_mflop_per_mj
    devices_say = 4 * per_hour
    direct = np.array([[devices_say], [0]], np.int64)
    expected = devices_say if hours is None else hours * per_hour
    assert found.bound(direct, [(1, 2)]).windows.tolist() == [expected]


def test_an_agreed_meter_has_the_clock_that_the_agreement_gives_it() -> None:
    """Its statements may say less than that, never more: those are not used."""
    key = seeded_key("a meter", Alg.ED25519).public_key()
    agreed = Meter("https://grid.example/m", "https://grid.example", "dc", key, 0, 90, 0, 0, True, None)
    layouts = one_feed(agreed.sub)
    devices = np.ones(len(layouts.groups), np.int64)
    rows = even_rows(ENOUGH, (0, 0, 0, 0))
    found = Metering(rows, layouts, devices, {agreed.sub: agreed}, PINS, SOFTWARE, (0, HOURS), HOUR)
    assert [known.clock_uncertainty_s for known in found.figures.values()] == [90]


def one_feed(meter: str) -> Layouts:
    """A feed with a meter and one device."""
    record = RosterRecord(1, 0, Block(b"1" * 32, 1), Roster((Feed("f", None, meter),), (HOST,)))
    return Layouts(Control(b"", {}, (), (record,), (), {}, ()))


def even_rows(energy: int, clocks: tuple[int, ...]) -> Table:
    """Readings of the one feed without a gap, the same energy in every hour."""
    rows = np.zeros((HOURS, len(Metered)), np.int64)
    rows[:, Metered.BUCKET] = np.arange(HOURS)
    rows[:, [Metered.HIGH, Metered.LOW, Metered.COVERED]] = energy, energy, HOUR * 1_000
    rows[:, Metered.CLOCK] = clocks
    return rows
