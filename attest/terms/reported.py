"""What notices and statements say of runs, for the term reporting (schemas/agreement.md, "Terms").

Notices are entries of the office's, statements name runs by lineage, and witnesses tell when each was there. The end
that a notice states cuts a lineage in two: what statements name in windows that begin after it is another run, as is
one that takes up the number of an old run. The windows are by the hosts' clocks and the end is by the office's, so that
only those count for a breach that begin later than it by `max_lag`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from attest.compute.columns import Ints
from attest.compute.exact import gathered
from attest.control import FOREVER
from attest.evaluate import View
from attest.facts import Mask, Work
from attest.format.vocabulary import Report
from attest.terms.runs import ALONE, denied
from attest.timeline import Timeline

_TIME_BITS: Final = 41  # times of statements and notices have 40
_NONE: Final = np.zeros((0, 2), np.int64)

Span = tuple[int, int]  # Unix s
Part = tuple[int, int]  # a lineage, and how many ends were stated of it before


class Told(NamedTuple):
    """The notices, by report and lineage: the time that each states, and by when a quorum had witnessed it by heads
    that the logs keep (-1: never), [notice, 2]. `stated` are the ends of each lineage that were witnessed, rising;
    `until` is when all logs were."""

    notices: dict[tuple[Report, int], Ints]
    stated: dict[int, Ints]
    until: int

    def starts(self, lineage: int, due: int, after: int | None = None, by: int | None = None) -> bool:
        """Whether a start was told by a time; one that follows on an end, by a notice that came after that, or is of a
        time after that and no later than `by`."""
        at, seen = self.notices.get((Report.STARTS, lineage), _NONE).T
        found = (seen >= 0) & (seen <= due)
        if after is not None:
            found &= (seen >= after) | ((at >= after) & (at <= (FOREVER if by is None else by)))
        return bool(found.any())

    def ends(self, lineage: int, since: int, due: int, slack: int = 0) -> bool:
        """Whether an end was told between two times; or so much before, as one that was past by then."""
        at, seen = self.notices.get((Report.ENDS, lineage), _NONE).T
        before = (seen >= 0) & (seen >= at) & (seen >= since - slack)
        return bool(((seen <= due) & ((seen >= since) | before)).any())


class Run(NamedTuple):
    """A run that started in the phase, over all sites: windows of the first and the last statement that names it, of
    those that name it where no independent meter denies it (all, if none does), and the accelerators that it had at
    once, for certain and at most. `ended` is the end that was stated of its lineage before, and `again` the first
    window that is after it whatever clocks say, with the accelerators from there on."""

    lineage: int
    first: Span
    last: Span
    sure: tuple[Span, Span]
    devices: int
    most: int
    ended: int | None = None
    again: tuple[Span, int] | None = None


def told(views: Sequence[View], *, voided: bool = False) -> Told:
    """What offices told; `voided` with what the root holders took back."""
    found: dict[tuple[Report, int], list[tuple[int, int]]] = {}
    reach = []
    for view in views:
        kept = Timeline(view.agreement.policy, view.control.heads)
        records = [record for record in view.control.notices if voided or record.index not in view.control.voided]
        uppers = kept.uppers(np.array([record.index for record in records], np.int64))
        for record, seen in zip(records, uppers.tolist(), strict=True):
            lineage = int(np.array(record.notice.lineage, np.uint64).view(np.int64))
            found.setdefault((record.notice.report, lineage), []).append((record.notice.at, seen))
        reach.append(max((t for h in view.control.heads if (t := kept.lower(h.note)) is not None), default=0))
    notices = {key: np.array(said, np.int64) for key, said in found.items()}
    ends = {
        lineage: np.unique(said[said[:, 1] >= 0, 0])
        for (report, lineage), said in notices.items()
        if report is Report.ENDS
    }
    return Told(notices, ends, min(reach, default=0))


def runs(views: Sequence[View], masks: Sequence[Mask], notices: Told) -> Iterator[Run]:
    """Runs whose first statement of a mask begins within the phase; statements without lineage are one run each, and
    may all be parts of one. What a meter denies is nobody's run for certain, and may be one all the same."""
    seconds: dict[Part, dict[Span, int]] = {}
    groups: dict[Part, int] = {}
    alone: list[tuple[Span, int]] = []
    for view, mask in zip(views, masks, strict=True):
        worth, most = view.worth, view.account.expected.most
        rows = view.facts.work[worth.of(view.facts.work[:, Work.INDEX], mask)]
        rows = rows[rows[:, Work.SECONDS] > 0]
        times = worth.windows[np.searchsorted(worth.indices, rows[:, Work.INDEX])]
        lineage, part = rows[:, Work.LINEAGE], _parts(rows[:, Work.LINEAGE], times[:, 0], notices.stated)
        own = np.where(lineage == ALONE, rows[:, Work.INDEX] << 12 | rows[:, Work.RUN], -1)
        keys, at = np.unique(np.column_stack((lineage, part, times, own)), axis=0, return_inverse=True)
        certain = np.where(denied(view, rows[:, Work.INDEX], rows[:, Work.GROUP]), 0, rows[:, Work.SECONDS])
        sums = gathered(certain, at.reshape(-1), len(keys)).tolist()
        for (number, place, start, end, _), amount in zip(keys.tolist(), sums, strict=True):
            if number != ALONE:
                windows = seconds.setdefault((number, place), {})
                windows[start, end] = windows.get((start, end), 0) + amount
            elif view.start <= start < view.end:
                alone.append(((start, end), amount))
        here = (lineage != ALONE) | (times[:, 0] >= view.start) & (times[:, 0] < view.end)
        of_groups = np.column_stack((lineage, part, rows[:, Work.GROUP]))[here]
        for number, place, group in np.unique(of_groups, axis=0).tolist():
            groups[number, place] = groups.get((number, place), 0) + int(most[group])
    for window, amount in alone:
        yield _run(ALONE, {window: amount}, groups[ALONE, 0], None, views[0].agreement.max_lag_s)
    for (number, place), windows in sorted(seconds.items()):
        if views[0].start <= min(windows)[0] < views[0].end:
            ended = int(notices.stated[number][place - 1]) if place else None
            yield _run(number, windows, groups[number, place], ended, views[0].agreement.max_lag_s)


def _parts(lineage: Ints, start: Ints, stated: Mapping[int, Ints]) -> Ints:
    """How many ends were stated of each row's lineage by the time that its window begins."""
    numbers = np.array(sorted(stated), np.int64)
    if not len(numbers):
        return np.zeros(len(lineage), np.int64)
    keys = np.concatenate([(place << _TIME_BITS) + stated[number] for place, number in enumerate(numbers.tolist())])
    place = np.minimum(np.searchsorted(numbers, lineage), len(numbers) - 1)
    before = np.searchsorted(keys, place << _TIME_BITS)
    count = np.searchsorted(keys, (place << _TIME_BITS) + start, "right") - before
    return np.where(numbers[place] == lineage, count, 0)


def _run(lineage: int, seconds: dict[Span, int], most: int, ended: int | None, max_lag: int) -> Run:
    """One run, by the device-seconds of each window that names it."""
    devices = {(start, end): -(-amount // (end - start)) for (start, end), amount in seconds.items()}
    first, last, at_once = min(seconds), max(seconds), max(devices.values())
    sure = [window for window, amount in seconds.items() if amount] or list(seconds)
    after = [] if ended is None else [window for window in sure if window[0] >= ended + max_lag]
    again = (min(after), max(devices[window] for window in after)) if after else None
    return Run(lineage, first, last, (min(sure), max(sure)), at_once, most, ended, again)
