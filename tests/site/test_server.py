"""The site's server against hosts that are not who they say, or say what they should not, or too much."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from attest.format.upload import CONTENT_TYPE, format_upload
from attest.log.merkle import leaf_hash
from attest.log.proof import parse_receipt, verify_receipt
from attest.record.site import parse_answer, parse_refusal, parse_state, source_id
from attest.site.connection import MAX_CONNECTIONS
from attest.store.writer import LogWriter
from tests.collect.test_import import ORIGIN
from tests.site.certificates import Authority
from tests.site.rig import VKEYS, Lab, Teller, sub

LIMITED = """
[peer]
mib = 1
mib_per_hour = 1
requests = 60
requests_per_hour = 60
[source]
mib = 1
mib_per_hour = 1
statements = 20
statements_per_hour = 20
"""


def path(host: str, rest: str = "/entries") -> str:
    return f"/sources/{source_id(sub(host))}{rest}"


def post(lab: Lab, host: str, body: bytes, to: str | None = None, **headers: str) -> httpx.Response:
    with lab.client(host) as client:
        return client.post(path(to or host), content=body, headers={"Content-Type": CONTENT_TYPE, **headers})


def test_what_is_taken_is_acknowledged_and_proven(served: Lab) -> None:
    teller = Teller(served, "n1")
    items = [teller.next(), teller.next(100), teller.next()]
    reply = post(served, "n1", format_upload(items))
    assert reply.status_code == 200
    answer = parse_answer(reply.content)
    assert [(ack.seq, ack.index, ack.leaf) for ack in answer.taken] == [
        (seq, 6 + seq, leaf_hash(entry)) for seq, (entry, _) in enumerate(items)
    ]
    with served.client("n1") as client:
        assert client.get(path("n1", "/receipts/1")).status_code == 204
    served.stop()
    served.start()
    with served.client("n1") as client:
        receipt = parse_receipt(client.get(path("n1", "/receipts/1")).content)
        assert receipt.index == 7
        assert verify_receipt(receipt, leaf_hash(items[1][0]), ORIGIN, VKEYS).size == 9
        assert client.get(path("n1", "/entries/1")).content == items[1][0]
    with LogWriter.open(served.log, read_only=True) as log:
        assert [log.block(index) for index in (6, 7, 8)] == [block for _, block in items]


def test_what_comes_again_out_of_order_or_twice_changes_nothing(shared: Lab) -> None:
    first, second, third = (teller := Teller(shared, "n1")).next(), teller.next(50), teller.next()
    before = len(shared.entries())

    def code(*items: tuple[bytes, bytes | None]) -> tuple[int, int, str]:
        answer = parse_answer(post(shared, "n1", format_upload(items)).content)
        return len(answer.taken), len(shared.entries()) - before, answer.code

    assert code(second) == (0, 0, "chain/gap")
    assert code(third, second, first) == (0, 0, "chain/gap")
    assert code(first, third) == (1, 1, "chain/gap")
    assert code(first, first, second) == (3, 2, "")
    assert code(second, first, second) == (3, 2, "")
    other = Teller(shared, "n1")
    assert code(other.next(7)) == (0, 2, "log/equivocation")
    assert code((third[0], b"a block")) == (0, 2, "log/block")
    assert code((third[0][:-1] + bytes([third[0][-1] ^ 1]), None)) == (0, 2, "signature/invalid")
    assert code((b"no statement", None))[1] == 2
    with shared.client("n1") as client:
        state = parse_state(client.get(path("n1", "")).content)
        assert (state.seq, state.prev) == (2, leaf_hash(second[0]))
    assert code(third) == (1, 3, "")


def test_a_key_that_nobody_enrolled_and_another_ones_source_are_refused(shared: Lab) -> None:
    stranger = Teller(shared, "n2", key="n9")
    reply = post(shared, "n2", format_upload([stranger.next()]))
    assert (reply.status_code, parse_answer(reply.content).code) == (403, "key/unknown")
    mine = Teller(shared, "n2")
    reply = post(shared, "n2", format_upload([mine.next()]), to="n3")
    assert (reply.status_code, parse_answer(reply.content).code) == (409, "upload/other-source")
    reply = post(shared, "n2", format_upload([mine.next()]), to="n9")
    assert (reply.status_code, parse_refusal(reply.content)[0]) == (404, "upload/unknown")
    assert shared.said("n2") == []


def test_nobody_comes_in_without_a_certificate_of_the_hosts_authority(shared: Lab) -> None:
    rival = Authority(shared.path, "rival")
    for cert in (None, rival.issue("rival-n1")):
        context = ssl.create_default_context(cafile=str(shared.authority.file))
        if cert:
            context.load_cert_chain(*cert)
        with (
            pytest.raises((httpx.TransportError, ssl.SSLError)),
            httpx.Client(base_url=f"https://127.0.0.1:{shared.port}/v1", verify=context) as client,
        ):
            client.get("/log")


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415, "upload/type"),
        ({"Content-Length": str(97 << 20)}, b"", 413, "upload/size"),
        ({"Content-Length": "9" * 15}, b"", 413, "upload/size"),
        ({"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n", 411, "upload/length"),
        ({"Content-Length": "5"}, b"hello", 400, "upload/malformed"),
        ({"Content-Length": "0"}, b"", 400, "upload/malformed"),
    ],
)
def test_a_body_that_is_none_is_refused(
    shared: Lab, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    lines = {"Host": "site", "Content-Type": CONTENT_TYPE, **headers}
    with connected(shared, "n4") as line:
        head = f"POST /v1{path('n4')} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        line.sendall(head.encode() + b"\r\n" + body)
        reply = read(line)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert f'"{code}"'.encode() in reply


@pytest.mark.parametrize(
    "target", ["/checkpoint?old=x", "/checkpoint?old=-1", "/rosters/zz", "/sources/x", "/nothing", "/checkpoint?old=99"]
)
def test_a_path_that_leads_nowhere(shared: Lab, target: str) -> None:
    with shared.client("n4") as client:
        assert client.get(target).status_code == 404


def connected(lab: Lab, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(lab.authority.file))
    context.load_cert_chain(*lab.authority.issue(host))
    raw = socket.create_connection(("127.0.0.1", lab.port), 30)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def read(line: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data or not data.rstrip().endswith(b"}"):
        more = line.recv(65_536)
        if not more:
            break
        data += more
    return data


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A site with small limits."""
    made = Lab(tmp_path_factory.mktemp("strict"), ("n1", "n2", "n3", "n4"), LIMITED)
    made.make()
    with made.serving():
        yield made


def test_one_host_cannot_fill_the_log_and_others_go_on(strict: Lab) -> None:
    """n1 signs without end, and sends without end; the others are heard, one by one."""
    before = len(strict.entries())
    flood = Teller(strict, "n1")
    over, refused = threading.Event(), []

    def pour() -> None:
        with strict.client("n1") as client:
            while not over.is_set():
                body = format_upload([flood.next() for _ in range(5)])
                reply = client.post(path("n1"), content=body, headers={"Content-Type": CONTENT_TYPE})
                refused.append((reply.status_code, reply.headers.get("retry-after")))

    with ThreadPoolExecutor(2) as pool:
        pouring = pool.submit(pour)
        for host in ("n2", "n3", "n4"):
            teller = Teller(strict, host)
            for _ in range(3):
                assert post(strict, host, format_upload([teller.next(20)])).status_code == 200
        while len(refused) < 40:
            time.sleep(0.01)
        over.set()
        pouring.result()
    assert len(strict.said("n1")) == 20
    assert len(strict.entries()) - before == 20 + 9
    assert {status for status, _ in refused[4:]} <= {409, 429}
    assert all(int(seconds or 0) >= 1 for status, seconds in refused if status == 429)
    assert 429 in {status for status, _ in refused}
    assert strict.metric('attest_site_refused_total{code="upload/limit"}') > 10


def test_forged_statements_cost_whoever_sends_them_and_nobody_else(strict: Lab) -> None:
    forger = Teller(strict, "n2", key="n1")
    forger.go_on()
    with strict.client("n1 forger") as client:
        for _ in range(60):
            reply = client.post(
                path("n2"), content=format_upload([forger.next()]), headers={"Content-Type": CONTENT_TYPE}
            )
        assert reply.status_code == 429
    honest = Teller(strict, "n2")
    honest.go_on()
    assert post(strict, "n2", format_upload([honest.next()])).status_code == 200


def test_one_certificate_has_so_many_connections(shared: Lab) -> None:
    lines = [connected(shared, "n4") for _ in range(MAX_CONNECTIONS)]
    extra = connected(shared, "n4")
    with pytest.raises((OSError, AssertionError)):
        extra.sendall(b"GET /v1/log HTTP/1.1\r\nHost: site\r\n\r\n")
        assert read(extra)
    with shared.client("n3") as client:
        assert client.get("/log").status_code == 200
    for line in lines:
        line.close()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A site that waits for a second where others wait for ten: what is under test is that there is an end."""
    program = (
        "import attest.site.app, attest.site.connection, sys\nfrom attest.cli.main import main\n"
        "attest.site.app.GRACE = attest.site.connection.HEAD_SECONDS = 1.0\nmain(sys.argv[1:])\n"
    )
    made = Lab(tmp_path_factory.mktemp("impatient"), ("n1",), words=(sys.executable, "-c", program))
    made.make()
    with made.serving():
        yield made


@pytest.mark.parametrize("begun", [b"", b"GET /v1/log HTTP/1.1\r\n", b"GET /v1/log HTTP/1.1\r\nHost: s\r\n\r\nGET"])
def test_a_head_that_does_not_end_is_given_up(impatient: Lab, begun: bytes) -> None:
    with connected(impatient, "n1") as line:
        line.sendall(begun)
        with pytest.raises((OSError, AssertionError)):
            while True:
                assert line.recv(65_536)


def test_a_body_that_drips_is_given_up(impatient: Lab) -> None:
    with connected(impatient, "n1") as line:
        head = f"POST /v1{path('n1')} HTTP/1.1\r\nHost: s\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: 9\r\n\r\n"
        line.sendall(head.encode() + b"1234")
        assert b'"upload/slow"' in read(line)


def test_other_commands_write_to_the_log_beside_the_server(served: Lab) -> None:
    """The office enters things; witnesses' cosignatures come; the server goes on with all of it."""
    teller = Teller(served, "n1")
    assert post(served, "n1", format_upload([teller.next()])).status_code == 200
    words = [sys.executable, "-m", "attest", "log", "seal", str(served.log), "--key", str(served.path / "log.key")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "sealed 1 entry, size 7\n"), done.stderr
    assert post(served, "n1", format_upload([teller.next()])).status_code == 200
    with served.client("n1") as client:
        assert client.get("/checkpoint").content.startswith(f"old 0\n\n{ORIGIN}\n7\n".encode())
    assert served.said("n1") == [0, 1]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("ca.pem", "nowhere.pem", "serve/certificate"),
        ("ca.pem", "log.key", "serve/certificate"),
        ("[listen]", "[hear]", "toml/"),
        ('log = "log"', 'log = "nowhere"', "log/not-a-log"),
        ("address", "address", "serve/address"),
    ],
)
def test_a_site_that_cannot_begin_says_why(lab: Lab, old: str, new: str, code: str) -> None:
    text = (lab.path / "site.toml").read_text()
    (lab.path / "bad.toml").write_text(text.replace(old, new))
    words = [sys.executable, "-m", "attest", "site", "serve", "--config", str(lab.path / "bad.toml")]
    with socket.create_server(("127.0.0.1", lab.port)):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert f"attest: error: {code}" in done.stderr and "Traceback" not in done.stderr
