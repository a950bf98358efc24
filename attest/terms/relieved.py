"""What outages and exemptions take off what a party is accused of (schemas/events.md, "Exemption" and "Outage").

Neither lowers `high`: a device that is silent in an outage, or works in an exempt place, is in the worst case as any
other. An outage fills holes of coverage, up to the share of declared device-time that the agreement names. An exemption
keeps what was admitted in its places from being a breach, at most its budget; where a statement declares the size of a
run, nobody knows in which of its devices and buckets that was done, and their capacity at peak counts.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from attest.admitted import active
from attest.compute.bounds import MFLOP
from attest.compute.exact import PPM, Array, total
from attest.evaluate import View
from attest.facts import Cell, Work
from attest.metering import Window
from attest.relief import Stretch
from attest.verdict import Finding, Outcome


def excused(view: View, holes: Iterable[tuple[slice, Array]]) -> int:
    """Device-seconds of holes, [group, bucket] of some groups at a time, that lie in an outage."""
    outages = view.relief.outages
    if not outages:
        return 0
    feeds, bucket_s = view.account.group_feed, view.agreement.bucket_s
    found = 0
    for groups, seconds in holes:
        inside = np.zeros(seconds.shape, bool)
        for outage in outages:
            named = outage.names(view.site.name, view.layouts.feeds, feeds[groups])
            inside |= named[:, None] & outage.buckets(bucket_s, view.window)
        found += int(seconds[inside].sum())
    return found


def allowance(view: View) -> int:
    """Device-seconds that outages may excuse at a site in what is judged."""
    return view.expected_s * view.relief.outage_ppm // PPM if view.relief.outages else 0


def forgiven(views: Sequence[View], span: Window, label: int | None) -> tuple[int, tuple[Finding, ...]]:
    """FLOP of a label that no cap is breached by in some buckets, and what is said of each exemption."""
    whole, findings = 0, []
    for exemption in views[0].relief.exemptions:
        admitted = sum(_admitted(view, exemption, span, label) for view in views) * MFLOP
        if admitted:
            taken = min(admitted, exemption.budget)
            whole += taken
            budget = f"{taken:.3e} of it, by a budget of {exemption.budget:.3e}, break no cap"
            text = f"up to {admitted:.3e} FLOP are admitted in exempt places, and in the worst case; {budget}"
            numbers = {"admitted": admitted, "budget": exemption.budget, "forgiven": taken}
            start, end = exemption.start, exemption.end
            findings.append(Finding("event/exempt", Outcome.HOLDS, text, start=start, end=end, numbers=numbers))
    return whole, tuple(findings)


def _admitted(view: View, exemption: Stretch, span: Window, label: int | None) -> int:
    """The most that `low` has of the exempt places, MFLOP."""
    account = view.account
    cells = account.cells[account.worth.of(account.cells[:, Cell.INDEX], account.worth.claimed)]
    named = exemption.names(view.site.name, view.layouts.feeds, account.group_feed)[cells[:, Cell.GROUP]]
    bucket = cells[:, Cell.BUCKET]
    times = exemption.buckets(view.agreement.bucket_s, view.window)[bucket - view.window[0]]
    cells = cells[named & times & (bucket >= span[0]) & (bucket < span[1])]
    cells = account.of_label(cells, label)
    declared = np.isin(cells[:, Cell.INDEX], account.work[account.work[:, Work.DECLARED] > 0, Work.INDEX])
    peak = account.presence(cells[:, Cell.SAMPLED], cells[:, Cell.GROUP])
    return total(np.where(declared, peak, active(cells, account.models)))
