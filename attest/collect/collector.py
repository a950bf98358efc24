"""What every source of telemetry is to the recorder: something with a name that is asked once an interval.

A collector never raises for what an endpoint did. Whatever could not be had is a refusal with its code and cause, and
what stood next to it is taken nevertheless: missing is never zero, and silence is never idleness. Scrapes are of
accelerators, readings of meters.

    >>> refusal = Refusal("dcgm", "http://n1:9400/metrics", "", 1_745_514_105_000, "collect/timeout", "no end in 5 s")
    >>> Sample(refusals=(refusal,)).empty
    True
    >>> Reading("n1", 1_745_514_105_000, Quantity.GAUGE_POWER, 429_000, "http://n1/redfish/v1/Chassis/1/Power").value
    429000
"""

from typing import Final, NamedTuple, Protocol

from attest.collect.dcgm import Scrape
from attest.collect.irregular import Irregularity
from attest.errors import AttestError, CollectError
from attest.format.vocabulary import Quantity

MAX_REFUSALS: Final = 100  # of one asking; what more there are is counted
MAX_CAUSE: Final = 500  # characters: an endpoint's own words may stand in it


class Reading(NamedTuple):
    """One reading of a meter: mW of a power, mJ of a register that only rises."""

    node: str
    time_ms: int
    quantity: Quantity
    value: int
    where: str


class Refusal(NamedTuple):
    """What could not be had or not be believed; `who` is the device or node, empty where it is the whole endpoint."""

    collector: str
    where: str
    who: str
    time_ms: int
    code: str
    cause: str


class Refusals:
    """What one asking refused, in the order of its occurrence, bounded."""

    def __init__(self, collector: str, where: str, time_ms: int) -> None:
        self.collector, self.where, self.time_ms = collector, where, time_ms
        self._kept: list[Refusal] = []
        self._more = 0

    def add(self, error: AttestError, who: str = "") -> None:
        """One more; `who` is the device or node, empty for the endpoint."""
        if len(self._kept) == MAX_REFUSALS:
            self._more += 1
            return
        cause = error.cause if isinstance(error, CollectError) else error.detail
        self._kept.append(Refusal(self.collector, self.where, who, self.time_ms, error.code, cause[:MAX_CAUSE]))

    def all(self) -> tuple[Refusal, ...]:
        """All of them, the last one telling how many are left out."""
        if not self._more:
            return tuple(self._kept)
        more = f"and {self._more} more like these"
        return (*self._kept, Refusal(self.collector, self.where, "", self.time_ms, self._kept[-1].code, more))


class Sample(NamedTuple):
    """What one asking gave; `irregularities` are those of what was taken."""

    scrapes: tuple[Scrape, ...] = ()
    readings: tuple[Reading, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    irregularities: tuple[Irregularity, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing was read: not the same as a device that does nothing."""
        return not self.scrapes and not self.readings


class Collector(Protocol):
    """A source of telemetry; `now_ms` is the recorder's clock, for what has no stamp of its own."""

    name: str

    def collect(self, now_ms: int) -> Sample:
        """Ask once."""
        ...
