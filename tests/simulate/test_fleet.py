"""The site that verification is timed on is one that verifies, and has what it says it has."""

from pathlib import Path

import pytest

from attest.agreement import verify_agreement
from attest.check import check
from attest.compute.columns import SPAN
from attest.format.block import HEADER_SIZE
from attest.format.bodies import UsageBody
from attest.format.statement import parse_statement
from attest.log.tiles import ENTRIES, parse_entries, tile_at
from attest.simulate.fleet import Fleet
from attest.store.directory import DirectoryBundle
from attest.trust.pins import parse_trust
from attest.verdict import Outcome

HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize(("hosts", "days", "window"), [(150, 2, DAY), (6, 1, HOUR)])
def test_a_fleet_verifies(tmp_path: Path, hosts: int, days: int, window: int) -> None:
    fleet = Fleet(tmp_path / "fleet", hosts, days, window_s=window)
    bundle = DirectoryBundle(fleet.path)
    verdict = check([bundle], verify_agreement(fleet.pact.signed()), parse_trust(fleet.pact.trust()), at=fleet.at)
    assert verdict.outcome is Outcome.HOLDS
    coverage = next(term for term in verdict.parties[0].terms if term.kind == "coverage")
    assert coverage.low is not None and 970_000 < coverage.low < 990_000
    assert not bundle.extra()


def test_its_statements_are_those_of_the_workload(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet", 4, 1)
    tile = tile_at(ENTRIES, 0, fleet.size)
    entries = parse_entries(DirectoryBundle(fleet.path).entries(0, tile.width), tile.width)
    bodies = [parse_statement(entry).statement.body for entry in entries]
    usage = [body for body in bodies if isinstance(body, UsageBody)]
    assert len(usage) == 4 and len({body.spans for body in usage}) == 4
    for body in usage:
        assert body.block is not None and body.block.size == HEADER_SIZE + 8 * 1_440 * 18
        assert 40 < len(body.spans) // SPAN.itemsize < 120


def test_a_fleet_is_made_twice_the_same(tmp_path: Path) -> None:
    roots = {Fleet(tmp_path / name, 3, 2).note for name in ("one", "two")}
    assert len(roots) == 1
