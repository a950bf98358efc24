"""What `attest record` is told, as TOML (schemas/record.md); paths are relative to the file's folder.

>>> config = parse_config('''
... log = "log"
... keys = ["host.key", "host-2.key"]    # the first that the log takes signs
... log_keys = ["log.key"]               # seals; left out: somebody else does
... spool = "spool"
... metrics = 9464                       # port on the loopback address; left out: none
... [[collect]]
... kind = "dcgm"
... url = "http://127.0.0.1:9400/metrics"
... ''', Path("/etc/attest"))
>>> config.log, config.interval, config.window, config.collect[0].kind
(PosixPath('/etc/attest/log'), 60, 21600, 'dcgm')
"""

from pathlib import Path
from typing import Final, NamedTuple

from attest.agreement.reading import quantity
from attest.agreement.units import DURATION
from attest.collect.stamps import parse_offset
from attest.errors import AgreementError
from attest.format.bodies import MAX_INTERVAL
from attest.format.toml_table import Table, parse_toml
from attest.record.access import Access, parse_access
from attest.record.meters import Meter
from attest.record.run_names import RunNames
from attest.sign.named import is_uri

DEFAULT_INTERVAL: Final = 60
DEFAULT_WINDOW: Final = 21_600
DEFAULT_SEAL: Final = 3_600
DEFAULT_TIMEOUT: Final = 5
DEFAULT_GAP: Final = 30 * 86_400
MAX_GAP: Final = 3_660 * 86_400
DEFAULT_SPOOL: Final = 1_024  # MiB
MAX_SPOOL: Final = 1 << 20  # MiB
MAX_WINDOW: Final = 86_400
MAX_COLLECTORS: Final = 64
MAX_KEYS: Final = 8
MAX_FILES: Final = 64  # of workloads
MIB: Final = 1 << 20


class CollectorConfig(NamedTuple):
    """One source: its kind, its endpoint, and what else belongs to it; the password is in its file alone."""

    kind: str
    name: str
    url: str | None
    ca: str | None
    user: str | None = None
    password_file: str | None = None


class Config(NamedTuple):
    """Times in s, the spool's limit in bytes; `host` is the host's name in what collectors say. Of `log` and `site` one
    is there."""

    log: Path | None
    site: Access | None
    keys: tuple[str, ...]
    log_keys: tuple[str, ...]
    passphrase_file: str | None
    spool: Path
    spool_limit: int
    interval: int
    window: int
    longest_gap: int
    seal: int
    timeout: int
    metrics: int | None
    host: str | None
    collect: tuple[CollectorConfig, ...]
    workloads: RunNames | None
    meter: Meter | None


def parse_config(text: str | bytes, folder: Path) -> Config:
    """What a text says. Raises AgreementError with line and key."""
    root = parse_toml(text).only(
        "log", "site", "keys", "log_keys", "passphrase_file", "spool", "spool_mib", "interval", "window", "longest_gap",
        "seal", "timeout", "metrics", "host", "collect", "workloads", "meter",
    )  # fmt: skip
    interval = _seconds(root, "interval", DEFAULT_INTERVAL, MAX_INTERVAL)
    window = _seconds(root, "window", DEFAULT_WINDOW, MAX_WINDOW)
    if window % interval:
        raise root.error("record/window", "a window is a whole number of intervals", "window")
    timeout = _seconds(root, "timeout", min(DEFAULT_TIMEOUT, interval), interval)
    if ("log" in root) == ("site" in root):
        raise root.error("record/log", "statements go to a log here or to a site's", hint='give log = "..." or [site]')
    if "site" in root and "log_keys" in root:
        raise root.error("record/log", "a site's log is sealed by the site", "log_keys", hint="leave them out")
    for key in ("host", "workloads"):
        if "meter" in root and key in root:
            raise root.error("record/meter", f"a meter has feeds, and {key} speaks of hosts", key, hint="leave it out")
    collect = tuple(_collector(table, folder) for table in root.tables("collect", MAX_COLLECTORS))
    names = [one.name for one in collect]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise root.error("record/name", f"two collectors are called {twice[0]}", "collect", hint="give each a name")
    return Config(
        log=folder / root.text("log") if "log" in root else None,
        site=parse_access(root.table("site"), folder) if "site" in root else None,
        keys=_names(root, "keys", folder),
        log_keys=_names(root, "log_keys", folder) if "log_keys" in root else (),
        passphrase_file=_path(root, "passphrase_file", folder),
        spool=folder / root.text("spool"),
        spool_limit=(root.integer("spool_mib", 1, MAX_SPOOL) if "spool_mib" in root else DEFAULT_SPOOL) * MIB,
        interval=interval,
        window=window,
        longest_gap=_seconds(root, "longest_gap", DEFAULT_GAP, MAX_GAP),
        seal=_seconds(root, "seal", DEFAULT_SEAL, DEFAULT_SEAL),
        timeout=timeout,
        metrics=root.integer("metrics", 1, 65_535) if "metrics" in root else None,
        host=root.text("host") if "host" in root else None,
        collect=collect,
        workloads=_workloads(root.table("workloads"), folder) if "workloads" in root else None,
        meter=_meter(root.table("meter"), "site" in root) if "meter" in root else None,
    )


def _meter(table: Table, elsewhere: bool) -> Meter:
    table.only("clock", "feeds", "source", "issuer")
    for key in ("source", "issuer"):
        if elsewhere and key in table:
            raise table.error("record/meter", "the source is that of [site], and its site knows whose", key)
    feeds = table.table("feeds") if "feeds" in table else None
    if ("source" in table) != ("issuer" in table):
        raise table.error("record/meter", "an independent meter has both a source and an issuer")
    return Meter(
        {} if feeds is None else {node: feeds.text(node) for node in feeds.values},
        quantity(table, "clock", DURATION, high=MAX_INTERVAL) if "clock" in table else None,
        table.text("source") if "source" in table else None,
        table.text("issuer") if "issuer" in table else None,
    )


def _workloads(table: Table, folder: Path) -> RunNames:
    table.only("files", "labels", "salts", "cluster", "utc_offset")
    files = tuple(str(folder / text.value) for text in table.texts("files", MAX_FILES)) if "files" in table else ()
    return RunNames(
        files,
        _path(table, "labels", folder),
        str(folder / table.text("salts")),
        table.text("cluster") if "cluster" in table else None,
        table.parsed("utc_offset", _zone) if "utc_offset" in table else None,
    )


def _zone(text: str) -> int:
    try:
        return parse_offset(text)
    except ValueError as error:
        raise AgreementError("toml/type", str(error)) from error


def _collector(table: Table, folder: Path) -> CollectorConfig:
    table.only("kind", "name", "url", "ca", "user", "password_file")
    if ("user" in table) != ("password_file" in table):
        raise table.error("record/password", "a user has a password_file, and a password its user", hint="give both")
    kind = table.text("kind")
    return CollectorConfig(
        kind,
        table.text("name") if "name" in table else kind,
        table.text("url") if "url" in table else None,
        _path(table, "ca", folder),
        table.text("user") if "user" in table else None,
        _path(table, "password_file", folder),
    )


def _seconds(table: Table, key: str, default: int, high: int) -> int:
    return quantity(table, key, DURATION, low=1, high=high) if key in table else default


def _path(table: Table, key: str, folder: Path) -> str | None:
    return str(folder / table.text(key)) if key in table else None


def _names(table: Table, key: str, folder: Path) -> tuple[str, ...]:
    """Keys, of which files are found from the folder of the configuration."""
    texts = [text.value for text in table.texts(key, MAX_KEYS)]
    return tuple(text if is_uri(text) else str(folder / text) for text in texts)
