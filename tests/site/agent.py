"""A host that hands its statements to the site's log, with a played clock."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attest.record.asking import Asking
from attest.record.closing import Window
from attest.record.kept import Kept
from attest.record.meeting import Meeting
from attest.record.metrics import Metrics
from attest.record.recorder import Recorder, Times
from attest.record.remote import SiteLog
from attest.record.site import Site
from attest.record.spool import Spool
from attest.sign.signer import Signer
from tests.collect.test_import import START
from tests.record.rig import MINUTE, UIDS, WINDOW, AtOnce, Devices, PlayedClock, Stopped
from tests.site.rig import VKEYS, Lab, signer, sub


@dataclass
class Agent:
    """A host's recorder with a played clock, whose log is the site's."""

    lab: Lab
    host: str
    clock: PlayedClock
    site: Site
    keys: tuple[str, ...] = ()
    interval: int = MINUTE
    window: int = WINDOW
    folder: str = ""
    absent: frozenset[str] = frozenset()  # devices that do not answer
    opened: Callable[[str], Signer] = signer
    seal: int = 3600

    @classmethod
    def of(cls, lab: Lab, host: str, minutes: int, site: Site | None = None) -> "Agent":
        clock = PlayedClock(START * 1000, (START + minutes * MINUTE) * 1000)
        return cls(lab, host, clock, site or lab.site(host), (host,))

    @property
    def path(self) -> Path:
        return self.lab.path / (self.folder or f"agent-{self.host}")

    @property
    def kept(self) -> Kept:
        self.path.mkdir(exist_ok=True)
        return Kept(self.path / "site")

    def spool(self) -> Spool:
        return Spool(self.path / "spool", 1 << 26)

    def meeting(self) -> Meeting:
        keys = [lambda key=key: self.opened(key) for key in self.keys]
        return Meeting(self.site, sub(self.host), VKEYS, keys, self.kept)

    def log(self, spool: Spool) -> SiteLog:
        window = Window(self.interval, self.window, 40 * 86_400)
        return SiteLog(self.meeting(), spool, window, self.path / "causes.jsonl")

    def recorder(self, spool: Spool) -> Recorder:
        devices = Devices(self.clock, uids=tuple(f"{self.host}-{uid}" for uid in UIDS), absent=self.absent)
        times = Times(self.interval, 5, self.window, self.seal, self.interval / 2 + 1)
        return Recorder(times, self.clock, Asking([devices]), spool, self.log(spool), Metrics())

    def run(self, minutes: int | None = None) -> None:
        """Until the clock's end, or for some minutes; or killed."""
        if minutes is not None:
            self.clock.end_ms = self.clock.true_ms + minutes * MINUTE * 1000
        with suppress(Stopped), closing(self.spool()) as spool:
            self.recorder(spool).run(AtOnce())

    def closed(self) -> Any:
        """One more look at the site, after the clock's end."""
        with closing(self.spool()) as spool:
            return self.log(spool).close(self.clock.wall_ms(), [])

    def received(self) -> int:
        with closing(self.spool()) as spool:
            self.log(spool).seal()
        return len(list((self.path / "site" / "receipts").glob("*.tlog-proof")))
