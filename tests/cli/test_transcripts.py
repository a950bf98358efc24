"""What the pages show being typed does what they show; the harness notices when it does not."""

from pathlib import Path

import pytest

from tests.cli.sandbox import ROOT
from tests.cli.transcript import Step, examples, files, play, steps

PAGES = [ROOT / "README.md", *sorted((ROOT / "schemas").rglob("*.md"))]
TOLD = [page for page in PAGES if "```console" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_tells_the_truth(page: Path, here: Path) -> None:
    text = page.read_text("utf-8")
    for name, content in files(text):
        (here / name).write_text(content, "utf-8")
    for step in steps(text):
        play(step, here)


def test_steps_have_command_output_and_code() -> None:
    page = "x\n```console\n$ echo a\na\n$ false\n[exit 1]\n```\n```sh\nnot this\n```\n```console\n$ true\n```\n"
    assert list(steps(page)) == [Step("echo a", "a\n", 0), Step("false", "", 1), Step("true", "", 0)]


def test_a_named_block_is_a_file() -> None:
    assert list(files("```csv a.csv\n1,2\n```\n\n```toml\nx = 1\n```\n")) == [("a.csv", "1,2\n")]


def test_a_line_of_dots_stands_for_any_lines(tmp_path: Path) -> None:
    play(Step("seq 9", "1\n...\n9\n", 0), tmp_path)
    play(Step("seq 2", "1\n...\n2\n", 0), tmp_path)


def test_a_character_stands_for_what_differs(tmp_path: Path) -> None:
    play(Step("echo size 7, $RANDOM bytes", "size 7, … bytes\n", 0), tmp_path)


@pytest.mark.parametrize(
    "step",
    [
        Step("echo b", "a\n", 0),
        Step("echo a; echo b", "a\n", 0),
        Step("echo a", "a\nb\n", 0),
        Step("echo a", "a\n", 1),
        Step("exit 3", "", 0),
        Step("seq 9", "1\n...\n8\n", 0),
        Step("echo axb", "a.b\n", 0),
        Step("echo size 7,  bytes", "size 7, … bytes\n", 0),
        Step("echo size 8, 1 bytes", "size 7, … bytes\n", 0),
        Step("echo size 7, 1; echo 2 bytes", "size 7, … bytes\n", 0),
    ],
)
def test_a_lie_is_noticed(step: Step, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        play(step, tmp_path)


def test_an_example_may_say_its_exit_code() -> None:
    assert list(examples("attest check a  # exits 3\nattest key show b")) == [
        Step("attest check a", None, 3),
        Step("attest key show b", None, 0),
    ]
