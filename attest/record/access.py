"""How a host reaches the log of its site, as the table `[site]` of record.toml says it (schemas/site.md).

>>> from attest.format.toml_table import parse_toml
>>> access = parse_access(parse_toml('''
... source = "https://acme.example/dc1/n1"
... vkeys = ["PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
... folder = "/mnt/shared/drop"
... '''), Path("/etc/attest"))
>>> access.folder, access.url
(PosixPath('/mnt/shared/drop'), None)
"""

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from attest.format.note import Vkey, parse_vkey
from attest.format.toml_table import Table
from attest.record.site import Site
from attest.record.site_folder import FolderSite
from attest.record.site_http import HttpSite

MAX_VKEYS: Final = 8


class Access(NamedTuple):
    """The source, the log's keys, and one of two ways: a URL with certificates, or a folder."""

    source: str
    vkeys: tuple[Vkey, ...]
    url: str | None
    ca: str
    cert: str
    cert_key: str
    folder: Path | None


def parse_access(table: Table, folder: Path) -> Access:
    """What the table says. Raises AgreementError with line and key."""
    table.only("source", "vkeys", "url", "ca", "cert", "cert_key", "folder")
    if ("url" in table) == ("folder" in table):
        raise table.error("record/site", "a site is reached by its url or through a folder", hint="give one of them")
    vkeys = tuple(table.parsed_at(text, parse_vkey) for text in table.texts("vkeys", MAX_VKEYS))
    if len({vkey.name for vkey in vkeys}) != 1:
        raise table.error("record/site", "vkeys are those of one log, and have its name", "vkeys")
    url = table.text("url") if "url" in table else None
    if url is not None and urlsplit(url).scheme != "https":
        raise table.error("record/site", "statements are handed on over https", "url")
    ca, cert, cert_key = (str(folder / table.text(name)) if url else "" for name in ("ca", "cert", "cert_key"))
    shared = folder / table.text("folder") if "folder" in table else None
    return Access(table.text("source"), vkeys, url, ca, cert, cert_key, shared)


def open_site(access: Access) -> Site:
    """The site, reached that way. Raises MissingError, LogError."""
    if access.folder is not None:
        return FolderSite(access.folder, access.source, access.vkeys)
    return HttpSite(access.url or "", access.source, access.ca, (access.cert, access.cert_key))
