"""`attest agreement`: sign the text of an agreement, party by party, and show what was signed by whom."""

import os

import click

from attest.cli.params import about, parsed, read, write
from attest.cli.verb import Verb, Verbs, console
from attest.errors import KeyFileError


@click.group(
    "agreement",
    cls=Verbs,
    example="attest agreement show pact.agreement",
)
def agreement() -> None:
    """Sign agreements and show them.

    An agreement is a TOML text (schemas/agreement.md); signed by root holders of its parties, it is one file.
    """


@agreement.command(
    cls=Verb,
    example=(
        "attest agreement sign pact.toml --key ada.key -o both.agreement\n"
        "attest agreement sign both.agreement --key bob.key -o both.agreement"
    ),
)
@click.argument("text")
@click.option("--key", "keys", multiple=True, required=True, metavar="FILE", help="Private key; repeatable.")
@click.option("--passphrase-file", metavar="FILE", help="File whose first line is the keys' passphrase.")
@click.option("-o", "--output", required=True, metavar="FILE", help="The signed agreement; - for stdout.")
def sign(text: str, keys: tuple[str, ...], passphrase_file: str | None, output: str) -> None:
    """Sign TEXT, the text of an agreement or a file that others have signed already.

    Every key must be one that the text gives to a root holder of a party. Signatures that are there are
    verified and kept.
    """
    from attest.agreement.signed import CONTENT_TYPE, signable_text, verify_agreement
    from attest.sign.documents import add_signature, sign_document
    from attest.sign.files import load_key

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
    passphrase = read(passphrase_file).partition(b"\n")[0] if passphrase_file else None
    signers = [load_key(key, passphrase) for key in keys]
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
