"""What `attest site` is told, as TOML (schemas/site.md); paths are relative to the file's folder.

>>> config = parse_config('''
... log = "log"
... log_keys = ["log.key"]
... [listen]
... address = "10.0.0.5:8443"
... cert = "site.pem"
... cert_key = "site-tls.key"
... clients = "hosts-ca.pem"
... ''', Path("/etc/attest"))
>>> config.log, config.seal, config.listen.port, config.source.work
(PosixPath('/etc/attest/log'), 3600, 8443, Limit(burst=4096, per_hour=120))
"""

from pathlib import Path
from typing import Final, NamedTuple

from attest.agreement.reading import quantity
from attest.agreement.units import DURATION
from attest.format.toml_table import Table, parse_toml
from attest.site.budget import Limit, Limits

MIB: Final = 1 << 20
MAX_KEYS: Final = 8
MAX_SEAL: Final = 3_600
MAX_LIMIT: Final = 1 << 30
PEER: Final = Limits(Limit(512 * MIB, 8_192 * MIB), Limit(20_000, 60_000))
SOURCE: Final = Limits(Limit(256 * MIB, 16 * MIB), Limit(4_096, 120))


class Listen(NamedTuple):
    """Where hosts reach the site: an address, the site's certificate and key, the authority of the hosts' own."""

    host: str
    port: int
    cert: str
    cert_key: str
    clients: str


class SiteConfig(NamedTuple):
    """`seal` in s; `agreement` enrols independent meters; `peer` is what one certificate may cost, `source` what one
    chain may add to the log."""

    log: Path
    log_keys: tuple[str, ...]
    passphrase_file: str | None
    seal: int
    metrics: int | None
    agreement: Path | None
    listen: Listen | None
    drop: Path | None
    peer: Limits
    source: Limits


def parse_config(text: str | bytes, folder: Path) -> SiteConfig:
    """What a text says. Raises AgreementError with line and key."""
    root = parse_toml(text).only(
        "log", "log_keys", "passphrase_file", "seal", "metrics", "agreement", "listen", "drop", "peer", "source"
    )
    return SiteConfig(
        log=folder / root.text("log"),
        log_keys=tuple(_key(each.value, folder) for each in root.texts("log_keys", MAX_KEYS)),
        passphrase_file=str(folder / root.text("passphrase_file")) if "passphrase_file" in root else None,
        seal=quantity(root, "seal", DURATION, low=1, high=MAX_SEAL) if "seal" in root else MAX_SEAL,
        metrics=root.integer("metrics", 1, 65_535) if "metrics" in root else None,
        agreement=folder / root.text("agreement") if "agreement" in root else None,
        listen=_listen(root.table("listen"), folder) if "listen" in root else None,
        drop=folder / root.text("drop") if "drop" in root else None,
        peer=_limits(root.table("peer"), "requests", PEER) if "peer" in root else PEER,
        source=_limits(root.table("source"), "statements", SOURCE) if "source" in root else SOURCE,
    )


def _listen(table: Table, folder: Path) -> Listen:
    table.only("address", "cert", "cert_key", "clients")
    host, colon, port = table.text("address").rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise table.error("serve/address", "an address and a port, like 10.0.0.5:8443", "address")
    files = [str(folder / table.text(name)) for name in ("cert", "cert_key", "clients")]
    return Listen(host.strip("[]"), int(port), *files)


def _limits(table: Table, what: str, default: Limits) -> Limits:
    table.only("mib", "mib_per_hour", what, f"{what}_per_hour")

    def number(name: str, otherwise: int) -> int:
        return table.integer(name, 1, MAX_LIMIT) if name in table else otherwise

    size = Limit(
        number("mib", default.size.burst // MIB) * MIB, number("mib_per_hour", default.size.per_hour // MIB) * MIB
    )
    return Limits(size, Limit(number(what, default.work.burst), number(f"{what}_per_hour", default.work.per_hour)))


def _key(name: str, folder: Path) -> str:
    """A file of a key; what has a scheme is no file."""
    return name if ":" in name.partition("/")[0] else str(folder / name)
