"""`attest import`: telemetry files into signed statements of a log (schemas/import.md)."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from attest.cli.params import PASSPHRASE
from attest.cli.verb import Entry, Verb, Verbs, console
from attest.cli.workloads import WORKLOADS, asked_of
from attest.cli.workloads import options as workload_options

if TYPE_CHECKING:
    from attest.collect.dcgm import Scrape
    from attest.collect.irregular import Irregularity
    from attest.collect.times import Times

    Tell = Callable[[Iterable[Scrape], list[Irregularity]], None]

DAY: Final = 86_400  # seconds; no statement states a longer interval or a clock that is worse
MAX_OFFSET: Final = 946_684_800  # seconds from 1970 to 2000, before which no stamp is read


LAZY: Final = {
    "slurm": Entry("attest.cli.workloads:slurm", "Print which runs files of Slurm, kubectl or the lab tell of."),
    "nvml": Entry("attest.cli.import_nvml:nvml", "Import what nvidia-smi -q -x and rocm-smi --json print."),
    "redfish": Entry("attest.cli.import_redfish:redfish", "Import Redfish resources of servers and PDUs."),
    "prometheus": Entry("attest.cli.import_prometheus:prometheus", "Import dcgm-exporter's history from Prometheus."),
}


@click.group("import", cls=Verbs, lazy=LAZY, example="attest import power power.csv --dry-run")
def import_() -> None:
    """Turn telemetry files into signed statements of a log.

    What the files show to be wrong, duplicate stamps, gaps, steps of a clock, counters that fall, is recorded as
    what it is and printed. Importing a file again writes nothing: a source speaks for each time once.
    """


def offset(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The option --utc-offset, in seconds."""
    if value is None:
        return None
    from attest.collect.stamps import parse_offset

    try:
        return parse_offset(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def stamp(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    from attest.collect.stamps import parse_time

    try:
        return parse_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _pairs(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise click.BadParameter(f"{name + equals + value!r} has not the form A=B", ctx, param)
    return {name: value for name, _, value in pairs}


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all of its verbs take."""
    for option in (
        click.option(
            "--format",
            "form",
            type=click.Choice(["text", "json"]),
            default="text",
            help="Text, or JSON (schemas/import.md).",
        ),
        click.option("--dry-run", is_flag=True, help="Read and print; sign and write nothing. Needs no log."),
        click.option("--source", metavar="URI", help="The source; the default is whom the log enrols the key for."),
        PASSPHRASE,
        click.option("--key", metavar="KEY", help="The source's private key."),
        click.option("--log", metavar="DIR", help="The log to append to."),
        click.option(
            "--utc-offset",
            callback=offset,
            metavar="±HH:MM",
            help="The zone of times that name none; there is no default.",
        ),
    ):
        command = option(command)
    return command


CLOCK_OFFSET: Final = click.option(
    "--clock-offset",
    type=click.IntRange(-MAX_OFFSET, MAX_OFFSET),
    default=0,
    metavar="SECONDS",
    help="Added to the meter's own stamps.",
)
CLOCK_UNCERTAINTY: Final = click.option(
    "--clock-uncertainty", type=click.IntRange(0, DAY), metavar="SECONDS", help="How far off its clock may be."
)
ISSUER: Final = click.option(
    "--issuer", metavar="URI", help="Who operates an independent meter, which the agreement enrols."
)
START: Final = click.option("--start", callback=stamp, metavar="TIME", help="When the first file was scraped.")
STEP: Final = click.option(
    "--step", type=click.IntRange(1, 366 * DAY), metavar="SECONDS", help="How much later each next file was scraped."
)
FEED: Final = click.option(
    "--feed", multiple=True, callback=_pairs, metavar="NODE=FEED", help="The feed that a node is."
)
HOST: Final = click.option(
    "--host", metavar="NAME", help="The host that the source speaks for, where several are named."
)
INTERVAL: Final = click.option(
    "--interval",
    type=click.IntRange(1, DAY),
    default=60,
    metavar="SECONDS",
    help="The grid of intervals; the default is 60.",
)


def of_host(command: Callable[..., None]) -> Callable[..., None]:
    """What all verbs take that import scrapes of a host. The command itself is given the host, the zone, and `tell`,
    to which it hands what it reads: the report is made of that, and printed."""

    @HOST
    @INTERVAL
    @WORKLOADS
    @workload_options
    @options
    @wraps(command)
    def run(host: str | None, interval: int, utc_offset: int | None, form: str, **given: Any) -> None:
        asked = asked_of(given, utc_offset)
        where = {name: given.pop(name) for name in ("log", "key", "passphrase_file", "source", "dry_run")}

        def tell(scrapes: "Iterable[Scrape]", found: "list[Irregularity]") -> None:
            from attest.cli.import_files import Where, import_scrapes

            show(import_scrapes(scrapes, found, host, interval, Where(**where), asked), form)

        command(host=host, utc_offset=utc_offset, tell=tell, **given)

    return run


@import_.command(
    cls=Verb,
    example="attest import power power.csv --dry-run\n"
    "attest import power spl.txt --node wall --utc-offset +00:00 --dry-run --format json",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--time-column", metavar="NAME", help="The column of times.")
@click.option("--node-column", metavar="NAME", help="The column of nodes.")
@click.option("--power-column", metavar="NAME", help="The column of power; its name says W, kW or mW.")
@click.option("--where", multiple=True, callback=_pairs, metavar="COLUMN=VALUE", help="Take these rows only.")
@click.option("--node", metavar="NAME", help="The one node of files that have no such column.")
@FEED
@click.option(
    "--quantity",
    type=click.Choice(["mean", "gauge"]),
    default="mean",
    help="Whether a reading is the mean power since the last one, or that of a moment, which bounds nothing.",
)
@CLOCK_OFFSET
@CLOCK_UNCERTAINTY
@click.option("--session", metavar="FILE", help="client.json or server.json of the session, to compare clocks with.")
@ISSUER
@options
def power(
    files: Sequence[str],
    time_column: str | None,
    node_column: str | None,
    power_column: str | None,
    where: dict[str, str],
    node: str | None,
    utc_offset: int | None,
    feed: dict[str, str],
    quantity: str,
    clock_offset: int,
    clock_uncertainty: int | None,
    session: str | None,
    form: str,
    **where_to: Any,
) -> None:
    """Import power logs: CSV of time, node and watts, or the log of a Yokogawa analyser.

    Columns are found by their names, in any order. Times are Unix s or ms, or ISO 8601. FILES are read in the
    order given, which is that of their recording; - is stdin.
    """
    from attest.cli.import_files import Meter, Where, import_power
    from attest.collect.columns import Wanted
    from attest.collect.power import Options
    from attest.format.vocabulary import Quantity

    wanted = Wanted(time_column, node_column, power_column, tuple(where.items()))
    kind = Quantity.MEAN_POWER if quantity == "mean" else Quantity.GAUGE_POWER
    meter = Meter(feed, kind, clock_offset, clock_uncertainty, session)
    show(import_power(files, Options(wanted, node, utc_offset), meter, Where(**where_to)), form)


@import_.command(
    cls=Verb,
    example="attest import dcgm dcgm-1745514060.prom dcgm-1745514120.prom --dry-run\n"
    "attest import dcgm history.prom --host n1 --interval 30 --dry-run\n"
    "attest import dcgm history.prom --workloads runs.csv --labels labels.toml --dry-run",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@START
@STEP
@of_host
def dcgm(
    files: Sequence[str], start: int | None, step: int | None, host: str | None, utc_offset: int | None, tell: "Tell"
) -> None:
    """Import text expositions of dcgm-exporter, of any version, one file a scrape or a history with timestamps.

    The time of a scrape comes from the timestamps in the file, else from --start and --step, else from the
    file's name. FILES are read in the order given, which is that of their recording; - is stdin. With --workloads,
    --labels or --salts intervals are said to belong to the runs that had the devices.
    """
    from attest.collect.dcgm import read_expositions
    from attest.collect.files import lines
    from attest.collect.irregular import Irregularity

    found: list[Irregularity] = []
    times = times_of(start, step, utc_offset, len(files))
    tell(read_expositions([(name, lines(name)) for name in files], times, found), found)


def times_of(start: int | None, step: int | None, utc_offset: int | None, files: int) -> "Times":
    """What says when each of so many files was scraped."""
    from attest.collect.times import Times

    if (step is not None and start is None) or (start is not None and step is None and files > 1):
        raise click.UsageError("--start and --step go together", click.get_current_context())
    return Times(start, step and step * 1000, utc_offset)


def show(data: dict[str, Any], form: str) -> None:
    """Print a report."""
    from attest.cli.imported import as_json, as_text

    click.echo(as_json(data) if form == "json" else as_text(data), nl=False)
    for clock in data.get("clock", ())[-1:]:
        if clock["zone_s"] != 0:
            console().say(
                "attest: hint: if it is the meter's clock that is wrong, correct it with --clock-offset; "
                "with --session FILE the session's own times decide"
            )
