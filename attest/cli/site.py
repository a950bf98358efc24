"""`attest site`: keep the log of a site that many hosts hand their statements to (schemas/site.md)."""

import logging
import sys
from pathlib import Path

import click

from attest.agreement import Meter, verify_agreement
from attest.cli.params import about, parsed, read
from attest.cli.verb import Verb, Verbs, console
from attest.errors import AgreementError, MissingError
from attest.record.chain import signer_of
from attest.record.lines import log_to
from attest.report.style import count
from attest.site.config import SiteConfig, parse_config
from attest.site.desk import Desk
from attest.site.drop import Drop
from attest.site.metrics import SiteMetrics
from attest.store.writer import LogWriter

CONFIG = click.option("--config", "path", required=True, metavar="FILE", help="Which log, and how hosts reach it.")


@click.group(cls=Verbs, example="attest site collect --config site.toml")
def site() -> None:
    """Keep the log of a site that many hosts hand their statements to."""


@site.command(cls=Verb, example="attest site serve --config nowhere.toml  # exits 6")
@CONFIG
def serve(path: str) -> None:
    """Take statements of enrolled sources over HTTPS, seal them at least hourly, and give receipts.

    It ends at SIGTERM or SIGINT. What was acknowledged is in the log, whatever ends it. Other commands that write to
    the log wait until it hands the log over, and give it back.
    """
    config = _config(path)
    if config.listen is None:
        raise AgreementError("serve/listen", "no table [listen] says where hosts reach the site")
    try:
        from attest.site.server import serve as run
    except ModuleNotFoundError as error:
        raise MissingError("serve/extra", str(error), hint="pip install 'compute-attest[site]'") from error
    metrics = SiteMetrics()
    if config.metrics is not None:
        metrics.serve(config.metrics)
    run(config, config.listen, _desk(config), metrics)


@site.command(cls=Verb, example="attest site collect --config site.toml")
@CONFIG
def collect(path: str) -> None:
    """Take once what hosts left in the shared folder, answer what they ask, and seal; for cron."""
    config = _config(path)
    if config.drop is None:
        raise AgreementError("serve/drop", "no `drop` names the shared folder")
    desk = _desk(config)
    try:
        taken = Drop(config.drop, desk, config.peer, SiteMetrics()).collect()
        size = desk.seal()
    finally:
        desk.close()
    click.echo(f"took {count(taken, 'statement')}, sealed {count(size, 'entry', 'entries')}")


@site.command(cls=Verb, example="attest site rotate --config record.toml --new n1-2.key  # exits 6")
@click.option("--config", "path", required=True, metavar="FILE", help="The recorder's, of a host with a table [site].")
@click.option("--new", "new_path", required=True, metavar="KEY", help="The next key, named in `keys`, too.")
def rotate(path: str, new_path: str) -> None:
    """Replace a host's key, in its own chain, beside its running recorder: from then on the new one signs."""
    from attest.cli.record import meeting
    from attest.record.config import parse_config as parse_record

    with about(path):
        config = parse_record(read(path), Path(path).resolve().parent)
    if config.site is None:
        raise AgreementError("record/site", f"{path} has no table [site]", hint="attest key rotate LOG")
    successor = signer_of(new_path, config.passphrase_file)
    meeting(config, config.site).rotate(successor)
    click.echo(f"{config.site.source} signs with {successor.public_key().thumbprint.hex()} from now on")


def _config(path: str) -> SiteConfig:
    with about(path):
        config = parse_config(read(path), Path(path).resolve().parent)
    log_to(sys.stderr, logging.DEBUG if console().verbose else logging.INFO)
    return config


def _desk(config: SiteConfig) -> Desk:
    signers = [signer_of(key, config.passphrase_file) for key in config.log_keys]
    return Desk(config.log, signers, config.source, meters=_meters(config))


def _meters(config: SiteConfig) -> list[Meter]:
    """The meters that the agreement enrols in this log. Raises AgreementError `serve/agreement`."""
    if config.agreement is None:
        return []
    with LogWriter.open(config.log, read_only=True) as log:
        origin = log.origin
    found = parsed(str(config.agreement), verify_agreement).agreement.site(origin)
    if found is None:
        detail = f"{config.agreement} has no site whose log is {origin}"
        raise AgreementError("serve/agreement", detail, hint="name the agreement that this site is of")
    party, site = found
    return [meter for meter in party.meters if meter.site == site.name]
