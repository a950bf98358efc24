"""The book of codes is complete and says nothing of codes that do not exist."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from attest.agreement import Term
from attest.format import vocabulary
from attest.report.explain import Explanation, explanations
from attest.verdict import Outcome

PACKAGE = Path(__file__).resolve().parents[2] / "attest"
CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*/[a-z]+(?:-[a-z0-9]+)*")

# Strings that look like a code and are something else: media types and paths.
NOT_CODES = {
    "text/plain", "application/json", "application/octet-stream", "tile/entries", "blocks/sha256",
    "application/timestamp-query", "application/timestamp-reply", "application/pkix-crl", "application/x-pkcs7-crl",
    "application/ocsp-request", "application/ocsp-response", "data/manifest",
}  # fmt: skip


def literals(path: Path) -> set[str]:
    """Every string constant of a module that has the shape of a code, docstrings and f-strings aside."""
    tree = ast.parse(path.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in parts
        and CODE.fullmatch(node.value)
    }


def used() -> set[str]:
    """Codes in the source; `fields.member` makes one for each enumeration it is asked to look into."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= literals(path)
        names = re.findall(r"\bmember\((\w+),", path.read_text("utf-8"))
        found |= {f"unsupported/{name.lower()}" for name in names if hasattr(vocabulary, name)}
    found |= {f"outcome/{outcome}" for outcome in Outcome}  # of `--format lines`
    found |= {f"term/{kind}" for kind in (term.kind for term in get_args(Term))}
    return found - NOT_CODES


def test_no_code_is_put_together_at_run_time() -> None:
    made = re.compile(r"(?:(?<!Value)(?<!Type)(?<!Usage)Error|Fault|Finding|\bbad)\(\s*f[\"']")
    places = [str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if made.search(p.read_text("utf-8"))]
    assert places == ["format/fields.py"]  # `member`, read above


def test_every_code_in_the_source_is_explained() -> None:
    assert used() - explanations().keys() == set()


def test_every_explained_code_is_in_the_source() -> None:
    assert explanations().keys() - used() == set()


@pytest.mark.parametrize("entry", explanations().values(), ids=lambda e: e.code)
def test_an_explanation_has_three_sentences_of_its_own(entry: Explanation) -> None:
    for words in (entry.means, entry.matters, entry.do):
        assert words[0].isupper() or words[0] in "`[", words
        assert words.endswith("."), words
        assert len(words) >= 15
