"""The recorder as a process beside a real exporter: killed, suspended, ended; every second once."""

import json
import logging
import os
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from attest.cli.main import main
from attest.format.vocabulary import State
from tests.record.exporter import exporting
from tests.record.killed import UIDS, kill_often, reached, recording, seconds, until
from tests.record.real import configured, make_site


def causes(path: Path) -> set[str]:
    lines = (path / "spool" / "causes.jsonl").read_text().splitlines()
    return {json.loads(line)["cause"] for line in lines}


def test_killed_again_and_again_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    found = kill_often(tmp_path, 2, seed=7)
    assert (found.lost, found.doubled, found.skipped) == (0, 0, 0)
    assert found.samples >= 6 and found.missing > 0
    assert "record/died" in causes(tmp_path)


def test_suspended_beside_an_exporter_that_hangs_and_ended(tmp_path: Path) -> None:
    """It says what it does, goes on where it was, and states what was missing, and why."""
    make_site(tmp_path, UIDS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with exporting(*UIDS) as exporter:
        config = configured(tmp_path, exporter, "1 s", "1 s", f"metrics = {port}")
        with recording(config) as process:
            until(lambda: exporter.asked > 2 and reached(tmp_path))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
                metrics = reply.read().decode()
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(2.5)  # more than two intervals
            os.kill(process.pid, signal.SIGCONT)
            exporter.delay = 2
            hung = exporter.asked
            until(lambda: exporter.asked > hung)
            exporter.delay = 0
            asked, now = exporter.asked, time.time()
            until(lambda: exporter.asked > asked + 1 and reached(tmp_path) > now)
            process.send_signal(signal.SIGTERM)
            _, lines = process.communicate(timeout=10)
            assert process.returncode == 0
    assert 'attest_samples_total{collector="dcgm"}' in metrics
    assert "attest_key_valid 1.0" in metrics
    events = [json.loads(line) for line in lines.splitlines()]
    assert {"window closed", "sealed"} <= {event["event"] for event in events}
    assert "record/suspended" in causes(tmp_path)
    assert causes(tmp_path) & {"collect/timeout", "collect/hung"}
    states = [state for _, state in seconds(tmp_path)]
    assert set(states) == {State.SAMPLED, State.MISSING}
    assert states[0] is State.SAMPLED


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('kind = "dcgm"', 'kind = "abacus"', "record/kind"),
        ('window = "3 s"', 'window = "1 min"\ninterval = "7 s"', "toml"),
        ('interval = "1 s"\nwindow = "3 s"', 'interval = "7 s"\nwindow = "1 min"', "record/window"),
        ('log = "log"', 'log = "nowhere"', "log/not-a-log"),
        ('keys = ["host.key"]', "keys = []", "toml/empty"),
    ],
)
def test_a_faulty_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: str
) -> None:
    make_site(tmp_path, UIDS)
    with exporting(*UIDS) as exporter:
        config = configured(tmp_path, exporter, "3 s", "1 s")
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
        logger = logging.getLogger("attest")
        before = logger.handlers[:], logger.level, logger.propagate
        with pytest.raises(SystemExit) as info:
            main(["record", "--config", str(config), "--once"])
        logger.handlers[:], logger.level, logger.propagate = before  # which a recorder takes for its own
    assert info.value.code == 6
    assert f"attest: error: {code}" in capsys.readouterr().err
