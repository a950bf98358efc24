"""What a store really prevents, whatever it is called: canaries are stored, locked, and then attacked.

    for tried in probe(objects, clock):
        print(tried.attempt, tried.outcome, tried.detail)

Each attempt has a canary of its own below `probe/`, stored and locked as the archive's objects are. What the store
answers decides nothing: afterwards the canary is looked at. *prevented*: it is as it was. *allowed*: it is not. *not
tried*: there was nothing to try it on. All is done with the rights that the archive has, so that a store that prevents
something by withholding a right does prevent it.

    overwrite         other bytes of the same size in the place of a canary that is retained
    delete            its removal, without naming a version
    delete-version    its removal for good
    delete-bulk       the same, in a request for several removals
    delete-bypass     the same, with the flag that gets past retentions of mode GOVERNANCE
    shorten           an earlier end of its retention, with and without that flag
    mode              GOVERNANCE in place of COMPLIANCE, with and without that flag
    delete-held       the removal of a canary that is under a legal hold
    lift-hold         lifting that hold: most servers let everybody do it who may set one
    create-again      a write that must not happen where something is: `If-None-Match: *`, O_EXCL
    clean-up          the removal of the canaries, those of earlier probes among them; what stays is the next one's
"""

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attest.archive.address import address_of
from attest.archive.attempts import ALLOWED, PLACE, PREVENTED, UNTRIED, Tried, tried
from attest.archive.folder import FolderObjects
from attest.archive.objects import Objects
from attest.archive.s3 import S3Objects
from attest.archive.s3_probe import probe_bucket

_UNTRIED: Final = {
    "delete-version": "a folder keeps no versions",
    "delete-bulk": "a folder takes no request for several removals",
    "delete-bypass": "a folder has no retention",
    "shorten": "a folder has no retention",
    "mode": "a folder has no retention",
    "delete-held": "a folder has no legal hold",
    "lift-hold": "a folder has no legal hold",
}


def probe(objects: Objects, clock: Callable[[], int]) -> list[Tried]:
    """Tries all of it on a store; `clock` tells Unix s. Raises ArchiveError where a canary cannot be stored or seen."""
    if isinstance(objects, S3Objects):
        return probe_bucket(objects, clock)
    if isinstance(objects, FolderObjects):
        return _probe_folder(objects)
    raise TypeError(f"{objects.name} is a store of a kind that nobody can probe")


def _probe_folder(store: FolderObjects) -> list[Tried]:
    spot = store.below(f"{PLACE}/{secrets.token_hex(8)}")
    return [
        _tried(spot, "overwrite", _overwrite),
        _tried(spot, "delete", Path.unlink),
        *(Tried(attempt, UNTRIED, why) for attempt, why in _UNTRIED.items()),
        _tried(spot, "create-again", _create),
        _clean(store.place(PLACE)),
    ]


def _tried(spot: FolderObjects, attempt: str, act: Callable[[Path], object]) -> Tried:
    data = secrets.token_bytes(64)
    address = address_of(data)
    spot.put(address, lambda: [data])
    try:
        act(spot.place(address.path))
        refused = ""
    except OSError as error:
        refused = f"the system says {error.strerror}"
    kept = False
    if spot.has(address):
        with spot.open(address) as reader:
            kept = reader.read(0, len(data)) == data
    return tried(attempt, kept, refused)


def _overwrite(path: Path) -> None:
    """As whoever the file belongs to can: 0444 keeps out others, and slips of the hand."""
    with suppress(PermissionError):
        path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(64))


def _create(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(secrets.token_bytes(64))


def _clean(folder: Path) -> Tried:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return Tried("clean-up", PREVENTED, f"canaries stay in {folder}: {error.strerror}")
    return Tried("clean-up", ALLOWED, "no canary is left")
