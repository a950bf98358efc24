"""Series of single devices and meters: what is kept of each, and how parts of a log merge (schemas/anomalies.md).

A series is one device's energy over the intervals of one bucket, or what one channel of a meter read in it. Of each two
hashes are kept, so that copies are found, however far apart, and of devices that look odd by themselves a row of sums:

    device 3   41.9 42.2 41.7 ...  kJ       in two statements, or of two devices                      a copy
    device 4      0    0    0 ...           while it is said to be on                                 still
    device 5   42.0 42.0 42.0 ...           while it works                                            too clean

Like facts, series of neighbouring ranges of a log merge, and any partition gives the same ones. `attest.reread` makes
them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from attest.compute.columns import Ints
from attest.facts import Table, table

MAX_SERIES: Final = 1 << 24  # of a site: 700 MB; of more those with the least hashes, the same everywhere
MAX_ODD: Final = 1 << 20  # rows of a site
UNKNOWN: Final = -1  # cycles, or traffic
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 / golden ratio

Hashes = npt.NDArray[np.uint64]


class Copy(IntEnum):
    """One series: the statement's log index, the device's place in it (of a meter's channels -1, -2 ...), the bucket,
    and two hashes of the values."""

    INDEX = 0
    DEVICE = 1
    BUCKET = 2
    FIRST = 3
    SECOND = 4


class Odd(IntEnum):
    """One series that looks odd: WHAT is of `Look`; CLASS is that of its one run, 0 where it has none or several;
    sums of what was sampled, UNKNOWN where the column is absent."""

    INDEX = 0
    DEVICE = 1
    BUCKET = 2
    GROUP = 3
    CLASS = 4
    WHAT = 5
    SECONDS = 6
    ENERGY = 7
    CYCLES = 8
    FABRIC = 9


class Look(IntFlag):
    """What is odd about a series."""

    STILL = 1
    CLEAN = 2
    TRAFFIC = 4


@dataclass(frozen=True)
class Series:
    """What is kept of the series of a range: hashes by series, odd ones; how many series could be compared."""

    copies: Table
    odd: Table
    comparable: int = 0


def joined(parts: Iterable[Series]) -> Series:
    """The series of neighbouring ranges as one, in no more memory than twice what is kept."""
    waiting: list[Series] = []
    held = 0
    for part in parts:
        waiting.append(part)
        held += len(part.copies) + len(part.odd)
        if held > 2 * MAX_SERIES:
            waiting = [_joined(waiting)]
            held = len(waiting[0].copies) + len(waiting[0].odd)
    return _joined(waiting)


def _joined(parts: Sequence[Series]) -> Series:
    copies = table(Copy, [part.copies for part in parts])
    odd = table(Odd, [part.odd for part in parts])[:MAX_ODD]
    return Series(_fewest(copies, MAX_SERIES), odd, sum(part.comparable for part in parts))


def _fewest(copies: Table, most: int) -> Table:
    """The `most` with the least hashes, and whatever shares the last one's, so that all of a copy is kept, or none: but
    no more than half as many again, for a hostile log can repeat one series for ever."""
    if len(copies) <= most:
        return copies
    hashes = copies[:, Copy.FIRST].astype(np.uint64)
    kept: Table = copies[hashes <= np.partition(hashes, most - 1)[most - 1]][: most + most // 2]
    return kept


def hashed(rows: Ints) -> tuple[Ints, Ints]:
    """Two hashes of 64 bits of each series in a table [series, value]."""
    words = (rows.astype(np.uint64) + _MIX) * _MIX
    words ^= words >> np.uint64(29)
    out = []
    for number in range(2):
        hashes = (words * _weights(number, rows.shape[1])).sum(axis=1, dtype=np.uint64)
        hashes ^= hashes >> np.uint64(32)
        out.append((hashes * _MIX).view(np.int64))
    return out[0], out[1]


@lru_cache(8)
def _weights(number: int, length: int) -> Hashes:
    drawn = np.random.default_rng(number).integers(0, 1 << 63, length, np.uint64)
    return np.asarray(drawn * np.uint64(2) + np.uint64(1))
