"""What a lab says is off: the recorder states it as off where nobody read it, and nothing else; a reading counts."""

import json
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.collect.grid import Grid, Row
from attest.collect.off import switched_off
from attest.collect.stamps import format_time
from attest.compute.columns import SPAN
from attest.format.bodies import UsageBody
from attest.format.vocabulary import State
from tests.inventory.books import HOST, OTHER, START, Site, act, done, site
from tests.record.rig import MINUTE, UIDS, Rig

__all__ = ["site"]  # a fixture


def said(site: Site) -> dict[str, dict[int, State]]:
    """By device the state of each minute after START; of statements, each has the devices of its roster."""
    found: dict[str, dict[int, State]] = {uid: {} for uid in UIDS}
    for statement in site.statements(HOST):
        body = statement.body
        if isinstance(body, UsageBody):
            length = (statement.end - statement.start) // body.interval
            spans = np.frombuffer(body.spans, SPAN)
            states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
            for uid, row in zip(UIDS, states.reshape(-1, length).tolist(), strict=False):
                for minute, state in enumerate(row, (statement.start - START) // MINUTE):
                    assert minute not in found[uid]
                    found[uid][minute] = State(state)
    return found


def minutes(site: Site, uid: str, state: State) -> list[int]:
    return [minute for minute, one in said(site)[uid].items() if one is state]


def plan(site: Site, verb: str, minute: int) -> Any:
    return lambda: done(site, verb, "GPU-1", "--at", utc(minute))


def utc(minute: int) -> str:
    return format_time((START + minute * MINUTE) * 1000)


def gone(rig: Rig, *uids: str) -> Any:
    return lambda: setattr(rig.devices, "absent", frozenset(uids))


@pytest.fixture
def rig(site: Site) -> Rig:
    return Rig.of(site.path, 32)


def test_what_is_switched_off_is_off_and_not_missing(rig: Rig, site: Site) -> None:
    rig.clock.at = {5 * MINUTE: plan(site, "power-off", 5), 5 * MINUTE + 1: gone(rig, "GPU-1")}
    rig.run()
    assert minutes(site, "GPU-1", State.OFF) == list(range(5, 30))
    assert minutes(site, "GPU-1", State.MISSING) == []
    assert set(said(site)["GPU-0"].values()) == {State.SAMPLED}
    assert not rig.causes.exists()


def test_what_is_missing_before_and_after_is_missing(rig: Rig, site: Site) -> None:
    rig.clock.at = {
        4 * MINUTE + 1: gone(rig, "GPU-1"),
        6 * MINUTE: plan(site, "power-off", 6),
        20 * MINUTE: plan(site, "power-on", 15),
    }
    rig.run()
    assert minutes(site, "GPU-1", State.OFF) == list(range(6, 15))
    assert minutes(site, "GPU-1", State.MISSING) == [4, 5, *range(15, 30)]
    causes = [json.loads(line) for line in rig.causes.read_text().splitlines()]
    assert {cause["device"] for cause in causes} == {"GPU-1"}


def test_a_reading_counts_before_the_plan(rig: Rig, site: Site) -> None:
    rig.clock.at = {5 * MINUTE: plan(site, "power-off", 5)}
    rig.run()
    assert set(said(site)["GPU-1"].values()) == {State.SAMPLED}
    code, out, _ = act(site, "scan", site.file("s.prom", prom(*UIDS)), "--source", HOST)
    assert code == 6 and "scan/on          GPU-1" in out


def test_a_counter_that_rose_shows_that_it_was_not_off(rig: Rig, site: Site) -> None:
    rig.clock.at = {
        2 * MINUTE: plan(site, "power-off", 2),
        2 * MINUTE + 1: gone(rig, "GPU-1"),
        16 * MINUTE + 1: gone(rig),
    }
    rig.run()
    # Of the first window nothing was known when it was closed; in the second one the counter had gone on.
    assert minutes(site, "GPU-1", State.OFF) == list(range(2, 10))
    assert minutes(site, "GPU-1", State.MISSING) == list(range(10, 17))


def test_a_host_that_is_left_empty_is_spoken_for_and_no_further(rig: Rig, site: Site) -> None:
    def leave() -> None:
        done(site, "move", *UIDS, "--from", HOST, "--to", OTHER, "--feed", "node_0", "--at", utc(14))

    rig.clock.at = {11 * MINUTE: leave}
    rig.run()
    assert list(said(site)["GPU-0"]) == list(range(1, 14))
    with closing(rig.spool()) as spool:
        assert not [frame for frame in spool.frames() if frame["time_ms"] < (START + 20 * MINUTE) * 1000]


def test_a_device_that_is_moved_is_stated_by_its_roster(rig: Rig, site: Site) -> None:
    def leave() -> None:
        done(site, "move", "GPU-1", "--from", HOST, "--to", OTHER, "--feed", "node_0", "--at", utc(14))

    rig.clock.at = {11 * MINUTE: leave, 14 * MINUTE + 1: gone(rig, "GPU-1")}
    rig.run()
    assert (list(said(site)["GPU-0"]), list(said(site)["GPU-1"])) == (list(range(1, 30)), list(range(1, 14)))
    bodies = [(s.start, s.body) for s in site.statements(HOST) if isinstance(s.body, UsageBody)]
    assert [body.devices for start, body in bodies] == [1 + (start < START + 14 * MINUTE) for start, body in bodies]


def prom(*uids: str) -> str:
    return "".join(f'DCGM_FI_DEV_POWER_USAGE{{UUID="{uid}",Hostname="n1"}} 70\n' for uid in uids)


@given(
    st.lists(st.sampled_from([State.SAMPLED, State.MISSING, State.RESET]), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.lists(st.tuples(st.integers(-90, 800), st.integers(0, 800)), max_size=3),
)
def test_only_what_would_be_missing_is_off(
    states: list[State], rises: list[bool], spans: list[tuple[int, int]]
) -> None:
    """Against a reading of the rule one interval at a time."""
    counter = np.concatenate(([5], 5 + np.cumsum(rises[: len(states)])))
    row = Row(np.array(states, np.int64), np.zeros(len(states), np.int64), counter, {})
    ranges = [(start, start + length) for start, length in spans]
    found = switched_off(row, Grid(60, 0, len(states), 0), ranges).states.tolist()
    for k, state in enumerate(states):
        first, last = k, k
        while first > 0 and states[first - 1] is State.MISSING:
            first -= 1
        while last + 1 < len(states) and states[last + 1] is State.MISSING:
            last += 1
        planned = any(start <= 60 * k and 60 * (k + 1) <= end for start, end in ranges)
        off = state is State.MISSING and planned and counter[first] == counter[last + 1]
        assert found[k] == (State.OFF if off else state)
