"""Facts merge: whatever ranges a log is cut into, and in whatever groupings they are joined, the facts are the same."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import attest.check as line
from attest.agreement import verify_agreement
from attest.facts import Facts, merge
from attest.gather import Context, gather
from attest.layout import Layouts
from attest.log.tiles import WIDTH
from attest.replay import replay
from attest.simulate.lab import Lab
from attest.timeline import Timeline
from tests.check.world import ACME, HOUR, PACT, START, site


@cache
def world() -> tuple[Context, int]:
    """A log of several tiles with faults and a void in it, and what passes 1 to 3 made of it."""
    made = Lab(ACME, site(), window_s=HOUR // 4, head_s=HOUR // 12)
    made.run(until=START + 6 * HOUR)
    made.append(b"junk")
    made.void([made.append(b"acknowledged junk")])
    draft = made.usage(0, made.now + HOUR // 4)
    made.append(made.host(0).sign(draft.but(seq=2)), draft.block)
    made.run()
    bundle, signed = made.bundle(), verify_agreement(PACT.signed())
    party, where, head = line.open_head(bundle, signed)
    roots = line.Roots(bundle, head.size)
    control = replay(
        line.scan_log(bundle, head, map).control,
        signed.agreement,
        party,
        where,
        body_of=line.Bodies(bundle, head.size),
        root_at=roots,
    )
    timeline = Timeline(signed.agreement.policy, [*control.heads, head])
    context = Context(bundle, control, Layouts(control), timeline, 3_600, head.size, roots)
    return context, -(-head.size // WIDTH)


def same(left: Facts, right: Facts) -> bool:
    tables: Any = ("said", "cells", "gaps", "work", "metered")
    plain = ("begin", "end", "chains", "faults", "faulted", "statements", "intervals", "absent_blocks")
    return all(getattr(left, n) == getattr(right, n) for n in plain) and all(
        np.array_equal(_sorted(getattr(left, n)), _sorted(getattr(right, n))) for n in tables
    )


def _sorted(rows: Any) -> Any:
    return rows[np.lexsort(rows.T[::-1])]


def test_the_log_has_several_tiles_and_faults() -> None:
    context, tiles = world()
    assert tiles >= 3
    assert gather(context, 0, tiles).faulted >= 2


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_partition_and_grouping_gives_the_same_facts(data: st.DataObject) -> None:
    context, tiles = world()
    whole = gather(context, 0, tiles)
    cuts = sorted(data.draw(st.sets(st.integers(1, tiles - 1))) | {0, tiles})
    parts = [gather(context, a, b) for a, b in pairwise(cuts)]
    while len(parts) > 1:
        at = data.draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [merge(parts[at], parts[at + 1], context.control.sources)]
    assert same(parts[0], whole)
