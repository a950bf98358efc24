"""`attest inventory`: the accelerators of a site, from their arrival to their end (schemas/inventory.md).

Each act takes the newest roster, makes the next one, and has the office sign it. What a roster has no place for is in
a ledger beside the log, and is there before the statement is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from attest.cli.inventory_scan import BESIDE, scan, sites_beside
from attest.cli.params import KEY_FILE, LOG, PASSPHRASE, TIME, parsed
from attest.cli.roster import parse_roster_text
from attest.cli.verb import Verb, Verbs
from attest.format.vocabulary import Kind
from attest.inventory import acts
from attest.inventory.acts import Change, Terms, parse_device
from attest.inventory.edges import next_edge
from attest.inventory.site import Site
from attest.record.chain import finish, now, require_kind, signer_of
from attest.record.declaring import carry_out
from attest.report.style import count, utc
from attest.sign.signer import Signer
from attest.store.writer import LogWriter

AT = click.option("--at", type=TIME, help="From when on, on a full minute; the default is the next full hour.")
AGAIN = click.option("--again", metavar="REASON", help="Why what was retired, or is of another kind, is taken in.")
FEED = click.option("--feed", metavar="NAME", help="The feed they hang on; the default is that of the host's others.")
DEVICES = click.argument("names", nargs=-1, required=True, metavar="DEVICE...")
OFFICE = KEY_FILE("The office's private key.")


@click.group(cls=Verbs, example="attest inventory declare log roster.toml --key office.key")
def inventory() -> None:
    """Declare accelerators, move and retire them, compare hosts with what is declared.

    A DEVICE is given by its UUID or its serial. A new inventory is in force from a time on that no host has spoken of
    yet; where hosts sign elsewhere, let it be one that all of them can know of before.
    """


class _Office:
    """The office at an open log: its books, what all acts take, and how they are carried out."""

    def __init__(
        self, log: LogWriter, signer: Signer, at: int | None, again: str | None, beside: Sequence[Path]
    ) -> None:
        require_kind(log, signer, Kind.INVENTORY)
        if begun := finish(log, signer):
            done = count(begun, "statement")
            click.echo(f"attest: hint: {done} that the office began to sign before a crash came first", err=True)
        if again is not None:
            acts.require_name(again)
        self.log, self.signer, self.site = log, signer, Site.of(log)
        when = next_edge(now()) if at is None else at
        self.terms = Terms(log.size + log.pending, when, again, sites_beside(log, beside))

    def carry_out(self, change: Change, what: str) -> None:
        """Carry out and say so."""
        index = carry_out(self.log, self.site, self.signer, change)
        if index is None or change.roster is None:
            click.echo(what)
            return
        devices, hosts = count(change.roster.count(), "accelerator"), count(len(change.roster.hosts), "host")
        since = utc(change.line.at)
        click.echo(f"entry {index} declares {devices} of {hosts} from {since} on{what and f': {what}'}")


@contextmanager
def _office(
    directory: Path,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
    again: str | None = None,
    beside: Sequence[Path] = (),
) -> Iterator[_Office]:
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(directory) as log:
        yield _Office(log, signer, at, again, beside)


@inventory.command(cls=Verb, example="attest inventory declare log roster.toml --key office.key")
@LOG
@click.argument("roster")
@OFFICE
@PASSPHRASE
@AT
@AGAIN
@BESIDE
def declare(
    directory: Path,
    roster: str,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
    again: str | None,
    beside: Sequence[Path],
) -> None:
    """Declare every accelerator and feed of the site, as the TOML file ROSTER lists them (schemas/inventory.md).

    The first time, all of them arrive. Later it places what has arrived, and changes feeds: what never arrived, was
    retired or has another model is refused, but for a reason, and nothing vanishes by not being listed.
    """
    written = parsed(roster, parse_roster_text)
    with _office(directory, key_path, passphrase_file, at, again, beside) as office:
        change = acts.declare(office.site, office.terms, written.roster, written.serials)
        office.carry_out(change, "")


@inventory.command(
    cls=Verb,
    example="attest inventory add log GPU-3=1652923034567 --model 'NVIDIA H100 SXM5 80GB'"
    " --to https://acme.example/dc1/n1 --key office.key",
)
@LOG
@click.argument("devices", nargs=-1, required=True, metavar="DEVICE[=SERIAL]...")
@click.option("--model", required=True, metavar="NAME", help="What they are.")
@click.option("--to", "host", metavar="URI", help="The host that they are put into; left out, they are in stock.")
@FEED
@OFFICE
@PASSPHRASE
@AT
@AGAIN
@BESIDE
def add(
    directory: Path,
    devices: Sequence[str],
    model: str,
    host: str | None,
    feed: str | None,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
    again: str | None,
    beside: Sequence[Path],
) -> None:
    """Accelerators arrive, and are declared at a host or kept in stock."""
    named = [parse_device(device, model) for device in devices]
    with _office(directory, key_path, passphrase_file, at, again, beside) as office:
        change = acts.add(office.site, office.terms, named, host, feed)
        office.carry_out(change, f"{len(named):,} arrived {_at(host)}")


@inventory.command(
    cls=Verb,
    example="attest inventory move log GPU-2 --from https://acme.example/dc1/n1"
    " --to https://acme.example/dc1/n2 --feed dc1-r1 --key office.key",
)
@LOG
@DEVICES
@click.option("--from", "source", metavar="URI", help="The host where they are; left out, in stock.")
@click.option("--to", "host", metavar="URI", help="The host where they go; left out, into stock.")
@FEED
@OFFICE
@PASSPHRASE
@AT
def move(
    directory: Path,
    names: Sequence[str],
    source: str | None,
    host: str | None,
    feed: str | None,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Accelerators go from a host, or from stock, to another host or into stock, where they are not declared."""
    if source == host:
        raise click.UsageError("give --from, --to, or two that differ", click.get_current_context())
    with _office(directory, key_path, passphrase_file, at) as office:
        change = acts.move(office.site, office.terms, names, source, host, feed)
        office.carry_out(change, f"{len(names):,} moved, and now {_at(host)}")


@inventory.command(cls=Verb, example="attest inventory retire log GPU-2 --key office.key")
@LOG
@DEVICES
@OFFICE
@PASSPHRASE
@AT
def retire(directory: Path, names: Sequence[str], key_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Accelerators leave the site for good: scrapped, sold, or moved to another site, whose log adds them --again."""
    with _office(directory, key_path, passphrase_file, at) as office:
        change = acts.retire(office.site, office.terms, names)
        office.carry_out(change, f"{len(names):,} retired")


def _switch(name: str, words: str, *, on: bool) -> Callable[..., Any]:
    @inventory.command(
        name, cls=Verb, example=f"attest inventory {name} log GPU-2{'  # exits 6' if on else ''}", help=words
    )
    @LOG
    @DEVICES
    @click.option("--at", type=TIME, help="From when on; the default is now.")
    def switch(directory: Path, names: Sequence[str], at: int | None) -> None:
        with LogWriter.open(directory) as log:
            site, terms = Site.of(log), Terms(log.size + log.pending, now() if at is None else at)
            site.keep(acts.switch(site, terms, names, on=on).line)
        click.echo(f"{len(names):,} {'on' if on else 'off'} from {utc(terms.at)} on")

    return switch


power_off = _switch(
    "power-off",
    """Declared accelerators are to be off: what nobody reads of them is stated as off, not as missing.

    They stay in the inventory, and every reading counts. It is the lab's own word: a meter has to show it.
    """,
    on=False,
)
power_on = _switch("power-on", "Accelerators are no longer to be off: what nobody reads of them is missing.", on=True)
inventory.add_command(scan)


def _at(host: str | None) -> str:
    return f"at {host}" if host else "in stock"
