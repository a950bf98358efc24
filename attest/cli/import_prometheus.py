"""`attest import prometheus`: the history of exporters that Prometheus has scraped (schemas/import.md)."""

from collections.abc import Sequence
from typing import Any

import click

from attest.cli.import_ import HOST, INTERVAL, options, show, stamp
from attest.cli.verb import Verb
from attest.cli.workloads import WORKLOADS, asked_of
from attest.cli.workloads import options as workload_options


@click.command(
    cls=Verb,
    example="attest import prometheus history.json --host n1 --dry-run\n"
    "attest import prometheus http://127.0.0.1:1 --from 2025-04-24T16:00:00Z --until 2025-04-24T17:00:00Z --dry-run"
    "  # exits 6",
)
@click.argument("sources", nargs=-1, required=True, metavar="URL|FILES...")
@HOST
@INTERVAL
@WORKLOADS
@workload_options
@click.option("--from", "start", callback=stamp, metavar="TIME", help="Ask the URL for what is after this.")
@click.option("--until", "end", callback=stamp, metavar="TIME", help="And until this, including it.")
@click.option("--ca", metavar="FILE", help="Certificates to verify the URL's TLS with, in place of the system's.")
@options
def prometheus(
    sources: Sequence[str],
    host: str | None,
    interval: int,
    start: int | None,
    end: int | None,
    ca: str | None,
    utc_offset: int | None,
    form: str,
    **where_to: Any,
) -> None:
    """Import what Prometheus scraped of dcgm-exporter and its like: asked of a URL, or its replies from FILES.

    Of a URL, samples come as they were scraped, with their own stamps; --host asks for one host alone. FILES are
    replies to /api/v1/query?query=METRIC[RANGE], in the order of their time; - is stdin.
    """
    from attest.cli.import_files import Where, import_scrapes
    from attest.collect.fetch import Fetcher
    from attest.collect.files import whole
    from attest.collect.irregular import Irregularity
    from attest.collect.prometheus import MAX_REPLY, MAX_SECONDS, read_history, read_replies

    urls = [source for source in sources if source.startswith(("http://", "https://"))]
    found: list[Irregularity] = []
    asked = asked_of(where_to, utc_offset)
    place = Where(**where_to)
    if not urls:
        if start is not None or end is not None or ca is not None:
            raise click.UsageError("--from, --until and --ca are of a URL", click.get_current_context())
        scrapes = read_replies(((name, whole(name)) for name in sources), found)
        show(import_scrapes(scrapes, found, host, interval, place, asked), form)
        return
    if len(sources) > 1 or start is None or end is None or end <= start:
        raise click.UsageError("one URL, with --from before --until", click.get_current_context())
    with Fetcher(seconds=MAX_SECONDS, limit=MAX_REPLY, ca=ca) as fetcher:
        scrapes = read_history(fetcher, urls[0], host, start, end, found)
        show(import_scrapes(scrapes, found, host, interval, place, asked), form)
