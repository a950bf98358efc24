"""What the spool's frames say: samples of collectors, and notes of what befell the recorder.

    {"time_ms": 1794182400000, "collector": "dcgm", "scrapes": [["n1", "GPU-5b4e", "", "NVIDIA H100 SXM5 80GB",
     1794182400000, {"energy": 5551899580, "clock": 1980}, 0, []]], "readings": [], "refused": []}
    {"time_ms": 1794182460000, "collector": "dcgm", "scrapes": [], "readings": [],
     "refused": [["", "collect/timeout", "no end in 5 s"]]}
    {"time_ms": 1794182520000, "note": "clock-step", "numbers": {"ms": -3600000}}

>>> from attest.collect.collector import Refusal
>>> frame = of_sample("dcgm", 1_794_182_400_000, Sample(refusals=(
...     Refusal("dcgm", "http://n1:9400/metrics", "", 1_794_182_400_000, "collect/timeout", "no end in 5 s"),)))
>>> frame["refused"], list(scrapes([frame]))
([['', 'collect/timeout', 'no end in 5 s']], [])
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attest.collect.collector import Sample
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.collect.exporters import Holder
from attest.record.spool import Frame

MAX_REFUSALS: Final = 64  # of one sample that the spool keeps
MAX_CAUSE: Final = 500  # characters of one

SAME_MS: Final = 60_000  # by how much two steps may differ that undo each other

START: Final = "start"
STOP: Final = "stop"
CLOCK_STEP: Final = "clock-step"
SUSPENDED: Final = "suspended"
DROPPED: Final = "dropped"


def of_sample(collector: str, time_ms: int, sample: Sample) -> Frame:
    """What one asking gave, as a frame."""
    return {
        "time_ms": time_ms,
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


def started(now_ms: int, last: Frame | None) -> Frame:
    """The note of a recorder that begins, with what became of the one before it."""
    if last is None:
        return note(START, now_ms)
    cause = "record/stopped" if last.get("note") == STOP else "record/died"
    return note(START, now_ms, after_ms=last["time_ms"], cause=cause)


def note(what: str, time_ms: int, **numbers: int | str) -> Frame:
    """Something that befell the recorder."""
    return {"time_ms": time_ms, "note": what, "numbers": numbers}


def disbelieved(frames: Iterable[Frame]) -> list[range]:
    """Which frames, by their place, were taken by a clock that had been set ahead and was then set back as far.

    >>> steps = [note(CLOCK_STEP, 90_000_000, ms=86_400_000), {}, {}, note(CLOCK_STEP, 4_200_000, ms=-86_399_000), {}]
    >>> disbelieved(steps)
    [range(0, 3)]
    """
    ahead: list[tuple[int, int]] = []  # place and ms of steps forward that nothing has undone
    found = []
    for place, frame in enumerate(frames):
        step = frame["numbers"]["ms"] if frame.get("note") == CLOCK_STEP else 0
        if step > 0:
            ahead.append((place, step))
        while step < 0 and ahead and step < SAME_MS - ahead[-1][1]:
            first, ms = ahead.pop()
            step += ms
            found.append(range(first, place))
    return found


def believed(frames: Iterable[Frame], without: Sequence[range]) -> Iterator[Frame]:
    """The frames but for those, of which the notes stay."""
    for place, frame in enumerate(frames):
        if "note" in frame or not any(place in each for each in without):
            yield frame


def scrapes(frames: Iterable[Frame]) -> Iterator[Scrape]:
    """The scrapes of all samples, each asking an exposition of its own."""
    for number, frame in enumerate(frames):
        where = frame.get("collector", "")
        for host, uid, serial, model, time_ms, values, minor, holders in frame.get("scrapes", ()):
            fields = {Field(name): value for name, value in values.items()}
            held = tuple(Holder(*holder) for holder in holders)
            yield Scrape(number, time_ms, where, host, uid, serial, model, fields, minor, held)
