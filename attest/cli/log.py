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

from attest.agreement import Agreement, verify_agreement
from attest.cli.notes import require_signed_by_log, require_verified
from attest.cli.office_entries import event, notice
from attest.cli.params import AT, FORMAT, KEY_FILE, LOG, PASSPHRASE, about, parsed, read
from attest.cli.root_acts import init, void
from attest.cli.verb import Verb, Verbs
from attest.errors import KeyFileError, LogError
from attest.format.bodies import HeadBody
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import peek
from attest.format.vocabulary import Kind
from attest.log.merkle import root_at
from attest.log.tiles import tile_hashes
from attest.record.admission import Admission
from attest.record.chain import genesis_leaf, keyring, now, sign_next, signer_of
from attest.report.contents import signatures, signer_text
from attest.report.style import count
from attest.sign.notes import cosign as cosign_note
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.store.checks import require_text
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter
from attest.trust.notes import log_vkey

AGREEMENT = click.option(
    "--agreement", metavar="FILE", help="The signed agreement, which has the keys that NOTE is verified with."
)


@click.group(cls=Verbs, example="attest log status log")
def log() -> None:
    """Keep a site's log: begin it, append to it, seal it."""


log.add_command(init)


@log.command(cls=Verb, example="attest log append log n1-0.cose n1-1.cose\nattest log append log - < n1-0.cose")
@LOG
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--issuer", metavar="URI", help="Who operates an independent meter, which the agreement enrols.")
def append(directory: Path, files: Sequence[str], issuer: str | None) -> None:
    """Append statements that were signed elsewhere, one a FILE; - is stdin.

    The block that a statement commits to stands beside it: n1-0.block for n1-0.cose. To append again what the log
    has changes nothing. What a verifier would refuse is not appended: a key that the log does not enrol, a signature
    that is not the key's, a roster that is not in force, anything but the next statement of its source.
    """
    items = [_statement(path) for path in files]
    with LogWriter.open(directory) as writer:
        _mended(writer)
        admission = Admission(writer, issuer)
        for path, item in zip(files, items, strict=True):
            with about(path):
                admission.require(*item)
        for path, index in zip(files, writer.extend(items), strict=True):
            click.echo(f"entry {index} is {path}")


@log.command(cls=Verb, example="attest log seal log --key log.key --key log-pq.key")
@LOG
@click.option(
    "--key", "keys", required=True, multiple=True, metavar="KEY", help="A private key of the log; several sign all."
)
@PASSPHRASE
def seal(directory: Path, keys: Sequence[str], passphrase_file: str | None) -> None:
    """Publish what was appended: put it under a new checkpoint, signed with the log's keys (Ed25519, ML-DSA-44)."""
    signers = [signer_of(path, passphrase_file) for path in keys]
    with LogWriter.open(directory) as writer:
        _mended(writer)
        enrolled = keyring(writer).keys
        for path, signer in zip(keys, signers, strict=True):
            if record := enrolled.get(signer.public_key().thumbprint):
                detail = f"{path} is the key of {record.source.sub}: no verifier takes a checkpoint that it signed"
                raise KeyFileError("key/role", detail, hint="seal with the log's own keys, which the agreement names")
        if writer.checkpoint is not None:
            _require_known(writer.checkpoint, writer.origin, signers)
        pending = writer.pending
        writer.seal(lambda text: sign_note(text, writer.origin, signers))
        click.echo(f"sealed {count(pending, 'entry', 'entries')}, size {writer.size:,}")


def _require_known(note: bytes, origin: str, signers: Sequence[Signer]) -> None:
    """Raise KeyFileError unless one of the signers signed the log's last checkpoint: a log has its keys for life."""
    before = {signature.key_id for signature in parse_note(note).signatures if signature.name == origin}
    if before.isdisjoint(log_vkey(origin, signer.public_key()).key_id for signer in signers):
        raise KeyFileError("log/other-key", "no key given here signed the log's last checkpoint")


@log.command(cls=Verb, example="attest log cosign log --name witness.example/w1 --key witness.key")
@LOG
@click.argument("note", required=False)
@AGREEMENT
@click.option("--name", help="The witness's name.")
@click.option("--key", "key_path", metavar="KEY", help="The witness's private key.")
@PASSPHRASE
@AT
def cosign(
    directory: Path,
    note: str | None,
    agreement: str | None,
    name: str | None,
    key_path: str | None,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Add witnesses' cosignatures to the log's checkpoint: those of NOTE, or one made here by --name and --key.

    NOTE is the checkpoint as the witnesses gave it back, - for stdin. A signature of it that does not verify, or that
    nobody can verify with the keys of --agreement, is not taken in: it would spoil every copy of the log until the
    next seal. A key at hand is for trials: a witness that the lab itself holds the key of counts for nothing.
    """
    if (note is None) == (name is None or key_path is None):
        raise click.UsageError("give a NOTE, or a --name with its --key", click.get_current_context())
    with LogWriter.open(directory) as writer:
        if writer.checkpoint is None:
            raise LogError("log/empty", f"{directory} has no checkpoint to cosign", hint="attest log seal")
        if name is not None and key_path is not None:
            signer = signer_of(key_path, passphrase_file)
            writer.cosign(cosign_note(writer.checkpoint, name, signer, now() if at is None else at))
        else:
            given = read(note or "-")
            with about(note or "-"):
                require_text(given, parse_note(writer.checkpoint).text)
            by = _named(agreement)
            with about(note or "-"):
                require_verified(given, by)
                writer.cosign(given)
        for signature in signatures(parse_note(writer.checkpoint or b"")):
            click.echo(f"signed by  {signer_text(signature)}")


@log.command(cls=Verb, example="attest log head log --key office.key")
@LOG
@click.argument("note", required=False)
@AGREEMENT
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def head(
    directory: Path,
    note: str | None,
    agreement: str | None,
    key_path: str,
    passphrase_file: str | None,
    at: int | None,
) -> None:
    """Record a cosigned checkpoint of the log as a statement of the log, so that it has its place in time.

    NOTE is the checkpoint; the default is the log's newest one. Of any other, the log's own signature is verified with
    the keys of --agreement: a bad one, once recorded, would stay.
    """
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(directory) as writer:
        seen = writer.checkpoint if note is None else read(note)
        if seen is None:
            raise LogError("log/empty", f"{directory} has no checkpoint", hint="attest log seal")
        with about(note or "checkpoint"):
            checkpoint = parse_checkpoint(parse_note(seen).text)
        if checkpoint.origin != writer.origin:
            raise LogError("log/note", f"a checkpoint of {checkpoint.origin}, not of {writer.origin}")
        _require_of_this_tree(writer, checkpoint)
        if seen != writer.checkpoint:
            by = _named(agreement)
            with about(note or "checkpoint"):
                require_signed_by_log(seen, by)
        index = sign_next(writer, signer, Kind.HEAD, HeadBody(seen), at)
    click.echo(f"entry {index} records the head of size {checkpoint.size:,}")


log.add_command(event)
log.add_command(notice)


@log.command(cls=Verb, example="attest log status log")
@LOG
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


log.add_command(void)


def _statement(path: str) -> tuple[bytes, bytes | None]:
    entry = read(path)
    with about(path):
        commits = peek(entry).block is not None
    if commits and path == "-":
        raise click.UsageError("a statement with a block is given as a file", click.get_current_context())
    return entry, read(str(Path(path).with_suffix(".block"))) if commits else None


def _named(agreement: str | None) -> Agreement:
    """What has the keys of a note's signers."""
    if agreement is None:
        raise click.UsageError("the signatures of NOTE are verified: give --agreement", click.get_current_context())
    return parsed(agreement, verify_agreement).agreement


def _mended(writer: LogWriter) -> None:
    if writer.repaired:
        click.echo(f"attest: hint: the log was mended: {writer.repaired}", err=True)


def _require_of_this_tree(writer: LogWriter, head: Checkpoint) -> None:
    """A head of another tree, once recorded, is proof that the log's key signed two histories."""
    if head.size > writer.size:
        raise LogError("head/ahead", f"a head of size {head.size}, the log has {writer.size} sealed entries")
    root = root_at(head.size, tile_hashes(DirectoryBundle(writer.path).hash_tile, writer.size))
    if root != head.root:
        raise LogError("log/fork", f"root {head.root.hex()} at size {head.size}, this log has {root.hex()}")
