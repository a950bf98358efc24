"""`attest log`: keep a site's log, from its genesis on (schemas/log.md).

Statements are appended first and sealed later: `append` (and `attest import`, `attest key enrol` ...) writes them to
the log's journal, `seal` puts them under a checkpoint that the log's keys sign, and `head` records a checkpoint that
the witnesses have cosigned as a statement of the log itself.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from attest.cli.chain import genesis_leaf, now, sign_next, signer_of
from attest.cli.params import FORMAT, KEY_FILE, PASSPHRASE, TIME, read, write
from attest.cli.roster import parse_roster_text
from attest.cli.verb import Verb, Verbs, console
from attest.errors import LogError
from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, parse_act
from attest.format.block import commit
from attest.format.bodies import GenesisBody, HeadBody, InventoryBody, KeysBody, Void
from attest.format.checkpoint import parse_checkpoint
from attest.format.cose import parse_document
from attest.format.note import parse_note
from attest.format.roster import format_roster
from attest.format.statement import Statement, peek
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.report.contents import signatures, signer_text
from attest.report.style import count
from attest.sign.documents import sign_document
from attest.sign.notes import cosign as cosign_note
from attest.sign.notes import sign_note
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter

DIRECTORY = click.argument("directory", metavar="LOG", type=click.Path(path_type=Path))
AT = click.option("--at", type=TIME, help="The time of the act; the default is now.")
ROOT_KEYS = click.option("--root-key", "root_keys", multiple=True, metavar="FILE", help="A root holder's private key.")
ACT = click.option("--act", metavar="FILE", help="The act, signed elsewhere by enough root holders.")
DRAFT = click.option("--draft", metavar="FILE", help="Write the act here for further holders, and do nothing else.")


@click.group(cls=Verbs, example="attest log status log")
def log() -> None:
    """Keep a site's log: begin it, append to it, seal it."""


@log.command(
    cls=Verb,
    example="attest log init dc2 --origin acme.example/dc2 --iss https://acme.example"
    " --office-key office.key --root-key root.key",
)
@DIRECTORY
@click.option("--origin", metavar="NAME", help="The log's name for life, as the agreement names it.")
@click.option("--iss", metavar="URI", help="The party, as the agreement names it.")
@click.option("--office", metavar="URI", help="The office's URI; the default is https://ORIGIN/office.")
@click.option("--office-key", required=True, metavar="FILE", help="The office's private key.")
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
        document = read(act)
        parsed = parse_act(parse_document(document).payload or b"")
        if not isinstance(parsed, GenesisAct) or parsed.key != signer.public_key().raw:
            raise LogError("log/act", f"{act} is not a genesis that names this office's key")
        genesis = parsed
    time = now() if at is None else at
    statement = Statement(Kind.GENESIS, None, 0, None, time, time, None, GenesisBody(document))
    entry = sign_statement(header_for(signer, genesis.iss, genesis.sub), statement, signer)
    with LogWriter.create(directory, genesis.origin) as writer:
        writer.append(entry)
    click.echo(f"log     {leaf_hash(entry).hex()}\norigin  {genesis.origin}\noffice  {genesis.sub}")


@log.command(cls=Verb, example="attest log inventory log roster.toml --key office.key")
@DIRECTORY
@click.argument("roster")
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def inventory(directory: Path, roster: str, key_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Declare every accelerator and feed of the site, as the TOML file ROSTER lists them (schemas/statement.md).

    The roster is in force from the time of the act on.
    """
    declared = parse_roster_text(read(roster))
    block = format_roster(declared)
    body = InventoryBody(commit(block), declared.count())
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(directory) as writer:
        index = sign_next(writer, signer, Kind.INVENTORY, body, now() if at is None else at, block)
    click.echo(
        f"entry {index} declares {count(declared.count(), 'accelerator')} of {count(len(declared.hosts), 'host')}"
    )


@log.command(cls=Verb, example="attest log append log n1-0.cose n1-1.cose\nattest log append log - < n1-0.cose")
@DIRECTORY
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def append(directory: Path, files: Sequence[str]) -> None:
    """Append statements that were signed elsewhere, one a FILE; - is stdin.

    The block that a statement commits to stands beside it: n1-0.block for n1-0.cose. To append again what the log
    has changes nothing; another statement in the place of one that it has is refused.
    """
    items = [_statement(path) for path in files]
    with LogWriter.open(directory) as writer:
        _mended(writer)
        for path, index in zip(files, writer.extend(items), strict=True):
            click.echo(f"entry {index} is {path}")


@log.command(cls=Verb, example="attest log seal log --key log.key --key log-pq.key")
@DIRECTORY
@click.option(
    "--key", "keys", required=True, multiple=True, metavar="FILE", help="A private key of the log; several sign all."
)
@PASSPHRASE
def seal(directory: Path, keys: Sequence[str], passphrase_file: str | None) -> None:
    """Publish what was appended: put it under a new checkpoint, signed with the log's keys (Ed25519, ML-DSA-44)."""
    signers = [signer_of(path, passphrase_file) for path in keys]
    with LogWriter.open(directory) as writer:
        _mended(writer)
        pending = writer.pending
        writer.seal(lambda text: sign_note(text, writer.origin, signers))
        click.echo(f"sealed {count(pending, 'entry', 'entries')}, size {writer.size:,}")


@log.command(cls=Verb, example="attest log cosign log --name witness.example/w1 --key witness.key")
@DIRECTORY
@click.argument("note", required=False)
@click.option("--name", help="The witness's name.")
@click.option("--key", "key_path", metavar="FILE", help="The witness's private key.")
@PASSPHRASE
@AT
def cosign(
    directory: Path,
    note: str | None,
    name: str | None,
    key_path: str | None,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Add witnesses' cosignatures to the log's checkpoint: those of NOTE, or one made here by --name and --key.

    NOTE is the checkpoint as the witnesses gave it back, - for stdin. A key at hand is for trials: a witness that
    the lab itself holds the key of counts for nothing.
    """
    if (note is None) == (name is None or key_path is None):
        raise click.UsageError("give a NOTE, or a --name with its --key", click.get_current_context())
    with LogWriter.open(directory) as writer:
        if name is not None and key_path is not None:
            checkpoint = writer.checkpoint
            if checkpoint is None:
                raise LogError("log/empty", f"{directory} has no checkpoint to cosign", hint="attest log seal")
            signer = signer_of(key_path, passphrase_file)
            writer.cosign(cosign_note(checkpoint, name, signer, now() if at is None else at))
        else:
            writer.cosign(read(note or "-"))
        for signature in signatures(parse_note(writer.checkpoint or b"")):
            click.echo(f"signed by  {signer_text(signature)}")


@log.command(cls=Verb, example="attest log head log --key office.key")
@DIRECTORY
@click.argument("note", required=False)
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def head(directory: Path, note: str | None, key_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Record a cosigned checkpoint of the log as a statement of the log, so that it has its place in time.

    NOTE is the checkpoint; the default is the log's newest one.
    """
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(directory) as writer:
        seen = writer.checkpoint if note is None else read(note)
        if seen is None:
            raise LogError("log/empty", f"{directory} has no checkpoint", hint="attest log seal")
        checkpoint = parse_checkpoint(parse_note(seen).text)
        if checkpoint.origin != writer.origin:
            raise LogError("log/note", f"a checkpoint of {checkpoint.origin}, not of {writer.origin}")
        index = sign_next(writer, signer, Kind.HEAD, HeadBody(seen), now() if at is None else at)
    click.echo(f"entry {index} records the head of size {checkpoint.size:,}")


@log.command(cls=Verb, example="attest log void log 1 --key office.key --root-key root.key --number 1")
@DIRECTORY
@click.argument("indices", nargs=-1, required=True, type=click.IntRange(0), metavar="INDEX...")
@KEY_FILE("The office's private key.")
@click.option("--number", required=True, type=click.IntRange(1), help="The act's number, higher than the last one's.")
@ROOT_KEYS
@ACT
@DRAFT
@PASSPHRASE
@AT
def void(
    directory: Path,
    indices: Sequence[int],
    key_path: str,
    number: int,
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
        payload = format_act(VoidAct(genesis_leaf(writer), number, entries))
        if act is None:
            document = _signed(payload, root_keys, draft, passphrase_file)
            if draft is not None:
                return
        else:
            document = read(act)
            if parse_document(document).payload != payload:
                raise LogError("log/act", f"{act} does not void just these entries under number {number}")
        index = sign_next(writer, signer, Kind.KEYS, KeysBody((Void(document),)), now() if at is None else at)
    click.echo(f"entry {index} voids {', '.join(str(i) for i, _ in entries)}")


@log.command(cls=Verb, example="attest log status log")
@DIRECTORY
@FORMAT
def status(directory: Path, form: str) -> None:
    """Say where a log stands: its id, its size, what is not sealed yet, who signed its checkpoint."""
    with LogWriter.open(directory, read_only=True) as writer:
        note = parse_note(writer.checkpoint) if writer.checkpoint else None
        data: dict[str, Any] = {
            "format": "attest-log-status/1",
            "log": genesis_leaf(writer).hex(),
            "origin": writer.origin,
            "size": writer.size,
            "pending": writer.pending,
            "root": parse_checkpoint(note.text).root.hex() if note else None,
            "signatures": signatures(note) if note else [],
        }
    if form == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for field in ("log", "origin", "size", "pending", "root"):
        value = data[field]
        click.echo(f"{field:<11}{f'{value:,}' if isinstance(value, int) else value or 'none: nothing is sealed yet'}")
    for signature in data["signatures"]:
        click.echo(f"signed by  {signer_text(signature)}")


def _signed(payload: bytes, root_keys: Sequence[str], draft: str | None, passphrase_file: str | None) -> bytes:
    """The act as the root holders at hand sign it, also written to `draft`."""
    if not root_keys:
        raise click.UsageError("an act needs a --root-key, or --act with what was signed", click.get_current_context())
    document = sign_document(payload, CONTENT_TYPE, [signer_of(path, passphrase_file) for path in root_keys])
    if draft is not None:
        write(draft, document)
        console().say(f"attest: hint: each further root holder: attest key approve {draft} --key FILE")
    return document


def _statement(path: str) -> tuple[bytes, bytes | None]:
    entry = read(path)
    commits = peek(entry).block is not None
    if commits and path == "-":
        raise click.UsageError("a statement with a block is given as a file", click.get_current_context())
    return entry, read(str(Path(path).with_suffix(".block"))) if commits else None


def _mended(writer: LogWriter) -> None:
    if writer.repaired:
        click.echo(f"attest: hint: the log was mended: {writer.repaired}", err=True)
