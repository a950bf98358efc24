"""Labs that hide what their fabric moved: none is shown to keep a cap on it. And a rival who makes up what moved."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, Label, State
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.pact import Table
from attest.simulate.site import Trace
from attest.simulate.source import Draft
from attest.simulate.telemetry import COLUMNS, Observed, observe
from attest.verdict import Outcome, TermResult
from tests.anomalies.tales import Tale, retold
from tests.check.world import ACME, DAY, HOUR, INFERENCE, START, TRAINING, honest, judge, lab, site, under

# A day of inference moves at most 165 TiB, and 18 hours of training at least 1.2 PiB; a minute that is dark is 229 TiB.
CAP: Table = {"kind": "scale-cap", "devices": 16, "fabric": "1 PiB", "window": "1 d", "assurance": "L1"}


def of(bundle: MemoryBundle, term: Table = CAP) -> TermResult:
    return judge(bundle, under(term)).parties[0].terms[0]


def told(change: Callable[[Trace], Trace]) -> MemoryBundle:
    """A lab that trains on both nodes, as its agents tell it."""
    made = lab((TRAINING,))
    for node in range(2):
        made.tales[node] = Tale(made.site.plan, change)
    made.run()
    return made.bundle()


def test_the_honest_hold_and_who_trains_does_not() -> None:
    assert of(honest((INFERENCE,)).bundle()).outcome is Outcome.HOLDS
    found = of(honest((TRAINING,)).bundle())
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.BREACHED, ["term/scale-cap"])


def test_a_column_left_out_of_the_hours_that_matter() -> None:
    class Shy(Lab):
        def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
            bare = [column for column in COLUMNS if column is not Column.FABRIC]
            seen = observe(self.site, node, self.host(node).until, until, bare)
            return super().usage(node, until, seen if until > START + 6 * HOUR else observed)

    made = Shy(ACME, site((TRAINING,)))
    made.run()
    found = of(made.bundle())
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["bounds/too-wide"])
    assert found.findings[0].settle.startswith("records of the fabric, or a metered power-off, for ")


def test_a_block_that_is_not_in_the_copy() -> None:
    made = honest((INFERENCE,))
    whole = made.bundle()
    assert of(whole).outcome is Outcome.HOLDS
    index = next(n for n, entry in enumerate(made.entries) if entry.block is not None and n > 10)
    without = made.copy()
    without.entries[index] = without.entries[index]._replace(block=None)
    found = of(without.bundle())
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.UNPROVEN, ["bounds/too-wide"])


@pytest.mark.parametrize("field", ["lineage", "owner"])
def test_a_run_split_over_runs(field: str) -> None:
    """A run of each hour, of another lineage and owner, moves as much as one."""
    hours = tuple(
        TRAINING._replace(name=f"part {n}", start=START + n * HOUR, end=START + (n + 1) * HOUR, **{field: n})
        for n in range(3, 21)
    )
    found = of(honest(hours).bundle())
    assert found.outcome is Outcome.BREACHED
    assert found.low == max(int(site(hours).trace(node).fabric.sum(axis=1).max()) for node in range(2))


def test_work_of_no_run() -> None:
    found = of(told(lambda trace: retold(trace, job=np.full_like(trace.job, NO_RUN))))
    assert (found.outcome, found.findings[0].numbers["low"]) == (Outcome.UNPROVEN, 0)


@pytest.mark.parametrize("state", [State.MISSING, State.OFF, State.STALE])
def test_what_moved_while_nothing_was_sampled(state: State) -> None:
    """A column may have values there, and no rule of sums looks at them."""

    class Absent(Lab):
        def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
            start = self.host(node).until
            seen = observe(self.site, node, start, until)
            gone = observe(Tale(self.site.plan, _in(state)), node, start, until)
            columns = {**gone.columns, int(Column.FABRIC): seen.columns[int(Column.FABRIC)]}
            return super().usage(node, until, replace(gone, columns=columns))

    made = Absent(ACME, site((TRAINING,)), meter=None)
    made.run()
    assert of(made.bundle()).outcome is Outcome.UNPROVEN


def _in(state: State) -> Callable[[Trace], Trace]:
    def change(trace: Trace) -> Trace:
        still = {name: 0 * getattr(trace, name) for name in ("power_mw", "cycles")}
        return retold(trace, state=np.full_like(trace.state, state), job=np.full_like(trace.job, NO_RUN), **still)

    return change


def test_a_key_revoked_before_what_it_told() -> None:
    """What is disputed counts neither way, and its time is as dark as if it had never been told."""
    made = honest((TRAINING,)).copy()
    made.revoke(made.host(0).signer, 5)
    made.revoke(made.host(1).signer, 5)
    made.witness()
    found = of(made.bundle())
    assert (found.outcome, found.findings[-1].numbers["low"]) == (Outcome.UNPROVEN, 0)
    assert found.findings[-1].numbers["high"] == DAY * 4_000_000


def test_a_label_that_is_none_of_the_capped() -> None:
    """Labels are the lab's word: a cap on one is kept by whoever tells another, and one on all of them is not."""
    other = honest((TRAINING._replace(claimed=Label.OTHER),)).bundle()
    assert of(other, {**CAP, "label": "training"}).outcome is Outcome.HOLDS
    assert of(other).outcome is Outcome.BREACHED


def test_a_strangers_statement_accuses_nobody() -> None:
    """In the name of a host, by a key that is not its own: at the very end, beyond all that counts, and before."""
    for early in (False, True):
        made = lab((INFERENCE,))
        made.run(until=START + 18 * HOUR)
        draft = Lab.usage(_training(made), 0, START + DAY)
        if early:
            made.append(made.host(0).sign(draft, seeded_key("thief")), draft.block)
        made.run()
        if not early:
            made.append(made.host(0).sign(draft, seeded_key("thief")), draft.block)
            made.witness()
        found = of(made.bundle())
        assert found.outcome is Outcome.HOLDS, found.findings


def _training(made: Lab) -> Lab:
    other = made.copy()
    other.site = site((TRAINING,))
    return other
