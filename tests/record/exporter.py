"""A dcgm-exporter of devices that draw what they draw, over real HTTP; it can be slow, silent or wrong."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MILLIWATTS = 500_000


class Exporter(ThreadingHTTPServer):
    """`uids` are its devices; `delay` is how long it keeps an answer back, `body` what it says instead."""

    daemon_threads = True

    def __init__(self, uids: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uids, self.delay, self.body = uids, 0.0, ""
        self.asked = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks is killed now and then, and that is no error here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/metrics"

    def said(self) -> str:
        """The counters as they stand: mJ since 1970, less what 32 digits would not hold."""
        energy = (time.time_ns() // 1_000_000 - 1_700_000_000_000) * MILLIWATTS // 1000
        lines = []
        for number, uid in enumerate(self.uids):
            labels = f'gpu="{number}",UUID="{uid}",Hostname="n1",modelName="NVIDIA H100 80GB HBM3"'
            lines.append(f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {energy + number}")
            lines.append(f"DCGM_FI_DEV_SM_CLOCK{{{labels}}} 1980")
            lines.append(f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} 500.{energy % 1000:03}")
            lines.append(f"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{{{labels}}} 0.{energy % 997:03}")
            lines.append(f"DCGM_FI_PROF_SM_ACTIVE{{{labels}}} 0.{energy % 991:03}")
            lines.append(f"DCGM_FI_PROF_DRAM_ACTIVE{{{labels}}} 0.{energy % 983:03}")
        return "\n".join(lines) + "\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Exporter

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        body = (self.server.body or self.server.said()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked is gone
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def exporting(*uids: str) -> Iterator[Exporter]:
    """An exporter that listens for as long as it is needed."""
    server = Exporter(uids)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
