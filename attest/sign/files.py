"""Private keys in files: PEM, PKCS#8 (RFC 5958, RFC 7468), mode 0600, with a passphrase or without.

    -----BEGIN PRIVATE KEY-----
    MC4CAQAwBQYDK2VwBCIEIKXg... (`attest key new lab.key`)

A file that anybody but its owner may use is refused: whoever could read it may have the key. A key is never written
over another file. With a passphrase the file is encrypted (PBES2, RFC 8018) and begins ENCRYPTED PRIVATE KEY; the
key derivation is not memory-hard, so the passphrase must be long.

    key/unreadable   (MissingError) no such file, or it cannot be read
    key/exists       the file to be written exists      key/passphrase  there is one and none was given, or the reverse,
    key/unwritable   it cannot be written                               or another one
    key/exposed      its mode lets others in            key/unusable    no regular file, or no private key in PKCS#8 PEM
    key/algorithm    no algorithm that attest signs with
"""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from attest.errors import KeyFileError, MissingError
from attest.sign.keys import PrivateKey, PrivateSigner, alg_of
from attest.trust.keys import CURVES, Alg

MAX_KEY_FILE: Final = 1 << 16  # bytes

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_PLAIN: Final = b"-----BEGIN PRIVATE KEY-----"
_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def new_key(path: str | Path, alg: Alg = Alg.ED25519, passphrase: bytes | None = None) -> PrivateSigner:
    """Make a key and write it to a new file. Raises KeyFileError where the file exists or cannot be written."""
    if passphrase == b"":
        raise KeyFileError("key/passphrase", "the passphrase is empty", hint="give one, or give no passphrase at all")
    key = _generate(alg)
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    _write_new(Path(path), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return PrivateSigner(key)


def load_key(path: str | Path, passphrase: bytes | None = None) -> PrivateSigner:
    """The key in a file. Raises MissingError, or KeyFileError where it must not or cannot be used."""
    pem = read_private(Path(path))
    encrypted = pem.startswith(_ENCRYPTED)
    if not encrypted and not pem.startswith(_PLAIN):
        hint = "attest key new FILE makes one; openssl pkcs8 -topk8 converts older forms"
        raise KeyFileError("key/unusable", f"{path} does not begin with a private key in PKCS#8 PEM", hint=hint)
    if encrypted and not passphrase:
        raise KeyFileError("key/passphrase", f"{path} is encrypted", hint="--passphrase-file FILE gives its passphrase")
    if not encrypted and passphrase is not None:
        hint = "leave the passphrase out, and encrypt the key if it should have one"
        raise KeyFileError("key/passphrase", f"{path} is not encrypted", hint=hint)
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            hint = "is it another key's, or was a line end added to it?"
            raise KeyFileError("key/passphrase", f"{path} does not open with this passphrase", hint=hint) from None
        raise KeyFileError("key/unusable", f"{path} is no private key that can be read") from None
    alg_of(key)
    return PrivateSigner(key)  # type: ignore[arg-type]  # alg_of refuses every other type


def _write_new(path: Path, pem: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError("key/exists", f"{path} exists and is not overwritten", hint="choose another name") from None
    except OSError as error:
        raise KeyFileError("key/unwritable", f"{path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key would stand in the way of a whole one
        raise KeyFileError("key/unwritable", f"{path}: {error.strerror}") from None


def read_private(path: Path) -> bytes:
    """A file that holds a secret: a regular one that only its owner can use. Raises MissingError, KeyFileError."""
    try:
        # A named pipe put in a key's place must not make the program wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyFileError("key/unusable", f"{path} is not a regular file")
            if mode & _OTHERS:
                detail = f"{path} has mode {stat.S_IMODE(mode):04o}: others than its owner can read it"
                hint = f"chmod 600 {path}, and change what it holds if others saw it"
                raise KeyFileError("key/exposed", detail, hint=hint)
            pem = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise MissingError("key/unreadable", f"{path}: {error.strerror}") from None
    if len(pem) > MAX_KEY_FILE:
        raise KeyFileError("key/unusable", f"{path} is larger than {MAX_KEY_FILE:,} bytes")
    return pem


def _generate(alg: Alg) -> PrivateKey:
    if alg is Alg.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg].curve)
    return mldsa.MLDSA44PrivateKey.generate() if alg is Alg.ML_DSA_44 else mldsa.MLDSA65PrivateKey.generate()
