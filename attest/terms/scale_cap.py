"""The term scale-cap: on how many accelerators any one run was, and what one of these moved over the fabric
(schemas/agreement.md, "Terms")."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from attest.agreement import ScaleCap
from attest.compute.exact import Array, add, gathered
from attest.errors import UnsupportedError
from attest.evaluate import View
from attest.facts import Cell, Mask, Table, Work
from attest.figures import SOFTWARE
from attest.format.vocabulary import Label
from attest.terms.case import Case
from attest.terms.declared import intact
from attest.terms.disputed import admitted, claimed, only_disputed
from attest.terms.fabric import Fabric, fabric_of
from attest.terms.runs import ALONE, MAX_TRIED, Key, Largest, denied, named, result
from attest.terms.settle import Settled, device_time, of_these, settle_devices
from attest.usage import CYCLES_KNOWN
from attest.verdict import Finding, Outcome, TermResult, worst


def judge_scale(case: Case[ScaleCap]) -> TermResult:
    """The accelerators of the largest run at one time against a limit, over all sites; and their fabric, if that is
    capped. The numbers are those of the more serious of the two."""
    found, fabric = _judge_devices(case), case.term.fabric_mib
    views, lost = intact(case)
    if fabric is None or not views:
        return found
    try:
        moved = reduce(Fabric.beside, (fabric_of(view, case.term) for view in views))
    except UnsupportedError as error:
        finding = Finding(error.code, Outcome.UNPROVEN, error.detail)
        return replace(found, outcome=worst((found.outcome, Outcome.UNPROVEN)), findings=(*found.findings, finding))
    outcome, findings = _judge_fabric(moved, fabric, views, int(case.term.assurance))
    if lost and outcome is Outcome.HOLDS:
        outcome = Outcome.UNPROVEN
    high = None if lost else moved.high
    both = replace(
        found,
        outcome=worst((found.outcome, outcome)),
        text=f"{found.text}; {_amount(moved.low)} to {_amount(moved.high)} through the fabric of one accelerator",
        findings=(*found.findings, *findings),
    )
    if both.outcome is found.outcome:
        return both
    return replace(both, unit="MiB", low=moved.low, high=high, limit=fabric, tightest=high)


def _judge_fabric(moved: Fabric, limit: int, views: Sequence[View], level: int) -> tuple[Outcome, tuple[Finding, ...]]:
    """What one accelerator moved against its cap."""
    numbers = {"low": moved.low, "high": moved.high, "limit": limit}
    start, end = views[0].start, views[0].end
    if moved.low > moved.high:
        why = "admitted is above the worst case: the evidence contradicts itself"
        return Outcome.UNPROVEN, (Finding("bounds/crossed", Outcome.UNPROVEN, why, numbers=numbers),)
    if moved.claimed > limit and moved.high > limit:
        text = f"the fabric of an accelerator on runs moved {_amount(moved.claimed)}, at most {_amount(limit)}"
        breach = Finding("term/scale-cap", Outcome.BREACHED, text, start=start, end=end, numbers=numbers)
        if moved.low > limit:
            return Outcome.BREACHED, (breach,)
        return Outcome.UNPROVEN, (only_disputed(breach),)
    if moved.high <= limit:
        return Outcome.HOLDS, ()
    text = f"the fabric of an accelerator on runs may have moved {_amount(moved.high)}, at most {_amount(limit)}"
    numbers |= {"device_seconds_needed": moved.needed_s, "device_seconds_missing": moved.missing_s}
    settle = _settle(moved, level)
    return Outcome.UNPROVEN, (
        Finding("bounds/too-wide", Outcome.UNPROVEN, text, start=start, end=end, numbers=numbers, settle=settle),
    )


def _settle(moved: Fabric, level: int) -> str:
    what = "a power-off by independent meters (L4)"
    if level <= SOFTWARE:
        what = "records of the fabric, or a metered power-off,"
    rest = f"the fabric column itself leaves {_amount(moved.stuck)} of one accelerator"
    if not moved.stuck:
        return f"{what} for {of_these(moved.needed_s, moved.missing_s)}"
    if not moved.missing_s:
        return f"no evidence is missing: {rest}"
    return f"{what} for all {device_time(moved.missing_s)} without are not enough: {rest}"


def _amount(mib: int) -> str:
    return f"{mib:,} MiB"


def _judge_devices(case: Case[ScaleCap]) -> TermResult:
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
        within = (
            (windows[:, 0] >= view.start)
            & (windows[:, 1] <= view.end)
            & ~denied(view, found.rows[:, Work.INDEX], found.rows[:, Work.GROUP])
        )
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
