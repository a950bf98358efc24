"""What one delivery holds, as an object of its own; its SHA-256 is the delivery's id (schemas/archive.cddl).

A file is one object, or the objects of its `parts` one after the other, so that a log that has grown is stored as what
it was and what came to it.
"""

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

from attest.archive.address import Address
from attest.errors import MalformedError
from attest.format.cbor import Encodable, array_head, decode_item, encode
from attest.format.fields import MAX_SEQ, bad, bytes_, text, uint

VERSION: Final = 1
MAX_BUNDLES: Final = 1_024
MAX_PAPERS: Final = 4_096
MAX_FILES: Final = 1_000_000  # of one bundle, and parts of one file
MAX_MANIFEST: Final = 1 << 30  # bytes
ROLES: Final = ("agreement", "event", "trust")
_BEGIN: Final = bytes((0xA3, 0, VERSION, 1))  # a map of three: version, bundles, papers
_PAPERS: Final = 2


class File(NamedTuple):
    """A file of a bundle: where it lies in it, what it is as a whole, and the objects it is made of if not one."""

    path: str
    whole: Address
    parts: tuple[Address, ...] = ()

    @property
    def objects(self) -> tuple[Address, ...]:
        """The objects that give the file, one after the other."""
        return self.parts or (self.whole,)


class Copy(NamedTuple):
    """A bundle as it was delivered."""

    name: str
    files: tuple[File, ...]


class Document(NamedTuple):
    """An agreement, a trust file or an event, by the name that its file had."""

    role: str
    name: str
    whole: Address


class Manifest(NamedTuple):
    """One delivery."""

    copies: tuple[Copy, ...]
    documents: tuple[Document, ...] = ()

    def objects(self) -> set[Address]:
        """Every object that the delivery needs, but the manifest itself."""
        found = {document.whole for document in self.documents}
        for copy in self.copies:
            for file in copy.files:
                found.update(file.objects)
        return found


def format_manifest(manifest: Manifest) -> bytes:
    """The bytes of a manifest; what it lists may come in any order."""
    copies: list[Encodable] = [
        [copy.name, [[f.path, f.whole, f.parts] for f in sorted(copy.files)]]
        for copy in sorted(manifest.copies, key=attrgetter("name"))
    ]
    return encode({0: VERSION, 1: copies, 2: [[d.role, d.name, d.whole] for d in sorted(manifest.documents)]})


def parse_manifest(data: bytes) -> Manifest:
    """Raises MalformedError. Read item by item: a bag's manifest may be large, and of anything."""
    if len(data) > MAX_MANIFEST:
        raise MalformedError("cbor/size", f"{len(data)} bytes, at most {MAX_MANIFEST}", offset=MAX_MANIFEST)
    if not data.startswith(_BEGIN):
        raise MalformedError("archive/manifest", f"no manifest of version {VERSION}", path="manifest")
    reader = _Reader(data, len(_BEGIN))
    copies = tuple(_copy(reader) for _ in range(reader.array(1, MAX_BUNDLES, "bundles")))
    if reader.item() != _PAPERS:
        raise MalformedError("archive/manifest", "no papers follow the bundles", path="manifest")
    found = Manifest(copies, tuple(_document(reader) for _ in range(reader.array(0, MAX_PAPERS, "papers"))))
    if reader.at != len(data):
        raise MalformedError("cbor/trailing", f"{len(data) - reader.at} bytes after the manifest", offset=reader.at)
    _require_rising([copy.name for copy in found.copies], "bundles")
    _require_rising([(document.role, document.name) for document in found.documents], "papers")
    return found


class _Reader:
    """Bytes of CBOR, of which the next is at `at`."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at

    def item(self) -> Any:
        """An integer, a byte string or a text; nothing that holds others."""
        value, self.at = decode_item(self._data, self.at, 0)
        return value

    def array(self, low: int, high: int, where: str) -> int:
        """The number of elements of an array that begins here, and follow."""
        count, self.at = array_head(self._data, self.at)
        if not low <= count <= high:
            bad("statement/array", f"must be an array of {low} to {high} elements", where)
        return count


def require_path(path: str) -> str:
    """A path below a bundle, as it is. Raises MalformedError for one that leads elsewhere on any system."""
    text(path, "path")
    if "\\" in path or any(segment in ("", ".", "..") for segment in path.split("/")):
        raise MalformedError("archive/path", f"{path!r} is no path below a bundle")
    return path


def require_name(name: str) -> str:
    """A name of a bundle or a paper, as it is: one segment of a path. Raises MalformedError."""
    if "/" in require_path(name):
        raise MalformedError("archive/path", f"{name!r} is no name")
    return name


def _copy(reader: _Reader) -> Copy:
    reader.array(2, 2, "bundle")
    name = require_name(reader.item())
    where = f"files of {name}"
    copy = Copy(name, tuple(_file(reader) for _ in range(reader.array(1, MAX_FILES, where))))
    _require_rising([file.path for file in copy.files], where)
    return copy


def _file(reader: _Reader) -> File:
    reader.array(3, 3, "file")
    path, whole = require_path(reader.item()), _address(reader)
    parts = tuple(_address(reader) for _ in range(reader.array(0, MAX_FILES, "parts")))
    if parts and sum(part.size for part in parts) != whole.size:
        raise MalformedError("archive/manifest", f"the parts of {path} are not as large as it is")
    return File(path, whole, parts)


def _document(reader: _Reader) -> Document:
    reader.array(3, 3, "paper")
    role = reader.item()
    if role not in ROLES:
        raise MalformedError("archive/manifest", f"a paper is one of {', '.join(ROLES)}", path="role")
    return Document(role, require_name(reader.item()), _address(reader))


def _address(reader: _Reader) -> Address:
    reader.array(3, 3, "address")
    sha256, sha512 = bytes_(reader.item(), "sha256"), bytes_(reader.item(), "sha512", 64, 64)
    return Address(sha256, sha512, uint(reader.item(), "size", MAX_SEQ))


def _require_rising(keys: Sequence[Any], where: str) -> None:
    for before, after in pairwise(keys):
        if before >= after:
            raise MalformedError("archive/manifest", f"{after} comes twice or out of order", path=where)
