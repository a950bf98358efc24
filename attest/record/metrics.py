"""What the recorder says of itself to Prometheus, on a loopback port (prometheus-client).

attest_samples_total{collector="dcgm"} 14400
attest_missing_seconds_total{cause="collect/timeout"} 120
attest_last_seal_timestamp_seconds 1794182400
"""

from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"


class Metrics:
    """Counters and gauges of one recorder, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry = CollectorRegistry()
        self.samples = Counter("attest_samples", "Samples kept in the spool.", ["collector"], registry=self.registry)
        self.refused = Counter(
            "attest_refusals", "What a collector could not have or not believe.", ["collector", "code"],
            registry=self.registry,
        )  # fmt: skip
        self.missing = Counter(
            "attest_missing_seconds", "Device-seconds stated without a sample, by cause.", ["cause"],
            registry=self.registry,
        )  # fmt: skip
        self.statements = Counter("attest_statements", "Statements signed and appended.", registry=self.registry)
        self.errors = Counter("attest_errors", "Windows or seals that failed.", ["code"], registry=self.registry)
        self.undeclared = Gauge(
            "attest_undeclared_devices", "Devices that collectors see and no inventory names.", registry=self.registry
        )
        self.outbox = Gauge(
            "attest_outbox_statements", "Statements that wait for the site's log.", registry=self.registry
        )
        self.dropped = Counter("attest_dropped_samples", "Samples there was no room for.", registry=self.registry)
        self.spool = Gauge("attest_spool_bytes", "Size of the spool.", registry=self.registry)
        self.sample_time = Gauge(
            "attest_last_sample_timestamp_seconds", "When was sampled last.", registry=self.registry
        )
        self.until = Gauge(
            "attest_stated_until_timestamp_seconds", "End of the last statement.", registry=self.registry
        )
        self.seal_time = Gauge("attest_last_seal_timestamp_seconds", "When was sealed last.", registry=self.registry)
        self.key_valid = Gauge(
            "attest_key_valid", "1 while the log takes the recorder's key, 0 once it is retired or revoked.",
            registry=self.registry,
        )  # fmt: skip

    def serve(self, port: int) -> Any:
        """Answers /metrics on the loopback address; returns the server and its thread."""
        from prometheus_client import start_http_server

        return start_http_server(port, addr=LOOPBACK, registry=self.registry)
