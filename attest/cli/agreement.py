"""`attest agreement`: begin the text of one, find its holes, sign it party by party, and show who signed what."""

import os
from typing import TYPE_CHECKING, Final

import click

from attest.cli.params import PASSPHRASE, about, parsed, read, write
from attest.cli.verb import Verb, Verbs, console
from attest.errors import AttestError, KeyFileError
from attest.verdict import EXIT_MISSING

if TYPE_CHECKING:
    from attest.agreement import Agreement
    from attest.format.event import EventAct

CASES: Final = ("full-stop", "idle-stop", "inference-only", "slowdown", "run-cap")
MAX_DEVICES: Final = 10**8


@click.group(
    "agreement",
    cls=Verbs,
    example="attest agreement show pact.agreement",
)
def agreement() -> None:
    """Begin agreements, find their holes, sign them and show them.

    An agreement is a TOML text (schemas/agreement.md); signed by root holders of its parties, it is one file.
    """


@agreement.command(cls=Verb, example="attest agreement new full-stop --accelerators 2048 -o stop.toml")
@click.argument("case", type=click.Choice(CASES))
@click.option("-o", "--output", required=True, metavar="FILE", help="The template; - for stdout.")
@click.option(
    "--accelerators",
    type=click.IntRange(1, MAX_DEVICES),
    default=16_384,
    show_default=True,
    metavar="N",
    help="How many there are at a site: limits are chosen for it.",
)
@click.option(
    "--model", default="NVIDIA H100 SXM5 80GB", show_default=True, metavar="NAME", help="Their model, as in the table."
)
def new(case: str, output: str, accelerators: int, model: str) -> None:
    """Write a template for CASE: an agreement with blanks, each of which says what belongs there.

    full-stop: everything off, shown by meters. idle-stop: on, and at rest. inference-only: no training. slowdown: a
    share of a frozen baseline. run-cap: no single run over a size. The file says what to fill in, in which order, who
    signs, and which commands follow; it is refused until its last blank is filled.
    """
    from attest.agreement.template import template

    if output != "-" and os.path.lexists(output):
        raise click.UsageError(f"{output} exists", click.get_current_context())
    try:
        text = template(case, accelerators, model)
    except AttestError as error:
        raise click.BadParameter(f"{error.detail}.", param_hint="--model") from error
    write(output, text.encode())
    console().say(f"fill its blanks, then: attest agreement lint {output}")


@agreement.command(
    cls=Verb,
    example=(
        "attest agreement sign pact.toml --key ada.key -o both.agreement\n"
        "attest agreement sign both.agreement --key bob.key -o both.agreement"
    ),
)
@click.argument("text")
@click.option("--key", "keys", multiple=True, required=True, metavar="KEY", help="Private key; repeatable.")
@PASSPHRASE
@click.option("-o", "--output", required=True, metavar="FILE", help="The signed agreement; - for stdout.")
def sign(text: str, keys: tuple[str, ...], passphrase_file: str | None, output: str) -> None:
    """Sign TEXT, the text of an agreement or a file that others have signed already.

    Every key must be one that the text gives to a root holder of a party. Signatures that are there are
    verified and kept.
    """
    from attest.agreement.signed import CONTENT_TYPE, signable_text, verify_agreement
    from attest.record.chain import signer_of
    from attest.sign.documents import add_signature, sign_document

    data = read(text)
    with about(text):
        found = signable_text(data)
    signed = data != found.text
    holders = {
        key.thumbprint: f"{holder.name} of {party.name}"
        for party in found.parties
        for holder in party.holders.holders
        for key in holder.keys
    }
    signers = [signer_of(key, passphrase_file) for key in keys]
    for path, signer in zip(keys, signers, strict=True):
        if signer.public_key().thumbprint not in holders:
            detail = f"{path} is the key of no root holder in {text}"
            raise KeyFileError("agreement/stranger", detail, hint="attest key show KEY, and compare with the text")
    if not signed and output != "-" and os.path.lexists(output):
        message = f"{output} exists; to add to the signatures of a file, sign that file"
        raise click.UsageError(message, click.get_current_context())
    for signer in signers:
        data = add_signature(data, signer) if signed else sign_document(data, CONTENT_TYPE, [signer])
        signed = True
    result = verify_agreement(data)
    write(output, data)
    for signer in signers:
        console().say(f"signed as {holders[signer.public_key().thumbprint]}")
    for iss in result.unbound:
        console().say(f"not yet bound: {iss}")


@agreement.command(cls=Verb, example="attest agreement show pact.agreement")
@click.argument("file")
@click.option("--event", "events", multiple=True, metavar="FILE", help="A signed event to show beside it; repeatable.")
def show(file: str, events: tuple[str, ...]) -> None:
    """Print what FILE says, who signed it and whom it binds; a text that nobody signed is shown as that.

    At the end stands what each tolerance is worth: the compute that it can hide.
    """
    from attest.agreement.signed import SignedAgreement, signable_text, verify_agreement
    from attest.agreement.words import lines
    from attest.report.events import event_lines

    data = read(file)
    with about(file):
        found = signable_text(data)
        if data == found.text:
            signed = SignedAgreement(found, {party.iss: () for party in found.parties})
        else:
            signed = verify_agreement(data)
    for line in lines(signed):
        click.echo(line)
    for path in events:
        for line in parsed(path, lambda data: list(event_lines(data, found))):
            click.echo(line)


@agreement.command(cls=Verb, example="attest agreement lint pact.toml # exits 6")
@click.argument("file")
@click.option("--event", "events", multiple=True, metavar="FILE", help="A signed event to look at with it; repeatable.")
def lint(file: str, events: tuple[str, ...]) -> int:
    """Print the holes of FILE, a text or a signed file, and what can be proven at each site.

    A hole is what a valid text leaves open: a phase without a cap, a cap that its evidence can never prove, a quorum
    that one operator can deny, an exemption as large as the cap. It exits 0 where it finds none, and 6 where it finds
    one, as for a text that cannot be read: no verdict about anybody, but a text to mend before it is signed.
    """
    from attest.agreement import lint as linter
    from attest.agreement.signed import signable_text

    data = read(file)
    with about(file):
        found = signable_text(data)
    acts = [parsed(path, lambda data: _event_of(found, data)) for path in events]
    for line in linter.lines(found, acts):
        click.echo(line)
    return EXIT_MISSING if linter.lint(found, acts) else 0


def _event_of(agreement: "Agreement", data: bytes) -> "EventAct":
    """An event of this agreement. Raises EvidenceError."""
    from attest.acts import read_event, require_named

    event = read_event(data)
    require_named(agreement, event)
    return event
