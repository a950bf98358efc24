"""The recorder's clock: the time of day for stamps, and a steady one by which steps of it are seen.

Stamps are the system's time in UTC, whatever its zone and its summer time. When the two clocks part by more than
`STEP_MS` between two looks, somebody or something has set the clock; when both have gone on for longer than was
asked for, the recorder itself was held up. A recorder that begins looks from where the one before it looked last. The
steady clock begins anew when the machine does, and then the only step that can be seen is one back, before that look.
"""

import threading
import time
from pathlib import Path
from typing import Final, NamedTuple, Protocol

STEP_MS: Final = 500  # a daemon that slews moves a clock by 0.5 ms in a second at most
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")  # proc(5)


class Moment(NamedTuple):
    """One look: Unix ms, ms of the steady clock, and which of its runs that is, "" where nobody knows."""

    wall_ms: int
    steady_ms: int
    boot: str

    def until(self, later: "Moment") -> int | None:
        """Ms that went by on the steady clock, None where that began anew in between."""
        return later.steady_ms - self.steady_ms if self.boot and self.boot == later.boot else None


class Clock(Protocol):
    """What tells the time, and waits."""

    def wall_ms(self) -> int:
        """Unix ms."""
        ...

    def steady_ms(self) -> int:
        """Ms that never step, and that go on while the machine sleeps."""
        ...

    def boot(self) -> str:
        """Which run of the machine the steady clock is of, "" where nobody knows."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; True once the recorder is to stop."""
        ...


def moment(clock: Clock) -> Moment:
    """A look at both clocks."""
    return Moment(clock.wall_ms(), clock.steady_ms(), clock.boot())


class SystemClock:
    """The machine's."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        try:
            self._boot = BOOT_ID.read_text().strip()
        except OSError:
            self._boot = ""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def boot(self) -> str:
        return self._boot

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """Ends every wait, also from a signal's handler."""
        self._stop.set()


class Watch:
    """Sees steps of the time of day, and delays."""

    def __init__(self, clock: Clock, since: Moment | None) -> None:
        """`since` is the last look that anybody had, None for nobody."""
        self._clock = clock
        self._last = moment(clock) if since is None else since

    def look(self) -> tuple[int, int]:
        """Since the look before: ms by which the time of day was set, and ms that went by."""
        before, self._last = self._last, moment(self._clock)
        gone, passed = self._last.wall_ms - before.wall_ms, before.until(self._last)
        step = min(gone, 0) if passed is None else gone - passed
        return (step if abs(step) > STEP_MS else 0), passed or 0
