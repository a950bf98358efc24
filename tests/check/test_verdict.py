"""Verdicts as data: they fit their schema, are the same bytes for the same input, and every report shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from attest.report.verdict import as_json, as_lines, as_text
from attest.simulate.memory import MemoryBundle
from attest.verdict import Outcome, Verdict, as_data, utc, worst
from tests.check.world import END, START, TRAINING, honest, judge, lab, under

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "verdict.schema.json").read_text())
POWER = {"kind": "power-cap", "limit": "1 MWh", "assurance": "L4", "feed": "dc1-n0000", "sites": ["acme-dc1"]}
OFF = {"kind": "power-off", "assurance": "L4"}
ROLLING = {"kind": "compute-cap", "limit": "1e22 FLOP", "window": "6 h", "assurance": "L4"}
FRESH = {"kind": "freshness", "max_age": "6 h"}


def altered() -> MemoryBundle:
    bundle = honest().bundle()
    bundle.flip(next(path for path in bundle.files if path.startswith("tile/entries")), 99)
    return bundle


def silent() -> MemoryBundle:
    made = lab()
    made.run(until=(START + END) // 2)
    return made.bundle()


VERDICTS: dict[str, Callable[[], Verdict]] = {
    "holds": lambda: judge(honest().bundle()),
    "breached": lambda: judge(honest((TRAINING,)).bundle()),
    "unproven": lambda: judge(silent()),
    "invalid": lambda: judge(altered()),
    "unpinned": lambda: judge(honest().bundle(), trust=None),
    "nothing": lambda: judge([]),
    "every term": lambda: judge(honest().bundle(), under(POWER, OFF, ROLLING, FRESH)),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_fits_its_schema(name: str) -> None:
    data = json.loads(as_json(as_data(VERDICTS[name]())))
    Draft202012Validator(SCHEMA).validate(data)


@pytest.mark.parametrize("name", VERDICTS)
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    assert as_json(as_data(VERDICTS[name]())) == as_json(as_data(VERDICTS[name]()))


@pytest.mark.parametrize("name", VERDICTS)
def test_text_and_lines_say_the_outcome_and_every_code(name: str) -> None:
    verdict = VERDICTS[name]()
    data = as_data(verdict)
    assert str(verdict.outcome).upper() in as_text(data)
    lines = as_lines(data)
    assert lines.startswith(f"outcome/{verdict.outcome}\t")
    assert all(line.count("\t") == 2 for line in lines.splitlines())
    for party in verdict.parties:
        for finding in (*party.findings, *(f for term in party.terms for f in term.findings)):
            assert f"{finding.code}\t" in lines


def test_outcomes_are_no_truth_values() -> None:
    with pytest.raises(TypeError):
        bool(Outcome.HOLDS)
    with pytest.raises(TypeError):
        bool(VERDICTS["holds"]())


def test_the_worst_of_nothing_is_unproven() -> None:
    assert worst([]) is Outcome.UNPROVEN


def test_a_rolling_window_rounds_outwards() -> None:
    """Of 90 minutes one whole bucket of an hour counts for low, and three that it can touch for high."""
    bundle = honest((TRAINING,)).bundle()
    rolled = {"kind": "compute-cap", "limit": "1e24 FLOP", "assurance": "L1"}
    bounds = {}
    for window in ("60 min", "90 min", "2 h", "3 h"):
        (term,) = judge(bundle, under({**rolled, "window": window})).parties[0].terms
        bounds[window] = (term.low, term.high)
    assert bounds["90 min"][0] == bounds["60 min"][0]
    assert bounds["90 min"][1] == bounds["2 h"][1]
    low, high = bounds["2 h"]
    assert low is not None and high is not None
    assert bounds["60 min"][0] is not None and low > bounds["60 min"][0]
    assert bounds["3 h"][1] is not None and high < bounds["3 h"][1]


def test_a_time_beyond_the_calendar_is_shown_and_no_crash() -> None:
    assert utc(1 << 62) == "9999-12-31T23:59:59Z"
    assert utc(-(1 << 62)) == "0001-01-01T00:00:00Z"
    assert utc(-1) == "1969-12-31T23:59:59Z"
