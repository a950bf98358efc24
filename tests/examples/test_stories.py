"""What the stories of examples/ show being typed does what they show, in a copy of their folder."""

import shutil
from pathlib import Path

import pytest

from tests.cli.sandbox import ROOT
from tests.cli.transcript import files, play, steps

STORIES = [page.parent for page in sorted((ROOT / "examples").glob("*/README.md")) if "```console" in page.read_text()]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_can_be_typed(story: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(story, tmp_path / story.name)
    text = (story / "README.md").read_text("utf-8")
    for name, content in files(text):
        (folder / name).write_text(content, "utf-8")
    for step in steps(text):
        play(step, folder)
