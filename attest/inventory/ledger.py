"""The ledger of a log: what became of each accelerator, as far as a roster has no place for it (schemas/inventory.md).

A file beside the log's directory, `dc1.inventory.jsonl` for `dc1`, which is not published with it. One line an act:

    {"act": "add", "at": 1794182400, "devices": [["GPU-5b4e", "1652923034567", "NVIDIA H100 SXM5 80GB"]],
     "host": "https://acme.example/dc1/n1", "entry": 17, "roster": "9f2c41e0..."}

A line is synced before the inventory statement that it speaks of is appended to the log. So it counts only if entry
`entry` of the log is an inventory with this roster, and of several for one entry the last; a line without a roster
counts by itself. An act whose process died in between was not carried out, and can be given again.

A line counts when it is whole. A torn one, at the end of the file, was never accepted, and is cut off by the next
append; a bad line that others follow is damage, which is refused. Who writes holds the lock of the log.
"""

import json
import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from attest.errors import LogError
from attest.store import disk

MAX_LEDGER: Final = 1 << 30  # bytes
FOREVER: Final = 1 << 62

Range = tuple[int, int]


class Act(StrEnum):
    """What a line says; `begin` is what the log had declared when its ledger was begun."""

    BEGIN = "begin"
    DECLARE = "declare"
    ADD = "add"
    MOVE = "move"
    POWER_OFF = "power-off"
    POWER_ON = "power-on"
    RETIRE = "retire"


class Named(NamedTuple):
    """A device by the uid that rosters have, its other name (the serial, where the uid is a UUID) if it is known, and
    its model."""

    uid: str
    serial: str | None
    model: str

    @property
    def names(self) -> tuple[str, ...]:
        """One or both."""
        return (self.uid,) if self.serial is None else (self.uid, self.serial)


class Line(NamedTuple):
    """An act at the time `at` (Unix s). `host` is where the devices are from then on, None in stock or nowhere; `gone`
    has what was declared before the ledger was begun and is no more."""

    act: Act
    at: int
    devices: tuple[Named, ...]
    entry: int
    roster: str | None = None
    host: str | None = None
    again: str | None = None
    gone: tuple[Named, ...] = ()


class Ledger:
    """The ledger of the log at `log`; `lines` are those that were accepted."""

    def __init__(self, log: Path) -> None:
        """Raises LogError."""
        self.path = path_of(log)
        self.lines: list[Line] = []
        self._end = 0
        with disk.failures(self.path):
            if self.path.exists():
                self._read(self.path)

    def append(self, line: Line) -> None:
        """Accepts a line, on the disk when this returns. Raises LogError, and then the next append cuts it off."""
        data = format_line(line)
        if self._end + len(data) > MAX_LEDGER:
            raise LogError("inventory/ledger", f"{self.path} would have more than {MAX_LEDGER:,} bytes")
        with disk.failures(self.path):
            new = not self.path.exists()
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(file).st_size > self._end:
                    disk.truncate(file, self._end)
                os.lseek(file, self._end, os.SEEK_SET)
                disk.write(file, data)
                disk.sync(file)
            finally:
                os.close(file)
            if new:
                disk.sync_directory(self.path.parent)
        self._end += len(data)
        self.lines.append(line)

    def _read(self, path: Path) -> None:
        if path.stat().st_size > MAX_LEDGER:
            raise LogError("inventory/ledger", f"{path} has more than {MAX_LEDGER:,} bytes")
        data = path.read_bytes()
        whole = data.split(b"\n")[:-1]  # what follows the last line feed was never accepted
        for number, line in enumerate(whole, 1):
            if number == len(whole) and b"\0" in line:  # nor was what a tear left zeros in
                break
            self.lines.append(parse_line(line, f"{path}:{number}"))
            self._end += len(line) + 1


def path_of(log: Path) -> Path:
    """Where the ledger of a log is."""
    folder = log.resolve()
    return folder.parent / f"{folder.name}.inventory.jsonl"


def format_line(line: Line) -> bytes:
    """A line's bytes, with its line feed.

    >>> format_line(Line(Act.POWER_OFF, 1_794_182_400, (Named("GPU-1", None, "NVIDIA L4"),), 17))
    b'{"act": "power-off", "at": 1794182400, "devices": [["GPU-1", null, "NVIDIA L4"]], "entry": 17}\\n'
    """
    return json.dumps({key: value for key, value in line._asdict().items() if value or value == 0}).encode() + b"\n"


def parse_line(data: bytes, where: str) -> Line:
    """A line. Raises LogError `inventory/ledger`.

    >>> line = Line(Act.RETIRE, 5, (Named("GPU-1", "16529", "NVIDIA L4"),), 17, "9f2c", again=None)
    >>> parse_line(format_line(line), "ledger:1") == line
    True
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        _damaged(where, str(error))
    if type(value) is not dict or not value.keys() <= set(Line._fields):
        _damaged(where, "not an object of a ledger's keys")
    if value.get("act") not in list(Act) or any(type(value.get(key)) is not int for key in ("at", "entry")):
        _damaged(where, "no act, time or entry")
    texts = {key: value.get(key) for key in ("roster", "host", "again")}
    if any(text is not None and type(text) is not str for text in texts.values()):
        _damaged(where, "what must be a text is none")
    devices, gone = (_devices(value.get(key, []), where) for key in ("devices", "gone"))
    return Line(Act(value["act"]), value["at"], devices, value["entry"], gone=gone, **texts)


def counted(lines: Sequence[Line], rosters: dict[int, str]) -> list[Line]:
    """The lines whose act was carried out; `rosters` has the digest of each inventory by its log index. Of several for
    one entry, after a crash, it was the last."""
    last = {line.entry: number for number, line in enumerate(lines) if line.roster is not None}
    return [
        line
        for number, line in enumerate(lines)
        if line.roster is None or (rosters.get(line.entry) == line.roster and last[line.entry] == number)
    ]


def off_ranges(lines: Iterable[Line]) -> dict[str, list[Range]]:
    """By uid when a device is to be off, [start, end) in Unix s; what is not over ends at FOREVER."""
    found: dict[str, list[Range]] = {}
    for line in lines:
        for device in line.devices:
            ranges = found.get(device.uid, [])
            if line.act is Act.POWER_OFF:
                found.setdefault(device.uid, []).append((line.at, FOREVER))
            elif line.act in (Act.POWER_ON, Act.ADD, Act.RETIRE) and ranges and ranges[-1][1] == FOREVER:
                ranges[-1] = (ranges[-1][0], max(line.at, ranges[-1][0]))
    return found


def _devices(value: Any, where: str) -> tuple[Named, ...]:
    if type(value) is not list or not all(_is_device(device) for device in value):
        _damaged(where, "a device is not [uid, serial, model]")
    return tuple(Named(*device) for device in value)


def _is_device(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == len(Named._fields)
        and all(type(part) is str or (place == 1 and part is None) for place, part in enumerate(value))
    )


def _damaged(where: str, what: str) -> NoReturn:
    hint = "restore it from a copy: nothing is changed as long as it cannot be read"
    raise LogError("inventory/ledger", f"{where}: {what}", hint=hint)
