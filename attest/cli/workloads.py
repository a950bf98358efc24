"""`attest import slurm`, and the options by which files of workloads are given (schemas/workloads.md)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from attest.cli.params import about, read
from attest.cli.verb import Verb

if TYPE_CHECKING:
    from attest.collect.irregular import Irregularity
    from attest.collect.labels import Rules
    from attest.collect.workload_files import Files
    from attest.store.salts import Salts


class Asked(NamedTuple):
    """What the options say."""

    workloads: tuple[str, ...]
    labels: str | None
    salts: str | None
    cluster: str | None
    sacct_columns: str | None
    sacct_delimiter: str | None
    utc_offset: int | None

    @property
    def any(self) -> bool:
        """Whether runs are to be named at all."""
        return bool(self.workloads or self.labels or self.salts)


WORKLOADS: Final = click.option("--workloads", multiple=True, metavar="FILE", help="What ran: see attest import slurm.")


def asked_of(given: dict[str, Any], utc_offset: int | None) -> Asked:
    """What the options of a verb that signs say, taken out of what was given to it."""
    words = {name: given.pop(name) for name in Asked._fields if name != "utc_offset"}
    asked = Asked(**words, utc_offset=utc_offset)
    if asked.any and asked.salts is None and not given["dry_run"]:
        raise click.UsageError("runs are named with --salts, which opens them again", click.get_current_context())
    return asked


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how files of workloads are read, and what is made of them."""
    for option in (
        click.option("--sacct-delimiter", metavar="TEXT", help="What stands between sacct's fields; the default is |."),
        click.option(
            "--sacct-columns",
            metavar="NAMES",
            help="sacct's columns, as given to its --format, where the files have no header.",
        ),
        click.option("--cluster", metavar="NAME", help="The cluster of jobs and pods whose records name none."),
        click.option("--salts", metavar="FILE", help="The private file of salts (attest key salts)."),
        click.option("--labels", metavar="FILE", help="TOML: the lab's rules for labels, lineages and owners."),
    ):
        command = option(command)
    return command


def rules_of(asked: Asked) -> "Rules":
    """The lab's rules, none without a file. Raises AgreementError, MissingError."""
    from attest.collect.labels import Rules, parse_rules

    if asked.labels is None:
        return Rules()
    data = read(asked.labels)
    with about(asked.labels):
        return parse_rules(data)


def files_of(asked: Asked, rules: "Rules", found: "list[Irregularity]") -> "Files":
    """What the files tell."""
    from attest.collect.slurm_text import Options
    from attest.collect.workload_files import read_files

    columns = None if asked.sacct_columns is None else tuple(name.strip() for name in asked.sacct_columns.split(","))
    how = Options(columns, asked.sacct_delimiter, asked.cluster, asked.utc_offset)
    return read_files(asked.workloads, how, rules, found)


@contextmanager
def salts_of(asked: Asked, *, read_only: bool) -> "Iterator[Salts | None]":
    """The open file of salts, None where none is given."""
    from attest.store.salts import open_salts

    if asked.salts is None:
        yield None
        return
    with open_salts(Path(asked.salts), read_only=read_only) as salts:
        yield salts


def _offset(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from attest.cli.import_ import offset

    return offset(ctx, param, value)


@click.command(
    cls=Verb,
    example="attest import slurm jobs.json\nattest import slurm jobs.json --labels labels.toml --format json",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@options
@click.option(
    "--utc-offset", callback=_offset, metavar="±HH:MM", help="The zone of times that name none; there is no default."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Text, or JSON (schemas/workloads.md).",
)
def slurm(
    files: Sequence[str],
    labels: str | None,
    salts: str | None,
    cluster: str | None,
    sacct_columns: str | None,
    sacct_delimiter: str | None,
    utc_offset: int | None,
    form: str,
) -> None:
    """Print which runs files of workloads tell of, and what of them is not usable; write nothing.

    FILES are of sacct (JSON or parsable text), slurmrestd, scontrol, kubectl or the lab's own, and are told
    apart by what is in them. Runs come into statements with the telemetry: "attest import dcgm --workloads
    FILE". With --salts the numbers of lineages and owners are printed.
    """
    from attest.cli.workload_report import as_json, as_text, report
    from attest.collect.irregular import Irregularity
    from attest.collect.labels import apply_rules
    from attest.collect.workloads import merge

    asked = Asked(tuple(files), labels, salts, cluster, sacct_columns, sacct_delimiter, utc_offset)
    found: list[Irregularity] = []
    rules = rules_of(asked)
    told = files_of(asked, rules, found)
    runs = apply_rules(merge([*told.workloads, *told.pods]), rules, found)
    with salts_of(asked, read_only=True) as opened:
        data = report(told.files, runs, found, None if opened is None else opened.secret)
    click.echo(as_json(data) if form == "json" else as_text(data), nl=False)
