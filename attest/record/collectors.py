"""The collectors that a configuration names, made when they are needed: each kind may need packages of its own.

A password is the first line of a file that only its owner can read, and is sent to an https URL alone (RFC 7617); a
`url` with a user in it is refused, since a configuration is read by others and quoted in logs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from socket import gethostname
from typing import Final
from urllib.parse import urlsplit

from attest.collect.collector import Collector
from attest.collect.fetch import MAX_REPLY, Fetcher, endpoint_of
from attest.errors import MissingError
from attest.record.config import CollectorConfig
from attest.sign.files import read_private

MARGIN: Final = 0.9  # of a collector's time for its replies: that it has run out is to be said in time
MAX_PASSWORD: Final = 1_024  # bytes; no server takes as many


def _exporter(config: CollectorConfig, seconds: float, _: str | None) -> Collector:
    from attest.collect.scraping import Exporter

    return Exporter(config.name, _url(config), _fetcher(config, seconds))


def _prometheus(config: CollectorConfig, seconds: float, host: str | None) -> Collector:
    from attest.collect.prometheus import MAX_REPLY as LIMIT
    from attest.collect.prometheus import Prometheus

    return Prometheus(config.name, _url(config), _fetcher(config, seconds, LIMIT), host=host)


def _redfish(config: CollectorConfig, seconds: float, _: str | None) -> Collector:
    from attest.collect.redfish_live import MAX_REPLY as LIMIT
    from attest.collect.redfish_live import Redfish

    return Redfish(config.name, _url(config), _fetcher(config, seconds, LIMIT))


def _nvml(config: CollectorConfig, _: float, host: str | None) -> Collector:
    from attest.collect.nvml import Nvml

    if config.url or config.ca or config.user:
        detail = f"the collector {config.name} asks the driver of this machine and has no url, ca or user"
        raise MissingError("record/url", detail, hint="leave them out")
    return Nvml(config.name, host or gethostname())


def _fetcher(config: CollectorConfig, seconds: float, limit: int = MAX_REPLY) -> Fetcher:
    time = seconds * MARGIN
    return Fetcher(seconds=time, budget=time, limit=limit, ca=config.ca, user=_credentials(config))


KINDS: Final[Mapping[str, Callable[[CollectorConfig, float, str | None], Collector]]] = {
    "dcgm": _exporter,
    "amd": _exporter,
    "tpu": _exporter,
    "prometheus": _prometheus,
    "nvml": _nvml,
    "redfish": _redfish,
}
METERS: Final = frozenset({"redfish"})  # these read meters, all others accelerators


def open_collector(config: CollectorConfig, seconds: float, host: str | None = None) -> Collector:
    """A collector that answers within so many seconds; `host` is what the host is called in what it says, None for the
    machine's own name and for all that there are. Raises MissingError, CollectError, KeyFileError."""
    make = KINDS.get(config.kind)
    if make is None:
        hint = "known kinds: " + ", ".join(sorted(KINDS))
        raise MissingError("record/kind", f"no kind of collector is called {config.kind[:40]}", hint=hint)
    return make(config, seconds, host)


def require_kind(config: CollectorConfig, meter: bool) -> None:
    """Raise MissingError `record/kind` where a recorder would take what it can state nothing of."""
    if config.kind in KINDS and (config.kind in METERS) != meter:
        reads, whose = ("a meter", "a host's") if config.kind in METERS else ("accelerators", "a meter's")
        hint = "let a recorder of its own ask it, with a table [meter] for a meter and none for a host"
        raise MissingError("record/kind", f"{config.name} reads {reads}, and this recorder is {whose}", hint=hint)


def _url(config: CollectorConfig) -> str:
    """Raises MissingError `record/url`, CollectError `collect/url`."""
    if config.url is None:
        raise MissingError("record/url", f"the collector {config.name} has no url", hint="url = ... beside its kind")
    endpoint_of(config.url)
    if urlsplit(config.url).username is not None:
        hint = "give user and password_file, and change the password: others may have read it"
        raise MissingError("record/url", f"the url of the collector {config.name} has a user in it", hint=hint)
    return config.url


def _credentials(config: CollectorConfig) -> tuple[str, str] | None:
    """User and password. Raises MissingError, KeyFileError."""
    if config.user is None or config.password_file is None:
        return None
    if urlsplit(config.url or "").scheme != "https":
        hint = "give an https url, and as ca the certificate that vouches for it"
        raise MissingError("record/password", f"{config.name} would send its password in the clear", hint=hint)
    line = read_private(Path(config.password_file)).split(b"\n", 1)[0].rstrip(b"\r")
    if ":" in config.user:
        raise MissingError("record/password", f"the user of {config.name} has a colon, which no user can have")
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise MissingError("record/password", f"{config.password_file}: its first line is not UTF-8") from None
    if not 0 < len(line) <= MAX_PASSWORD or not password.isprintable():
        detail = f"{config.password_file}: its first line is no password of 1 to {MAX_PASSWORD:,} printable bytes"
        raise MissingError("record/password", detail)
    return config.user, password
