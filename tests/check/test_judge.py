"""What only judging finds to be wrong leaves its own term unproven, and hides no breach of another."""

from typing import Any

import pytest

from attest.account import Account
from attest.agreement import Term
from attest.errors import EvidenceError
from attest.metering import Metering
from attest.terms import JUDGES
from attest.verdict import Outcome, Status, TermResult
from tests.check.world import CAP, COVERAGE, TRAINING, TRAINING_CAP, WINDING_DOWN, honest, under
from tests.check.world import judge as verdict_on

OFF = {"kind": "power-off", "assurance": "L4"}
POWER = {"kind": "power-cap", "limit": "1 GW", "assurance": "L4"}
FRESH = {"kind": "freshness", "max_age": "6 h"}
WITNESSED = {"kind": "witnessing"}
INVENTORY = {"kind": "inventory", "minimum": 16}
CUSTODY = {"kind": "custody"}
TERMS = (CAP, TRAINING_CAP, OFF, POWER, COVERAGE, FRESH, WITNESSED, INVENTORY, CUSTODY, *WINDING_DOWN)


def _contradicted(*_: Any, **__: Any) -> Any:
    raise EvidenceError("meter/overlap", "a bucket of 3600 s is covered for 3600001 ms")


@pytest.mark.parametrize("kind", list(JUDGES), ids=lambda kind: kind.kind)
def test_an_error_of_one_term_is_its_own(kind: type[Term], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, kind, _contradicted)
    party = verdict_on(honest((TRAINING,)).bundle(), under(*TERMS)).parties[0]
    broken = [term for term in party.terms if term.findings and term.findings[0].code == "meter/overlap"]
    assert broken and all(term.kind == kind.kind for term in broken)
    assert all(term.outcome is Outcome.UNPROVEN and term.findings[0].scope is None for term in broken)
    assert len(party.terms) == len(TERMS)
    assert party.outcome is Outcome.BREACHED  # devices that must be off, or the cap on training


@pytest.mark.parametrize("where", [(Account, "metering"), (Metering, "covered_ms")])
def test_what_cannot_be_added_up_lights_nothing(where: tuple[type, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*where, _contradicted)
    verdict = verdict_on(honest().bundle(), under(FRESH, POWER))
    by_kind: dict[str, TermResult] = {term.kind: term for term in verdict.parties[0].terms}
    assert by_kind["freshness"].outcome is Outcome.HOLDS
    assert by_kind["power-cap"].outcome is Outcome.UNPROVEN
    lights = {light.name: light for light in verdict.parties[0].lights}
    assert lights["corroborated"].status is Status.NOT_CHECKED
    assert lights["corroborated"].text.startswith("meter/overlap")
