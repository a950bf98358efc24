"""The collectors that a configuration names, made when they are needed: each kind may need packages of its own."""

from collections.abc import Callable, Mapping
from socket import gethostname
from typing import TYPE_CHECKING, Final

from attest.collect.collector import Collector
from attest.errors import MissingError
from attest.record.config import CollectorConfig

if TYPE_CHECKING:
    from attest.collect.fetch import Fetcher


def _exporter(config: CollectorConfig, seconds: float) -> Collector:
    from attest.collect.scraping import Exporter

    return Exporter(config.name, _url(config), _fetcher(config, seconds))


def _prometheus(config: CollectorConfig, seconds: float) -> Collector:
    from attest.collect.prometheus import Prometheus

    return Prometheus(config.name, _url(config), _fetcher(config, seconds))


def _redfish(config: CollectorConfig, seconds: float) -> Collector:
    from attest.collect.redfish_live import Redfish

    return Redfish(config.name, _url(config), _fetcher(config, seconds))


def _nvml(config: CollectorConfig, _: float) -> Collector:
    from attest.collect.nvml import Nvml

    return Nvml(config.name, gethostname())


def _fetcher(config: CollectorConfig, seconds: float) -> "Fetcher":
    from attest.collect.fetch import Fetcher

    return Fetcher(seconds=seconds, ca=config.ca)


KINDS: Final[Mapping[str, Callable[[CollectorConfig, float], Collector]]] = {
    "dcgm": _exporter,
    "amd": _exporter,
    "tpu": _exporter,
    "prometheus": _prometheus,
    "nvml": _nvml,
    "redfish": _redfish,
}


def open_collector(config: CollectorConfig, seconds: float) -> Collector:
    """A collector that answers within so many seconds. Raises MissingError."""
    make = KINDS.get(config.kind)
    if make is None:
        hint = "known kinds: " + ", ".join(sorted(KINDS))
        raise MissingError("record/kind", f"no kind of collector is called {config.kind[:40]}", hint=hint)
    return make(config, seconds)


def _url(config: CollectorConfig) -> str:
    if config.url is None:
        raise MissingError("record/url", f"the collector {config.name} has no url", hint="url = ... beside its kind")
    return config.url
