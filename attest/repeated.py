"""The duplicate-series test (design section 5, attack 9): no two stretches of work draw the same energy.

Counters that are made to fit let a lab tell of one host, or one day, what another did. Energy in mJ gives it away: a
statement whose devices drew in each of its buckets exactly what those of an earlier statement of the log drew is a
copy. A copy lowers nothing. It accuses nobody either, and the first of its kind counts: else whoever has one host's
key could spoil what other hosts say. Statements of fewer buckets are compared by the day (`attest.stretches`).
"""

from typing import Final

import numpy as np

from attest.compute.columns import Ints
from attest.facts import Cell, Mask, Table
from attest.stretches import copied_stretches
from attest.usage import ENERGY_KNOWN

MIN_SERIES: Final = 6  # buckets, no two of them alike; shorter series may repeat by chance
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 / golden ratio, as in Fibonacci hashing


def repeated(cells: Table, usable: Mask, said: Ints, sources: Ints) -> Ints:
    """The log indices of statements that repeat earlier ones' energy, rising, among those whose cells are usable.

    The cells of a statement lie side by side, and among them those of a bucket. `said` are the log indices of all
    statements, rising, and `sources` whose they are.
    """
    index, bucket, energy = (cells[:, column] for column in (Cell.INDEX, Cell.BUCKET, Cell.ENERGY))
    known = usable & (cells[:, Cell.MEASURED] & ENERGY_KNOWN > 0)
    if not known.all():
        index, bucket, energy = index[known], bucket[known], energy[known]
    if not len(index):
        return np.empty(0, np.int64)
    new = np.flatnonzero(np.concatenate(([True], (index[1:] != index[:-1]) | (bucket[1:] != bucket[:-1]))))
    energy, index, bucket = np.add.reduceat(energy, new), index[new], bucket[new]
    first = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    length = np.diff(first, append=len(index))
    short = np.repeat(length < MIN_SERIES, length)
    found = _alike(index, bucket, energy, first, length)
    if short.any():
        index = index[short]
        source = sources[np.searchsorted(said, index)]
        found = np.union1d(found, copied_stretches(index, source, bucket[short], energy[short]))
    return found


def _alike(index: Ints, bucket: Ints, energy: Ints, first: Ints, length: Ints) -> Ints:
    """The statements, each `length` rows from its `first`, that as a whole repeat an earlier one."""
    place = bucket - np.repeat(bucket[first], length)
    words = (energy.astype(np.uint64) + _MIX) * (_MIX * (2 * place.astype(np.uint64) + np.uint64(1)))
    words ^= words >> np.uint64(29)
    hashes = np.add.reduceat(words, first)  # finds what may be alike; whether it is, is compared below
    _, group, count = np.unique(hashes, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(count[group] > 1)
    found: list[int] = []
    seen: set[bytes] = set()
    for n in alike[np.argsort(index[first[alike]])].tolist():
        here = slice(first[n], first[n] + length[n])
        if len(np.unique(energy[here])) >= MIN_SERIES:
            series = np.stack((place[here], energy[here])).tobytes()
            if series in seen:
                found.append(int(index[first[n]]))
            seen.add(series)
    return np.array(found, np.int64)
