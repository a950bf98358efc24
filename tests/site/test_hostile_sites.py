"""What answers in the site's place may be slow, broken, or endless: the host says so and tries again."""

import ssl
from collections.abc import Callable

import pytest

from attest.errors import LogError
from attest.record import site_http
from attest.record.site_http import HttpSite
from tests.collect.hostile import Chunks, reply, serve
from tests.site.rig import Lab, sub

JSON = "application/json"
BROKEN: dict[str, tuple[Chunks, str]] = {
    "an error of the server": (reply(b"Internal Server Error", status="500 Internal Server Error"), "unreachable"),
    "a proxy's page": (reply(b"<html>", "text/html", "502 Bad Gateway"), "unreachable"),
    "another type": (reply(b"{}", "text/html"), "unreachable"),
    "no JSON": (reply(b"{", JSON), "answer"),
    "another JSON": (reply(b"[]", JSON), "answer"),
    "JSON of a great depth": (reply(b"[" * 100_000, JSON), "answer"),
    "an off that is none": (reply(b'{"off": [["GPU-0", []]]}', JSON), "answer"),
    "times that are none": (reply(b'{"off": {"GPU-0": [[-1, null], [5, 7]]}}', JSON), "answer"),
    "a time alone": (reply(b'{"off": {"GPU-0": [[5]]}}', JSON), "answer"),
    "numbers that are none": (reply(b'{"log": 1, "origin": "x", "time": true, "inventories": []}', JSON), "answer"),
    "a long JSON": (reply(b" " * (9 << 20), JSON), "answer"),
    "half a reply": (reply(b"{}", JSON, length=100), "unreachable"),
    "no HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n"], "unreachable"),
    "silence": ([5.0], "unreachable"),
    "a redirect": (reply(b"", JSON, "301 Moved", location="https://rival.example/v1/log"), "unreachable"),
    "a refusal": (reply(b'{"code": "upload/unknown", "detail": "no"}', JSON, "404 Not Found"), "refused"),
    "a limit": (reply(b'{"code": "upload/limit", "detail": "more in 9 s"}', JSON, "429 Busy"), "busy"),
    "a full disk": (reply(b'{"code": "log/disk-full", "detail": "no"}', JSON, "503 Not now"), "busy"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize(
    "ask",
    [lambda site: site.about(), lambda site: site.planned_off(), lambda site: site.hand_on([(b"entry", None)])],
)
def test_what_answers_in_its_place(
    lab: Lab, name: str, ask: Callable[[HttpSite], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_http, "SECONDS", 1.5)
    chunks, code = BROKEN[name]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*lab.authority.issue("site"))
    with serve(lambda _: chunks, tls) as url:
        site = HttpSite(url, sub("n1"), str(lab.authority.file), lab.authority.issue("n1"))
        with pytest.raises(LogError, match=f"remote/{code}"):
            ask(site)
        site.close()
