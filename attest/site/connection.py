"""A connection to the site: whose certificate it has, how many that one may have, and how long a request may take to
begin.

uvicorn's HTTP/1.1 over h11, which bounds a request's head, with what it leaves open: it waits for a head for as long as
one likes, and does not tell the application who the client is.
"""

import asyncio
from collections import Counter
from hashlib import sha256
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from attest.site.metrics import SiteMetrics

MAX_CONNECTIONS: Final = 8  # with one certificate
MAX_ALL: Final = 16_384
HEAD_SECONDS: Final = 10.0  # for the head of a request, from its first byte, and for the first byte of any
MAX_HEAD: Final = 16_384  # bytes


class Connections:
    """Open connections by the certificate that they were made with."""

    def __init__(self, metrics: SiteMetrics) -> None:
        self._held: Counter[str] = Counter()
        self._metrics = metrics

    def enter(self, host: str) -> bool:
        """Counts one more; False where that is too many."""
        self._held[host] += 1
        self._metrics.connections.set(self._held.total())
        return self._held[host] <= MAX_CONNECTIONS and self._held.total() <= MAX_ALL

    def leave(self, host: str) -> None:
        """Counts one less."""
        self._held[host] -= 1
        if not self._held[host]:
            del self._held[host]
        self._metrics.connections.set(self._held.total())


def protocol(connections: Connections) -> type[H11Protocol]:
    """The protocol of one server's connections."""

    class Connection(H11Protocol):
        _host = ""
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            self._host = sha256(certificate).hexdigest()[:32]
            self.app_state = {**self.app_state, "peer": self._host}
            if connections.enter(self._host):
                self._wait_for_head()
            else:
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            connections.leave(self._host)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self.conn.trailing_data[0] and self._timer is None:
                self._wait_for_head()

        def shutdown(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.abort()  # an idle client need not agree
            else:
                self.cycle.keep_alive = False

        def _wait_for_head(self) -> None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection
