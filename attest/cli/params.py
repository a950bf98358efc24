"""Kinds of values that options and arguments take, the same for every verb.

>>> TIME.convert("2026-11-16T00:00:00Z", None, None) == TIME.convert("2026-11-16", None, None) == 1_794_787_200
True
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from attest.errors import MissingError


class Time(click.ParamType[int]):
    """ISO 8601 in UTC, a date or whole seconds, as Unix seconds."""

    name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
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

LOG = click.argument("directory", metavar="LOG", type=click.Path(path_type=Path))
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
    """The option for the private key that signs."""
    return click.option("--key", "key_path", required=True, metavar="FILE", help=what)


def read(path: str) -> bytes:
    """The bytes of a file, or of stdin for `-`. Raises MissingError."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise MissingError("input/missing", f"{path}: {error.strerror or error}") from error


def write(path: str, data: bytes) -> None:
    """Bytes to a file, or to stdout for `-`. Raises MissingError."""
    try:
        if path == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            Path(path).write_bytes(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MissingError("output/refused", f"{path}: {error.strerror or error}") from error
