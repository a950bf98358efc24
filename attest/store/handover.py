"""Handing a log over: a process that keeps it open for long gives it to whoever asks, and takes it back.

Beside the log's lock there is another one. Who finds the log locked by a keeper takes that, and waits for the lock; the
keeper looks from time to time whether somebody has it, closes the log, and opens it again when nobody has it any more.

    .lock       held by whoever writes; a keeper has written `keeper` into it
    .asked      held by whoever waits for a keeper
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from attest.errors import LogError
from attest.store import disk
from attest.store.directory import ASKED, LOCK

SECONDS: Final = 60.0  # that somebody who asks waits
STEP: Final = 0.05
_KEEPER: Final = b"keeper\n"

_T = TypeVar("_T")


def announce(path: Path) -> None:
    """Say that the process which has the log's lock gives it to who asks."""
    (path / LOCK).write_bytes(_KEEPER)


def withdraw(path: Path) -> None:
    """Say so no more."""
    (path / LOCK).write_bytes(b"")


def asked(path: Path) -> bool:
    """Whether somebody waits for the log."""
    try:
        os.close(disk.lock(path / ASKED))
    except LogError:
        return True
    return False


def wait(path: Path) -> None:
    """Until nobody waits for the log any more; at most as long as somebody waits."""
    end = time.monotonic() + SECONDS
    while asked(path) and time.monotonic() < end:
        time.sleep(STEP)


def patiently(what: Callable[[], _T]) -> _T:
    """What somebody else has the lock of now, and will not have for long. Raises LogError `log/locked`."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            return what()
        except LogError as error:
            if error.code != "log/locked":
                raise
        time.sleep(STEP)
    return what()


def lock(path: Path) -> int:
    """The log's lock; of a log that is kept open, once its keeper gives it. Raises LogError `log/locked`."""
    try:
        return disk.lock(path / LOCK)
    except LogError:
        if (path / LOCK).read_bytes() != _KEEPER:
            raise
    asking = patiently(lambda: disk.lock(path / ASKED))
    try:
        return patiently(lambda: disk.lock(path / LOCK))
    finally:
        os.close(asking)
