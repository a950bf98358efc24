"""Reading a log again to write on: is it whole, and where does it end?

Everything is compared with everything: entries with level 0 tiles, the root they give with the checkpoint's, the
last tile of each level with that same root. Signatures are not verified. Damage is LogError (log/damaged).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from attest.errors import EvidenceError, LogError, MissingError
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import NoteSignature, parse_note
from attest.format.statement import peek
from attest.log import tiles
from attest.log.merkle import EMPTY_RANGE, HASH_SIZE, compact_range, leaf_hash
from attest.log.tiles import ENTRIES, MAX_LEVEL, WIDTH
from attest.packs import Room, open_pack
from attest.store.directory import DirectoryBundle
from attest.store.files import TileFiles, padded
from attest.store.journal import Journal, Record

_HINT = "restore the log from a copy; nothing was changed"


def scan(bundle: DirectoryBundle, head: Checkpoint, place: Callable[[str, int, int], None]) -> int:
    """Calls place(source, seq, index) for every entry; returns the size of the last, partial pack of blocks."""
    tree, pack = EMPTY_RANGE, 0
    for index in range(-(-head.size // WIDTH)):
        width = tiles.tile_at(ENTRIES, index, head.size).width
        with damage():
            entries = tiles.parse_entries(bundle.entries(index, width), width)
            leaves = b"".join(map(leaf_hash, entries))
            if bundle.hash_tile(0, index, width) != leaves:
                raise damaged(f"hash tile {index} is not of the entries")
            found = [peek(entry) for entry in entries]
        for number, at in enumerate(found, index * WIDTH):
            place(at.sub, at.seq, number)
        tree = tree.merge(compact_range(index * WIDTH, leaves))
        pack = 0 if width == WIDTH else sum(padded(at.block.size) for at in found if at.block)
    if tree.root() != head.root or tiles.edge_root(head.size, read_edge(bundle, head.size)) != head.root:
        raise damaged(f"the entries do not give the checkpoint's root {head.root.hex()}")
    return pack


def read_edge(bundle: DirectoryBundle, size: int) -> list[bytes]:
    """The last, not full hash tile of each level."""
    edge = []
    for level in range(MAX_LEVEL + 1):
        tile = tiles.tile_at(level, tiles.hashes_at(level, size) // WIDTH, size)
        with damage():
            edge.append(bundle.hash_tile(*tile) if tile.width else b"")
    return edge


def entry_at(bundle: DirectoryBundle, size: int, index: int) -> bytes:
    """One entry of a log of `size` leaves."""
    return _entries(bundle, size, index)[index % WIDTH]


def entries(bundle: DirectoryBundle, size: int) -> Iterator[bytes]:
    """All entries of a log of `size` leaves, each file read once."""
    for index in range(0, size, WIDTH):
        yield from _entries(bundle, size, index)[: size - index]


def block_at(bundle: DirectoryBundle, size: int, index: int) -> bytes | None:
    """The block of one entry, None if it has none."""
    with damage():
        stated = [peek(entry).block for entry in _entries(bundle, size, index)]
        found = open_pack(bundle, index // WIDTH, len(stated), stated, Room())(index % WIDTH)
    return None if found is None else bytes(found)


def leaf_at(bundle: DirectoryBundle, size: int, index: int) -> bytes:
    """The leaf hash of one entry."""
    with damage():
        hashes = bundle.hash_tile(*tiles.tile_at(0, index // WIDTH, size))
    return hashes[index % WIDTH * HASH_SIZE :][:HASH_SIZE]


def _entries(bundle: DirectoryBundle, size: int, index: int) -> list[bytes]:
    tile = tiles.tile_at(ENTRIES, index // WIDTH, size)
    try:
        with damage():
            return tiles.parse_entries(bundle.entries(tile.index, tile.width), tile.width)
    except LogError:
        # A writer beside this reader sweeps partial tiles as soon as a newer checkpoint supersedes them.
        with damage():
            now = parse_checkpoint(parse_note(bundle.checkpoint()).text).size
        if now <= size:
            raise
        return _entries(bundle, now, index)


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


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Bad evidence in one's own log is damage; what this user may not read is none."""
    try:
        yield
    except (EvidenceError, MissingError) as error:
        if isinstance(error.__cause__, PermissionError):
            raise LogError("log/denied", error.detail, hint="work as the user whose log it is") from error
        raise damaged(str(error)) from error


def damaged(detail: str) -> LogError:
    """The error for a log that cannot be written on as it is."""
    return LogError("log/damaged", detail, hint=_HINT)


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
