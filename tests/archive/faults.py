"""A server in front of an S3 server that does harm to order, for what a real one does too seldom.

    with front(server) as faults:
        faults.plan = [Fault("PUT", "half sent")]

Each fault is done to the next request of its method whose path has its word, `times` times; the rest goes through.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.archive.servers import Server

FAULTS = ("500", "half sent", "half answered", "lost answer", "silence")
FOREVER = 1 << 30


class Fault:
    """What happens to how many requests of a method, by a word of their paths."""

    def __init__(self, method: str, what: str, times: int = 1, word: str = "") -> None:
        assert what in FAULTS
        self.method, self.what, self.times, self.word = method, what, times, word


class Front(ThreadingHTTPServer):
    """Passes requests on; `asked` counts those that a fault was done to."""

    daemon_threads = True

    def __init__(self, behind: Server) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = urlsplit(behind.url).netloc
        self.plan: list[Fault] = []
        self.asked = 0
        self.over = threading.Event()

    @property
    def server(self) -> Server:
        return Server(f"http://127.0.0.1:{self.server_address[1]}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def pass_on(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        what = self.fault()
        if what == "half sent":
            self.rfile.read(size // 2)
            return self.hang_up()
        body = self.rfile.read(size)
        if what == "silence":
            self.server.over.wait(30)
            return self.hang_up()
        if what == "500":
            return self.answer(500, [("Content-Length", "0")], b"")
        there = http.client.HTTPConnection(self.server.behind, timeout=30)
        there.request(self.command, self.path, body or None, dict(self.headers))
        answer = there.getresponse()
        data = answer.read()
        there.close()
        if what == "lost answer":
            return self.hang_up()
        headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("connection", "transfer-encoding")]
        if self.command != "HEAD" and answer.status != 204:
            headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
            headers.append(("Content-Length", str(len(data))))
        if what == "half answered":
            self.answer(answer.status, headers, data[: len(data) // 2])
            return self.hang_up()
        return self.answer(answer.status, headers, data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815

    def fault(self) -> str:
        for fault in self.server.plan:
            if fault.method == self.command and fault.word in self.path and fault.times:
                fault.times -= 1
                self.server.asked += 1
                return fault.what
        return ""

    def answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def front(behind: Server) -> Iterator[Front]:
    """A running one."""
    server = Front(behind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
