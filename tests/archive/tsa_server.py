"""A timestamp authority over HTTP on a free port, with its revocation list and its responder; and one of OpenSSL's.

with served(lambda server: Operator(Authority("North", ..., url=server.url), ...), clock) as server:
    ...
"""

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rfc3161_client._rust import parse_timestamp_request

from tests.archive.authority import Imprint, Operator, Revoked, reply

_NAMES = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.3": "sha512"}


class Page(NamedTuple):
    """What is answered: a content type and a body, after a status."""

    kind: str
    body: bytes
    status: int = 200


Answer = Callable[[bytes], Page]


class Server:
    """Answers by path; `asked` counts what came."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                server.asked.append(self.path)
                page = server.pages.get(self.path, lambda _: Page("text/plain", b"nothing here", 404))(body)
                self.send_response(page.status)
                self.send_header("Content-Type", page.kind)
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, format: str, *args: object) -> None:
                """Not on stderr."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def stamping(self, operator: Operator, time: int, revoked: Sequence[Revoked] = (), **changes: object) -> str:
        """Serves an operator whose clock stands at a time; returns the address to ask. `changes` are TokenParts'."""

        def stamp(body: bytes) -> Page:
            request = parse_timestamp_request(body)
            imprint = request.message_imprint
            asked = Imprint(_NAMES[imprint.hash_algorithm.dotted_string], imprint.message, request.nonce)
            return Page("application/timestamp-reply", reply(operator.token(asked, time, **changes)))

        mine = next((one for one in revoked if one.serial == operator.serial), None)
        self.pages["/tsr"] = stamp
        self.pages["/crl"] = lambda _: Page("application/pkix-crl", operator.authority.crl(time - 60, revoked))
        self.pages["/ocsp"] = lambda _: Page(
            "application/ocsp-response", operator.authority.ocsp(operator.certificate, time - 60, mine)
        )
        return f"{self.url}/tsr"

    def openssl(self, operator: Operator, folder: Path, command: str) -> str:
        """Serves OpenSSL's own authority with an operator's key and certificate; its clock is the machine's."""
        key = operator.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(key)
        (folder / "certificate.pem").write_bytes(operator.certificate.public_bytes(Encoding.PEM))
        (folder / "serial").write_text("01")
        (folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = certificate.pem\nsigner_key = key.pem\n"
            "signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\naccuracy = secs:1\n"
            "ess_cert_id_alg = sha256\n"
        )

        def stamp(body: bytes) -> Page:
            (folder / "query").write_bytes(body)
            subprocess.run(
                [command, "ts", "-reply", "-queryfile", "query", "-config", "ts.cnf", "-out", "reply"],
                check=True, cwd=folder, capture_output=True,
            )  # fmt: skip
            return Page("application/timestamp-reply", (folder / "reply").read_bytes())

        self.pages["/tsr"] = stamp
        return f"{self.url}/tsr"


@contextmanager
def served() -> Iterator[Server]:
    """A server for as long as it is needed."""
    server = Server()
    try:
        yield server
    finally:
        server.close()
