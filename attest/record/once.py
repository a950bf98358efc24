"""Signing onto a chain of the log on this machine: each place once, whatever crashes (attest.store.outbox).

    finish(log, source, signer)             # what was begun before a crash comes first
    with signing(log, source, signer) as sign:
        entry = sign(statement, block)      # on the disk before it is signed, and again before it is here
        log.append(entry, block)

A source's outbox lies in the log's directory, so that whoever signs for it under the log's lock finds what another
process has begun: a recorder that was killed, an import, a rotation. That is signed and appended as it was proposed,
whatever the next one came for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from attest.control import Source
from attest.errors import LogError
from attest.format.statement import Statement, parse_payload, parse_statement
from attest.record.place import place
from attest.sign.signer import Signer
from attest.sign.statements import header_for, payload_to_sign, sign_payload
from attest.store import disk
from attest.store.directory import OUTBOX
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter

Sign = Callable[[Statement, bytes | None], bytes]


def finish(log: LogWriter, source: Source, signer: Signer) -> list[Statement]:
    """Append what the source has signed, or was about to sign, before a crash; what that was.

    Raises LogError `outbox/overtaken` where the log's chain has gone on without them.
    """
    path = _path(log, source)
    if not path.is_dir():
        return []
    header = header_for(signer, source.iss, source.sub)
    with Outbox(path) as box:
        begun = list(box.waiting())
        for signed in begun:
            if log.find(source.sub, signed.seq) is None:
                _require_next(log, source, parse_statement(signed.entry).statement)
            log.append(signed.entry, signed.block)
        if box.draft is not None:
            _require_next(log, source, parse_payload(box.draft.payload))
            signed = box.sign(lambda payload: sign_payload(header, payload, signer))
            log.append(signed.entry, signed.block)
            begun.append(signed)
        if begun:
            box.taken(begun[-1].seq)
    return [parse_statement(signed.entry).statement for signed in begun]


@contextmanager
def signing(log: LogWriter, source: Source, signer: Signer) -> Iterator[Sign]:
    """What signs the source's next statements; they are appended before this ends. Raises LogError."""
    header = header_for(signer, source.iss, source.sub)
    path = _path(log, source)
    with disk.failures(path):
        if not path.parent.is_dir():
            disk.make_directory(path.parent)
        disk.sync_directory(log.path)
    with Outbox(path) as box:

        def sign(statement: Statement, block: bytes | None) -> bytes:
            box.propose(payload_to_sign(header, statement, signer), block)
            return box.sign(lambda payload: sign_payload(header, payload, signer)).entry

        yield sign
        for signed in list(box.waiting())[-1:]:
            box.taken(signed.seq)


def _path(log: LogWriter, source: Source) -> Path:
    return log.path / OUTBOX / sha256(source.sub.encode()).hexdigest()


def _require_next(log: LogWriter, source: Source, statement: Statement) -> None:
    seq, prev, _ = place(log, source)
    if (statement.seq, statement.prev) != (seq, prev):
        detail = f"{source.sub} was about to sign seq {statement.seq}, and the log's chain goes on at {seq}"
        hint = "find out who else signs with this key; only then remove the draft"
        raise LogError("outbox/overtaken", f"{_path(log, source)}: {detail}", hint=hint)
