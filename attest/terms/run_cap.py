"""The term run-cap: what any one run did (schemas/agreement.md, "Terms")."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from attest.admitted import active, shared
from attest.agreement import RunCap, Tie
from attest.compute import bounds
from attest.compute.bounds import MFLOP
from attest.compute.exact import Array, gathered, least, total
from attest.evaluate import View
from attest.facts import Cell, Mask, Table, Work
from attest.figures import INDEPENDENT, SOFTWARE
from attest.format.vocabulary import Label
from attest.terms.case import Case
from attest.terms.compute_cap import Limit, bounds_of, settling
from attest.terms.declared import intact
from attest.terms.disputed import admitted, claimed
from attest.terms.runs import ALONE, MAX_TRIED, Key, Largest, named, result
from attest.terms.settle import NEVER, Settled, settle_dark
from attest.verdict import Outcome, TermResult

NO_LABEL: Final = int(Label.NONE)
_OF_CELL: Final = [Cell.INDEX, Cell.CLASS, Cell.GROUP]
_OF_WORK: Final = [Work.INDEX, Work.CLASS, Work.GROUP]


def judge_run(case: Case[RunCap]) -> TermResult:
    """The largest lineage against a limit, over all sites."""
    term = case.term
    label = None if term.label is None else int(term.label)
    views, lost = intact(case)
    if not views:
        return case.result(Outcome.UNPROVEN, "no bound", lost, unit="FLOP", limit=term.limit)
    limit = Limit(term.limit, None)
    everything = bounds_of(views, limit, None, term.assurance).high
    most, dark = _at_most(views, label, term.per) if term.assurance <= SOFTWARE else (everything, 0)
    high = min(everything, most)
    low = _largest(views, admitted(views), label, term.per)
    masks = claimed(views)
    disputed = low if masks is None else _largest(views, masks, label, term.per)

    def breach(run: Largest) -> str:
        return f"admitted {run.amount:.3e} FLOP of {run.whose}, over the limit {term.limit:.3e}"

    def settle() -> Settled:
        by_total = settling(views, limit, None, term.assurance, everything)
        if term.assurance > SOFTWARE:
            return by_total
        by_name = settle_dark(views, dark, most - term.limit)
        return min(by_name, by_total, key=lambda found: found.needed_s or NEVER)

    return result(case, "term/run-cap", lost, low, disputed, high, term.limit, breach, "FLOP", settle)


class _Admitted:
    """What the statements of a mask admit of each lineage at a site, in whole buckets of the phase."""

    def __init__(self, number: int, view: View, mask: Mask, label: int | None, tie: Tie) -> None:
        self.account = account = view.account
        self.named = named(number, view, mask, label, tie)
        rows, lineage = self.named.rows, self.named.lineage
        keyed = np.concatenate((rows[:, [Work.INDEX, Work.CLASS, Work.GROUP]], lineage[:, None]), axis=1)
        found, at = np.unique(keyed, axis=0, return_inverse=True)
        at = at.reshape(-1)
        self.group, self.lineage = found[:, 2], found[:, 3]
        seconds = gathered(rows[:, Work.SECONDS], at, len(found))
        work = self._by_cycles(found[:, :3], seconds, account.worthy(account.cells, mask))
        could = account.models.over(self.group, lambda pin, here: bounds.capacity(seconds[here], pin))
        # A statement's declared sizes of a lineage, where they exceed what cycles admit, on the devices that it names.
        of_statement, statement = np.unique(found[:, [0, 3]], axis=0, return_inverse=True)
        statement = statement.reshape(-1)
        said = gathered(self._declared(rows), statement[at], len(of_statement))
        more = np.maximum(said - gathered(work, statement, len(said)), 0)
        order = np.argsort(statement, kind="stable")
        spread = shared(more, statement[order], np.maximum(could - work, 0)[order])
        self.work = work.astype(object)
        self.work[order] += spread

    def _declared(self, rows: Table) -> Array:
        """Declared sizes of statements that lie wholly in the phase, none more than the run's own accelerators could
        have done; each stands in one row of its run."""
        first, last = self.account.reach(rows[:, Work.INDEX])
        whole = (first >= self.account.first) & (last < self.account.end)
        run = np.unique(rows[:, [Work.INDEX, Work.RUN]], axis=0, return_inverse=True)[1].reshape(-1)
        seconds = rows[:, Work.SECONDS]
        could = self.account.models.over(rows[:, Work.GROUP], lambda pin, at: bounds.capacity(seconds[at], pin))
        most = gathered(could, run, len(rows))[run]
        return least(np.where(whole, np.maximum(rows[:, Work.DECLARED], 0), 0), most)

    def _by_cycles(self, keys: Table, seconds: Array, cells: Table) -> Array:
        """What cycles of a statement, class and group admit, less what other lineages there can have done."""
        account = self.account
        cells = cells[np.isin(cells[:, Cell.INDEX], keys[:, 0])]
        work = account.work[np.isin(account.work[:, Work.INDEX], keys[:, 0])]
        known, place = np.unique(
            np.concatenate((keys, cells[:, _OF_CELL], work[:, _OF_WORK])), axis=0, return_inverse=True
        )
        mine, of_cells, of_work = np.split(place.reshape(-1), [len(keys), len(keys) + len(cells)])
        admitted = gathered(active(cells, account.models), of_cells, len(known))[mine]
        sampled = gathered(cells[:, Cell.SAMPLED], of_cells, len(known))[mine]
        named = gathered(work[:, Work.SECONDS], of_work, len(known))[mine]
        # Sampled seconds of class 0 may belong to no run at all: nothing of them is any run's for certain.
        others = np.minimum(np.where(keys[:, 1] == 0, sampled, named - seconds), sampled)
        return np.asarray(np.maximum(admitted - account.presence(others, keys[:, 2]), 0))

    def sums(self) -> Iterator[tuple[Key, int]]:
        """Each lineage and what is admitted of it, MFLOP."""
        amounts = gathered(self.work, self.lineage, len(self.named.keys))
        yield from zip(self.named.keys, amounts.tolist(), strict=True)

    def clipped(self, key: Key) -> int:
        """What is admitted of one lineage, no more than independent meters leave possible, MFLOP."""
        if key not in self.named.keys:
            return 0
        metering = self.account.metering(INDEPENDENT)
        rows, mine = self.account.behind(metering), self.lineage == self.named.keys.index(key)
        behind = gathered(self.work[mine], rows.of[self.group[mine]], rows.size)
        return metering.bound(behind[:, None], [(self.account.first, self.account.end)]).total


def _largest(views: Sequence[View], masks: Sequence[Mask], label: int | None, tie: Tie) -> Largest:
    """The most that is admitted of one lineage over all sites, FLOP, and which it is. Of lineages without number the
    MAX_TRIED largest are held against meters, which is a lower `low` at worst."""
    each = enumerate(zip(views, masks, strict=True))
    sites = [_Admitted(number, view, mask, label, tie) for number, (view, mask) in each]
    together: dict[Key, int] = {}
    for site in sites:
        for key, amount in site.sums():
            together[key] = together.get(key, 0) + amount
    most, largest = 0, ALONE
    for key, amount in sorted(together.items(), key=lambda item: (-item[1], item[0]))[:MAX_TRIED]:
        if amount <= most:
            break
        clipped = sum(site.clipped(key) for site in sites)
        if clipped > most:
            most, largest = clipped, key[0]
    return Largest(most * MFLOP, largest, tie)


def _at_most(views: Sequence[View], label: int | None, tie: Tie) -> tuple[int, int]:
    """The most that the lab's own word leaves any lineage, FLOP: the accelerators that it names at peak, and whatever
    is dark or sampled without a label, and what of it is dark. What has no lineage is taken to be one."""
    sums: dict[int, int] = {}
    unnamed = dark = 0
    for number, view in enumerate(views):
        account = view.account
        found = named(number, view, account.worth.usable, label, tie)
        did = account.presence(found.rows[:, Work.SECONDS], found.rows[:, Work.GROUP])
        amounts = gathered(did, found.lineage, len(found.keys))
        for (lineage, _), amount in zip(found.keys, amounts.tolist(), strict=True):
            sums[lineage] = sums.get(lineage, 0) + amount
        window = [(account.first, account.end)]
        metering = account.metering(SOFTWARE)
        unnamed += total(account.sampled(metering, NO_LABEL))  # by its counters it may have been work, and of any run
        dark += total(account.in_gaps(metering, window))
        dark += total(account.by_window(account.unsaid, window))
    return (max(sums.values(), default=0) + unnamed + dark) * MFLOP, dark * MFLOP
