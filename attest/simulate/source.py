"""A source of a simulated lab: the chain that it signs, one statement after the other, and statements as drafts.

draft = lab.usage(0, noon)                          # as it should be
draft.but(seq=7), draft.but_body(spans=b"")         # as it should not
host.append(draft)                                  # signed with the host's key, and its chain goes on
lab.append(host.sign(draft, other_key), draft.block)    # signed by another, and the chain stays where it was
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from attest.format.block import commit
from attest.format.bodies import (
    Body,
    CloseBody,
    EventBody,
    GenesisBody,
    HeadBody,
    InventoryBody,
    MeterBody,
    NoticeBody,
    UsageBody,
)
from attest.format.custody import CustodyBody
from attest.format.key_acts import KeysBody
from attest.format.statement import Anchor, Statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement

_KINDS: Final[dict[type, Kind]] = {
    GenesisBody: Kind.GENESIS,
    InventoryBody: Kind.INVENTORY,
    KeysBody: Kind.KEYS,
    UsageBody: Kind.USAGE,
    MeterBody: Kind.METER,
    EventBody: Kind.EVENT,
    NoticeBody: Kind.EVENT,
    HeadBody: Kind.HEAD,
    CloseBody: Kind.CLOSE,
    CustodyBody: Kind.CUSTODY,
}


class Book(Protocol):
    """What a source needs of its lab."""

    log: bytes
    now: int

    @property
    def anchor(self) -> Anchor | None: ...
    def append(self, entry: bytes, block: bytes | None = None) -> int: ...


class Entry(NamedTuple):
    """An entry of the log and the block that goes with it."""

    data: bytes
    block: bytes | None = None


class Draft(NamedTuple):
    """A statement before it is signed, and its block."""

    statement: Statement
    block: bytes | None = None

    def but(self, **fields: Any) -> "Draft":
        """The draft with other fields of the statement."""
        return self._replace(statement=self.statement._replace(**fields))

    def but_body(self, **fields: Any) -> "Draft":
        """The draft with other fields of the body."""
        body: Any = self.statement.body
        return self.but(body=body._replace(**fields))

    def but_block(self, block: bytes) -> "Draft":
        """The draft with another block, which it commits to."""
        return self.but_body(block=commit(block))._replace(block=block)


@dataclass
class Source:
    """Who signs one chain, and where the chain stands: the next `seq`, `prev` and start of a window."""

    lab: Book
    sub: str
    iss: str
    signer: Signer
    prev: bytes | None
    until: int
    seq: int = 0

    def draft(self, body: Body, until: int, block: bytes | None = None) -> Draft:
        """The next statement, [self.until, until), anchored to the newest cosigned head."""
        lab, kind = self.lab, _KINDS[type(body)]
        log = None if kind is Kind.GENESIS else lab.log
        return Draft(Statement(kind, log, self.seq, self.prev, self.until, until, lab.anchor, body), block)

    def sign(self, draft: Draft, signer: Signer | None = None) -> bytes:
        """The draft as an entry, signed; the chain stays where it is."""
        key = signer or self.signer
        return sign_statement(header_for(key, self.iss, self.sub), draft.statement, key)

    def append(self, draft: Draft, signer: Signer | None = None) -> int:
        """Sign and append; the chain goes on from there. Returns the log index."""
        entry = self.sign(draft, signer)
        self.seq, self.prev, self.until = draft.statement.seq + 1, leaf_hash(entry), draft.statement.end
        return self.lab.append(entry, draft.block)

    def say(self, body: Body, until: int | None = None, block: bytes | None = None) -> int:
        """Draft, sign and append."""
        return self.append(self.draft(body, self.lab.now if until is None else until, block))
