"""A real HTTP server on loopback that answers as it is told: each reply is bytes, sent as they are, with pauses."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

REFUSED = "401 Unauthorized"
Chunks = Iterable[bytes | float]  # bytes to send, or seconds to wait
Answer = Callable[[str], Chunks]  # by the request's target


def reply(
    body: bytes,
    kind: str = "text/plain; version=0.0.4",
    status: str = "200 OK",
    length: int | None = None,
    **headers: str,
) -> list[bytes | float]:
    """A whole reply; `length` is announced in the place of the true one, -1 is none."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n", body]


@contextmanager
def serve(answer: Answer, tls: ssl.SSLContext | None = None, authorization: str | None = None) -> Iterator[str]:
    """The server's URL; it ends with the context, whatever its replies are doing. Of `authorization`, the value of that
    header, requests without it are refused."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            served = connection if tls is None else tls.wrap_socket(connection, server_side=True)
            with served:
                request = b""
                while b"\r\n\r\n" not in request:
                    got = served.recv(65_536)
                    if not got:
                        return
                    request += got
                head, _, body = request.partition(b"\r\n\r\n")
                announced = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                while announced and len(body) < int(announced[1]):
                    body += served.recv(65_536)
                told = re.search(rb"(?i)\r\nauthorization: ([^\r]+)", head)
                allowed = authorization is None or (told is not None and told[1].decode() == authorization)
                for chunk in answer(request.split(b" ")[1].decode()) if allowed else reply(b"", status=REFUSED):
                    if over.is_set():
                        return
                    if isinstance(chunk, bytes):
                        served.sendall(chunk)
                    else:
                        over.wait(chunk)

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
