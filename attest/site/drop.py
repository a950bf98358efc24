"""The site's side of a shared folder (attest.record.site_folder): takes what hosts left there, answers what they ask.

Whoever can write there may leave anything: only folders of enrolled sources are looked into, only regular files of a
bounded size are read, so many of them in a pass, and each host pays from its own buckets.
"""

import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from attest.errors import EvidenceError, LogError
from attest.format.statement import MAX_STATEMENT, peek
from attest.format.upload import Item
from attest.record.site import format_about, format_answer, format_state
from attest.record.site_folder import ABOUT, ASK, GENESIS, OFF, ROSTERS, SAID, STATE, entry_name, put
from attest.site.budget import Budgets, Limits
from attest.site.desk import LIMITED, Desk
from attest.site.metrics import SiteMetrics
from attest.store import disk

MAX_BLOCK_FILE: Final = 96 << 20  # bytes
MAX_STATEMENTS: Final = 256  # of one host in a pass
MAX_QUESTIONS: Final = 1_024  # files that are looked at for questions, of one host in a pass

_QUESTION: Final = re.compile(rf"{ASK}(?:({OFF})|(entry|receipt|growth)-(0|[1-9]\d{{0,17}}))")
_log = logging.getLogger("attest.site")


class Drop:
    """A folder that a site reads."""

    def __init__(self, path: Path, desk: Desk, limits: Limits, metrics: SiteMetrics) -> None:
        self._path, self._desk, self._metrics = path, desk, metrics
        self._budgets = Budgets(limits)
        self._told: tuple[bytes, ...] = ()

    def collect(self) -> int:
        """One pass; how many statements were taken. Raises LogError."""
        self._tell()
        taken = 0
        with disk.failures(self._path), os.scandir(self._path) as items:
            names = [item.name for item in items if len(item.name) == 64 and item.is_dir(follow_symlinks=False)]
        for name in names:
            sub = self._desk.sub(name)
            if sub is not None:
                taken += self._of(self._path / name, name, sub)
        return taken

    def _tell(self) -> None:
        """What everybody needs."""
        about = self._desk.about()
        digests = tuple(each.digest for each in about.inventories)
        if digests != self._told:
            with disk.failures(self._path):
                (self._path / ROSTERS).mkdir(exist_ok=True)
            put(self._path / GENESIS, self._desk.genesis())
            for digest in digests:
                body = self._desk.roster(digest)
                if body is not None and not (self._path / ROSTERS / digest.hex()).exists():
                    put(self._path / ROSTERS / digest.hex(), body)
            self._told = digests
        put(self._path / ABOUT, format_about(about))

    def _of(self, folder: Path, source: str, sub: str) -> int:
        """What one host left, and what it asks."""
        try:
            taken = self._admitted(folder, source, sub)
            for name, what, number in self._questions(folder, source):
                self._answer(folder, sub, name, what, number)
            put(folder / STATE, format_state(self._desk.state(sub)))
        except (OSError, LogError) as error:  # one host's folder keeps nobody else waiting
            _log.warning("folder", extra={"fields": {"source": source, "detail": str(error)}})
            return 0
        return taken

    def _admitted(self, folder: Path, source: str, sub: str) -> int:
        first, now, taken = self._desk.state(sub).seq, time.monotonic(), 0
        while first and (folder / f"{entry_name(first - 1)}.entry").exists():  # left again before it was answered
            first -= 1
        for seq in range(first, first + MAX_STATEMENTS):
            item = self._item(folder, entry_name(seq), source, now)
            if item is None:
                break
            answer = self._desk.admit(source, [item], now)
            self._metrics.count(answer)
            if answer.code == LIMITED:
                break
            put(folder / f"{entry_name(seq)}.ack", format_answer(answer))
            for suffix in ("entry", "block"):
                (folder / f"{entry_name(seq)}.{suffix}").unlink(missing_ok=True)
            if answer.code:
                fields = {"source": source, "code": answer.code, "detail": answer.detail}
                _log.warning("refused", extra={"fields": fields})
                break
            taken += 1
        return taken

    def _item(self, folder: Path, name: str, source: str, now: float) -> Item | None:
        """A statement with its block, if it is there and the host may hand it on now."""
        entry = _read(folder / f"{name}.entry", MAX_STATEMENT)
        if entry is None or self._budgets.take(source, len(entry), 1, now):
            return None
        try:
            block = peek(entry).block
        except EvidenceError:
            return entry, None  # for the log to refuse
        if block is None:
            return entry, None
        if block.size > MAX_BLOCK_FILE or self._budgets.take(source, block.size, 0, now):
            return None
        return entry, _read(folder / f"{name}.block", block.size)

    def _questions(self, folder: Path, source: str) -> Iterator[tuple[str, str, int]]:
        """Names without what makes them questions, and what is asked of which number."""
        with os.scandir(folder) as items:
            names = [item.name for item in islice(items, MAX_QUESTIONS)]
        for name in names:
            match = _QUESTION.fullmatch(name)
            if match and not self._budgets.take(source, 0, 1, time.monotonic()):
                yield name.removeprefix(ASK), match[1] or match[2], int(match[3] or 0)

    def _answer(self, folder: Path, sub: str, name: str, what: str, number: int) -> None:
        """A receipt that is not there yet stays asked for."""
        try:
            if what == OFF:
                said: bytes | None = self._desk.signed_off(sub)
            elif what == "growth":
                said = self._desk.growth(number)
            else:
                said = self._desk.receipt(sub, number) if what == "receipt" else self._desk.entry(sub, number)
        except LogError as error:
            _log.warning("not answered", extra={"fields": {"sub": sub, "code": error.code, "detail": error.detail}})
            return
        if said is not None:
            put(folder / f"{SAID}{name}", said)
            (folder / f"{ASK}{name}").unlink(missing_ok=True)


def _read(path: Path, limit: int) -> bytes | None:
    """A regular file of at most so many bytes; None where there is none. Raises OSError, LogError `upload/size`."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise LogError("upload/size", f"{path} is no file of at most {limit:,} bytes")
        return opened.read(limit + 1)
