"""The recorder as a process beside a real exporter: killed, suspended, ended; every second once."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from attest.compute.columns import SPAN
from attest.format.bodies import UsageBody
from attest.format.statement import parse_statement
from attest.format.vocabulary import State
from attest.record.spool import Spool
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, Site, site
from tests.record.exporter import Exporter, exporting

__all__ = ["site"]  # a fixture

UIDS = ("GPU-0", "GPU-1")


def configured(site: Site, exporter: Exporter, more: str = "") -> Path:
    path = site.path / "record.toml"
    path.write_text(
        f'log = "log"\nkeys = ["{site.key("host").name}"]\nlog_keys = ["{site.key("log").name}"]\nspool = "spool"\n'
        f'interval = "1 s"\nwindow = "3 s"\nseal = "1 s"\n{more}\n[[collect]]\nkind = "dcgm"\nurl = "{exporter.url}"\n'
    )
    return path


@contextmanager
def recording(config: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "attest", "record", "--config", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def seconds(site: Site, uid: str = UIDS[0]) -> dict[int, State]:
    """The state of each second that statements speak of, each once and without a hole."""
    said: dict[int, State] = {}
    for statement in site.statements(HOST):
        body = statement.body
        assert isinstance(body, UsageBody)
        length = statement.end - statement.start
        spans = np.frombuffer(body.spans, SPAN)
        states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
        for second, state in enumerate(states.reshape(-1, length)[UIDS.index(uid)].tolist(), statement.start):
            assert second not in said
            said[second] = State(state)
    assert list(said) == list(range(min(said), max(said) + 1))
    return said


def reached(site: Site) -> int:
    """Until when the host's statements reach, read beside the recorder."""
    with LogWriter.open(site.log, read_only=True) as log:
        entries = [parse_statement(log.entry(index)) for index in range(log.size + log.pending)]
    return max((e.statement.end for e in entries if isinstance(e.statement.body, UsageBody)), default=0)


def until(done: object, limit: float = 30) -> None:
    """Waits for something that comes by itself."""
    end = time.monotonic() + limit
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_killed_again_and_again_nothing_is_lost_or_doubled(site: Site) -> None:
    random.seed(7)
    kills, alive = 0, []
    with exporting(*UIDS) as exporter:
        config = configured(site, exporter)
        for _ in range(4):
            with recording(config) as process:
                begun = exporter.asked
                until(lambda begun=begun: exporter.asked > begun + 1)
                time.sleep(random.random() * 1.5)
                process.kill()
                kills += 1
            spool = Spool(site.path / "spool", 1 << 20)
            alive += [frame["time_ms"] // 1000 for frame in spool.frames() if frame.get("scrapes")]
            spool.close()
        with recording(config) as process:
            last = time.time()
            until(lambda: reached(site) > last)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    said = seconds(site)
    kept = sorted(set(alive))
    whole = [second for second, after in pairwise(kept) if after == second + 1 and second in said]
    assert len(whole) >= kills
    assert [second for second in whole if said[second] is not State.SAMPLED] == []
    assert State.MISSING in said.values()
    causes = [json.loads(line)["cause"] for line in (site.path / "spool" / "causes.jsonl").read_text().splitlines()]
    assert "record/died" in causes


def test_ended_it_says_so_and_goes_on(site: Site) -> None:
    with exporting(*UIDS) as exporter:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = configured(site, exporter, f"metrics = {port}")
        with recording(config) as process:
            until(lambda: exporter.asked > 3 and reached(site))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
                metrics = reply.read().decode()
            process.send_signal(signal.SIGTERM)
            _, lines = process.communicate(timeout=10)
            assert process.returncode == 0
    assert 'attest_samples_total{collector="dcgm"}' in metrics
    assert "attest_stated_until_timestamp_seconds 1.7" in metrics
    events = [json.loads(line) for line in lines.splitlines()]
    assert {"window closed", "sealed"} <= {event["event"] for event in events}
    assert set(seconds(site).values()) == {State.SAMPLED}


def test_a_process_that_is_suspended_and_an_exporter_that_hangs(site: Site) -> None:
    with exporting(*UIDS) as exporter:
        config = configured(site, exporter)
        with recording(config) as process:
            until(lambda: exporter.asked > 2)
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(3)
            os.kill(process.pid, signal.SIGCONT)
            resumed = exporter.asked
            until(lambda: exporter.asked > resumed + 2)
            exporter.delay = 4
            time.sleep(3)
            exporter.delay = 0
            asked = exporter.asked
            until(lambda: exporter.asked > asked + 3)
            last = time.time()
            until(lambda: reached(site) > last)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    causes = {json.loads(line)["cause"] for line in (site.path / "spool" / "causes.jsonl").read_text().splitlines()}
    assert "record/suspended" in causes
    assert causes & {"collect/timeout", "collect/hung"}
    assert State.MISSING in seconds(site).values()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('kind = "dcgm"', 'kind = "abacus"', "record/kind"),
        ('window = "3 s"', 'window = "1 min"\ninterval = "7 s"', "toml"),
        ('interval = "1 s"\nwindow = "3 s"', 'interval = "7 s"\nwindow = "1 min"', "record/window"),
        ('log = "log"', 'log = "nowhere"', "log/not-a-log"),
        ('keys = ["host.key"]', 'keys = []', "toml/empty"),
    ],
)  # fmt: skip
def test_a_faulty_configuration_is_refused(site: Site, old: str, new: str, code: str) -> None:
    with exporting(*UIDS) as exporter:
        config = configured(site, exporter)
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
        words = [sys.executable, "-m", "attest", "record", "--config", str(config), "--once"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert f"attest: error: {code}" in done.stderr
