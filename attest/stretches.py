"""The duplicate-series test across statements: days told in short ones, of a few buckets each (`attest.repeated`).

A lab that signs every hour could copy a day of one host, or of another day, in 24 statements of which each alone is one
number. So the statements of a source that are too short to be compared by themselves are strung together, bucket after
bucket, and every stretch of `STRETCH` buckets is compared with all others:

    source n1   ... 31 17 44 29 ...     24 sums of energy, mJ
    source n7        ... 31 17 44 29 ...                       the same again: these statements of n7 are a copy

Honest labs must not be taken for copies because of chance, and idle devices, or gauges of whole watts, draw few
different sums. How likely a sum is, the log itself says: of its N buckets `count` have it. A stretch is a copy only if
its *different* sums together are less likely than 2^-`MARGIN` / N^2: then, were buckets independent, the expected
number of false pairs in the whole log, of N^2 / 2 pairs, is below 2^-`MARGIN`, whatever the sums are like. Buckets are
not independent; but sums that follow from each other, or keep to a few values, are few different ones, and each counts
once.
"""

from typing import Final

import numpy as np

from attest.compute.columns import Ints
from attest.facts import Mask

STRETCH: Final = 24  # buckets, one day of hours
MARGIN: Final = 40  # bits
MIN_DIFFERENT: Final = 6  # sums in a stretch
_WEIGHTS: Final = np.random.default_rng(0).integers(0, 1 << 63, STRETCH, np.uint64) * np.uint64(2) + np.uint64(1)
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 / golden ratio
_CHUNK: Final = 1 << 16  # stretches compared at once


def copied_stretches(index: Ints, source: Ints, bucket: Ints, energy: Ints) -> Ints:
    """The log indices of statements all of whose buckets lie in stretches that repeat one which was complete earlier.

    A row is a bucket of a statement, with its energy in mJ; the result is rising.
    """
    order = np.lexsort((bucket, source))
    index, source, bucket, energy = index[order], source[order], bucket[order], energy[order]
    begins = np.concatenate(([True], (source[1:] != source[:-1]) | (bucket[1:] != bucket[:-1])))[: len(index)]
    first = np.flatnonzero(begins)
    if len(first) <= STRETCH:
        return np.empty(0, np.int64)
    source, bucket = source[first], bucket[first]
    sums, complete = np.add.reduceat(energy, first), np.maximum.reduceat(index, first)
    starts = recurring(source, bucket, sums)
    starts = starts[unlikely(sums, starts)]
    copied = _copied(sums, complete, starts)[np.cumsum(begins) - 1]
    statements, place = np.unique(index, return_inverse=True)
    own = np.ones(len(statements), bool)
    np.logical_and.at(own, place, copied)
    return statements[own]


def recurring(source: Ints, bucket: Ints, sums: Ints) -> Ints:
    """Where stretches begin that may be like another: without a hole, not constant, and of a hash that recurs."""
    last = len(sums) - STRETCH + 1
    whole = source[:last] == source[STRETCH - 1 :]
    whole &= bucket[STRETCH - 1 :] - bucket[:last] == STRETCH - 1
    changes = np.concatenate(([0], np.cumsum(sums[1:] != sums[:-1])))
    whole &= changes[STRETCH - 1 :] - changes[:last] >= MIN_DIFFERENT - 1
    words = (sums.astype(np.uint64) + _MIX) * _MIX
    words ^= words >> np.uint64(29)
    hashes = np.zeros(last, np.uint64)
    for at, weight in enumerate(_WEIGHTS):
        hashes += words[at : at + last] * weight
    starts, hashes = np.flatnonzero(whole), hashes[whole]
    ordered = np.sort(hashes)
    again: Mask = np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])
    return starts[again]


def unlikely(sums: Ints, starts: Ints) -> Mask:
    """Which stretches have so many different and rare sums that no other is like them by chance."""
    found = np.zeros(len(starts), bool)
    if not len(starts):
        return found
    values, counts = np.unique(sums, return_counts=True)
    bits = np.frexp(len(sums) // counts)[1] - 1  # whole bits, and exact: no log has 2^53 buckets
    needed = 2 * len(sums).bit_length() + MARGIN
    within = np.arange(STRETCH)
    for at in range(0, len(starts), _CHUNK):
        rows = np.sort(sums[starts[at : at + _CHUNK, None] + within], axis=1)
        other = np.concatenate((np.ones((len(rows), 1), bool), rows[:, 1:] != rows[:, :-1]), axis=1)
        each = bits[np.searchsorted(values, rows)] * other
        found[at : at + _CHUNK] = (other.sum(axis=1) >= MIN_DIFFERENT) & (each.sum(axis=1) >= needed)
    return found


def _copied(sums: Ints, complete: Ints, starts: Ints) -> Mask:
    """The buckets that lie in a stretch like one which was complete before it."""
    copied = np.zeros(len(sums), bool)
    done = complete[starts]
    for at in range(1, STRETCH):
        np.maximum(done, complete[starts + at], out=done)
    seen: set[bytes] = set()
    for start in starts[np.argsort(done, kind="stable")].tolist():
        series = sums[start : start + STRETCH].tobytes()
        if series in seen:
            copied[start : start + STRETCH] = True
        seen.add(series)
    return copied
