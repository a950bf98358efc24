"""Breaches that are taken back afterwards, by revoking keys or voiding statements: nobody is accused, nothing holds.

Every term about work says of each that it would be broken, in the same words, so that adjudicators can decide.
"""

from collections.abc import Callable

import pytest

from attest.format.statement import peek
from attest.format.vocabulary import Kind
from attest.simulate.lab import Lab
from attest.simulate.pact import Table
from attest.verdict import Finding, Outcome
from tests.attacks.vectors import findings
from tests.check.world import DAY, END, HOUR, LATER, TRAINING, judge, lab, under

RUN = TRAINING._replace(lineage=7)
BROKEN: dict[str, Table] = {
    "compute-cap": {"kind": "compute-cap", "limit": "1e18 FLOP", "assurance": "L1"},
    "run-cap": {"kind": "run-cap", "limit": "1e18 FLOP", "assurance": "L1"},
    "scale-cap": {"kind": "scale-cap", "devices": 8, "assurance": "L1"},
    "fabric": {"kind": "scale-cap", "devices": 16, "fabric": "1 MiB", "assurance": "L1"},
    "idle": {"kind": "idle", "power": "150 W", "assurance": "L1"},
    "power-off": {"kind": "power-off", "assurance": "L4"},
    "reporting": {"kind": "reporting"},
    "timeliness": {"kind": "timeliness", "share": "100 %", "max_lag": "1 min"},
}
KEPT: dict[str, Table] = {
    "compute-cap": {"kind": "compute-cap", "limit": "1e22 FLOP", "assurance": "L1"},
    "scale-cap": {"kind": "scale-cap", "devices": 16, "assurance": "L1"},
}
AT = END + 4 * DAY


def revoked(made: Lab) -> Lab:
    for host in made.hosts:
        made.revoke(host.signer, 5)
    return made


def voided(made: Lab) -> Lab:
    made.void([i for i, e in enumerate(made.entries) if peek(e.data).kind == Kind.USAGE])
    return made


def trained() -> Lab:
    """Both nodes trained as one run that nobody announced; witnesses see of it more than a day later."""
    made = lab((RUN,))
    made.delay_s = 30 * HOUR
    made.run()
    return made


def shown(made: Lab, term: Table) -> tuple[Outcome, list[Finding]]:
    """What comes of one term, when the log has gone on for days."""
    made.now = AT - HOUR
    for _ in range(2):
        made.witness()
        made.head()
    verdict = judge(made.bundle(), under(term), at=AT)
    return verdict.parties[0].terms[0].outcome, findings(verdict)


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_admitted_is_a_breach(kind: str) -> None:
    outcome, found = shown(trained(), BROKEN[kind])
    assert outcome is Outcome.BREACHED
    assert f"term/{BROKEN[kind]['kind']}" in {finding.code for finding in found}


@pytest.mark.parametrize("taken_back", [revoked, voided])
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_taken_back_is_disputed(kind: str, taken_back: Callable[[Lab], Lab]) -> None:
    outcome, found = shown(taken_back(trained()), BROKEN[kind])
    disputed = [finding for finding in found if finding.code == "breach/disputed"]
    assert outcome is Outcome.UNPROVEN
    assert f"term/{BROKEN[kind]['kind']}" not in {finding.code for finding in found}
    assert disputed and all(f.text.endswith("but only by what a revocation or a void disputes") for f in disputed)
    assert all(finding.outcome is Outcome.UNPROVEN and finding.scope is None for finding in disputed)


@pytest.mark.parametrize("kind", KEPT)
def test_what_would_break_nothing_is_not_disputed(kind: str) -> None:
    _, found = shown(revoked(trained()), KEPT[kind])
    assert "breach/disputed" not in {finding.code for finding in found}


@pytest.mark.parametrize("by", ["revocation", "void"])
def test_readings_of_the_labs_own_meter_that_are_taken_back_are_disputed(by: str) -> None:
    """A power-cap at L1, by a meter that the lab enrolled: broken, and then its readings are taken back."""
    cap: Table = {"kind": "power-cap", "limit": "1 W", "assurance": "L1"}
    made = lab((RUN,), meter="own")
    made.run()
    assert judge(made.bundle(), under(cap)).outcome is Outcome.BREACHED
    if by == "void":
        made.void([i for i, e in enumerate(made.entries) if peek(e.data).kind == Kind.METER])
    else:
        assert made.meter is not None
        made.revoke(made.meter.signer, 5)
    outcome, found = shown(made, cap)
    assert outcome is Outcome.UNPROVEN
    assert [f.code for f in found if f.code in ("breach/disputed", "term/power-cap")] == ["breach/disputed"]


def test_a_watch_of_the_meter_that_is_told_twice_is_not_used_twice() -> None:
    """A meter restored from a backup told a watch again, in other words, and the root holders voided that."""
    made = lab((RUN,), meter="own")
    made.run(until=END - made.window_s)
    meter = made.meter
    assert meter is not None
    again = made.metering(END)
    made.run()
    index = made.append(meter.sign(again), again.block)
    made.void([index])
    made.witness()
    made.head()
    cap: Table = {"kind": "power-cap", "limit": "1 W", "assurance": "L1"}
    found = judge(made.bundle(), under(cap), at=LATER).parties[0].terms[0]
    assert found.outcome is Outcome.BREACHED and found.high is not None
    kept = judge(made.bundle(), under({**cap, "limit": f"{found.high} mW"}), at=LATER)
    assert kept.parties[0].terms[0].outcome is Outcome.HOLDS
