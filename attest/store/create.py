"""A new log: an empty journal in an empty directory. It has no checkpoint before its first entries are sealed.

Killed at any point it leaves an empty directory, but for the lock and what was half written, or the new log.
"""

import os
from pathlib import Path

from attest.errors import EvidenceError, LogError
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.note import ED25519, Vkey
from attest.log.merkle import EMPTY_ROOT
from attest.store import disk
from attest.store.directory import JOURNAL, LOCK, TEMPORARY
from attest.store.journal import Journal


def create(path: Path, origin: str) -> None:
    """Makes the directory, if it is not there, and the journal. Raises LogError."""
    try:
        parse_checkpoint(format_checkpoint(Checkpoint(origin, 0, EMPTY_ROOT)))
        Vkey(origin, ED25519, bytes(32))  # the name under which checkpoints are signed
    except EvidenceError as error:
        raise LogError("log/origin", f"no log can be called {origin!r}: {error.detail}") from error
    with disk.failures(path):
        if path.exists() and not path.is_dir():
            raise LogError("log/exists", f"{path} is a file", hint="name a new directory")
        disk.keep_directory(path)
        _require_empty(path)
        lock = disk.lock(path / LOCK)
        try:
            _require_empty(path)  # now that no other process can be making a log here
            Journal.create(path / JOURNAL, path / TEMPORARY, origin)
            disk.sync_directory(path)
        finally:
            os.close(lock)


def _require_empty(path: Path) -> None:
    if any(item.name not in (LOCK, TEMPORARY) for item in path.iterdir()):
        hint = "open the log that is there, or name an empty directory"
        raise LogError("log/exists", f"{path} is not empty", hint=hint)
