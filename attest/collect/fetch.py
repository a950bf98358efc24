"""One HTTP request, bounded in every direction: nothing that an endpoint does can hang, fill or mislead.

The whole reply, from the look-up of the name to its last byte, has a time limit, however slowly it drips, and so have
all replies that a collector asks for at one time together. The size of a reply is counted while it streams, and one
that grows beyond the limit is cut off. Redirects are not followed, TLS is verified (against `ca` where the endpoint has
a private one), no proxy and no credentials come from the environment. A body that was compressed is refused unread,
since none is asked for and a few kilobytes can unpack to gigabytes. What is shorter than it was announced is no reply.

Every failure is a CollectError with the endpoint and its cause:

| code | what |
|---|---|
| `collect/url` | not a http or https URL |
| `collect/connect` | no connection: refused, unknown name, TLS that does not verify |
| `collect/timeout` | no end within the time limit |
| `collect/status` | a status that was not asked for, a redirect among them |
| `collect/type` | another content type than was asked for, or a compressed body |
| `collect/size` | more bytes than the limit |
| `collect/truncated` | the connection ended in the middle of the reply, or what came was no HTTP |
"""

import asyncio
import math
import ssl
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Self
from urllib.parse import urlsplit

from attest.errors import CollectError, MissingError

if TYPE_CHECKING:
    import httpx

MAX_SECONDS: Final = 10.0  # of one reply
MAX_REPLY: Final = 64 << 20  # bytes of one reply
MAX_QUOTED: Final = 200  # characters of an endpoint's words in an error

TEXT: Final = frozenset({"text/plain"})
JSON: Final = frozenset({"application/json"})
OK: Final = frozenset({200})
EXTRA: Final = "install the extra: pip install 'compute-attest[collect]'"


class Reply(NamedTuple):
    """A whole reply; `date_ms` is the endpoint's own clock as its `Date` says it, None where it says nothing."""

    endpoint: str
    status: int
    body: bytes
    date_ms: int | None


class Fetcher:
    """A client that keeps its connections open between intervals. Use it from one thread at a time."""

    def __init__(
        self,
        *,
        seconds: float = MAX_SECONDS,
        limit: int = MAX_REPLY,
        budget: float | None = None,
        ca: str | None = None,
        user: tuple[str, str] | None = None,
        cert: tuple[str, str] | None = None,
    ) -> None:
        """`budget` is how long all replies together may take from one `begin` to the next, s. `ca` is a file of
        certificates to trust in place of the system's, `user` a name and a password, `cert` the files of the client's
        own certificate and its key.

        Raises MissingError `collect/extra` without httpx, `collect/ca` where the certificates cannot be read.
        """
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise MissingError("collect/extra", "live sources need httpx", hint=EXTRA) from error
        try:
            trusted = ssl.create_default_context(cafile=ca)
            if cert is not None:
                trusted.load_cert_chain(*cert)
        except OSError as error:
            files = ", ".join(file for file in (ca, *(cert or ())) if file)
            raise MissingError("collect/ca", f"cannot read the certificates in {files}: {error}") from error
        self.seconds, self.limit = seconds, limit
        self._budget, self._deadline = budget, math.inf
        self._httpx = httpx
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(
            verify=trusted, auth=user, follow_redirects=False, trust_env=False, timeout=seconds
        )

    def begin(self) -> None:
        """The budget begins anew."""
        self._deadline = math.inf if self._budget is None else time.monotonic() + self._budget

    @property
    def left(self) -> float:
        """How much of the budget is left, s; infinite without one."""
        return self._deadline - time.monotonic()

    def get(
        self, url: str, types: Collection[str], *, statuses: Collection[int] = OK, params: dict[str, str] | None = None
    ) -> Reply:
        """The reply to a GET. Raises CollectError."""
        return self._ask("GET", url, types, statuses, params=params)

    def post(self, url: str, content: bytes, kind: str, types: Collection[str], *, statuses: Collection[int]) -> Reply:
        """The reply to a POST of content of a type. Raises CollectError; what was sent may have arrived then."""
        return self._ask("POST", url, types, statuses, content=content, headers={"Content-Type": kind})

    def _ask(
        self,
        method: str,
        url: str,
        types: Collection[str],
        statuses: Collection[int],
        *,
        params: dict[str, str] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        endpoint = endpoint_of(url)
        accepted = {"Accept": ", ".join(sorted(types)), "Accept-Encoding": "identity"}
        try:
            request = self._client.build_request(
                method, url, params=params, content=content, headers={**accepted, **(headers or {})}
            )
        except self._httpx.InvalidURL as error:
            _fail("collect/url", endpoint, str(error), error)
        return self._runner.run(self._send(request, endpoint, types, statuses))

    async def _send(
        self, request: "httpx.Request", endpoint: str, types: Collection[str], statuses: Collection[int]
    ) -> Reply:
        httpx = self._httpx
        seconds = min(self.seconds, self.left)
        if seconds <= 0:
            _fail("collect/timeout", endpoint, "not asked: no time was left")
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.send(request, stream=True)
                try:
                    _require_headers(response, endpoint, types, statuses)
                    body = await self._body(response, endpoint)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException) as error:
            _fail("collect/timeout", endpoint, f"no end of the reply within {seconds:.3g} s", error)
        except httpx.ConnectError as error:
            _fail("collect/connect", endpoint, f"no connection: {error}", error)
        except httpx.TransportError as error:
            _fail("collect/truncated", endpoint, f"the reply broke off: {error or type(error).__name__}", error)
        return Reply(endpoint, response.status_code, body, _date(response.headers.get("date")))

    async def _body(self, response: "httpx.Response", endpoint: str) -> bytes:
        chunks, size = [], 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self.limit:
                _fail("collect/size", endpoint, f"more than {self.limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Close the connections."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def endpoint_of(url: str) -> str:
    """A URL as it may be written down: without a user, a password or a query. Raises CollectError `collect/url`.

    >>> endpoint_of("https://root:calvin@bmc7/redfish/v1?x=1")
    'https://bmc7/redfish/v1'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        _fail("collect/url", url[:MAX_QUOTED], str(error), error)
    if parts.scheme not in ("http", "https") or not host:
        _fail("collect/url", url[:MAX_QUOTED], "not a http or https URL")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _require_headers(
    response: "httpx.Response", endpoint: str, types: Collection[str], statuses: Collection[int]
) -> None:
    status = response.status_code
    if status not in statuses:
        to = response.headers.get("location", "")[:MAX_QUOTED]
        _fail("collect/status", endpoint, f"status {status}" + (f", a redirect to {to!r}" if to else ""))
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in types:
        _fail("collect/type", endpoint, f"content type {kind[:MAX_QUOTED]!r}, not {' or '.join(sorted(types))}")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        _fail("collect/type", endpoint, f"a body in {encoding[:MAX_QUOTED]!r}, which was not asked for")


def _date(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def _fail(code: str, endpoint: str, cause: str, error: Any = None) -> NoReturn:
    raise CollectError(code, cause, endpoint=endpoint) from error
