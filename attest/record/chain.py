"""Where a source's chain stands in its log, and the next statement signed onto it.

What is read here is the lab's own log, so signatures are not verified again; what every verifier would refuse is not
signed. Each place is signed once, whatever crashes: through the source's outbox in the log's directory, so that whoever
signs for it under the log's lock, a recorder, an import or a rotation, settles first what another one has begun.
Times are Unix seconds.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from attest.agreement import Meter
from attest.collect.statements import Draft
from attest.control import MAY_SIGN, KeyRecord, Source
from attest.errors import EvidenceError, KeyFileError, LogError, MissingError
from attest.format.act import GenesisAct, parse_act
from attest.format.bodies import Body, GenesisBody, MeterBody
from attest.format.checkpoint import parse_checkpoint
from attest.format.cose import Header, parse_document
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate, Void
from attest.format.note import parse_note
from attest.format.statement import MAX_STATEMENT, Anchor, Statement, parse_payload, parse_statement
from attest.format.vocabulary import Kind, Role
from attest.keyring import Keyring
from attest.log.merkle import leaf_hash
from attest.sign.keys import repeats
from attest.sign.named import open_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, payload_to_sign, sign_payload
from attest.store import disk
from attest.store.outbox import MAX_TOGETHER, UNSIGNED, Item, Outbox, Signed, box_path
from attest.store.writer import LogWriter
from attest.trust.keys import PublicKey

# Of each open log, by the meters that an agreement enrols in it, how many entries were replayed, and the keys then:
# each act is carried out once.
_REPLAYED: Final[WeakKeyDictionary[LogWriter, dict[tuple[Meter, ...], tuple[int, Keyring]]]] = WeakKeyDictionary()


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


def signer_of(name: str, passphrase_file: str | None = None) -> Signer:
    """The private key that a file or URI names; the passphrase is for files that have one.

    Raises MissingError or KeyFileError.
    """
    return open_key(name, lambda: passphrase_of(passphrase_file))


def genesis_leaf(log: LogWriter) -> bytes:
    """The leaf hash of the genesis, by which statements name their log. Raises MissingError on an empty log."""
    if not log.size + log.pending:
        raise MissingError("log/empty", f"{log.path} has no genesis", hint="make a log with `attest log init`")
    return leaf_hash(log.entry(0))


def keyring(log: LogWriter, meters: tuple[Meter, ...] = ()) -> Keyring:
    """The keys of a log as its own acts leave them; an act that breaks a rule changed nothing. `meters` are those that
    the agreement enrols in it."""
    replayed = _REPLAYED.setdefault(log, {})
    size, ring = replayed.get(meters, (0, Keyring()))
    for index, entry in log.entries(Kind.GENESIS, Kind.KEYS, begin=size):
        signed = parse_statement(entry)
        body, record = signed.statement.body, ring.keys.get(signed.header.kid)
        if isinstance(body, GenesisBody):
            genesis = parse_act(parse_document(body.document).payload or b"")
            if isinstance(genesis, GenesisAct):
                ring.found(leaf_hash(entry), genesis)
                for meter in meters:
                    ring.enrol(0, leaf_hash(entry), meter.sub, meter.iss, Role.METER, meter.key, independent=True)
        elif isinstance(body, KeysBody) and record is not None:
            for act in body.acts:
                if not isinstance(act, Void):
                    with suppress(EvidenceError):
                        ring.apply(index, leaf_hash(entry), record, act)
    replayed[meters] = log.size + log.pending, ring
    return ring.copy()


def key_record(log: LogWriter, ring: Keyring, key: PublicKey) -> KeyRecord:
    """The key as the log enrols it, if it may sign the log's next entry. Raises KeyFileError."""
    record, index = ring.keys.get(key.thumbprint), log.size + log.pending
    if record is None:
        detail = f"the log does not enrol the key {key.thumbprint.hex()}"
        raise KeyFileError("key/not-enrolled", detail, hint="attest key request, then attest key enrol")
    if record.retired <= index:
        raise KeyFileError("key/retired", f"the key of {record.source.sub} was rotated away: sign with its successor")
    if record.last < index:
        raise KeyFileError("key/revoked", f"the key of {record.source.sub} is revoked after entry {record.last}")
    return record


def require_acts(log: LogWriter, signer: Signer, acts: Sequence[Enrol | Rotate | Revoke]) -> Source:
    """The signer's source, if it may carry out these acts next: what every verifier would refuse is not written.

    Raises KeyFileError where the log does not take the key, LogError where it would not take an act.
    """
    ring = keyring(log)
    record = key_record(log, ring, signer.public_key())
    for act in acts:
        try:
            ring.apply(log.size + log.pending, b"", record, act)
        except EvidenceError as error:
            raise LogError(error.code, error.detail, hint=error.hint) from error
    return record.source


def place(log: LogWriter, source: Source) -> Place:
    """Where the source's next statement goes."""
    last = log.last(source.sub)
    if last is None:
        return Place(0, source.enrolment, None)
    entry = log.entry(last)
    statement = parse_statement(entry).statement
    return Place(statement.seq + 1, leaf_hash(entry), statement.end)


def anchor(log: LogWriter) -> Anchor | None:
    """The log's own newest checkpoint, as what the source has seen."""
    if log.checkpoint is None:
        return None
    head = parse_checkpoint(parse_note(log.checkpoint).text)
    return Anchor(head.size, head.root, sha256(log.checkpoint).digest())


def require_kind(log: LogWriter, signer: Signer, kind: Kind) -> Source:
    """The signer's source, if it signs statements of this kind. Raises KeyFileError."""
    source = key_record(log, keyring(log), signer.public_key()).source
    if kind not in MAY_SIGN[source.role]:
        detail = f"{source.sub} is a {source.role.name.lower()}, which does not sign {kind.name.lower()} statements"
        raise KeyFileError("key/role", detail, hint="sign with the office's key")
    return source


def outbox_of(log: LogWriter, source: Source) -> Outbox:
    """The outbox of a source that signs on this machine, in the log's directory. Raises LogError."""
    path = box_path(log.path, source.sub)
    with disk.failures(path.parent):
        disk.keep_directory(path.parent)
    return Outbox(path)


def settle(log: LogWriter, source: Source, signer: Signer, box: Outbox) -> list[bytes]:
    """What was proposed is signed, and what was signed appended; the entries.

    Raises LogError `outbox/overtaken` where the log's chain has gone on without them.
    """
    header = header_for(signer, source.iss, source.sub)
    if done := list(box.waiting()):
        _append(log, source, done)
    if box.drafts:
        _require_next(parse_payload(box.drafts[0].payload), place(log, source), log, source)
        signed = box.sign(lambda payload: sign_payload(header, payload, signer))
        _append(log, source, signed)
        done += signed
    if done:
        box.taken(done[-1].seq)
    return [signed.entry for signed in done]


def finish(log: LogWriter, signer: Signer) -> int:
    """Append what the signer's source began to sign before a crash; how many entries that were."""
    source = key_record(log, keyring(log), signer.public_key()).source
    with outbox_of(log, source) as box:
        return len(settle(log, source, signer, box))


def sign_next(
    log: LogWriter, signer: Signer, kind: Kind, body: Body, at: int | None, block: bytes | None = None
) -> int:
    """Sign the next statement of the signer's own chain and append it; returns its log index.

    What the source began to sign before a crash is settled first, and if that is the same it is not said again. The
    office's window reaches from the end of its last statement to `at`, which is now where it is None. A host's or
    meter's is empty: what it did until now is told by its usage or readings, and a keys statement must leave no hole
    between them. Where it has told nothing yet its chain begins at `at`, which has to be given. Raises KeyFileError
    `key/early` where it is not.
    """
    source = key_record(log, keyring(log), signer.public_key()).source
    with outbox_of(log, source) as box:
        begun = settle(log, source, signer, box)
        if begun and _says(parse_statement(begun[-1]).statement.body) == _says(body):
            return log.append(begun[-1], block)
        source = require_kind(log, signer, kind)
        if isinstance(body, KeysBody):
            require_acts(log, signer, [act for act in body.acts if not isinstance(act, Void)])
        seq, prev, until = place(log, source)
        if source.role is Role.OFFICE:
            at = now() if at is None else at
            start = at if until is None else until
            end = max(at, start)
        else:
            start = end = begun_at(source.sub, until, at)
        statement = Statement(kind, genesis_leaf(log), seq, prev, start, end, anchor(log), body)
        box.propose((payload_to_sign(header_for(signer, source.iss, source.sub), statement, signer), block))
        return log.append(settle(log, source, signer, box)[-1], block)


def begun_at(sub: str, until: int | None, at: int | None = None) -> int:
    """The time of a host's or meter's statement that speaks of none: the end of the one before. Raises KeyFileError
    `key/early` where there is none and no time is given: its chain would begin wherever the clock stands, inside an
    interval and after what was sampled already."""
    begun = at if until is None else until
    if begun is None:
        hint = "rotate once its first window is closed"
        raise KeyFileError("key/early", f"{sub} has not spoken of any time yet", hint=hint)
    return begun


def together(drafts: Iterable[Draft], signer: Signer) -> Iterator[list[Draft]]:
    """Drafts that are proposed, signed and appended at once, as many as attest.store.outbox allows."""
    held: list[Draft] = []
    room = 0
    for draft in drafts:
        more = MAX_STATEMENT + len(draft.block or b"")
        if held and (room + more > MAX_TOGETHER or not repeats(signer)):
            yield held
            held, room = [], 0
        held.append(draft)
        room += more
    if held:
        yield held


def proposal(
    drafts: Sequence[Draft], log: bytes, first: Place, seen: Anchor | None, header: Header, signer: Signer
) -> Iterator[Item]:
    """What is proposed of drafts that follow one another in a chain. Raises LogError."""
    for number, draft in enumerate(drafts):
        kind = Kind.METER if isinstance(draft.body, MeterBody) else Kind.USAGE
        prev = UNSIGNED if number else first.prev
        statement = Statement(kind, log, first.seq + number, prev, draft.start, draft.end, seen, draft.body)
        yield payload_to_sign(header, statement, signer), draft.block


def _append(log: LogWriter, source: Source, done: Sequence[Signed]) -> None:
    """Those that the log does not have yet are the next of their chain."""
    expected = place(log, source)
    for signed in done:
        if log.find(source.sub, signed.seq) is None:
            statement = parse_statement(signed.entry).statement
            _require_next(statement, expected, log, source)
            expected = Place(signed.seq + 1, leaf_hash(signed.entry), statement.end)
    log.extend((signed.entry, signed.block) for signed in done)


def _require_next(statement: Statement, expected: Place, log: LogWriter, source: Source) -> None:
    if (statement.seq, statement.prev) != expected[:2]:
        detail = f"{source.sub} was about to sign seq {statement.seq}, and its chain in {log.path} goes on at"
        hint = "find out who else signs with this key; only then remove the draft in .outbox"
        raise LogError("outbox/overtaken", f"{detail} {expected.seq}", hint=hint)


def _says(body: Body) -> Body:
    """The body without proofs of possession, which may differ each time they are made."""
    if not isinstance(body, KeysBody):
        return body
    return KeysBody(tuple(act._replace(proof=b"") if isinstance(act, Enrol | Rotate) else act for act in body.acts))
