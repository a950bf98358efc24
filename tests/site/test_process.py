"""The recorder of a host as a process, beside a real exporter and a real site."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attest.format.note import format_vkey
from attest.format.statement import parse_statement
from tests.cli.sandbox import write_key
from tests.record.exporter import Exporter, exporting
from tests.record.test_process import recording, until
from tests.site.rig import VKEYS, Lab, roster, signer, sub


def configured(lab: Lab, exporter: Exporter) -> Path:
    cert, key = lab.authority.issue("n1")
    write_key(lab.path / "n1.key", "import n1")
    write_key(lab.path / "n1-2.key", "import n1 second")
    path = lab.path / "record.toml"
    path.write_text(
        'keys = ["n1.key", "n1-2.key"]\nspool = "spool"\ninterval = "1 s"\nwindow = "2 s"\nseal = "1 s"\n'
        f'[site]\nsource = "{sub("n1")}"\nvkeys = ["{format_vkey(VKEYS[0])}"]\nurl = "https://127.0.0.1:{lab.port}"\n'
        f'ca = "{lab.authority.file}"\ncert = "{cert}"\ncert_key = "{key}"\n'
        f'[[collect]]\nkind = "dcgm"\nurl = "{exporter.url}"\n'
    )
    return path


def attest(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "attest", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_killed_and_rotated_beside_its_site(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ("n1",), 'seal = "1 s"')
    lab.make()
    uids = tuple(device.uid for device in roster(("n1",)).hosts[0].devices)
    with exporting(*uids) as exporter, lab.serving():
        config = configured(lab, exporter)
        with recording(config) as process:
            until(lambda: lab.said("n1"))
            process.kill()
        lab.kill()
        with recording(config) as process:
            time.sleep(1.5)
            lab.start()
            before = len(lab.said("n1"))
            until(lambda: len(lab.said("n1")) > before)
            done = attest("site", "rotate", "--config", config, "--new", lab.path / "n1-2.key")
            assert done.returncode == 0, done.stderr
            rotated = len(lab.said("n1"))
            until(lambda: len(lab.said("n1")) > rotated)
            process.send_signal(signal.SIGTERM)
            _, lines = process.communicate(timeout=20)
            assert process.returncode == 0, lines
    assert lab.said("n1") == list(range(len(lab.said("n1"))))
    kids = [parse_statement(entry).header.kid for entry in lab.entries()]
    assert kids[-1] == signer("n1 second").public_key().thumbprint
    assert list((tmp_path / "spool" / "site" / "receipts").glob("*.tlog-proof"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('ca = "', 'ca = "nowhere', "collect/ca"),
        ('kind = "dcgm"', 'kind = "abacus"', "record/kind"),
    ],
)
def test_a_host_that_cannot_begin_says_why(lab: Lab, old: str, new: str, code: str) -> None:
    with exporting("GPU-0") as exporter:
        config = configured(lab, exporter)
        config.write_text(config.read_text().replace(old, new))
        done = attest("record", "--config", config, "--once")
    assert done.returncode == 6
    assert f"attest: error: {code}" in done.stderr


def test_a_key_is_rotated_where_its_chain_is(lab: Lab) -> None:
    with exporting("GPU-0") as exporter:
        config = configured(lab, exporter)
        done = attest("site", "rotate", "--config", config, "--new", lab.path / "n1-2.key")
    assert done.returncode == 6 and "attest: error: remote/unreachable" in done.stderr
    text = config.read_text()
    config.write_text('log = "log"\n' + text[: text.index("[site]")] + text[text.index("[[collect]]") :])
    done = attest("site", "rotate", "--config", config, "--new", lab.path / "n1-2.key")
    assert done.returncode == 6 and "attest: error: record/site" in done.stderr
