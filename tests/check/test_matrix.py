"""Party by term: what the table of a joint verdict shows, and how wide it gets."""

from typing import Any

import pytest

from attest.report.matrix import MOST_PARTIES, WIDTH, matrix
from attest.report.style import PLAIN, Style
from attest.report.verdict import as_text
from attest.verdict import as_data
from tests.check.three import ACME, BOREALIS, CAP, CASTOR, told
from tests.check.three import pact as agreed
from tests.check.world import COVERAGE, END, START, judge, replace

CODES = {"holds": 0, "breached": 3, "unproven": 4, "invalid": 5}


def party(name: str, outcome: str, *terms: tuple[str, str, str], codes: tuple[str, ...] = ()) -> dict[str, Any]:
    """A party's data, as far as a table needs it; terms are (phase, term, outcome)."""
    shown = [{"phase": phase, "term": term, "outcome": result} for phase, term, result in terms]
    findings = [{"code": code, "outcome": outcome} for code in codes]
    return {"iss": f"https://{name}", "name": name, "outcome": outcome, "terms": shown, "findings": findings}


def lines(*parties: dict[str, Any], style: Style = PLAIN, findings: tuple[str, ...] = ()) -> list[str]:
    outcome = max((p["outcome"] for p in parties), key=["holds", "unproven", "breached", "invalid"].index)
    decided = [p["iss"] for p in parties if p["outcome"] == outcome]
    about = [{"code": code, "outcome": outcome} for code in findings]
    return list(matrix({"parties": parties, "outcome": outcome, "decided_by": decided, "findings": about}, style))


THREE = (
    party("acme", "breached", ("stop", "cap", "breached"), ("stop", "coverage", "holds"), ("after", "cap", "holds")),
    party("borealis", "unproven", ("stop", "cap", "unproven"), ("stop", "coverage", "unproven")),
    party("castor", "invalid", ("stop", "coverage", "holds"), ("after", "cap", "holds"), codes=("log/fork",)),
)


def test_a_table_a_phase_with_a_dash_where_a_term_does_not_bind() -> None:
    assert lines(*THREE) == [
        "  stop        cap         coverage",
        "    acme      ✘ breached  ✔ holds",
        "    borealis  ? unproven  ? unproven",
        "    castor    -           ✔ holds",
        "  after       cap",
        "    acme      ✔ holds",
        "    borealis  -",
        "    castor    ✔ holds",
        "  decided by      castor: log/fork",
    ]


def test_marks_stand_beside_words_and_are_ascii_where_they_must() -> None:
    plain = lines(*THREE, style=Style(ascii=True))
    assert plain[1] == "    acme      x breached  + holds"
    assert "".join(plain).isascii()
    coloured = lines(*THREE, style=Style(colour=True))
    assert coloured[1] == "    acme      \x1b[1;31m✘ breached\x1b[0m  \x1b[1;32m✔ holds\x1b[0m"


@pytest.mark.parametrize("style", [PLAIN, Style(ascii=True)])
@pytest.mark.parametrize(
    ("count", "name"), [(1, "t"), (40, "cap"), (12, "a cap on training, evaluation and all the rest")]
)
def test_no_line_is_wider_than_a_line_and_no_term_is_left_out(count: int, name: str, style: Style) -> None:
    long = "The Borealis Institute for Very Large Machines"
    terms = [("the phase of the long name", f"{number} {name}", "unproven") for number in range(count)]
    shown = lines(party(long, "unproven", *terms), party("castor", "holds", *terms), style=style)
    table = shown[:-1]
    assert max(map(len, shown)) <= WIDTH
    assert sum(line.count("unproven") for line in table) == 2 * count
    assert all(any(f" {number} " in line for line in table) for number in range(count))


def test_of_very_many_parties_the_worst_are_shown() -> None:
    many = [party(f"p{number}", "holds", ("stop", "cap", "holds")) for number in range(100)]
    shown = lines(*many, party("cheat", "breached", ("stop", "cap", "breached")))
    assert len(shown) == 1 + MOST_PARTIES + 2
    assert any(line.startswith("    cheat ") for line in shown)
    assert "  and 61 more parties: --format json has them all" in shown


def test_reasons_are_few_and_findings_about_no_party_are_named() -> None:
    terms = [("stop", f"a cap on run {number}", "unproven") for number in range(9)]
    shown = lines(party("acme", "unproven", *terms), party("b", "holds"), findings=("head/unknown-origin",))
    assert shown[-2:] == [
        "  decided by      acme: a cap on run 0, a cap on run 1, a cap on run 2, a cap on run 3 and 5 more",
        "  decided by      no party: head/unknown-origin",
    ]
    assert lines(party("acme", "holds"), party("b", "holds")) == ["  decided by      every party"]


def test_the_text_of_a_joint_verdict_has_the_table_and_that_of_one_party_has_none() -> None:
    verdict = judge([told(ACME), told(CASTOR)], agreed(CAP, COVERAGE))
    text = as_text(as_data(verdict)).splitlines()
    assert text[:6] == [
        "? UNPROVEN  A pause · 3 parties",
        "  pause       compute-cap  coverage",
        "    acme      ✔ holds      ✔ holds",
        "    borealis  ? unproven   ? unproven",
        "    castor    ✔ holds      ✔ holds",
        "  decided by      borealis: compute-cap, coverage",
    ]
    alone = as_text(as_data(judge(told(ACME), agreed(CAP, parties=(ACME,)))))
    assert "decided by" not in alone
    assert BOREALIS.name not in alone


def test_before_any_phase_there_is_no_table() -> None:
    early = judge([told(ACME)], replace(agreed(CAP)), at=START - 1)
    text = as_text(as_data(early))
    assert "decided by      acme: agreement/nothing-judged" in text
    assert early.at < END
