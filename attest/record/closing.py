"""Closing of windows: what the spool holds of a host becomes signed statements of its chain.

A window [start, end) is closed once every reading that belongs to its last boundary can have come: half an interval
after its end. It begins where the chain's last statement ended, so that nothing is left out between two, and what
nobody sampled in it is stated as missing. The order is what makes it safe to die anywhere:

    1  the causes of what is missing    a line each, kept beside the log; of two with one seq the later counts
    2  statements                       each proposed and signed through the outbox: every place once
    3  the spool                        drops what is older than the end of the chain

Dying before 2 leaves the spool as it was, and the same window is closed again. Dying after it leaves samples of a time
that the chain has spoken for, which are too late for any statement and are dropped the next time.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain, dropwhile, takewhile
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np

from attest.collect.dcgm import Scrape
from attest.collect.devices import Host, gather_series
from attest.collect.grid import Last
from attest.collect.irregular import Bounded, Kind
from attest.collect.stamps import format_time
from attest.collect.statements import DAY, Chain, Draft
from attest.collect.usage_statements import Roster, UsageOptions, usage_drafts
from attest.errors import ImportDataError, LogError
from attest.format.bodies import UsageBody
from attest.inventory.ledger import FOREVER, Range
from attest.record.causes import Cause, Causes
from attest.record.frames import believed, disbelieved, scrapes
from attest.record.run_names import RunNames
from attest.record.spool import Frame, Spool
from attest.record.target import salt
from attest.store import jsonl
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter

NOT_YET: Final = frozenset({"import/nothing-new", "import/short"})  # there is no whole interval to speak of

Sign = Callable[[str], bytes]


class Window(NamedTuple):
    """How long intervals and windows are, in s, how long a time may be stated as missing by itself, the host's name in
    what collectors say, None for the only one, and how runs are named, if they are."""

    interval: int
    window: int
    longest: int
    host: str | None = None
    runs: RunNames | None = None

    def due(self, now_ms: int) -> int:
        """The end of the last window that can be closed, Unix s."""
        return (now_ms - self.interval * 500) // 1000 // self.window * self.window

    def kept_from(self, until: int) -> int:
        """Unix ms of what may still be needed where a chain has spoken until then: the reading of its last boundary."""
        return until * 1000 - self.interval * 500

    def after(self, start: int) -> int:
        """The end of the windows that are closed at once, of a day, from a time on."""
        return (start // self.window + max(DAY // self.window, 1)) * self.window


class State(NamedTuple):
    """The outbox through which everything is signed, and the file of causes."""

    box: Outbox
    causes: Path


class Closed(NamedTuple):
    """How many statements were signed, until when the chain reaches (Unix s), whether there is more to close, the
    device-seconds without a sample by cause, the devices that no inventory names, by kind how many irregularities were
    too many to be looked at, and how many statements wait in the outbox for their log."""

    statements: int
    until: int | None
    more: bool = False
    causes: Mapping[str, int] = {}
    undeclared: tuple[str, ...] = ()
    dropped: Mapping[Kind, int] = {}
    waiting: int = 0


class Continued(Protocol):
    """A host's chain that is gone on with: in a log, or in the outbox of one that is elsewhere."""

    chain: Chain

    def host_rosters(self) -> list[Roster]:
        """What the inventories say of the source's devices, in the order in which they come into force."""
        ...

    def last_counters(self) -> dict[str, Last]:
        """By device what the source's last usage statement ended with."""
        ...

    def planned_off(self) -> Mapping[str, Sequence[Range]]:
        """By device when it is to be off, as far as that is known here."""
        ...

    def append_once(self, drafts: Iterable[Draft], box: Outbox) -> None:
        """Sign the drafts through the outbox, each place once; they last when it returns."""
        ...


def close_windows(
    target: Continued, spool: Spool, waiting: Sequence[Frame], window: Window, now_ms: int, state: State
) -> Closed:
    """Sign every window that is due, of a day at most. Raises LogError, KeyFileError, ImportDataError."""
    until = target.chain.until
    rosters, gone = _declared(target.host_rosters())
    due = min(window.due(now_ms), gone)
    if until is not None and until >= due:
        spool.drop(window.kept_from(until if due < gone else window.due(now_ms)))
        return Closed(0, until)
    if not rosters:
        detail = f"no inventory gives {target.chain.sub} a device"
        raise ImportDataError("import/roster", detail, hint="declare its devices; what is sampled is kept until then")
    if until is not None and due - until > window.longest:
        detail = f"{target.chain.sub} has spoken until {format_time(until * 1000)}, and it is {format_time(now_ms)}"
        raise LogError("record/gap", detail, hint="see that the clock is right; a longer longest_gap states it missing")
    undone = disbelieved(chain(spool.frames(), waiting))

    def frames() -> Iterator[Frame]:
        return believed(chain(spool.frames(), waiting), undone)

    spoken = _first(frames(), rosters[0].start) if until is None else until
    if spoken is None:
        return Closed(0, None)
    end = min(due, window.after(max(spoken, due - window.longest)))
    why, found = Causes(window.interval), Bounded()
    stated = [*[r for r in rosters if r.start <= spoken][-1:], *(r for r in rosters if spoken < r.start < end)]
    reading = _Reading(window.kept_from(spoken), window.kept_from(end + window.interval), stated, window.host)
    host = _host(gather_series(reading.of(scrapes(why.watch(frames()))), found), window.host)
    options = UsageOptions(window.interval, window.window, target.last_counters(), end, target.planned_off())
    try:
        with nullcontext() if window.runs is None else window.runs.of(host, []) as naming:
            options = options._replace(naming=naming)
            drafts = list(usage_drafts(host, rosters, target.chain, options, salt, found))
    except (ImportDataError, LogError) as error:
        if error.code in NOT_YET:
            return Closed(0, until, undeclared=tuple(sorted(reading.undeclared)))
        raise
    uids = {roster.digest: roster.uids for roster in rosters}
    held = [list(why.of(draft, uids[_body(draft).roster])) for draft in drafts]
    if lines := "".join(_lines(held, target.chain.seq)):
        jsonl.add(state.causes, lines)
    target.append_once(drafts, state.box)
    spool.drop(window.kept_from(end))
    undeclared = tuple(sorted(reading.undeclared))
    return Closed(len(drafts), end, end < due, _seconds(held), undeclared, found.dropped)


def _first(frames: Iterable[Frame], declared: int) -> int | None:
    """When the first sample was taken of what is declared, Unix s: of what was before nobody expects a word."""
    times = (scrape.time_ms // 1000 for scrape in scrapes(frames))
    return min((time for time in times if time >= declared), default=None)


class _Reading:
    """The scrapes that belong to the time to be stated, of devices that are declared; others of the host are named."""

    def __init__(self, start_ms: int, end_ms: int, rosters: Sequence[Roster], host: str | None) -> None:
        self._start, self._end, self._host = start_ms, end_ms, host
        self._declared = {uid for roster in rosters for uid in roster.uids}
        self.undeclared: set[str] = set()

    def of(self, found: Iterable[Scrape]) -> Iterator[Scrape]:
        for scrape in found:
            if self._host is not None and scrape.host != self._host:
                continue
            if scrape.uid not in self._declared and scrape.serial not in self._declared:
                self.undeclared.add(scrape.uid)
            elif self._start <= scrape.time_ms < self._end:
                yield scrape


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


def _lines(held: Sequence[Sequence[Cause]], seq: int) -> Iterator[str]:
    for number, causes in enumerate(held):
        for cause in causes:
            yield json.dumps(cause.as_dict(seq + number)) + "\n"


def _seconds(held: Sequence[Sequence[Cause]]) -> dict[str, int]:
    """Device-seconds without a sample, by cause."""
    out: dict[str, int] = {}
    for causes in held:
        for cause in causes:
            out[cause.cause] = out.get(cause.cause, 0) + cause.end - cause.start
    return out
