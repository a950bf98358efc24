"""From files to objects: a bundle's folder becomes a `Copy`, with what it shares with an earlier copy stored once.

Everything is read twice, once to know its address and once to store it; what changed in between is refused by the store
(`archive/changed`). Files that those who write a log keep beside it are no part of a copy and stay where they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from attest.archive.address import Address, Digests, address_of, address_of_pieces
from attest.archive.flaws import Repair
from attest.archive.manifest import MAX_FILES, Copy, File, require_name, require_path
from attest.archive.objects import Objects
from attest.errors import MalformedError, MissingError
from attest.store.directory import beside
from attest.store.inside import PIECE, Inside

SHARED: Final = 4_096  # bytes: a smaller file is stored whole, however it begins
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
        """A file that is listed already, from its bytes as a whole."""
        begin = 0
        for part in file.objects:
            self._put(part, partial(_between, pieces, begin, begin + part.size))
            begin += part.size

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
        whole, begins, rest = _addresses(source.pieces(path), before.whole.size if before else 0)
        if whole in self._doubts.files:  # also of a file that was split in another way than this one will be
            self.parts(File(path, whole, self._doubts.files[whole]), partial(source.pieces, path))
        if before is not None and whole == before.whole:
            return File(path, whole, before.parts)
        if before is not None and begins == before.whole and before.whole.size >= SHARED:
            self._put(rest, lambda: _between(lambda: source.pieces(path), before.whole.size, whole.size))
            return File(path, whole, (*before.objects, rest))
        self._put(whole, lambda: source.pieces(path))
        return File(path, whole)

    def _put(self, address: Address, pieces: Callable[[], Iterable[bytes]]) -> None:
        again = address in self._doubts.objects and self._broken(address)
        version, new = self._store.put(address, pieces, again=again)
        self.versions[address] = version
        if again:
            self.repairs[-1] = self.repairs[-1]._replace(version=version or None)
        elif new:
            self.objects += 1
            self.size += address.size

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


def _addresses(pieces: Iterable[bytes], cut: int) -> tuple[Address, Address, Address]:
    """The addresses of the whole, of its first `cut` bytes and of what follows them."""
    whole, begins, rest = Digests(), Digests(), Digests()
    done = 0
    for piece in pieces:
        whole.update(piece)
        here = max(0, min(cut - done, len(piece)))
        begins.update(piece[:here])
        rest.update(piece[here:])
        done += len(piece)
    return whole.address(), begins.address(), rest.address()


def _between(pieces: Callable[[], Iterable[bytes]], begin: int, end: int) -> Iterator[bytes]:
    """The bytes from one place to another."""
    done = 0
    for piece in pieces():
        here = piece[max(0, begin - done) : max(0, end - done)]
        if here:
            yield here
        done += len(piece)
