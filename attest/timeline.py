"""When a statement was made, as far as witnesses can tell (design section 3, "Time, exactly").

A lab's clock is a claim; cosigned heads are not. For a statement, *lower* is a time before which it cannot have
been signed, because it names a head that a quorum had not cosigned earlier; *upper* is a time by which it was in
the log, because a quorum cosigned a head that contains it. Both are computed from heads that this log's tree
reproduces; a head that the lab leaves out only widens the interval, against itself.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attest.trust.quorum import Policy, lower, upper


@dataclass(frozen=True, slots=True)
class Head:
    """A cosigned head: `index` of the entry that carries it (-1: the bundle's own checkpoint), SHA-256 of the
    exact note, and the time each witness of the policy cosigned it."""

    index: int
    size: int
    root: bytes
    note: bytes
    times: Mapping[str, int]


class Timeline:
    """`lower` and `upper` for every statement of a log, from its heads."""

    def __init__(self, policy: Policy, heads: Iterable[Head]) -> None:
        ordered = sorted(heads, key=lambda head: head.size)
        self._lower = {head.note: lower(policy, head.times) for head in ordered}
        self._sizes = [head.size for head in ordered]
        self._upper: list[int | None] = []
        first: dict[str, int] = {}
        for head in reversed(ordered):
            for witness, time in head.times.items():
                first[witness] = min(time, first.get(witness, time))
            self._upper.append(upper(policy, first))
        self._upper.reverse()

    def lower(self, note: bytes) -> int | None:
        """The largest T such that witnesses with times >= T cosigned this note in quorum; None if unknown."""
        return self._lower.get(note)

    @property
    def newest(self) -> int | None:
        """The largest `lower` of any head: what was published by then is in this copy. None if there is none."""
        return max((time for time in self._lower.values() if time is not None), default=None)

    def upper(self, index: int) -> int | None:
        """The smallest T by which a quorum had cosigned heads that contain the entry; None if there is none."""
        place = bisect_right(self._sizes, index)
        return self._upper[place] if place < len(self._upper) else None

    def uppers(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """`upper` of entries; -1 for None."""
        uppers = np.array([*(-1 if u is None else u for u in self._upper), -1], np.int64)
        return np.asarray(uppers[np.searchsorted(np.array(self._sizes, np.int64), indices, "right")])

    def witnessed(self) -> int:
        """The size of the largest head that satisfies the quorum."""
        return max((s for s, t in zip(self._sizes, self._upper, strict=True) if t is not None), default=0)
