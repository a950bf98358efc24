"""Names of keys on tokens: PKCS#11 URIs (RFC 7512), as far as they say where a private key is.

    pkcs11:token=lab;object=n1;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/attest/n1.pin

The path names the token (`token`, `serial`, `manufacturer`, `model`, `slot-id`) and the key on it (`object`, `id`); the
query has the module, and the file whose first line is the PIN. Of an attribute that could narrow the choice none is
ignored: one that is not known here is refused. So is `pin-value`, which would stand in the shell's history and in every
list of processes, and which no error repeats.

>>> uri = parse_token_uri("pkcs11:token=lab%20one;id=%01?module-path=/lib/hsm.so")
>>> uri.token, uri.id, uri.pin_file
({'token': 'lab one'}, b'\\x01', None)
"""

from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote, unquote_to_bytes

from attest.errors import KeyFileError

SCHEME: Final = "pkcs11"
MAX_URI: Final = 4_096  # characters

_TOKEN: Final = ("token", "serial", "manufacturer", "model", "slot-id")
_KEY: Final = ("object", "id", "type")
_QUERY: Final = ("module-path", "pin-source")


class TokenUri(NamedTuple):
    """A private key on a token: how to find the token, then the key by its label, its id or both."""

    module: str
    token: dict[str, str]
    label: str | None
    id: bytes | None
    pin_file: str | None


def parse_token_uri(text: str) -> TokenUri:
    """Raises KeyFileError `key/uri`."""
    if len(text) > MAX_URI:
        _bad(f"longer than {MAX_URI:,} characters")
    scheme, _, rest = text.partition(":")
    path, question, query = rest.partition("?")
    if scheme != SCHEME:
        _bad(f"begins with {SCHEME}:")
    said = _attributes(path, ";", (*_TOKEN, *_KEY))
    asked = _attributes(query, "&", _QUERY) if question else {}
    if said.get("type", "private") != "private":
        _bad("a signature is made by a key of type=private")
    if "object" not in said and "id" not in said:
        _bad("names no key: object=LABEL, id=%01 or both")
    if not said.get("slot-id", "0").isdecimal():
        _bad("slot-id is a number")
    if "module-path" not in asked:
        hint = "?module-path=FILE, the library that came with the token: libsofthsm2.so, yubihsm_pkcs11.so, ..."
        raise KeyFileError("key/uri", "the PKCS#11 URI does not say which module speaks to the token", hint=hint)
    return TokenUri(
        _text(asked["module-path"]),
        {name: _text(value) for name, value in said.items() if name in _TOKEN},
        _text(said["object"]) if "object" in said else None,
        unquote_to_bytes(said["id"]) if "id" in said else None,
        _file(asked["pin-source"]) if "pin-source" in asked else None,
    )


def _attributes(part: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for attribute in part.split(separator) if part else ():
        name, equals, value = attribute.partition("=")
        if name == "pin-value":
            hint = "pin-source=file:... names a file that holds it; change the PIN, which others may have seen by now"
            raise KeyFileError("key/uri", "a PIN does not stand in a PKCS#11 URI", hint=hint)
        if name not in known:
            _bad(f"has an attribute that is not one of {', '.join(known)}")
        if not equals or not value or name in found:
            _bad(f"says {name} twice, or nothing of it")
        found[name] = value
    return found


def _file(source: str) -> str:
    """The path of a `file:` URI, with an empty host or none (RFC 8089)."""
    scheme, _, path = _text(source).partition(":")
    path = path.removeprefix("//") if path.startswith("///") else path
    if scheme != "file" or not path or path.startswith("//"):
        _bad("pin-source is file: and a path")
    return path


def _text(value: str) -> str:
    try:
        text = unquote(value, errors="strict")
    except UnicodeDecodeError:
        _bad("has bytes that are not UTF-8")
    if "\0" in text:
        _bad("has a null character")
    return text


def _bad(detail: str) -> NoReturn:
    hint = "pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=file:FILE (schemas/keys.md)"
    raise KeyFileError("key/uri", f"the PKCS#11 URI {detail}", hint=hint)
