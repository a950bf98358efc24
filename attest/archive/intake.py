"""From files to objects: a bundle's folder becomes a `Copy`, with what it shares with an earlier copy stored once.

Everything is read twice, once to know its address and once to store it; what changed in between is refused by the store
(`archive/changed`). Files that those who write a log keep beside it are no part of a copy and stay where they are.
"""

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from attest.archive.address import Address, Digests, address_of, address_of_pieces
from attest.archive.flaws import Repair
from attest.archive.manifest import MAX_FILES, Copy, File, require_name, require_path
from attest.archive.objects import Objects, verified
from attest.errors import MalformedError, MissingError
from attest.store.directory import beside
from attest.store.inside import PIECE, Inside

SHARED: Final = 4_096  # bytes: a smaller file is stored whole, however it begins
MOST_PARTS: Final = 64  # that a file is made of, all of which are open when it is read; after them it is stored whole
_WIDTH: Final = re.compile(r"\.p/[1-9]\d{0,2}$")
_HINT: Final = "name a folder that holds a copy of a log"
_FEWER: Final = "name the folder of the log itself, without what lies around it"


class Doubts(NamedTuple):
    """Objects that may not be what they must be, and the parts of the files that are made of them."""

    objects: frozenset[Address] = frozenset()
    files: Mapping[Address, tuple[Address, ...]] = MappingProxyType({})


NONE: Final = Doubts()


class Intake:
    """Files as they are stored; `objects` and `size` count what was new, `versions` are those that stand for each.

    What is doubted is hashed where it stands, and written anew unless it is right: `repairs`.
    """

    def __init__(self, store: Objects, doubts: Doubts = NONE) -> None:
        self._store, self._doubts = store, doubts
        self.repairs: list[Repair] = []
        self.objects, self.size = 0, 0
        self.versions: dict[Address, str] = {}

    def document(self, data: bytes) -> Address:
        """Something small that is at hand."""
        address = address_of(data)
        self._put(address, lambda: [data])
        return address

    def parts(self, file: File, pieces: Callable[[], Iterable[bytes]]) -> None:
        """A file that is listed already, from its bytes, which are read once.

        Raises ArchiveError `archive/changed` unless its parts are what they are listed as, also those that are there.
        """
        stream = _Stream(pieces())
        for part in file.objects:
            taken = stream.take(part.size)
            if not self._put(part, partial(iter, taken)):
                deque(verified(part, taken), maxlen=0)

    def copy(self, source: Inside, name: str, earlier: Copy | None = None) -> Copy:
        """All files of a folder. Raises MissingError for one that cannot be read, or a folder that holds none or too
        many, and MalformedError for a name that no manifest can say: before anything of it is stored."""
        require_name(name)
        paths = list(islice((path for path in source.walk() if not beside(path)), MAX_FILES + 1))
        if not paths:
            raise MissingError("bundle/missing", f"{source.path} holds no files", hint=_HINT)
        if len(paths) > MAX_FILES:
            raise MissingError("archive/files", f"{source.path} holds more than {MAX_FILES:,} files", hint=_FEWER)
        for path in paths:
            _require_sayable(source, path)
        known = {} if earlier is None else {_place(file.path): file for file in earlier.files}
        return Copy(name, tuple(self._file(source, path, known) for path in paths))

    def _file(self, source: Inside, path: str, known: Mapping[str, File]) -> File:
        before = known.get(_place(path))
        shared = () if before is None or len(before.objects) > MOST_PARTS else before.objects
        whole, begins, rest = _addresses(source.pieces(path), [part.size for part in shared])
        if whole in self._doubts.files:  # also of a file that was split in another way than this one will be
            self.parts(File(path, whole, self._doubts.files[whole]), partial(source.pieces, path))
        if shared and begins == shared:  # by its own bytes: what the manifest of that copy says of it may be a lie
            cut = whole.size - rest.size
            if not rest.size:
                return File(path, whole, shared if len(shared) > 1 else ())
            if cut >= SHARED and len(shared) < MOST_PARTS:
                self._put(rest, lambda: _after(source.pieces(path), cut))
                return File(path, whole, (*shared, rest))
        self._put(whole, lambda: source.pieces(path))
        return File(path, whole)

    def _put(self, address: Address, pieces: Callable[[], Iterable[bytes]]) -> bool:
        """Stores it unless it is there; was it written, and so hashed?"""
        again = address in self._doubts.objects and self._broken(address)
        version, new = self._store.put(address, pieces, again=again)
        self.versions[address] = version
        if again:
            self.repairs[-1] = self.repairs[-1]._replace(version=version or None)
        elif new:
            self.objects += 1
            self.size += address.size
        return again or new

    def _broken(self, address: Address) -> bool:
        """Is what is there not what it must be? Then it is written anew."""
        found = there(self._store, address)
        if found == address:
            return False
        self.repairs.append(Repair(address, None if found is None else found.sha256, None))
        return True


def there(objects: Objects, address: Address) -> Address | None:
    """What is at an address, by its bytes; None if nothing of its size is."""
    try:
        with objects.open(address) as reader:
            pieces = (reader.read(at, min(PIECE, address.size - at)) for at in range(0, address.size, PIECE))
            return address_of_pieces(pieces)
    except MissingError:
        return None


def _require_sayable(source: Inside, path: str) -> None:
    try:
        require_path(path)
    except MalformedError as error:
        detail = f"{source.path} holds {path[:200]!r}, whose name no manifest can say: {error.detail}"
        raise MalformedError("archive/path", detail, hint="ask for it under another name, or without it") from error


def _place(path: str) -> str:
    """What a file is of: a partial tile and what it grows into are one."""
    return _WIDTH.sub("", path)


def _addresses(pieces: Iterable[bytes], sizes: Sequence[int]) -> tuple[Address, tuple[Address, ...], Address]:
    """The addresses of the whole, of the parts of such sizes that it begins with, and of what follows them."""
    whole, parts, room = Digests(), [Digests() for _ in range(len(sizes) + 1)], [*sizes, sys.maxsize]
    number = 0
    for piece in pieces:
        whole.update(piece)
        while piece:
            here = piece[: room[number]]
            parts[number].update(here)
            room[number] -= len(here)
            piece = piece[len(here) :]
            number += not room[number]
    *begins, rest = (part.address() for part in parts)
    return whole.address(), tuple(begins), rest


def _after(pieces: Iterable[bytes], cut: int) -> Iterator[bytes]:
    """What follows so many bytes."""
    stream = _Stream(pieces)
    deque(stream.take(cut), maxlen=0)
    return stream.take(sys.maxsize)


class _Stream:
    """Bytes that are read once, taken part by part."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._held = iter(pieces), memoryview(b"")

    def take(self, size: int) -> Iterator[bytes]:
        """The next so many, fewer at the end."""
        while size and (self._held or self._more()):
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield bytes(piece)

    def _more(self) -> bool:
        self._held = memoryview(next((piece for piece in self._pieces if piece), b""))
        return bool(self._held)
