"""What the spool's frames say: samples of collectors, and notes of what befell the recorder.

    {"time_ms": 1794182400000, "steady": [86400000, "f3b1c2d4-..."], "collector": "dcgm", "scrapes": [["n1",
     "GPU-5b4e", "", "NVIDIA H100 SXM5 80GB", 1794182400000, {"energy": 5551899580, "clock": 1980}, 0, []]],
     "readings": [], "refused": []}
    {"time_ms": 1794182460000, "steady": [86460000, "f3b1c2d4-..."], "collector": "dcgm", "scrapes": [],
     "readings": [], "refused": [["", "collect/timeout", "no end in 5 s"]]}
    {"time_ms": 1794178920000, "steady": [86520000, "f3b1c2d4-..."], "note": "clock-step", "numbers": {"ms": -3600000}}

`steady` is where the steady clock stood at that time, and in which run of the machine (attest.record.clock). A note
that is about frames of a later time has the last of that as `needed_ms`.

>>> from attest.collect.collector import Refusal
>>> frame = of_sample("dcgm", Moment(1_794_182_400_000, 86_400_000, ""), Sample(refusals=(
...     Refusal("dcgm", "http://n1:9400/metrics", "", 1_794_182_400_000, "collect/timeout", "no end in 5 s"),)))
>>> frame["refused"], list(scrapes([frame]))
([['', 'collect/timeout', 'no end in 5 s']], [])
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from attest.collect.collector import Sample
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.collect.exporters import Holder
from attest.record.clock import Moment
from attest.record.spool import Frame

MAX_REFUSALS: Final = 64  # of one sample that the spool keeps
MAX_CAUSE: Final = 500  # characters of one

SAME_MS: Final = 60_000  # by how much two steps may differ that undo each other

START: Final = "start"
STOP: Final = "stop"
CLOCK_STEP: Final = "clock-step"
SUSPENDED: Final = "suspended"
DROPPED: Final = "dropped"


def of_sample(collector: str, at: Moment, sample: Sample) -> Frame:
    """What one asking gave, as a frame."""
    return _taken(at) | {
        "collector": collector,
        "scrapes": [
            [
                *(s.host, s.uid, s.serial, s.model, s.time_ms),
                {field.value: value for field, value in s.values.items()},
                *(s.minor, s.holders),
            ]
            for s in sample.scrapes
        ],
        "readings": [[r.node, r.time_ms, int(r.quantity), r.value] for r in sample.readings],
        "refused": [[r.who, r.code, r.cause[:MAX_CAUSE]] for r in sample.refusals[:MAX_REFUSALS]],
    }


def started(at: Moment, last: Frame | None) -> Frame:
    """The note of a recorder that begins, with what became of the one before it."""
    if last is None:
        return note(START, at)
    cause = "record/stopped" if last.get("note") == STOP else "record/died"
    return note(START, at, after_ms=last["time_ms"], cause=cause)


def note(what: str, at: Moment, **numbers: int | str) -> Frame:
    """Something that befell the recorder."""
    return _taken(at) | {"note": what, "numbers": numbers}


def _taken(at: Moment) -> Frame:
    return {"time_ms": at.wall_ms, "steady": [at.steady_ms, at.boot]}


def moment_of(frame: Frame) -> Moment:
    """When a frame was taken; one that says nothing of a steady clock is of no known run."""
    return Moment(frame["time_ms"], *frame.get("steady", (0, "")))


def doubt(frames: Iterable[Frame], hold_ms: int, now: Moment) -> int:
    """For how many ms more the time of day is not believed, which is not for `hold_ms` after it was set.

    Of a time in which the machine was off nobody knows how long it was: it does not count.

    >>> step = note(CLOCK_STEP, Moment(90_000_000, 1_000, "a"), ms=86_400_000)
    >>> doubt([step], 3_600_000, Moment(90_060_000, 61_000, "a")), doubt([step], 3_600_000, Moment(90_060_000, 5, "b"))
    (3540000, 3600000)
    """
    left, before = 0, Moment(0, 0, "")
    for frame in frames:
        at = moment_of(frame)
        left = hold_ms if frame.get("note") == CLOCK_STEP else left - (before.until(at) or 0)
        before = at
    return max(left - (before.until(now) or 0), 0)


def stepped(at: Moment, step_ms: int, frames: Iterable[Frame]) -> Frame:
    """The note that the clock was set, after these frames. If it was ahead and is set right, since when it was is with
    it, and the note is needed as long as any frame of that time.

    What undoes a step forward goes as far back, or to before where that led: a machine may have been off in between.

    >>> ahead = stepped(Moment(90_000_000, 0, ""), 86_400_000, [])
    >>> stepped(Moment(4_200_000, 0, ""), -86_399_000, [ahead])["numbers"]
    {'ms': -86399000, 'since_ms': 90000000}
    >>> stepped(Moment(9_200_000, 0, ""), -81_399_000, [ahead])["numbers"]["since_ms"]
    90000000
    >>> stepped(Moment(90_600_000, 0, ""), -3_600_000, [ahead])["numbers"]
    {'ms': -3600000}
    """
    ahead: list[tuple[int, int]] = []  # where steps forward led that nothing has undone, and their ms
    before = (frame for frame in frames if frame.get("note") == CLOCK_STEP)
    steps = chain(((frame["time_ms"], frame["numbers"]["ms"]) for frame in before), [(at.wall_ms, step_ms)])
    for time_ms, ms in steps:
        since = None
        while ms < 0 and ahead and (ms < SAME_MS - ahead[-1][1] or time_ms < ahead[-1][0]):
            since, forward = ahead.pop()
            ms += forward
        if since is None and ms > 0:
            ahead.append((time_ms, ms))
    if since is None:
        return note(CLOCK_STEP, at, ms=step_ms)
    return note(CLOCK_STEP, at, ms=step_ms, since_ms=since) | {"needed_ms": at.wall_ms - step_ms}


class Undone(NamedTuple):
    """Frames before this place were taken by a clock that was ahead if their time is in this range of Unix ms."""

    place: int
    times: range


def disbelieved(frames: Iterable[Frame]) -> list[Undone]:
    """What was taken by a clock that had been set ahead and was then set right, as the notes of that say.

    >>> ahead = stepped(Moment(90_000_000, 0, ""), 86_400_000, [])
    >>> disbelieved([ahead, {}, {}, stepped(Moment(4_200_000, 0, ""), -86_399_000, [ahead])])
    [Undone(place=3, times=range(90000000, 90599001))]
    """
    notes = ((place, frame) for place, frame in enumerate(frames) if "needed_ms" in frame)
    return [Undone(place, range(each["numbers"]["since_ms"], each["needed_ms"] + 1)) for place, each in notes]


def believed(frames: Iterable[Frame], without: Sequence[Undone]) -> Iterator[Frame]:
    """The frames but for those, of which the notes stay."""
    for place, frame in enumerate(frames):
        if "note" in frame or not any(place < each.place and frame["time_ms"] in each.times for each in without):
            yield frame


def scrapes(frames: Iterable[Frame]) -> Iterator[Scrape]:
    """The scrapes of all samples, each asking an exposition of its own."""
    for number, frame in enumerate(frames):
        where = frame.get("collector", "")
        for host, uid, serial, model, time_ms, values, minor, holders in frame.get("scrapes", ()):
            fields = {Field(name): value for name, value in values.items()}
            held = tuple(Holder(*holder) for holder in holders)
            yield Scrape(number, time_ms, where, host, uid, serial, model, fields, minor, held)
