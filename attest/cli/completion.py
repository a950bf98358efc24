"""`attest completion`: what a shell or `man` needs, made from the same help as `--help`."""

import click
from click.shell_completion import get_completion_class

from attest.cli.verb import COMPLETE, EXIT_CODES, Verb, Verbs
from attest.errors import MissingError

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Verb,
    example="attest completion bash > attest.bash\nattest completion man > attest.1",
)
@click.argument("what", type=click.Choice([*SHELLS, "man"]))
def completion(what: str) -> None:
    """Print a completion script to be sourced by bash, zsh or fish, or the manual page."""
    root = click.get_current_context().find_root()
    if what == "man":
        click.echo(manual(root), nl=False)
        return
    script = get_completion_class(what)
    if script is None:
        raise click.UsageError(f"no completion for {what}")
    click.echo(script(root.command, {}, "attest", COMPLETE).source())


def manual(root: click.Context) -> str:
    """The manual page, in man(7), with every verb in the order of the help."""
    lines = [
        ".TH ATTEST 1",
        ".SH NAME",
        "attest \\- evidence of what accelerators and power meters did, signed and checked offline",
        ".SH SYNOPSIS",
        ".B attest",
        "[OPTIONS] VERB [ARGS]...",
        ".SH DESCRIPTION",
        _roff(root.command.help or ""),
        ".SH VERBS",
    ]
    lines += _verbs(root)
    lines.append(".SH EXIT STATUS")
    for code, meaning in EXIT_CODES:
        lines += [".TP", str(code), _roff(meaning)]
    return "\n".join(lines) + "\n"


def _verbs(parent: click.Context) -> list[str]:
    lines: list[str] = []
    group = parent.command
    if not isinstance(group, click.Group):
        return lines
    for name in group.list_commands(parent):
        try:
            command = group.get_command(parent, name)
        except MissingError:  # its extra is not installed
            command = None
        if command is None:
            continue
        ctx = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            lines += _verbs(ctx)
            continue
        lines += [
            f".SS {_roff(' '.join([ctx.command_path, *command.collect_usage_pieces(ctx)]))}",
            _roff(command.help or ""),
        ]
        for parameter in command.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                lines += [".TP", f".B {_roff(record[0])}", _roff(record[1])]
        if isinstance(command, Verb | Verbs):
            lines += [
                ".PP",
                "Example:",
                ".nf",
                *(_roff(f"  {e}") for e in command.example.splitlines()),
                ".fi",
            ]
    return lines


def _roff(text: str) -> str:
    """Text that means itself in man(7); a blank line parts paragraphs."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    lines = [line.strip() for line in escaped.splitlines()]
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line or ".PP" for line in lines)
