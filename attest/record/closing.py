"""Closing of windows: what the spool holds of a host becomes signed statements of its chain.

A window [start, end) is closed once every reading that belongs to its last boundary can have come: half an interval
after its end. It begins where the chain's last statement ended, so that nothing is left out between two, and what
nobody sampled in it is stated as missing. The order is what makes it safe to die anywhere:

    1  the causes of what is missing    a line each, kept beside the log; of two with one seq the later counts
    2  statements                       signed and appended, each window as one
    3  the spool                        drops what is older than the end of the chain

Dying before 2 leaves the spool as it was, and the same window is closed again. Dying after it leaves samples of a time
that the chain has spoken for, which are too late for any statement and are dropped the next time.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from attest.collect.devices import Host, gather_series
from attest.collect.irregular import Irregularity
from attest.collect.statements import Draft
from attest.collect.usage_statements import Roster, UsageOptions, usage_drafts
from attest.errors import ImportDataError, LogError
from attest.format.bodies import UsageBody
from attest.format.vocabulary import Role
from attest.inventory.ledger import FOREVER, planned_off
from attest.record.causes import Cause, Causes
from attest.record.frames import scrapes
from attest.record.spool import Frame, Spool
from attest.record.target import Target, salt
from attest.sign.signer import Signer
from attest.store import disk
from attest.store.writer import LogWriter

NOT_YET: Final = frozenset({"import/nothing-new", "import/short"})  # there is no whole interval to speak of

Sign = Callable[[str], bytes]


class Window(NamedTuple):
    """How long intervals and windows are, in s, and the host's name in what collectors say, None for the only one."""

    interval: int
    window: int
    host: str | None = None

    def due(self, now_ms: int) -> int:
        """The end of the last window that can be closed, Unix s."""
        return (now_ms - self.interval * 500) // 1000 // self.window * self.window


class Closed(NamedTuple):
    """How many statements were signed, until when the chain reaches (Unix s), the device-seconds without a sample by
    cause, and what is irregular."""

    statements: int
    until: int | None
    states: dict[str, int]
    found: tuple[Irregularity, ...]


def close_windows(
    log: LogWriter, signer: Signer, spool: Spool, waiting: Sequence[Frame], window: Window, now_ms: int, causes: Path
) -> Closed:
    """Sign and append every window that is due. Raises LogError, KeyFileError, ImportDataError."""
    target = Target(log, signer, Role.HOST, None, None)
    until = target.chain.until
    rosters, end = _declared(target.host_rosters())
    due = min(window.due(now_ms), end)
    if until is not None and until >= due:
        spool.drop(_kept_from(until if due < end else window.due(now_ms), window))
        return Closed(0, until, {}, ())
    if not rosters:
        detail = f"no inventory gives {target.source.sub} a device"
        raise ImportDataError("import/roster", detail, hint="declare its devices; what is sampled is kept until then")
    frames = [*spool.frames(), *waiting]
    found: list[Irregularity] = []
    since = _kept_from(rosters[0].start, window)  # before it was declared nobody expects a word of it
    host = _host(gather_series((s for s in scrapes(frames) if s.time_ms >= since), found), window.host)
    options = UsageOptions(window.interval, window.window, target.last_counters(), due, planned_off(log.path))
    try:
        drafts = list(usage_drafts(host, rosters, target.chain, options, salt, found))
    except (ImportDataError, LogError) as error:
        if error.code in NOT_YET:
            return Closed(0, until, {}, ())
        raise
    uids = {roster.digest: roster.uids for roster in rosters}
    why = Causes(frames, window.interval)
    held = [list(why.of(draft, uids[_body(draft).roster])) for draft in drafts]
    _keep(causes, _lines(held, target.chain.seq))
    log.extend(target.sign(drafts, []))
    spool.drop(_kept_from(drafts[-1].end, window))
    return Closed(len(drafts), drafts[-1].end, _states(held), tuple(found))


def _declared(rosters: Sequence[Roster]) -> tuple[list[Roster], int]:
    """The rosters that give the host devices, and until when they do so: from then on it has nothing to state."""
    held = list(dropwhile(lambda roster: not roster.uids, rosters))
    return list(takewhile(lambda roster: roster.uids, held)), next((r.start for r in held if not r.uids), FOREVER)


def seal(log: LogWriter, sign: Sign) -> int:
    """Publish what is pending under a new checkpoint; its size."""
    log.seal(sign)
    return log.size


def _host(hosts: dict[str, Host], name: str | None) -> Host:
    """The host that the source speaks for; one of which nothing was read has no devices."""
    if name is None and len(hosts) > 1:
        detail = f"collectors speak of several hosts: {', '.join(sorted(hosts))[:200]}"
        raise ImportDataError("import/host", detail, hint="name the one that the source speaks for as `host`")
    nobody = Host(name or "", {}, np.zeros(0, np.int64), None)
    return next(iter(hosts.values()), nobody) if name is None else hosts.get(name, nobody)


def _body(draft: Draft) -> UsageBody:
    assert isinstance(draft.body, UsageBody)
    return draft.body


def _kept_from(until: int, window: Window) -> int:
    """Unix ms of what the next window may still need: the reading of its first boundary."""
    return until * 1000 - window.interval * 500


def _lines(held: Sequence[Sequence[Cause]], seq: int) -> Iterator[str]:
    for number, causes in enumerate(held):
        for cause in causes:
            yield json.dumps(cause.as_dict(seq + number)) + "\n"


def _keep(path: Path, lines: Iterator[str]) -> None:
    """Add lines to a file that lasts."""
    data = "".join(lines).encode()
    if not data:
        return
    with disk.failures(path):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            disk.write(file, data)
            disk.sync(file)
        finally:
            os.close(file)


def _states(held: Sequence[Sequence[Cause]]) -> dict[str, int]:
    """Device-seconds without a sample, by cause."""
    out: dict[str, int] = {}
    for causes in held:
        for cause in causes:
            out[cause.cause] = out.get(cause.cause, 0) + cause.end - cause.start
    return out
