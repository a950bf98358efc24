"""`attest open`: decode what is there, without judging it."""

import json
from pathlib import Path

import click

from attest.cli.params import FORMAT, about, parsed, read
from attest.cli.verb import Verb, console
from attest.format.opening import parse_opening
from attest.report import contents
from attest.report.revealed import reveal_data, reveal_text
from attest.store.directory import DirectoryBundle


@click.command(
    "open",
    cls=Verb,
    example="attest open log\nattest open log 0\nattest open log https://acme.example/dc1/office:1 --format json\n"
    "attest open named --reveal llama-7.opening",
)
@click.argument("bundle")
@click.argument("ref", required=False)
@click.option("--reveal", metavar="FILE", help="An opening (attest reveal): show the statements that name its run.")
@FORMAT
def open_(bundle: str, ref: str | None, reveal: str | None, form: str) -> None:
    """Decode BUNDLE without judging it: a summary of a log, or the entry that REF names.

    BUNDLE is a log's directory, or a file: a statement, a threshold document such as a signed agreement,
    a signed note or a block. REF is an index of the log, a leaf hash in hex, or SOURCE:SEQ. Nothing is
    verified: "attest check" judges. With -v, long byte strings are shown whole.
    """
    whole = console().verbose
    if reveal is not None:
        if ref is not None or not _is_directory(bundle):
            raise click.UsageError("--reveal looks through a log, all of it", click.get_current_context())
        found = reveal_data(DirectoryBundle(bundle), parsed(reveal, parse_opening))
        click.echo(_json(found) if form == "json" else reveal_text(found))
        return
    if not _is_directory(bundle):
        data = read(bundle)
        if ref is not None:
            raise click.UsageError(f"{bundle} is no log, so it has no entry {ref}", click.get_current_context())
        with about(bundle):
            click.echo(_json(contents.file_data(data)) if form == "json" else contents.file_text(data, whole=whole))
        return
    log = DirectoryBundle(bundle)
    if ref is None:
        summary = contents.log_data(log)
        click.echo(_json(summary) if form == "json" else contents.log_text(summary))
        return
    entry = contents.find(log, ref)
    click.echo(_json(contents.entry_data(entry)) if form == "json" else contents.entry_text(entry, whole=whole))


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # what is wrong with it, reading says
        return False


def _json(data: dict[str, object]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
