"""`attest archive renew|evidence`: stamps of authorities over all that is kept, and what they show decades later."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from attest.archive import deliveries
from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal_records import Revocation, Stamp, Timestamp
from attest.archive.renewal_tree import HASHES
from attest.archive.renewal_verify import Existed
from attest.archive.renewing import evidence as shown
from attest.archive.renewing import renew_archive
from attest.archive.stamps import MAX_REPLY, ask_each, known_about
from attest.cli.archive import ARCHIVE, REF
from attest.cli.archive_acts import ACTOR, acting, now, record_access
from attest.cli.errors import complain
from attest.cli.params import FORMAT, TIME, parsed, write
from attest.cli.verb import Verb, console
from attest.collect.fetch import Fetcher
from attest.report.style import count, utc

DAY = 86_400
POLICY = click.option(
    "--policy", "policy_path", metavar="FILE", help="Which algorithms and authorities are believed, and until when."
)
NOT_SHOWN = 4


@click.command(cls=Verb, example="attest archive renew regulator --print-policy policy.toml")
@ARCHIVE
@POLICY
@click.option("--tsa", "urls", multiple=True, metavar="URL", help="A timestamp authority (RFC 3161); repeatable.")
@click.option(
    "--hash", "name", type=click.Choice([*HASHES]), default="sha512", help="For what is new.  [default: sha512]"
)
@click.option(
    "--within",
    type=click.IntRange(1),
    default=730,
    show_default=True,
    metavar="DAYS",
    help="Renew what ends within so many days.",
)
@click.option("--print-policy", metavar="FILE", help="Write the default policy, to be completed; nothing else is done.")
@ACTOR
def renew(
    directory: Path,
    policy_path: str | None,
    urls: Sequence[str],
    name: str,
    within: int,
    print_policy: str | None,
    actor: str | None,
) -> None:
    """Have authorities stamp what is new, and stamp again what is about to lose its force.

    Run it every month: what was not renewed before its algorithms or certificates ended cannot be renewed any more. The
    policy names the authorities that are believed; the default one has the algorithms.
    """
    if print_policy is not None:
        write(print_policy, default_policy())
        return
    if policy_path is None or not urls:
        raise click.UsageError("--policy FILE and at least one --tsa URL are needed", click.get_current_context())
    policy = parsed(policy_path, parse_policy)
    fetcher = Fetcher(limit=MAX_REPLY)

    def ask(message: bytes, time: int) -> Sequence[Stamp]:
        found = ask_each(fetcher, urls, message, policy, time)
        for failure in found.failures:
            complain(str(failure), failure.hint)
        return found.stamps

    def about(timestamps: Iterable[Timestamp], time: int) -> Revocation:
        found = known_about(fetcher, timestamps, policy, time)
        for failure in found.failures:
            complain(str(failure), failure.hint)
        return found.revocation

    with acting(directory, "renew", actor) as (opened, who):
        made = renew_archive(opened, policy, ask, about, name=name, within=within * DAY, actor=who, clock=now)
    for each in made:
        renewed, rehashed = count(each.renewed, "timestamp"), count(each.rehashed, "object")
        click.echo(f"{each.hash}  {each.new} new, {renewed} renewed, {rehashed} hashed again")
    if not made:
        console().say("nothing is new, and nothing ends within that time")


@click.command(
    cls=Verb, example="attest archive evidence regulator $(attest archive list regulator | cut -c1-12) # exits 4"
)
@ARCHIVE
@REF
@POLICY
@click.option("--at", type=TIME, help="As of when it is judged; the default is now.")
@ACTOR
@FORMAT
def evidence(directory: Path, ref: str, policy_path: str | None, at: int | None, actor: str | None, form: str) -> int:
    """Say since when a delivery is shown to have existed, and until when that can be shown. Exits with 4 if not."""
    policy: Policy = parse_policy(default_policy()) if policy_path is None else parsed(policy_path, parse_policy)
    time = now() if at is None else at
    with acting(directory, "evidence", actor) as (opened, who):
        with opened.index.reading() as connection:
            row = deliveries.find(connection, ref)
        record_access(opened, row, who, "evidence")
        addresses = deliveries.manifest_of(opened.objects, row).objects() | {deliveries.address(row)}
        found = shown(opened, sorted(addresses), policy, time)
    there = [each for each in found if isinstance(each, Existed)]
    findings = sorted({(f.code, f.detail) for each in found for f in each.findings})
    whole = len(there) == len(found)
    since = max((each.since for each in there), default=0)
    ends = min((each.limit for each in there), key=lambda limit: limit.time, default=None)
    believed = sorted(alg.name.lower() for alg in policy.believed_at(since)) if whole else []
    if form == "json":
        data: dict[str, object] = {"objects": len(found), "shown": len(there)}
        data |= {"since": utc(since) if whole else None, "signatures": believed}
        data |= {"until": _moment(ends.time) if whole and ends else None}
        click.echo(json.dumps(data | {"findings": [list(finding) for finding in findings]}, indent=2))
        return 0 if whole else NOT_SHOWN
    click.echo(f"{len(there)} of {count(len(found), 'object')} shown to have existed, as of {utc(time)}")
    if whole and ends is not None:
        click.echo(f"since      {utc(since)}, by {', '.join(there[0].authorities)}")
        click.echo(f"until      {_moment(ends.time)}: {ends.detail}")
        click.echo(f"signatures of that time are judged as of it: {', '.join(believed)}")
    for code, detail in findings:
        click.echo(f"{code}  {detail}")
    return 0 if whole else NOT_SHOWN


def _moment(time: int) -> str:
    return utc(time) if time < int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) else "no end is known"
