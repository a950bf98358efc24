"""The site's HTTP interface, an ASGI application (starlette); its paths are those of attest.record.site.

Everything that a request may cost is asked for before it is spent: its announced length from the host's bucket and from
the room for uploads, then a piece of work for the request and for each signature. Bodies have an end, in bytes and in
time. Whatever is done with the log is done in the one thread of `pool`, in the order in which it comes.

Answers that are no answers are {"code", "detail"} with a status:

    400 not what the path takes      408 too slow             413 too large               429 the host's limit, with
    404 no such thing                411 no length announced  415 another content type    Retry-After    503 not now
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from attest.errors import AttestError, LogError
from attest.format.upload import CONTENT_TYPE, parse_upload
from attest.record.site import (
    PREFIX,
    Answer,
    format_about,
    format_answer,
    format_off,
    format_refusal,
    format_state,
)
from attest.site.budget import Budgets, Limits
from attest.site.desk import LIMITED, Desk
from attest.site.gate import Gate
from attest.site.metrics import SiteMetrics

MAX_BODY: Final = 96 << 20  # bytes: the largest statement with its block
MIN_RATE: Final = 1 << 16  # bytes/s that an upload must come at, after `GRACE`
GRACE: Final = 10.0  # s
MAX_SEQ: Final = (1 << 63) - 1

STATUS: Final = {
    "upload/path": 404,
    "upload/unknown": 404,
    "upload/length": 411,
    "upload/size": 413,
    "upload/type": 415,
    "upload/slow": 408,
    LIMITED: 429,
    "upload/full": 503,
    "upload/malformed": 400,
}
_log = logging.getLogger("attest.site")
_T = TypeVar("_T")
Handler = Callable[[Request], Awaitable[Response]]


class Limited(LogError):
    """The host's own bucket is empty; `seconds` until it is not."""

    def __init__(self, seconds: float) -> None:
        super().__init__(LIMITED, f"more in {math.ceil(seconds)} s")
        self.seconds = seconds


class App:
    """What is behind the paths."""

    def __init__(self, desk: Desk, pool: Executor, limits: Limits, metrics: SiteMetrics) -> None:
        self._desk, self._pool, self._metrics = desk, pool, metrics
        self._budgets, self._gate = Budgets(limits), Gate()
        paths: dict[str, tuple[str, Handler]] = {
            "/log": ("GET", self.about),
            "/genesis": ("GET", self.genesis),
            "/rosters/{digest}": ("GET", self.roster),
            "/checkpoint": ("GET", self.checkpoint),
            "/sources/{source}": ("GET", self.state),
            "/sources/{source}/off": ("GET", self.off),
            "/sources/{source}/entries": ("POST", self.upload),
            "/sources/{source}/entries/{seq}": ("GET", self.entry),
            "/sources/{source}/receipts/{seq}": ("GET", self.receipt),
        }
        routes = [Route(PREFIX + path, self._guarded(do), methods=[method]) for path, (method, do) in paths.items()]
        self.asgi = Starlette(routes=routes)

    # -- telling

    async def about(self, request: Request) -> Response:
        return _json(format_about(await self._do(self._desk.about)))

    async def genesis(self, request: Request) -> Response:
        return _bytes(await self._do(self._desk.genesis))

    async def roster(self, request: Request) -> Response:
        digest = _hash(request.path_params["digest"])
        body = _found(await self._do(lambda: self._desk.roster(digest)))
        self._spend(request, len(body), 0)
        return _bytes(body)

    async def checkpoint(self, request: Request) -> Response:
        old = _number(request.query_params.get("old", "0"))
        return _text(await self._do(lambda: self._desk.growth(old)))

    async def state(self, request: Request) -> Response:
        sub = await self._sub(request)
        return _json(format_state(await self._do(lambda: self._desk.state(sub))))

    async def off(self, request: Request) -> Response:
        sub = await self._sub(request)
        return _json(format_off(await self._do(lambda: self._desk.planned_off(sub))))

    async def entry(self, request: Request) -> Response:
        sub, seq = await self._sub(request), _number(request.path_params["seq"])
        return _bytes(_found(await self._do(lambda: self._desk.entry(sub, seq))))

    async def receipt(self, request: Request) -> Response:
        sub, seq = await self._sub(request), _number(request.path_params["seq"])
        return _text(await self._do(lambda: self._desk.receipt(sub, seq)))

    # -- admitting

    async def upload(self, request: Request) -> Response:
        source, size = request.path_params["source"], _length(request)
        await self._sub(request)
        self._spend(request, size, 0)
        with self._gate.upload(_host(request), size):
            body = await _body(request, size)
            items = parse_upload(body)
            self._spend(request, 0, len(items))
            answer = await self._do(lambda: self._desk.admit(source, items, time.monotonic()))
        self._metrics.count(answer)
        if answer.code:
            fields = {"host": _host(request), "source": source, "code": answer.code, "detail": answer.detail}
            _log.warning("refused", extra={"fields": fields})
        return _json(format_answer(answer), _status(answer))

    # -- what all have in common

    def _guarded(self, do: Handler) -> Handler:
        """Spends a piece of work, and answers what is refused."""

        async def handler(request: Request) -> Response:
            try:
                self._spend(request, 0, 1)
                return await do(request)
            except ClientDisconnect:
                return Response(status_code=400)  # to nobody
            except AttestError as error:
                return self._refused(request, error)

        return handler

    def _refused(self, request: Request, error: AttestError) -> Response:
        status = STATUS.get(error.code, 503)
        self._metrics.refused.labels(error.code).inc()
        fields = {"host": _host(request), "path": request.url.path[:200], "code": error.code, "detail": error.detail}
        _log.log(logging.ERROR if status == 503 else logging.WARNING, "not answered", extra={"fields": fields})
        seconds = error.seconds if isinstance(error, Limited) else 1.0
        headers = {"Retry-After": str(math.ceil(seconds))} if status in (429, 503) else {}
        if request.method == "POST":
            headers["Connection"] = "close"  # its body may not have been read to the end
        return Response(format_refusal(error.code, error.detail), status, headers, "application/json")

    def _spend(self, request: Request, size: int, work: int) -> None:
        wait = self._budgets.take(_host(request), size, work, time.monotonic())
        if wait:
            raise Limited(wait)

    async def _sub(self, request: Request) -> str:
        source = request.path_params["source"]
        return _found(await self._do(lambda: self._desk.sub(source)))

    async def _do(self, what: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, what)


async def _body(request: Request, size: int) -> bytes:
    parts, got = [], 0
    try:
        async with asyncio.timeout(GRACE + size / MIN_RATE):
            async for chunk in request.stream():
                got += len(chunk)
                parts.append(chunk)
    except TimeoutError as error:
        raise LogError("upload/slow", f"{got:,} of {size:,} bytes came in time") from error
    return b"".join(parts)


def _length(request: Request) -> int:
    kind = request.headers.get("content-type", "")
    if kind != CONTENT_TYPE:
        raise LogError("upload/type", f"content type {kind[:100]!r}, not {CONTENT_TYPE}")
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        raise LogError("upload/length", "announce the length of the body")
    if len(length) > 12 or int(length) > MAX_BODY:
        raise LogError("upload/size", f"a body of {length[:12]} bytes, at most {MAX_BODY}")
    return int(length)


def _host(request: Request) -> str:
    """Who pays: whoever has the certificate that the connection was made with."""
    return str(request.state.peer)


def _status(answer: Answer) -> int:
    if not answer.code:
        return 200
    return 403 if answer.code.startswith(("key/", "signature/")) else 409


def _found(value: _T | None) -> _T:
    if value is None:
        raise LogError("upload/unknown", "there is no such thing in this log")
    return value


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > MAX_SEQ:
        raise LogError("upload/path", "a number stands there")
    return int(text)


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise LogError("upload/path", "a digest in hexadecimal digits stands there") from error


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _bytes(body: bytes) -> Response:
    return Response(body, media_type="application/octet-stream")


def _text(body: bytes | None) -> Response:
    return Response(status_code=204) if body is None else Response(body, media_type="text/plain")
