"""The duplicate-series test between the logs of several sites and parties (schemas/verification.md, 5.9).

A lab can let a host tell what another lab's host drew: then its own devices may have done anything, and nothing inside
its log shows it. So all logs that were given are laid beside each other, and stretches of `STRETCH` buckets compared as
within a log (`attest.stretches`), whatever the length of the statements:

    acme.example/dc1   n1   ... 31 17 44 29 ...    witnessed 2026-11-09T06:01:00Z
    rival.example/dc1  n7   ... 31 17 44 29 ...    witnessed 2026-11-09T09:01:00Z: counts as if it had not been said

Whose is the copy is not for the labs to say: the stretch that a quorum had witnessed first, by the last of its
statements, is the original. A rival has an honest lab's telemetry only after the lab gave its log away, and so cannot
have it witnessed before. Where both were witnessed at the same time nobody can tell, and neither counts. Only a log of
a party that the verifier pinned and the agreement binds, and that shows one history, can be anybody's original: else
whoever makes up a log could take an honest lab's statements from it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from attest.compute.columns import Ints
from attest.control import FOREVER
from attest.errors import Scope
from attest.evaluate import Copied, SiteEvidence, longest
from attest.facts import Cell, Facts, Mask
from attest.stretches import STRETCH, recurring, unlikely
from attest.usage import ENERGY_KNOWN
from attest.worth import Quality

_SOURCES: Final = 32  # bits: no log has more sources


def compared(evidence: Sequence[SiteEvidence], credible: Collection[str]) -> list[SiteEvidence]:
    """The evidence, with what tells another log's telemetry made unusable; `credible` are the parties, by `iss`, whose
    logs can be the original."""
    logs = [(e, e.site.origin, e.facts, e.worth) for e in longest(evidence) if e.site and e.facts and e.worth]
    if len(logs) < 2:
        return list(evidence)
    original = [sound(e) and e.party is not None and e.party.iss in credible for e, *_ in logs]
    found = _copies([_Series.of(facts, worth) for _, _, facts, worth in logs], original)
    changed = {}
    for (e, _, _, worth), (statements, others) in zip(logs, found, strict=True):
        if len(statements):
            copy = np.isin(worth.indices, statements)
            named = Copied(len(statements), int(statements[0]), tuple(sorted(logs[n][1] for n in others)))
            changed[id(e)] = replace(e, worth=replace(worth, usable=worth.usable & ~copy), copied=named)
    return [changed.get(id(e), e) for e in evidence]


def sound(evidence: SiteEvidence) -> bool:
    """Whether nobody has shown that this log has two histories."""
    return not any(fault.scope is Scope.PARTY for fault in evidence.faults)


@dataclass(frozen=True)
class _Series:
    """What the sources of a log drew: by source and bucket its energy (mJ) and by when all that was said of it was
    witnessed. `statements` and `places` are pairs of a log index and the bucket's place that it speaks of."""

    statements: Ints
    places: Ints
    source: Ints
    bucket: Ints
    energy: Ints
    upper: Ints

    @classmethod
    def of(cls, facts: Facts, worth: Quality) -> Self:
        """Of what counts."""
        cells = facts.cells
        known = worth.of(cells[:, Cell.INDEX], worth.usable) & (cells[:, Cell.MEASURED] & ENERGY_KNOWN > 0)
        index, bucket, energy = (cells[known, column] for column in (Cell.INDEX, Cell.BUCKET, Cell.ENERGY))
        said = np.searchsorted(worth.indices, index)
        source, upper = worth.sources[said], worth.upper[said]
        order = np.lexsort((bucket, source))
        index, source, bucket = index[order], source[order], bucket[order]
        begins = np.concatenate(([True], (source[1:] != source[:-1]) | (bucket[1:] != bucket[:-1])))[: len(index)]
        first = np.flatnonzero(begins)
        return cls(
            index,
            np.cumsum(begins) - 1,
            source[first],
            bucket[first],
            np.add.reduceat(energy[order], first),
            np.maximum.reduceat(upper[order], first),
        )


def _copies(series: Sequence[_Series], original: Sequence[bool]) -> list[tuple[Ints, set[int]]]:
    """Of each log the indices of the statements that tell another log's telemetry, rising, and those other logs."""
    others: list[set[int]] = [set() for _ in series]
    log = np.repeat(np.arange(len(series)), [len(s.energy) for s in series])
    source = np.concatenate([s.source for s in series]) + (log << _SOURCES)
    bucket, energy = np.concatenate([s.bucket for s in series]), np.concatenate([s.energy for s in series])
    copied = np.zeros(len(energy), bool)
    if len(energy) > STRETCH:
        starts = recurring(source, bucket, energy)
        starts = starts[unlikely(energy, starts)]
        upper = np.concatenate([s.upper for s in series])
        done = upper[starts[:, None] + np.arange(STRETCH)].max(axis=1) if len(starts) else starts
        alike: dict[bytes, list[tuple[int, int, int]]] = {}
        for start, number, time in zip(starts.tolist(), log[starts].tolist(), done.tolist(), strict=True):
            alike.setdefault(energy[start : start + STRETCH].tobytes(), []).append((time, number, start))
        for stretches in alike.values():
            first = _first(stretches, original)
            for time, number, start in stretches:
                late = FOREVER if not original[number] else time
                before = [n for t, n in first if n != number and t <= late]
                if before:
                    copied[start : start + STRETCH] = True
                    others[number].add(before[0])
    ends = np.cumsum([len(s.energy) for s in series])
    parts = np.split(copied, ends[:-1])
    return [(_whole(s, part), found) for s, part, found in zip(series, parts, others, strict=True)]


def _first(stretches: Sequence[tuple[int, int, int]], original: Sequence[bool]) -> list[tuple[int, int]]:
    """The two logs that can be the original and were witnessed first, with when, in this order."""
    least: dict[int, int] = {}
    for time, number, _ in stretches:
        if original[number]:
            least[number] = min(time, least.get(number, time))
    return sorted((time, number) for number, time in least.items())[:2]


def _whole(series: _Series, copied: Mask) -> Ints:
    """The statements all of whose buckets were copied."""
    statements, place = np.unique(series.statements, return_inverse=True)
    own = np.ones(len(statements), bool)
    np.logical_and.at(own, place, copied[series.places])
    return statements[own]
