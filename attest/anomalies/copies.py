"""Series that are alike, of devices or of meters: within one site, and between sites (`attest.series`).

Of series that are alike the first in the log is taken for the true one, as with statements (verification.md, 5.6): so
nobody can spoil what others said before. Between two logs nothing says which was first. That accuses nobody: which of
two is the copy no series tells.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from attest.anomalies.measured import rate_of
from attest.anomalies.remark import hours, remark
from attest.compute.columns import Ints
from attest.evaluate import SiteEvidence, View
from attest.facts import Table
from attest.series import Copy
from attest.verdict import Finding, Outcome

_HASHES = [Copy.FIRST, Copy.SECOND]
_SETTLE = "the collector's own files of both over these hours, and a meter of each node"


def copied(view: View) -> Iterator[Finding]:
    """Series of one site in one phase that are like an earlier one."""
    series = view.evidence.series
    assert series is not None  # whoever asks has read them
    copies = _counting(view.evidence)
    later, earlier = repeats(copies)
    bucket = copies[later, Copy.BUCKET]
    here = (bucket >= view.window[0]) & (bucket < view.window[1])
    rows, like = copies[later[here]], copies[earlier[here]]
    if not len(rows):
        return
    at = int(np.lexsort(_order(rows))[0])
    seconds = len(rows) * view.agreement.bucket_s
    text = (
        f"{hours(seconds)} of devices or meters are like others in every interval, the first {_who(rows[at])} like"
        f" {_who(like[at])}"
    )
    if len(series.copies) < series.comparable:
        text += f"; {len(series.copies):,} of {series.comparable:,} series were compared"
    numbers = {"seconds": seconds, "device": int(rows[at, Copy.DEVICE]), "of_index": int(like[at, Copy.INDEX])}
    numbers["of_device"] = int(like[at, Copy.DEVICE])
    yield remark("anomaly/identical-series", text, _SETTLE, view, rows[:, Copy.INDEX], numbers)


def copied_between(evidence: Sequence[SiteEvidence], bucket_s: int) -> Iterator[Finding]:
    """Series of one log that another log has, too."""
    read = [e for e in evidence if e.series is not None and e.worth is not None and e.site is not None]
    for left, right in combinations(read, 2):
        ours, theirs = (_first_of_each(_counting(e)) for e in (left, right))
        both = np.concatenate((ours, theirs))
        both[: len(ours), Copy.INDEX] -= int(ours[:, Copy.INDEX].max(initial=0)) + 1  # before all of theirs
        later, earlier = repeats(both)
        if len(later):
            like, rows = ours[earlier], theirs[later - len(ours)]
            at = int(np.argmin(rows[:, Copy.INDEX]))
            assert left.site is not None and right.site is not None
            text = (
                f"{hours(len(rows) * bucket_s)} of devices or meters of {right.site.origin} are like those of"
                f" {left.site.origin} in every interval, the first {_who(rows[at])} like {_who(like[at])}"
            )
            numbers = {"seconds": len(rows) * bucket_s, "of_index": int(like[at, Copy.INDEX])}
            text = f"{text}; {rate_of('anomaly/identical-series')}"
            yield Finding("anomaly/identical-series", Outcome.HOLDS, text, numbers=numbers, settle=_SETTLE)


def repeats(copies: Table) -> tuple[Ints, Ints]:
    """The rows that are alike an earlier one of the log, and which row that is."""
    order = np.lexsort((*_order(copies), copies[:, Copy.FIRST], copies[:, Copy.SECOND]))
    ordered = copies[order][:, _HASHES]
    new = np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1)))[: len(order)]
    original = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return order[~new], original[~new]


def _order(copies: Table) -> tuple[Ints, ...]:
    """Keys that sort series as they stand in the log, the last first."""
    device = copies[:, Copy.DEVICE]
    return copies[:, Copy.BUCKET], np.where(device < 0, -1 - device, device), copies[:, Copy.INDEX]


def _counting(evidence: SiteEvidence) -> Table:
    """The series of statements that count as evidence."""
    assert evidence.series is not None and evidence.worth is not None
    copies = evidence.series.copies
    counts: Table = copies[np.isin(copies[:, Copy.INDEX], evidence.worth.indices[evidence.worth.usable])]
    return counts


def _first_of_each(copies: Table) -> Table:
    """Without those that are alike an earlier one."""
    kept = np.ones(len(copies), bool)
    kept[repeats(copies)[0]] = False
    chosen: Table = copies[kept]
    return chosen


def _who(row: Ints) -> str:
    index, device = row[[Copy.INDEX, Copy.DEVICE]].tolist()
    return f"{'device' if device >= 0 else 'channel'} {device if device >= 0 else -1 - device} of statement {index:,}"
