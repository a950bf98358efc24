"""The term scale-cap: on how many accelerators any one run was (schemas/agreement.md, "Terms")."""

from collections.abc import Sequence

import numpy as np

from attest.agreement import ScaleCap
from attest.compute.exact import Array, add, gathered
from attest.evaluate import View
from attest.facts import Cell, Mask, Table, Work
from attest.figures import SOFTWARE
from attest.format.vocabulary import Label
from attest.terms.case import Case
from attest.terms.declared import intact
from attest.terms.disputed import admitted, claimed
from attest.terms.runs import ALONE, MAX_TRIED, Key, Largest, denied, named, result
from attest.terms.settle import Settled, settle_devices
from attest.usage import CYCLES_KNOWN
from attest.verdict import Outcome, TermResult


def judge_scale(case: Case[ScaleCap]) -> TermResult:
    """The accelerators of the largest run at one time against a limit, over all sites."""
    term = case.term
    label = None if term.label is None else int(term.label)
    views, lost = intact(case)
    if not views:
        return case.result(Outcome.UNPROVEN, "no bound", lost, unit="accelerators", limit=term.devices)
    low = _at_once(views, admitted(views), label)
    masks = claimed(views)
    disputed = low if masks is None else _at_once(views, masks, label)
    level = int(term.assurance)
    on = add(*(_on(view, level) for view in views))
    most, dark = (_at_most_at_once(views, label), _dark_at_once(views)) if level <= SOFTWARE else (on, on)
    high = min(int(on.max()), int(most.max()))

    def breach(run: Largest) -> str:
        return f"{run.whose} had {run.amount:,} accelerators at once, at most {term.devices:,}"

    def settle() -> Settled:
        return settle_devices(views, most - term.devices, dark, level)

    return result(case, "term/scale-cap", lost, low, disputed, high, term.devices, breach, "accelerators", settle)


def _at_once(views: Sequence[View], masks: Sequence[Mask], label: int | None) -> Largest:
    """The most accelerators that one lineage had at one time for certain, and which: at some moment of a window it has
    at least the mean of what the statements of that window name."""
    seconds: dict[tuple[Key, int, int], int] = {}
    for number, (view, mask) in enumerate(zip(views, masks, strict=True)):
        account = view.account
        found = named(number, view, mask, label)
        windows = account.worth.windows[np.searchsorted(account.worth.indices, found.rows[:, Work.INDEX])]
        within = (windows[:, 0] >= view.start) & (windows[:, 1] <= view.end) & ~denied(view, found.rows)
        keyed = np.concatenate((found.lineage[:, None], windows), axis=1)[within]
        keys, at = np.unique(keyed, axis=0, return_inverse=True)
        sums = gathered(found.rows[within, Work.SECONDS], at.reshape(-1), len(keys))
        for (lineage, start, end), amount in zip(keys.tolist(), sums.tolist(), strict=True):
            key = found.keys[lineage], start, end
            seconds[key] = seconds.get(key, 0) + amount
    most, whose = 0, ALONE
    for ((lineage, _), start, end), amount in seconds.items():
        devices = -(-amount // (end - start))
        if devices > most:
            most, whose = devices, lineage
    return Largest(most, whose)


def _on(view: View, level: int) -> Array:
    """The accelerators that may have been at work in each bucket: declared, and not shown to be off."""
    account = view.account
    metering = account.metering(level)
    devices = account.expected.at_once(*account.behind(metering))
    devices[metering.off] = 0
    return np.asarray(devices.sum(axis=0))


def _dark_at_once(views: Sequence[View]) -> Array:
    """The accelerators of all sites that are dark, by bucket."""
    return add(*(_dark(view) for view in views))


def _at_most_at_once(views: Sequence[View], label: int | None) -> Array:
    """The most that the lab's own word leaves any lineage in each bucket: all accelerators of the groups that
    statements name it on, and those that are dark. Where lineages are too many to try each they are taken to be one."""
    sites = [named(number, view, view.account.worth.usable, label) for number, view in enumerate(views)]
    dark = _dark_at_once(views)
    lineages = {key[0] for site in sites for key in site.keys}
    chosen = [np.ones(len(site.rows), bool) for site in sites]
    most = dark
    for lineage in sorted(lineages) if len(lineages) <= MAX_TRIED else [None]:
        if lineage is not None:
            chosen = [site.rows[:, Work.LINEAGE] == lineage for site in sites]
        each = zip(views, sites, chosen, strict=True)
        most = np.maximum(most, add(dark, *(_on_groups(view, site.rows[rows]) for view, site, rows in each)))
    return most


def _on_groups(view: View, rows: Table) -> Array:
    """Accelerators of the groups that rows name, by bucket; a bucket that two statements share may count them twice."""
    account = view.account
    rows = rows[np.unique(rows[:, [Work.INDEX, Work.GROUP]], axis=0, return_index=True)[1]]
    first, last = account.reach(rows[:, Work.INDEX])
    devices = account.expected.most[rows[:, Work.GROUP]]
    edges = np.zeros(account.end - account.first + 1, np.int64)
    np.add.at(edges, np.maximum(first - account.first, 0), devices)
    np.add.at(edges, np.minimum(last + 1, account.end) - account.first, -devices)
    return np.asarray(np.cumsum(edges)[:-1])


def _dark(view: View) -> Array:
    """Accelerators that may have been at work in a gap, in silence, or on what no run is named on, by bucket."""
    account = view.account
    out = np.zeros(view.window[1] - view.window[0], np.int64)
    for groups, seconds in view.unaccounted():
        out += np.minimum(seconds, account.expected.most[groups, None]).sum(axis=0)
    cells = account.of_label(account.usable, int(Label.NONE))
    counted = cells[:, Cell.MEASURED] & CYCLES_KNOWN > 0
    busy = cells[(cells[:, Cell.SAMPLED] > 0) & ~(counted & (cells[:, Cell.CYCLES] == 0))]
    places = np.unique(busy[:, [Cell.GROUP, Cell.BUCKET]], axis=0)
    np.add.at(out, places[:, 1] - account.first, account.expected.most[places[:, 0]])
    return out
