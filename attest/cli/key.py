"""`attest key`: private keys, in files or elsewhere, and the acts by which a log learns of them (schemas/keys.md)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from attest.cli.params import AT, KEY_FILE, PASSPHRASE, TIME, parsed, write
from attest.cli.request import ROLES, format_request, parse_request, prove
from attest.cli.verb import Verb, Verbs, console
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate
from attest.format.note import ED25519, format_vkey
from attest.format.vocabulary import Kind
from attest.record.chain import genesis_leaf, passphrase_of, require_acts, sign_next, signer_of
from attest.sign.documents import add_signature
from attest.sign.files import new_key
from attest.sign.named import is_uri
from attest.store.salts import new_salts
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, PublicKey, format_key, parse_key
from attest.trust.notes import log_vkey, witness_vkey

ALGORITHMS: Final = {
    "ed25519": Alg.ED25519,
    "p256": Alg.ESP256,
    "p384": Alg.ESP384,
    "ml-dsa-44": Alg.ML_DSA_44,
    "ml-dsa-65": Alg.ML_DSA_65,
}
MAX_ACT_BYTES: Final = 48_000  # of one keys statement, which holds 65,535 with its envelope


@click.group(cls=Verbs, example="attest key new fresh.key")
def key() -> None:
    """Make keys, show them, and enrol, rotate or revoke them in a log.

    Wherever a private KEY is named it may be a file, or the URI of a key on a token (pkcs11:) or in a service's keeping
    (awskms:, azurekms:, gcpkms:, hv:), as schemas/keys.md describes.
    """


@key.command(
    cls=Verb, example="attest key new board.key --alg ml-dsa-65\nattest key new w1.key --name witness.example/w1"
)
@click.argument("path")
@click.option("--alg", type=click.Choice(list(ALGORITHMS)), default="ed25519", help="The algorithm.")
@click.option("--name", help="Also print the verifier keys for notes signed under this name.")
@click.option("--passphrase-file", metavar="FILE", help="Encrypt with the first line of FILE; - is stdin.")
def new(path: str, alg: str, name: str | None, passphrase_file: str | None) -> None:
    """Make a private key in the new file PATH, readable by its owner alone, and print the public key."""
    if path == "-":
        raise click.UsageError("a private key goes into a file, not to stdout", click.get_current_context())
    if is_uri(path):
        message = "a key on a token or in a service is made with its own tool (schemas/keys.md)"
        raise click.UsageError(message, click.get_current_context())
    signer = new_key(path, ALGORITHMS[alg], passphrase_of(passphrase_file))
    click.echo(_public(signer.public_key(), name))


@key.command(cls=Verb, example="attest key salts fresh.salts")
@click.argument("path", type=click.Path(path_type=Path, readable=False))
def salts(path: Path) -> None:
    """Make the private file of salts PATH, with a fresh secret, by which statements name runs.

    One secret serves all hosts and sites of a party: copy the file to each host before it is first used there. Whoever
    has it can open the party's runs.
    """
    new_salts(path)
    click.echo(
        f"{path} opens the runs that statements will name; copy it to the party's other hosts, and keep it private"
    )


@key.command(cls=Verb, example="attest key show office.key\nattest key show log.key --name acme.example/dc1")
@click.argument("key_path", metavar="KEY")
@click.option("--name", help="Also print the verifier keys for notes signed under this name.")
@PASSPHRASE
def show(key_path: str, name: str | None, passphrase_file: str | None) -> None:
    """Print the public key of the private KEY, its thumbprint and, under a NAME, its verifier keys."""
    click.echo(_public(signer_of(key_path, passphrase_file).public_key(), name))


@key.command(
    cls=Verb,
    example="attest key request n2.key --source https://acme.example/dc1/n2"
    " --log c7a3be43dba44485db59c35eb7db66579aecccb028d37c3255ff725c325887cd -o n2.request",
)
@click.argument("key_path", metavar="KEY")
@click.option("--log", required=True, metavar="HEX", help='The log\'s id, as "attest log status" prints it.')
@click.option("--source", required=True, metavar="URI", help="What the new key is to speak for.")
@click.option("--role", type=click.Choice(list(ROLES)), default="host", help="What it may sign: usage, or readings.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to; - is stdout.")
@PASSPHRASE
def request(key_path: str, log: str, source: str, role: str, output: str, passphrase_file: str | None) -> None:
    """Ask to be enrolled: sign, with the new private KEY, what the office then puts into its log.

    The request holds no secret. So a host's private key never leaves the host.
    """
    text = format_request(signer_of(key_path, passphrase_file), _digest(log, "--log"), source, role)
    write(output, text.encode())


@key.command(cls=Verb, example="attest key enrol log n2.request --key office.key")
@click.argument("directory", metavar="LOG")
@click.argument("requests", nargs=-1, required=True, metavar="REQUEST...")
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def enrol(directory: str, requests: Sequence[str], key_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Enrol the keys of REQUESTs, files made by "attest key request": from then on they may sign."""
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(Path(directory)) as log:
        leaf = genesis_leaf(log)
        acts = [parsed(path, lambda text: parse_request(text, leaf)) for path in requests]
        require_acts(log, signer, acts)
        for batch in _batches(acts):
            index = sign_next(log, signer, Kind.KEYS, KeysBody(tuple(batch)), at)
            for act in batch:
                click.echo(f"entry {index} enrols {act.sub}")
    _remind()


@key.command(cls=Verb, example="attest key rotate log --key n1.key --new n1-2.key --at 2026-11-09")
@click.argument("directory", metavar="LOG")
@KEY_FILE("The source's present private key.")
@click.option("--new", "new_path", required=True, metavar="KEY", help="Its next one, already made.")
@PASSPHRASE
@click.option("--at", type=TIME, help="The time of an office's rotation, else where a chain begins.")
def rotate(directory: str, key_path: str, new_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Replace a source's key, in its own chain: from the next entry on it signs with the new one alone."""
    signer, successor = signer_of(key_path, passphrase_file), signer_of(new_path, passphrase_file)
    with LogWriter.open(Path(directory)) as log:
        source = require_acts(log, signer, ())
        proof = prove(successor, genesis_leaf(log), source.sub, source.role)
        public = successor.public_key()
        act = Rotate(int(public.alg), public.raw, proof)
        require_acts(log, signer, [act])
        index = sign_next(log, signer, Kind.KEYS, KeysBody((act,)), at)
    click.echo(f"entry {index} rotates {source.sub} to {public.thumbprint.hex()}")
    _remind()


@key.command(
    cls=Verb,
    example="attest key revoke log ed25519:a/sBFXtrKakcYFbWxv3Yj9EqlK6s3KjmlUrQTWsmyJg= --last 2 --key office.key",
)
@click.argument("directory", metavar="LOG")
@click.argument("revoked", metavar="KEY")
@click.option("--last", required=True, type=click.IntRange(0), help="The last log index that the key is good for.")
@KEY_FILE("The office's private key.")
@PASSPHRASE
@AT
def revoke(directory: str, revoked: str, last: int, key_path: str, passphrase_file: str | None, at: int | None) -> None:
    """Revoke KEY, a public key or its thumbprint in hex, as of a log index; it reaches through later rotations.

    What the key signed after that index is disputed from now on. It does not undo a breach.
    """
    kid = parse_key(revoked).thumbprint if ":" in revoked else _digest(revoked, "KEY")
    signer = signer_of(key_path, passphrase_file)
    with LogWriter.open(Path(directory)) as log:
        act = Revoke(kid, last)
        require_acts(log, signer, [act])
        index = sign_next(log, signer, Kind.KEYS, KeysBody((act,)), at)
    click.echo(f"entry {index} revokes {kid.hex()} after entry {last}")
    _remind()


@key.command(cls=Verb, example="attest key approve genesis.act --key root2.key")
@click.argument("document")
@KEY_FILE("A root holder's private key.")
@PASSPHRASE
@click.option("-o", "--output", metavar="FILE", help="Where to; the default is DOCUMENT itself, - is stdout.")
def approve(document: str, key_path: str, passphrase_file: str | None, output: str | None) -> None:
    """Add a root holder's signature to DOCUMENT, a genesis or void act that needs several.

    Read it first: "attest open DOCUMENT" shows what is signed.
    """
    signer = signer_of(key_path, passphrase_file)
    signed = parsed(document, lambda data: add_signature(data, signer))
    write(output or document, signed)


def _batches(acts: Sequence[Enrol]) -> list[list[Enrol]]:
    """As many acts as fit a statement."""
    batches: list[list[Enrol]] = [[]]
    room = MAX_ACT_BYTES
    for act in acts:
        size = 64 + len(act.sub.encode()) + len(act.key) + len(act.proof)
        if size > room or len(batches[-1]) == 256:
            batches.append([])
            room = MAX_ACT_BYTES
        batches[-1].append(act)
        room -= size
    return batches


def _digest(text: str, what: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32 or digest.hex() != text:
        message = f"{text!r} is not 64 lower-case hex digits"
        raise click.BadParameter(message, click.get_current_context(), param_hint=what)
    return digest


def _public(public: PublicKey, name: str | None) -> str:
    lines = [f"key         {format_key(public)}", f"thumbprint  {public.thumbprint.hex()}"]
    if name is not None:
        vkey = log_vkey(name, public)
        lines.append(f"vkey        {format_vkey(vkey)}")
        if vkey.algorithm == ED25519:  # ML-DSA has one type for logs and witnesses
            lines.append(f"as witness  {format_vkey(witness_vkey(name, public))}")
    return "\n".join(lines)


def _remind() -> None:
    console().say("attest: hint: accepted; it is published by the next `attest log seal`")
