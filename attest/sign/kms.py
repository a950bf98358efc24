"""Private keys in the keeping of a cloud or of Vault, through securesystemslib's signers (extra `kms`).

    signer = open_service("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1#n1.pub")

A name is the URI of securesystemslib's signer for the service and, behind a `#`, the file of the public key: PEM, as
the services export it, or one line as `attest key show` prints it. So the key is pinned, each version of it can be
named, and nothing but signing need be allowed. Credentials are those that the service's client finds for itself;
none stands in the name.

Every signature is verified before anybody gets it, the first over a probe when the key is opened. What the service's
client raises, of its network, its permissions or a reply that makes no sense, is `key/service`; it is not tried
again here, for the clients do that.

    key/uri         no file of a public key is named   key/algorithm   a key that attest does not sign with there
    key/package       a package is not installed         key/mismatch    it signs with another key than the file's
    key/service     the service did not sign           key/unreadable  no such file (MissingError)
"""

from importlib import import_module
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.exceptions import Error as LibraryError
from securesystemslib.signer import Signer, SSlibKey

from attest.errors import KeyFileError, MissingError, SignatureError
from attest.sign.keys import PROBE, ecdsa_signature, public_of
from attest.trust.keys import CURVES, Alg, PublicKey, parse_key

MAX_PUBLIC: Final = 1 << 16  # bytes of a public key's file
MAX_REASON: Final = 200  # characters of what a client says

# What the clients raise, beside the system's errors: securesystemslib passes it on as it comes.
_RAISED: Final = {
    "awskms": (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
    "azurekms": (("azure.core.exceptions", "AzureError"),),
    "gcpkms": (("google.api_core.exceptions", "GoogleAPIError"), ("google.auth.exceptions", "GoogleAuthError")),
    "hv": (("hvac.exceptions", "VaultError"),),
}
SENSELESS: Final = (LookupError, TypeError, ValueError)  # of a reply that has no signature where it should be


class ServiceSigner:
    """A private key behind a signer of securesystemslib."""

    def __init__(self, name: str, signer: Signer, public: PublicKey, raised: tuple[type[Exception], ...]) -> None:
        """Signs a probe. `raised` has what the signer raises where it cannot sign. Raises KeyFileError."""
        self._name, self._signer, self._public, self._raised = name, signer, public, raised
        self.sign(PROBE)

    def public_key(self) -> PublicKey:
        """The key that verifies, as its file has it."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """A signature that verifies. Raises KeyFileError."""
        try:
            signature = bytes.fromhex(self._signer.sign(message).signature)
            if self._public.alg in CURVES:
                signature = ecdsa_signature(self._public.alg, *decode_dss_signature(signature))
            self._public.verify(signature, message)
        except SignatureError:
            detail = f"{self._name} signs with another key than the public one that is named with it"
            raise KeyFileError("key/mismatch", detail, hint="export the public key of this very version") from None
        except self._raised as error:
            raise _failure(self._name, error) from None
        return signature


def open_service(name: str) -> ServiceSigner:
    """The key that a URI names. Raises KeyFileError, MissingError."""
    uri, _, path = name.partition("#")
    scheme = uri.partition(":")[0]
    if not path:
        hint = f"export it from the service into a file, and add its name: {uri}#FILE (schemas/keys.md)"
        raise KeyFileError("key/uri", f"{uri} comes without the file of its public key", hint=hint)
    public = _read_public(Path(path))
    raised = _raised(scheme)
    try:
        signer = Signer.from_priv_key_uri(uri, SSlibKey.from_crypto(_object(public, path)))
    except raised as error:
        raise _failure(uri, error) from None
    return ServiceSigner(uri, signer, public, raised)


def _raised(scheme: str) -> tuple[type[Exception], ...]:
    """Everything that a service's signer raises where it cannot sign. Raises KeyFileError `key/package`."""
    try:
        own = [getattr(import_module(module), error) for module, error in _RAISED[scheme]]
        return *own, *SENSELESS, LibraryError, OSError
    except ImportError as error:
        hint = "pip install 'compute-attest[kms]'"
        raise KeyFileError("key/package", f"{scheme}: its client is not installed: {error}", hint=hint) from None


def _read_public(path: Path) -> PublicKey:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PUBLIC)
    except OSError as error:
        raise MissingError("key/unreadable", f"{path}: {error.strerror}") from None
    if not data.startswith(b"-----BEGIN "):
        return parse_key(data.decode("ascii", "replace").strip())
    try:
        return public_of(load_pem_public_key(data))  # type: ignore[arg-type]  # it refuses every other type
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError("key/unusable", f"{path} holds no public key in PEM that can be read") from None


def _object(public: PublicKey, path: str) -> Ed25519PublicKey | EllipticCurvePublicKey:
    if public.alg is Alg.ED25519:
        return Ed25519PublicKey.from_public_bytes(public.raw)
    if public.alg in CURVES:
        return EllipticCurvePublicKey.from_encoded_point(CURVES[public.alg].curve, public.raw)
    # securesystemslib puts a prefix of its own before what ML-DSA signs.
    raise KeyFileError("key/algorithm", f"{path}: a service signs with Ed25519, P-256 or P-384 here")


def _failure(name: str, error: Exception) -> KeyFileError:
    said = " ".join(str(error).split())[:MAX_REASON]
    hint = "see to the service, its address and your credentials; nothing was signed"
    return KeyFileError("key/service", f"{name}: {type(error).__name__}: {said}", hint=hint)
