"""`attest import prometheus`: the history of exporters that Prometheus has scraped (schemas/import.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from attest.cli.import_ import of_host, stamp
from attest.cli.verb import Verb

if TYPE_CHECKING:
    from attest.cli.import_ import Tell


@click.command(
    cls=Verb,
    example="attest import prometheus history.json --host n1 --dry-run\n"
    "attest import prometheus http://127.0.0.1:1 --from 2025-04-24T16:00:00Z --until 2025-04-24T17:00:00Z --dry-run"
    "  # exits 6",
)
@click.argument("sources", nargs=-1, required=True, metavar="URL|FILES...")
@click.option("--from", "start", callback=stamp, metavar="TIME", help="Ask the URL for what is after this.")
@click.option("--until", "end", callback=stamp, metavar="TIME", help="And until this, including it.")
@click.option("--ca", metavar="FILE", help="Certificates to verify the URL's TLS with, in place of the system's.")
@of_host
def prometheus(
    sources: Sequence[str],
    start: int | None,
    end: int | None,
    ca: str | None,
    host: str | None,
    utc_offset: int | None,
    tell: "Tell",
) -> None:
    """Import what Prometheus scraped of dcgm-exporter and its like: asked of a URL, or its replies from FILES.

    Of a URL, samples come as they were scraped, with their own stamps; --host asks for one host alone. FILES are
    replies to /api/v1/query?query=METRIC[RANGE], in the order of their time; - is stdin.
    """
    from attest.collect.fetch import Fetcher
    from attest.collect.files import whole
    from attest.collect.irregular import Irregularity
    from attest.collect.prometheus import MAX_REPLY, MAX_SECONDS, read_history, read_replies

    urls = [source for source in sources if source.startswith(("http://", "https://"))]
    found: list[Irregularity] = []
    if not urls:
        if start is not None or end is not None or ca is not None:
            raise click.UsageError("--from, --until and --ca are of a URL", click.get_current_context())
        tell(read_replies(((name, whole(name)) for name in sources), found), found)
        return
    if len(sources) > 1 or start is None or end is None or end <= start:
        raise click.UsageError("one URL, with --from before --until", click.get_current_context())
    with Fetcher(seconds=MAX_SECONDS, limit=MAX_REPLY, ca=ca) as fetcher:
        tell(read_history(fetcher, urls[0], host, start, end, found), found)
