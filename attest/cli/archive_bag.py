"""`attest archive export|import|probe`: deliveries that travel as bags, and what a store really prevents."""

import json
from pathlib import Path

import click

from attest.archive import deliveries
from attest.archive.bagging import take_bag, write_delivery
from attest.archive.probe import probe as try_all
from attest.cli.archive import ARCHIVE, EXIT, REF, show_received
from attest.cli.archive_acts import ACTOR, acting, now, record_access
from attest.cli.params import FORMAT, TIME
from attest.cli.verb import Verb
from attest.report.style import count


@click.command(cls=Verb, example="attest archive export regulator $(attest archive list regulator | cut -c1-12) -o bag")
@ARCHIVE
@REF
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="BAG", help="A new folder.")
@ACTOR
def export(directory: Path, ref: str, output: Path, actor: str | None) -> None:
    """Write a delivery as a BagIt 1.0 bag: bundles, papers, verdicts, specification and the verifier's own wheel."""
    with acting(directory, "export", actor) as (opened, who):
        with opened.index.reading() as connection:
            row = deliveries.find(connection, ref)
        record_access(opened, row, who, "export")
        files = write_delivery(opened, row, output)
    click.echo(f"{output} is a bag of {row.id[:12]}: {count(files, 'file')}")


@click.command(
    "import",
    cls=Verb,
    example="attest archive export regulator $(attest archive list regulator | cut -c1-12) -o bag\n"
    "attest archive init second\n"
    "attest archive import second bag # exits 5",
)
@ARCHIVE
@click.argument("bag", type=click.Path(path_type=Path), metavar="BAG")
@click.option("--at", type=TIME, help="The time of judgement; the default is now.")
@ACTOR
@FORMAT
def import_(directory: Path, bag: Path, at: int | None, actor: str | None, form: str) -> int:
    """Take in BAG, a folder, ZIP or tar file that `export` of another archive wrote, and judge what it holds.

    Exits with the verdict's code. The delivery keeps its id.
    """
    with acting(directory, "import", actor) as (opened, who):
        received, found = take_bag(opened, bag, actor=who, clock=now, at=at)
    for remark in found.remarks:
        click.echo(f"attest: hint: {remark.code}, {count(remark.times, 'time')}: {remark.first}", err=True)
    return EXIT[show_received(received, form)]


@click.command(cls=Verb, example="attest archive probe regulator")
@ARCHIVE
@ACTOR
@FORMAT
def probe(directory: Path, actor: str | None, form: str) -> None:
    """Store canaries, lock them, attack them, and say of each attempt whether the store prevented it."""
    with acting(directory, "probe", actor) as (opened, who):
        found = try_all(opened.objects, now)
        said: dict[str, str | int] = {each.attempt: each.outcome for each in found}
        with opened.custody.session() as session:
            session.record("probe", who, {}, {"store": opened.objects.name[:512], **said}, now())
    if form == "json":
        click.echo(json.dumps([each._asdict() for each in found], indent=2))
        return
    for each in found:
        click.echo(f"{each.attempt:<14}  {each.outcome:<9}  {each.detail}".rstrip())
