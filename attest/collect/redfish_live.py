"""BMCs and rack PDUs that are asked over Redfish, by the URL of a resource or of one above it.

A collection stands for its members, a chassis for its environment metrics, else its power, a PDU for its metrics and
outlets, a power subsystem for the metrics of its supplies; links are followed on the same server only, and what was
found is asked again until it fails or an hour is over. Each resource fails for itself.

Readings have the recorder's time. The endpoint's own clock is in its `Date`: where it is off by whole quarter-hours or
by anything else, that is recorded and nothing is corrected, for the stamps are not its. A sensor that says when it was
read is dated back by its age in the endpoint's own clock; one that is too old is refused, unless it only stands in
another zone than `Date`.
"""

from collections import deque
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from attest.collect.clock import Session, Shift, irregularity, zone_of
from attest.collect.collector import Reading, Refusals, Sample
from attest.collect.fetch import JSON, Fetcher, Reply, endpoint_of
from attest.collect.irregular import Irregularity
from attest.collect.redfish import METERS, Resource, kind_of, parse_resource, read_resource
from attest.errors import CollectError, ImportDataError

MAX_RESOURCES: Final = 128  # asked of one endpoint at one time
REDISCOVER_MS: Final = 3_600_000
CLOCK_TOLERANCE: Final = 5  # s; `Date` has whole seconds, and a BMC takes some for a reply
MAX_AGE_MS: Final = 600_000  # of a sensor's reading

# What a resource stands for: the first of each group of links that it has.
_LINKS: Final = {
    "Chassis": (("EnvironmentMetrics", "Power"),),
    "PowerSubsystem": (("PowerSupplies",),),
    "PowerSupply": (("Metrics",),),
    "PowerDistribution": (("Metrics",), ("Outlets",)),
}
_LEAVES: Final = frozenset({"Power", "Sensor", *METERS})


class Redfish:
    """A Collector of the meters at and below some URLs of one server."""

    def __init__(self, name: str, url: str, fetcher: Fetcher) -> None:
        self.name = name
        self._url, self._fetcher = url, fetcher
        self._leaves: list[str] = []
        self._found_ms = 0  # when all that there is was found; 0: look again next time

    def collect(self, now_ms: int) -> Sample:
        """Ask every meter once."""
        refusals = Refusals(self.name, endpoint_of(self._url), now_ms)
        odd: list[Irregularity] = []
        readings: list[Reading] = []
        if not self._leaves or now_ms - self._found_ms >= REDISCOVER_MS:
            self._found_ms = now_ms
            self._leaves = self._discover(refusals)
        for url in self._leaves:
            if asked := self._ask(url, refusals):
                readings += self._read(*asked, now_ms, refusals, odd)
        return Sample((), tuple(readings), refusals.all(), tuple(odd))

    def _ask(self, url: str, refusals: Refusals) -> tuple[Resource, Reply] | None:
        """A resource as it is now; of one that fails it is looked next time what there is."""
        try:
            reply = self._fetcher.get(url, JSON)
            return parse_resource(reply.body, reply.endpoint), reply
        except (CollectError, ImportDataError) as error:
            refusals.add(error)
            self._found_ms = 0
            return None

    def _discover(self, refusals: Refusals) -> list[str]:
        """The resources that measure, from the URL downwards."""
        leaves: list[str] = []
        waiting, seen = deque([self._url]), {self._url}
        while waiting:
            url = waiting.popleft()
            asked = self._ask(url, refusals)
            if asked is None:
                continue
            resource, _ = asked
            if kind_of(resource) in _LEAVES:
                leaves.append(url)
            for link in _below(resource):
                below = urljoin(url, link)
                if urlsplit(below)[:2] != urlsplit(self._url)[:2] or below in seen:
                    continue
                if len(seen) == MAX_RESOURCES:
                    detail = f"more than {MAX_RESOURCES} resources below it"
                    refusals.add(CollectError("collect/size", detail, endpoint=endpoint_of(self._url)))
                    return leaves
                seen.add(below)
                waiting.append(below)
        if not leaves:
            refusals.add(CollectError("collect/empty", "nothing that measures", endpoint=endpoint_of(self._url)))
        return leaves

    def _read(
        self, resource: Resource, reply: Reply, now_ms: int, refusals: Refusals, odd: list[Irregularity]
    ) -> list[Reading]:
        clock = now_ms if reply.date_ms is None else reply.date_ms
        taken = []
        for reading in read_resource(resource, reply.endpoint, clock, refusals.add):
            odd += _off(clock - now_ms, reading.node, reply.endpoint, now_ms)
            age = clock - reading.time_ms
            if not -CLOCK_TOLERANCE * 1000 <= age <= MAX_AGE_MS:
                shift = _off(-age, reading.node, reply.endpoint, now_ms)
                if not shift or "shift_s" not in shift[0].numbers:
                    detail = f"{reading.node} was read {age // 1000} s before its own clock's time"
                    refusals.add(CollectError("collect/stale", detail, endpoint=reply.endpoint), reading.node)
                    continue
                odd += shift
                age = 0
            taken.append(reading._replace(time_ms=now_ms - max(age, 0)))
        return taken


def _off(ahead_ms: int, node: str, endpoint: str, now_ms: int) -> list[Irregularity]:
    """How a clock is off that is ahead by so much, if it is."""
    least, most = ahead_ms // 1000 - CLOCK_TOLERANCE, ahead_ms // 1000 + CLOCK_TOLERANCE
    shift = Shift(least, most, zone_of(least, most))
    found = irregularity(shift, Session(endpoint, now_ms, None), node, now_ms)
    return [] if found is None else [found]


def _below(resource: Resource) -> list[str]:
    """Links to what a resource stands for."""
    kind = kind_of(resource) or ""
    if kind.endswith("Collection"):
        members = resource.get("Members")
        return [link for member in members if (link := _link(member))] if isinstance(members, list) else []
    groups = ([_link(resource.get(name)) for name in group] for group in _LINKS.get(kind, ()))
    return [link for group in groups if (link := next(filter(None, group), None))]


def _link(value: Any) -> str | None:
    link = value.get("@odata.id") if isinstance(value, dict) else None
    return link if isinstance(link, str) else None
