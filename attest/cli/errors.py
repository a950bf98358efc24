"""From an exception to two lines on stderr and an exit code; a crash must not look like a verdict.

Bad evidence inside `check` is a finding of its verdict and never gets here. What does get here:

| what | exit |
|---|---|
| wrong usage, and a new file or log in the place of one that exists | 2 |
| evidence that a verb of `JUDGING` was asked about and that is bad before there is a verdict | 5 |
| the same, but of a version or kind this program does not know | 4 |
| anything else that cannot be read or used: file, key, agreement, telemetry, log directory | 6 |
| interrupted by the user | 130 |
| a reader that closed the pipe | 141, silently |
| stdout or stderr that cannot be written otherwise, a full disk behind it: nobody has seen the result | 6 |
| the system refused anything else: the file, or where there is none the place in this program, is named | 6 |
| any other exception, with its traceback | 1 |

A verb that only decodes or writes (`open`, `log`, `key`, `import`) judges nobody, so bytes it cannot make
sense of are unreadable input, 6, and never called a forgery.
"""

import contextlib
import errno
import os
import traceback
from typing import Final

import click

from attest.cli.streams import StreamError
from attest.errors import AttestError, EvidenceError, UnsupportedError

EXISTS: Final = frozenset({"key/exists", "log/exists"})
JUDGING: Final = frozenset({"check"})
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
PIPE_CLOSED: Final = 141  # 128 + SIGPIPE


def complain(message: str, hint: str = "") -> None:
    """`attest: error:` and, where there is one, `attest: hint:`, on stderr."""
    try:
        click.echo(f"attest: error: {message}", err=True)
        if hint:
            click.echo(f"attest: hint: {hint}", err=True)
    except StreamError as error:  # where stderr itself cannot be written, the exit code has to do
        _forget(error)


def exit_code(error: AttestError, verb: str) -> int:
    """The exit code of an error that ended `verb`."""
    if error.code in EXISTS:
        return 2
    if verb in JUDGING and isinstance(error, UnsupportedError):
        return 4
    if verb in JUDGING and isinstance(error, EvidenceError):
        return 5
    return 6


def report(error: BaseException, verb: str) -> int:
    """Says what went wrong and gives the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return 2
    if isinstance(error, click.UsageError):
        hint = f"{error.ctx.command_path} --help" if error.ctx else "attest --help"
        complain(_sentence(error.format_message()), hint)
        return 2
    if isinstance(error, click.FileError):
        complain(_sentence(error.format_message()))
        return 6
    if isinstance(error, click.ClickException):
        complain(_sentence(error.format_message()))
        return 2
    if isinstance(error, AttestError):
        complain(
            f"{error}, in {error.file}" if error.file else str(error), error.hint or f"attest explain {error.code}"
        )
        return exit_code(error, verb)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    if isinstance(error, StreamError):
        _forget(error)
        if error.errno == errno.EPIPE:
            return PIPE_CLOSED
        complain(f"{error.filename}: {error.strerror}", "what was done is done, but nobody has seen the result")
        return 6
    if isinstance(error, OSError) and error.strerror:
        complain(f"{error.filename or _place(error)}: {error.strerror}")
        return 6
    traceback.print_exception(error)
    complain(
        f"crashed: {type(error).__name__}: {error}",
        "this is a fault of the program, and no verdict; please report it",
    )
    return 1


def _forget(error: StreamError) -> None:
    """The interpreter flushes a stream once more at exit and would complain then."""
    with contextlib.suppress(OSError):
        if error.stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), error.stream.fileno())


def _place(error: OSError) -> str:
    """Where in this program the system refused something, for want of a file's name."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    names = [f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" for frame in frames]
    return next((name for name in reversed(names) if name.startswith("attest.")), "the system")


def _sentence(message: str) -> str:
    """click's messages in the house's voice: lower case, no full stop."""
    message = message.strip().removesuffix(".")
    first = message.split(" ", 1)[0]
    return message[:1].lower() + message[1:] if first.istitle() else message
