"""Private keys on tokens that speak PKCS#11: an HSM, a YubiKey, SoftHSM. The package is python-pkcs11 (extra `hsm`).

    signer = TokenSigner(parse_token_uri("pkcs11:token=lab;object=n1?module-path=...&pin-source=file:n1.pin"))

Ed25519 signs with CKM_EDDSA, P-256 and P-384 with CKM_ECDSA over a digest made here: what every module has. The public
key is read from the token, and every signature is verified with it before anybody gets it, the first over a probe when
the key is opened: what a faulty token signs would make its lab look like a forger for good.

A session that is lost is opened once more, and the same message signed there; the token and its key are looked for
anew, and another key is refused. A session is closed when its signer is gone, for tokens have few. A PIN is read from
its file, or from the variable ATTEST_PKCS11_PIN, when there is a login, and not kept. One that a token has refused is
not tried again by the same process, whoever asks: tokens lock themselves after a few, and a recorder asks every minute.

    key/module      the module is no PKCS#11 library   key/pin         none, or one that the token refuses
    key/token       no such token, or it failed        key/algorithm   a key or token that does not sign as needed
    key/object      not one such key, or no public     key/mismatch    it signs with another key than it shows
"""

import contextlib
import os
import re
import weakref
from pathlib import Path
from typing import Final, TypeVar

import pkcs11
from cryptography.hazmat.primitives.hashes import Hash
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, SignMixin, TokenFlag, exceptions

from attest.errors import KeyFileError, SignatureError
from attest.sign.files import read_private
from attest.sign.keys import PROBE, ecdsa_signature
from attest.sign.token_uri import TokenUri
from attest.trust.keys import CURVES, Alg, PublicKey

PIN_VARIABLE: Final = "ATTEST_PKCS11_PIN"

_PARAMETERS: Final = {  # RFC 5480: the curves' object identifiers in DER
    bytes.fromhex("06082a8648ce3d030107"): Alg.ESP256,
    bytes.fromhex("06052b81040022"): Alg.ESP384,
}
_POINTS: Final = {Alg.ED25519: 32, Alg.ESP256: 65, Alg.ESP384: 97}  # bytes
_WRONG: Final = (  # of a login: what another try does not mend, and may make worse
    exceptions.PinIncorrect,
    exceptions.PinInvalid,
    exceptions.PinLenRange,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.UserPinNotInitialized,
)

_T = TypeVar("_T")

# By module and serial number. A login is one of the process, in all its sessions, and ends with the one that it was
# made in: so there is one for the login, which stays, and one for each key, which goes with its signer.
_logins: dict[tuple[str, bytes], pkcs11.Session] = {}
_refused: set[tuple[bytes, int]] = set()  # serial numbers with what stands for the PIN in this process


class TokenSigner:
    """A private key that signs on its token and never leaves it."""

    def __init__(self, uri: TokenUri) -> None:
        """Opens the key and signs a probe. Raises KeyFileError; MissingError where the PIN's file is missing."""
        self._uri = uri
        session, self._key, self._public = self._open()
        self._close = weakref.finalize(self, _close, session)
        self.sign(PROBE)

    def public_key(self) -> PublicKey:
        """The key that verifies, as the token shows it."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """A signature that verifies. Raises KeyFileError where the token fails, and again once it was opened anew."""
        try:
            return self._signed(message)
        except (PKCS11Error, SignatureError):
            self._reopen()
        try:
            return self._signed(message)
        except SignatureError:
            detail = f"{self._what} signs with another key than the public one beside it"
            raise KeyFileError("key/mismatch", detail, hint="name the key by its id, or make the pair anew") from None
        except PKCS11Error as error:
            raise _failure(self._what, error) from None

    def _signed(self, message: bytes) -> bytes:
        alg = self._public.alg
        pin = _pin(self._uri) if _asks_each_time(self._key) else None
        if alg is Alg.ED25519:
            signature: bytes = self._key.sign(message, mechanism=Mechanism.EDDSA, pin=pin)
        else:
            digest = Hash(CURVES[alg].digest)
            digest.update(message)
            raw = self._key.sign(digest.finalize(), mechanism=Mechanism.ECDSA, pin=pin)
            half = len(raw) // 2
            signature = ecdsa_signature(alg, int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        self._public.verify(signature, message)
        return signature

    def _reopen(self) -> None:
        self._close()
        session, key, public = self._open()
        self._close = weakref.finalize(self, _close, session)
        if public != self._public:
            detail = f"{self._what} is another key than the one that was opened"
            raise KeyFileError("key/mismatch", detail, hint="was the token changed for another one?")
        self._key = key

    def _open(self) -> tuple[pkcs11.Session, SignMixin, PublicKey]:
        try:
            token = _token(_library(self._uri.module), self._uri)
            session, keys = self._enter(token)
            try:
                key = _one(keys, "key/object", "private key that may sign", self._what)
                alg = _alg(key, self._what)
                if (Mechanism.EDDSA if alg is Alg.ED25519 else Mechanism.ECDSA) not in token.slot.get_mechanisms():
                    raise KeyFileError("key/algorithm", f"{self._what}: the token does not sign as {alg.name} does")
                return session, key, _public(session, key, alg, self._what)
            except BaseException:
                _close(session)
                raise
        except PKCS11Error as error:
            raise _failure(self._what, error) from None

    def _enter(self, token: pkcs11.Token) -> tuple[pkcs11.Session, list[SignMixin]]:
        """A session, and the private keys of this name that are to be seen in it once somebody is logged in."""
        if TokenFlag.LOGIN_REQUIRED in token.flags:
            if (self._uri.module, token.serial) in _logins:
                session = token.open()
                if keys := _private(session, self._uri):
                    return session, keys
                _close(session)  # logged out meanwhile, or there is none
            self._login(token)
        session = token.open()
        return session, _private(session, self._uri)

    def _login(self, token: pkcs11.Token) -> None:
        pin = _pin(self._uri)
        if pin is None:
            hint = f"pin-source=file:FILE in the URI, or the variable {PIN_VARIABLE}"
            raise KeyFileError("key/pin", f"{self._what}: the token asks for a PIN", hint=hint)
        tried = (token.serial, hash(pin))
        hint = "a token locks itself after a few wrong PINs: make sure before you try again"
        if tried in _refused:
            detail = f"{self._what}: the token has refused this PIN, which is not tried again"
            raise KeyFileError("key/pin", detail, hint=hint)
        place = (self._uri.module, token.serial)
        if place in _logins:
            _close(_logins.pop(place))
        try:
            _logins[place] = token.open(user_pin=pin)
        except _WRONG as error:
            _refused.add(tried)
            raise KeyFileError("key/pin", f"{self._what}: {_reason(error)}", hint=hint) from None

    @property
    def _what(self) -> str:
        token = " ".join(self._uri.token.values()) or "the token"
        return f"{self._uri.label or (self._uri.id or b'').hex()} on {token}"


def _close(session: pkcs11.Session) -> None:
    with contextlib.suppress(PKCS11Error):
        session.close()


def _library(path: str) -> "pkcs11._pkcs11.lib":
    try:
        return pkcs11.lib(path)
    except PKCS11Error as error:
        hint = "module-path names the library that came with the token, and what it needs is installed"
        raise KeyFileError("key/module", f"{path}: {_reason(error)}", hint=hint) from None


def _token(library: "pkcs11._pkcs11.lib", uri: TokenUri) -> pkcs11.Token:
    found = []
    for slot in library.get_slots(token_present=True):
        with contextlib.suppress(exceptions.TokenNotPresent, exceptions.TokenNotRecognised):
            token = slot.get_token()
            shown = {
                "token": token.label,
                "serial": token.serial.decode("utf-8", "replace").rstrip(),
                "manufacturer": token.manufacturer_id,
                "model": token.model,
                "slot-id": str(slot.slot_id),
            }
            if TokenFlag.TOKEN_INITIALIZED in token.flags and uri.token.items() <= shown.items():
                found.append(token)
    asked = ", ".join(f"{name} {value}" for name, value in uri.token.items())
    return _one(found, "key/token", f"token with {asked}" if asked else "token", uri.module)


def _private(session: pkcs11.Session, uri: TokenUri) -> list[SignMixin]:
    wanted: dict[Attribute, object] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if uri.label is not None:
        wanted[Attribute.LABEL] = uri.label
    if uri.id is not None:
        wanted[Attribute.ID] = uri.id
    return [key for key in session.get_objects(wanted) if isinstance(key, SignMixin)]


def _alg(key: SignMixin, what: str) -> Alg:
    kind = key.key_type
    alg = Alg.ED25519 if kind is KeyType.EC_EDWARDS else None
    if kind is KeyType.EC:
        alg = _PARAMETERS.get(key[Attribute.EC_PARAMS])
    if alg is None:
        hint = "make one of Ed25519 (EC:edwards25519) or P-256 (EC:prime256v1)"
        raise KeyFileError("key/algorithm", f"{what} is of no algorithm that attest signs with", hint=hint)
    return alg


def _public(session: pkcs11.Session, key: SignMixin, alg: Alg, what: str) -> PublicKey:
    """The public key that lies beside it, of the same id, or of the same label where it has no id."""
    name = Attribute.ID if key[Attribute.ID] else Attribute.LABEL
    kind = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: key.key_type}
    found = list(session.get_objects({**kind, name: key[name]}))
    point = _one(found, "key/object", "public key with the id of the private one", what)[Attribute.EC_POINT]
    size = _POINTS[alg]
    if len(point) == size + 2 and point[:2] == bytes((4, size)):  # an OCTET STRING around it, as most modules have it
        point = point[2:]
    if len(point) != size:
        raise KeyFileError("key/algorithm", f"{what}: a public key of {len(point)} bytes is not one of {alg.name}")
    return PublicKey(alg, point)


def _asks_each_time(key: SignMixin) -> bool:
    """Whether the PIN is wanted for every signature, as a YubiKey does for the key that it signs documents with."""
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except exceptions.AttributeTypeInvalid:  # of a module that is older than this attribute
        return False


def _one(found: list[_T], code: str, what: str, where: str) -> _T:
    if len(found) != 1:
        how = f"{len(found)} of them" if found else "none"
        hint = "compare with what `pkcs11-tool --module FILE --list-token-slots --list-objects --login` shows"
        raise KeyFileError(code, f"{where}: one {what} is wanted, there is {how}", hint=hint)
    return found[0]


def _pin(uri: TokenUri) -> str | None:
    if uri.pin_file is None:
        return os.environ.get(PIN_VARIABLE)
    line = read_private(Path(uri.pin_file)).split(b"\n", 1)[0].rstrip(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise KeyFileError("key/pin", f"{uri.pin_file}: its first line is not UTF-8") from None


def _failure(what: str, error: PKCS11Error) -> KeyFileError:
    hint = "see that the token is there and answers; nothing was signed"
    return KeyFileError("key/token", f"{what}: {_reason(error)}", hint=hint)


def _reason(error: PKCS11Error) -> str:
    """python-pkcs11 names most failures by their class alone: SessionHandleInvalid."""
    return str(error) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
