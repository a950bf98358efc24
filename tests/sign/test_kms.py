"""Keys in a service's keeping: securesystemslib's own signer in memory, and its Vault client against a small server.

The server is no Vault: it holds two keys, replies as Vault's transit engine does, and fails on demand.
"""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.exceptions import Error as LibraryError
from securesystemslib.signer import CryptoSigner, Signature

from attest.errors import KeyFileError, MissingError, TrustError
from attest.sign import kms
from attest.sign.keys import PROBE, public_of
from attest.sign.kms import MAX_REASON, SENSELESS, ServiceSigner, open_service
from attest.sign.seeded import seeded_key
from attest.trust.keys import CURVES, Alg, format_key

KEYS: dict[Alg, Any] = {alg: seeded_key("service", alg)._key for alg in (Alg.ED25519, Alg.ESP256, Alg.ESP384)}
TOKEN = "hvs.SECRET"


def pem(path: Path, public: Any) -> Path:
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


# -- securesystemslib's signer of keys in memory


@pytest.mark.parametrize("alg", KEYS)
def test_what_it_signs_verifies(alg: Alg) -> None:
    public = public_of(KEYS[alg].public_key())
    signer = ServiceSigner("memory:", CryptoSigner(KEYS[alg]), public, ())
    assert signer.public_key() == public
    for i in range(20):  # of ECDSA signatures every second one has to be turned to its low s
        signature = signer.sign(bytes([i]))
        public.verify(signature, bytes([i]))
        if alg in CURVES:
            assert int.from_bytes(signature[len(signature) // 2 :], "big") <= CURVES[alg].order // 2


class Memory(CryptoSigner):
    """The same, but it replies or raises what it is told to after the probe."""

    def __init__(self, key: Any, reply: Any) -> None:
        super().__init__(key)
        self.reply = reply

    def sign(self, payload: bytes) -> Signature:
        if payload == PROBE:
            return super().sign(payload)
        if isinstance(self.reply, Exception):
            raise self.reply
        return Signature("keyid", self.reply)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("", "key/mismatch"),
        ("00" * 64, "key/mismatch"),
        (KEYS[Alg.ED25519].sign(b"another message").hex(), "key/mismatch"),
        ("no hex", "key/service"),
        (None, "key/service"),
        (KeyError("signature"), "key/service"),
        (TimeoutError("timed out"), "key/service"),
        (LibraryError("of the library"), "key/service"),
        (RuntimeError("x" * 1000), "key/service"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("alg", [Alg.ED25519, Alg.ESP256])
def test_a_reply_that_is_no_signature(alg: Alg, reply: Any, code: str) -> None:
    raised = (*SENSELESS, LibraryError, OSError, RuntimeError)
    signer = ServiceSigner("memory:", Memory(KEYS[alg], reply), public_of(KEYS[alg].public_key()), raised)
    with pytest.raises(KeyFileError) as caught:
        signer.sign(b"m")
    # A curve's signature is DER, and what is none of that is no signature of anybody's.
    assert caught.value.code == (code if alg is Alg.ED25519 else "key/service")
    assert len(caught.value.detail) < MAX_REASON + 50
    assert caught.value.hint


def test_another_curve_signature_is_a_mismatch() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).sign(b"m", ec.ECDSA(hashes.SHA256()))
    signer = Memory(KEYS[Alg.ESP256], other.hex())
    service = ServiceSigner("memory:", signer, public_of(KEYS[Alg.ESP256].public_key()), SENSELESS)
    with pytest.raises(KeyFileError, match="key/mismatch"):
        service.sign(b"m")


def test_the_probe_finds_the_wrong_key() -> None:
    with pytest.raises(KeyFileError, match="key/mismatch"):
        ServiceSigner("memory:", CryptoSigner.generate_ed25519(), public_of(KEYS[Alg.ED25519].public_key()), ())


# -- Vault's client against a server


class Vault(ThreadingHTTPServer):
    """Keys by name, each of one version; `fail` is what happens to every request once `patience` of them are served."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.keys = {"host": KEYS[Alg.ED25519], "curve": KEYS[Alg.ESP256]}
        self.patience, self.fail, self.seen = 1 << 30, "", 0


class Handler(BaseHTTPRequestHandler):
    server: Vault

    def do_POST(self) -> None:
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.seen += 1
        if self.headers["X-Vault-Token"] != TOKEN:
            return self.reply(403, {"errors": ["permission denied"]})
        if server.seen > server.patience:
            return self.failure(server.fail)
        name = self.path.rsplit("/", 1)[1]
        if name not in server.keys or request["key_version"] != 1:
            return self.reply(400, {"errors": ["signing key not found"]})
        key, message = server.keys[name], b64decode(request["input"])
        signature = key.sign(message) if name == "host" else key.sign(message, ec.ECDSA(hashes.SHA256()))
        return self.reply(200, {"data": {"signature": f"vault:v1:{b64encode(signature).decode()}"}})

    def failure(self, how: str) -> None:
        if how == "hangs up":
            self.close_connection = True
            self.connection.close()
        elif how == "sealed":
            self.reply(503, {"errors": ["Vault is sealed"]})
        elif how == "no json":
            self.reply(200, b"<html>sign in to this network</html>")
        elif how == "nothing":
            self.reply(204, b"")
        elif how == "another message":
            signature = b64encode(KEYS[Alg.ED25519].sign(b"n")).decode()
            self.reply(200, {"data": {"signature": f"vault:v1:{signature}"}})
        else:
            self.reply(200, {"data": {"signature": how}})

    def reply(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    with Vault() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "alg"), [("host", Alg.ED25519), ("curve", Alg.ESP256)])
@pytest.mark.parametrize("form", ["pem", "text"])
def test_vault_signs(vault: Vault, tmp_path: Path, name: str, alg: Alg, form: str) -> None:
    public = public_of(KEYS[alg].public_key())
    path = pem(tmp_path / "public", KEYS[alg].public_key())
    if form == "text":
        path.write_text(f"{format_key(public)}\n", "utf-8")
    signer = open_service(f"hv:{name}/1#{path}")
    assert signer.public_key() == public
    public.verify(signer.sign(b"m"), b"m")
    assert vault.seen == 2  # the probe and the message


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("hangs up", "key/service"),
        ("sealed", "key/service"),
        ("no json", "key/service"),
        ("nothing", "key/service"),
        ("another message", "key/mismatch"),
        ("", "key/service"),
        ("vault:v1", "key/service"),
        ("vault:v1:!!!", "key/mismatch"),
    ],
)
@pytest.mark.parametrize("patience", [0, 1])
def test_vault_fails_at_the_opening_or_later(vault: Vault, tmp_path: Path, how: str, code: str, patience: int) -> None:
    vault.fail, vault.patience = how, patience
    name = f"hv:host/1#{pem(tmp_path / 'public', KEYS[Alg.ED25519].public_key())}"
    signer = open_service(name) if patience else None
    with pytest.raises(KeyFileError) as caught:
        signer.sign(b"m") if signer else open_service(name)
    assert caught.value.code == code
    assert caught.value.hint
    assert TOKEN not in f"{caught.value}{caught.value.hint}"
    if signer:
        vault.patience = 1 << 30
        signer.public_key().verify(signer.sign(b"m"), b"m")


@pytest.mark.parametrize("name", ["none/1", "host/2", "host", "host/x", "host/1/1"])
def test_a_key_that_vault_does_not_have(vault: Vault, tmp_path: Path, name: str) -> None:
    path = pem(tmp_path / "public", KEYS[Alg.ED25519].public_key())
    with pytest.raises(KeyFileError, match="key/service"):
        open_service(f"hv:{name}#{path}")


def test_another_key_than_the_named_one(vault: Vault, tmp_path: Path) -> None:
    path = pem(tmp_path / "public", ed25519.Ed25519PrivateKey.generate().public_key())
    with pytest.raises(KeyFileError, match="key/mismatch"):
        open_service(f"hv:host/1#{path}")


def test_nobody_is_there(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pem(tmp_path / "public", KEYS[Alg.ED25519].public_key())
    monkeypatch.setenv("VAULT_TOKEN", "hvs.another")
    with pytest.raises(KeyFileError, match=r"key/service.*permission denied"):
        open_service(f"hv:host/1#{path}")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(KeyFileError, match="key/service"):
        open_service(f"hv:host/1#{path}")


# -- the public key's file


def test_a_service_key_comes_with_its_public_key(tmp_path: Path) -> None:
    for name in ("hv:host/1", "hv:host/1#", "awskms:alias/lab"):
        with pytest.raises(KeyFileError, match="key/uri") as caught:
            open_service(name)
        assert "#FILE" in caught.value.hint
    with pytest.raises(MissingError, match="key/unreadable"):
        open_service(f"hv:host/1#{tmp_path / 'none'}")


def test_files_that_hold_no_usable_public_key(tmp_path: Path) -> None:
    path = tmp_path / "public"
    for content in (b"", b"ed25519:", b"\xff" * 40, b"rsa:AAAA"):
        path.write_bytes(content)
        with pytest.raises(TrustError, match=r"key/text|key/size"):
            open_service(f"hv:host/1#{path}")
    path.write_bytes(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(KeyFileError, match="key/unusable"):
        open_service(f"hv:host/1#{path}")
    for key in (
        rsa.generate_private_key(65_537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
        mldsa.MLDSA44PrivateKey.generate(),
    ):
        with pytest.raises(KeyFileError, match="key/algorithm"):
            open_service(f"hv:host/1#{pem(path, key.public_key())}")


def test_a_client_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pem(tmp_path / "public", KEYS[Alg.ED25519].public_key())
    monkeypatch.setitem(kms._RAISED, "hv", (("no_such_client", "VaultError"),))
    with pytest.raises(KeyFileError, match="key/package") as caught:
        open_service(f"hv:host/1#{path}")
    assert "compute-attest[kms]" in caught.value.hint


def test_the_digest_of_a_message_is_what_a_cloud_is_asked_to_sign() -> None:
    """ECDSA is over the very hash that the verifier takes: a cloud's signer sends the digest and no more."""
    alg = Alg.ESP256
    digest = sha256(b"m").digest()
    der = KEYS[alg].sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    service = ServiceSigner("memory:", Memory(KEYS[alg], der.hex()), public_of(KEYS[alg].public_key()), SENSELESS)
    service.public_key().verify(service.sign(b"m"), b"m")
