"""`attest demo`: one lab as it may turn out, honest, violating, silent or forged, and a pact of three with one cheat.

Writes an agreement, a trust file and four bundles, and judges each bundle under them as `attest check` does; and the
same in DIR/joint for three parties, whose bundles are judged together. All keys are test keys that follow from the
seed, so the same seed gives the same bytes. A directory that holds an earlier demo and nothing else is written anew.
"""

import shlex
import shutil
from collections.abc import Iterable, Sequence
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
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact
from attest.simulate.scenes import KINDS, PARTIES, Demo
from attest.store.directory import DirectoryBundle
from attest.store.disk import failures
from attest.trust.pins import Trust, parse_trust
from attest.verdict import as_data

AGREEMENT: Final = "pact.agreement"
TRUST: Final = "trust.toml"
JOINT: Final = "joint"
FIRST_LINES: Final = 5  # the outcome and the four lights; of the pact, the table of parties and terms


@click.command(cls=Verb, example="attest demo demo")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@click.option("--seed", default="demo", show_default=True, metavar="TEXT", help="Other keys, other machines.")
def demo(directory: Path, seed: str) -> None:
    """Write bundles of simulated labs into DIR, and tell them apart.

    A lab has agreed to switch everything off for a week. DIR/honest does; DIR/violating trains on; DIR/silent
    leaves holes; in DIR/forged statements were made up. DIR/pact.agreement is what it signed, DIR/trust.toml pins it.
    DIR/joint has the same for a pact of three labs, one of which trains on.
    """
    _prepare(directory)
    scene = Demo(seed)
    agreement, pins = _write(directory, scene.pact, scene.labs())
    joint, joint_pins = _write(directory / JOINT, scene.joint, scene.parties())
    for kind in KINDS:
        click.echo(_judge(directory, [kind], agreement, pins, scene.at))
    click.echo(_judge(directory / JOINT, list(PARTIES), joint, joint_pins, scene.at))


def _write(directory: Path, pact: Pact, labs: Iterable[tuple[str, Lab]]) -> tuple[SignedAgreement, Trust]:
    """An agreement, its trust file and bundles."""
    signed, trust = pact.signed(), pact.trust()
    with failures(directory):
        directory.mkdir(exist_ok=True)
    write(str(directory / AGREEMENT), signed)
    write(str(directory / TRUST), trust)
    for name, lab in labs:
        with failures(directory / name):
            lab.save(directory / name)
        console().say(f"{directory / name}: {lab.size} statements")
    return verify_agreement(signed), parse_trust(trust)


def _judge(directory: Path, names: Sequence[str], agreement: SignedAgreement, trust: Trust, at: int) -> str:
    """The command that judges bundles, and how its verdict begins."""
    verdict = check([DirectoryBundle(directory / name) for name in names], agreement, trust, at=at)
    *bundles, pact, pins = (shlex.quote(str(directory / name)) for name in (*names, AGREEMENT, TRUST))
    command = f"attest check {' '.join(bundles)} --agreement {pact} --trust {pins} --at {utc(at)}"
    lines = as_text(as_data(verdict), console().style).splitlines()[:FIRST_LINES]
    return "\n".join((f"$ {command}", *lines, f"  exits {verdict.exit_code}", ""))


def _prepare(directory: Path) -> None:
    """An empty directory, made or cleared. Raises AttestError `demo/exists` where there is anything else."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        present = {item.name for item in directory.iterdir()}
        if not present <= {AGREEMENT, TRUST, JOINT, *KINDS} or (present and AGREEMENT not in present):
            detail = f"{directory} is not empty, and what it holds is no earlier demo"
            raise AttestError("demo/exists", detail, hint="name a new directory")
        for name in present & {JOINT, *KINDS}:
            shutil.rmtree(directory / name)
    except OSError as error:
        raise AttestError("demo/directory", f"{directory}: {error.strerror}", hint="name a new directory") from error
