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
from attest.format.cbor import Encodable, decode, encode
from attest.format.fields import MAX_SEQ, array, bytes_, map_, text, uint

VERSION: Final = 1
MAX_BUNDLES: Final = 1_024
MAX_PAPERS: Final = 4_096
MAX_FILES: Final = 1_000_000  # of one bundle, and parts of one file
MAX_MANIFEST: Final = 1 << 30  # bytes
ROLES: Final = ("agreement", "event", "trust")


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
    """Raises MalformedError."""
    value = decode(data, max_size=MAX_MANIFEST)
    version, copies, documents = map_(value, 3, "manifest", 0)
    if version != VERSION:
        raise MalformedError(
            "archive/manifest", f"a manifest of version {version!r:.40}, which this program does not know"
        )
    found = Manifest(
        tuple(_copy(item, number) for number, item in enumerate(array(copies, 1, MAX_BUNDLES, "bundles"))),
        tuple(_document(item) for item in array(documents, 0, MAX_PAPERS, "papers")),
    )
    _require_rising([copy.name for copy in found.copies], "bundles")
    _require_rising([(document.role, document.name) for document in found.documents], "papers")
    return found


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


def _copy(value: Any, number: int) -> Copy:
    name, files = array(value, 2, 2, f"bundles[{number}]")
    where = f"files of {require_name(name)}"
    copy = Copy(name, tuple(_file(item) for item in array(files, 1, MAX_FILES, where)))
    _require_rising([file.path for file in copy.files], where)
    return copy


def _file(value: Any) -> File:
    path, whole, parts = array(value, 3, 3, "file")
    file = File(require_path(path), _address(whole), tuple(map(_address, array(parts, 0, MAX_FILES, "parts"))))
    if file.parts and sum(part.size for part in file.parts) != file.whole.size:
        raise MalformedError("archive/manifest", f"the parts of {path} are not as large as it is")
    return file


def _document(value: Any) -> Document:
    role, name, whole = array(value, 3, 3, "paper")
    if role not in ROLES:
        raise MalformedError("archive/manifest", f"a paper is one of {', '.join(ROLES)}", path="role")
    return Document(role, require_name(name), _address(whole))


def _address(value: Any) -> Address:
    sha256, sha512, size = array(value, 3, 3, "address")
    return Address(bytes_(sha256, "sha256"), bytes_(sha512, "sha512", 64, 64), uint(size, "size", MAX_SEQ))


def _require_rising(keys: Sequence[Any], where: str) -> None:
    for before, after in pairwise(keys):
        if before >= after:
            raise MalformedError("archive/manifest", f"{after} comes twice or out of order", path=where)
