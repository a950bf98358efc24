"""Pass 5: what each statement is worth (design section 3, "Time, exactly" and "Who is accused").

A statement lowers `high` only if it is timely, not disputed by a revocation or a void, repeats no other's energy, and
its source has no fault; it counts for `low`, as the lab's own admission, if a quorum witnessed it before the source's
first fault; what is disputed is kept apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from attest.control import FOREVER, Control
from attest.errors import Fault, Scope
from attest.facts import Cell, Facts, Mask, Said
from attest.repeated import repeated
from attest.timeline import Timeline


@dataclass(frozen=True)
class Quality:
    """For each log index of a usage or meter statement: its source, window and *upper* (-1: none), whether its key is
    one that the agreement names, and what it may be used for. `repeated` are those of the same energy as others."""

    indices: npt.NDArray[np.int64]
    sources: npt.NDArray[np.int64]
    windows: npt.NDArray[np.int64]
    upper: npt.NDArray[np.int64]
    independent: Mask
    timely: Mask
    usable: Mask
    admitted: Mask
    disputed: Mask
    repeated: Mask

    @property
    def claimed(self) -> Mask:
        """What was admitted, and what of it is disputed."""
        return self.admitted | self.disputed

    def of(self, column: npt.NDArray[np.int64], mask: Mask) -> Mask:
        """A mask over statements as a mask over rows that name their statement by index."""
        if mask.all():
            return np.ones(len(column), bool)
        by_index = np.zeros(int(self.indices[-1]) + 1, bool)
        by_index[self.indices] = mask
        return np.asarray(by_index[column])


def quality(facts: Facts, control: Control, timeline: Timeline, faults: Iterable[Fault], max_lag: int) -> Quality:
    """Judge every statement once. `max_lag` is the agreement's, in seconds."""
    said = facts.said[np.argsort(facts.said[:, Said.INDEX], kind="stable")]
    index, source = said[:, Said.INDEX], said[:, Said.SOURCE]
    upper, lower, end = timeline.uppers(index), said[:, Said.LOWER], said[:, Said.END]
    timely = (lower >= 0) & (upper >= 0) & (end - max_lag <= lower) & (upper <= end + max_lag)
    first_fault = np.full(len(control.sources), FOREVER)
    numbers = {s.sub: s.number for s in control.sources}
    for fault in faults:
        if fault.scope is Scope.SOURCE and fault.source in numbers:
            at = numbers[fault.source]
            first_fault[at] = min(first_fault[at], fault.index)
    if facts.faulted > len(facts.faults):
        # Nobody knows whose the faults are that are not listed; they come after those that are.
        np.minimum(first_fault, facts.faults[-1].index, out=first_fault)
    disputed = _disputed(index, source, control)
    sound, before = first_fault[source] == FOREVER, index < first_fault[source]
    independent = np.array([s.independent for s in control.sources], bool)
    usable = timely & sound & ~disputed
    found = Quality(
        index,
        source,
        said[:, [Said.START, Said.END]],
        upper,
        independent[source],
        timely,
        usable,
        (upper >= 0) & before & ~disputed,
        (upper >= 0) & before & disputed,
        np.zeros(len(index), bool),
    )
    # Of what counts for nothing a statement may well tell again: a lab voids one and writes it anew.
    copied = np.isin(index, repeated(facts.cells, found.of(facts.cells[:, Cell.INDEX], usable), index, source))
    return replace(found, usable=usable & ~copied, repeated=copied)


def _disputed(index: npt.NDArray[np.int64], source: npt.NDArray[np.int64], control: Control) -> Mask:
    """What the root holders void is gone for `high`, and no more taken back from `low` than what a key's revocation
    disputes."""
    disputed = np.isin(index, list(control.voided))
    for record in control.keys.values():
        if record.last < FOREVER:
            here = slice(*np.searchsorted(index, (max(record.first, record.last + 1), record.retired)))
            disputed[here] |= source[here] == record.source.number
    return np.asarray(disputed, bool)
