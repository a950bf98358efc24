"""The recorder's clock: the time of day for stamps, and a steady one by which steps of it are seen.

Stamps are the system's time in UTC, whatever its zone and its summer time. When the two clocks part by more than
`STEP_MS` between two looks, somebody or something has set the clock; when both have gone on for longer than was
asked for, the recorder itself was held up.
"""

import threading
import time
from typing import Final, Protocol

STEP_MS: Final = 500  # a daemon that slews moves a clock by 0.5 ms in a second at most


class Clock(Protocol):
    """What tells the time, and waits."""

    def wall_ms(self) -> int:
        """Unix ms."""
        ...

    def steady_ms(self) -> int:
        """Ms that never step, and that go on while the machine sleeps."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; True once the recorder is to stop."""
        ...


class SystemClock:
    """The machine's."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """Ends every wait, also from a signal's handler."""
        self._stop.set()


class Watch:
    """Sees steps of the time of day, and delays."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._steady = clock.wall_ms(), clock.steady_ms()

    def look(self) -> tuple[int, int]:
        """Since the look before: ms by which the time of day was set, and ms that went by."""
        wall, steady = self._clock.wall_ms(), self._clock.steady_ms()
        passed = steady - self._steady
        step = wall - self._wall - passed
        self._wall, self._steady = wall, steady
        return (step if abs(step) > STEP_MS else 0), passed
