"""Labs whose agents make up what they tell, each number that they change fitted to its counters."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from attest.agreement import verify_agreement
from attest.anomalies.measured import rate_of
from attest.check import check
from attest.simulate.draws import Ints
from attest.simulate.lab import Lab
from attest.simulate.site import Job, Plan, Site, Trace
from attest.trust.pins import parse_trust
from attest.verdict import Finding, Outcome, Verdict
from tests.attacks.vectors import findings
from tests.check.world import END, LATER, START, lab, under

LOOSE = under({"kind": "coverage", "share": "10 %"})

Change = Callable[[Trace], Trace]


def retold(trace: Trace, **arrays: Ints) -> Trace:
    """The trace with other arrays, and counters that go with them."""
    told = replace(trace, **arrays)
    interval = (END - START) // trace.power_mw.shape[1]
    return replace(
        told,
        energy_total=_counter(trace.energy_total, told.power_mw * interval),
        cycles_total=_counter(trace.cycles_total, told.cycles),
    )


def _counter(total: Ints, rises: Ints) -> Ints:
    return np.concatenate((total[:, :1], total[:, :1] + np.cumsum(rises, axis=1)), axis=1)


class Tale(Site):
    """A site as a liar tells it."""

    def __init__(self, plan: Plan, change: Change) -> None:
        super().__init__(plan)
        true = self._trace
        self.trace = lru_cache(8)(lambda node: change(true(node)))


def told(change: Change, jobs: tuple[Job, ...], nodes: tuple[int, ...] = (0,), **options: Any) -> Lab:
    """A lab without a meter whose agents of some nodes told another tale all day."""
    made = lab(jobs, meter=None, **options)
    for node in nodes:
        made.tales[node] = Tale(made.site.plan, change)
    made.run()
    return made


def anomalies(made: Lab, *, series: bool = False) -> list[Finding]:
    """The anomalies in the verdict on a lab; they are remarks, and the verdict holds."""
    verdict = verdict_on(made, series=series)
    found = [finding for finding in findings(verdict) if finding.code.startswith("anomaly/")]
    assert verdict.outcome is Outcome.HOLDS
    assert all(finding.outcome is Outcome.HOLDS and finding.scope is None for finding in found)
    return found


def verdict_on(made: Lab, *, series: bool = False) -> Verdict:
    """The verdict on a lab that need do nothing but report."""
    trust = parse_trust(LOOSE.trust())
    return check([made.bundle()], verify_agreement(LOOSE.signed()), trust, at=LATER, anomalies=series)


def only(found: list[Finding], code: str) -> Finding:
    """The one finding there is; it says where, how often the rule is wrong, and what would settle it."""
    assert [f.code for f in found] == [code]
    assert found[0].text.endswith(rate_of(code))
    assert found[0].settle and found[0].source and found[0].index > 0
    return found[0]
