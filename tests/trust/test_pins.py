"""What a trust file pins, and what in one is an error."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.agreement import Agreement, parse_agreement
from attest.errors import AgreementError
from attest.sign.seeded import seeded_key
from attest.trust.keys import format_key
from attest.trust.pins import Trust, parse_trust

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
ACME, BOREALIS = "https://acme.example", "https://borealis.example"


def block(page: str) -> str:
    found = re.search(r"```toml\n(.*?)```", (SCHEMAS / page).read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


AGREEMENT = block("agreement.md")
TRUST = block("trust.md")
DIGEST, HOLDERS = TRUST.split("\n[[party]]", 1)
HOLDERS, HEAD = ("[[party]]" + HOLDERS).split("[[head]]")
HEAD = "[[head]]" + HEAD
ADA = format_key(seeded_key("ada").public_key())


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    return parse_agreement(AGREEMENT.encode())


def trust(text: str) -> Trust:
    return parse_trust(text.encode())


def test_the_pages_example(agreement: Agreement) -> None:
    found = trust(TRUST)
    assert found.agreement == agreement.digest
    assert found.pinned(agreement) == {ACME, BOREALIS}
    assert list(found.parties) == [ACME]
    assert (found.heads[0].origin, found.heads[0].size, len(found.heads[0].root)) == ("acme.example/dc1", 8_117_442, 32)


def test_a_digest_pins_every_party_of_its_agreement_alone(agreement: Agreement) -> None:
    found = trust(DIGEST)
    assert found.pinned(agreement) == {ACME, BOREALIS}
    other = parse_agreement(AGREEMENT.encode() + b"\n")
    assert found.pinned(other) == frozenset()
    assert set(found.objections(other)) == {ACME, BOREALIS}
    assert other.digest.hex() in found.objections(other)[ACME]


def test_a_digest_is_not_overruled_by_holders() -> None:
    assert trust(TRUST).pinned(parse_agreement(AGREEMENT.encode() + b"\n")) == frozenset()


def test_holders_pin_their_party_in_any_agreement(agreement: Agreement) -> None:
    found = trust(HOLDERS)
    assert found.pinned(agreement) == {ACME}
    assert found.pinned(parse_agreement(AGREEMENT.encode() + b"\n")) == {ACME}
    assert found.objections(agreement) == {BOREALIS: "the trust file does not have this party"}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("threshold = 2", "threshold = 3", "threshold of 2 is lower"),
        (ADA, format_key(seeded_key("mallory").public_key()), "root holders"),
        ("Ada, chief", "Mallory, chief", "root holders"),
        (f'"{ADA}"', f'"{ADA}", "{format_key(seeded_key("mallory").public_key())}"', "root holders"),
    ],
)
def test_other_holders_pin_nothing(agreement: Agreement, old: str, new: str, why: str) -> None:
    found = trust(HOLDERS.replace(old, new))
    assert found.pinned(agreement) == frozenset()
    assert why in found.objections(agreement)[ACME]


def test_one_holder_less_pins_nothing(agreement: Agreement) -> None:
    cut = HOLDERS[: HOLDERS.rindex("[[party.holder]]")]
    assert trust(cut).pinned(agreement) == frozenset()


def test_a_higher_threshold_in_the_agreement_is_pinned(agreement: Agreement) -> None:
    assert trust(HOLDERS.replace("threshold = 2", "threshold = 1")).pinned(agreement) == {ACME}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "trust/nothing-pinned", 0),
        ("# trust me\n", "trust/nothing-pinned", 0),
        (HEAD, "trust/nothing-pinned", 0),
        ("[agreement]\n", "toml/missing-key", 1),
        ("party = []\n", "toml/empty", 1),
        ('[agreement]\nsha256 = "9f2c"\n', "toml/type", 2),
        (DIGEST.replace("sha256", "sha265"), "toml/unknown-key", 2),
        (DIGEST + "\n[heads]\n", "toml/unknown-key", 4),
        (HOLDERS.replace("threshold = 2", "threshold = 4"), "holders/threshold", 3),
        (HOLDERS.replace("threshold = 2\n", ""), "toml/missing-key", 1),
        (HOLDERS.replace("iss =", "name ="), "toml/unknown-key", 2),
        (HOLDERS.replace("Bob, head of infrastructure", "Ada, chief executive"), "toml/duplicate", 10),
        (HOLDERS + HOLDERS, "key/reused", 23),
        (DIGEST + HEAD + HEAD, "toml/duplicate", 8),
        (DIGEST + HEAD.replace("8117442", "0"), "toml/range", 5),
        (DIGEST + HEAD.replace("8117442", "-1"), "toml/range", 5),
        (DIGEST + HEAD.replace("9f2c", "9F2C"), "toml/type", 6),
    ],
)
def test_what_is_wrong_in_a_trust_file_is_named_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(AgreementError) as raised:
        trust(text)
    assert (raised.value.code, raised.value.line) == (code, line)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_a_trust_file_or_an_error(text: str | bytes) -> None:
    with pytest.raises(AgreementError):
        parse_trust(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
