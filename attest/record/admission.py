"""Whether a log may take statements that were signed elsewhere: what every verifier would refuse is not appended.

    admission = Admission(log, issuer=None)
    admission.require(entry, block)     # raises LogError, else counts the entry as the next one; its index

A log that took anything would let whoever reaches its door make an honest lab look invalid. So the signer must be
enrolled and in force, the signature good, the statement the next link of its source's chain, the block the one it
commits to, and the roster that it names the one in force. What the log already has is counted once; anything else for
its place is refused. A refusal changes nothing, so that one Admission serves a log for as long as it is open.
Independent meters are enrolled by the agreement, which a log does not hold: their keys are those of `meters`, and of
one that `issuer` runs the key alone is taken on trust.
"""

from collections.abc import Callable, Sequence
from typing import Final

from attest.agreement import Meter
from attest.control import KeyRecord, Source, authorise
from attest.errors import EvidenceError, LogError
from attest.facts import Link, follows
from attest.format.bodies import CloseBody, InventoryBody, UsageBody, block_of
from attest.format.cose import verify_sign1
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import Signed, Statement, parse_statement
from attest.format.vocabulary import Kind, Role
from attest.keyring import Keyring
from attest.log.merkle import leaf_hash
from attest.record.chain import genesis_leaf, keyring
from attest.record.rosters import Rosters
from attest.store.checks import require_block
from attest.store.writer import LogWriter

MAX_REMEMBERED: Final = 1 << 20  # ends of chains that are kept at hand


class Admission:
    """What a log may take next; `require` moves it on. `ring` has the keys as they stand at `index`."""

    def __init__(self, log: LogWriter, issuer: str | None = None, meters: Sequence[Meter] = ()) -> None:
        self.log, self.issuer = log, issuer
        self.ring = keyring(log, tuple(meters))
        self.rosters = Rosters(log)
        self.genesis = genesis_leaf(log)
        self.index = log.size + log.pending
        self._last: dict[str, Link | None] = {}

    def last(self, sub: str) -> Link | None:
        """The end of a source's chain, None where it has said nothing yet."""
        if sub not in self._last:
            if len(self._last) >= MAX_REMEMBERED:
                self._last.clear()
            self._last[sub] = self._newest(sub)
        return self._last[sub]

    def require(self, entry: bytes, block: bytes | None = None, spend: Callable[[], None] | None = None) -> int:
        """The index that the entry has or is to have next; `spend` is asked last whether there is room for a new one.

        Raises LogError with the code of the rule that it breaks, MalformedError where it is no statement, and what
        `spend` raises.
        """
        signed = parse_statement(entry)
        sub, seq = signed.header.sub, signed.statement.seq
        leaf = leaf_hash(entry)
        require_block(sub, seq, block_of(signed.statement.body), block)
        last = self.last(sub)
        held = self.log.find(sub, seq)
        if held is not None or (last is not None and last.seq == seq):
            return self._again(sub, seq, leaf, held, last)
        try:
            return self._next(signed, leaf, block, last, spend)
        except EvidenceError as error:
            raise LogError(error.code, error.detail, hint=error.hint) from error

    def _again(self, sub: str, seq: int, leaf: bytes, held: int | None, last: Link | None) -> int:
        """The index of what stands at a place already; it may be waiting to be appended."""
        if held is not None:
            index, there = held, leaf_hash(self.log.entry(held))
        else:
            assert last is not None
            index, there = last.index, last.leaf
        if there != leaf:
            hint = "nothing was appended; find out why the source signed twice"
            raise LogError("log/equivocation", f"{sub} seq {seq} is entry {index} already", hint=hint)
        return index

    def _next(
        self, signed: Signed, leaf: bytes, block: bytes | None, last: Link | None, spend: Callable[[], None] | None
    ) -> int:
        """Counts the statement, if every rule allows it."""
        header, statement = signed.header, signed.statement
        if statement.log != self.genesis:
            raise EvidenceError("chain/foreign-log", "the statement belongs to another log")
        record = None if self._independent(signed) else self._signed(signed)
        source = record.source if record else Source(0, header.sub, header.iss, Role.METER, self.genesis, True)
        link = _link(self.index, leaf, statement)
        fault = follows(source, last, link)
        if fault is not None:
            hint = "append what its source signed before it"
            raise LogError(fault.code, f"{header.sub}: {fault.detail}", hint=hint)
        if isinstance(statement.body, UsageBody):
            self.rosters.require(header.sub, statement.start, statement.end, statement.body)
        ring = self.ring
        if isinstance(statement.body, KeysBody) and record is not None:
            ring = self._after(statement.body, leaf, record)
        if spend is not None:
            spend()
        if isinstance(statement.body, InventoryBody):
            self.rosters.add(self.index, statement.end, statement.body.block.digest, block)
        self.ring = ring
        self._last[header.sub] = link
        self.index += 1
        return link.index

    def _independent(self, signed: Signed) -> bool:
        if self.issuer is None or signed.header.iss != self.issuer:
            return False
        kind = signed.statement.kind
        if kind not in (Kind.METER, Kind.KEYS, Kind.CLOSE):
            raise EvidenceError("key/role", f"a meter does not sign {kind.name.lower()} statements")
        return True

    def _signed(self, signed: Signed) -> KeyRecord:
        header = signed.header
        record = authorise(self.ring.keys, self.index, header, signed.statement.kind)
        if record.last < self.index:
            raise EvidenceError("key/revoked", f"the key of {header.sub} is revoked after entry {record.last}")
        verify_sign1(signed.sign1, record.key)
        return record

    def _after(self, body: KeysBody, leaf: bytes, record: KeyRecord) -> Keyring:
        """The keys once the acts are carried out: all of them or, where one breaks a rule, none."""
        ring = self.ring.copy()
        for act in body.acts:
            if not isinstance(act, Void):
                ring.apply(self.index, leaf, record, act)
        return ring

    def _newest(self, sub: str) -> Link | None:
        index = self.log.last(sub)
        if index is None:
            return None
        entry = self.log.entry(index)
        return _link(index, leaf_hash(entry), parse_statement(entry).statement)


def _link(index: int, leaf: bytes, statement: Statement) -> Link:
    closes = isinstance(statement.body, CloseBody)
    return Link(index, statement.seq, statement.prev or b"", leaf, statement.start, statement.end, closes)
