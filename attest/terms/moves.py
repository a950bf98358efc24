"""Which groups of accelerators had something in common, one roster after another.

A group is what facts are kept of: accelerators of one model on one feed of a host. A lab may give a feed or a model
another name, move accelerators from host to host, or put others in their place. Groups among which anything was moved
within the time judged form a set. Those of a host whose list stayed the same are in none.
"""

from functools import cached_property
from typing import Final

import numpy as np

from attest.compute.columns import Ints
from attest.evaluate import View

NO_SET: Final = -1

List = tuple[tuple[int, ...], tuple[str, ...]]  # of a host: the group and the serial of each accelerator


class Moves:
    """What rosters moved within a view.

    set_of: the set that each group is in, NO_SET for none; there are `sets`. different: how many different accelerators
    each group had.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self._root = list(range(len(view.layouts.groups)))
        self.different = np.asarray(view.account.expected.most).copy()
        lists: dict[str, set[List]] = {}
        for sub, layout in view.layouts.hosts(view.start, view.end):
            lists.setdefault(sub, set()).add((tuple(layout.groups.tolist()), layout.uids))
        homes: dict[str, int] = {}  # a group that each accelerator was in
        changed: dict[int, set[str]] = {}
        for of_host in lists.values():
            places = [place for groups, uids in of_host for place in zip(groups, uids, strict=True)]
            for number, uid in places:
                self._join(number, homes.setdefault(uid, number))
                if len(of_host) > 1:
                    self._join(number, places[0][0])
                    changed.setdefault(number, set()).add(uid)
        for number, uids in changed.items():
            self.different[number] = len(uids)
        roots = np.array([self._find(number) for number in self._root], np.int64)
        _, at, size = np.unique(roots, return_inverse=True, return_counts=True)
        shared = size > 1
        shared[at[list(changed)]] = True
        self.sets = int(shared.sum())
        self.set_of: Ints = np.where(shared, np.cumsum(shared) - 1, NO_SET)[at]

    @cached_property
    def periods(self) -> list[tuple[int, int]]:
        """Whole buckets of the view, counted from its first, in which one roster was in force."""
        view, bucket = self.view, self.view.agreement.bucket_s
        times = [(max(start, view.start), min(end, view.end)) for start, end, _ in view.layouts.periods()]
        found = [(-(-start // bucket) - view.window[0], end // bucket - view.window[0]) for start, end in times]
        return [(begin, end) for begin, end in found if begin < end]

    def _find(self, number: int) -> int:
        while self._root[number] != number:
            self._root[number] = number = self._root[self._root[number]]
        return number

    def _join(self, one: int, other: int) -> None:
        self._root[self._find(one)] = self._find(other)
