"""`attest reveal`: open one run that statements name by a commitment (schemas/workloads.md, "Openings")."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from attest.cli.params import FORMAT, write
from attest.cli.verb import Verb, console
from attest.errors import MissingError
from attest.format.opening import Opening, commitment, format_opening
from attest.store.salts import open_salts


@click.command(
    cls=Verb,
    example="attest reveal llama-7 --salts lab.salts -o llama-7.opening\nattest reveal --salts lab.salts",
)
@click.argument("run", required=False)
@click.option("--salts", required=True, metavar="FILE", help="The private file of salts (attest key salts).")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where the opening goes; - is stdout.")
@FORMAT
def reveal(run: str | None, salts: str, output: str, form: str) -> None:
    """Write what opens RUN in statements, and nothing of any other run; without RUN, list what can be opened.

    The list has the lab's names of runs, and the numbers of lineages and owners with theirs, as verdicts tell them.
    "attest open BUNDLE --reveal FILE" finds the statements that name the run.
    """
    with open_salts(Path(salts), read_only=True) as opened:
        records = [(kind, name, value) for (kind, name), value in opened.records.items()]
    if run is None:
        data = [
            {"what": kind, "name": name, "number": None if kind == "run" else int(value, 16)}
            for kind, name, value in records
        ]
        listing = {"format": "attest-reveal/1", "names": data}
        click.echo(_json(listing) if form == "json" else "\n".join(map(_line, data)))
        return
    salt = next((value for kind, name, value in records if (kind, name) == ("run", run)), None)
    if salt is None:
        hint = "attest reveal --salts FILE lists the runs; each host's file has those that the host named"
        raise MissingError("reveal/unknown-run", f"{salts} has no run {run[:80]!r}", hint=hint)
    opening = Opening(run, bytes.fromhex(salt))
    write(output, format_opening(opening))
    console().say(f"opens {commitment(opening).hex()}")


def _line(named: Mapping[str, object]) -> str:
    number = "" if named["number"] is None else f" {named['number']}"
    return f"{named['what']}{number} {named['name']}"


def _json(data: Mapping[str, object]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
