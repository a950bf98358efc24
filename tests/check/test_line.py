"""The line from bundles to a verdict: the same bytes however the work is divided, and without a socket."""

import pickle
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attest.check as line
from attest import scan
from attest.agreement import verify_agreement
from attest.bundle import Bundle
from attest.facts import Facts, merge
from attest.format.custody import CustodyBody
from attest.gather import Context, gather
from attest.layout import Layouts
from attest.replay import replay
from attest.report.verdict import as_json
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.store.directory import DirectoryBundle
from attest.timeline import Timeline
from attest.trust.pins import parse_trust
from attest.verdict import Outcome, as_data
from tests.check.world import ACME, HOUR, LATER, PACT, START, honest, site

TABLES = ("said", "cells", "gaps", "work", "metered", "entered")
PLAIN = ("begin", "end", "chains", "faults", "faulted", "statements", "intervals", "absent_blocks")


@cache
def troubled() -> MemoryBundle:
    """Several tiles with faults of every kind of place: junk, forgeries, breaks of chains, voids, lost blocks."""
    made = Lab(ACME, site(), window_s=HOUR // 6, head_s=HOUR // 12)
    made.run(until=START + 6 * HOUR)
    made.append(b"junk")
    host = made.host(0)
    draft = made.usage(0, made.now + HOUR // 6)
    made.append(host.sign(draft, seeded_key("thief")), draft.block)
    made.append(host.sign(draft.but(seq=2)), draft.block)
    made.append(*made.entries[-9])
    made.office.say(CustodyBody("probe", "ines", (), ()))
    made.run(until=START + 12 * HOUR)
    made.office.say(CustodyBody("probe", "ines", (), ()))
    host.seq += 1
    made.run(until=START + 15 * HOUR)
    bad = [
        made.append(b"acknowledged junk"),
        made.append(host.sign(made.usage(0, made.now)._replace(block=None)), None),
    ]
    made.run(until=START + 16 * HOUR)
    made.void(bad[:1])
    made.revoke(made.host(1).signer, made.size - 200)
    made.run()
    return made.bundle()


def verdict(bundle: Bundle, *, map: Callable[..., Iterable[Any]] = map) -> str:
    pins = parse_trust(PACT.trust())
    return as_json(as_data(line.check([bundle], verify_agreement(PACT.signed()), pins, at=LATER, map=map)))


def reversed_map(function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
    """Does the last range first."""
    return [function(item) for item in reversed(list(items))][::-1]


@cache
def context() -> tuple[Context, int]:
    """What passes 1 to 3 make of it."""
    bundle, signed = troubled(), verify_agreement(PACT.signed())
    party, where, head = line.open_head(bundle, signed)
    roots = line.Roots(bundle, head.size)
    found = line.scan_log(bundle, head, map).control
    bodies = line.Bodies(bundle, head.size)
    control = replay(found, signed.agreement, party, where, body_of=bodies, root_at=roots)
    timeline = Timeline(signed.agreement.policy, [*control.heads, head])
    made = Context(bundle, control, Layouts(control), timeline, 3_600, head.size, roots)
    return made, -(-head.size // 256)


@cache
def part(first: int, last: int) -> Facts:
    return gather(context()[0], first, last)


def test_the_log_is_troubled() -> None:
    _, tiles = context()
    whole = part(0, tiles)
    assert tiles >= 3
    assert len({fault.code for fault in whole.faults}) >= 5, whole.faults
    assert len(whole.entered) == 2


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_partition_in_any_grouping_gives_the_same_facts(data: st.DataObject) -> None:
    made, tiles = context()
    cuts = sorted(data.draw(st.sets(st.integers(1, tiles - 1))) | {0, tiles})
    parts = [part(a, b) for a, b in pairwise(cuts)]
    while len(parts) > 1:
        at = data.draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [merge(parts[at], parts[at + 1], made.control.sources)]
    whole = part(0, tiles)
    assert all(getattr(parts[0], name) == getattr(whole, name) for name in PLAIN)
    for name in TABLES:
        assert np.array_equal(_sorted(getattr(parts[0], name)), _sorted(getattr(whole, name))), name


def _sorted(rows: Any) -> Any:
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("tiles", [1, 2, 3, 16])
@pytest.mark.parametrize("divided", [map, reversed_map], ids=["forwards", "backwards"])
def test_any_division_of_the_work_gives_the_same_verdict(
    tiles: int, divided: Callable[..., Iterable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = verdict(troubled())
    monkeypatch.setattr(scan, "RANGE_TILES", tiles)
    assert verdict(troubled(), map=divided) == expected


def test_workers_that_share_nothing_give_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker gets and gives travels as bytes."""
    expected = verdict(troubled())
    monkeypatch.setattr(scan, "RANGE_TILES", 1)

    def sent(function: Callable[..., Any], item: Any) -> Any:
        return pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(function))(item)))

    with ThreadPoolExecutor(2) as pool:
        assert verdict(troubled(), map=lambda f, items: pool.map(lambda item: sent(f, item), items)) == expected


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    honest().save(tmp_path / "acme")
    on_disk = [verdict(DirectoryBundle(tmp_path / "acme")) for _ in range(2)]
    assert on_disk[0] == on_disk[1] == verdict(honest().bundle())
    assert '"outcome": "holds"' in on_disk[0]


def test_the_time_of_judgement_is_echoed() -> None:
    pins, signed = parse_trust(PACT.trust()), verify_agreement(PACT.signed())
    early, late = (line.check([honest().bundle()], signed, pins, at=at) for at in (LATER, LATER + HOUR))
    assert (as_data(early)["at"], as_data(late)["at"]) == ("2026-11-10T01:00:00Z", "2026-11-10T02:00:00Z")
    assert early.outcome is late.outcome is Outcome.HOLDS


def test_check_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest().save(tmp_path / "log")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("check opened a socket")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname", "socketpair", "fromfd"):
        monkeypatch.setattr(socket, name, refuse)
    assert '"outcome": "holds"' in verdict(DirectoryBundle(tmp_path / "log"))
