"""Private keys in files: who may read them, what opens them, and that none is ever overwritten."""

import errno
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from attest.errors import KeyFileError, MissingError
from attest.sign.files import MAX_KEY_FILE, load_key, new_key
from attest.trust.keys import Alg


def put(path: Path, pem: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(pem)
    path.chmod(mode)
    return path


def pkcs8(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | mldsa.MLDSA87PrivateKey,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("passphrase", [None, b"correct horse battery staple"])
@pytest.mark.parametrize("alg", Alg)
def test_a_key_comes_back(tmp_path: Path, alg: Alg, passphrase: bytes | None) -> None:
    path = tmp_path / "lab.key"
    made = new_key(path, alg, passphrase)
    loaded = load_key(path, passphrase)
    assert loaded.public_key() == made.public_key()
    assert made.public_key().alg is alg
    made.public_key().verify(loaded.sign(b"m"), b"m")
    pem = path.read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----" if passphrase else b"-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_pem_private_key(pem, passphrase)  # any tool that knows PKCS#8 reads it


def test_two_keys_are_two(tmp_path: Path) -> None:
    assert new_key(tmp_path / "a").public_key() != new_key(tmp_path / "b").public_key()


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        new_key(tmp_path / "lab.key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "lab.key").stat().st_mode) == 0o600


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    path = put(tmp_path / "lab.key", b"precious")
    with pytest.raises(KeyFileError, match="key/exists"):
        new_key(path)
    assert path.read_bytes() == b"precious"
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="key/exists"):
        new_key(tmp_path / "dangling")
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match=r"key/unwritable.*No space left"):
        new_key(tmp_path / "lab.key")
    assert list(tmp_path.iterdir()) == []


def test_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="key/unwritable"):
        new_key(tmp_path / "no" / "lab.key")


def test_an_empty_passphrase_is_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="key/passphrase"):
        new_key(tmp_path / "lab.key", passphrase=b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o660, 0o644, 0o666, 0o777])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "lab.key"
    new_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="key/exposed") as caught:
        load_key(path)
    assert f"{mode:04o}" in caught.value.detail
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_key_that_its_owner_alone_can_use_is_taken(tmp_path: Path, mode: int) -> None:
    new_key(tmp_path / "lab.key")
    (tmp_path / "lab.key").chmod(mode)
    load_key(tmp_path / "lab.key")


@pytest.mark.parametrize("given", [None, b"", b"wrong", b"secret\n"])
def test_the_passphrase_must_be_the_one(tmp_path: Path, given: bytes | None) -> None:
    new_key(tmp_path / "lab.key", passphrase=b"secret")
    with pytest.raises(KeyFileError, match="key/passphrase") as caught:
        load_key(tmp_path / "lab.key", given)
    assert caught.value.hint


def test_a_passphrase_that_does_nothing_is_not_ignored(tmp_path: Path) -> None:
    new_key(tmp_path / "lab.key")
    with pytest.raises(KeyFileError, match=r"key/passphrase.*not encrypted"):
        load_key(tmp_path / "lab.key", b"secret")


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="key/unreadable"):
        load_key(tmp_path / "none.key")


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises((KeyFileError, MissingError)):
            load_key(path)


SEC1 = ec.derive_private_key(7, ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)
ED = pkcs8(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        (b"", "key/unusable"),
        (b"not a key", "key/unusable"),
        (ED[:60], "key/unusable"),
        (ED.replace(b"MC4", b"MC5"), "key/unusable"),
        (SEC1, "key/unusable"),
        (b"\n" + ED, "key/unusable"),
        (ED.ljust(MAX_KEY_FILE + 1, b"\n"), "key/unusable"),
        (pkcs8(ec.derive_private_key(7, ec.SECP521R1())), "key/algorithm"),
        (pkcs8(ec.derive_private_key(7, ec.SECP256K1())), "key/algorithm"),
        (pkcs8(mldsa.MLDSA87PrivateKey.from_seed_bytes(bytes(32))), "key/algorithm"),
        (pkcs8(rsa.generate_private_key(65537, 2048)), "key/algorithm"),
    ],
    ids=[
        *("empty", "text", "cut off", "another length", "SEC 1", "not at the start", "huge"),
        *("P-521", "secp256k1", "ML-DSA-87", "RSA"),
    ],
)
def test_what_is_no_key_here(tmp_path: Path, pem: bytes, code: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_key(put(tmp_path / "lab.key", pem))
    assert caught.value.code == code


def test_a_file_of_the_greatest_size(tmp_path: Path) -> None:
    load_key(put(tmp_path / "lab.key", ED.ljust(MAX_KEY_FILE, b"\n")))
