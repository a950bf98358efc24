"""The one writer of a log's directory: accepts entries, seals them under checkpoints, survives being killed.

    with LogWriter.create(path, "example.com/dc2") as log:
        log.append(genesis)                      # accepted: in the journal, synced
        log.append(usage, block)                 # a block rides with the entry that commits to it
        log.seal(lambda text: sign_note(text, log.origin, signers))     # published: under a checkpoint
        log.cosign(note)                         # the same checkpoint with witnesses' signatures

What is accepted is never lost, doubled or reordered, whenever the process ends; what is published is always
one whole checkpoint with every file that it needs. Sealing goes in this order, each step lasting before the
next begins:

    1  tiles and packs      new files; a partial tile has its width in its name, so none that the old
                            checkpoint needs is touched
    2  checkpoint           by rename: the old one or the new one
    3  superseded files     partial tiles that the new checkpoint does not need
    4  journal              emptied

Dying before 2 leaves the old checkpoint and the journal; dying after it leaves the new one and a journal whose
records are known by their positions to be in the tree: `open` finishes 3 and 4. A torn end of the journal, which was
never accepted, is cut off, and `repaired` says so. After an error of the disk the writer is closed: open it again.

Appending again what a place (source, seq) holds returns its index; anything else for that place is refused
(log/equivocation). Opening reads what came since the index was kept (attest.store.index), at first every entry, to know
the places; what is read at all is held against the checkpoint's root (attest.store.sealed), signatures are not
verified. One process at a time holds the lock, and who keeps it for long gives it to who waits (attest.store.handover);
`read_only` takes none, repairs nothing, and can only look.

Raises LogError, and what `peek` raises for a bad entry.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, Self

from attest.errors import LogError
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import Peek, kind_of, peek
from attest.format.vocabulary import Kind
from attest.log import tiles
from attest.log.merkle import leaf_hash
from attest.log.tiles import CHECKPOINT
from attest.store import checks, disk, handover
from attest.store.create import create
from attest.store.directory import INDEX, JOURNAL, TEMPORARY, DirectoryBundle
from attest.store.files import TileFiles
from attest.store.index import Index
from attest.store.journal import Journal
from attest.store.sealed import Sealed, damage

MAX_FRAME: Final = 64 << 20  # bytes of entries and blocks that `extend` accepts at once

Item = tuple[bytes, bytes | None]


class _Fresh(NamedTuple):
    """An entry that is about to be accepted: its number, itself, its block, what it says of its place."""

    number: int
    entry: bytes
    block: bytes | None
    found: Peek


class LogWriter:
    """An open log.

    origin: the log's name. size: leaves under the checkpoint. checkpoint: its note, None before the first.
    repaired: what `open` had to mend, in words, or "".
    """

    @classmethod
    def create(cls, path: Path, origin: str) -> Self:
        """A new, empty log in a directory that is empty or not there yet."""
        create(path, origin)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """A log that is there. Finishes or mends what a killed writer left, unless `read_only`."""
        return cls(path, read_only=read_only)

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.repaired = ""
        self.checkpoint: bytes | None = None
        self._files = TileFiles(path)
        with contextlib.ExitStack() as stack, disk.failures(path):
            if not (path / JOURNAL).exists() and not (path / CHECKPOINT).exists():
                hint = "make a log with `attest log init`"
                raise LogError("log/not-a-log", f"{path} holds neither a checkpoint nor a journal", hint=hint)
            if not read_only:
                stack.callback(os.close, handover.lock(path))
                disk.sync_directory(path)  # whoever was killed may not have come to this, and it is acted upon
            # The journal first: a writer that works beside a reader moves records from it to the tree.
            journal = self._open_journal()
            if journal:
                self._journal = journal
                stack.callback(journal.close)
            self._head = self._read_checkpoint()
            self.origin = checks.origin_of(journal, self._head)
            self.size = self._head.size if self._head else 0
            records = journal.records if journal else []
            self._pending = [record for record in records if record.position >= self.size]
            if journal and not read_only:
                checks.finish(self.size, journal, self._pending, self._files)
                self._pack = self._index.pack
            self._open = stack.pop_all()
            self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back; what was accepted stays."""
        self.closed = True
        self._open.close()

    @property
    def pending(self) -> int:
        """Entries that are accepted and under no checkpoint yet."""
        return len(self._pending)

    def entry(self, index: int) -> bytes:
        """Entry number `index`, sealed or pending."""
        return self._sealed.entry(index) if index < self.size else self._pending[index - self.size].entry

    def entries(self, *kinds: Kind, begin: int = 0) -> Iterator[tuple[int, bytes]]:
        """The entries of kinds that are LISTED in the index, with their numbers, from `begin` on."""
        for index in self._index.listed(begin):
            entry = self.entry(index)
            if kind_of(entry) in kinds:
                yield index, entry

    def block(self, index: int) -> bytes | None:
        """The block of entry number `index`, sealed or pending; None if it has none."""
        if index < self.size:
            return self._sealed.block(index)
        return checks.pending_block(self.path, self._journal, self._pending[index - self.size])

    def find(self, sub: str, seq: int) -> int | None:
        """The index of a source's statement, None if there is none."""
        self._require_writable()
        return self._looked_at(sub, seq, lambda: self._index.places.find(sub, seq))

    def last(self, sub: str) -> int | None:
        """The index of the entry with the highest seq of a source, None if it has none."""
        self._require_writable()
        return self._looked_at(sub, None, lambda: self._index.places.last(sub))

    def append(self, entry: bytes, block: bytes | None = None) -> int:
        """Accepts an entry with the block it commits to; returns its index, also if it was there already."""
        return self.extend([(entry, block)])[0]

    def extend(self, items: Iterable[Item]) -> list[int]:
        """Accepts entries in frames of about 64 MiB: of a frame all or none, one sync each.

        Raises LogError (log/equivocation, log/block); earlier frames stay accepted, and the same items can be
        given again.
        """
        self._require_writable()
        indices: list[int] = []
        frame: dict[tuple[str, int], _Fresh] = {}
        bulk = 0
        for entry, block in items:
            found = peek(entry)
            checks.require_block(found.sub, found.seq, found.block, block)
            place = (found.sub, found.seq)
            known = frame[place].number if place in frame else self.find(*place)
            if known is None:
                known = self.size + self.pending + len(frame)
                frame[place] = _Fresh(known, entry, block, found)
                bulk += len(entry) + len(block or b"")
            elif (frame[place].entry if place in frame else self.entry(known)) != entry:
                hint = "nothing was appended; find out why the source signed twice"
                raise LogError("log/equivocation", f"{found.sub} seq {found.seq} is entry {known} already", hint=hint)
            indices.append(known)
            if bulk >= MAX_FRAME:
                self._accept(frame.values())
                frame, bulk = {}, 0
        if frame:
            self._accept(frame.values())
        return indices

    def seal(self, sign: Callable[[str], bytes]) -> bytes:
        """Publishes what is pending under a new checkpoint, which `sign` makes from its text; returns it.

        With nothing pending the checkpoint stays as it is. An exception out of `sign` changes nothing.
        """
        self._require_writable()
        if not self._pending:
            if self.checkpoint is None:
                raise LogError("log/empty", f"{self.path} holds no entries to seal")
            return self.checkpoint
        old, new = self.size, self.size + len(self._pending)
        leaves = b"".join([leaf_hash(record.entry) for record in self._pending])
        with disk.fatal(self.path, self.close):
            written, edge = tiles.grow(old, self._sealed.edge, leaves)
            pack = self._files.put_entries(old, self._pack, self._pending, self._journal)
            for tile, data in written:
                self._files.put(tiles.path(tile), [data])
            self._files.sync()
        text = format_checkpoint(Checkpoint(self.origin, new, tiles.edge_root(new, edge)))
        note = sign(text)
        checks.require_text(note, text)
        with disk.fatal(self.path, self.close):
            self._publish(note)
            self._sealed.grow(new, edge)
            self.size, self._pack, self._pending = new, pack, []
            self._files.sweep(old, new, new)
            self._files.sync()
            self._journal.clear()
        return note

    def cosign(self, note: bytes) -> None:
        """Publishes the checkpoint's note with more signatures: same text, every signer kept."""
        self._require_writable()
        if self.checkpoint is None:
            raise LogError("log/empty", f"{self.path} has no checkpoint to cosign")
        now = parse_note(self.checkpoint)
        signers = {(s.name, s.key_id) for s in checks.require_text(note, now.text)}
        if missing := [s.name for s in now.signatures if (s.name, s.key_id) not in signers]:
            raise LogError("log/note", f"the note lacks signatures of {', '.join(missing)}, which the checkpoint has")
        with disk.fatal(self.path, self.close):
            self._publish(note)

    # -- opening

    def _open_journal(self) -> Journal | None:
        path = self.path / JOURNAL
        if not path.exists():  # a copy of what was published
            if self.read_only:
                return None
            with damage():
                head = parse_checkpoint(parse_note(DirectoryBundle(self.path).checkpoint()).text)
            Journal.create(path, self.path / TEMPORARY, head.origin)
            disk.sync_directory(self.path)
        journal = Journal(path, read_only=self.read_only)
        if journal.torn and not self.read_only:
            self.repaired = f"cut {journal.torn:,} bytes of an unfinished append off the journal"
        return journal

    def _read_checkpoint(self) -> Checkpoint | None:
        if not (self.path / CHECKPOINT).exists():
            return None
        with damage():
            self.checkpoint = DirectoryBundle(self.path).checkpoint()
            return parse_checkpoint(parse_note(self.checkpoint).text)

    @cached_property
    def _sealed(self) -> Sealed:
        return Sealed.of(self.path, self._head)

    @cached_property
    def _index(self) -> Index:
        return self._indexed()

    def _indexed(self, *, anew: bool = False) -> Index:
        path, sealed = self.path / INDEX, self._sealed
        index = Index.of(sealed, self.size, path) if self.read_only else Index.to_write(sealed, path, anew=anew)
        for record in self._pending:
            index.add(record.position, peek(record.entry))
        return index

    def _looked_at(self, sub: str, seq: int | None, find: Callable[[], int | None]) -> int | None:
        """Where the index has a statement of a source, after a look; if it is wrong, everything is read again."""
        index = find()
        at = None if index is None else peek(self.entry(index))
        if at is None or (at.sub == sub and seq in (None, at.seq)):
            return index
        self._index = self._indexed(anew=True)
        return find()

    # -- appending and sealing

    def _accept(self, frame: Collection[_Fresh]) -> None:
        with disk.fatal(self.path, self.close):
            self._pending += self._journal.append([fresh[:3] for fresh in frame])
        for fresh in frame:
            self._index.add(fresh.number, fresh.found)

    def _publish(self, note: bytes) -> None:
        disk.replace(self.path / TEMPORARY, self.path / CHECKPOINT, [note])
        disk.sync_directory(self.path)
        self.checkpoint = note

    def _require_writable(self) -> None:
        if self.closed:
            raise LogError("log/closed", f"{self.path} was closed; open it again")
        if self.read_only:
            raise LogError("log/read-only", f"{self.path} was opened to be looked at")
