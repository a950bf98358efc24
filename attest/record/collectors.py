"""The collectors that a configuration names, made when they are needed: each kind may need packages of its own."""

from collections.abc import Callable, Mapping
from typing import Final

from attest.collect.collector import Collector
from attest.errors import MissingError
from attest.record.config import CollectorConfig


def _dcgm(config: CollectorConfig, seconds: float) -> Collector:
    from attest.collect.live_dcgm import DcgmExporter

    return DcgmExporter(config.name, _url(config), seconds, config.ca)


KINDS: Final[Mapping[str, Callable[[CollectorConfig, float], Collector]]] = {"dcgm": _dcgm}


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
