"""The recorder: samples at aligned boundaries, closes windows, seals; and says what befell it.

Each boundary of the interval every collector is asked once, and what it gives goes to the spool before anything else.
Windows are closed and the log is sealed beside that, in one other thread, which has the log's lock only while it works:
a key can be rotated, or an event entered, beside a running recorder.

What cannot be written, because the disk is full or the spool is at its limit, is held in memory up to `MAX_HELD`
frames, then the oldest is dropped; how many were, of which time and why, is a note in the spool as soon as there is
room.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from itertools import chain
from typing import Final, NamedTuple, Protocol

from attest.collect.collector import Sample
from attest.errors import AttestError, KeyFileError, LogError
from attest.record.asking import Asking
from attest.record.clock import Clock, Moment, Watch, moment
from attest.record.closing import Closed
from attest.record.frames import DROPPED, STOP, SUSPENDED, doubt, moment_of, note, of_sample, started, stepped
from attest.record.metrics import Metrics
from attest.record.spool import TOO_LARGE, Frame, Spool

MAX_HELD: Final = 4_096  # frames that wait in memory for a disk
HOLD: Final = 3_600  # s after the clock was set, in which it may be set right again, before anything is stated by it
RETRY: Final = 60  # s until a window or a seal that failed is tried again
MAX_WAIT: Final = 1.0  # s, so that a step of the clock is seen soon
PROMPT: Final = 500  # ms after a boundary, within which what is asked for is of the boundary

_log = logging.getLogger("attest.record")


class Closer(Protocol):
    """What is done beside sampling; each opens the log and gives it back."""

    def close(self, now_ms: int, waiting: Sequence[Frame]) -> Closed:
        """Sign what is due, of the spool and of frames that wait for it. Raises AttestError."""
        ...

    def seal(self) -> int:
        """Publish what is pending; the log's size. Raises AttestError."""
        ...


class Times(NamedTuple):
    """In s: between samples, of a collector's answer, of a window, between seals; `late` how long after a window's end
    it is closed."""

    every: int
    timeout: float
    window: int
    seal: int
    late: float


class Recorder:
    """One host's recorder. `run` samples until the clock says stop; `once` samples one time."""

    def __init__(
        self, times: Times, clock: Clock, asking: Asking, spool: Spool, closer: Closer, metrics: Metrics
    ) -> None:
        self.times, self.clock, self.asking = times, clock, asking
        self.spool, self.closer, self.metrics = spool, closer, metrics
        self._watch = Watch(clock, moment_of(spool.last) if spool.last else None)
        self._held: deque[Frame] = deque()
        self._lost: list[Frame] = []  # the first and the last that were dropped
        self._lost_count, self._lost_why = 0, ""
        self._held_until = 0  # of the steady clock, ms
        self._due = 0  # Unix ms, when a window or a seal is tried next
        self._sealed_ms = 0
        self._window = 0
        self._working: Future[None] | None = None

    def run(self, pool: Executor) -> None:
        """Until the clock's stop; `pool` is where windows are closed, one at a time."""
        self._start()
        while not self._until_next():
            self._tick()
            self._work(pool)
        if self._working is not None:
            self._working.result()
        self._keep(note(STOP, moment(self.clock)))

    def once(self) -> None:
        """One sample, and what is due; for cron, whose runs come at the boundaries."""
        self._start()
        self._tick()
        self._close(self.clock.wall_ms(), self._waiting())
        self._keep(note(STOP, moment(self.clock)))

    # -- sampling

    def _start(self) -> None:
        """What befell the clock since the last frame comes first: of a time that it leapt over no recorder died."""
        self._held_until = self.clock.steady_ms() + doubt(self.spool.frames(), HOLD * 1000, moment(self.clock))
        self._look()
        self._keep(started(moment(self.clock), self.spool.last))
        if self.spool.damaged:
            _log.warning("spool damaged", extra={"fields": {"bytes": self.spool.damaged}})

    def _until_next(self) -> bool:
        """Waits for the next boundary; True once the recorder is to stop."""
        every = self.times.every * 1000
        target = (self.clock.wall_ms() // every + 1) * every
        while (left := target - self.clock.wall_ms()) > 0:
            if left > every:  # the clock was set back: its next boundary is another one
                target = (self.clock.wall_ms() // every + 1) * every
            if self.clock.wait(min(left / 1000, MAX_WAIT)):
                return True
        return self.clock.wait(0)

    def _look(self) -> int:
        """Notes that the clock was set, and does not believe it for a while; ms since the look before."""
        step, passed = self._watch.look()
        if step:
            _log.warning("clock set", extra={"fields": {"ms": step}})
            self._keep(stepped(moment(self.clock), step, chain(self.spool.frames(), self._held)))
            self._held_until, self._due = self.clock.steady_ms() + HOLD * 1000, 0
        return passed

    def _tick(self) -> None:
        passed, at = self._look(), moment(self.clock)
        if passed > 2 * self.times.every * 1000:
            _log.warning("held up", extra={"fields": {"ms": passed}})
            self._keep(note(SUSPENDED, at, ms=passed))
        window = at.wall_ms // 1000 // self.times.window
        if window != self._window and not self._held:
            self._window = window
            self._turn()
        late = at.wall_ms % (self.times.every * 1000)
        if late <= PROMPT:  # a meter's window ends and begins with a reading on its very edge
            at = at._replace(wall_ms=at.wall_ms - late, steady_ms=at.steady_ms - late)
        for name, sample in self.asking.ask(at.wall_ms, self.times.timeout).items():
            self._count(name, sample)
            self._keep(of_sample(name, at, sample))
        self.metrics.sample_time.set(at.wall_ms / 1000)
        self.metrics.spool.set(self.spool.size)

    def _count(self, name: str, sample: Sample) -> None:
        if not sample.empty:
            self.metrics.samples.labels(name).inc()
        for refusal in sample.refusals:
            self.metrics.refused.labels(name, refusal.code).inc()
            fields = {"collector": name, "who": refusal.who, "code": refusal.code, "cause": refusal.cause}
            _log.warning("refused", extra={"fields": fields})

    def _turn(self) -> None:
        """A new segment with a new window, so that the old one can go when it is closed."""
        try:
            self.spool.turn()
        except LogError as error:
            _log.error("spool", extra={"fields": {"code": error.code, "detail": error.detail}})

    def _keep(self, frame: Frame) -> None:
        """The frame to the spool, after those that wait; what there is no room for waits, and at last is dropped."""
        self._held.append(frame)
        try:
            while self._held:
                self._append(self._held[0])
                self._held.popleft()
            self._tell_lost(moment_of(frame))
        except LogError as error:
            if len(self._held) == 1:
                _log.error("spool", extra={"fields": {"code": error.code, "detail": error.detail}})
            while len(self._held) > MAX_HELD:
                self._drop(self._held.popleft(), error.code)

    def _append(self, frame: Frame) -> None:
        """To the spool; what is larger than any sample is dropped, and keeps no other waiting."""
        try:
            self.spool.append(frame)
        except LogError as error:
            if error.code != TOO_LARGE:
                raise
            _log.error("spool", extra={"fields": {"code": error.code, "detail": error.detail}})
            self._drop(frame, error.code)

    def _drop(self, frame: Frame, why: str) -> None:
        self._lost = [*self._lost[:1], frame] if self._lost else [frame]
        self._lost_count, self._lost_why = self._lost_count + 1, why
        self.metrics.dropped.inc()

    def _tell_lost(self, at: Moment) -> None:
        for lost in self._lost_note(at):
            self.spool.append(lost)
            _log.error("dropped", extra={"fields": lost["numbers"]})
            self._lost, self._lost_count = [], 0

    def _lost_note(self, at: Moment) -> list[Frame]:
        if not self._lost_count:
            return []
        first, last = self._lost[0]["time_ms"], self._lost[-1]["time_ms"]
        told = {"from_ms": first, "until_ms": last + 1, "cause": self._lost_why}
        return [note(DROPPED, at, count=self._lost_count, **told)]

    def _waiting(self) -> list[Frame]:
        """What is in no spool yet, with what was dropped."""
        return [*self._held, *self._lost_note(moment(self.clock))]

    # -- closing and sealing

    def _work(self, pool: Executor) -> None:
        """Closes and seals beside the sampling, one after the other; what fails is tried again later."""
        if self._working is not None and self._working.done():
            self._working.result()
            self._working = None
        now = self.clock.wall_ms()
        if self._working is None and now >= self._due:
            self._due = self._next(now)
            self._working = pool.submit(self._close, now, self._waiting())

    def _next(self, now_ms: int) -> int:
        """When there is something to do next: a window ends, the head is an hour old, the clock is believed again."""
        window, late = self.times.window * 1000, int(self.times.late * 1000)
        ends = ((now_ms - late) // window + 1) * window + late
        held = self._held_until - self.clock.steady_ms()
        return min(ends, now_ms + self.times.seal * 1000, now_ms + held if held > 0 else ends)

    def _close(self, now_ms: int, waiting: Sequence[Frame]) -> None:
        if self.clock.steady_ms() >= self._held_until:
            self._guarded("window", lambda: self._closed(self.closer.close(now_ms, waiting)))
        if now_ms - self._sealed_ms >= self.times.seal * 1000 or now_ms < self._sealed_ms:
            self._guarded("seal", lambda: self._seal(now_ms))

    def _guarded(self, what: str, do: Callable[[], None]) -> None:
        try:
            do()
        except AttestError as error:
            if isinstance(error, KeyFileError):
                self.metrics.key_valid.set(0)
            self.metrics.errors.labels(error.code).inc()
            _log.error(f"{what} failed", extra={"fields": {"code": error.code, "detail": error.detail}})
            self._due = min(self._due, self.clock.wall_ms() + RETRY * 1000)

    def _closed(self, closed: Closed) -> None:
        self.metrics.key_valid.set(1)
        for cause, seconds in closed.causes.items():
            self.metrics.missing.labels(cause).inc(seconds)
        self.metrics.undeclared.set(len(closed.undeclared))
        for uid in closed.undeclared:
            _log.error("device or feed that no inventory names", extra={"fields": {"device": uid}})
        if closed.dropped:
            _log.warning("irregularities dropped", extra={"fields": dict(closed.dropped)})
        if closed.until is not None:
            self.metrics.until.set(closed.until)
        if closed.statements:
            self.metrics.statements.inc(closed.statements)
            fields = {"statements": closed.statements, "until": closed.until, "missing_s": dict(closed.causes)}
            _log.info("window closed", extra={"fields": fields})
        self.metrics.outbox.set(closed.waiting)
        if closed.waiting:
            self._due = min(self._due, self.clock.wall_ms() + RETRY * 1000)
        if closed.more:
            self._due = 0

    def _seal(self, now_ms: int) -> None:
        size = self.closer.seal()
        self._sealed_ms = now_ms
        self.metrics.seal_time.set(now_ms / 1000)
        _log.info("sealed", extra={"fields": {"size": size}})
