"""What an importer or the recorder does with a log: where a source's chain goes on, and the statements signed onto it.

Read from the log's own statements: the inventories that the office signed, with what they say of the source, and what
the source's last statement ended with, so that the next one continues it. Without a log (a dry run) a source that has
said nothing yet is imagined.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from attest.collect.grid import Last
from attest.collect.statements import Chain, Draft
from attest.collect.usage_statements import Roster as HostRoster
from attest.compute.columns import SPAN
from attest.control import Source
from attest.errors import ImportDataError, KeyFileError, LogError
from attest.format.block import Binding, parse_meter
from attest.format.bodies import CloseBody, MeterBody, UsageBody
from attest.format.roster import Roster
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Column, Quantity, Role, State
from attest.inventory.declared import Inventory, inventories, roster_of
from attest.inventory.ledger import Range
from attest.inventory.site import planned_off
from attest.record.chain import Place, anchor, genesis_leaf, key_record, keyring, place, proposal, settle, together
from attest.sign.signer import Signer
from attest.sign.statements import header_for
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter

SALT_SIZE: Final = 32

_B = TypeVar("_B")


class Target:
    """A source of a log that statements are signed for."""

    def __init__(self, log: LogWriter, signer: Signer, role: Role, source: str | None, issuer: str | None) -> None:
        """Raises KeyFileError where the key is not the source's, LogError where the chain is closed."""
        self.log, self.signer = log, signer
        self.source = _source(log, signer, role, source, issuer)
        self.place: Place = place(log, self.source)
        last = log.last(self.source.sub)
        if last is not None and isinstance(parse_statement(log.entry(last)).statement.body, CloseBody):
            raise LogError("import/closed", f"{self.source.sub} has closed its chain", hint="enrol a new source")
        self.chain = Chain(genesis_leaf(log), self.source.sub, self.place.seq, self.place.until)

    def rosters(self) -> list[tuple[Inventory, Roster]]:
        """The inventories that the source's next statements can be of, with what they declare: the one in force before
        the end of its last statement, and all that follow, in the order in which they come into force."""
        found = inventories(self.log)
        before = [inventory for inventory in found if inventory.start < (self.place.until or 0)]
        return [(inventory, roster_of(self.log, inventory)) for inventory in [*before[-1:], *found[len(before) :]]]

    def feeds(self) -> tuple[str, ...]:
        """The feeds that the inventories say this source meters, each once."""
        return metered(self.source.sub, (roster for _, roster in self.rosters()))

    def feed_of(self, nodes: Iterable[str], said: Mapping[str, str]) -> dict[str, str]:
        """The feed of each node. Raises ImportDataError `import/feed`."""
        known = self.feeds()
        feeds = feeds_of_nodes(nodes, said, known)
        require_known(feeds.values(), self.source.sub, known)
        return feeds

    def host_rosters(self) -> list[HostRoster]:
        """What the inventories say of this source's devices; of those that come into force at once the last."""
        found = {i.start: host_roster(i.start, i.digest, roster, self.source.sub) for i, roster in self.rosters()}
        return list(found.values())

    def planned_off(self) -> dict[str, list[Range]]:
        """By device when it is to be off, by the ledger beside the log (schemas/inventory.md)."""
        return planned_off(self.log)

    def last_counters(self) -> dict[str, Last]:
        """By device what the source's last usage statement ended with."""
        found = self._last(UsageBody)
        return {} if found is None else counters_after(found[1], self.host_rosters())

    def opening(self, quantity: Quantity) -> dict[str, int]:
        """By feed the reading that closed the source's last statement at its very end, if that was of this quantity."""
        found = self._last(MeterBody)
        if found is None or found[2].quantity is not quantity:
            return {}
        index, statement, _ = found
        block = self.log.block(index)
        return {} if block is None else closing_readings(self.source.sub, statement, block)

    def append_once(self, drafts: Iterable[Draft], box: Outbox) -> None:
        """Sign the drafts, each place once whatever crashes, and append them. Raises LogError."""
        header, seen = header_for(self.signer, self.source.iss, self.source.sub), anchor(self.log)
        for batch in together(drafts, self.signer):
            first = place(self.log, self.source)
            box.propose(*proposal(batch, self.chain.log, first, seen, header, self.signer))
            self.settle(box)

    def settle(self, box: Outbox) -> list[bytes]:
        """What was proposed is signed, and what was signed appended; the entries. Raises LogError."""
        return settle(self.log, self.source, self.signer, box)

    def _last(self, kind: type[_B]) -> tuple[int, Statement, _B] | None:
        """The source's last statement with such a body; after it may come a rotation of its key."""
        for seq in range(self.place.seq - 1, -1, -1):
            index = self.log.find(self.source.sub, seq)
            statement = parse_statement(self.log.entry(index)).statement if index is not None else None
            if index is not None and statement is not None and isinstance(statement.body, kind):
                return index, statement, statement.body
        return None


def host_roster(start: int, digest: bytes, roster: Roster, sub: str) -> HostRoster:
    """What a roster says of a source's devices."""
    devices = next((host.devices for host in roster.hosts if host.sub == sub), ())
    return HostRoster(start, digest, tuple(device.uid for device in devices))


def counters_after(statement: Statement, rosters: Iterable[HostRoster]) -> dict[str, Last]:
    """By device what a usage statement ended with; the rosters have the one that it names."""
    body = statement.body
    assert isinstance(body, UsageBody)
    roster = next((r for r in rosters if r.digest == body.roster), None)
    after = next((after for column, _, after in body.counters if column == Column.ENERGY), None)
    if roster is None or after is None or len(roster.uids) != body.devices:
        return {}
    intervals = (statement.end - statement.start) // body.interval
    spans = np.frombuffer(body.spans, SPAN)
    ends = np.searchsorted(spans["first"], np.arange(1, body.devices + 1) * intervals - 1, "right") - 1
    read = (spans["state"][ends] == State.SAMPLED) & (Column.ENERGY in body.columns)
    counters = np.frombuffer(after, "<u8").tolist()
    return {uid: Last(*last) for uid, last in zip(roster.uids, zip(counters, read.tolist(), strict=True), strict=True)}


def closing_readings(sub: str, statement: Statement, block: bytes) -> dict[str, int]:
    """By feed the reading at the very end of a meter's statement."""
    body = statement.body
    assert isinstance(body, MeterBody) and statement.log is not None
    readings = parse_meter(block, Binding(statement.log, sub, statement.seq), body)
    end = (statement.end - statement.start) * 1000
    channels = zip(body.channels, readings, strict=True)
    return {c.feed: int(values[-1]) for c, (values, at) in channels if len(at) and int(at[-1]) == end}


def metered(sub: str, rosters: Iterable[Roster]) -> tuple[str, ...]:
    """The feeds that rosters say a source meters, each once."""
    return tuple(dict.fromkeys(feed.name for roster in rosters for feed in roster.feeds if feed.meter == sub))


def feeds_of_nodes(nodes: Iterable[str], said: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """The feed of each node of a meter: as said, else the only one there is to one meter, else of the node's own name.

    Raises ImportDataError `import/feed` where two nodes are one feed.
    """
    feeds = {node: said.get(node, node) for node in nodes}
    if len(feeds) == len(known) == 1 and not said:
        feeds = dict(zip(feeds, known, strict=True))
    require_distinct(feeds)
    return feeds


def require_known(feeds: Iterable[str], sub: str, known: Sequence[str]) -> None:
    """Raise ImportDataError `import/feed` where no inventory says that the source meters one of these."""
    missing = [feed for feed in feeds if feed not in known]
    if missing:
        detail = f"no inventory says that {sub} meters {missing[0]!r}"
        which = f"it meters {', '.join(known)[:200]}; say which is which: --feed NODE=FEED, or [meter.feeds]"
        raise ImportDataError("import/feed", detail, hint=which if known else "declare the feed in an inventory first")


def require_distinct(feeds: Mapping[str, str]) -> None:
    """Raise ImportDataError `import/feed` where two nodes are one feed."""
    if len(set(feeds.values())) < len(feeds):
        raise ImportDataError("import/feed", "two nodes are the same feed", hint="import them as two sources")


def salt() -> bytes:
    """A fresh salt for a block."""
    return os.urandom(SALT_SIZE)


def imagined(sub: str | None) -> Chain:
    """The chain of a dry run without a log."""
    return Chain(bytes(32), sub or "a new source", 0, None)


def _source(log: LogWriter, signer: Signer, role: Role, sub: str | None, issuer: str | None) -> Source:
    if issuer is not None:
        # An independent meter is enrolled by the agreement alone; its chain begins after the genesis.
        if sub is None:
            raise ImportDataError("import/source", "an independent meter's statements need its --source")
        return Source(0, sub, issuer, role, genesis_leaf(log), True)
    source = key_record(log, keyring(log), signer.public_key()).source
    if source.role is not role:
        raise KeyFileError(
            "import/role", f"{source.sub} is enrolled as {source.role.name.lower()}, not {role.name.lower()}"
        )
    if sub is not None and sub != source.sub:
        raise KeyFileError("import/source", f"the log enrols the key for {source.sub}, not for {sub}")
    return source
