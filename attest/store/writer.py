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
records are known by their positions to be in the tree: `open` finishes 3 and 4. A torn end of the journal,
which was never accepted, is cut off, and `repaired` says so. After an error of the disk the writer is closed:
open the log again.

Appending again what a place (source, seq) holds returns its index; anything else for that place is refused
(log/equivocation). Opening reads every entry once (some 20 us each) to know the places and to see that the
tree is whole: its root is computed again, signatures are not verified. One process at a time holds the lock, and who
keeps it for long gives it to who waits (attest.store.handover); `read_only` takes none, repairs nothing, does not
read the entries, and can only look.

Raises LogError, and what `peek` raises for a bad entry.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from attest.errors import LogError
from attest.format.bodies import Block
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import Peek, peek
from attest.log import tiles
from attest.log.merkle import leaf_hash
from attest.store import disk, handover, scan
from attest.store.create import create
from attest.store.directory import CHECKPOINT, JOURNAL, TEMPORARY, DirectoryBundle
from attest.store.files import TileFiles
from attest.store.journal import Journal
from attest.store.places import Places

MAX_FRAME: Final = 64 << 20  # bytes of entries and blocks that `extend` accepts at once

Item = tuple[bytes, bytes | None]


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
        self._places = Places()
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
            head = self._read_checkpoint()
            self.origin = scan.origin_of(journal, head)
            self.size = head.size if head else 0
            records = journal.records if journal else []
            self._pending = [record for record in records if record.position >= self.size]
            if journal and not read_only:
                scan.finish(self.size, journal, self._pending, self._files)
                self._pack = self._place(head)
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

    @cached_property
    def _bundle(self) -> DirectoryBundle:
        return DirectoryBundle(self.path)

    def entry(self, index: int) -> bytes:
        """Entry number `index`, sealed or pending."""
        if index >= self.size:
            return self._pending[index - self.size].entry
        return scan.entry_at(self._bundle, self.size, index)

    def block(self, index: int) -> bytes | None:
        """The block of entry number `index`, sealed or pending; None if it has none."""
        if index >= self.size:
            record = self._pending[index - self.size]
            return self._journal.block(record) if record.block else None
        return scan.block_at(self._bundle, self.size, index)

    def find(self, sub: str, seq: int) -> int | None:
        """The index of a source's statement, None if there is none."""
        self._require_writable()
        return self._places.find(sub, seq)

    def last(self, sub: str) -> int | None:
        """The index of the entry with the highest seq of a source, None if it has none."""
        self._require_writable()
        return self._places.last(sub)

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
        frame: list[tuple[int, bytes, bytes | None]] = []
        fresh: dict[tuple[str, int], int] = {}
        bulk = 0
        for entry, block in items:
            found = self._check(entry, block)
            place = (found.sub, found.seq)
            known = fresh.get(place, self._places.find(*place))
            if known is None:
                known = fresh[place] = self.size + len(self._pending) + len(frame)
                frame.append((known, entry, block))
                bulk += len(entry) + len(block or b"")
            elif not (frame[known - frame[0][0]][1] == entry if place in fresh else self._holds(known, entry)):
                hint = "nothing was appended; find out why the source signed twice"
                raise LogError("log/equivocation", f"{found.sub} seq {found.seq} is entry {known} already", hint=hint)
            indices.append(known)
            if bulk >= MAX_FRAME:
                self._accept(frame, fresh)
                frame, fresh, bulk = [], {}, 0
        if frame:
            self._accept(frame, fresh)
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
        with self._fatal():
            edge = scan.read_edge(self._bundle, old) if old else []
            written, edge = tiles.grow(old, edge, leaves)
            pack = self._files.put_entries(old, self._pack, self._pending, self._journal)
            for tile, data in written:
                self._files.put(tiles.path(tile), [data])
            self._files.sync()
        text = format_checkpoint(Checkpoint(self.origin, new, tiles.edge_root(new, edge)))
        note = sign(text)
        scan.require_text(note, text)
        with self._fatal():
            self._publish(note)
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
        signers = {(s.name, s.key_id) for s in scan.require_text(note, now.text)}
        if missing := [s.name for s in now.signatures if (s.name, s.key_id) not in signers]:
            raise LogError("log/note", f"the note lacks signatures of {', '.join(missing)}, which the checkpoint has")
        with self._fatal():
            self._publish(note)

    # -- opening

    def _open_journal(self) -> Journal | None:
        path = self.path / JOURNAL
        if not path.exists():  # a copy of what was published
            if self.read_only:
                return None
            with scan.damage():
                head = parse_checkpoint(parse_note(self._bundle.checkpoint()).text)
            Journal.create(path, self.path / TEMPORARY, head.origin)
            disk.sync_directory(self.path)
        journal = Journal(path, read_only=self.read_only)
        if journal.torn and not self.read_only:
            self.repaired = f"cut {journal.torn:,} bytes of an unfinished append off the journal"
        return journal

    def _read_checkpoint(self) -> Checkpoint | None:
        if not (self.path / CHECKPOINT).exists():
            return None
        with scan.damage():
            self.checkpoint = self._bundle.checkpoint()
            return parse_checkpoint(parse_note(self.checkpoint).text)

    def _place(self, head: Checkpoint | None) -> int:
        """Reads all entries; returns the size of the last, partial pack."""
        pack = scan.scan(self._bundle, head, self._places.add) if head else 0
        for record in self._pending:
            at = peek(record.entry)
            self._places.add(at.sub, at.seq, record.position)
        return pack

    # -- appending and sealing

    def _check(self, entry: bytes, block: bytes | None) -> Peek:
        found = peek(entry)
        stated = Block(hashlib.sha256(block).digest(), len(block)) if block is not None else None
        if found.block != stated:
            what = "commits to no block" if found.block is None else f"commits to block {found.block.digest.hex()}"
            raise LogError("log/block", f"{found.sub} seq {found.seq} {what}, which is not what came with it")
        return found

    def _holds(self, index: int, entry: bytes) -> bool:
        if index >= self.size:
            return self._pending[index - self.size].entry == entry
        return scan.leaf_at(self._bundle, self.size, index) == leaf_hash(entry)

    def _accept(self, frame: list[tuple[int, bytes, bytes | None]], places: dict[tuple[str, int], int]) -> None:
        with self._fatal():
            self._pending += self._journal.append(frame)
        for (sub, seq), index in places.items():
            self._places.add(sub, seq, index)

    def _publish(self, note: bytes) -> None:
        disk.replace(self.path / TEMPORARY, self.path / CHECKPOINT, [note])
        disk.sync_directory(self.path)
        self.checkpoint = note

    def _require_writable(self) -> None:
        if self.closed:
            raise LogError("log/closed", f"{self.path} was closed; open it again")
        if self.read_only:
            raise LogError("log/read-only", f"{self.path} was opened to be looked at")

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """After an error of the disk nobody knows what it holds but who reads it again: close."""
        try:
            with disk.failures(self.path):
                yield
        except BaseException:
            self.close()
            raise
