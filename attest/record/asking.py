"""Asking collectors without being held up by them: each has a thread of its own, and as long as the deadline.

A collector that does not come back is asked no more until it does; each time that it should have been asked is a
refusal (`collect/hung`), and what it brings late is thrown away: of when such values are, nobody knows. Threads are
daemons, so that a collector which hangs keeps nobody from ending.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

from attest.collect.collector import Collector, Refusal, Sample


class _Asked:
    """A collector in its thread, and the answer it owes."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.owed: Future[Sample] | None = None
        self._wanted: queue.SimpleQueue[tuple[int, Future[Sample]]] = queue.SimpleQueue()
        threading.Thread(target=self._answer, name=f"collect {collector.name}", daemon=True).start()

    def ask(self, now_ms: int) -> None:
        self.owed = Future()
        self._wanted.put((now_ms, self.owed))

    def _answer(self) -> None:
        while True:
            now_ms, owed = self._wanted.get()
            try:
                owed.set_result(self.collector.collect(now_ms))
            except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
                owed.set_exception(error)


class Asking:
    """All collectors of a recorder."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._asked = [_Asked(collector) for collector in collectors]

    def ask(self, now_ms: int, seconds: float) -> dict[str, Sample]:
        """What each collector gives within so many seconds, by its name. Raises what a collector raises."""
        fresh = [asked for asked in self._asked if asked.owed is None or asked.owed.done()]
        for asked in fresh:
            asked.ask(now_ms)
        owed = {asked.owed for asked in fresh if asked.owed is not None}
        done = wait(owed, timeout=seconds).done
        found: dict[str, Sample] = {}
        for asked in self._asked:
            name = asked.collector.name
            found[name] = asked.owed.result() if asked.owed in done else _hung(name, now_ms)
        return found


def _hung(name: str, now_ms: int) -> Sample:
    cause = "it did not come back in time"
    return Sample(refusals=(Refusal(name, "", "", now_ms, "collect/hung", cause),))
