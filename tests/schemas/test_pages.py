"""What the pages of `schemas/` say against what the code has: every code, every constant, every page that is named."""

import re
from pathlib import Path

import pytest

from tests.project.test_codes import NOT_CODES, PACKAGE, literals
from tests.schemas.validate import SCHEMAS

PAGES = {path.name: path.read_text("utf-8") for path in SCHEMAS.glob("*.md")}

# The pages that a module's codes stand on.
ON = {
    "statement.md": (
        "format/bodies.py", "format/custody.py", "format/key_acts.py", "format/cbor.py", "format/cose.py",
        "format/fields.py", "format/statement.py", "evidence/meter.py", "compute/columns.py", "usage.py",
    ),
    "block.md": ("format/block.py", "packs.py"),
    "events.md": ("acts.py", "amendments.py", "schedule.py", "format/event.py"),
    "act.md": ("format/act.py", "trust/holders.py"),
    "roster.md": ("format/roster.py",),
    "keys.md": ("control.py", "trust/keys.py"),
    "log.md": (
        "format/checkpoint.py", "format/note.py", "log/checkpoint.py", "log/merkle.py", "log/tiles.py", "scan.py",
        "trust/notes.py", "trust/quorum.py",
    ),
    "verification.md": (
        "account.py", "caps.py", "channels.py", "check.py", "compute_cap.py", "declared.py", "duties.py",
        "evaluate.py", "facts.py", "gather.py", "joint.py", "judge.py", "lights.py", "terms/custody.py", "verdict.py",
    ),
    "signed-verdict.md": ("trust/signed_verdict.py", "sign/verdicts.py"),
    "archive-evidence.md": (
        "archive/policy.py", "archive/renewal.py", "archive/renewal_records.py", "archive/renewal_tree.py",
        "archive/renewal_verify.py", "archive/stamp_algorithms.py", "archive/stamp_certificates.py",
        "archive/stamp_der.py", "archive/stamp_revocation.py", "archive/stamp_token.py", "archive/stamp_verify.py",
        "archive/stamps.py",
    ),
    "bounds.md": (
        "compute/accelerators.py", "compute/bounds.py", "compute/exact.py", "compute/off.py", "compute/pins.py",
        "compute/record.py", "compute/tree.py",
    ),
}  # fmt: skip
# A code of these modules stands on one of several pages.
ANYWHERE = ("replay.py", "gather.py", "metering.py")
# Told on the page of the module that raises it first, or by the page that the text names.
ELSEWHERE = {"meter/unknown-feed", "tile/entries", "block/absent"}


def said(page: str) -> set[str]:
    """The codes on a page."""
    return set(re.findall(r"`([a-z0-9-]+/[a-z0-9-]+)`", PAGES[page]))


EVERYWHERE = {code for page in PAGES for code in said(page)}


@pytest.mark.parametrize(("page", "module"), [(page, module) for page, modules in ON.items() for module in modules])
def test_every_code_of_a_module_is_on_its_page(page: str, module: str) -> None:
    path = PACKAGE / module
    if not path.exists():
        pytest.skip(f"attest/{module} is no module of this version")
    assert literals(path) - said(page) - ELSEWHERE - NOT_CODES == set()


@pytest.mark.parametrize("module", ANYWHERE)
def test_every_code_of_replay_is_on_some_page(module: str) -> None:
    assert literals(PACKAGE / module) - EVERYWHERE - ELSEWHERE == set()


@pytest.mark.parametrize("page", ON)
def test_every_code_on_a_page_is_in_the_book(page: str) -> None:
    from attest.report.explain import explanations

    known = set(explanations())
    assert said(page) - known - {"blocks/sha256", "tile/entries"} == set()


@pytest.mark.parametrize("page", PAGES)
def test_named_constants_have_the_values_that_the_page_gives(page: str) -> None:
    constants = {}
    for path in PACKAGE.rglob("*.py"):
        for name, value in re.findall(r"^(MAX_[A-Z_]+): Final = ([^#\n]+)", path.read_text("utf-8"), re.MULTILINE):
            if re.fullmatch(r"[\d_ <*()+-]+", value):
                constants.setdefault(name, set()).add(eval(value))
    units = {"MiB": 1 << 20, "": 1}
    for name, number, unit in re.findall(r"`(MAX_[A-Z_]+)`,? ([\d,]+(?:\^\d+)?)( MiB)?", PAGES[page]):
        base, _, power = number.replace(",", "").partition("^")
        assert int(base) ** int(power or 1) * units[unit.strip()] in constants[name], name


def test_pages_name_pages_that_exist() -> None:
    for page, text in PAGES.items():
        for name in re.findall(r"(?<![\w/.-])([a-z]+\.(?:md|cddl|schema\.json))", text):
            assert (SCHEMAS / name).exists(), f"{page} names {name}"
        for number in re.findall(r"decisions/(\d{4})", text):
            assert list((SCHEMAS / "decisions").glob(f"{number}-*.md")), f"{page} names decision {number}"


def test_the_code_names_pages_that_exist() -> None:
    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(r"schemas/([a-z]+\.(?:md|cddl|schema\.json))", path.read_text("utf-8")):
            assert (SCHEMAS / name).exists(), f"{path} names {name}"


DECISIONS = sorted((SCHEMAS / "decisions").glob("*.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_numbered_titled_and_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# {path.name[:4]} ")
    assert len(text.splitlines()) < 60


def test_decisions_are_numbered_without_holes() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
