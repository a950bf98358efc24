"""A recorder's life cut short before every change of the disk, by a kill or by loss of power, and lived on.

The life (`begin`) has what a recorder meets: samples, a collector that fails, windows with runs that are named, seals,
a clock that is set, a key that is rotated. It is lived once; before each change of the disk it is written down what a
kill or a loss of power would leave. Each different one is lived on, by a recorder that begins a minute and a half
later, and held against what was promised until then: every sample that was accepted is stated, once; what was signed
is in the log, and nothing else; what was sealed is; every interval without a sample is missing, its cause is kept.
"""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attest.compute.columns import SPAN
from attest.format.act import possession
from attest.format.bodies import UsageBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.opening import commitment, opening_of
from attest.format.statement import Statement
from attest.format.vocabulary import Kind, Role, State
from attest.log.merkle import leaf_hash
from attest.record import recorder
from attest.record.chain import sign_next
from attest.record.run_names import RunNames
from attest.store import outbox
from attest.store.directory import TEMPORARY
from attest.store.salts import new_salts, open_salts
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, START, Site, signer, site
from tests.record.rig import MILLIWATTS, MINUTE, UIDS, Promised, Rig
from tests.record.test_recorder import signed_by
from tests.store.crashes import Fault, Volatile, left_by_kill, write_down
from tests.store.crashes import State as Left

__all__ = ["site"]  # a fixture

WINDOW, HOLD, AHEAD = 4 * MINUTE, 2 * MINUTE, 3 * MINUTE
SET = 5 * MINUTE + 10  # when the clock is set, s after START
END = 14 * MINUTE
AWAY_MS = 90_000


@dataclass
class Moment:
    """Where a life stood when it was cut short."""

    true_ms: int
    ahead_ms: int
    promised: Promised


def now(rig: Rig) -> Moment:
    return Moment(rig.clock.true_ms, rig.clock.ahead_ms, deepcopy(rig.promised))


def rig_of(path: Path) -> Rig:
    rig = Rig.of(path, END // MINUTE)
    rig.window = rig.seal = WINDOW
    rig.runs = RunNames((str(path / "runs.csv"),), None, str(path / "salts"))
    return rig


def begin(path: Path) -> Rig:
    """The life that is cut short."""
    new_salts(path / "salts")
    times = [datetime.fromtimestamp(START + minute * MINUTE, UTC).isoformat() for minute in (1, 12)]
    (path / "runs.csv").write_text(f"run,label,start,end,host\nllama-7,training,{times[0]},{times[1]},n1\n")
    rig = rig_of(path)

    def rotate() -> None:
        new = signer("next").public_key()
        with LogWriter.open(path / "log") as log:
            leaf = leaf_hash(log.entry(0))
            proof = signer("next").sign(possession(leaf, HOST, Role.HOST, int(new.alg), new.raw))
            sign_next(log, rig.key("host"), Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), START)

    rig.clock.at = {
        2 * MINUTE + 30: lambda: setattr(rig.devices, "broken", "collect/timeout"),
        3 * MINUTE + 30: lambda: setattr(rig.devices, "broken", ""),
        SET: lambda: setattr(rig.clock, "ahead_ms", AHEAD * 1000),
        9 * MINUTE + 20: rotate,
    }
    return rig


def live_on(path: Path, moment: Moment, *, booted: bool) -> Rig:
    """From a moment on until a window is closed that has what was sampled before it."""
    rig = rig_of(path)
    rig.seal, rig.promised = 3_600, deepcopy(moment.promised)
    clock = rig.clock
    clock.true_ms, clock.ahead_ms = moment.true_ms + AWAY_MS, moment.ahead_ms
    if booted:
        clock.start_again()
    held = HOLD * 1000 if 0 <= moment.true_ms - (START + SET) * 1000 < HOLD * 1000 else 0
    window = WINDOW * 1000
    ends = ((clock.wall_ms() + held) // window + 1) * window + 2 * MINUTE * 1000
    clock.end_ms = ends - moment.ahead_ms
    rig.run()
    return rig


def minutes(statement: Statement) -> Iterator[tuple[str, int, State]]:
    """Of each device every minute that a usage statement speaks of, and its state."""
    body = statement.body
    assert isinstance(body, UsageBody)
    length = (statement.end - statement.start) // body.interval
    spans = np.frombuffer(body.spans, SPAN)
    states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
    for uid, row in zip(UIDS, states.reshape(-1, length).tolist(), strict=True):
        for number, state in enumerate(row, (statement.start - START) // MINUTE):
            yield uid, number, State(state)


def require_kept(site: Site, rig: Rig) -> None:
    """What was promised is kept."""
    promised, told = rig.promised, set[tuple[str, int]]()
    statements = [statement for statement in site.statements(HOST) if isinstance(statement.body, UsageBody)]
    causes = dict(caused(rig.causes))
    for statement in statements:
        for uid, minute, state in minutes(statement):
            assert (uid, minute) not in told, "an interval is stated twice"
            told.add((uid, minute))
            edges = {minute, minute + 1}
            assert state in (State.SAMPLED, State.MISSING)
            if state is State.SAMPLED:
                assert edges <= promised.tried
            else:
                assert not edges <= promised.samples.keys(), f"{uid} {minute} is lost"
                why = causes[statement.seq, uid, minute]
                assert why in {"collect/timeout", "clock/step", "record/died", "record/stopped"}
    ends = (rig.clock.wall_ms() // 1000 - MINUTE) // WINDOW * WINDOW
    assert told == {(uid, m) for uid in UIDS for m in range(min(promised.samples), (ends - START) // MINUTE)}
    assert promised.signed.keys() == signed_by(site)
    if promised.step_ms is not None:  # what nobody noted before the machine was off nobody can know
        assert not any(promised.step_ms <= at < promised.step_ms + HOLD * 1000 for at in promised.signed.values())
    require_energy(statements, promised)
    require_openings(site, statements)
    assert size(site) >= promised.sealed


def caused(path: Path) -> Iterator[tuple[tuple[int, str, int], str]]:
    """By seq, device and minute the cause that is kept."""
    for line in map(json.loads, path.read_text().splitlines() if path.exists() else ()):
        for second in range(line["from"], line["until"], MINUTE):
            yield (line["seq"], line["device"], (second - START) // MINUTE), line["cause"]


def require_energy(statements: list[Statement], promised: Promised) -> None:
    """Counters go on from statement to statement, and rise by what was drawn between the first and the last sample."""
    ends = [edges for s in statements if isinstance(s.body, UsageBody) for column, *edges in s.body.counters]
    assert all(after == before for (_, after), (before, _) in pairwise(ends))
    risen = np.frombuffer(ends[-1][1], "<u8") - np.frombuffer(ends[0][0], "<u8")
    first, last = ((edge - START) // MINUTE for edge in (statements[0].start, statements[-1].end))
    assert set(risen.tolist()) == {(promised.samples[last] - promised.samples[first]) * MILLIWATTS // 1000}


def require_openings(site: Site, statements: list[Statement]) -> None:
    """Whatever run a statement names the salts open."""
    with open_salts(site.path / "salts", read_only=True) as salts:
        known = {commitment(opening_of(salts.secret, name)) for kind, name in salts.records if kind == "run"}
    bodies = [s.body for s in statements if isinstance(s.body, UsageBody)]
    assert {run.commitment for body in bodies for run in body.runs} <= known


def size(site: Site) -> int:
    with LogWriter.open(site.log, read_only=True) as log:
        return log.size


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "HOLD", HOLD)


def test_a_life_that_nothing_cuts_short(site: Site) -> None:
    rig = begin(site.path)
    rig.run()
    require_kept(site, live_on(site.path, now(rig), booted=False))


@dataclass
class Found:
    """Each different state that was left, but for files that are put whole and were not yet, with its last moment."""

    states: dict[tuple[tuple[str, bytes | None], ...], tuple[Left, Moment]] = field(default_factory=dict)

    def add(self, left: Left, moment: Moment) -> None:
        key = tuple(
            (name, data) for name, data in left.items() if name.rsplit("/")[-1] not in (TEMPORARY, outbox.TEMPORARY)
        )
        self.states[key] = left, moment


def require_lived_on(site: Site, folder: Path, found: Found, *, booted: bool) -> None:
    for number, (left, moment) in enumerate(found.states.values()):
        path = folder / str(number)
        write_down(left, path)
        require_kept(Site(path, site.capsys), live_on(path, moment, booted=booted))


def test_killed_before_every_change_of_the_disk(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    rig, found = begin(site.path), Found()

    def before(name: str, arguments: Any) -> None:
        for left in left_by_kill(site.path, name, arguments):
            found.add(left, now(rig))

    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, None, before)
        rig.run()
    assert len(found.states) > 100
    require_lived_on(site, tmp_path_factory.mktemp("left"), found, booted=False)


@pytest.mark.parametrize("lucky", [False, True], ids=["all-lost", "some-kept"])
def test_power_lost_before_every_change_of_the_disk(
    site: Site, tmp_path_factory: pytest.TempPathFactory, lucky: bool
) -> None:
    """What was not synced is lost; or some of it is kept, torn or out of order, which 50 states are drawn of."""
    rig, found, rng = begin(site.path), Found(), random.Random("attest recorder power")

    def before(at: int) -> None:
        left = volatile.left(rng if lucky else None)
        assert left is not None
        found.add(left, now(rig))

    with pytest.MonkeyPatch.context() as patch:
        volatile = Volatile(patch, site.path, before)
        rig.run()
    volatile.close()
    assert volatile.at > 250
    if lucky:
        found.states = dict(rng.sample(list(found.states.items()), 50))
    require_lived_on(site, tmp_path_factory.mktemp("left"), found, booted=True)
