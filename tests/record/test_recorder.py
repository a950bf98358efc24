"""The recorder beside a log: every interval once, what is missing with its cause, whatever happens to it."""

import errno
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from attest.collect import irregular
from attest.compute.columns import SPAN
from attest.errors import KeyFileError
from attest.format.act import possession
from attest.format.bodies import UsageBody
from attest.format.cose import parse_header, parse_sign1, sig_structure1
from attest.format.key_acts import KeysBody, Rotate
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, Kind, Label, Role, State
from attest.log.merkle import leaf_hash
from attest.record import recorder
from attest.record import spool as spools
from attest.record.chain import sign_next
from attest.record.run_names import RunNames
from attest.store import disk
from attest.store.salts import new_salts
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, START, Site, declare, feed_roster, signer, site
from tests.record.rig import MILLIWATTS, MINUTE, UIDS, Rig, Stopped

__all__ = ["site"]  # a fixture


def intervals(site: Site) -> dict[str, dict[int, State]]:
    """By device the state of each minute that the host's statements speak of; each is spoken of once."""
    said: dict[str, dict[int, State]] = {uid: {} for uid in UIDS}
    for statement in site.statements(HOST):
        body = statement.body
        if not isinstance(body, UsageBody):
            continue
        length = (statement.end - statement.start) // body.interval
        spans = np.frombuffer(body.spans, SPAN)
        states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
        for uid, row in zip(UIDS, states.reshape(-1, length).tolist(), strict=True):
            for number, state in enumerate(row):
                minute = (statement.start - START) // MINUTE + number
                assert minute not in said[uid]
                said[uid][minute] = State(state)
    return said


def energy(site: Site) -> int:
    """mJ of the first device by its counter, from the first statement's beginning to the last one's end."""
    bodies = [s.body for s in site.statements(HOST) if isinstance(s.body, UsageBody)]
    ends = [{column: ends for column, *ends in body.counters}[Column.ENERGY] for body in bodies]
    for (_, after), (before, _) in pairwise(ends):
        assert after == before
    return int(np.frombuffer(ends[-1][1], "<u8")[0]) - int(np.frombuffer(ends[0][0], "<u8")[0])


def causes(rig: Rig) -> Iterator[tuple[str, int, int, str, str]]:
    """Device, first minute, end minute, state and cause of each line, of lines with one seq the last ones."""
    if rig.causes.exists():
        lines = list(map(json.loads, rig.causes.read_text().splitlines()))
        for line in lines:
            first, end = ((line[edge] - START) // MINUTE for edge in ("from", "until"))
            yield line["device"], first, end, line["state"], line["cause"]


def missing(site: Site, uid: str = UIDS[0]) -> list[int]:
    return [minute for minute, state in intervals(site)[uid].items() if state is not State.SAMPLED]


def signed_by(site: Site) -> set[bytes]:
    """What the host's signatures in the log are over."""
    with LogWriter.open(site.log) as log:
        entries = [parse_sign1(log.entry(index)) for index in range(log.size + log.pending)]
    mine = [entry for entry in entries if parse_header(entry.protected).sub == HOST]
    return {sig_structure1(entry.protected, entry.payload) for entry in mine}


def require_all(site: Site, first: int, end: int) -> None:
    """Statements speak of every minute of [first, end), of each once."""
    for states in intervals(site).values():
        assert list(states) == list(range(first, end))


@pytest.fixture
def rig(site: Site) -> Rig:
    return Rig.of(site.path, 32)


def test_every_interval_is_stated_once_and_the_log_is_sealed(rig: Rig, site: Site) -> None:
    rig.run()
    require_all(site, 1, 30)
    assert {state for states in intervals(site).values() for state in states.values()} == {State.SAMPLED}
    assert energy(site) == 29 * MINUTE * MILLIWATTS
    assert list(causes(rig)) == []
    with LogWriter.open(site.log) as log:
        assert log.size > 0


def test_what_is_missing_has_its_cause(rig: Rig, site: Site) -> None:
    rig.clock.at = {
        5 * MINUTE - 1: lambda: setattr(rig.devices, "broken", "collect/timeout"),
        8 * MINUTE - 1: lambda: setattr(rig.devices, "broken", ""),
        12 * MINUTE - 1: lambda: setattr(rig.devices, "absent", frozenset({"GPU-1"})),
        13 * MINUTE - 1: lambda: setattr(rig.devices, "absent", frozenset()),
    }
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == [4, 5, 6, 7] and missing(site, "GPU-1") == [4, 5, 6, 7, 11, 12]
    assert list(causes(rig)) == [
        ("GPU-0", 4, 8, "missing", "collect/timeout"),
        ("GPU-1", 4, 8, "missing", "collect/timeout"),
        ("GPU-1", 11, 13, "missing", "collect/absent"),
    ]
    assert energy(site) == 29 * MINUTE * MILLIWATTS


def test_a_recorder_that_was_killed_and_one_that_was_stopped_go_on(rig: Rig, site: Site) -> None:
    def kill() -> None:
        raise Stopped

    rig.clock.at = {4 * MINUTE + 20: kill}
    rig.run()
    rig.clock.true_ms += 6 * MINUTE * 1000
    rig.clock.end_ms = (START + 13 * MINUTE + 5) * 1000
    rig.run()
    rig.clock.true_ms += 2 * MINUTE * 1000
    rig.clock.end_ms = (START + 32 * MINUTE) * 1000
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == [*range(4, 11), 13, 14, 15]
    assert [cause for cause in causes(rig) if cause[0] == "GPU-0"] == [
        ("GPU-0", 4, 10, "missing", "record/died"),
        ("GPU-0", 10, 11, "missing", "record/died"),
        ("GPU-0", 13, 16, "missing", "record/stopped"),
    ]
    assert energy(site) == 29 * MINUTE * MILLIWATTS


def test_a_window_that_ends_as_the_recorder_begins_is_closed_then(rig: Rig, site: Site) -> None:
    rig.clock.end_ms = (START + 5 * MINUTE) * 1000
    rig.run()
    rig.clock.true_ms = (START + 9 * MINUTE + 30) * 1000
    rig.clock.end_ms = (START + 12 * MINUTE) * 1000
    rig.run()
    require_all(site, 1, 10)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set(rig: Rig, site: Site, hours: int) -> None:
    """Forward, an hour is missing; back, an hour passes that had been spoken of. Nothing is counted twice, and nothing
    is stated for an hour after it was set."""
    rig.clock.at = {
        15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", hours * 3_600_000),
        75 * MINUTE: lambda: until.append(max(intervals(site)[UIDS[0]])),
    }
    until: list[int] = []
    rig.on(60)
    rig.run()
    assert until == [9]
    require_all(site, 1, 150 if hours > 0 else 30)
    if hours > 0:
        assert missing(site) == list(range(15, 75))
        assert {cause[3:] for cause in causes(rig)} == {("missing", "clock/step")}
    else:
        assert missing(site) == [15]
    assert energy(site) == 89 * MINUTE * MILLIWATTS


def test_a_clock_that_is_set_and_set_right_again_states_nothing_wrong(rig: Rig, site: Site) -> None:
    rig.clock.at = {
        15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", 86_400_000),
        25 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", 0),
    }
    rig.on(70)
    rig.run()
    require_all(site, 1, 100)
    assert missing(site) == list(range(15, 26))


def test_a_clock_that_is_years_off_ends_no_chain(rig: Rig, site: Site) -> None:
    rig.clock.at = {15 * MINUTE + 10: lambda: setattr(rig.clock, "ahead_ms", 3 * 365 * 86_400_000)}
    rig.on(60)
    rig.run()
    require_all(site, 1, 10)
    rig.clock.ahead_ms = 0
    rig.on(70)
    rig.run()
    require_all(site, 1, 160)


def test_a_host_that_was_away_for_a_week_states_it_day_by_day(rig: Rig, site: Site) -> None:
    rig.window = 21_600
    rig.run()
    rig.clock.true_ms += 7 * 86_400_000
    rig.clock.end_ms = rig.clock.true_ms + 6 * 3_600_000
    rig.run()
    said = intervals(site)[UIDS[0]]
    assert list(said) == list(range(1, max(said) + 1)) and max(said) > 7 * 1440
    assert {state for minute, state in said.items() if 33 < minute < 7 * 1440} == {State.MISSING}
    assert energy(site) == max(said) * MINUTE * MILLIWATTS
    assert max(statement.end - statement.start for statement in site.statements(HOST)) == 21_600


def test_a_device_that_nobody_declared_keeps_no_other_from_being_stated(rig: Rig, site: Site) -> None:
    rig.devices.more = "GPU-stranger"
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []


@pytest.mark.parametrize("after", [UIDS[:1], (*UIDS, "GPU-next")])
def test_what_is_retired_or_not_declared_yet_and_answers_keeps_no_window_open(
    rig: Rig, site: Site, after: tuple[str, ...]
) -> None:
    """The inventory changes on the edge of a window, and all devices answer before and after it."""
    rig.devices.more = "GPU-next"
    with LogWriter.open(site.log) as log:
        declare(log, feed_roster(uids=after), START + 20 * MINUTE)
    rig.clock.end_ms = (START + 22 * MINUTE) * 1000
    rig.run()
    ends = [s.end for s in site.statements(HOST) if isinstance(s.body, UsageBody)]
    assert ends == [START + minute * MINUTE for minute in (10, 20)]
    rig.on(10)
    rig.run()
    bodies = [s.body for s in site.statements(HOST) if isinstance(s.body, UsageBody)]
    assert [body.devices for body in bodies] == [2, 2, len(after)]


def test_what_collectors_say_of_other_hosts_is_no_concern_of_this_one(
    rig: Rig, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    rig.host, rig.devices.neighbour = "n1", "GPU-neighbour"
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []
    assert "no inventory names" not in caplog.text
    rig.devices.more = "GPU-stranger"
    rig.on(10)
    rig.run()
    assert [record.__dict__["fields"] for record in caplog.records if "no inventory names" in record.msg] == [
        {"device": "GPU-stranger"}
    ]


def test_a_process_that_was_held_up(rig: Rig, site: Site) -> None:
    def suspended() -> None:
        rig.clock.true_ms += 5 * MINUTE * 1000

    rig.clock.at = {3 * MINUTE + 20: suspended}
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == [3, 4, 5, 6, 7]
    assert {cause[3:] for cause in causes(rig)} == {("missing", "record/suspended")}


def test_a_sample_that_no_frame_holds_keeps_no_other_from_the_spool(
    rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "MAX_FRAME", 3_000)
    rig.clock.at = {
        3 * MINUTE + 20: lambda: setattr(rig.devices, "more", "x" * 5_000),
        6 * MINUTE + 20: lambda: setattr(rig.devices, "more", ""),
    }
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == [3, 4, 5, 6]
    assert {cause[3:] for cause in causes(rig)} == {("missing", "spool/frame")}


def test_a_disk_that_is_full_for_a_while_loses_nothing(rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write = disk.write
    full = False

    def limited(file: int, data: bytes) -> None:
        if full:
            write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, data)

    def set_full(value: bool) -> None:
        nonlocal full
        full = value

    monkeypatch.setattr(disk, "write", limited)
    rig.clock.at = {3 * MINUTE + 20: lambda: set_full(True), 8 * MINUTE + 20: lambda: set_full(False)}
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []


def test_what_there_is_no_room_for_is_dropped_and_told(rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room in the spool for some samples only, and for two in memory, until a window is closed."""
    monkeypatch.setattr(recorder, "MAX_HELD", 2)
    rig.limit = 1_600
    rig.run()
    require_all(site, 1, 30)
    lost = missing(site)
    assert lost
    told = [cause for cause in causes(rig) if cause[0] == "GPU-0"]
    assert {cause[3:] for cause in told} == {("missing", "spool/full")}
    assert [minute for _, first, end, _, _ in told for minute in range(first, end)] == lost


def test_more_irregularities_than_are_looked_at_keep_no_window_open(
    rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(irregular, "MAX_IRREGULARITIES", 3)
    for minute in range(1, 30):
        absent = frozenset(UIDS[1:] if minute % 2 else ())
        rig.clock.at[minute * MINUTE + 20] = lambda absent=absent: setattr(rig.devices, "absent", absent)  # type: ignore[misc]
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []
    told = [record.__dict__["fields"] for record in caplog.records if record.msg == "irregularities dropped"]
    assert len(told) == 3
    assert all(fields.keys() == {irregular.Kind.MISSING} and min(fields.values()) > 0 for fields in told)


def rotation(site: Site, at: int | None) -> None:
    new = signer("next").public_key()
    with LogWriter.open(site.log) as log:
        leaf = leaf_hash(log.entry(0))
        proof = signer("next").sign(possession(leaf, HOST, Role.HOST, int(new.alg), new.raw))
        sign_next(log, signer("host"), Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), at)


def test_a_key_that_is_rotated_loses_no_interval(rig: Rig, site: Site) -> None:
    rig.clock.at = {14 * MINUTE + 20: lambda: rotation(site, None)}
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []
    kinds = [type(statement.body) for statement in site.statements(HOST)]
    assert kinds == [UsageBody, KeysBody, UsageBody, UsageBody]


def test_a_chain_is_not_begun_inside_a_window_by_a_rotation(rig: Rig, site: Site) -> None:
    """It would begin at the time of the rotation: inside an interval, where no window can begin, and after samples."""

    def early() -> None:
        with pytest.raises(KeyFileError, match="key/early"):
            rotation(site, None)

    rig.clock.at = {4 * MINUTE + 20: early}
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []
    assert [type(statement.body) for statement in site.statements(HOST)] == [UsageBody, UsageBody, UsageBody]


def test_a_chain_is_begun_by_a_rotation_where_it_is_told_to(rig: Rig, site: Site) -> None:
    rig.clock.at = {4 * MINUTE + 20: lambda: rotation(site, START + MINUTE)}
    rig.run()
    require_all(site, 1, 30)
    assert missing(site) == []
    kinds = [type(statement.body) for statement in site.statements(HOST)]
    assert kinds == [KeysBody, UsageBody, UsageBody, UsageBody]


def named(site: Site) -> list[tuple[int, set[int]]]:
    """By statement how many runs it names, and the runs of its first device's spans."""
    found = []
    for statement in site.statements(HOST):
        body = statement.body
        assert isinstance(body, UsageBody)
        length = (statement.end - statement.start) // body.interval
        spans = np.frombuffer(body.spans, SPAN)
        found.append((len(body.runs), set(spans["run"][spans["first"] < length].tolist())))
    return found


def test_statements_say_which_run_an_interval_belongs_to(rig: Rig, site: Site) -> None:
    new_salts(site.path / "salts")
    times = [datetime.fromtimestamp(START + minute * MINUTE, UTC).isoformat() for minute in (5, 25)]
    site.file("runs.csv", f"run,label,start,end,host\nllama-7,training,{times[0]},{times[1]},n1\n")
    rig.runs = RunNames((str(site.path / "runs.csv"),), None, str(site.path / "salts"))
    rig.run()
    require_all(site, 1, 30)
    assert named(site) == [(1, {0, NO_RUN}), (1, {0}), (1, {0, NO_RUN})]
    runs = {body.runs[0] for s in site.statements(HOST) if isinstance(body := s.body, UsageBody)}
    assert {(run.label, bool(run.lineage)) for run in runs} == {(Label.TRAINING, True)} and len(runs) == 1
    assert "llama-7" in (site.path / "salts").read_text()


def test_files_of_workloads_that_cannot_be_read_keep_no_window_open(
    rig: Rig, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    new_salts(site.path / "salts")
    rig.runs = RunNames((str(site.path / "nowhere.csv"),), None, str(site.path / "salts"))
    rig.run()
    require_all(site, 1, 30)
    assert named(site) == [(0, {NO_RUN})] * 3
    assert "no runs are named" in caplog.text


@pytest.mark.parametrize(
    ("said", "event", "runs"),
    [
        ({"warnings": [{"description": "a job was skipped"}]}, "runs may be missing from a file", 1),
        ({"errors": [{"error": "no database"}]}, "no runs are named", 0),
    ],
)
def test_what_slurm_says_of_its_own_reply_is_told(
    rig: Rig, site: Site, caplog: pytest.LogCaptureFixture, said: dict[str, Any], event: str, runs: int
) -> None:
    time = {"submission": START, "start": START, "end": START + 40 * MINUTE, "elapsed": 40 * MINUTE}
    job = {"job_id": 7, "cluster": "hpc", "nodes": "n1", "time": time, "state": {"current": ["COMPLETED"]}}
    new_salts(site.path / "salts")
    jobs = site.file("jobs.json", json.dumps({"jobs": [job], "errors": [], "warnings": [], **said}))
    rig.runs = RunNames((jobs,), None, str(site.path / "salts"))
    rig.run()
    require_all(site, 1, 30)
    assert [number for number, _ in named(site)] == [runs] * 3
    told = [record.__dict__["fields"] for record in caplog.records if record.msg == event]
    assert len(told) >= 3 and ("a job was skipped" in str(told[0])) == ("warnings" in said)
