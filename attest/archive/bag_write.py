"""Making a bag: BagIt 1.0, the same bytes for the same files and fields, whole or not there at all.

Manifests by SHA-256 and SHA-512 list the payload by its paths in order, tag manifests by the same two list everything
else; `bag-info.txt` has the caller's fields, and last the Payload-Oxum.

A bag is written beside its place, under a name that begins with a dot and ends in `.partial`, put on the disk, and
renamed. Who dies before that leaves such a folder, which nothing takes for a bag and which may be removed.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from attest.archive.address import Address, Digests, address_of
from attest.archive.bag import (
    DECLARATION,
    DECLARED,
    INFO,
    OXUM,
    PAYLOAD,
    format_entry,
    format_info,
    manifest_name,
    require_path,
)
from attest.errors import ArchiveError, MalformedError
from attest.store import disk

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Item(NamedTuple):
    """A file of the payload: its path below `data/`, what it must be, and its bytes, read when it is written."""

    path: str
    address: Address
    pieces: Iterable[bytes]


def write_bag(target: Path, items: Iterable[Item], fields: Sequence[tuple[str, str]]) -> None:
    """Makes the folder `target`. Items may come in any order; at least one.

    Raises ArchiveError `bag/exists` if something has that name, or if two items are one on this file system,
    `archive/changed` if an item is not what its address says, `bag/write` where the system refuses; MalformedError
    `bag/path`, `bag/info` for what cannot be written in a bag.
    """
    format_info(fields)  # before anything is written
    if any(label.lower() == OXUM.lower() for label, _ in fields):
        raise MalformedError("bag/info", f"{OXUM} is counted, and not given")
    with _refusals(target):
        if os.path.lexists(target):
            raise ArchiveError("bag/exists", f"{target} is there already", hint="name a new folder")
        parent = target.parent.resolve(strict=True)
        folder = parent / f".{target.name}.{secrets.token_hex(4)}.partial"
        folder.mkdir()
        try:
            _fill(folder, items, fields)
            # One call for all files: to wait for each would take minutes for 100,000 of them.
            os.sync()
            folder.rename(parent / target.name)
        except BaseException:
            shutil.rmtree(folder)
            raise
        disk.sync_directory(parent)


def _fill(folder: Path, items: Iterable[Item], fields: Sequence[tuple[str, str]]) -> None:
    payload: list[tuple[str, Address]] = []
    for item in items:
        path = PAYLOAD + item.path
        require_path(path)
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if _write(place, item.pieces) != item.address:
            hint = "attest archive fixity says what the store has lost"
            raise ArchiveError("archive/changed", f"{item.path[:200]!r} is not what its address says", hint=hint)
        payload.append((path, item.address))
    if not payload:
        raise ArchiveError("bag/empty", f"{folder.name} would be a bag without a file")
    payload.sort()
    oxum = (OXUM, f"{sum(address.size for _, address in payload)}.{len(payload)}")
    texts = {DECLARATION: DECLARED, INFO: format_info([*fields, oxum]), **_manifests(payload, tag=False)}
    texts |= _manifests([(name, address_of(text)) for name, text in sorted(texts.items())], tag=True)
    for name, text in texts.items():
        _write(folder / name, [text])


def _manifests(entries: Sequence[tuple[str, Address]], *, tag: bool) -> dict[str, bytes]:
    return {
        manifest_name(algorithm, tag=tag): "".join(
            f"{format_entry(getattr(address, algorithm), path)}\n" for path, address in entries
        ).encode()
        for algorithm in ("sha256", "sha512")
    }


def _write(path: Path, pieces: Iterable[bytes]) -> Address:
    digests = Digests()
    try:
        file = os.open(path, _NEW, 0o644)
    except FileExistsError as error:
        detail = f"{path} is there already: two names are one on this file system"
        raise ArchiveError("bag/exists", detail, hint="write the bag to another file system") from error
    try:
        for piece in pieces:
            digests.update(piece)
            disk.write(file, piece)
    finally:
        os.close(file)
    return digests.address()


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "the folder that the bag goes into must be there, writable, and have room for it"
        raise ArchiveError("bag/write", f"{error.filename or path}: {error.strerror or error}", hint=hint) from error
