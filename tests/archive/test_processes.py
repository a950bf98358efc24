"""Several processes at one archive, killed at any moment: nothing lost, and the index is what the store says."""

from pathlib import Path

from attest.archive.place import Archive
from tests.archive.killed import kill_often, make_bundles


def test_processes_that_are_killed_lose_nothing(archive: Archive, tmp_path: Path) -> None:
    bundles = make_bundles(tmp_path / "bundles", 12)
    found = kill_often(archive.path, bundles, processes=3, kills=6, seed=1)
    assert found.kills > 0
    assert (found.deliveries, found.lost, found.flaws, found.same) == (12, 0, 0, True)
