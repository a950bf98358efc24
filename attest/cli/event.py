"""`attest event`: sign what happens in the life of an agreement, holder by holder, and show it (schemas/events.md)."""

import os
from collections.abc import Sequence

import click

from attest.cli.params import PASSPHRASE, about, parsed, read, write
from attest.cli.verb import Verb, Verbs, console
from attest.errors import KeyFileError

AGREEMENT = click.option("--agreement", required=True, metavar="FILE", help="The signed agreement that it is of.")


@click.group("event", cls=Verbs, example="attest event show pause.event --agreement pact.agreement")
def event() -> None:
    """Sign triggers, lifts, exits, exemptions, outages and withdrawals, and show them.

    Each is a TOML text; signed by those whom the agreement names for it, it is one file.
    """


@event.command(
    cls=Verb,
    example=(
        "attest event sign pause.toml --agreement pact.agreement --key uma.key -o mine.event\n"
        "attest event sign mine.event --agreement pact.agreement --key vic.key -o both.event"
    ),
)
@click.argument("text")
@AGREEMENT
@click.option("--key", "keys", multiple=True, required=True, metavar="KEY", help="Private key; repeatable.")
@PASSPHRASE
@click.option("-o", "--output", required=True, metavar="FILE", help="The signed event; - for stdout.")
def sign(text: str, agreement: str, keys: Sequence[str], passphrase_file: str | None, output: str) -> None:
    """Sign TEXT, the text of an event or a file that others have signed already.

    Every key must be one of those who must sign this event: adjudicators, or for an outage or a withdrawal the
    party's root holders.
    """
    from attest.acts import read_event, require_named, signers_of
    from attest.agreement import verify_agreement
    from attest.cli.event_text import parse_event_text
    from attest.format.cose import parse_document
    from attest.format.event import CONTENT_TYPE, format_event
    from attest.record.chain import signer_of
    from attest.sign.documents import add_signature, sign_document
    from attest.trust.holders import verify_signatures

    found = parsed(agreement, verify_agreement).agreement
    data = read(text)
    signed = data.startswith(b"\xd8\x62")
    with about(text):
        act = read_event(data) if signed else parse_event_text(data, found.digest)
        require_named(found, act)
        holders = signers_of(found, act)
        if signed:
            verify_signatures(parse_document(data), holders.by_kid, content_type=CONTENT_TYPE)
    signers = [signer_of(key, passphrase_file) for key in keys]
    for path, signer in zip(keys, signers, strict=True):
        if signer.public_key().thumbprint not in holders.by_kid:
            detail = f"{path} is the key of nobody who signs this event"
            raise KeyFileError("event/stranger", detail, hint="attest key show KEY, and compare with the agreement")
    if not signed and output != "-" and os.path.lexists(output):
        message = f"{output} exists; to add to the signatures of a file, sign that file"
        raise click.UsageError(message, click.get_current_context())
    if not signed:
        data = sign_document(format_event(act), CONTENT_TYPE, signers)
    else:
        for signer in signers:
            data = add_signature(data, signer)
    _, names = verify_signatures(parse_document(data), holders.by_kid, content_type=CONTENT_TYPE)
    write(output, data)
    for signer in signers:
        console().say(f"signed as {holders.by_kid[signer.public_key().thumbprint][0]}")
    if len(set(names)) < holders.threshold:
        console().say(f"changes nothing yet: {holders.threshold - len(set(names))} more must sign")


@event.command(cls=Verb, example="attest event show pause.event --agreement pact.agreement")
@click.argument("file")
@AGREEMENT
def show(file: str, agreement: str) -> None:
    """Print what the event in FILE says, what it does, who signed it, and whether that is enough."""
    from attest.agreement import verify_agreement
    from attest.report.events import event_lines

    found = parsed(agreement, verify_agreement).agreement
    for line in parsed(file, lambda data: list(event_lines(data, found))):
        click.echo(line)
