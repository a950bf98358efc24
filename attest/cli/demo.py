"""`attest demo`: one lab as it may turn out, honest, violating, silent or forged, and the verdict on each.

Writes an agreement, a trust file and four bundles, and judges each bundle under them as `attest check` does. All keys
are test keys that follow from the seed, so the same seed gives the same bytes. A directory that holds an earlier demo
and nothing else is written anew.
"""

import shlex
import shutil
from pathlib import Path
from typing import Final

import click

from attest.agreement import SignedAgreement, verify_agreement
from attest.check import check
from attest.cli.params import write
from attest.cli.verb import Verb, console
from attest.errors import AttestError
from attest.report.style import utc
from attest.report.verdict import as_text
from attest.simulate.scenes import KINDS, Demo
from attest.store.directory import DirectoryBundle
from attest.store.disk import failures
from attest.trust.pins import Trust, parse_trust
from attest.verdict import as_data

AGREEMENT: Final = "pact.agreement"
TRUST: Final = "trust.toml"
FIRST_LINES: Final = 5  # the outcome and the four lights


@click.command(cls=Verb, example="attest demo demo")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@click.option("--seed", default="demo", show_default=True, metavar="TEXT", help="Other keys, other machines.")
def demo(directory: Path, seed: str) -> None:
    """Write four bundles of a simulated lab into DIR, and tell them apart.

    The lab has agreed to switch everything off for a week. DIR/honest does; DIR/violating trains on; DIR/silent
    leaves holes; in DIR/forged statements were made up. DIR/pact.agreement is what it signed, DIR/trust.toml pins it.
    """
    _prepare(directory)
    scene = Demo(seed)
    signed, trust = scene.pact.signed(), scene.pact.trust()
    write(str(directory / AGREEMENT), signed)
    write(str(directory / TRUST), trust)
    for kind, lab in scene.labs():
        with failures(directory / kind):
            lab.save(directory / kind)
        console().say(f"{directory / kind}: {lab.size} statements")
    agreement, pins = verify_agreement(signed), parse_trust(trust)
    for kind in KINDS:
        click.echo(_judge(directory, kind, agreement, pins, scene.at))


def _judge(directory: Path, kind: str, agreement: SignedAgreement, trust: Trust, at: int) -> str:
    """The command that judges a bundle, and how its verdict begins."""
    verdict = check([DirectoryBundle(directory / kind)], agreement, trust, at=at)
    files = [directory / name for name in (kind, AGREEMENT, TRUST)]
    bundle, pact, pins = (shlex.quote(str(path)) for path in files)
    command = f"attest check {bundle} --agreement {pact} --trust {pins} --at {utc(at)}"
    lines = as_text(as_data(verdict), console().style).splitlines()[:FIRST_LINES]
    return "\n".join((f"$ {command}", *lines, f"  exits {verdict.exit_code}", ""))


def _prepare(directory: Path) -> None:
    """An empty directory, made or cleared. Raises AttestError `demo/exists` where there is anything else."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        present = {item.name for item in directory.iterdir()}
        if not present <= {AGREEMENT, TRUST, *KINDS} or (present and AGREEMENT not in present):
            detail = f"{directory} is not empty, and what it holds is no earlier demo"
            raise AttestError("demo/exists", detail, hint="name a new directory")
        for kind in present & set(KINDS):
            shutil.rmtree(directory / kind)
    except OSError as error:
        raise AttestError("demo/directory", f"{directory}: {error.strerror}", hint="name a new directory") from error
