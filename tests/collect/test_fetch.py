"""The bounded fetch against a real server on loopback that is slow, endless, truncated, wrong or a trap."""

import datetime
import gzip
import ipaddress
import itertools
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from attest.collect.fetch import JSON, TEXT, Fetcher, endpoint_of
from attest.errors import CollectError, MissingError
from tests.collect.hostile import Chunks, reply, serve

pytest.importorskip("httpx")

SECONDS = 0.5
LIMIT = 1 << 20


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(seconds=SECONDS, limit=LIMIT) as fetcher:
        yield fetcher


def refused(fetcher: Fetcher, chunks: Chunks) -> CollectError:
    with serve(lambda _: chunks) as url, pytest.raises(CollectError) as info:
        fetcher.get(f"{url}/metrics", TEXT)
    assert info.value.endpoint == f"{url}/metrics"
    assert str(info.value) == f"{info.value.code}: {info.value.endpoint}: {info.value.cause}"
    return info.value


def test_a_reply_comes_whole_with_the_endpoints_own_clock(fetcher: Fetcher) -> None:
    chunks = reply(b"a 1\n", Date="Thu, 24 Apr 2025 17:01:45 GMT")
    with serve(lambda _: chunks) as url:
        got = fetcher.get(f"{url}/metrics?x=1", TEXT)
        assert (got.body, got.status, got.date_ms) == (b"a 1\n", 200, 1_745_514_105_000)
        assert got.endpoint == f"{url}/metrics"
        assert fetcher.get(url, TEXT).body == b"a 1\n"  # and once more


def test_what_was_asked_for_arrives(fetcher: Fetcher) -> None:
    seen = []

    def answer(target: str) -> Chunks:
        seen.append(target)
        return reply(b"{}", "application/json; charset=utf-8")

    with serve(answer) as url:
        assert fetcher.get(f"{url}/api", JSON, params={"query": "a[1h]"}).body == b"{}"
    assert seen == ["/api?query=a%5B1h%5D"]


HEAD = reply(b"", length=-1)[0]
assert isinstance(HEAD, bytes)
SLOW = {
    "silent": [60.0],
    "drips its head": [chunk for byte in HEAD for chunk in (bytes([byte]), 0.05)],
    "drips its body": [HEAD, *itertools.chain.from_iterable((b"a", 0.05) for _ in range(1_000))],
    "stops in the middle": [HEAD, b"a 1\n", 60.0],
}


@pytest.mark.parametrize("chunks", SLOW.values(), ids=SLOW.keys())
def test_a_slow_reply_ends_with_the_time_limit(fetcher: Fetcher, chunks: Chunks) -> None:
    began = time.monotonic()
    assert refused(fetcher, chunks).code == "collect/timeout"
    assert SECONDS <= time.monotonic() - began < SECONDS + 1


def endless() -> Iterator[bytes]:
    yield HEAD  # type: ignore[misc]
    for _ in range(1 << 14):  # a gigabyte
        yield b"x" * 65_536


def test_a_gigabyte_is_cut_off_at_the_limit(fetcher: Fetcher) -> None:
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for chunk in endless():
            yield chunk
            sent += len(chunk)

    assert refused(fetcher, counted()).code == "collect/size"
    assert sent < 16 * LIMIT  # what was in flight, not the gigabyte


def test_an_announced_gigabyte_is_cut_off_too(fetcher: Fetcher) -> None:
    assert refused(fetcher, [reply(b"", length=1 << 30)[0], *[b"x" * 65_536] * 64]).code == "collect/size"


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        (reply(b"a 1\n", length=400), "collect/truncated"),
        ([b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n"],
         "collect/truncated"),
        ([], "collect/truncated"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "collect/truncated"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000], "collect/truncated"),
        (reply(b"a 1\n", status="500 Internal Server Error"), "collect/status"),
        (reply(b"", status="204 No Content", length=-1), "collect/status"),
        (reply(b"", status="302 Found", Location="http://169.254.169.254/"), "collect/status"),
        (reply(b"a 1\n", "text/html"), "collect/type"),
        (reply(b"a 1\n", "application/openmetrics-text; version=1.0.0"), "collect/type"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n"], "collect/type"),
        (reply(gzip.compress(b"a 1\n" * 300_000), Content_Encoding="gzip"), "collect/type"),
    ],
)  # fmt: skip
def test_replies_that_are_none(fetcher: Fetcher, chunks: Chunks, code: str) -> None:
    assert refused(fetcher, chunks).code == code


def test_a_redirect_is_named_and_not_followed(fetcher: Fetcher) -> None:
    error = refused(fetcher, reply(b"", status="302 Found", Location="http://169.254.169.254/"))
    assert "302" in error.cause and "169.254.169.254" in error.cause


def test_statuses_can_be_asked_for(fetcher: Fetcher) -> None:
    chunks = reply(b"{}", "application/json", status="422 Unprocessable Entity")
    with serve(lambda _: chunks) as url:
        assert fetcher.get(url, JSON, statuses={200, 422}).status == 422


def test_nobody_listens(fetcher: Fetcher) -> None:
    with serve(lambda _: []) as url:
        pass
    with pytest.raises(CollectError, match="no connection") as info:
        fetcher.get(url, TEXT)
    assert info.value.code == "collect/connect"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "n1:9400/metrics", "http://", "http://[::1/x", "http://a:b/"])
def test_what_is_no_url_of_a_server(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(CollectError) as info:
        fetcher.get(url, TEXT)
    assert info.value.code == "collect/url"


def test_a_password_is_not_written_down() -> None:
    assert endpoint_of("http://root:calvin@[::1]:8000/redfish/v1?token=x") == "http://[::1]:8000/redfish/v1"


def test_tls_is_verified(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make_certificate(key, certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serve(lambda _: reply(b"a 1\n"), tls) as url:
        with Fetcher(seconds=5) as fetcher, pytest.raises(CollectError, match="CERTIFICATE_VERIFY_FAILED") as info:
            fetcher.get(url, TEXT)
        assert info.value.code == "collect/connect"
        with Fetcher(seconds=5, ca=str(certificate)) as fetcher:
            assert fetcher.get(url, TEXT).body == b"a 1\n"
    with pytest.raises(MissingError, match="certificates"):
        Fetcher(ca=str(tmp_path / "absent.pem"))


def make_certificate(key_file: Path, certificate_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a BMC")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_fetcher_may_go_from_thread_to_thread(fetcher: Fetcher) -> None:
    bodies: list[bytes] = []
    with serve(lambda _: reply(b"a 1\n")) as url:
        for _ in range(3):
            thread = threading.Thread(target=lambda: bodies.append(fetcher.get(url, TEXT).body))
            thread.start()
            thread.join(5)
        assert bodies == [b"a 1\n"] * 3
        assert fetcher.get(url, TEXT).body == b"a 1\n"
