"""`attest import nvml`: what the vendors' own tools print (schemas/import.md)."""

from collections.abc import Sequence
from typing import Any

import click

from attest.cli.import_ import HOST, INTERVAL, START, STEP, options, show, start_and_step
from attest.cli.verb import Verb
from attest.cli.workloads import WORKLOADS, asked_of
from attest.cli.workloads import options as workload_options


@click.command(
    cls=Verb,
    example="attest import nvml smi-1.xml smi-2.xml --utc-offset +00:00 --dry-run\n"
    "attest import nvml rocm-1745514060.json rocm-1745514120.json --host n1 --dry-run",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@HOST
@INTERVAL
@WORKLOADS
@workload_options
@START
@STEP
@options
def nvml(
    files: Sequence[str],
    host: str | None,
    interval: int,
    start: int | None,
    step: int | None,
    utc_offset: int | None,
    form: str,
    **where_to: Any,
) -> None:
    """Import what nvidia-smi -q -x (XML) and rocm-smi --json print, one file an asking.

    nvidia-smi's time stands in the file, without a zone; rocm-smi's comes from --start and --step, else from the
    file's name. nvidia-smi knows no energy: its devices are present, and no more. FILES are read in the order given.
    """
    from attest.cli.import_files import Where, import_scrapes
    from attest.collect.files import whole
    from attest.collect.irregular import Irregularity
    from attest.collect.smi import read_smi
    from attest.collect.times import Times

    times = Times(*start_and_step(start, step, len(files)), utc_offset)
    found: list[Irregularity] = []
    scrapes = read_smi(((name, whole(name)) for name in files), host or "", times, found)
    asked = asked_of(where_to, utc_offset)
    show(import_scrapes(scrapes, found, host, interval, Where(**where_to), asked), form)
