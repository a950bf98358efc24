"""Traffic merges as facts do: however a log is divided, and whoever reads it, the same rows and the same verdict."""

import pickle
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attest.check as line
from attest import scan, traffic
from attest.agreement import verify_agreement
from attest.report.verdict import as_json
from attest.reread import read_traffic
from attest.traffic import Moved, Told, Traffic, together
from attest.trust.pins import parse_trust
from attest.verdict import as_data
from tests.check.test_line import context, reversed_map, troubled
from tests.check.world import LATER, START, honest, under

PACT = under({"kind": "scale-cap", "devices": 16, "fabric": "1 PiB", "window": "2 h", "assurance": "L1"})


def verdict(map: Callable[..., Iterable[Any]] = map, *, anomalies: bool = False) -> str:
    signed, pins = verify_agreement(PACT.signed()), parse_trust(PACT.trust())
    return as_json(as_data(line.check([troubled()], signed, pins, at=LATER, map=map, anomalies=anomalies)))


@cache
def part(first: int, last: int) -> Traffic:
    return read_traffic(context()[0], first, last)


def same(one: Traffic, other: Traffic) -> bool:
    tables = (np.array_equal(getattr(one, name), getattr(other, name)) for name in ("moved", "told"))
    return all(tables) and one.count == other.count


@pytest.mark.parametrize("most", [1 << 26, 500, 10])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_partition_in_any_grouping_gives_the_same_traffic(most: int, data: st.DataObject) -> None:
    """Also where there are more rows than are kept."""
    tiles = context()[1]
    cuts = sorted(data.draw(st.sets(st.integers(1, tiles - 1))) | {0, tiles})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traffic, "MAX_MOVED", most)
        parts = [together([part(a, b)]) for a, b in pairwise(cuts)]
        while len(parts) > 1:
            at = data.draw(st.integers(0, len(parts) - 2))
            parts[at : at + 2] = [together(parts[at : at + 2])]
        assert same(parts[0], together([part(0, tiles)]))
    assert parts[0].count == part(0, tiles).count > 500
    assert len(parts[0].moved) == (parts[0].count if most > 500 else 0)


@pytest.mark.parametrize("tiles", [1, 2, 16])
@pytest.mark.parametrize("divided", [map, reversed_map], ids=["forwards", "backwards"])
def test_any_division_of_the_work_gives_the_same_verdict(
    tiles: int, divided: Callable[..., Iterable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = verdict()
    monkeypatch.setattr(scan, "RANGE_TILES", tiles)
    assert verdict(divided) == expected


def test_workers_that_share_nothing_give_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = verdict()
    monkeypatch.setattr(scan, "RANGE_TILES", 1)

    def sent(function: Callable[..., Any], item: Any) -> Any:
        return pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(function))(item)))

    assert verdict(lambda function, items: (sent(function, item) for item in items)) == expected


def test_rows_are_what_happened() -> None:
    made = honest()
    signed = verify_agreement(PACT.signed())
    found = line.examine(made.bundle(), signed).traffic
    trace = made.site.trace(0).fabric
    hours = trace.reshape(8, 24, 60).sum(axis=2)
    first = START // 3_600
    rows = {(r[Moved.DEVICE], r[Moved.BUCKET] - first): r[Moved.MIB] for r in found.moved.tolist()}
    assert rows == {(d, h): int(hours[d, h]) for d in range(8) for h in range(24) if hours[d, h]}
    assert not found.moved[:, Moved.BLIND].any()
    assert int(found.told[:, Told.SECONDS].sum()) == 2 * 8 * 86_400


def test_rules_over_series_are_looked_for_beside() -> None:
    """Both read the blocks once more, and neither changes what the other finds."""
    assert '"bounds/too-wide"' in verdict()
    assert verdict(anomalies=True).count('"bounds/too-wide"') == verdict().count('"bounds/too-wide"')
