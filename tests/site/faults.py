"""What lies between an agent and its site: a line that is cut in the middle, a site that lies or fails."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any

from attest.errors import LogError
from attest.format.upload import Item
from attest.record.site import Answer, Site

Cut = tuple[int | None, int | None]  # bytes to the site and back after which a connection is cut, None: never


@dataclass
class Line:
    """A TCP proxy: each connection in turn is cut as `cuts` says, those after the last never."""

    target: int
    cuts: Sequence[Cut] = ()
    port: int = 0
    cut: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator["Line"]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        limits = chain(self.cuts, repeat((None, None)))

        def accept() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                there, back = next(limits)
                for source, sink, limit in ((near, far, there), (far, near, back)):
                    threading.Thread(target=self._carry, args=(source, sink, limit), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)

    def _carry(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        left = limit
        with suppress(OSError):
            while data := source.recv(65_536):
                if left is not None and len(data) >= left:
                    sink.sendall(data[:left])
                    self.cut += 1
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class Between:
    """A site whose answers are changed on the way: `change` by the name of what is asked."""

    site: Site
    change: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.site, name)

        def asked(*args: Any) -> Any:
            self.asked.append(name)
            found = method(*args)
            return self.change[name](found) if name in self.change else found

        return asked

    # mypy sees no protocol behind __getattr__
    def hand_on(self, items: Sequence[Item]) -> Answer:
        self.asked.append("hand_on")
        if "before hand_on" in self.change:
            self.change["before hand_on"](items)
        answer = self.site.hand_on(items)
        return self.change["hand_on"](answer) if "hand_on" in self.change else answer


def away(*_: object) -> Any:
    raise LogError("remote/unreachable", "as told")
