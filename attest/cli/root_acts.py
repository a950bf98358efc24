"""`attest log init` and `attest log void`: acts that take the root holders' signatures (schemas/act.md).

Holders on one machine sign with --root-key. Else the first one writes the act with --draft, each of the others adds a
signature with "attest key approve", and the office carries out what they signed with --act.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from attest.cli.params import AT, KEY_FILE, LOG, PASSPHRASE, about, read, write
from attest.cli.verb import Verb, console
from attest.errors import LogError
from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, parse_act
from attest.format.bodies import GenesisBody
from attest.format.cose import parse_document
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.record.chain import genesis_leaf, now, sign_next, signer_of
from attest.sign.documents import sign_document
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter

MAX_NUMBER: Final = (1 << 63) - 1  # of a void act

ROOT_KEYS = click.option("--root-key", "root_keys", multiple=True, metavar="KEY", help="A root holder's private key.")
ACT = click.option("--act", metavar="FILE", help="The act, signed elsewhere by enough root holders.")
DRAFT = click.option("--draft", metavar="FILE", help="Write the act here for further holders, and do nothing else.")


@click.command(
    cls=Verb,
    example="attest log init dc2 --origin acme.example/dc2 --iss https://acme.example"
    " --office-key office.key --root-key root.key",
)
@LOG
@click.option("--origin", metavar="NAME", help="The log's name for life, as the agreement names it.")
@click.option("--iss", metavar="URI", help="The party, as the agreement names it.")
@click.option("--office", metavar="URI", help="The office's URI; the default is https://ORIGIN/office.")
@click.option("--office-key", required=True, metavar="KEY", help="The office's private key.")
@ROOT_KEYS
@ACT
@DRAFT
@PASSPHRASE
@AT
def init(
    directory: Path,
    origin: str | None,
    iss: str | None,
    office: str | None,
    office_key: str,
    root_keys: Sequence[str],
    act: str | None,
    draft: str | None,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Begin a log in the directory LOG, which is new or empty, with its genesis statement.

    The genesis is an act of the root holders: it names the log's origin and the key of its office. Holders on one
    machine sign it with --root-key. Else the first one writes it with --draft, the others add their signatures
    with "attest key approve", and --act takes what they all signed.
    """
    signer = signer_of(office_key, passphrase_file)
    if act is None:
        if origin is None or iss is None:
            raise click.UsageError("a genesis names its --origin and --iss", click.get_current_context())
        public = signer.public_key()
        genesis = GenesisAct(origin, iss, office or f"https://{origin}/office", int(public.alg), public.raw, None)
        document = _signed(format_act(genesis), root_keys, draft, passphrase_file)
        if draft is not None:
            return
    else:
        document, parsed = _given(act)
        if not isinstance(parsed, GenesisAct) or parsed.key != signer.public_key().raw:
            raise LogError("log/act", f"{act} is not a genesis that names this office's key")
        genesis = parsed
    thumbprint = signer.public_key().thumbprint
    if any(thumbprint in signature.protected for signature in parse_document(document).signatures):
        raise LogError("key/reused", "the office's key is a root holder's, too: one key has one role")
    time = now() if at is None else at
    statement = Statement(Kind.GENESIS, None, 0, None, time, time, None, GenesisBody(document))
    entry = sign_statement(header_for(signer, genesis.iss, genesis.sub), statement, signer)
    with LogWriter.create(directory, genesis.origin) as writer:
        writer.append(entry)
    click.echo(f"log     {leaf_hash(entry).hex()}\norigin  {genesis.origin}\noffice  {genesis.sub}")


@click.command(cls=Verb, example="attest log void log 1 --key office.key --root-key root.key")
@LOG
@click.argument("indices", nargs=-1, required=True, type=click.IntRange(0), metavar="INDEX...")
@KEY_FILE("The office's private key.")
@click.option(
    "--number", type=click.IntRange(1, MAX_NUMBER), help="The act's number; the default is the last one's and 1."
)
@ROOT_KEYS
@ACT
@DRAFT
@PASSPHRASE
@AT
def void(
    directory: Path,
    indices: Sequence[int],
    key_path: str,
    number: int | None,
    root_keys: Sequence[str],
    act: str | None,
    draft: str | None,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Acknowledge bad entries, by the root holders' act, so that judging goes on.

    The entries at the INDICES count as absent from then on, and what they should have shown is charged at peak.
    Several holders sign as for "attest log init".
    """
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(directory) as writer:
        if beyond := [i for i in indices if i >= writer.size + writer.pending]:
            raise LogError("log/no-entry", f"the log has no entry {beyond[0]}")
        entries = tuple((index, leaf_hash(writer.entry(index))) for index in sorted(set(indices)))
        last = max(_void_numbers(writer), default=0)
        wanted = VoidAct(genesis_leaf(writer), last + 1 if number is None else number, entries)
        if act is None:
            if wanted.number <= last:
                raise LogError("void/replayed", f"act number {wanted.number}, the last one was {last}")
            document = _signed(format_act(wanted), root_keys, draft, passphrase_file)
            if draft is not None:
                return
        else:
            document, found = _given(act)
            if not isinstance(found, VoidAct) or (found.log, found.entries) != (wanted.log, entries):
                raise LogError("log/act", f"{act} does not void just these entries of this log")
            if found.number <= last or number not in (None, found.number):
                raise LogError("void/replayed", f"{act} has number {found.number}, the last one was {last}")
        index = sign_next(writer, signer, Kind.KEYS, KeysBody((Void(document),)), at)
    click.echo(f"entry {index} voids {', '.join(str(i) for i, _ in entries)}")


def _given(path: str) -> tuple[bytes, GenesisAct | VoidAct]:
    """What the root holders signed elsewhere, and the act in it."""
    document = read(path)
    with about(path):
        return document, parse_act(parse_document(document).payload or b"")


def _signed(payload: bytes, root_keys: Sequence[str], draft: str | None, passphrase_file: str | None) -> bytes:
    """The act as the root holders at hand sign it, also written to `draft`."""
    if not root_keys:
        raise click.UsageError("an act needs a --root-key, or --act with what was signed", click.get_current_context())
    document = sign_document(payload, CONTENT_TYPE, [signer_of(path, passphrase_file) for path in root_keys])
    if draft is not None:
        write(draft, document)
        console().say(f"attest: hint: each further root holder: attest key approve {draft} --key KEY")
    return document


def _void_numbers(log: LogWriter) -> Iterator[int]:
    """The numbers of the void acts that the log has."""
    for _, entry in log.entries(Kind.KEYS):
        body = parse_statement(entry).statement.body
        for act in body.acts if isinstance(body, KeysBody) else ():
            void_act = parse_act(parse_document(act.document).payload or b"") if isinstance(act, Void) else None
            if isinstance(void_act, VoidAct):
                yield void_act.number
