"""Every verb's help: the exit codes, the options in words, and an example that runs."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from attest.cli.main import VERBS, root
from attest.cli.verb import EXIT_CODES, Verb, Verbs
from tests.cli.transcript import examples, play

# The contract's words, which scripts and people rely on.
MEANINGS = {
    0: "holds: every term of the agreement is shown to be kept",
    1: "the program crashed (never a verdict)",
    2: "wrong usage (never a verdict)",
    3: "breached: a term is shown to be broken",
    4: "unproven: the evidence does not suffice; the output says what would settle it",
    5: "invalid: evidence forged, altered, inconsistent or equivocating",
    6: "input missing or unreadable: nothing was verified (never called a forgery)",
}


def commands(ctx: click.Context) -> Iterator[click.Context]:
    """Every verb, with its context, groups included."""
    yield ctx
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from commands(click.Context(command, info_name=name, parent=ctx))


ALL = list(commands(click.Context(root, info_name="attest", max_content_width=100, terminal_width=80)))
IDS = [ctx.command_path for ctx in ALL]


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert len(EXIT_CODES) == len(MEANINGS)
    for code, meaning in EXIT_CODES:
        assert meaning.startswith(MEANINGS[code])


@pytest.mark.parametrize("ctx", ALL, ids=IDS)
def test_help_says_the_exit_codes_and_ends_in_an_example(ctx: click.Context) -> None:
    assert isinstance(ctx.command, Verb | Verbs)
    text = ctx.command.get_help(ctx)
    words = " ".join(text.split())
    for code, meaning in EXIT_CODES:
        assert f"{code} {meaning}" in words
    assert text.rstrip().splitlines()[-1].strip().startswith("$ attest ")


@pytest.mark.parametrize("ctx", ALL, ids=IDS)
def test_everything_is_explained(ctx: click.Context) -> None:
    assert (ctx.command.help or "").strip()
    for parameter in ctx.command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{ctx.command_path} {parameter.opts[-1]}"


@pytest.mark.parametrize("name", VERBS)
def test_the_line_in_the_list_of_verbs_is_not_stale(name: str) -> None:
    ctx = next(c for c in ALL if c.command_path == f"attest {name}")
    assert VERBS[name].summary.endswith(".")
    assert len(VERBS[name].summary) < 70
    assert ctx.command.name == name


@pytest.mark.parametrize("ctx", ALL, ids=IDS)
def test_the_example_runs(ctx: click.Context, here: Path) -> None:
    assert isinstance(ctx.command, Verb | Verbs)
    for step in examples(ctx.command.example):
        assert step.command.startswith("attest ")
        play(step, here)
