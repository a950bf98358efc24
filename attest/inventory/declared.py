"""What the log itself says of the inventory: which rosters were declared, and from when on each is in force."""

from typing import NamedTuple

from attest.errors import LogError
from attest.format.bodies import InventoryBody
from attest.format.roster import Roster, parse_roster
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind
from attest.store.writer import LogWriter


class Inventory(NamedTuple):
    """An inventory statement: its log index, from when on (Unix s) it is in force, the digest of its roster."""

    entry: int
    start: int
    digest: bytes


def inventories(log: LogWriter) -> list[Inventory]:
    """The log's inventories in the order in which they come into force, which is that of the log."""
    found = []
    for index, entry in log.entries(Kind.INVENTORY):
        statement = parse_statement(entry).statement
        assert isinstance(statement.body, InventoryBody)
        found.append(Inventory(index, statement.end, statement.body.block.digest))
    return sorted(found, key=lambda inventory: inventory.start)


def roster_of(log: LogWriter, inventory: Inventory) -> Roster:
    """The roster that an inventory declares. Raises LogError `inventory/absent`."""
    body = log.block(inventory.entry)
    if body is None:
        detail = f"the roster of entry {inventory.entry} is not in {log.path}"
        raise LogError("inventory/absent", detail, hint="restore the log with its blocks from a copy")
    return parse_roster(body)
