"""`attest archive`: keep what labs deliver, judge it, and show in twenty years that nothing was lost or touched.

Objects are stored first and judged second; every act is an entry of the archive's own signed log (schemas/archive.md).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from attest.archive import deliveries
from attest.archive.export import write_out
from attest.archive.founding import ROOT_KEY, found
from attest.archive.putting import Paper, Received
from attest.archive.putting import put as put_delivery
from attest.cli.archive_acts import ACTOR, acting, actor_of, looking, note_access, now, record_access
from attest.cli.check import workers
from attest.cli.params import FORMAT, TIME, read
from attest.cli.verb import Entry, Verb, Verbs
from attest.format.fields import text
from attest.report.style import count, utc
from attest.store.inside import Inside

EXIT: Final = {"holds": 0, "breached": 3, "unproven": 4, "invalid": 5, "unjudged": 6}

UNREAD: Final = "unknown: the store has lost its manifest"

ARCHIVE = click.argument("directory", metavar="ARCHIVE", type=click.Path(path_type=Path, readable=False))
REF = click.argument("ref", metavar="ID")

MORE: Final = {
    "fixity": Entry("attest.cli.archive_keep:fixity", "Hash what is stored again: changed, missing, untracked."),
    "recheck": Entry("attest.cli.archive_keep:recheck", "Judge again, and list the verdicts that moved."),
    "hold": Entry("attest.cli.archive_keep:hold", "Forbid the removal of a delivery for a case."),
    "release": Entry("attest.cli.archive_keep:release", "Lift the hold of one case."),
    "retain": Entry("attest.cli.archive_keep:retain", "Keep a delivery until a time; only ever extended."),
    "expire": Entry("attest.cli.archive_keep:expire", "Remove what need not be kept any more, once confirmed."),
    "renew": Entry("attest.cli.archive_renew:renew", "Have authorities stamp what is kept, and renew their stamps."),
    "evidence": Entry("attest.cli.archive_renew:evidence", "Since when a delivery is shown to have existed."),
    "export": Entry("attest.cli.archive_bag:export", "Write a delivery as a BagIt bag that needs nothing else."),
    "import": Entry("attest.cli.archive_bag:import_", "Take in a bag of another archive."),
    "probe": Entry("attest.cli.archive_bag:probe", "Find out what the store really prevents."),
    "custody": Entry("attest.cli.archive_custody:custody", "Who did what to a delivery, or the whole custody log."),
    "reindex": Entry("attest.cli.archive_custody:reindex", "Make the index anew from the store alone."),
}


@click.group(cls=Verbs, lazy=MORE, example="attest archive list regulator")
def archive() -> None:
    """Keep what labs deliver, for as long as it must be kept, and show that nothing was lost or touched.

    An ARCHIVE is the folder that `init` made. An ID names a delivery; its first digits are enough.
    """


@archive.command(cls=Verb, example="attest archive init other --origin other.example/archive")
@ARCHIVE
@click.option(
    "--origin",
    default="archive.example/custody",
    show_default=True,
    metavar="NAME",
    help="What its custody log is called, for life.",
)
@click.option("--store", metavar="URL", help="Where objects go, s3://bucket/prefix; the default is the folder itself.")
@click.option("--index", metavar="URL", help="A postgresql:// database; the default is an SQLite file in the folder.")
def init(directory: Path, origin: str, store: str | None, index: str | None) -> None:
    """Make an archive in the folder ARCHIVE, with keys of its own and the agreement that its custody log is checked by.

    Take keys/root.key away and keep it offline: it is needed for nothing but the genesis and what may befall the other
    keys.
    """
    made = found(directory, origin, store, index, now, actor_of(None))
    click.echo(f"archive  {made.named.origin}\nstore    {made.objects.name}\nindex    {made.index.name}")
    click.echo(f"attest: hint: take {directory / ROOT_KEY} away and keep it offline", err=True)


@archive.command(
    cls=Verb,
    example="attest archive put regulator demo/honest --agreement demo/pact.agreement --trust demo/trust.toml"
    " --at 2026-11-17",
)
@ARCHIVE
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--agreement", required=True, metavar="FILE", help="The signed agreement that they are judged under.")
@click.option("--trust", metavar="FILE", help="What pins it; without it no verdict is better than unproven.")
@click.option("--event", "events", multiple=True, metavar="FILE", help="A signed event beside them; repeatable.")
@click.option("--at", type=TIME, help="The time of judgement; the default is now.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, metavar="N", help="Processes that judge.")
@ACTOR
@FORMAT
def put(
    directory: Path,
    bundles: Sequence[str],
    agreement: str,
    trust: str | None,
    events: Sequence[str],
    at: int | None,
    jobs: int,
    actor: str | None,
    form: str,
) -> int:
    """Store BUNDLEs and their papers as one delivery, and judge it. Exits with the verdict's code.

    What is broken is stored all the same and marked by its verdict. Files that the archive has are not stored again.
    """
    papers = [Paper("agreement", Path(agreement).name, read(agreement))]
    papers += [Paper("trust", Path(trust).name, read(trust))] if trust is not None else []
    papers += [Paper("event", Path(event).name, read(event)) for event in events]
    hint = "a bundle is a folder that holds a copy of a log"
    with acting(directory, "put", actor) as (opened, who), workers(jobs) as map_:
        inside = [Inside(Path(path), hint) for path in bundles]
        received = put_delivery(opened, inside, papers, actor=who, clock=now, at=at, map_=map_)
    return EXIT[show_received(received, form)]


@archive.command("list", cls=Verb, example="attest archive list regulator --party https://acme.example")
@ARCHIVE
@click.option("--party", metavar="URI", help="Those about this party.")
@click.option("--since", type=TIME, help="Those whose window ends later.")
@click.option("--until", type=TIME, help="Those whose window begins earlier.")
@click.option("--outcome", type=click.Choice([*EXIT]), help="Those with this outcome.")
@click.option("--expired", is_flag=True, help="Those that were removed, too.")
@ACTOR
@FORMAT
def list_(
    directory: Path,
    party: str | None,
    since: int | None,
    until: int | None,
    outcome: str | None,
    expired: bool,
    actor: str | None,
    form: str,
) -> None:
    """List deliveries, the oldest first."""
    times = {name: None if time is None else utc(time) for name, time in (("since", since), ("until", until))}
    asked = {"party": party, **times, "outcome": outcome, "expired": "yes" if expired else None}
    with looking(directory, "list", actor) as (opened, who):
        if party is not None:
            text(party, "party")
        note_access(opened, None, who, "list", **asked)
        with opened.index.reading() as connection:
            rows = deliveries.listed(
                connection, party=party, since=since, until=until, outcome=outcome, expired=expired
            )
    if form == "json":
        click.echo(json.dumps([_written(row) for row in rows], indent=2))
        return
    for row in rows:
        window = f"{utc(row['begin'])[:10]} to {utc(row['end'])[:10]}" if row["end"] is not None else "-"
        names = ", ".join(f"{copy['name']} ({copy['standing']})" for copy in row["copies"]) or UNREAD
        state = "expired" if row["expired"] else row["outcome"] or "unjudged"
        click.echo(f"{row['id'][:12]}  {utc(row['received'])}  {state:<9}  {window}  {names}")


@archive.command(cls=Verb, example="attest archive show regulator $(attest archive list regulator | cut -c1-12)")
@ARCHIVE
@REF
@ACTOR
@FORMAT
def show(directory: Path, ref: str, actor: str | None, form: str) -> None:
    """Show a delivery: what it holds, how its copies stand, its outcome, what it is held for."""
    with acting(directory, "show", actor) as (opened, who):
        with opened.index.reading() as connection:
            row = deliveries.find(connection, ref)
            data = deliveries.described(connection, row)
            objects = deliveries.versions(connection, opened.objects, row)
        record_access(opened, row, who, "show")
    if form == "json":
        click.echo(json.dumps(_written(data) | {"objects": objects}, indent=2))
        return
    click.echo(f"delivery  {data['id']}\nreceived  {utc(data['received'])}\noutcome   {data['outcome'] or 'unjudged'}")
    if data["end"] is not None:
        click.echo(f"window    {utc(data['begin'])} to {utc(data['end'])}")
    for party, outcome in data["parties"].items():
        click.echo(f"party     {party}: {outcome}")
    for copy in data["copies"]:
        click.echo(f"copy      {copy['name']}: {copy['origin']} size {copy['size']}, {copy['standing']}")
    if not data["copies"]:
        click.echo(f"copies    {UNREAD}")
    for case in data["holds"]:
        click.echo(f"held for  {case}")
    click.echo(f"stored    {count(len(objects), 'object')}")
    if data["retained"] is not None:
        click.echo(f"retained  until {utc(data['retained'])}")


@archive.command(cls=Verb, example="attest archive get regulator $(attest archive list regulator | cut -c1-12) -o out")
@ARCHIVE
@REF
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new folder.")
@ACTOR
def get(directory: Path, ref: str, output: Path, actor: str | None) -> None:
    """Write the files of a delivery as they came: bundles/NAME, agreement, trust.toml, events."""
    with acting(directory, "get", actor) as (opened, who):
        with opened.index.reading() as connection:
            row = deliveries.find(connection, ref)
        record_access(opened, row, who, "get")
        files = write_out(opened, deliveries.manifest_of(opened.objects, row), output)
    click.echo(f"{output} holds {count(files, 'file')} of {row.id[:12]}")


def show_received(received: Received, form: str) -> str:
    """Prints what became of a delivery; its outcome."""
    judged = received.judged
    outcome = "unjudged" if judged is None else judged.outcome
    if form == "json":
        click.echo(json.dumps(_put_data(received), indent=2))
        return outcome
    click.echo(f"delivery  {received.id}")
    click.echo(f"stored    {count(received.objects, 'new object')}, {received.size:,} bytes")
    if received.repaired:
        click.echo(f"mended    {count(received.repaired, 'object')} that the store had changed or lost")
    for name, standing in received.standings:
        against = f", against {standing.against[:12]}" if standing.against else ""
        click.echo(f"standing  {name}: {standing.word}{against}")
    click.echo(f"outcome   {outcome}")
    if judged is not None and judged.why is not None:
        click.echo(f"          {judged.why}")
    return outcome


def _put_data(received: Received) -> dict[str, Any]:
    judged = received.judged
    return {
        "delivery": received.id,
        "new_objects": received.objects,
        "new_bytes": received.size,
        "mended": received.repaired,
        "copies": {name: dict(standing.details()) for name, standing in received.standings},
        "outcome": None if judged is None else judged.outcome,
    }


def _written(row: dict[str, Any]) -> dict[str, Any]:
    """Times as text."""
    times = ("received", "begin", "end", "retained")
    return row | {key: None if row[key] is None else utc(row[key]) for key in times}
