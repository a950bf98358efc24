"""Templates: refused while a blank is left, and complete when the last one is filled."""

import re

import pytest

from attest.agreement import parse_agreement, verify_agreement
from attest.agreement.cases import CASES
from attest.agreement.lint import lint
from attest.agreement.signed import CONTENT_TYPE
from attest.agreement.template import template
from attest.check import check
from attest.errors import AgreementError, UnsupportedError
from attest.format.vocabulary import Label, Precision
from attest.sign.documents import sign_document
from attest.simulate.cast import Identity
from attest.simulate.lab import Lab
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, Verdict
from tests.agreement.templates import BLANK, filled

HOUR, DAY = 3_600, 86_400
START = 1_794_182_400  # 2026-11-09T00:00:00Z
BEGIN, END = START + 6 * HOUR, START + 3 * DAY + 6 * HOUR
PARTIES = (Identity("acme"), Identity("borealis"))
H100 = "NVIDIA H100 SXM5 80GB"
EVERY = pytest.mark.parametrize("case", list(CASES))
OFF = tuple(Event(Trouble.DOWN, node, START, END + 6 * HOUR) for node in (0, 1))
SERVING = (Job("chat", Label.INFERENCE, Precision.BF16, (0, 1), BEGIN, END, effort_ppm=300_000),)
TRAINING = (Job("run", Label.TRAINING, Precision.BF16, (0, 1), BEGIN, END, lineage=7),)


def text(case: str, devices: int = 16, model: str = H100) -> str:
    return filled(template(case, devices, model), PARTIES, BEGIN, END)


def verdict(case: str, jobs: tuple[Job, ...] = (), events: tuple[Event, ...] = ()) -> Verdict:
    """Of two labs that lived so, told all, and agreed to the filled template."""
    signers = [key for party in PARTIES for key in party.holder_keys()]
    signed = verify_agreement(sign_document(text(case).encode(), CONTENT_TYPE, signers))
    bundles = []
    for party in PARTIES:
        made = Lab(party, Site(Plan(f"template {party.name}", 2, START, END + 6 * HOUR, jobs, events)))
        made.run()
        bundles.append(made.bundle())
    pins = parse_trust(f'[agreement]\nsha256 = "{signed.agreement.digest.hex()}"\n'.encode())
    return check(bundles, signed, pins, at=END + 8 * HOUR)


@EVERY
def test_a_template_is_refused_until_its_last_blank_is_filled(case: str) -> None:
    """Blank by blank, in their order: each time the next one is named, with its number, its line and its key."""
    left, whole = template(case, 16, H100), text(case)
    blanks = BLANK.findall(left)
    for number, what in enumerate(blanks, 1):
        with pytest.raises(AgreementError) as caught:
            parse_agreement(left.encode())
        error = caught.value
        assert error.code == "agreement/blank"
        assert error.detail.startswith(f"blank {number} is not filled")
        assert error.detail.endswith(f": {what}")
        assert f"<fill {number}: " in left.splitlines()[error.line - 1]
        assert error.key
        left = "\n".join(
            line if f"<fill {number}: " not in line else whole.splitlines()[at]
            for at, line in enumerate(left.splitlines())
        )
    assert parse_agreement(left.encode()).name == "A test"


@EVERY
@pytest.mark.parametrize(
    ("devices", "model"),
    [
        (1, H100),
        (1_000, H100),
        (16_384, H100),
        (100_000, "NVIDIA B200 SXM"),
        (5_000, "NVIDIA A100 SXM 80GB"),
        (64, "L4"),
    ],
)
def test_a_filled_template_has_no_hole(case: str, devices: int, model: str) -> None:
    assert lint(parse_agreement(text(case, devices, model).encode())) == []


@EVERY
def test_a_template_reads_like_one(case: str) -> None:
    shown = template(case, 16_384, H100)
    assert shown.startswith(f"# {CASES[case].title}: ")
    assert max(map(len, shown.splitlines())) <= 120
    assert [int(n) for n in re.findall(r"<fill (\d+): ", shown)] == list(range(1, len(BLANK.findall(shown)) + 1))
    for command in ("key new", "agreement lint", "agreement sign", "agreement show", "check"):
        assert f"attest {command}" in shown


def test_figures_follow_the_size_of_the_site() -> None:
    def limits(devices: int) -> list[str]:
        return re.findall(r'limit = "([^"]*)"', template("full-stop", devices, H100))

    assert limits(1_000) == ["9.6e19 FLOP"]
    assert limits(100_000) == ["9.6e21 FLOP"]


def test_a_model_without_figures_has_no_template() -> None:
    with pytest.raises(UnsupportedError, match="model/unknown"):
        template("full-stop", 8, "Abacus")
    with pytest.raises(AgreementError, match="pin/no-default"):
        template("full-stop", 8, "Google TPU v4")


@pytest.mark.parametrize(
    ("case", "jobs", "events"),
    [
        ("full-stop", (), OFF),
        ("idle-stop", (), ()),
        ("inference-only", SERVING, ()),
        ("slowdown", SERVING, ()),
        ("run-cap", SERVING, ()),
    ],
)
def test_labs_that_keep_it_are_shown_to(case: str, jobs: tuple[Job, ...], events: tuple[Event, ...]) -> None:
    found = verdict(case, jobs, events)
    assert [(t.term, t.outcome) for p in found.parties for t in p.terms if t.outcome is not Outcome.HOLDS] == []
    assert found.outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("case", "jobs", "code"),
    [
        ("full-stop", (), "term/power-off"),
        ("idle-stop", TRAINING, "term/idle"),
        ("inference-only", TRAINING, "term/compute-cap"),
        ("run-cap", TRAINING, "term/run-cap"),
    ],
)
def test_labs_that_do_not_are_not(case: str, jobs: tuple[Job, ...], code: str) -> None:
    found = verdict(case, jobs)
    assert found.outcome is Outcome.BREACHED
    assert code in {f.code for p in found.parties for t in p.terms for f in t.findings}
