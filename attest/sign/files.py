"""Private keys in files: PEM PKCS#8, mode 0600, with a passphrase or without.

A file that others may read is refused: whoever could read it may have the key.
"""

import os
import stat
from pathlib import Path

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

MAX_KEY_FILE = 1 << 16
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_key(path: str | Path, alg: Alg = Alg.ED25519, passphrase: bytes | None = None) -> PrivateSigner:
    """Make a key and write it to a new file. Raises KeyFileError where the file exists or cannot be written."""
    key = _generate(alg)
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError("key/exists", f"{path} exists and is not overwritten", hint="choose another name") from None
    except OSError as error:
        raise KeyFileError("key/unwritable", f"{path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return PrivateSigner(key)


def load_key(path: str | Path, passphrase: bytes | None = None) -> PrivateSigner:
    """The key in a file. Raises MissingError, or KeyFileError where it must not or cannot be used."""
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read(MAX_KEY_FILE)
    except OSError as error:
        raise MissingError("key/unreadable", f"{path}: {error.strerror}") from None
    if mode & OTHERS:
        detail = f"{path} has mode {stat.S_IMODE(mode):04o}: others than its owner can use the key"
        raise KeyFileError("key/exposed", detail, hint=f"chmod 600 {path}, and rotate the key if others saw it")
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError:
        detail = f"{path} has a passphrase" if passphrase is None else f"{path} has no passphrase"
        raise KeyFileError("key/passphrase", detail, hint="--passphrase-file FILE") from None
    except ValueError:
        detail = f"{path} is not a private key in PEM, or the passphrase is wrong"
        raise KeyFileError("key/unusable", detail) from None
    alg_of(key)
    return PrivateSigner(key)  # type: ignore[arg-type]


def _generate(alg: Alg) -> PrivateKey:
    if alg is Alg.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg].curve)
    return mldsa.MLDSA44PrivateKey.generate() if alg is Alg.ML_DSA_44 else mldsa.MLDSA65PrivateKey.generate()
