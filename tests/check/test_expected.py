"""What rosters declare, summed up in blocks and by rows, against sums second by second."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest import expected
from attest.compute.columns import Ints
from attest.errors import UnsupportedError
from attest.expected import Expected
from attest.layout import Declared

BUCKET, FIRST, BUCKETS, GROUPS = 5, 7, 4, 6
START, END = FIRST * BUCKET, (FIRST + BUCKETS) * BUCKET
ROWS = 3


@st.composite
def turns(draw: st.DrawFn) -> list[Declared]:
    """Up to three rosters that take turns over parts of the window."""
    edges = sorted(draw(st.lists(st.integers(START, END), min_size=2, max_size=12, unique=True)))
    who = [draw(st.none() | st.integers(0, 2)) for _ in edges[1:]]
    rosters = []
    for number in sorted({w for w in who if w is not None}):
        times = [pair for pair, w in zip(pairwise(edges), who, strict=True) if w == number]
        groups = sorted(draw(st.sets(st.integers(0, GROUPS - 1), min_size=1)))
        devices = [draw(st.integers(1, 9)) for _ in groups]
        rosters.append(Declared(np.array(times), np.array(groups), np.array(devices)))
    return rosters


def naive(rosters: list[Declared]) -> Ints:
    out = np.zeros((GROUPS, BUCKETS), np.int64)
    for roster in rosters:
        for start, end in roster.times.tolist():
            for second in range(start, end):
                out[roster.groups, second // BUCKET - FIRST] += roster.devices
    return out


@given(
    turns(),
    st.lists(st.integers(0, ROWS - 1), min_size=GROUPS, max_size=GROUPS),
    st.integers(1, 30),
    st.integers(0, 30),
)
def test_device_seconds(rosters: list[Declared], row: list[int], block: int, facts: int) -> None:
    made, true = Expected(rosters, GROUPS, (FIRST, FIRST + BUCKETS), BUCKET), naive(rosters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expected, "BLOCK", block)
        parts = [(groups, made.of(groups)) for groups in made.blocks(facts)]
    assert np.concatenate([part for _, part in parts]).tolist() == true.tolist()
    assert [group for groups, _ in parts for group in range(GROUPS)[groups]] == list(range(GROUPS))
    assert all(part.size <= max(block, facts, BUCKETS) for _, part in parts)
    assert made.total == true.sum()
    by_row = np.zeros((ROWS, BUCKETS), np.int64)
    np.add.at(by_row, row, true * 2)
    assert made.added(np.array(row), ROWS, np.full(GROUPS, 2)).tolist() == by_row.tolist()
    due = dict(made.due(np.array(row)))
    assert due.keys() == set(row)
    assert all(found.tolist() == (by_row[number] > 0).tolist() for number, found in due.items())
    most = [max((int(r.devices[r.groups == g].sum()) for r in rosters), default=0) for g in range(GROUPS)]
    assert made.most.tolist() == most


def test_too_many_groups_are_refused_before_anything_is_made() -> None:
    groups = expected.MAX_EXPECTED // 10**6 + 1
    with pytest.raises(UnsupportedError) as caught:
        Expected([], groups, (0, 10**6), 60).blocks(0)
    assert caught.value.code == "unsupported/size"
