"""A log that is kept open is given to whoever asks, to one after the other; any other that is locked is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attest.errors import LogError
from attest.store import handover
from attest.store.writer import LogWriter
from tests.store.conftest import ORIGIN, Lab


def test_who_keeps_no_log_open_hands_none_over(tmp_path: Path) -> None:
    with LogWriter.create(tmp_path / "log", ORIGIN):
        begun = time.monotonic()
        with pytest.raises(LogError, match="log/locked"):
            LogWriter.open(tmp_path / "log")
        assert time.monotonic() - begun < 5
        assert not handover.asked(tmp_path / "log")


def test_a_keeper_gives_the_log_and_takes_it_back(tmp_path: Path) -> None:
    path, lab = tmp_path / "log", Lab()
    log, given = LogWriter.create(path, ORIGIN), 0
    handover.announce(path)

    def write(number: int) -> int:
        with LogWriter.open(path) as other:
            return other.append(lab.entry("urn:host", number))

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, number) for number in range(3)]
        while not all(each.done() for each in writing):
            if handover.asked(path):
                log.close()
                handover.wait(path)
                log, given = LogWriter.open(path), given + 1
        assert sorted(each.result() for each in writing) == [0, 1, 2]
    assert given and log.pending == 3
    handover.withdraw(path)
    with pytest.raises(LogError, match="log/locked"):
        LogWriter.open(path)
    log.close()


def test_a_keeper_that_keeps_it_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "SECONDS", 0.2)
    with LogWriter.create(tmp_path / "log", ORIGIN):
        handover.announce(tmp_path / "log")
        with pytest.raises(LogError, match="log/locked"):
            LogWriter.open(tmp_path / "log")
