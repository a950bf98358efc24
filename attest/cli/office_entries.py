"""`attest log event` and `attest log notice`: what the office enters in the life of the agreement and of runs."""

from pathlib import Path

import click

from attest.acts import Paper, read_act
from attest.agreement import verify_agreement
from attest.cli.params import AT, KEY_FILE, LOG, PASSPHRASE, TIME, about, parsed, read
from attest.cli.verb import Verb
from attest.errors import LogError
from attest.format.bodies import EventBody, NoticeBody
from attest.format.fields import U64
from attest.format.notice import Notice
from attest.format.vocabulary import Kind, Report
from attest.record.chain import sign_next, signer_of
from attest.report.events import headline
from attest.report.style import utc
from attest.store.writer import LogWriter


@click.command(cls=Verb, example="attest log event log pause.event --agreement pact.agreement --key office.key")
@LOG
@click.argument("file")
@click.option("--agreement", required=True, metavar="FILE", help="The signed agreement that the event is of.")
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def event(
    directory: Path, file: str, agreement: str, key_path: str, passphrase_file: str | None, at: int | None
) -> None:
    """Enter FILE, a signed event of the agreement, so that it counts for this log's party (schemas/events.md).

    What relaxes a duty counts from when witnesses have seen it here: seal the log, have it cosigned and record that
    head before it is used. An event that lacks a signature, or is of another agreement or party, is not entered.
    """
    signer = signer_of(key_path, passphrase_file)
    signed = parsed(agreement, verify_agreement).agreement
    document = read(file)
    with about(file):
        act = read_act(signed, Paper(document)).event
    with LogWriter.open(directory) as writer:
        named = signed.site(writer.origin)
        if named is None or act.party not in (None, named[0].iss):
            detail = f"{file} is for {act.party or 'the parties of the agreement'}, not for the log {writer.origin}"
            raise LogError("event/other-party", detail)
        index = sign_next(writer, signer, Kind.EVENT, EventBody(document), at)
    click.echo(f"entry {index} is {headline(act)}")


@click.command(cls=Verb, example="attest log notice log --lineage 7 --starts 2026-11-20T08:00:00Z --key office.key")
@LOG
@click.option("--lineage", type=click.IntRange(1, U64), required=True, metavar="N", help="The run's lineage number.")
@click.option("--starts", type=TIME, help="When the run will start.")
@click.option("--ends", type=TIME, help="When it has ended.")
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def notice(
    directory: Path,
    lineage: int,
    starts: int | None,
    ends: int | None,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Announce a run before it starts, or close it when it has ended (term reporting, schemas/agreement.md).

    A notice counts from when witnesses have seen it here: seal the log, have it cosigned and record that head.

    What goes on after an end, under the same number, is another run, and announced anew. One that pauses has not ended.
    """
    if (starts is None) == (ends is None):
        raise click.UsageError("say either --starts or --ends", click.get_current_context())
    signer = signer_of(key_path, passphrase_file)
    what = Report.STARTS if starts is not None else Report.ENDS
    said = Notice(what, lineage, starts if starts is not None else ends or 0)
    with LogWriter.open(directory) as writer:
        index = sign_next(writer, signer, Kind.EVENT, NoticeBody((said,)), at)
    click.echo(f"entry {index} says that lineage {lineage} {what.name.lower()} at {utc(said.at)}")
