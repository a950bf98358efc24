"""The site's process: listens, and beside that seals, reads the shared folder and hands the log over when asked.

One loop speaks with the hosts; one thread has the log. Ended by SIGTERM it finishes what it has begun; what was
acknowledged is in the log's journal, whatever ends it.
"""

import asyncio
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

import uvicorn

from attest.errors import AttestError, MissingError
from attest.site.app import App
from attest.site.config import Listen, SiteConfig
from attest.site.connection import HEAD_SECONDS, MAX_HEAD, Connections, protocol
from attest.site.desk import Desk
from attest.site.drop import Drop
from attest.site.metrics import SiteMetrics

STEP: Final = 1.0  # s between looks at what is to be done
DROP_SECONDS: Final = 5.0  # between passes over the shared folder
RETRY: Final = 60.0  # s until a seal that failed is tried again
GRACEFUL: Final = 10  # s for requests that have begun
BACKLOG: Final = 2_048  # connections that wait to be accepted

_log = logging.getLogger("attest.site")


class _Server(uvicorn.Server):
    """Ends when it is told to; the process's signals are its caller's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Keeper:
    """What is done beside the requests, in the log's thread."""

    def __init__(self, desk: Desk, drop: Drop | None, seal: int, metrics: SiteMetrics) -> None:
        self._desk, self._drop, self._seal, self._metrics = desk, drop, seal, metrics
        self._seal_at = self._drop_at = time.monotonic()

    def work(self) -> None:
        """Whatever is due."""
        now = time.monotonic()
        if self._drop is not None and now >= self._drop_at:
            self._drop_at = now + DROP_SECONDS
            self._guarded("folder", self._drop.collect)
        if now >= self._seal_at:
            self._seal_at = now + (self._seal if self._guarded("seal", self._sealed) else min(RETRY, self._seal))
        self._guarded("hand over", self._desk.hand_over_if_asked)
        self._metrics.pending.set(self._desk.pending)

    def _sealed(self) -> None:
        size = self._desk.seal()
        self._metrics.size.set(size)
        self._metrics.seal_time.set(time.time())
        _log.info("sealed", extra={"fields": {"size": size}})

    def _guarded(self, what: str, do: Callable[[], object]) -> bool:
        try:
            do()
        except AttestError as error:
            self._metrics.errors.labels(error.code).inc()
            _log.error(f"{what} failed", extra={"fields": {"code": error.code, "detail": error.detail}})
            return False
        return True


def serve(config: SiteConfig, listen: Listen, desk: Desk, metrics: SiteMetrics) -> None:
    """Until SIGTERM or SIGINT. Raises MissingError where it cannot listen."""
    logging.getLogger("uvicorn").handlers[:] = logging.getLogger("attest").handlers
    drop = Drop(config.drop, desk, config.peer, metrics) if config.drop else None
    keeper = Keeper(desk, drop, config.seal, metrics)
    with closing(desk), ThreadPoolExecutor(1, "log") as pool:
        server = _Server(_settings(listen, App(desk, pool, config.peer, metrics), metrics))
        with _listening(listen) as listener:
            asyncio.run(_serve(server, listener, keeper, pool))


def _listening(listen: Listen) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        return socket.create_server((listen.host, listen.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise MissingError("serve/address", f"{listen.host}:{listen.port}: {error.strerror}") from error


async def _serve(server: uvicorn.Server, listener: socket.socket, keeper: Keeper, pool: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def end() -> None:
        server.should_exit = True
        over.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, end)

    async def keep() -> None:
        while not over.is_set():
            await loop.run_in_executor(pool, keeper.work)
            try:
                await asyncio.wait_for(over.wait(), STEP)
            except TimeoutError:
                continue

    keeping = asyncio.create_task(keep())
    keeping.add_done_callback(lambda _: end())  # a site that seals no more takes no more
    _log.info("listening", extra={"fields": {"address": "{}:{}".format(*listener.getsockname())}})
    try:
        await server.serve([listener])
    finally:
        over.set()
        await keeping


def _settings(listen: Listen, app: App, metrics: SiteMetrics) -> uvicorn.Config:
    settings = uvicorn.Config(
        app.asgi,
        http=protocol(Connections(metrics)),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_keep_alive=int(HEAD_SECONDS),
        timeout_graceful_shutdown=GRACEFUL,
        ssl_certfile=listen.cert,
        ssl_keyfile=listen.cert_key,
        ssl_ca_certs=listen.clients,
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    try:
        settings.load()
    except OSError as error:
        files = f"{listen.cert}, {listen.cert_key}, {listen.clients}"
        raise MissingError("serve/certificate", f"cannot use one of {files}: {error.strerror}") from error
    return settings
