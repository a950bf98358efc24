"""Opening of a private key by its name, wherever it is: a file, a token or a service.

    n1.key                                                       a file (attest.sign.files)
    pkcs11:token=lab;object=n1?module-path=FILE&pin-source=...   a token (attest.sign.hsm)
    awskms: azurekms: gcpkms: hv:                                a cloud's or Vault's keeping (attest.sign.kms)

The packages for the last two are extras, loaded for such a key alone. A file whose name looks like a URI is ./URI.
"""

from collections.abc import Callable
from typing import Final

from attest.errors import KeyFileError
from attest.sign.files import load_key
from attest.sign.signer import Signer
from attest.sign.token_uri import SCHEME, parse_token_uri

SERVICES: Final = ("awskms", "azurekms", "gcpkms", "hv")


def is_uri(name: str) -> bool:
    """Whether it names a key that is not in a file."""
    scheme, colon, _ = name.partition(":")
    return bool(colon) and scheme in (SCHEME, *SERVICES)


def open_key(name: str, passphrase: Callable[[], bytes | None]) -> Signer:
    """The key of this name; the passphrase is asked for if it is a file that has one.

    Raises KeyFileError, and MissingError where a file cannot be read.
    """
    if not is_uri(name):
        return _file(name, passphrase)
    try:
        if name.startswith(f"{SCHEME}:"):
            from attest.sign.hsm import TokenSigner

            return TokenSigner(parse_token_uri(name))
        from attest.sign.kms import open_service

        return open_service(name)
    except ImportError as error:
        extra = "hsm" if name.startswith(f"{SCHEME}:") else "kms"
        hint = f"pip install 'compute-attest[{extra}]'"
        raise KeyFileError("key/package", f"keys that are not in files need a package: {error}", hint=hint) from None


def _file(path: str, passphrase: Callable[[], bytes | None]) -> Signer:
    try:
        return load_key(path)
    except KeyFileError as error:
        if error.code != "key/passphrase":
            raise
        phrase = passphrase()
        if phrase is None:
            raise
    return load_key(path, phrase)
