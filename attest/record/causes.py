"""Why intervals are not sampled: what the spool's samples and notes say of each, for the lab's own record.

A statement says that an interval is missing, stale, or cut by a reset or a step of the clock. Why it is missing no
verifier needs, but whoever runs the recorder does: the collector's refusal, a device that did not answer, a recorder
that was stopped, died, was held up, or had no room. Causes are kept beside the log, one line for each run of intervals
of one device:

    {"seq": 17, "device": "GPU-5b4e", "from": 1794182400, "until": 1794182700, "state": "missing",
     "cause": "collect/timeout"}
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from attest.collect.statements import Draft
from attest.compute.columns import SPAN
from attest.format.bodies import UsageBody
from attest.format.vocabulary import State
from attest.record.frames import CLOCK_STEP, DROPPED, START, SUSPENDED
from attest.record.spool import Frame

ABSENT: Final = "collect/absent"
UNKNOWN: Final = "record/unknown"
ACCOUNTED: Final = frozenset({State.SAMPLED, State.OFF})


class Cause(NamedTuple):
    """Why a device has no sample in [start, end), Unix s."""

    device: str
    start: int
    end: int
    state: str
    cause: str

    def as_dict(self, seq: int) -> dict[str, int | str]:
        """The line of the lab's record, of the statement with this seq."""
        words: dict[str, int | str] = {"seq": seq, "device": self.device, "from": self.start, "until": self.end}
        return words | {"state": self.state, "cause": self.cause}


class Told(NamedTuple):
    """A stretch of time, Unix ms, and what befell the recorder in it."""

    start: int
    end: int
    cause: str


def told(frame: Frame) -> Told | None:
    """What a note says of a time without samples."""
    what, now, numbers = frame.get("note"), frame["time_ms"], frame.get("numbers", {})
    if what == START and "after_ms" in numbers:
        return Told(numbers["after_ms"], now, numbers["cause"])
    if what == SUSPENDED:
        return Told(now - numbers["ms"], now, "record/suspended")
    if what == CLOCK_STEP:
        return Told(min(now, now - numbers["ms"]), max(now, now - numbers["ms"]), "clock/step")
    if what == DROPPED:
        return Told(numbers["from_ms"], numbers["until_ms"], numbers["cause"])
    return None


class _Asked(NamedTuple):
    """One asking: when, which devices answered, and what was refused."""

    time_ms: int
    seen: frozenset[str]
    refused: tuple[tuple[str, str], ...]


class Causes:
    """Looks up the cause of a device's missing intervals, in frames that it was shown with `watch`."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._told: list[Told] = []
        self._asked: list[_Asked] = []
        self._sets: dict[frozenset[str], frozenset[str]] = {}  # most askings have the same devices

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames, unchanged; what is kept of each is little."""
        for frame in frames:
            if "collector" in frame:
                seen = frozenset(name for scrape in frame["scrapes"] for name in scrape[1:3] if name)
                refused = tuple((who, code) for who, code, _ in frame["refused"])
                self._asked.append(_Asked(frame["time_ms"], self._sets.setdefault(seen, seen), refused))
            elif (befell := told(frame)) is not None:
                self._told.append(befell)
            yield frame

    def of(self, draft: Draft, uids: Sequence[str]) -> Iterator[Cause]:
        """Of a usage statement whose devices are these: each run of intervals that nothing accounts for."""
        body = draft.body
        assert isinstance(body, UsageBody)
        length = (draft.end - draft.start) // body.interval
        spans = np.frombuffer(body.spans, SPAN)
        edges = np.append(spans["first"], length * body.devices).tolist()
        for number, state in enumerate(spans["state"].tolist()):
            if state in ACCOUNTED:
                continue
            device, first = divmod(edges[number], length)
            times = range(
                draft.start + first * body.interval,
                draft.start + (edges[number + 1] - device * length) * body.interval,
                body.interval,
            )
            yield from self._of_times(uids[device], times, State(state))

    def _of_times(self, uid: str, times: Iterable[int], state: State) -> Iterator[Cause]:
        name = state.name.lower()
        causes = ((self._of(uid, time) if state is State.MISSING else name, time) for time in times)
        for cause, group in groupby(causes, key=lambda pair: pair[0]):
            held = [time for _, time in group]
            yield Cause(uid, held[0], held[-1] + self._interval, name, cause)

    def _of(self, uid: str, start: int) -> str:
        """Of one interval: the first of its two boundaries that has no reading of the device."""
        causes = [self._at(uid, edge * 1000) for edge in (start, start + self._interval)]
        return next((cause for cause in causes if cause), UNKNOWN)

    def _at(self, uid: str, edge_ms: int) -> str:
        half = self._interval * 500
        near = self._near(edge_ms - half, edge_ms + half)
        if any(uid in asked.seen for asked in near):
            return ""
        mine = [code for asked in near for who, code in asked.refused if who in ("", uid)]
        if mine:
            return mine[0]
        befell = [each.cause for each in self._told if each.start < edge_ms + half and each.end > edge_ms - half]
        return befell[0] if befell else (ABSENT if near else "")

    def _near(self, start_ms: int, end_ms: int) -> list[_Asked]:
        low, high = (bisect_left(self._by_time, edge, key=_time) for edge in (start_ms, end_ms))
        return self._by_time[low:high]

    @cached_property
    def _by_time(self) -> list[_Asked]:
        return sorted(self._asked, key=_time)


def _time(asked: _Asked) -> int:
    return asked.time_ms
