"""BMCs and rack PDUs that are asked over Redfish, by the URL of a resource or of one above it.

A collection stands for its members, a chassis for its environment metrics, else its power, a PDU for its metrics and
outlets, a power subsystem for the metrics of its supplies; links are followed on the same server only, and what was
found is asked again until it fails or an hour is over. Each resource fails for itself: one that did not answer is asked
last the next time, when it takes no time from others, one that there was no time for first, and a meter that says
nothing any more is refused.

Readings have the recorder's time. The endpoint's own clock is in its `Date`: where it is off by whole quarter-hours or
by anything else, that is recorded and nothing is corrected, for the stamps are not its. A sensor that says when it was
read is dated back by its age in the endpoint's own clock; one that is too old is refused, unless it only stands in
another zone than `Date`.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from attest.collect.clock import Session, Shift, irregularity, zone_of
from attest.collect.collector import Reading, Refusals, Sample
from attest.collect.fetch import JSON, Fetcher, Reply, endpoint_of
from attest.collect.irregular import Irregularity
from attest.collect.redfish import METERS, Resource, kind_of, parse_resource, read_resource
from attest.errors import AttestError, CollectError, ImportDataError

MAX_RESOURCES: Final = 128  # asked of one endpoint at one time
MAX_KNOWN: Final = 1_024  # meters of one resource that are missed when they say nothing any more
MAX_REPLY: Final = 4 << 20  # bytes of a resource; as objects they take a hundred times as much
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
        self._failed: set[str] = set()  # asked last the next time: they may take all the time that is left
        self._unasked: set[str] = set()  # asked first the next time: they had no time, or less than half of it
        self._nodes: dict[str, set[str]] = {}  # what each resource has measured so far
        self._found_ms = 0  # when all that there is was found; 0: look again next time

    def collect(self, now_ms: int) -> Sample:
        """Ask every meter once."""
        self._fetcher.begin()
        refusals = Refusals(self.name, endpoint_of(self._url), now_ms)
        odd: list[Irregularity] = []
        readings: list[Reading] = []
        follow = not self._leaves or now_ms - self._found_ms >= REDISCOVER_MS
        if follow:
            self._found_ms = now_ms
        measured: list[str] = []
        for url, reply, resource in self._answers([self._url] if follow else self._leaves, refusals, follow=follow):
            if kind_of(resource) in _LEAVES:
                measured.append(url)
                readings += self._read(url, resource, reply, now_ms, refusals, odd)
        if follow:
            self._leaves = measured
            self._nodes = {url: nodes for url, nodes in self._nodes.items() if url in {*measured, *self._failed}}
        if not measured and not self._failed and not self._unasked:
            self._refuse(refusals, "collect/empty", "nothing that measures")
        return Sample((), tuple(readings), refusals.all(), tuple(odd))

    def _answers(
        self, urls: Sequence[str], refusals: Refusals, *, follow: bool
    ) -> Iterator[tuple[str, Reply, Resource]]:
        """The resources that answer at these URLs and, with `follow`, below them."""
        queues: tuple[deque[str], ...] = (deque(), deque(), deque())  # those that there was no time for come first
        seen: set[str] = set()

        def ask_for(found: Sequence[str]) -> None:
            seen.update(found)
            for url in found:
                queues[0 if url in self._unasked else 2 if url in self._failed else 1].append(url)

        ask_for(urls)
        time, failed, cut = self._fetcher.left, set[str](), set[str]()
        while (queue := next(filter(None, queues), None)) and (left := self._fetcher.left) > 0:
            url = queue.popleft()
            try:
                reply = self._fetcher.get(url, JSON)
                resource = parse_resource(reply.body, reply.endpoint)
            except (CollectError, ImportDataError) as error:
                refusals.add(error)
                late = error.code == "collect/timeout" and left < time / 2 and url not in self._failed
                (cut if late else failed).add(url)
                continue
            yield url, reply, resource
            below = [link for link in _links(url, resource) if link not in seen] if follow else []
            room = MAX_RESOURCES - len(seen)
            ask_for(below[:room])
            if len(below) > room:
                self._refuse(refusals, "collect/size", f"more than {MAX_RESOURCES} resources below it")
        waiting = {url for queue in queues for url in queue}
        if waiting:
            self._refuse(refusals, "collect/timeout", f"no time was left for {len(waiting)} resources")
        if failed or cut or waiting:
            self._found_ms = 0
        self._failed, self._unasked = failed | (waiting & self._failed), cut | (waiting - self._failed)

    def _refuse(self, refusals: Refusals, code: str, cause: str) -> None:
        refusals.add(CollectError(code, cause, endpoint=endpoint_of(self._url)))

    def _read(
        self, url: str, resource: Resource, reply: Reply, now_ms: int, refusals: Refusals, odd: list[Irregularity]
    ) -> list[Reading]:
        clock = now_ms if reply.date_ms is None else reply.date_ms
        taken = []
        wrong: set[str] = set()

        def refuse(error: AttestError, node: str) -> None:
            wrong.add(node)
            refusals.add(error, node)

        for reading in read_resource(resource, reply.endpoint, clock, refuse):
            odd += _off(clock - now_ms, reading.node, reply.endpoint, now_ms)
            age = clock - reading.time_ms
            if not -CLOCK_TOLERANCE * 1000 <= age <= MAX_AGE_MS:
                shift = _off(-age, reading.node, reply.endpoint, now_ms)
                if not shift or "shift_s" not in shift[0].numbers:
                    detail = f"{reading.node} was read {age // 1000} s before its own clock's time"
                    refuse(CollectError("collect/stale", detail, endpoint=reply.endpoint), reading.node)
                    continue
                odd += shift
                age = 0
            taken.append(reading._replace(time_ms=now_ms - max(age, 0)))
        nodes = {reading.node for reading in taken}
        known = nodes | self._nodes.get(url, set())
        for node in sorted(known - nodes - wrong):
            detail = f"{node} says nothing any more"
            refusals.add(CollectError("collect/absent", detail, endpoint=reply.endpoint), node)
        self._nodes[url] = known if len(known) <= MAX_KNOWN else nodes
        return taken


def _off(ahead_ms: int, node: str, endpoint: str, now_ms: int) -> list[Irregularity]:
    """How a clock is off that is ahead by so much, if it is."""
    least, most = ahead_ms // 1000 - CLOCK_TOLERANCE, ahead_ms // 1000 + CLOCK_TOLERANCE
    shift = Shift(least, most, zone_of(least, most))
    found = irregularity(shift, Session(endpoint, now_ms, None), node, now_ms)
    return [] if found is None else [found]


def _links(url: str, resource: Resource) -> list[str]:
    """What a resource stands for, as URLs of the same server, each once."""
    found: dict[str, None] = {}
    for link in _below(resource):
        try:
            below = urljoin(url, link)
            same = urlsplit(below)[:2] == urlsplit(url)[:2]
        except ValueError:  # no URL
            continue
        if same:
            found[below] = None
    return list(found)


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
