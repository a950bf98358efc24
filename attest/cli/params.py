"""Kinds of values that options and arguments take, the same for every verb.

>>> TIME.convert("2026-11-16T00:00:00Z", None, None) == TIME.convert("2026-11-16", None, None) == 1_794_787_200
True
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import click

from attest.cli.streams import StreamError
from attest.errors import AttestError, MissingError
from attest.format.bodies import MAX_BLOCK

T = TypeVar("T")
MAX_INPUT: Final = MAX_BLOCK  # bytes: nothing that is read whole is larger than a block
_PART: Final = 1 << 20
# Of attest.sign.files and attest.store.salts.
PRIVATE: Final = (b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"attest-salts/1 ")


class Time(click.ParamType[int]):
    """ISO 8601 in UTC, a date or whole seconds, as Unix seconds."""

    name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-11-16 or 2026-11-16T08:00:00Z.", param, ctx)
        if moment.utcoffset():
            self.fail(f"{value!r} is not in UTC.", param, ctx)
        if moment.microsecond or moment.year < 1970:
            self.fail(f"{value!r} is not in whole seconds since 1970.", param, ctx)
        return int(moment.replace(tzinfo=UTC).timestamp())


TIME = Time()

LOG = click.argument("directory", metavar="LOG", type=click.Path(path_type=Path, readable=False))
AT = click.option("--at", type=TIME, help="The time of the act; the default is now.")
PASSPHRASE = click.option(
    "--passphrase-file", metavar="FILE", help="First line of FILE opens the key, if it is encrypted; - is stdin."
)
FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Text, or JSON (schemas/*.schema.json).",
)


def KEY_FILE(what: str) -> Callable[[Callable[..., object]], Callable[..., object]]:  # noqa: N802 - beside the others
    """The option for the private key that signs: a file, or a URI (attest.sign.named)."""
    return click.option("--key", "key_path", required=True, metavar="KEY", help=what)


def read(path: str) -> bytes:
    """The bytes of a file, or of stdin for `-`, MAX_INPUT at most. Raises MissingError."""
    try:
        if path == "-":
            return _bounded(sys.stdin.buffer, "standard input")
        with Path(path).open("rb") as file:
            return _bounded(file, path)
    except OSError as error:
        raise MissingError("input/missing", f"{path}: {error.strerror or error}") from error


def _bounded(file: BinaryIO, name: str) -> bytes:
    parts, size = [], 0
    while part := file.read(_PART):
        parts.append(part)
        size += len(part)
        if size > MAX_INPUT:
            hint = "nothing that is read whole is larger: name another file"
            raise MissingError("input/too-large", f"{name} has more than {MAX_INPUT:,} bytes", hint=hint)
    return b"".join(parts)


def write(path: str, data: bytes) -> None:
    """Bytes to a file, or to stdout for `-`. Raises MissingError.

    A file is written whole or stays what it was: it may hold the only copy of others' signatures. A private key is
    not written over.
    """
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        if _is_private(path):
            hint = "name another file"
            raise MissingError(
                "output/refused", f"{path} is a private key, or holds salts, and is not overwritten", hint=hint
            )
        if os.path.lexists(path) and not Path(path).is_file():  # a device, a pipe
            Path(path).write_bytes(data)
        else:
            _replace(os.path.realpath(path), data)
    except BrokenPipeError as error:
        raise StreamError(error, path) from error
    except OSError as error:
        raise MissingError("output/refused", f"{path}: {error.strerror or error}") from error


def parsed(path: str, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the file; its errors name the file. Raises MissingError, and as `parse`."""
    data = read(path)
    with about(path):
        return parse(data)


@contextlib.contextmanager
def about(path: str) -> Iterator[None]:
    """What goes wrong within is said of the file at `path`."""
    try:
        yield
    except AttestError as error:
        error.file = "standard input" if path == "-" else path
        raise


def _is_private(path: str) -> bool:
    if not Path(path).is_file():
        return False
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        return file.read(max(map(len, PRIVATE))).startswith(PRIVATE)
    return False


def _replace(path: str, data: bytes) -> None:
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            if Path(path).is_file():
                os.fchmod(file.fileno(), Path(path).stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
