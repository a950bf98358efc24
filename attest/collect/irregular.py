"""Irregularities: what a source's own record shows to be wrong, kept as it is and never smoothed away.

Each has a kind, the place it was seen at (file and line), whom it is about (a node or a device), the source's own
time in Unix milliseconds (0 where there is none) and its numbers, all integers, named with their units.
What becomes of the readings concerned is said in schemas/import.md, kind by kind.

    >>> found = Irregularity(Kind.GAP, "power.csv:17", "node_3", 1_745_514_111_000, {"gap_ms": 9_000})
    >>> found.as_dict()["numbers"]
    {'gap_ms': 9000}
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from attest.errors import ImportDataError

MAX_IRREGULARITIES: Final = 100_000  # a file with more is no record of anything
MAX_STEP_BACK: Final = 86_400_000  # ms; further back the files are in the wrong order


class Kind(StrEnum):
    """What is wrong; the words that reports and `--format json` use."""

    DUPLICATE = "duplicate"  # a stamp again, with the same value
    CONFLICT = "conflict"  # a stamp again, with another value
    BACKWARDS = "backwards"  # the clock steps back
    GAP = "gap"  # more than 2.5 x the median step without a reading
    SHIFT = "clock-shift"  # the clock differs from its session's by whole quarter-hours
    CLOCK = "clock-off"  # the clock differs from its session's, and no zone explains it
    LATE = "late"  # readings of a time the source has already signed for
    BLANK = "blank"  # a value that says "no value"
    DIFFERS = "differs"  # repeats of one board's counter that were read at different times
    RESET = "counter-reset"  # a cumulative counter fell
    JUMP = "counter-jump"  # it rose by more than a device can draw
    STALE = "stale"  # values that stood still
    MISSING = "missing"  # a declared device that no reading mentions
    PRESENCE = "presence-only"  # a device without an energy counter
    UNITS = "unknown-units"  # cycle counters of which nothing tells what they count
    XID = "xid"  # an error that the driver reported of a device
    PARTIAL = "partial"  # a reply that says itself that it may lack something
    COARSE = "coarse"  # a meter whose readings come in large steps
    NOT_STARTED = "not-started"  # a job that never ran, or not yet
    RUNNING = "still-running"  # a run that had not ended when it was recorded
    GPUS = "gpus-unknown"  # a run of which no record says whether it had accelerators
    WHICH = "devices-unknown"  # a run of which no record says which devices of a host it had
    HIDDEN = "requeues-hidden"  # a job that was requeued more often than there are records of it
    AGAIN = "id-again"  # an id that another job had before
    ELAPSED = "elapsed-differs"  # start and end are not as far apart as was counted
    UNTIMED = "no-times"  # a record of a run without its times
    STEP = "step-alone"  # a step of a job of which there is no record
    UNUSABLE = "ends-before-start"  # a run that ended before it began
    UNLABELLED = "unlabelled"  # a run that no rule of the lab gives a label
    NO_RECORD = "no-record"  # a job that has a device and of which there is no record
    SHARED = "shared"  # a device that several runs had at one time


class Irregularity(NamedTuple):
    """One finding about the source's record."""

    kind: Kind
    where: str
    who: str
    time_ms: int
    numbers: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """As `--format json` has it."""
        return {
            "kind": str(self.kind),
            "where": self.where,
            "who": self.who,
            "time_ms": self.time_ms,
            "numbers": dict(self.numbers),
        }


class Bounded(list[Irregularity]):
    """Keeps as many as anybody could read, and whatever of the kinds `needed`; of others it only counts how many there
    were, in `dropped`."""

    def __init__(self, needed: Collection[Kind] = ()) -> None:
        super().__init__()
        self.needed, self.dropped = needed, Counter[Kind]()

    def append(self, found: Irregularity, /) -> None:
        if len(self) < MAX_IRREGULARITIES or found.kind in self.needed:
            super().append(found)
        else:
            self.dropped[found.kind] += 1


def median_step(time_ms: npt.NDArray[np.int64]) -> int | None:
    """The median distance of stamps, the lower of two middles; None for fewer than two stamps."""
    steps = np.sort(np.diff(time_ms))
    return int(steps[(len(steps) - 1) // 2]) if len(steps) else None


def find_gaps(time_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places of the stamps after which a gap begins: a step of more than 2.5 x the median.

    At 1.5 x, whole-second stamps would turn half of the time into gaps.

    >>> find_gaps(np.array([0, 1000, 2000, 4000, 5000, 8000])).tolist()
    [4]
    """
    return np.flatnonzero(np.diff(time_ms) * 2 > (median_step(time_ms) or 0) * 5)


def count(irregularities: Iterable[Irregularity]) -> dict[str, int]:
    """How many there are of each kind, in the order of `Kind`."""
    found = Counter(i.kind for i in irregularities)
    return {str(kind): found[kind] for kind in Kind if kind in found}


def require_bounded(irregularities: list[Irregularity]) -> None:
    """Raise ImportDataError `import/bounds` when there are more than anybody could read."""
    if len(irregularities) > MAX_IRREGULARITIES:
        raise ImportDataError(
            "import/bounds",
            f"more than {MAX_IRREGULARITIES} irregularities, the last at {irregularities[-1].where}",
            hint="this is not the record of a meter or a device; are the right columns taken?",
        )


def refuse(code: str, where: str, detail: str, hint: str = "") -> NoReturn:
    """Raise ImportDataError with the place in front."""
    raise ImportDataError(code, f"{where}: {detail}", hint=hint)
