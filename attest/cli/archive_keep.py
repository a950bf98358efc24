"""`attest archive fixity|recheck|hold|release|retain|expire`: what is whole, what still holds, what must be kept."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from attest.archive import retention
from attest.archive.fixity import KINDS, Fixity, record_fixity
from attest.archive.fixity import fixity as examine
from attest.archive.flaws import LOST
from attest.archive.recheck import everything
from attest.archive.recheck import recheck as judge_again
from attest.cli.archive import ARCHIVE, REF
from attest.cli.archive_acts import ACTOR, acting, note_access, now
from attest.cli.check import workers
from attest.cli.params import FORMAT, TIME
from attest.cli.verb import Verb, console
from attest.report.style import count, utc

CASE = click.option("--case", required=True, metavar="REFERENCE", help="The case that it is held for.")
MOVED = 5  # exit code where a store has changed or lost what it was given, or a verdict has moved


@click.command(cls=Verb, example="attest archive fixity regulator")
@ARCHIVE
@click.option(
    "--sample",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    default=100.0,
    help="Hash a share of the objects; what is missing is found in any case.",
)
@click.option("--seed", type=int, default=0, metavar="N", help="Which sample: another number, another share.")
@ACTOR
@FORMAT
def fixity(directory: Path, sample: float, seed: int, actor: str | None, form: str) -> int:
    """Hash what is stored again, and say what is changed, missing or untracked. Exits with 5 if anything is lost."""
    with acting(directory, "fixity", actor) as (opened, who):
        found = examine(opened, share=sample / 100, seed=seed)
        _show(found, sample, form)  # first: where the custody log takes no entry, that is when it is needed
        record_fixity(opened, found, sample / 100, actor=who, clock=now)
    return MOVED if any(flaw.kind in LOST for flaw in found.flaws) else 0


def _show(found: Fixity, sample: float, form: str) -> None:
    kinds = Counter(flaw.kind for flaw in found.flaws)
    if form == "json":
        numbers = {kind: kinds[kind] for kind in KINDS} | {"objects": found.objects, "bytes": found.size}
        flaws = [flaw._asdict() for flaw in found.flaws]
        click.echo(json.dumps(numbers | {"sample": f"{sample:g} %", "flaws": flaws}, indent=2))
        return
    for flaw in found.flaws:
        click.echo(f"{flaw.kind:<9}  {flaw.path}  {flaw.text}")
        if flaw.deliveries:
            named = " or ".join(id_[:12] for id_ in flaw.deliveries)
            click.echo(f"           put {named} again and it is mended")
    hashed = f"{count(found.objects, 'object')}, {found.size:,} bytes, {count(found.entries, 'entry', 'entries')}"
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS)
    click.echo(f"{hashed} of the custody log hashed: {said}")


@click.command(cls=Verb, example="attest archive recheck regulator")
@ARCHIVE
@click.argument("refs", nargs=-1, metavar="[ID]...")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, metavar="N", help="Processes that judge.")
@ACTOR
@FORMAT
def recheck(directory: Path, refs: Sequence[str], jobs: int, actor: str | None, form: str) -> int:
    """Judge deliveries again with this program, all or the IDs given, each at the time it was judged at before.

    Lists the verdicts that moved, with why. Exits with 5 if one has.
    """
    with acting(directory, "recheck", actor) as (opened, who), workers(jobs) as map_:
        ids = list(refs) or everything(opened)
        results = list(judge_again(opened, ids, actor=who, clock=now, map_=map_))
    moved = [result for result in results if result.moved]
    if form == "json":
        click.echo(json.dumps([result._asdict() for result in results], indent=2))
    else:
        for result in moved:
            click.echo(f"moved     {result.id[:12]}  {result.before} is now {result.now}")
            for reason in result.reasons:
                click.echo(f"          {reason}")
        click.echo(f"{count(len(results), 'delivery', 'deliveries')} judged again, {len(moved)} moved")
    return MOVED if moved else 0


@click.command(
    cls=Verb, example="attest archive hold regulator $(attest archive list regulator | cut -c1-12) --case 2026/117"
)
@ARCHIVE
@REF
@CASE
@ACTOR
def hold(directory: Path, ref: str, case: str, actor: str | None) -> None:
    """Forbid the removal of a delivery until the hold of this case is released."""
    with acting(directory, "hold", actor) as (opened, who):
        id_ = retention.hold(opened, ref, case, actor=who, clock=now)
    click.echo(f"{id_[:12]} is held for {case}")


@click.command(
    cls=Verb,
    example="attest archive hold regulator $(attest archive list regulator | cut -c1-12) --case 2026/117\n"
    "attest archive release regulator $(attest archive list regulator | cut -c1-12) --case 2026/117",
)
@ARCHIVE
@REF
@CASE
@ACTOR
def release(directory: Path, ref: str, case: str, actor: str | None) -> None:
    """Lift the hold of one case; others stay."""
    with acting(directory, "release", actor) as (opened, who):
        id_ = retention.release(opened, ref, case, actor=who, clock=now)
    click.echo(f"{id_[:12]} is no longer held for {case}")


@click.command(
    cls=Verb,
    example="attest archive retain regulator $(attest archive list regulator | cut -c1-12) --until 2046-01-01",
)
@ARCHIVE
@REF
@click.option("--until", required=True, type=TIME, help="Until when it is kept.")
@ACTOR
def retain(directory: Path, ref: str, until: int, actor: str | None) -> None:
    """Keep a delivery until a time. A retention is only ever extended."""
    with acting(directory, "retain", actor) as (opened, who):
        id_ = retention.retain(opened, ref, until, actor=who, clock=now)
    click.echo(f"{id_[:12]} is retained until {utc(until)}")


@click.command(cls=Verb, example="attest archive expire regulator")
@ARCHIVE
@click.option("--yes", is_flag=True, help="Remove them; without it, list what would be removed.")
@ACTOR
def expire(directory: Path, yes: bool, actor: str | None) -> None:
    """Remove deliveries whose retention has ended and that nothing holds.

    Objects that another delivery needs stay. Each removal leaves a certificate of destruction in the custody log.
    """
    with acting(directory, "expire", actor) as (opened, who):
        if not yes:
            note_access(opened, None, who, "expire")
        gone = retention.expire(opened, actor=who, clock=now) if yes else retention.expirable(opened, now())
    for each in gone:
        done = f"is locked in the store by {each.locked}" if each.locked else "removed" if yes else "would be removed"
        click.echo(f"{each.id[:12]}  {count(each.objects, 'object')}, {each.size:,} bytes: {done}")
    free = sum(not each.locked for each in gone)
    click.echo(f"{count(free, 'delivery', 'deliveries')} {'removed' if yes else 'to remove'}")
    if free and not yes:
        console().say("attest: hint: --yes removes them for good")
