"""The worked examples of the pages: made anew they are the same, and they are what the pages say they are."""

import re
from pathlib import Path

import pytest

from attest.format.bodies import UsageBody
from attest.format.cbor import encode
from attest.format.cose import verify_sign1
from attest.format.event import format_event
from attest.format.roster import parse_roster
from attest.format.statement import parse_statement
from attest.log.merkle import leaf_hash
from attest.trust.keys import parse_key
from attest.verdict import Outcome
from tests.schemas.example import END, HOST, START, World, exemption, trigger_document, world
from tests.schemas.notation import parse
from tests.schemas.regenerate import EXAMPLES, named, pages, regenerated


def shown(example: str) -> str:
    """An example as its page shows it."""
    for page in pages():
        found = re.search(rf"<!-- example: {example} -->\n```\n(.*?)\n```\n", page.read_text("utf-8"), re.DOTALL)
        if found:
            return found[1]
    raise AssertionError(f"no page shows {example}")


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.stem)
def test_a_page_regenerates_byte_for_byte(page: Path) -> None:
    text = page.read_text("utf-8")
    assert regenerated(text) == text, "run: python -m tests.schemas.regenerate"


def test_every_example_is_on_a_page_once() -> None:
    found = [name for page in pages() for name in named(page.read_text("utf-8"))]
    assert sorted(found) == sorted(EXAMPLES)


def test_pages_open_with_an_example() -> None:
    for page in pages():
        before = page.read_text("utf-8").partition("<!-- example")[0]
        assert len(before.splitlines()) < 12, page.name


@pytest.mark.parametrize(
    "example", ["exemption-act", "genesis-document", "roster", "trigger-document", "usage", "void-act"]
)
def test_the_notation_is_complete(example: str) -> None:
    assert encode(parse(shown(example))) == DATA[example](world())


DATA = {
    "usage": lambda w: w.entries[4],
    "roster": lambda w: w.roster,
    "trigger-document": lambda w: trigger_document(),
    "exemption-act": lambda w: format_event(exemption()),
    "genesis-document": lambda w: parse_statement(w.entries[0]).statement.body.document,
    "void-act": lambda w: encode({1: 2, 2: w.log, 3: 1, 4: [[4, leaf_hash(w.entries[4])]]}),
}


def test_the_hexadecimal_text_is_the_statement_and_verifies_under_the_key_on_the_page() -> None:
    entry = bytes.fromhex(shown("usage-bytes").replace("\n", ""))
    signed = parse_statement(entry)
    assert signed.header.sub == HOST
    assert (signed.statement.start, signed.statement.end) == (START, END)
    key = parse_key(next(line.split()[1] for line in shown("keys").splitlines() if line.startswith("host")))
    assert key.thumbprint == signed.header.kid
    verify_sign1(signed.sign1, key)


def test_the_roster_in_bytes() -> None:
    body = bytes.fromhex(shown("roster-bytes").replace("\n", ""))
    assert parse_roster(body).count() == 2


def test_the_block_shows_all_its_bytes() -> None:
    shown_bytes = bytes.fromhex("".join(line[6:].split()[0] for line in shown("usage-block").splitlines()))
    assert shown_bytes == world().blocks[4]


def test_what_the_pages_say_of_the_verdict() -> None:
    made: World = world()
    verdict = made.verdict()
    assert verdict.outcome is Outcome.UNPROVEN
    counters, meter, coverage, witnessing = verdict.parties[0].terms
    assert [t.outcome for t in (counters, coverage, witnessing)] == [Outcome.HOLDS] * 3
    assert meter.outcome is Outcome.UNPROVEN
    assert meter.tightest == 2 * 3_600 * 2_141 * 10**12  # presence
    body = parse_statement(made.entries[4]).statement.body
    assert isinstance(body, UsageBody)


def test_the_table_of_the_page_of_bounds() -> None:
    """Sampled without a run, training, gap and low, worked by hand from the columns of block.md."""
    term = world().verdict().parties[0].terms[0]
    flop = 10**6
    vector = 134_000_000  # MFLOP/s
    idle = 4_800 * vector  # no cycles; the vector units may be busy all of the time
    cycles = 594_000 + 612_000 + 603_000
    training = -(-cycles * 1_081_344 * 105 // 100) + 1_800 * vector
    gap = (54_000_000 * 105 // 100 + 2 * 70_000) * 5_650  # a resolution at each end of the gap
    assert dict(term.parts) == {"sampled": (idle + training) * flop, "gaps": gap * flop, "silent": 0}
    assert term.high == (idle + training + gap) * flop
    assert f"{idle * flop:.2e} {training * flop:.2e} {gap * flop:.2e} {term.high:.2e}" == (
        "6.43e+17 2.30e+18 3.21e+17 3.26e+18"
    )
    assert term.low == cycles * 540_655 * 100 // 107 * flop
