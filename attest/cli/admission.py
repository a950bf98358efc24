"""Whether a log may take statements that were signed elsewhere: what every verifier would refuse is not appended.

    admission = Admission(log, issuer=None)
    admission.require(entry)            # raises LogError, else counts the entry as the next one

A log that took anything would let whoever reaches its door make an honest lab look invalid. So the signer must be
enrolled and in force, the signature good, and the statement the next link of its source's chain. What the log already
has is left to the writer, which knows whether it is the same. Independent meters are enrolled by the agreement, which a
log does not hold: of those that `issuer` runs the key alone is taken on trust.
"""

from attest.control import KeyRecord, Source, authorise
from attest.errors import EvidenceError, LogError
from attest.facts import Link, follows
from attest.format.bodies import CloseBody
from attest.format.cose import verify_sign1
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import Signed, Statement, parse_statement
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.record.chain import genesis_leaf, keyring
from attest.store.writer import LogWriter


class Admission:
    """What a log may take next; `require` moves it on."""

    def __init__(self, log: LogWriter, issuer: str | None = None) -> None:
        self.log, self.issuer = log, issuer
        self.ring = keyring(log)
        self.genesis = genesis_leaf(log)
        self.index = log.size + log.pending
        self.last: dict[str, Link | None] = {}

    def require(self, entry: bytes) -> None:
        """Raises LogError with the code of the rule that the entry breaks, MalformedError where it is no statement."""
        signed = parse_statement(entry)
        sub, seq = signed.header.sub, signed.statement.seq
        if self.log.find(sub, seq) is not None:
            return
        leaf = leaf_hash(entry)
        if sub not in self.last:
            self.last[sub] = self._newest(sub)
        last = self.last[sub]
        if last is not None and last.seq == seq and last.leaf == leaf:
            return  # given twice
        try:
            source = self._signed(signed, leaf)
        except EvidenceError as error:
            raise LogError(error.code, error.detail, hint=error.hint) from error
        link = _link(self.index, leaf, signed.statement)
        fault = follows(source, last, link)
        if fault is not None:
            raise LogError(fault.code, f"{sub}: {fault.detail}", hint="append what its source signed before it")
        self.last[sub] = link
        self.index += 1

    def _signed(self, signed: Signed, leaf: bytes) -> Source:
        header, statement = signed.header, signed.statement
        if statement.log != self.genesis:
            raise EvidenceError("chain/foreign-log", "the statement belongs to another log")
        if self.issuer is not None and header.iss == self.issuer:
            if statement.kind not in (Kind.METER, Kind.KEYS, Kind.CLOSE):
                raise EvidenceError("key/role", f"a meter does not sign {statement.kind.name.lower()} statements")
            return Source(0, header.sub, header.iss, Role.METER, self.genesis, True)
        record = authorise(self.ring.keys, self.index, header, statement.kind)
        if record.last < self.index:
            raise EvidenceError("key/revoked", f"the key of {header.sub} is revoked after entry {record.last}")
        verify_sign1(signed.sign1, record.key)
        self._acts(statement, leaf, record)
        return record.source

    def _acts(self, statement: Statement, leaf: bytes, record: KeyRecord) -> None:
        if isinstance(statement.body, KeysBody):
            for act in statement.body.acts:
                if not isinstance(act, Void):
                    self.ring.apply(self.index, leaf, record, act)

    def _newest(self, sub: str) -> Link | None:
        index = self.log.last(sub)
        if index is None:
            return None
        entry = self.log.entry(index)
        return _link(index, leaf_hash(entry), parse_statement(entry).statement)


def _link(index: int, leaf: bytes, statement: Statement) -> Link:
    closes = isinstance(statement.body, CloseBody)
    return Link(index, statement.seq, statement.prev or b"", leaf, statement.start, statement.end, closes)
