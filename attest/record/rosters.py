"""Which roster a usage statement must name: the inventories of a log, in the order in which they come into force.

The rules are those of the verifier (schemas/verification.md, 4.6): one roster for all of the window, in the log before
the statement, with the source's devices in it. What comes after with an earlier time cannot be known here.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

from attest.errors import MalformedError, TrustError
from attest.format.bodies import InventoryBody, UsageBody
from attest.format.roster import parse_roster
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind
from attest.store.writer import LogWriter


@dataclass(frozen=True, slots=True, order=True)
class InForce:
    """An inventory: from `start` (Unix s) on, by the entry at `index`, the roster with this digest."""

    start: int
    index: int
    digest: bytes


class Rosters:
    """The inventories of a log, and how many devices each gives to whom: read when a statement names it. Of one whose
    body is not there nobody knows that."""

    def __init__(self, log: LogWriter) -> None:
        self.records: list[InForce] = []
        self._block = log.block
        self._devices: dict[bytes, dict[str, int] | None] = {}
        for index, entry in log.entries(Kind.INVENTORY):
            statement = parse_statement(entry).statement
            if isinstance(statement.body, InventoryBody):
                insort(self.records, InForce(statement.end, index, statement.body.block.digest))

    def add(self, index: int, start: int, digest: bytes, body: bytes | None) -> None:
        """An inventory that the log is about to take."""
        insort(self.records, InForce(start, index, digest))
        if self._devices.get(digest) is None:
            self._devices[digest] = _devices(body)

    def index_of(self, digest: bytes) -> int | None:
        """An entry that has this roster as its block."""
        return next((record.index for record in self.records if record.digest == digest), None)

    def require(self, sub: str, start: int, end: int, body: UsageBody) -> None:
        """Raise TrustError `usage/roster`, `usage/no-devices` or `usage/devices` for a statement that names another."""
        first = bisect_right(self.records, start, key=_start) - 1
        last = max(bisect_left(self.records, end, key=_start), first + 1)
        if first < 0 or last - first != 1 or self.records[first].digest != body.roster:
            raise TrustError("usage/roster", f"the roster {body.roster.hex()} was not in force for all of this window")
        if body.roster not in self._devices:
            self._devices[body.roster] = _devices(self._block(self.records[first].index))
        hosts = self._devices[body.roster]
        if hosts is None:
            return
        if sub not in hosts:
            raise TrustError("usage/no-devices", f"the roster gives {sub} no devices")
        if hosts[sub] != body.devices:
            raise TrustError("usage/devices", f"{body.devices} devices, the roster gives the source {hosts[sub]}")


def _start(record: InForce) -> int:
    return record.start


def _devices(body: bytes | None) -> dict[str, int] | None:
    """By host how many devices a roster gives it; None where there is no roster to be read."""
    try:
        return None if body is None else {host.sub: len(host.devices) for host in parse_roster(body).hosts}
    except MalformedError:
        return None
