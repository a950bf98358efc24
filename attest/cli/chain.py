"""Where a source's chain stands in its log, and the next statement signed onto it.

What is read here is the lab's own log, so nothing is verified: a key that the log does not enrol, or a statement out of
place, would be refused by whoever checks. Times are Unix seconds.
"""

import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from attest.errors import KeyFileError, MissingError
from attest.format.act import GenesisAct, parse_act
from attest.format.bodies import Body, Enrol, GenesisBody, KeysBody, Rotate
from attest.format.checkpoint import parse_checkpoint
from attest.format.cose import parse_document
from attest.format.note import parse_note
from attest.format.statement import Anchor, Statement, kind_of, parse_statement
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.sign.files import load_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, PublicKey


class Enrolled(NamedTuple):
    """A source as its log enrols it; `leaf` is the leaf hash of the entry that does."""

    sub: str
    iss: str
    role: Role
    leaf: bytes


class Place(NamedTuple):
    """What the next statement of a chain must carry; `until` of the last one, None before the first."""

    seq: int
    prev: bytes
    until: int | None


def now() -> int:
    """The time of an act, where none is given."""
    return int(time.time())


def passphrase_of(path: str | None) -> bytes | None:
    """The first line of a file, - for stdin. Raises MissingError."""
    if path is None:
        return None
    try:
        text = sys.stdin.buffer.readline() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise MissingError("input/missing", f"{path}: {error.strerror}") from error
    return text.split(b"\n", 1)[0].rstrip(b"\r")


def signer_of(path: str, passphrase_file: str | None = None) -> Signer:
    """The private key in a file; the passphrase is for keys that have one. Raises MissingError or KeyFileError."""
    try:
        return load_key(path)
    except KeyFileError as error:
        if error.code != "key/passphrase" or passphrase_file is None:
            raise
    return load_key(path, passphrase_of(passphrase_file))


def genesis_leaf(log: LogWriter) -> bytes:
    """The leaf hash of the genesis, by which statements name their log. Raises MissingError on an empty log."""
    if not log.size + log.pending:
        raise MissingError("log/empty", f"{log.path} has no genesis", hint="make a log with `attest log init`")
    return leaf_hash(log.entry(0))


def owners(log: LogWriter) -> dict[bytes, Enrolled]:
    """The source of every key that the log enrols or rotates to, by thumbprint."""
    found: dict[bytes, Enrolled] = {}
    for entry in _control(log):
        signed = parse_statement(entry)
        body, header = signed.statement.body, signed.header
        if isinstance(body, GenesisBody):
            genesis = parse_act(parse_document(body.document).payload or b"")
            if isinstance(genesis, GenesisAct):
                office = Enrolled(genesis.sub, genesis.iss, Role.OFFICE, leaf_hash(entry))
                found[_thumbprint(genesis.alg, genesis.key)] = office
        elif isinstance(body, KeysBody):
            for act in body.acts:
                if isinstance(act, Enrol):
                    found[_thumbprint(act.alg, act.key)] = Enrolled(act.sub, header.iss, act.role, leaf_hash(entry))
                elif isinstance(act, Rotate) and header.kid in found:
                    found[_thumbprint(act.alg, act.key)] = found[header.kid]
    return found


def enrolled(log: LogWriter, key: PublicKey) -> Enrolled:
    """The source that this key signs for. Raises KeyFileError `key/not-enrolled`."""
    try:
        return owners(log)[key.thumbprint]
    except KeyError:
        detail = f"the log does not enrol the key {key.thumbprint.hex()}"
        raise KeyFileError("key/not-enrolled", detail, hint="attest key request, then attest key enrol") from None


def place(log: LogWriter, source: Enrolled) -> Place:
    """Where the source's next statement goes."""
    last = log.last(source.sub)
    if last is None:
        return Place(0, source.leaf, None)
    entry = log.entry(last)
    statement = parse_statement(entry).statement
    return Place(statement.seq + 1, leaf_hash(entry), statement.end)


def anchor(log: LogWriter) -> Anchor | None:
    """The log's own newest checkpoint, as what the source has seen."""
    if log.checkpoint is None:
        return None
    head = parse_checkpoint(parse_note(log.checkpoint).text)
    return Anchor(head.size, head.root, sha256(log.checkpoint).digest())


def sign_next(log: LogWriter, signer: Signer, kind: Kind, body: Body, at: int, block: bytes | None = None) -> int:
    """Sign the next statement of the signer's own chain and append it; returns its log index.

    The office's window reaches from the end of its last statement to `at`. A host's or meter's is empty: what
    it did until now is told by its usage or readings, and a keys statement must leave no hole between them.
    """
    source = enrolled(log, signer.public_key())
    seq, prev, until = place(log, source)
    start = at if until is None else until
    end = max(at, start) if source.role is Role.OFFICE else start
    statement = Statement(kind, genesis_leaf(log), seq, prev, start, end, anchor(log), body)
    return log.append(sign_statement(header_for(signer, source.iss, source.sub), statement, signer), block)


def _control(log: LogWriter) -> Iterator[bytes]:
    wanted = (Kind.GENESIS, Kind.KEYS)
    entries = (log.entry(index) for index in range(log.size + log.pending))
    return (entry for entry in entries if kind_of(entry) in wanted)


def _thumbprint(alg: int, key: bytes) -> bytes:
    return PublicKey(Alg(alg), key).thumbprint
