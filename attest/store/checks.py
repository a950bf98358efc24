"""What a writer asks of what it finds of its log, and of what it is given."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from attest.errors import LogError
from attest.format.bodies import Block
from attest.format.checkpoint import Checkpoint
from attest.format.note import NoteSignature, parse_note
from attest.format.statement import peek
from attest.store.files import TileFiles
from attest.store.journal import Journal, Record
from attest.store.sealed import Sealed, damaged


def finish(size: int, journal: Journal, pending: Sequence[Record], files: TileFiles) -> None:
    """Does what a sealing that did not end left to do, once it is clear that that is all there is to it."""
    positions = [record.position for record in pending]
    if positions != list(range(size, size + len(positions))):
        raise damaged("the journal does not continue the checkpoint: one of the two is an older copy")
    if files.beyond(size) > size + len(positions):
        raise damaged("there are entries beyond the checkpoint and the journal: one of the two is an older copy")
    if journal.records:
        begin, end = journal.records[0].position, journal.records[-1].position + 1
        files.sweep(begin, end, size, again=begin < size)
        files.sync()
        if not pending:
            journal.clear()


def require_block(sub: str, seq: int, stated: Block | None, block: bytes | None) -> None:
    """Raise LogError `log/block` unless what came with a statement is the block that it commits to."""
    if stated != (None if block is None else Block(hashlib.sha256(block).digest(), len(block))):
        what = "commits to no block" if stated is None else f"commits to block {stated.digest.hex()}"
        raise LogError("log/block", f"{sub} seq {seq} {what}, which is not what came with it")


def pending_block(path: Path, journal: Journal, record: Record) -> bytes | None:
    """The block of an entry that was pending when the log was opened, None if it has none.

    A writer beside a reader may have sealed it since, and then it stands in the tree and no more in the journal. Raises
    LogError `log/damaged` where neither has it.
    """
    if record.block is None:
        return None
    stated, block = peek(record.entry).block, journal.block(record)
    if stated == Block(hashlib.sha256(block).digest(), len(block)):
        return block
    sealed = Sealed.newest(path)
    if record.position < sealed.size and sealed.entry(record.position) == record.entry:
        return sealed.block(record.position)
    raise damaged(
        f"the journal does not hold the block of entry {record.position} any more, and no checkpoint covers it"
    )


def require_text(note: bytes, text: str) -> tuple[NoteSignature, ...]:
    """The signatures of a note over this text. Raises LogError where it is over another."""
    parsed = parse_note(note)
    if parsed.text != text:
        raise LogError("log/note", "the note that came back is not over the checkpoint's text")
    return parsed.signatures


def origin_of(journal: Journal | None, head: Checkpoint | None) -> str:
    """The one name of a log, from whichever of the two there is. Raises LogError where they differ."""
    names = {source.origin for source in (journal, head) if source}
    if len(names) != 1:
        raise damaged(f"the checkpoint and the journal are of different logs: {' and '.join(sorted(names))}")
    return names.pop()
