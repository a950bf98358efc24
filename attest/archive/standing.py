"""How a delivered copy stands to what the archive was shown of its log before (schemas/archive.md, "Standing").

What is remembered of a log is its newest head: the note itself, which the custody log names and nothing removes. The
copy that it came with may have expired; a smaller head is then not compared, and a larger one by its own tree.

Only a head that a key of the log signed is compared, and only with what the same key signed: whoever writes an
agreement with keys of his own for somebody else's log changes nothing in what is remembered of it.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, select

from attest.agreement import Agreement
from attest.archive.forks import Fork, prove_fork
from attest.archive.stored import StoredBundle
from attest.archive.tables import LOGS
from attest.errors import EvidenceError, MissingError
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import Vkey, format_vkey, parse_note
from attest.log.checkpoint import open_checkpoint
from attest.log.tiles import tile_hashes
from attest.trust.notes import find_signature

CURRENT, OLDER, FORKED, UNSIGNED, UNSHOWN = "current", "older", "forked", "unsigned", "unshown"

Earlier = Callable[[str, str], StoredBundle | None]
NoteOf = Callable[[int], bytes]


class Standing(NamedTuple):
    """The word for it; the head and, where a key of the log signed it, its note; digests of these keys; the delivery
    that it is not current against; the proof of a fork."""

    word: str
    head: Checkpoint | None = None
    note: bytes | None = None
    keys: tuple[str, ...] = ()
    against: str | None = None
    fork: Fork | None = None

    def details(self) -> Mapping[str, str | int]:
        """As the custody log says it."""
        found: dict[str, str | int] = {"standing": self.word}
        if self.head is not None:
            found |= {"origin": self.head.origin, "size": self.head.size, "root": self.head.root.hex()}
        if self.keys:
            found["keys"] = " ".join(self.keys)
        if self.against is not None:
            found["against"] = self.against
        return found


def standing_of(
    connection: Connection, bundle: StoredBundle, agreement: Agreement | None, earlier: Earlier, note_of: NoteOf
) -> Standing:
    """`earlier` opens a copy by its delivery and name, None where the store has it no longer; `note_of` gives the note
    of the head that an entry tells of. Where the store has lost that, a fork cannot be proven: *unshown*."""
    try:
        note = bundle.checkpoint()
        head = parse_checkpoint(parse_note(note).text)
    except (EvidenceError, MissingError):
        return Standing(UNSIGNED)
    named = None if agreement is None else agreement.site(head.origin)
    if named is None:
        return Standing(UNSIGNED, head)
    try:
        _, parsed = open_checkpoint(note, head.origin, named[1].log_keys)
    except EvidenceError:
        return Standing(UNSIGNED, head)
    if not head.size:
        return Standing(UNSHOWN, head)
    keys = tuple(key_digest(vkey) for vkey in named[1].log_keys if find_signature(parsed, vkey))
    of_log = (LOGS.c.origin == head.origin) & LOGS.c.vkey.in_(keys)
    worst = Standing(CURRENT, head, note, keys)
    columns = select(LOGS.c.size, LOGS.c.root, LOGS.c.delivery, LOGS.c.name, LOGS.c.standing_n)
    for row in connection.execute(columns.where(of_log).distinct()).all():
        known = Checkpoint(head.origin, row.size, bytes.fromhex(row.root))
        word, fork = _against(
            head, note, bundle, known, _note(note_of, row.standing_n), earlier(row.delivery, row.name)
        )
        if word != CURRENT:
            worst = worst._replace(word=word, against=row.delivery, fork=fork)
        if word == FORKED:
            break
    return worst


def key_digest(vkey: Vkey) -> str:
    """A short name for a log's key that nobody can make another key have."""
    return sha256(format_vkey(vkey).encode()).hexdigest()[:32]


def _note(note_of: NoteOf, n: int) -> bytes | None:
    try:
        return note_of(n)
    except (EvidenceError, MissingError):
        return None


def _against(
    head: Checkpoint,
    note: bytes,
    bundle: StoredBundle,
    known: Checkpoint,
    known_note: bytes | None,
    old: StoredBundle | None,
) -> tuple[str, Fork | None]:
    """How a head with its copy stands to a known one, whose note and whose copy there may be."""
    new, before = (head, note), (known, known_note or b"")
    older = head.size < known.size
    smaller, larger, tree = (new, before, old) if older else (before, new, bundle)
    if tree is None:
        return UNSHOWN, None
    try:
        fork = prove_fork(smaller, larger, tile_hashes(tree.hash_tile, larger[0].size))
    except (EvidenceError, MissingError):
        return UNSHOWN, None  # the copy of the larger tree is not whole
    if fork is not None:
        return (UNSHOWN, None) if known_note is None else (FORKED, fork)
    return OLDER if older else CURRENT, None
