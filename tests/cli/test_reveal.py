"""Runs from a file into signed statements, and from these back to the one that is opened."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from attest.cli.main import main
from attest.compute.columns import SPAN
from attest.format.bodies import UsageBody
from attest.format.opening import commitment, lineage_number, opening_of, parse_opening
from attest.format.runs import NO_RUN
from attest.format.statement import parse_statement
from attest.format.vocabulary import Label, State
from attest.store import disk
from attest.store.salts import open_salts
from attest.store.writer import LogWriter
from tests.cli.sandbox import ROOT, START, exposition

CSV = "run,label,start,end,host,devices,parent\n"


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as info:
        main(words.split())
    out, err = capsys.readouterr()
    return int(info.value.code or 0), out, err


@pytest.fixture
def lab(here: Path) -> Path:
    """A sandbox whose host says three more minutes, from 00:03 on."""
    text = "".join(exposition(i, (START + 60 * i) * 1000) for i in range(3, 7))
    (here / "later.prom").write_text(text)
    (here / "later.csv").write_text(CSV + f"llama-8,training,{START + 180},{START + 300},n1,0,llama-7\n")
    return here


IMPORT = "import dcgm later.prom --log named --key n1.key --salts lab.salts --workloads later.csv"


def last_body(path: Path) -> UsageBody:
    with LogWriter.open(path, read_only=True) as log:
        body = parse_statement(log.entry(log.size + log.pending - 1)).statement.body
    assert isinstance(body, UsageBody)
    return body


def test_a_run_of_a_file_is_in_the_statement_s_table(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, IMPORT)
    assert code == 0
    assert "run          llama-8: training, 2 intervals\n  run          none: 1 sampled intervals\n" in out
    body = last_body(lab / "named")
    with open_salts(lab / "lab.salts", read_only=True) as salts:
        (row,) = body.runs
        assert row.commitment == commitment(opening_of(salts.secret, "llama-8"))
        assert row.lineage == lineage_number(salts.secret, "llama-7")
        assert salts.records["run", "llama-8"] == opening_of(salts.secret, "llama-8").salt.hex()
        assert int(salts.records["lineage", "llama-7"], 16) == row.lineage
    assert (row.label, row.owner, row.declared) == (Label.TRAINING, 0, None)
    spans = np.frombuffer(body.spans, SPAN).tolist()
    assert spans == [(0, State.SAMPLED, 0), (2, State.SAMPLED, NO_RUN), (3, State.MISSING, NO_RUN)]


def test_the_salts_are_on_the_disk_before_the_statement_is_signed(
    lab: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (lab / "lab.salts").stat().st_size

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", fail)
        assert run(capsys, IMPORT)[0] == 6
    assert (lab / "lab.salts").stat().st_size == size
    with LogWriter.open(lab / "named", read_only=True) as log:
        assert log.pending == 0
    assert run(capsys, IMPORT)[0] == 0


def test_two_hosts_commit_to_a_run_alike(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for name in ("one", "two"):
        (lab / f"{name}.salts").touch(0o600)
        (lab / f"{name}.salts").write_bytes((lab / "lab.salts").read_bytes())
        words = f"import dcgm later.prom --workloads later.csv --salts {name}.salts --dry-run --format json"
        runs.append(json.loads(run(capsys, words)[1])["runs"])
    assert runs[0] == runs[1]
    assert runs[0][0]["commitment"]
    assert (lab / "one.salts").read_bytes() == (lab / "lab.salts").read_bytes()  # a dry run writes nothing


def test_runs_are_named_only_with_what_opens_them(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "import dcgm later.prom --log named --key n1.key --workloads later.csv"
    code, _, err = run(capsys, words)
    assert (code, "--salts" in err) == (2, True)
    assert "run " not in run(capsys, "import dcgm later.prom --log named --key n1.key --dry-run")[1]


def test_an_opening_finds_its_statements_and_no_others(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, IMPORT)[0] == 0
    assert run(capsys, "log seal named --key log.key")[0] == 0
    assert run(capsys, "reveal llama-8 --salts lab.salts -o llama-8.opening")[0] == 0
    assert parse_opening((lab / "llama-8.opening").read_bytes()).run == "llama-8"
    code, out, _ = run(capsys, "open named --reveal llama-8.opening --format json")
    data = json.loads(out)
    jsonschema.validate(data, json.loads((ROOT / "schemas" / "open.schema.json").read_text("utf-8")))
    assert (code, data["run"], [row["intervals"] for row in data["statements"]]) == (0, "llama-8", [2])
    assert [row["devices"] for row in data["statements"]] == [1]
    first = json.loads(run(capsys, "open named --reveal llama-7.opening --format json")[1])
    assert first["statements"][0]["lineage"] == data["statements"][0]["lineage"]
    assert first["statements"][0]["index"] != data["statements"][0]["index"]


def test_an_opening_that_was_changed_opens_nothing(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (lab / "llama-7.opening").read_text()
    (lab / "other.opening").write_text(text.replace("llama-7", "llama-9"))
    code, out, err = run(capsys, "open named --reveal other.opening")
    assert (code, out, "reveal/nowhere" in err) == (6, "", True)
    (lab / "bad.opening").write_text(text.replace("salt", "Salt"))
    code, out, err = run(capsys, "open named --reveal bad.opening")
    assert (code, out, "opening/format" in err) == (6, "", True)
    assert run(capsys, "open named 3 --reveal llama-7.opening")[0] == 2
    assert run(capsys, "open llama-7.opening --reveal llama-7.opening")[0] == 2


def test_what_cannot_be_opened_is_said(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "reveal llama-9 --salts lab.salts")
    assert (code, out, "reveal/unknown-run" in err) == (6, "", True)
    assert run(capsys, "reveal llama-7 --salts none.salts")[0] == 6
    secret = (lab / "lab.salts").read_bytes()
    assert run(capsys, "reveal llama-7 --salts lab.salts -o lab.salts")[0] == 6
    assert (lab / "lab.salts").read_bytes() == secret
    assert run(capsys, "key salts lab.salts")[0] == 2


def test_an_opening_tells_nothing_of_the_secret(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_salts(lab / "lab.salts", read_only=True) as salts:
        secret = salts.secret.hex()
    _, out, _ = run(capsys, "reveal llama-7 --salts lab.salts")
    assert re.fullmatch(r"attest-opening/1\nrun llama-7\nsalt [0-9a-f]{64}\n", out)
    assert secret not in out
    assert secret not in run(capsys, "reveal --salts lab.salts --format json")[1]


def test_pods_on_samples_need_a_cluster(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (lab / "later.prom").read_text()
    (lab / "pods.prom").write_text(text.replace('gpu="0"', 'gpu="0",pod="train-0",namespace="ml"'))
    code, _, err = run(capsys, "import dcgm pods.prom --salts lab.salts --dry-run")
    assert (code, "import/cluster" in err) == (6, True)
    _, out, _ = run(capsys, "import dcgm pods.prom --salts lab.salts --cluster prod --dry-run")
    assert "run          kubernetes/prod/ml/train-0: none, 3 intervals" in out
    assert "1 x unlabelled" in out
