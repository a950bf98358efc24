"""An archive that is there: its file `archive.toml`, and what that names.

    format = 1
    origin = "regulator.example/archive"          # of its custody log
    iss = "https://regulator.example"
    office = "https://regulator.example/archive/office"
    store = "s3://bucket/prefix"                  # left out: the folder itself
    index = "postgresql://archivist@db/archive"   # left out: index.sqlite in the folder; passwords: PGPASSWORD, pgpass

Keys are `keys/office.key` and `keys/log.key` in the folder, or what the table `[keys]` names, as `attest.sign.named`
opens it.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attest.archive.custody import Custody, Keys, Named
from attest.archive.folder import FolderObjects
from attest.archive.index import Index
from attest.archive.objects import Objects
from attest.errors import MissingError
from attest.format.toml_table import Table, parse_toml
from attest.sign.named import open_key
from attest.store import disk

FILE: Final = "archive.toml"
INDEX: Final = "index.sqlite"
FORMAT: Final = 1
KEYS: Final = "keys"
OFFICE_KEY: Final = f"{KEYS}/office.key"
LOG_KEY: Final = f"{KEYS}/log.key"


class Archive:
    """An open archive; `custody` has no keys where they cannot be had, so that everybody may look."""

    def __init__(self, path: Path, named: Named, objects: Objects, index: Index, keys: Keys | None) -> None:
        self.path, self.named, self.objects, self.index = path, named, objects, index
        self.custody = Custody(index, objects, named, keys)

    @classmethod
    def open(cls, path: Path, *, keys: bool = True) -> "Archive":
        """The archive in a folder; with `keys` False none are opened.

        Raises MissingError, ArchiveError, and AgreementError for what `archive.toml` says.
        """
        try:
            text = (path / FILE).read_bytes()
        except OSError as error:
            hint = "make one with `attest archive init`, or name the folder that has its archive.toml"
            raise MissingError("archive/none", f"{path} is no archive: {error.strerror}", hint=hint) from error
        table = parse_toml(text).only("format", "origin", "iss", "office", "store", "index", "keys")
        if table.integer("format", 1, 1 << 31) != FORMAT:
            raise table.error("archive/format", "the archive has a format that this program does not know", "format")
        named = Named(table.text("origin"), table.text("iss"), table.text("office"))
        objects = open_objects(path, table.text("store") if "store" in table else None)
        index = Index(table.text("index") if "index" in table else f"sqlite:///{(path / INDEX).absolute()}")
        return cls(path, named, objects, index, _keys(path, table) if keys else None)


def open_objects(path: Path, url: str | None) -> Objects:
    """The store that a URL names, the folder without one."""
    if url is None:
        return FolderObjects(path)
    from attest.archive.s3 import open_s3  # boto3 takes its time, and whoever has a folder does not need it

    return open_s3(url)


def write_config(path: Path, named: Named, store: str | None, index: str | None) -> None:
    """Writes `archive.toml`, whole or not at all; it is the last thing that makes a folder an archive."""
    lines = [f"format = {FORMAT}", *(f'{key} = "{value}"' for key, value in zip(named._fields, named, strict=True))]
    lines += [f'{key} = "{value}"' for key, value in (("store", store), ("index", index)) if value is not None]
    text = "".join(f"{line}\n" for line in lines)
    tomllib.loads(text)
    with disk.failures(path):
        disk.replace(path / ".tmp", path / FILE, [text.encode()])
        disk.sync_directory(path)


def _keys(path: Path, table: Table) -> Keys | None:
    chosen: Mapping[str, Any] = {"office": str(path / OFFICE_KEY), "log": str(path / LOG_KEY)}
    if "keys" in table:
        given = table.table("keys").only("office", "log")
        chosen = {name: given.text(name) if name in given else default for name, default in chosen.items()}
    try:
        return Keys(*(open_key(chosen[name], _no_passphrase) for name in ("office", "log")))
    except MissingError:
        return None  # a reader's copy of the folder has none


def _no_passphrase() -> bytes | None:
    return None
