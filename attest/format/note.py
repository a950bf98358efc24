"""Signed notes and verifier keys (c2sp.org/signed-note), as bytes and values.

A note is UTF-8 text without control characters other than newline: the text, which ends in a newline, an
empty line, and one to 100 signature lines. A signature line is an em dash, a space, the key's name, a space
and the base64 of a four-byte key id followed by the signature:

    >>> note = parse_note(SAMPLE)
    >>> note.text
    'Ognuno sta solo sul cuor della terra\\ntrafitto da un raggio di sole:\\n\\ned è subito sera.\\n'
    >>> [(s.name, s.key_id.hex(), len(s.signature)) for s in note.signatures]
    [('quasimodo.example/salvatore', '367ba04b', 64)]
    >>> format_note(note) == SAMPLE
    True

A verifier key (vkey) names a key and says what its signatures are over: 0x01 Ed25519 over the text, 0x04
Ed25519 and 0x06 ML-DSA-44 timestamped cosignatures (c2sp.org/tlog-cosignature).

    >>> vkey = parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    >>> vkey.name, vkey.algorithm, vkey.key_id.hex()
    ('PeterNeumann', 1, 'c74f20a3')

Parsing accepts only what formatting would write (base64 and hex included). It raises MalformedError, or
UnsupportedError for a vkey of another signature type. Nothing is verified here: see attest.trust.notes.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from attest.errors import MalformedError, UnsupportedError

MAX_NOTE: Final = 512 * 1024  # bytes: 100 ML-DSA signatures fit
MAX_NOTE_SIGNATURES: Final = 100  # refuse to verify forever
MAX_NAME: Final = 255  # bytes: what a cosigned_message has room for

ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
ML_DSA_44_COSIGNATURE: Final = 0x06
KEY_SIZE: Final = {ED25519: 32, ED25519_COSIGNATURE: 32, ML_DSA_44_COSIGNATURE: 1312}

SAMPLE: Final = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()  # noqa: E501 - a signature line does not wrap

_DASH: Final = "\N{EM DASH} "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NO_NAME: Final = re.compile(r"[+\s\x00-\x1f]")


class NoteSignature(NamedTuple):
    """One signature line: `name` and `key_id` together say by which key."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """`text` includes its final newline; `signatures` are in the order of their lines."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True)
class Vkey:
    """A verifier key; `algorithm` is a signature type of c2sp.org/signed-note, `key` the raw public key."""

    name: str
    algorithm: int
    key: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise MalformedError("vkey/malformed", "a key name is 1 to 255 bytes without spaces and plus signs")
        if self.algorithm not in KEY_SIZE:
            raise UnsupportedError("vkey/unsupported", f"signature type 0x{self.algorithm:02x} of {self.name}")
        if len(self.key) != KEY_SIZE[self.algorithm]:
            raise MalformedError("vkey/malformed", f"{len(self.key)} bytes of key, not {KEY_SIZE[self.algorithm]}")

    @cached_property
    def key_id(self) -> bytes:
        """SHA-256(name || newline || signature type || key), its first four bytes."""
        return hashlib.sha256(b"%s\n%c%s" % (self.name.encode(), self.algorithm, self.key)).digest()[:4]


def parse_note(data: bytes) -> Note:
    """Bytes to note. Raises MalformedError."""
    if len(data) > MAX_NOTE:
        raise MalformedError("note/too-large", f"{len(data)} bytes, at most {MAX_NOTE}", offset=MAX_NOTE)
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("note/malformed", "not UTF-8", offset=error.start) from error
    if _CONTROL.search(whole):
        raise MalformedError("note/malformed", "contains a control character")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise MalformedError("note/malformed", "must be text, an empty line and signature lines")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_NOTE_SIGNATURES:
        raise MalformedError("note/signatures", f"{len(signatures)} signatures, at most {MAX_NOTE_SIGNATURES}")
    return Note(text + "\n", tuple(map(parse_signature, signatures)))


def format_note(note: Note) -> bytes:
    """Note to bytes."""
    return (note.text + "\n" + "".join(map(format_signature, note.signatures))).encode()


def parse_signature(line: str) -> NoteSignature:
    """A signature line, without its newline. Raises MalformedError."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _unbase64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or raw is None or len(raw) < 5:
        raise MalformedError("note/malformed", f"not a signature line: {line[:80]!r}")
    return NoteSignature(name, raw[:4], raw[4:])


def format_signature(signature: NoteSignature) -> str:
    """A signature line, with its newline."""
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"{_DASH}{signature.name} {encoded}\n"


def parse_vkey(text: str) -> Vkey:
    """`name+key id+base64(signature type || key)`. Raises MalformedError or UnsupportedError."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    raw = _unbase64(encoded)
    if not raw:
        raise MalformedError("vkey/malformed", f"not a verifier key: {text[:80]!r}")
    vkey = Vkey(name, raw[0], raw[1:])
    if format_vkey(vkey) != text:
        raise MalformedError("vkey/malformed", f"the key id of {name} must be {vkey.key_id.hex()}")
    return vkey


def format_vkey(vkey: Vkey) -> str:
    """The text form of a verifier key."""
    encoded = base64.b64encode(bytes([vkey.algorithm]) + vkey.key).decode()
    return f"{vkey.name}+{vkey.key_id.hex()}+{encoded}"


def _is_name(name: str) -> bool:
    return 0 < len(name.encode()) <= MAX_NAME and not _NO_NAME.search(name)


def _unbase64(text: str) -> bytes | None:
    """The bytes of canonical standard base64, else None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Python ignores the unused bits before the padding; two texts must not mean one value.
    return raw if base64.b64encode(raw).decode() == text else None
