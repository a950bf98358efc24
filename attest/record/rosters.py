"""Which roster a usage statement must name: the inventories of a log, in the order in which they come into force.

The rules are those of the verifier (schemas/verification.md, 4.6): one roster for all of the window, in the log before
the statement, with the source's devices in it. What comes after with an earlier time cannot be known here.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from typing import Self

from attest.errors import MalformedError, TrustError
from attest.format.bodies import InventoryBody, UsageBody
from attest.format.roster import parse_roster
from attest.format.statement import kind_of, parse_statement
from attest.format.vocabulary import Kind
from attest.record.chain import entries
from attest.store.writer import LogWriter


@dataclass(frozen=True, slots=True, order=True)
class InForce:
    """An inventory: from `start` (Unix s) on, by the entry at `index`, the roster with this digest."""

    start: int
    index: int
    digest: bytes


class Rosters:
    """The inventories, and how many devices each gives to whom; of one whose body is not there nobody knows that."""

    def __init__(self) -> None:
        self.records: list[InForce] = []
        self._devices: dict[bytes, dict[str, int]] = {}

    @classmethod
    def of(cls, log: LogWriter) -> Self:
        """Those of a log."""
        found = cls()
        for index, entry in enumerate(entries(log)):
            if kind_of(entry) != Kind.INVENTORY:
                continue
            statement = parse_statement(entry).statement
            if isinstance(statement.body, InventoryBody):
                found.add(index, statement.end, statement.body.block.digest, log.block(index))
        return found

    def add(self, index: int, start: int, digest: bytes, body: bytes | None) -> None:
        """An inventory that the log has taken."""
        insort(self.records, InForce(start, index, digest))
        if body is None or digest in self._devices:
            return
        try:
            roster = parse_roster(body)
        except MalformedError:
            return
        self._devices[digest] = {host.sub: len(host.devices) for host in roster.hosts}

    def index_of(self, digest: bytes) -> int | None:
        """An entry that has this roster as its block."""
        return next((record.index for record in self.records if record.digest == digest), None)

    def require(self, sub: str, start: int, end: int, body: UsageBody) -> None:
        """Raise TrustError `usage/roster`, `usage/no-devices` or `usage/devices` for a statement that names another."""
        starts = [record.start for record in self.records]
        first = bisect_right(starts, start) - 1
        last = max(bisect_left(starts, end), first + 1)
        if first < 0 or last - first != 1 or self.records[first].digest != body.roster:
            raise TrustError("usage/roster", f"the roster {body.roster.hex()} was not in force for all of this window")
        hosts = self._devices.get(body.roster)
        if hosts is None:
            return
        if sub not in hosts:
            raise TrustError("usage/no-devices", f"the roster gives {sub} no devices")
        if hosts[sub] != body.devices:
            raise TrustError("usage/devices", f"{body.devices} devices, the roster gives the source {hosts[sub]}")
