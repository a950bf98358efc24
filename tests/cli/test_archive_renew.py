"""`attest archive renew` and `evidence` as an archivist types them, with an authority that answers over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from attest.archive.policy import default_policy
from attest.cli import archive_acts, archive_renew
from tests.archive.authority import DAY, Authority, Operator, at, authority_table
from tests.archive.tsa_server import Server, served
from tests.cli.sandbox import run

NOW = at(2026, 11, 20)


@pytest.fixture
def authority() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def office(here: Path, monkeypatch: pytest.MonkeyPatch, authority: Server, capsys: pytest.CaptureFixture[str]) -> str:
    """An archive with one delivery in 2026, a policy that believes the authority, and the delivery's id."""
    for module in (archive_acts, archive_renew):
        monkeypatch.setattr(module, "now", lambda: NOW)
    operator = Operator(Authority("North", at(2020), at(2050), url=authority.url), at(2026), at(2033))
    (here / "policy.toml").write_bytes(default_policy() + authority_table(operator.authority).encode())
    authority.stamping(operator, NOW)
    assert run("archive init office") == 0
    assert run("archive put office log --agreement pact.agreement --at 2026-11-20") == 5
    capsys.readouterr()
    assert run("archive list office --format json") == 0
    return str(json.loads(capsys.readouterr().out)[0]["id"])


def test_what_is_stamped_is_shown_for_as_long_as_the_stamp_lasts(
    office: str, authority: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = f"archive evidence office {office} --policy policy.toml"
    assert run(evidence) == 4
    assert "renewal/omitted" in capsys.readouterr().out
    assert run(f"archive renew office --policy policy.toml --tsa {authority.url}/tsr") == 0
    assert capsys.readouterr().out.startswith("sha512  ")
    assert run(evidence) == 0
    shown = capsys.readouterr().out
    assert "since      2026-11-20T00:00:00Z, by North" in shown and "until      2033-01-01T" in shown
    assert run(f"{evidence} --at 2034-01-01") == 4
    assert "renewal/lapsed" in capsys.readouterr().out
    assert run(f"archive renew office --policy policy.toml --tsa {authority.url}/tsr") == 0
    assert "4 new, 0 timestamps renewed" in capsys.readouterr().out  # who looked, and the stamping itself
    assert run(f"archive renew office --policy policy.toml --tsa {authority.url}/tsr") == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "nothing is new" in captured.err


def test_an_authority_that_does_not_answer_stamps_nothing(
    office: str, authority: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"archive renew office --policy policy.toml --tsa {authority.url}/nothing") == 6
    assert "stamp/quorum" in capsys.readouterr().err
    assert run("archive custody office --format json") == 0
    last = json.loads(capsys.readouterr().out)[-2]  # and who asks for it now
    assert (last["action"], last["details"]["code"]) == ("refused", "stamp/quorum")


def test_a_hash_that_ends_within_the_time_is_refused(office: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("policy.toml").read_text().replace('"sha512"\n', '"sha512"\nweak_from = 2027-01-01T00:00:00Z\n', 1)
    Path("policy.toml").write_text(text)
    assert run(f"archive renew office --policy policy.toml --tsa http://127.0.0.1:1/ --within {DAY}") == 6
    assert "renewal/hash" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["", "--policy policy.toml", "--tsa http://127.0.0.1:1/"])
def test_a_policy_and_an_authority_are_both_needed(office: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"archive renew office {words}") == 2
    assert "--policy FILE and at least one --tsa URL" in capsys.readouterr().err
