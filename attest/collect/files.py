"""The one place where telemetry files are read: named, in order, line by line, bounded.

`-` is stdin. A file that is absent or unreadable is a MissingError (exit 6): nothing was imported. A line longer
than MAX_LINE ends the reading, so that an endless file without line breaks cannot fill the memory.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from attest.collect.irregular import refuse
from attest.errors import MissingError

MAX_LINE: Final = 65_536  # bytes; the longest real line seen has 400
MAX_WHOLE: Final = 16 << 20  # bytes of a file that is read at once
STDIN: Final = "-"


def lines(path: str) -> Iterator[bytes]:
    """The lines of a file with their line ends. Raises MissingError, and ImportDataError `import/line`."""
    number = 0
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    refuse("import/line", f"{path}:{number}", f"a line of more than {MAX_LINE} bytes")
                yield line
    except OSError as error:
        raise MissingError("import/unreadable", f"cannot read {path}: {error.strerror}") from error


def whole(path: str, most: int = MAX_WHOLE) -> bytes:
    """A file of at most so many bytes. Raises MissingError, and ImportDataError `import/bounds` where it has more."""
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb") as file:
            data: bytes = file.read(most + 1)
    except OSError as error:
        raise MissingError("import/unreadable", f"cannot read {path}: {error.strerror}") from error
    if len(data) > most:
        refuse("import/bounds", path, f"more than {most} bytes")
    return data
