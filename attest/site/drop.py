"""The site's side of a shared folder (attest.record.site_folder): takes what hosts left there, answers what they ask.

Whoever can write there may leave anything: only folders of enrolled sources are looked into, only regular files of a
bounded size are read (attest.store.shared), so many of them in a pass, and each host pays from its own buckets.
"""

import logging
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from attest.errors import EvidenceError, LogError
from attest.format.statement import MAX_STATEMENT, peek
from attest.format.upload import Item
from attest.record.site import format_about, format_answer, format_state
from attest.record.site_folder import ABOUT, ASK, GENESIS, MAX_NAMES, OFF, ROSTERS, SAID, STATE, entry_name
from attest.site.budget import Budgets, Limits
from attest.site.desk import LIMITED, Desk
from attest.site.metrics import SiteMetrics
from attest.store.shared import Shared

MAX_BLOCK_FILE: Final = 96 << 20  # bytes
MAX_STATEMENTS: Final = 256  # of one host in a pass
MAX_QUESTIONS: Final = 1_024  # of one host in a pass

_QUESTION: Final = re.compile(rf"{ASK}(?:({OFF})|(entry|receipt|growth)-(0|[1-9]\d{{0,17}}))")
_log = logging.getLogger("attest.site")


class Drop:
    """A folder that a site reads."""

    def __init__(self, path: Path, desk: Desk, limits: Limits, metrics: SiteMetrics) -> None:
        self._path, self._desk, self._metrics = path, desk, metrics
        self._budgets = Budgets(limits)
        self._told: set[bytes] = set()

    def collect(self) -> int:
        """One pass; how many statements were taken. Raises LogError."""
        taken = 0
        with Shared(self._path) as shared:
            self._tell(shared)
            for name in [name for name in shared.names() if self._desk.sub(name) is not None]:
                taken += self._of(shared, name)
        return taken

    def _tell(self, shared: Shared) -> None:
        """What everybody needs; what somebody took away is there again."""
        about = self._desk.about()
        digests = {each.digest for each in about.inventories}
        with shared.below(ROSTERS, make=True) as rosters:
            if not self._told or not shared.has(GENESIS):
                shared.put(GENESIS, self._desk.genesis())
            for digest in digests:
                if digest not in self._told or not rosters.has(digest.hex()):
                    body = self._desk.roster(digest)
                    if body is not None:
                        rosters.put(digest.hex(), body)
        self._told = digests
        shared.put(ABOUT, format_about(about))

    def _of(self, shared: Shared, source: str) -> int:
        """What one host left, and what it asks."""
        try:
            with shared.below(source) as folder:
                sub = self._desk.sub(source) or ""
                taken = self._admitted(folder, source, sub)
                for name, what, number in self._questions(folder, source):
                    self._answer(folder, sub, name, what, number)
                folder.put(STATE, format_state(self._desk.state(sub)))
        except LogError as error:  # one host's folder keeps nobody else waiting
            _log.warning("folder", extra={"fields": {"source": source, "detail": str(error)}})
            return 0
        return taken

    def _admitted(self, folder: Shared, source: str, sub: str) -> int:
        first, now, taken = self._desk.state(sub).seq, time.monotonic(), 0
        while first and folder.has(f"{entry_name(first - 1)}.entry"):  # left again before it was answered
            first -= 1
        for seq in range(first, first + MAX_STATEMENTS):
            item = self._item(folder, entry_name(seq), source, now)
            if item is None:
                break
            answer = self._desk.admit(source, [item], now)
            self._metrics.count(answer)
            if answer.code == LIMITED:
                break
            folder.put(f"{entry_name(seq)}.ack", format_answer(answer))
            for suffix in ("entry", "block"):
                folder.clear(f"{entry_name(seq)}.{suffix}")
            if answer.code:
                fields = {"source": source, "code": answer.code, "detail": answer.detail}
                _log.warning("refused", extra={"fields": fields})
                break
            taken += 1
        return taken

    def _item(self, folder: Shared, name: str, source: str, now: float) -> Item | None:
        """A statement with its block, if it is there and the host may hand it on now."""
        entry = folder.read(f"{name}.entry", MAX_STATEMENT)
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
        return entry, folder.read(f"{name}.block", block.size)

    def _questions(self, folder: Shared, source: str) -> Iterator[tuple[str, str, int]]:
        """Names without what makes them questions, and what is asked of which number."""
        matches = map(_QUESTION.fullmatch, islice(folder.names(), MAX_NAMES))
        for match in list(islice((match for match in matches if match), MAX_QUESTIONS)):
            if not self._budgets.take(source, 0, 1, time.monotonic()):
                yield match[0].removeprefix(ASK), match[1] or match[2], int(match[3] or 0)

    def _answer(self, folder: Shared, sub: str, name: str, what: str, number: int) -> None:
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
            folder.put(f"{SAID}{name}", said)
            folder.clear(f"{ASK}{name}")
