"""`attest import redfish`: the resources of BMCs and rack PDUs (schemas/import.md)."""

from collections.abc import Sequence
from typing import Any

import click

from attest.cli.import_ import (
    CLOCK_OFFSET,
    CLOCK_UNCERTAINTY,
    FEED,
    ISSUER,
    START,
    STEP,
    options,
    show,
    times_of,
)
from attest.cli.verb import Verb


@click.command(
    cls=Verb,
    example="attest import redfish power-1745514060.json power-1745514120.json --dry-run\n"
    "attest import redfish power-1745514060.json --quantity gauge --only Chassis/1/Power --dry-run --format json",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--only", multiple=True, metavar="NODE", help="Take this node only; may be given several times.")
@FEED
@click.option(
    "--quantity",
    type=click.Choice(["gauge", "register"]),
    help="Power of a moment, or lifetime energy, which is the default where all nodes have it.",
)
@START
@STEP
@CLOCK_OFFSET
@CLOCK_UNCERTAINTY
@ISSUER
@options
def redfish(
    files: Sequence[str],
    only: Sequence[str],
    feed: dict[str, str],
    quantity: str | None,
    start: int | None,
    step: int | None,
    clock_offset: int,
    clock_uncertainty: int | None,
    utc_offset: int | None,
    form: str,
    **where_to: Any,
) -> None:
    """Import Redfish resources that were kept as JSON: power, sensors, metrics and outlets of servers and PDUs.

    A node is the path of its resource. Times are those of the sensors where they state one, else --start and --step,
    else the file's name. FILES are read in the order given, which is that of their recording; - is stdin.
    """
    from attest.cli.import_files import Meter, Where, import_readings
    from attest.collect.files import whole
    from attest.collect.irregular import Irregularity
    from attest.collect.redfish import read_redfish
    from attest.format.vocabulary import Quantity

    wanted = {None: None, "gauge": Quantity.GAUGE_POWER, "register": Quantity.REGISTER}[quantity]
    times = times_of(start, step, utc_offset, len(files))
    others: list[Irregularity] = []
    log, kind = read_redfish(((name, whole(name)) for name in files), times, wanted, only, others)
    meter = Meter(feed, kind, clock_offset, clock_uncertainty, None)
    show(import_readings(log, others, meter, Where(**where_to)), form)
