"""The roster: which accelerators and feeds a site has, the detached body of an inventory statement.

    {1: [[feed, parent, meter], ...], 2: [[host, [[device, model, feed], ...]], ...]}

A feed is a circuit: `parent` is the index of the feed it hangs on (smaller than its own; MAX_NESTING deep at most)
or null for one that comes from outside; `meter` is the sub of the source that meters it, or null. A device names its
feed by index.
The order of a host's devices is the order of the columns in its usage blocks.

    >>> feeds = (Feed("dc1", None, "https://meters.example/dc1"), Feed("dc1-n1", 0, None))
    >>> host = Host("https://acme.example/dc1/n1", (Device("GPU-1", "NVIDIA H100 SXM5 80GB", 1),))
    >>> roster = Roster(feeds, (host,))
    >>> parse_roster(format_roster(roster)) == roster
    True
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import cbor2

from attest.errors import MalformedError
from attest.format.bodies import MAX_DEVICES
from attest.format.cbor import Value, decode, load
from attest.format.fields import array, bad, map_, text, uint

MAX_ROSTER: Final = 64 << 20  # bytes: a million devices
MAX_FEEDS: Final = 1 << 18
MAX_HOSTS: Final = 1 << 18
MAX_DEPTH: Final = 5  # of the body's CBOR
MAX_NESTING: Final = 16  # feeds between a device and the outside: substation, hall, row, rack, node, and some more


class Feed(NamedTuple):
    """A circuit that accelerators hang on."""

    name: str
    parent: int | None
    meter: str | None


class Device(NamedTuple):
    """One accelerator: its serial or UUID, its model's name in the pins, its feed."""

    uid: str
    model: str
    feed: int


class Host(NamedTuple):
    """The devices that one source speaks for."""

    sub: str
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Roster:
    """Everything a site declares."""

    feeds: tuple[Feed, ...]
    hosts: tuple[Host, ...]

    def count(self) -> int:
        """Number of devices."""
        return self._count

    @cached_property
    def _count(self) -> int:
        return sum(len(h.devices) for h in self.hosts)


def format_roster(roster: Roster) -> bytes:
    """The body's bytes, deterministic."""
    # Keys are small integers written in rising order, so plain dumps is already bytewise sorted.
    return cbor2.dumps(
        {
            1: [[f.name, f.parent, f.meter] for f in roster.feeds],
            2: [[h.sub, [[d.uid, d.model, d.feed] for d in h.devices]] for h in roster.hosts],
        }
    )


def parse_roster(body: bytes) -> Roster:
    """Bytes to roster; feeds, hosts and devices are unique. Raises MalformedError."""
    feeds, hosts = map_(_value(body), 2, "roster")
    known = tuple(_feed(f, i) for i, f in enumerate(array(feeds, 1, MAX_FEEDS, "roster.feeds")))
    _require_nesting(known)
    roster = Roster(known, tuple(_host(h, len(known)) for h in array(hosts, 0, MAX_HOSTS, "roster.hosts")))
    _unique((f.name for f in roster.feeds), "roster/feed-twice", "feed")
    _unique((h.sub for h in roster.hosts), "roster/host-twice", "host")
    _unique((d.uid for h in roster.hosts for d in h.devices), "roster/device-twice", "device")
    return roster


def _value(body: bytes) -> Any:
    """What a body is the one encoding of; of one that is not, `decode` says where and why."""
    if len(body) <= MAX_ROSTER:
        with suppress(MalformedError):
            value = load(body, MAX_DEPTH)
            if cbor2.dumps(value) == body:
                return value
    return decode(body, max_size=MAX_ROSTER, max_depth=MAX_DEPTH)


def _feed(value: Value, index: int) -> Feed:
    path = f"roster.feeds[{index}]"
    name, parent, meter = array(value, 3, 3, path)
    if parent is not None and uint(parent, path) >= index:
        bad("roster/feed-order", f"feed {index} hangs on feed {parent}, which must come before it", path)
    return Feed(text(name, path), parent, None if meter is None else text(meter, path))


def _require_nesting(feeds: tuple[Feed, ...]) -> None:
    depth: list[int] = []
    for number, feed in enumerate(feeds):
        depth.append(1 if feed.parent is None else depth[feed.parent] + 1)
        if depth[-1] > MAX_NESTING:
            bad(
                "roster/feed-nesting",
                f"feed {number} is the {MAX_NESTING + 1}th that hang on each other",
                "roster.feeds",
            )


def _host(value: Value, feeds: int) -> Host:
    sub, devices = array(value, 2, 2, "roster.hosts")
    return Host(
        text(sub, "roster.host"),
        tuple(_device(d, feeds) for d in array(devices, 1, MAX_DEVICES, "roster.host")),
    )


def _device(value: Value, feeds: int) -> Device:
    uid, model, feed = array(value, 3, 3, "roster.device")
    return Device(text(uid, "roster.device"), text(model, "roster.device"), uint(feed, "roster.device.feed", feeds - 1))


def _unique(names: Iterable[str], code: str, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            bad(code, f"{what} {name} occurs twice", "roster")
        seen.add(name)
