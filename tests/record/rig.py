"""A recorder whose clock is played, beside a log and devices that draw what they draw whatever the clock says."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attest.collect.collector import Refusal, Sample
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.record.asking import Asking
from attest.record.closing import Window
from attest.record.frames import CLOCK_STEP
from attest.record.local import LocalLog
from attest.record.metrics import Metrics
from attest.record.recorder import Recorder, Times
from attest.record.run_names import RunNames
from attest.record.spool import Frame, Spool
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.trust.keys import PublicKey
from tests.collect.test_import import ORIGIN, START, signer

MINUTE = 60
WINDOW = 600
UIDS = ("GPU-0", "GPU-1")
MILLIWATTS = 500_000


class AtOnce(Executor):
    """Does what it is given before it goes on."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Stopped(Exception):
    """The process is killed here."""


@dataclass
class PlayedClock:
    """True time goes on by what is waited; `ahead_ms` is by how much the time of day is wrong, `boots` how often the
    machine was started again, last at `booted_ms`."""

    true_ms: int
    end_ms: int
    ahead_ms: int = 0
    boots: int = 0
    booted_ms: int = 0
    at: dict[int, Callable[[], None]] = field(default_factory=dict)  # true seconds after START -> what happens

    def wall_ms(self) -> int:
        return self.true_ms + self.ahead_ms

    def steady_ms(self) -> int:
        return self.true_ms - self.booted_ms

    def boot(self) -> str:
        return f"boot {self.boots}"

    def start_again(self) -> None:
        """The machine, whose steady clock begins anew."""
        self.boots, self.booted_ms = self.boots + 1, self.true_ms

    def wait(self, seconds: float) -> bool:
        self.true_ms += max(int(seconds * 1000), 1) if seconds else 0
        for second in sorted(self.at):
            if START + second <= self.true_ms / 1000:
                self.at.pop(second)()
        return self.true_ms >= self.end_ms


@dataclass
class Devices:
    """Two devices of a host, as a collector; `broken` says what goes wrong instead, `absent` which do not answer;
    `more` is one that nobody declared, `neighbour` one of another host."""

    clock: PlayedClock
    name: str = "dcgm"
    broken: str = ""
    absent: frozenset[str] = frozenset()
    more: str = ""
    neighbour: str = ""
    asked: int = 0
    uids: tuple[str, ...] = UIDS

    def collect(self, now_ms: int) -> Sample:
        self.asked += 1
        if self.broken:
            return Sample(refusals=(Refusal(self.name, "http://n1", "", now_ms, self.broken, "as told"),))
        energy = (self.clock.true_ms - START * 1000 + 10**6) * MILLIWATTS // 1000
        found = [
            Scrape(0, now_ms, host, host, uid, "", "NVIDIA H100 SXM5 80GB", {Field.ENERGY: energy})
            for host, uid in [*(("n1", uid) for uid in (*self.uids, self.more)), ("n2", self.neighbour)]
            if uid and uid not in self.absent
        ]
        return Sample(scrapes=tuple(found))


@dataclass
class Promised:
    """What others may rely on: by wall minute after START when a sample was accepted, true ms, and which were about to
    be; when a step of the clock was; the size that was sealed; what was signed, with the true ms of it."""

    samples: dict[int, int] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    step_ms: int | None = None
    sealed: int = 0
    signed: dict[bytes, int] = field(default_factory=dict)


@dataclass
class Watched:
    """A key that remembers what it signed, and when."""

    name: str
    clock: PlayedClock
    signed: dict[bytes, int]

    def public_key(self) -> PublicKey:
        return signer(self.name).public_key()

    def sign(self, message: bytes) -> bytes:
        self.signed.setdefault(message, self.clock.true_ms)
        return signer(self.name).sign(message)


class WatchedSpool(Spool):
    """A spool that remembers what it accepted."""

    def __init__(self, path: Path, limit: int, clock: PlayedClock, promised: Promised) -> None:
        super().__init__(path, limit)
        self._clock, self._promised = clock, promised

    def append(self, frame: Frame) -> None:
        minute = (frame["time_ms"] // 1000 + MINUTE // 2 - START) // MINUTE  # the nearest one
        if frame.get("scrapes"):
            self._promised.tried.add(minute)
        super().append(frame)
        if frame.get("scrapes"):
            self._promised.samples[minute] = self._clock.true_ms
        if frame.get("note") == CLOCK_STEP:
            self._promised.step_ms = self._clock.true_ms


class WatchedLog(LocalLog):
    """A log that remembers what it sealed."""

    promised: Promised

    def seal(self) -> int:
        self.promised.sealed = super().seal()
        return self.promised.sealed


@dataclass
class Rig:
    """A host with its recorder, which can be ended and begun again."""

    path: Path
    clock: PlayedClock
    devices: Devices
    limit: int = 1 << 20
    runs: RunNames | None = None
    window: int = WINDOW
    seal: int = 3600
    promised: Promised = field(default_factory=Promised)
    host: str | None = None

    @classmethod
    def of(cls, path: Path, minutes: int) -> "Rig":
        clock = PlayedClock(START * 1000, (START + minutes * MINUTE) * 1000)
        return cls(path, clock, Devices(clock))

    def key(self, name: str) -> Signer:
        return Watched(name, self.clock, self.promised.signed)

    def recorder(self, spool: Spool, **options: Any) -> Recorder:
        window = Window(MINUTE, self.window, 30 * 86_400, self.host, self.runs)
        keys = [lambda: self.key("host"), lambda: self.key("next")]
        log = WatchedLog(self.path / "log", keys, spool, window, self.path, self.sign)
        log.promised = self.promised
        times = Times(MINUTE, 5, self.window, self.seal, MINUTE / 2 + 1)
        return Recorder(times, self.clock, Asking([self.devices]), spool, log, Metrics(), **options)

    @property
    def causes(self) -> Path:
        return self.path / "causes.jsonl"

    @staticmethod
    def sign(text: str) -> bytes:
        return sign_note(text, ORIGIN, [signer("log")])

    def spool(self) -> Spool:
        return WatchedSpool(self.path / "spool", self.limit, self.clock, self.promised)

    def run(self) -> None:
        """Until the clock's end, or killed."""
        with suppress(Stopped), closing(self.spool()) as spool:
            self.recorder(spool).run(AtOnce())

    def on(self, minutes: float) -> None:
        """The clock's end is so many minutes later."""
        self.clock.end_ms += int(minutes * MINUTE * 1000)
