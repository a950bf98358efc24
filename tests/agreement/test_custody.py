"""Agreements about custody: what they may do without a witness, what `show` prints and what `lint` finds."""

from dataclasses import replace

import pytest

from attest.agreement import Custody, parse_agreement, verify_agreement
from attest.agreement.lint import lines, lint, tables
from attest.agreement.lint.hole import Hole
from attest.agreement.words import lines as words
from attest.errors import AgreementError
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.pact import Pact, Phase, Table
from tests.check.keeping import FOUR, KEEPER, SILENCE, keeping
from tests.check.world import DAY, END, START

CHAIN: Table = {"kind": "custody"}
FRESH: Table = {"kind": "freshness", "max_age": "1 d"}
MONTH = keeping({"kind": "custody", "max_silence": "1 d"}, end=START + 30 * DAY)
BARE = {"lint/no-cap", "lint/no-coverage", "lint/no-inventory", "lint/no-pin"}


def refused(pact: Pact) -> AgreementError:
    with pytest.raises(AgreementError) as caught:
        parse_agreement(pact.text())
    return caught.value


def holes(pact: Pact) -> dict[str, Hole]:
    return {hole.code: hole for hole in lint(parse_agreement(pact.text()))}


def test_a_term_of_custody_is_read() -> None:
    (term,) = parse_agreement(keeping().text()).phases[0].terms
    assert term == Custody(name="custody", parties=(KEEPER.iss,), sites=("keeper-custody",), max_silence_s=7_200)
    (term,) = parse_agreement(keeping(CHAIN, witnesses=FOUR).text()).phases[0].terms
    assert isinstance(term, Custody) and term.max_silence_s is None
    assert refused(keeping({"kind": "custody", "max_silence": "0 s"})).code == "quantity/range"
    assert refused(keeping({"kind": "custody", "longest": "1 d"})).code == "toml/unknown-key"


@pytest.mark.parametrize("term", [CHAIN, FRESH, {"kind": "coverage", "share": "99 %"}], ids=lambda t: str(t["kind"]))
def test_without_a_witness_nothing_else_may_be_asked_for(term: Table) -> None:
    """Not even custody that does not say how often something must be entered."""
    for terms in ((term,), (SILENCE, {**term, "name": "second"})):
        error = refused(keeping(*terms))
        assert (error.code, error.key) == ("agreement/no-witness", "witnesses.policy")
        assert "custody asks for" in error.detail and "max_silence" in error.hint
    parse_agreement(keeping(term, witnesses=FOUR).text())


def test_witnesses_that_are_named_are_required() -> None:
    text = keeping(witnesses=FOUR).text().replace(b"quorum enough", b"quorum none")
    with pytest.raises(AgreementError, match="agreement/no-witness: witnesses are named and none is required"):
        parse_agreement(text)


def test_no_colluders_are_tolerated_where_there_is_no_witness() -> None:
    assert refused(replace(keeping(), tolerates=1)).key == "witnesses.tolerates"


def test_it_is_shown_in_sentences() -> None:
    shown = list(words(verify_agreement(MONTH.signed())))
    assert "  witnesses  none: when a log was written, and that it has one history, is its own word" in shown
    assert (
        "  custody: the office's custody statements are one unbroken chain, with 1 d at most between one and the next"
        in shown
    )
    assert not any("collude" in line for line in shown)
    assert "  custody: the office's custody statements are one unbroken chain" in words(
        verify_agreement(keeping(CHAIN, witnesses=FOUR).signed())
    )


def test_an_archive_is_asked_for_no_caps() -> None:
    assert holes(keeping(SILENCE, FRESH, witnesses=FOUR, end=START + 30 * DAY)) == {}
    assert tables(parse_agreement(MONTH.text())) == []
    assert set(holes(MONTH)) == {"lint/no-witness"}
    assert "no witness is asked for" in next(lines(parse_agreement(MONTH.text())))


def test_a_site_with_accelerators_is() -> None:
    """Where the parties were told of accelerators, or anything else is asked for, custody is no cap."""
    pact = keeping(SILENCE, witnesses=FOUR, end=START + 30 * DAY)
    assert set(holes(replace(pact, devices=8))) == BARE - {"lint/no-inventory"}
    assert set(holes(keeping(SILENCE, {"kind": "gap", "longest": "1 h"}, witnesses=FOUR, end=START + 30 * DAY))) == BARE
    lab = Identity("acme")
    both = replace(pact, parties=(lab, KEEPER), phases=(Phase("custody", START, START + 30 * DAY, (SILENCE,)),))
    assert holes(both) == {}
    apart: tuple[Table, ...] = ({**SILENCE, "sites": ["keeper-custody"]}, {**FRESH, "parties": [lab.iss]})
    of_one = replace(both, phases=(Phase("custody", START, START + 30 * DAY, apart),))
    assert set(holes(of_one)) == BARE
    assert all("keeper" not in hole.text for hole in holes(of_one).values())


def test_a_silence_as_long_as_the_phase_is_a_hole() -> None:
    long = keeping({"kind": "custody", "max_silence": "1 d"}, end=END, grace="1 h")
    assert set(holes(long)) == {"lint/no-witness", "lint/silence-long"}
    assert set(holes(keeping(grace="2 d"))) == {"lint/no-witness", "lint/grace-long"}


def test_a_lag_of_seconds_is_enough_where_no_head_is_cosigned() -> None:
    short = replace(MONTH, max_lag="1 s")
    assert "lint/lag-short" not in holes(short)
    witnessed = replace(short, witnesses=Witnesses(), tolerates=1)
    assert "lint/lag-short" in holes(witnessed)
