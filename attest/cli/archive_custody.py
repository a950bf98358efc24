"""`attest archive custody|reindex`: the archive's own record, and the index that is made of it."""

import json
from pathlib import Path

import click

from attest.archive import deliveries
from attest.archive.entries import described, entries_of
from attest.archive.export import write_custody
from attest.archive.place import Archive
from attest.archive.premis import premis
from attest.archive.reindex import reindex as make_anew
from attest.cli.archive import ARCHIVE
from attest.cli.archive_acts import ACTOR, looking, note_access
from attest.cli.params import write
from attest.cli.verb import Verb
from attest.report.style import count


@click.command(cls=Verb, example="attest archive custody regulator -o custody")
@ARCHIVE
@click.argument("ref", required=False, metavar="[ID]")
@click.option("-o", "--output", metavar="PATH", help="The whole custody log as a log's folder, or the PREMIS file.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "premis"]), default="text", help="How it is shown."
)
@ACTOR
def custody(directory: Path, ref: str | None, output: str | None, form: str, actor: str | None) -> None:
    """Show who did what to a delivery, from its arrival on; without an ID, to the whole archive.

    With -o the custody log is written as a log that `attest check` verifies under the archive's custody.agreement and
    custody.trust.toml. That somebody looks is an entry of its own, the last one that is shown.
    """
    whole = output is not None and form != "premis"
    if whole and ref is not None:
        raise click.UsageError("the custody log is written whole: leave out the ID", click.get_current_context())
    with looking(directory, "custody", actor) as (opened, who):
        with opened.index.reading() as connection:
            row = None if ref is None else deliveries.find(connection, ref)
        note_access(opened, row, who, "custody", form="log" if whole else form)
        if output is not None and whole:
            size, headless = write_custody(opened, Path(output))
            click.echo(f"{output} is the custody log: {count(size, 'entry', 'entries')}")
            if headless:
                more = f"without {count(headless, 'entry', 'entries')} more, over which no head is"
                click.echo(f"attest: hint: {more}: attest archive fixity", err=True)
            return
        with opened.index.reading() as connection:
            rows = entries_of(connection, None if row is None else row.id)
            document = premis(opened, connection, row, rows) if form == "premis" else None
    if document is not None:
        write(output or "-", document)
        return
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for entry in rows:
        click.echo(described(entry))


@click.command(cls=Verb, example="attest archive reindex regulator")
@ARCHIVE
def reindex(directory: Path) -> None:
    """Make the index anew from the store alone: from the custody log and the manifests that it names."""
    opened = Archive.open(directory, keys=False)
    made = make_anew(opened)
    click.echo(f"{opened.index.name} is made of {count(made.entries, 'entry', 'entries')}")
    if made.lost:
        told = f"the store has lost {count(made.lost, 'object')}, and the index what is said there"
        click.echo(f"attest: hint: {told}: attest archive fixity, and reindex again when that is mended", err=True)
