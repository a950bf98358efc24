"""What meters recorded, as arrays [meter, bucket], and the energy that it gives for windows of buckets.

Energy within a bucket is known; a register step over bucket edges is known as a whole only (STARTING, ENDING of
`attest.evidence.meter`), and counts once in every window that it touches for the most, in none for the fewest
unless it lies within. A bucket that nobody measured is covered for 0 ms: silence is a gap, never 0 mJ.

A register read once a day, 5 s after midnight, in hours: each hour alone may have had all of the 8 kJ, and so may
the day, once:

    >>> record = Record.tabulate([0, 0], [0, 24], high=[8_000_000, 8_000_000], low=[0, 0], covered=[3_595_000, 5_000],
    ...                          starting=[8_000_000, 0], ending=[0, 8_000_000], runs=[1, 0],
    ...                          meters=1, first=0, buckets=25)
    >>> record.most(0, np.array([[0, 24]])).tolist(), record.most(0, np.array([[7, 8], [24, 25]])).tolist()
    ([8000000], [8000000, 8000000])
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from attest.compute.exact import LIMIT, Amount, Array, add, amounts, minus, running, total

Windows = npt.NDArray[np.int64]  # [window, (first bucket, end bucket)]


@dataclass(frozen=True, slots=True)
class Record:
    """Running sums over buckets, each one longer than there are buckets: mJ, ms and counts.

    `inside`, `starting`, `ending`: energy of steps within a bucket, and of steps over bucket edges by their first
    and last bucket. `low`: the least energy within a bucket. `runs`: unbroken runs of readings that begin. `carried`,
    by meter: what of the first bucket's `starting` began before it.
    """

    inside: Array
    low: Array
    starting: Array
    ending: Array
    covered_ms: Array
    runs: Array
    carried: Array

    @classmethod
    def of(
        cls,
        high_mj: Amount,
        covered_ms: Amount,
        *,
        low_mj: Amount | None = None,
        starting_mj: Amount | None = None,
        ending_mj: Amount | None = None,
        runs: Amount | None = None,
    ) -> Self:
        """A record of arrays [meter, bucket]; what is left out is 0, and `low_mj` as `high_mj`.

        `high_mj` counts steps over bucket edges in every bucket they touch, as `attest.evidence.meter` does.
        """
        high = amounts(high_mj, "energy")
        none = np.broadcast_to(np.int64(0), high.shape)
        low, covered = high if low_mj is None else amounts(low_mj, "energy"), amounts(covered_ms, "covered")
        starting, ending, count = (none if a is None else amounts(a) for a in (starting_mj, ending_mj, runs))
        arrays = (high, low, covered, starting, ending, count)
        if high.ndim != 2 or any(a.shape != high.shape for a in arrays):
            raise ValueError("a record is made of arrays of one shape, [meter, bucket]")
        begun, ended = _sums(starting), _sums(ending)
        inside = _sums(minus(high, begun[:, 1:] - ended[:, :-1]) if starting.any() else high)
        carried = np.zeros(len(high), np.int64)
        return cls(inside, _sums(low), begun, ended, _sums(covered), _sums(count), carried)

    @classmethod
    def tabulate(
        cls,
        meter: npt.ArrayLike,
        bucket: npt.ArrayLike,
        *,
        high: Amount,
        low: Amount,
        covered: Amount,
        starting: Amount,
        ending: Amount,
        runs: Amount,
        meters: int,
        first: int,
        buckets: int,
    ) -> Self:
        """The record of `buckets` buckets from `first` on, from rows of facts in whatever order.

        Rows of one meter and bucket add up. A step that began before `first` counts from there on. Rows are of
        whole statements, so that every step has its beginning and its end among them.
        """
        place = np.asarray(bucket, np.int64) - first
        node = np.asarray(meter, np.int64)
        kept = (place >= 0) & (place < buckets)
        largest = max(total(values) for values in (high, low, covered, starting, ending, runs))
        dtype: Any = np.int64 if largest < LIMIT else object

        def table(values: Amount, where: npt.NDArray[np.bool_], at: Windows) -> Array:
            sums = np.zeros((meters, buckets), dtype)
            np.add.at(sums, (node[where], at[where]), amounts(values)[where].astype(dtype))
            return sums

        begun = table(starting, place < buckets, np.maximum(place, 0))
        begun[:, 0] -= table(ending, place < 0, np.zeros_like(place))[:, 0]
        carried = begun[:, 0] - table(starting, kept, place)[:, 0]
        record = cls.of(
            table(high, kept, place),
            table(covered, kept, place),
            low_mj=table(low, kept, place),
            starting_mj=begun,
            ending_mj=table(ending, kept, place),
            runs=table(runs, kept, place),
        )
        return replace(record, carried=carried)

    @property
    def shape(self) -> tuple[int, int]:
        """Meters and buckets."""
        return self.inside.shape[0], self.inside.shape[1] - 1

    def most(self, meter: int, windows: Windows) -> Array:
        """The most energy that the readings of a meter give each window."""
        first, end = windows[:, 0], windows[:, 1]
        inside = self.inside[meter][end] - self.inside[meter][first]
        return add(inside, self.starting[meter][end] - self.ending[meter][first])

    def fewest(self, meter: int, windows: Windows) -> Array:
        """The least energy that they give each window."""
        first, end = windows[:, 0], windows[:, 1]
        inside = self.low[meter][end] - self.low[meter][first]
        begun = self.starting[meter][first] + np.where(first == 0, self.carried[meter], 0)
        return add(inside, minus(self.ending[meter][end], begun))

    def silenced(self, off: npt.NDArray[np.bool_]) -> Self:
        """The record without the energy within buckets in which the circuit was off, [meter, bucket]."""
        return replace(self, inside=running(np.where(off, 0, np.diff(self.inside))))

    def within(self, sums: Array, meter: int, windows: Windows) -> Array:
        """What one of the running sums comes to in each window."""
        return np.asarray(sums[meter][windows[:, 1]] - sums[meter][windows[:, 0]])


def _sums(values: Array) -> Array:
    """Running sums; where all is 0, as most is of most records, one 0 seen many times over."""
    if values.any():
        return running(values)
    return np.broadcast_to(np.int64(0), (values.shape[0], values.shape[1] + 1))
