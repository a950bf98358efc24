"""Two hosts at one archive, set up as schemas/archive.md says: folders of their own, one bucket and one PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from attest.archive import deliveries, retention
from attest.archive.entries import entries_of
from attest.archive.export import write_custody
from attest.archive.fixity import fixity
from attest.archive.place import Archive
from attest.archive.reindex import dump, reindex
from attest.report.style import utc
from tests.archive.conftest import Deliverer
from tests.archive.killed import QUIET, ROOT, make_bundles
from tests.archive.papers import pact
from tests.archive.postgres import PAGE, grant
from tests.check.world import LATER
from tests.cli.sandbox import run

COMMANDS = """
import json, sys
from tests.cli.sandbox import run
print(json.dumps([run(" ".join(command)) for command in json.load(sys.stdin)]))
"""


class Host:
    """A process on a host, which does one thing after the other; `codes` are those that it exited with."""

    def __init__(self, folder: Path, commands: Sequence[Sequence[str]]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMANDS],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([["archive", *command] for command in commands]))
        self.process.stdin.close()

    def codes(self) -> list[int]:
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        assert self.process.wait(QUIET) == 0
        found: list[int] = json.loads(said.splitlines()[-1])
        return found


@pytest.mark.parametrize("archive", ["moto"], indirect=True, ids=["moto and PostgreSQL"])
def test_two_hosts_put_recheck_and_hold_at_once(deliverer: Deliverer, database: str, tmp_path: Path) -> None:
    first = deliverer.put("early").id
    (tmp_path / "one").mkdir()
    deliverer.archive.path.rename(tmp_path / "one" / "regulator")
    grant(database, {"arno": "attest_archivist"})
    (lines,) = (block.split("```")[0] for block in PAGE.read_text("utf-8").split("```sh\n") if "mkdir -m 700" in block)
    subprocess.run(["sh", "-e", "-c", lines], cwd=tmp_path / "one", check=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "second").rename(tmp_path / "two" / "regulator")
    assert not (tmp_path / "two" / "regulator" / "keys" / "root.key").exists()
    assert "arno@" in (tmp_path / "two" / "regulator" / "archive.toml").read_text()

    bundles = make_bundles(tmp_path / "bundles", 5)
    for paper in pact():
        (tmp_path / paper.role).write_bytes(paper.data)
    papers = ["--agreement", str(tmp_path / "agreement"), "--trust", str(tmp_path / "trust"), "--at", utc(LATER)]
    hosts = []
    for name, own in (("one", bundles[1:3]), ("two", bundles[3:5])):
        actor = ["--actor", f"{name}@{name}.example"]
        puts = [["put", "regulator", str(path), *papers, *actor] for path in (bundles[0], *own)]
        others = [["recheck", "regulator", first, *actor], ["hold", "regulator", first, "--case", name, *actor]]
        hosts.append(Host(tmp_path / name, [*puts, *others, ["list", "regulator", *actor]]))
    for host in hosts:
        assert host.codes() == [4, 4, 4, 0, 0, 0]  # half a day of a log is unproven

    one, two = (Archive.open(tmp_path / name / "regulator") for name in ("one", "two"))
    seen = []
    for opened in (one, two):
        with opened.index.reading() as connection:
            seen.append((deliveries.listed(connection), entries_of(connection, None)))
    (listed, entries) = seen[0]
    assert seen[0] == seen[1]
    assert len(listed) == 6 and {row["outcome"] for row in listed} == {"unproven"}
    for name in ("one", "two"):
        by = [entry["action"] for entry in entries if entry["actor"] == f"{name}@{name}.example"]
        assert by == ["put", "standing", "verdict"] * 3 + ["verdict", "hold", "access"]
    with one.index.reading() as connection:
        assert retention.holds(connection, first) == ["one", "two"]
    assert [found.versions for found in one.objects.walk("custody/") if len(found.versions) > 1] == []
    assert fixity(two).flaws == ()
    assert write_custody(two, tmp_path / "log") == (len(entries), 0)
    assert run(f"archive reindex {two.path}") == 6  # which is the owner's to do
    same = dump(one.index)
    reindex(one)
    assert dump(one.index) == same
    for opened in (one, two):
        opened.index.close()
