"""What a site says of itself to Prometheus, on a loopback port (prometheus-client).

attest_site_statements_total 17520
attest_site_refused_total{code="upload/limit"} 3
attest_site_sealed_timestamp_seconds 1794182400
"""

from typing import Any, Final

from attest.record.site import Answer

LOOPBACK: Final = "127.0.0.1"


class SiteMetrics:
    """Counters and gauges of one site, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry = CollectorRegistry()
        self.statements = Counter(
            "attest_site_statements",
            "Statements acknowledged, some of them again.",
            registry=self.registry,
        )
        self.refused = Counter(
            "attest_site_refused", "Uploads and requests that were refused.", ["code"], registry=self.registry
        )
        self.errors = Counter("attest_site_errors", "Seals and passes that failed.", ["code"], registry=self.registry)
        self.connections = Gauge("attest_site_connections", "Open connections.", registry=self.registry)
        self.pending = Gauge("attest_site_pending_entries", "Entries that are not sealed.", registry=self.registry)
        self.size = Gauge("attest_site_sealed_entries", "Size of the newest checkpoint.", registry=self.registry)
        self.seal_time = Gauge("attest_site_sealed_timestamp_seconds", "When was sealed last.", registry=self.registry)

    def count(self, answer: Answer) -> None:
        """What became of an upload."""
        self.statements.inc(len(answer.taken))
        if answer.code:
            self.refused.labels(answer.code).inc()

    def serve(self, port: int) -> Any:
        """Answers /metrics on the loopback address; returns the server and its thread."""
        from prometheus_client import start_http_server

        return start_http_server(port, addr=LOOPBACK, registry=self.registry)
