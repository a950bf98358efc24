"""What every verb of the command line has in common: its help, its options, its exit codes.

A verb is a click command of class `Verb`, a group of verbs one of class `Verbs`:

    @click.command(cls=Verb, example="attest explain cbor/duplicate-key")
    def explain(code: str) -> None: ...

Its help ends in the exit codes and then in its example: command lines that the tests run, each expected to
exit 0 unless it says `# exits N`. Options are taken from the command line, else from a variable
`ATTEST_VERB_OPTION` (`ATTEST_CHECK_TRUST`), else from the TOML file of `attest --config FILE` or
`ATTEST_CONFIG`, which has a table a verb: `[check]`, `trust = "trust.toml"`, `[log.seal]`.

This module is loaded for `attest --help`, so it imports nothing heavy.
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from attest.errors import MissingError
from attest.report.style import Style, style_for

COMPLETE: Final = "_ATTEST_COMPLETE"  # set by the scripts of `attest completion`
EXIT_CODES: Final = (
    (0, "holds: every term of the agreement is shown to be kept; of a verb that judges nothing: done"),
    (1, "the program crashed (never a verdict)"),
    (2, "wrong usage (never a verdict)"),
    (3, "breached: a term is shown to be broken"),
    (4, "unproven: the evidence does not suffice; the output says what would settle it"),
    (5, "invalid: evidence forged, altered, inconsistent or equivocating"),
    (6, "input missing or unreadable: nothing was verified (never called a forgery)"),
)


@dataclass
class Console:
    """How to speak to whoever is there: found with `click.get_current_context().find_object(Console)`."""

    colour: str = "auto"
    quiet: bool = False
    verbose: bool = False

    @property
    def style(self) -> Style:
        """The style of stdout, where the verdict goes."""
        return style_for(sys.stdout, self.colour)

    def say(self, text: str) -> None:
        """One line beside the result, on stderr; nothing under --quiet."""
        if not self.quiet:
            click.echo(text, err=True)


def console() -> Console:
    """The console of the running command."""
    return click.get_current_context().find_root().ensure_object(Console)


def _common() -> list[click.Option]:
    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        # Given to the group and to the verb, the verb's word counts; its silence does not.
        if ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.DEFAULT:
            setattr(ctx.find_root().ensure_object(Console), str(param.name), value)

    return [
        click.Option(
            ["--color", "colour"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            expose_value=False,
            callback=keep,
            help="Colour: on a terminal (auto), always or never.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=keep,
            help="Print results and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=keep,
            help="Say more on stderr.",
        ),
    ]


class Verb(click.Command):
    """A verb, with the common options, the exit codes and an example that the tests run."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.params += _common()

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        _refuse_unknown(self, info_name, parent, {str(p.name) for p in self.params})
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_epilog(formatter, self.example)


class Entry(NamedTuple):
    """Where a verb is found, `module:attribute`, and its one line of help, known without importing it."""

    target: str
    summary: str


class Verbs(click.Group):
    """A group of verbs; those in `lazy` are imported when they are run."""

    def __init__(self, *args: Any, example: str, lazy: Mapping[str, Entry] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"subcommand_metavar": "VERB [ARGS]..."} | kwargs)
        self.example = example
        self.lazy = dict(lazy or {})
        self.params += _common()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name].target.partition(":")
        try:
            found: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "attest":
                raise
            hint = f"pip install 'compute-attest[{cmd_name}]'"
            raise MissingError("verb/extra", f"`{cmd_name}` needs the package {error.name}", hint=hint) from error
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None:
            _refuse_unknown(self, info_name, parent, {str(p.name) for p in self.params} | {*self.commands})
        return super().make_context(info_name, args, parent, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.UsageError(f"no such verb: {error.command_name}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, entry.summary) for name, entry in self.lazy.items()]
        rows += [(name, command.get_short_help_str(100)) for name, command in self.commands.items()]
        with formatter.section("Verbs"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_epilog(formatter, self.example)


def read_config(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Callback of `attest --config`: the file's tables become the defaults of the verbs' options."""
    if path is None:
        return
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise MissingError("input/missing", f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"the configuration {path} is not TOML: {error}", ctx) from error
    ctx.default_map = _underscored(tables)
    known = {str(p.name) for p in ctx.command.params} | {*ctx.command.list_commands(ctx)}  # type: ignore[attr-defined]
    if unknown := ctx.default_map.keys() - known:
        raise click.UsageError(f"the configuration {path} has an unknown key: {min(unknown)}", ctx)


def _underscored(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.replace("-", "_"): _underscored(value) if isinstance(value, dict) else value for key, value in table.items()
    }


def _refuse_unknown(command: click.Command, name: str | None, parent: click.Context | None, known: set[str]) -> None:
    """A misspelt key in the configuration would else be ignored, and with it what its author meant."""
    table = parent.default_map.get(name) if parent and parent.default_map and name else None
    if table is None:
        return
    if not isinstance(table, dict):
        raise click.UsageError(f"the configuration's {name} must be a table", parent)
    if unknown := table.keys() - known:
        raise click.UsageError(f"the configuration's [{name}] has an unknown key: {min(unknown)}", parent)


def _write_epilog(formatter: click.HelpFormatter, example: str) -> None:
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES])
    lines = example.strip().splitlines()
    with formatter.section("Examples" if len(lines) > 1 else "Example"):
        for line in lines:
            formatter.write(f"{'':{formatter.current_indent}}$ {line}\n")
