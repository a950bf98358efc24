"""Who works with an archive, or looks at it, and how that gets into its custody log."""

import getpass
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from attest.archive import deliveries
from attest.archive.custody import line
from attest.archive.place import Archive
from attest.errors import AttestError, KeyFileError

ACTOR = click.option("--actor", metavar="NAME", help="Who does this, for the custody log; the default is USER@HOST.")


def now() -> int:
    """The time of an act."""
    return int(time.time())


def actor_of(given: str | None) -> str:
    """Who does this: what was given, or the account and the host."""
    return line(given or f"{getpass.getuser()}@{socket.gethostname()}")


@contextmanager
def acting(directory: Path, verb: str, actor: str | None) -> Iterator[tuple[Archive, str]]:
    """An archive to work on; an attempt that fails is recorded before its error is told."""
    opened, who = Archive.open(directory), actor_of(actor)
    opened.index.require_current()
    try:
        yield opened, who
    except AttestError as error:
        if opened.custody.keys is not None:
            _refused(opened, who, verb, error)
        raise
    finally:
        opened.index.close()


@contextmanager
def looking(directory: Path, verb: str, actor: str | None) -> Iterator[tuple[Archive, str]]:
    """An archive to look at, for those, too, who cannot write to its custody log."""
    try:
        opened = Archive.open(directory)
    except KeyFileError:  # what may be the matter with keys keeps nobody from looking
        opened = Archive.open(directory, keys=False)
    who = actor_of(actor)
    opened.index.require_current()
    try:
        yield opened, who
    except AttestError as error:
        with suppress(AttestError):
            _refused(opened, who, verb, error)
        raise
    finally:
        opened.index.close()


def record_access(opened: Archive, row: Any, who: str, verb: str, **asked: str | None) -> None:
    """Says in the custody log that somebody looks at a delivery, or at all (None), and for what, before they do."""
    said: dict[str, str | int] = {name: line(text) for name, text in asked.items() if text is not None}
    said |= {"verb": verb} if row is None else {"verb": verb, "delivery": row.id}
    with opened.custody.session() as session:
        session.record("access", who, {} if row is None else {"manifest": deliveries.address(row)}, said, now())


def note_access(opened: Archive, row: Any, who: str, verb: str, **asked: str | None) -> None:
    """The same of what is open to those, too, who cannot write to the custody log: they are told that, and why."""
    try:
        record_access(opened, row, who, verb, **asked)
    except AttestError as error:
        click.echo(f"attest: hint: this access is not in the custody log: {line(str(error))}", err=True)


def _refused(opened: Archive, who: str, verb: str, error: AttestError) -> None:
    said: dict[str, str | int] = {"verb": verb, "code": error.code, "detail": line(str(error))}
    with opened.custody.session() as session:
        session.record("refused", who, {}, said, now())
