"""`attest inventory scan`: what is on a host against what is declared there."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from attest.cli.params import FORMAT, LOG
from attest.cli.verb import Verb
from attest.collect.collector import Refusal, Sample
from attest.collect.dcgm import Scrape, read_expositions
from attest.collect.files import whole
from attest.collect.irregular import Irregularity, Kind
from attest.collect.smi import read_smi
from attest.collect.times import Times
from attest.errors import ImportDataError, MissingError
from attest.format.fields import HIDDEN
from attest.inventory.scan import Item, compare, seen
from attest.inventory.site import Site
from attest.record.chain import genesis_leaf, now
from attest.record.collectors import KINDS, open_collector
from attest.record.config import DEFAULT_TIMEOUT, CollectorConfig
from attest.report.style import count, utc
from attest.store.writer import LogWriter
from attest.verdict import EXIT_MISSING

BESIDE = click.option(
    "--beside",
    multiple=True,
    metavar="LOG",
    type=click.Path(path_type=Path, readable=False),
    help="Another log, with its ledger if there is one: no accelerator is in two. Can be repeated.",
)


def sites_beside(log: LogWriter, paths: Sequence[Path]) -> list[Site]:
    """The sites of other logs, which are only looked at."""
    found = []
    for path in paths:
        with LogWriter.open(path, read_only=True) as other:
            if genesis_leaf(other) == genesis_leaf(log):
                raise click.UsageError(f"{path} is the same log, not one beside it", click.get_current_context())
            found.append(Site.of(other))
    return found


@click.command(
    cls=Verb,
    example="attest inventory scan log dcgm-1745514060.prom --source https://acme.example/dc1/n1  # exits 6",
)
@LOG
@click.argument("file", required=False)
@click.option("--source", required=True, metavar="URI", help="The host, as the inventory names it.")
@click.option("--collect", "kind", type=click.Choice(sorted(KINDS)), help="Ask a collector instead of reading FILE.")
@click.option("--url", metavar="URL", help="The collector's endpoint.")
@click.option("--ca", metavar="FILE", help="Certificates to trust, of a private endpoint.")
@click.option("--host", metavar="NAME", help="The host's name in what is read, where it speaks of several.")
@BESIDE
@FORMAT
def scan(
    directory: Path,
    file: str | None,
    source: str,
    kind: str | None,
    url: str | None,
    ca: str | None,
    host: str | None,
    beside: Sequence[Path],
    form: str,
) -> int:
    """Compare what is on a host with what the newest inventory declares there.

    FILE is what dcgm-exporter, `nvidia-smi -q -x` or `rocm-smi --json` printed, - is stdin; of a history the end.
    Exits 0 if all that is declared is there and nothing else; 6 if anything differs or could not be read. A device that
    is to be off may be absent.
    """
    if (file is None) == (kind is None):
        raise click.UsageError("give a FILE, or --collect", click.get_current_context())
    sample = _read(file) if file is not None else _ask(kind or "", url, ca, host)
    scrapes = _of_host(sample.scrapes, host)
    with ExitStack() as stack:
        log = stack.enter_context(LogWriter.open(directory, read_only=True))
        site = Site.of(log)
        items = compare(site, sites_beside(log, beside), source, seen(scrapes), sample.refusals)
    click.echo(_json(site, source, items) if form == "json" else _text(site, source, items), nl=False)
    return EXIT_MISSING if any(item.code for item in items) else 0


def _read(name: str) -> Sample:
    """The last asking in a file; when it was does not matter."""
    found: list[Irregularity] = []
    times = Times(now() * 1000, utc_offset=0, default=True)
    body = whole(name)
    if body.lstrip()[:1] in (b"<", b"{"):
        scrapes = list(read_smi([(name, body)], "", times, found))
    else:
        scrapes = list(read_expositions([(name, body.splitlines(keepends=True))], times, found))
    last = tuple(scrape for scrape in scrapes if scrape.exposition == scrapes[-1].exposition)
    uncounted = (missing for missing in found if missing.kind is Kind.MISSING)
    return Sample(last, refusals=tuple(_unread(name, missing) for missing in uncounted))


def _unread(name: str, missing: Irregularity) -> Refusal:
    numbers = ", ".join(f"{number:,} {what}" for what, number in missing.numbers.items())
    return Refusal("file", name, missing.who, missing.time_ms, "scan/unread", f"accelerators: {numbers}")


def _ask(kind: str, url: str | None, ca: str | None, host: str | None) -> Sample:
    """What a collector finds. Raises MissingError where that is nothing: then nobody knows what is there."""
    sample = open_collector(CollectorConfig(kind, kind, url, ca), DEFAULT_TIMEOUT, host).collect(now() * 1000)
    if not sample.scrapes:
        first = next(iter(sample.refusals), None)
        if first is None:
            raise MissingError("scan/nothing", f"{kind} finds no device: nothing was compared")
        raise MissingError(first.code, first.cause)
    return sample


def _of_host(scrapes: Sequence[Scrape], name: str | None) -> list[Scrape]:
    hosts = sorted({scrape.host for scrape in scrapes})
    if name is None and len(hosts) == 1:
        return list(scrapes)
    if name not in hosts:
        what = "several hosts" if name is None else f"no host {name!r}"
        raise ImportDataError("import/host", f"{what}: {', '.join(hosts)[:200]}", hint="name the one with --host")
    return [scrape for scrape in scrapes if scrape.host == name]


def _json(site: Site, source: str, items: Sequence[Item]) -> str:
    data: dict[str, Any] = {
        "format": "attest-inventory-scan/1",
        "source": source,
        "from": site.begins if site.roster else None,
        "equal": not any(item.code for item in items),
        "devices": [item._asdict() for item in items],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _text(site: Site, source: str, items: Sequence[Item]) -> str:
    since = f"the inventory from {utc(site.begins)}" if site.roster else "no inventory"
    wrong = sum(item.code is not None for item in items)
    said = f"{count(wrong, 'difference')} to" if wrong else "as declared by"
    rows = [f"{source}: {said} {since}"]
    for item in items:
        model = f" ({item.model})" if item.model else ""
        rows.append(f"  {item.code or 'ok':<16} {item.device or '-'}{model}: {item.text}")
    return "".join(f"{_shown(row)}\n" for row in rows)


def _shown(text: str) -> str:
    """What a device or an endpoint says of itself steers no terminal."""
    return HIDDEN.sub(lambda hidden: ascii(hidden[0])[1:-1], text)
