"""What all tests of the recorder share."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_real_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process wrote is in the system's memory whether synced or not; lost power is simulated."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
