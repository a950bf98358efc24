"""The terms slowdown and ramp: caps made of a baseline, and caps that lead down (schemas/agreement.md, "Terms")."""

from datetime import UTC, datetime

import pytest

from attest.verdict import Outcome, TermResult
from tests.check.world import DAY, END, HOUR, START, TRAINING, honest, judge, site, under

HALF = START + DAY // 2
EARLY = TRAINING._replace(start=START, end=HALF)
LATE = TRAINING._replace(start=HALF, end=END)


def of(term: dict[str, object], *jobs: object, at: int = END + HOUR) -> TermResult:
    """The result of the one term of an agreement, for a lab that ran these jobs and told all."""
    verdict = judge(honest(tuple(jobs)).bundle(), under(term), at=at)  # type: ignore[arg-type]
    return verdict.parties[0].terms[0]


def ramp(first: str, second: str, **more: str) -> dict[str, object]:
    steps = [(START, first), (HALF, second)]
    step = [{"start": datetime.fromtimestamp(start, UTC), "limit": limit} for start, limit in steps]
    return {"kind": "ramp", "step": step, "assurance": "L1", **more}


def test_a_slowdown_is_a_share_of_a_number() -> None:
    found = of({"kind": "slowdown", "baseline": "1e17 FLOP/s", "share": "10 %", "assurance": "L1"}, TRAINING)
    truth = site((TRAINING,)).executed()
    assert found.limit == 864 * 10**18  # 1e16 FLOP/s for a day
    assert found.low is not None and found.high is not None
    assert found.low <= truth <= found.high
    assert found.outcome is Outcome.UNPROVEN


def test_a_slowdown_in_any_window_has_its_limit_by_the_window() -> None:
    term = {"kind": "slowdown", "baseline": "1e17 FLOP/s", "share": "10 %", "window": "2 h", "assurance": "L1"}
    assert of(term, TRAINING).limit == 72 * 10**18


@pytest.mark.parametrize(
    ("share", "outcome"), [("1 %", Outcome.BREACHED), ("100 %", Outcome.HOLDS), ("0 %", Outcome.BREACHED)]
)
def test_a_slowdown_is_judged_like_a_cap(share: str, outcome: Outcome) -> None:
    found = of({"kind": "slowdown", "baseline": "1e17 FLOP/s", "share": share, "assurance": "L1"}, TRAINING)
    assert found.outcome is outcome
    assert {f.code for f in found.findings} == ({"term/slowdown"} if outcome is Outcome.BREACHED else set())


def test_each_step_of_a_ramp_is_a_cap_of_its_own() -> None:
    assert of(ramp("2e21 FLOP", "2e20 FLOP"), EARLY).outcome is Outcome.HOLDS
    found = of(ramp("2e21 FLOP", "2e20 FLOP"), LATE)
    assert (found.outcome, [f.code for f in found.findings]) == (Outcome.BREACHED, ["term/ramp"])
    assert found.limit == 2 * 10**20
    assert found.text.endswith("from 2026-11-09T12:00:00Z")


def test_what_one_step_leaves_is_not_carried_over() -> None:
    truth = site((LATE,)).executed()
    assert truth < 2 * 10**21  # both steps together would allow it
    assert of(ramp("1e21 FLOP", "1e20 FLOP"), LATE).outcome is Outcome.BREACHED


def test_the_most_serious_step_is_the_ramps() -> None:
    found = of(ramp("1e20 FLOP", "1e20 FLOP"), EARLY)
    assert (found.outcome, found.limit) == (Outcome.BREACHED, 10**20)
    assert found.text.endswith("from 2026-11-09T00:00:00Z")
    both = of(ramp("1e20 FLOP", "1e20 FLOP"), TRAINING)
    assert [f.code for f in both.findings] == ["term/ramp", "term/ramp"]
    assert both.text.endswith("from 2026-11-09T12:00:00Z")


def test_a_step_that_has_not_begun_is_not_judged() -> None:
    """Twelve hours of lag: at 18:00 the first six hours can be judged, and none of the second step."""
    found = of(ramp("2e21 FLOP", "0 FLOP"), TRAINING, at=START + 18 * HOUR)
    assert found.outcome is Outcome.HOLDS
    assert found.limit == 2 * 10**21


def test_a_ramp_by_label_counts_what_is_labelled_so() -> None:
    found = of(ramp("0 FLOP", "0 FLOP", label="inference"), TRAINING)
    assert (found.outcome, found.low, found.high) == (Outcome.HOLDS, 0, 0)  # a label is the lab's word, which is L1
    strict = of({**ramp("0 FLOP", "0 FLOP", label="inference"), "assurance": "L4"}, TRAINING)
    assert (strict.outcome, strict.low) == (Outcome.UNPROVEN, 0)
