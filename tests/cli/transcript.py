"""Transcripts: what a page or a help shows being typed, run for real.

A page's block

    ```console
    $ attest explain key/nope
    attest: error: no such code: key/nope
    ...
    [exit 2]
    ```

is a list of commands, each after `$ `, with the exact output of both streams, and `[exit N]` where that is not 0. A
line of three dots stands for any lines, and the character `…` in a line for what differs each time, such as a hash
over fresh keys. All blocks of a page run in one directory, in order. A block of another kind
whose first line names a file after the language, as in "```csv power.csv", is that file.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```\w+ ([\w.-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\[exit (\d+)\]")
HELP_EXIT = re.compile(r"\s+# exits (\d)$")


@dataclass(frozen=True)
class Step:
    """One command, what it prints (None: anything), and its exit code."""

    command: str
    output: str | None
    code: int


def steps(page: str) -> Iterator[Step]:
    """The commands of all console blocks of a page."""
    for block in BLOCK.finditer(page):
        lines = block[1].splitlines()
        assert lines[0].startswith("$ "), f"a block begins with a command, not with {lines[0]!r}"
        starts = [i for i, line in enumerate(lines) if line.startswith("$ ")] + [len(lines)]
        for start, end in pairwise(starts):
            output = lines[start + 1 : end]
            code = EXIT.fullmatch(output[-1]) if output else None
            yield Step(
                lines[start][2:],
                "".join(f"{line}\n" for line in (output[:-1] if code else output)),
                int(code[1]) if code else 0,
            )


def files(page: str) -> Iterator[tuple[str, str]]:
    """The files that a page shows, by name."""
    yield from FILE.findall(page)


def examples(text: str) -> Iterator[Step]:
    """The commands of a verb's example."""
    for line in text.strip().splitlines():
        code = HELP_EXIT.search(line)
        yield Step(HELP_EXIT.sub("", line), None, int(code[1]) if code else 0)


def play(step: Step, folder: Path) -> None:
    """Runs a step and compares."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == step.code, f"$ {step.command}\n{done.stdout}[exit {done.returncode}]"
    if step.output is not None:
        expected = "".join(map(_pattern, step.output.splitlines()))
        assert re.fullmatch(expected, done.stdout), f"$ {step.command}\n{done.stdout}\nis not\n{step.output}"


def environment() -> dict[str, str]:
    """This machine's, less what would change an output, with this environment's commands first."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ATTEST_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "TERM": "dumb", "COLUMNS": "80", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}


def _pattern(line: str) -> str:
    return r"(?:.*\n)*?" if line == "..." else ".+?".join(map(re.escape, line.split("…"))) + r"\n"
