"""schemas/import.md opens with an example; it is what the program does."""

import re
from pathlib import Path

import pytest

from attest.cli.main import main
from attest.collect.irregular import Kind
from attest.collect.meter_statements import MeterOptions, meter_drafts
from attest.collect.power import Options, read_power
from attest.collect.statements import Chain
from attest.format.bodies import MeterBody, format_body

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "import.md"


def fenced(language: str) -> str:
    found = re.search(rf"```{language}[^\n]*\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "power.csv").write_text(fenced("csv"))
    monkeypatch.chdir(tmp_path)
    command, _, expected = fenced("console").partition("\n")
    with pytest.raises(SystemExit) as info:
        main(command.removeprefix("$ attest ").split())
    assert (info.value.code, capsys.readouterr().out) == (0, expected)


def test_the_body_and_the_block() -> None:
    log = read_power([("power.csv", [line.encode() for line in fenced("csv").splitlines()])], Options())
    chain = Chain(bytes(32), "s", 0, None)
    (draft,) = meter_drafts(log.nodes, log.irregularities, chain, MeterOptions(), lambda: bytes(32), [])
    assert isinstance(draft.body, MeterBody)
    body = format_body(draft.body)
    assert [body[key] for key in range(1, 6)] == [1, 2005, 0, None, [["node_33", 4, 1]]]
    assert body[6][1] == 136
    numbers = [int.from_bytes((draft.block or b"")[at : at + 4], "little") for at in range(104, 136, 4)]
    shown = re.search(r"\| ([\d ]+) mW \| ([\d ]+) ms", PAGE.read_text("utf-8"))
    assert shown is not None
    assert numbers == [int(word) for word in f"{shown[1]} {shown[2]}".split()]


def test_every_kind_of_irregularity_is_described() -> None:
    pages = PAGE.read_text("utf-8") + PAGE.with_name("workloads.md").read_text("utf-8")
    described = set(re.findall(r"`([a-z-]+)`", pages))
    assert {str(kind) for kind in Kind} <= described
