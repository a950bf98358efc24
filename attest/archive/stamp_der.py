r"""DER (X.690 section 10), as much of it as it takes to read a timestamp token: items, one after the other.

    >>> sequence = item(bytes.fromhex("3006020102040161"))
    >>> [inner.tag for inner in sequence.items(SEQUENCE)]
    [2, 4]
    >>> sequence.items(SEQUENCE)[0].integer(), sequence.items(SEQUENCE)[1].octets()
    (2, b'a')
    >>> oid("1.2.840.113549.1.7.2").hex()
    '2a864886f70d010702'

Tags have one byte, lengths are definite and as short as they can be. Nothing here recurses: a caller opens one layer
after the other, and whatever the bytes are, each step gives items or a MalformedError `stamp/malformed`.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from attest.errors import MalformedError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
OID: Final = 0x06
TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
MAX_INTEGER: Final = 64  # bytes: serial numbers have up to 20, nonces of some authorities more

_TIME: Final = re.compile(rb"(\d{14})(\.\d{0,8}[1-9])?Z")


class Item(NamedTuple):
    """One item: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def items(self, tag: int) -> list["Item"]:
        """The items of a constructed one."""
        self.require(tag)
        found, at = [], 0
        while at < len(self.content):
            inner, at = _read(self.content, at)
            found.append(inner)
        return found

    def require(self, tag: int) -> None:
        """Return None if it has this tag."""
        if self.tag != tag:
            malformed(f"tag 0x{self.tag:02x} where 0x{tag:02x} should stand")

    def octets(self) -> bytes:
        """The bytes of an OCTET STRING."""
        self.require(OCTETS)
        return self.content

    def oid(self) -> bytes:
        """An OBJECT IDENTIFIER, as `oid` writes it."""
        self.require(OID)
        return self.content

    def integer(self) -> int:
        """An INTEGER of at most MAX_INTEGER bytes."""
        self.require(INTEGER)
        data = self.content
        if not 0 < len(data) <= MAX_INTEGER or (len(data) > 1 and data[:1] in (b"\0", b"\xff") and _spare(data)):
            malformed("an integer that is empty, too long, or not as short as it can be")
        return int.from_bytes(data, "big", signed=True)

    def time(self) -> tuple[int, bool]:
        """A GeneralizedTime of RFC 3161 section 2.4.2: whole Unix seconds, and whether a fraction follows."""
        self.require(TIME)
        found = _TIME.fullmatch(self.content)
        if found is None:
            malformed(f"no time in UTC: {self.content[:40]!r}")
        try:
            time = datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            malformed(f"no time of the calendar: {self.content[:40]!r}")
        return int(time.timestamp()), found[2] is not None


def item(data: bytes) -> Item:
    """The one item that the bytes are. Raises MalformedError."""
    found, end = _read(data, 0)
    if end != len(data):
        malformed(f"{len(data) - end} bytes after the item")
    return found


def oid(dotted: str) -> bytes:
    """The content of an OBJECT IDENTIFIER, from its numbers."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for number in (40 * first + second, *rest):
        groups = [number & 127]
        while number := number >> 7:
            groups.append(number & 127 | 128)
        out += bytes(reversed(groups))
    return bytes(out)


def malformed(detail: str) -> NoReturn:
    """Raises MalformedError `stamp/malformed`."""
    raise MalformedError("stamp/malformed", detail, path="token")


def _read(data: bytes, start: int) -> tuple[Item, int]:
    head = data[start : start + 2]
    if len(head) < 2:
        malformed("ends inside an item")
    tag, length, at = head[0], head[1], start + 2
    if tag & 31 == 31:
        malformed("a tag of several bytes")
    if length >= 128:
        width = length & 127
        field = data[at : at + width]
        at += width
        length = int.from_bytes(field, "big")
        if not 1 <= width <= 4 or len(field) < width or field[0] == 0 or length < 128:
            malformed("a length that is indefinite, or not as short as it can be")
    if at + length > len(data):
        malformed(f"an item of {length} bytes where {len(data) - at} are left")
    return Item(tag, data[at : at + length], data[start : at + length]), at + length


def _spare(data: bytes) -> bool:
    """Does the first byte say nothing that the sign of the second does not?"""
    return (data[0] == 0xFF) == (data[1] >= 128)
