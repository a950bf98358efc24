"""Out of the archive again: the files of a delivery as they came, and the custody log as a log's directory."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from attest.archive.address import Digests
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, numbered
from attest.archive.manifest import File, Manifest
from attest.archive.objects import Objects
from attest.archive.place import Archive
from attest.archive.stored import Joined
from attest.errors import ArchiveError, MissingError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.log import tiles
from attest.log.merkle import leaf_hash
from attest.store import disk

PIECE = 1 << 20


def files_of(manifest: Manifest) -> Iterator[tuple[str, File]]:
    """Every file of a delivery by its path below a folder: bundles/NAME/..., and the papers by role."""
    for copy in manifest.copies:
        for file in copy.files:
            yield f"bundles/{copy.name}/{file.path}", file
    for document in manifest.documents:
        folder = "events/" if document.role == "event" else ""
        name = {"agreement": "agreement", "trust": "trust.toml"}.get(document.role, document.name)
        yield f"{folder}{name}", File(document.name, document.whole)


def pieces(objects: Objects, file: File) -> Iterator[bytes]:
    """A file piece by piece. Raises MissingError at its end unless it is what was delivered."""
    joined, digests = Joined(objects, file), Digests()
    try:
        for begin in range(0, len(joined), PIECE):
            piece = joined.read(begin, PIECE)
            digests.update(piece)
            yield piece
    finally:
        joined.close()
    if digests.address() != file.whole:
        raise MissingError("archive/changed", f"{file.path} is not what was delivered", hint="attest archive fixity")


def write_out(archive: Archive, manifest: Manifest, target: Path) -> int:
    """Writes a delivery into a new folder; returns how many files. Nothing that is there is written over.

    Raises ArchiveError `archive/exists`, also where two names are one on this file system.
    """
    with disk.failures(target):
        if target.exists() and any(target.iterdir()):
            raise ArchiveError("archive/exists", f"{target} is not empty", hint="name a new folder")
        number = 0
        for path, file in files_of(manifest):
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            _write_new(place, pieces(archive.objects, file))
            number += 1
    return number


class Written(NamedTuple):
    """How many entries a copy of the custody log has, and how many more there are over which no head is."""

    size: int
    headless: int


def write_custody(archive: Archive, target: Path) -> Written:
    """Writes the custody log as a log's directory that `attest check` reads."""
    with archive.index.locked() as connection:
        known = size = archive.custody.catch_up(connection)
    while size and archive.objects.named(numbered(CHECKPOINTS_AT, size)) is None:
        size -= 1  # somebody died before it was sealed
    note = archive.objects.named(numbered(CHECKPOINTS_AT, size)) if size else None
    if note is None:
        raise MissingError("archive/missing", f"{archive.objects.name} has no checkpoint of its custody log")
    entries = [_entry(archive, n) for n in range(parse_checkpoint(parse_note(note).text).size)]
    with disk.failures(target):
        if target.exists() and any(target.iterdir()):
            raise ArchiveError("archive/exists", f"{target} is not empty", hint="name a new folder")
        written, _ = tiles.grow(0, [], b"".join(map(leaf_hash, entries)))
        files = {tiles.path(tile): data for tile, data in written}
        for index in range(-(-size // tiles.WIDTH)):
            here = entries[index * tiles.WIDTH : (index + 1) * tiles.WIDTH]
            files[tiles.path(tiles.tile_at(tiles.ENTRIES, index, size))] = tiles.format_entries(here)
        for path, data in (files | {tiles.CHECKPOINT: note}).items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            _write_new(target / path, iter([data]))
    return Written(size, known - size)


def _entry(archive: Archive, n: int) -> bytes:
    name = numbered(ENTRIES_AT, n)
    entry = archive.objects.named(name)
    if entry is None:
        raise MissingError("archive/missing", f"{archive.objects.name}/{name} is gone", hint="attest archive fixity")
    return entry


def _write_new(path: Path, data: Iterator[bytes]) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        detail = f"{path} is there already: two names of the delivery are one on this file system"
        raise ArchiveError("archive/exists", detail, hint="write it to another file system") from error
    try:
        for piece in data:
            disk.write(file, piece)
        disk.sync(file)
    finally:
        os.close(file)
