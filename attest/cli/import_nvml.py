"""`attest import nvml`: what the vendors' own tools print (schemas/import.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from attest.cli.import_ import START, STEP, of_host, times_of
from attest.cli.verb import Verb

if TYPE_CHECKING:
    from attest.cli.import_ import Tell


@click.command(
    cls=Verb,
    example="attest import nvml smi-1.xml smi-2.xml --utc-offset +00:00 --dry-run\n"
    "attest import nvml rocm-1745514060.json rocm-1745514120.json --host n1 --dry-run",
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@START
@STEP
@of_host
def nvml(
    files: Sequence[str], start: int | None, step: int | None, host: str | None, utc_offset: int | None, tell: "Tell"
) -> None:
    """Import what nvidia-smi -q -x (XML) and rocm-smi --json print, one file an asking.

    nvidia-smi's time stands in the file, without a zone; rocm-smi's comes from --start and --step, else from the
    file's name. nvidia-smi knows no energy: its devices are present, and no more. FILES are read in the order given.
    """
    from attest.collect.files import whole
    from attest.collect.irregular import Irregularity
    from attest.collect.smi import read_smi

    found: list[Irregularity] = []
    times = times_of(start, step, utc_offset, len(files))
    tell(read_smi(((name, whole(name)) for name in files), host or "", times, found), found)
