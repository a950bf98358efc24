"""Verdicts of every sort are valid by their published JSON schema, which is strict."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from attest.agreement import verify_agreement
from attest.check import check
from attest.report.verdict import as_json
from attest.terms import JUDGES
from attest.verdict import Outcome, as_data
from tests.check.keeping import NOW, keeping, kept
from tests.check.world import (
    CAP,
    COVERAGE,
    DAY,
    END,
    LATER,
    PACT,
    START,
    TRAINING,
    WINDING_DOWN,
    honest,
    judge,
    lab,
    under,
)
from tests.schemas.example import world
from tests.schemas.validate import SCHEMAS

SCHEMA = json.loads((SCHEMAS / "verdict.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

EVERY_TERM = (
    {**CAP, "limit": "1e18 FLOP"},
    {**CAP, "limit": "1e21 FLOP", "window": "6 h", "name": "rolling"},
    {"kind": "power-off", "assurance": "L4"},
    {"kind": "power-cap", "limit": "1 kW", "assurance": "L4"},
    {"kind": "power-cap", "limit": "1 GJ", "assurance": "L1", "name": "energy"},
    COVERAGE,
    {"kind": "freshness", "max_age": "1 h"},
    {"kind": "witnessing"},
    {"kind": "inventory", "minimum": 17, "maximum": 18},
    {"kind": "custody", "max_silence": "1 h"},
    *WINDING_DOWN,
)


def verdicts() -> Iterator[tuple[str, Any]]:
    """Each a sort of verdict that another field or outcome stands in."""
    good = honest()
    yield "one site", world().verdict()
    yield "holds", judge(good.bundle())
    yield "every term", judge(good.bundle(), under(*EVERY_TERM))
    yield "breached", judge(honest((TRAINING,)).bundle(), under({**CAP, "limit": "1e18 FLOP"}))
    yield "an archive", judge(kept().bundle(), keeping(), at=NOW)
    yield "nothing pinned", judge(good.bundle(), trust=None)
    yield "no bundle", judge([])
    yield "before the phase", judge(good.bundle(), at=START - DAY)
    yield "in the phase", judge(good.bundle(), at=START + DAY // 2)
    silent = lab()
    silent.run(mute=lambda sub, start, end: "n0001" in sub)
    yield "silent", judge(silent.bundle())
    altered = good.bundle()
    altered.flip(next(path for path in altered.files if path.startswith("tile/entries")), 200)
    yield "altered", judge(altered)
    cut = good.bundle()
    del cut.files[next(path for path in cut.files if path.startswith("tile/0"))]
    yield "a file is missing", judge(cut)
    lost = good.bundle()
    for path in [path for path in lost.files if path.startswith("blocks")]:
        del lost.files[path]
    yield "blocks are absent", judge(lost)
    forked = lab()
    forked.run(until=END - DAY // 2)
    draft = forked.usage(0, END)
    forked.hosts[0].append(draft)
    forked.hosts[0].append(draft.but(seq=draft.statement.seq))
    yield "a chain that breaks", judge(forked.bundle())
    yield "a stranger", check([world().bundle()], verify_agreement(PACT.signed()), None, at=LATER)


ALL = list(verdicts())


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_a_verdict_is_valid(name: str) -> None:
    data = as_data(dict(ALL)[name])
    VALIDATOR.validate(data)
    assert json.loads(as_json(data)) == data


def test_the_verdicts_have_every_outcome_and_every_kind_of_term() -> None:
    assert {verdict.outcome for _, verdict in ALL} == set(Outcome)
    assert {term.kind for _, v in ALL for p in v.parties for term in p.terms} == {kind.kind for kind in JUDGES}
    assert {str(f.scope) for _, v in ALL for p in v.parties for f in p.findings} >= {"None", "copy", "source"} - {
        "copy"
    }
    assert any(verdict.missing for _, verdict in ALL)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_no_object_takes_a_key_that_it_does_not_name() -> None:
    for schema in objects(SCHEMA):
        assert "additionalProperties" in schema
        assert schema["additionalProperties"] is not True
        if "properties" in schema and "where" not in schema["properties"].get("code", {}):
            assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), {"extra": 1}),
        (("outcome",), "fine"),
        (("exit_code",), 1),
        (("at",), "2026-11-09 00:00:00"),
        (("agreement", "sha256"), "00"),
        (("parties", 0, "lights", "true"), {"status": "pass", "text": ""}),
        (("parties", 0, "terms", 0, "low"), -1),
        (("parties", 0, "terms", 0, "high"), 1.5),
        (("parties", 0, "terms", 0, "assurance"), "L5"),
        (("parties", 0, "terms", 0, "unit"), "GFLOP"),
        (("parties", 0, "terms", 0, "kind"), "promise"),
        (("parties", 0, "sites", 0, "root"), None),
        (("checks", 0, "status"), "skipped"),
        (("pins", "NVIDIA H100 SXM5 80GB", "peak"), 1),
    ],
)
def test_a_verdict_that_says_something_else_is_not_valid(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(as_data(dict(ALL)["holds"]))
    place = data
    for key in path[:-1]:
        place = place[key]
    if path:
        place[path[-1]] = value
    else:
        place.update(value)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data)


@pytest.mark.parametrize("key", list(SCHEMA["properties"]))
def test_a_verdict_without_one_of_its_keys_is_not_valid(key: str) -> None:
    data = copy.deepcopy(as_data(dict(ALL)["holds"]))
    del data[key]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data)
