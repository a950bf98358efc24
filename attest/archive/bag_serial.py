"""A bag in one file, ZIP or tar, read where it lies: nothing is unpacked, and no member is asked for by its own word.

Everything lies below one directory, which has any name (draft-kunze-bagit 0.97, section 4; RFC 8493 leaves
serialisation open). Refused with `bag/member`: a name that comes twice, one that leads out, a file that is also a
directory, links, devices, holes, encryption, and what follows the end of a tar (`bag_tar`). Refused with `bag/bomb`:
more bytes than a hundred times the file's own. A compressed tar is refused: it can be read from its start only.
"""

import errno
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

from attest.archive import bag_tar
from attest.archive.bag import require_path
from attest.archive.bag_source import PIECE, Folder, Sizes, Source, refusals
from attest.errors import MalformedError, UnsupportedError

MAX_RATIO: Final = 100  # bytes of all members to bytes of the file; deflate alone would allow a thousand
MAX_DIRECTORY: Final = 1 << 25  # bytes of a ZIP's central directory: room for 250,000 names

_ENCRYPTED: Final = 0x1 | 0x20 | 0x40 | 0x2000  # and patches, and masked headers
_ZIP: Final = (0, b"PK\x03\x04")
_ONE: Final = "put the bag's folder itself into the ZIP or tar file, and nothing beside it"

_M = TypeVar("_M")


class Zip:
    """A bag in a ZIP file; implements Source."""

    def __init__(self, file: "_Bounded") -> None:
        self._file = file
        with _damage(file):
            self._zip = zipfile.ZipFile(file)
        self._members: dict[str, zipfile.ZipInfo] = {}

    def names(self) -> dict[str, int]:
        """Raises MalformedError, UnsupportedError."""
        for info in self._zip.infolist():
            kind, folder = stat.S_IFMT(info.external_attr >> 16), info.filename.endswith("/")
            if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _member(info.orig_filename, "is encrypted, or compressed in a way other than deflate")
            if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG) or (folder and info.file_size):
                raise _member(info.orig_filename, "is neither a file nor a directory")
            if info.filename != info.orig_filename:  # cut off at a NUL
                raise _member(info.orig_filename, "is no name")
        size = sum(info.file_size for info in self._zip.infolist())
        if size > MAX_RATIO * self._file.size:
            detail = f"{self._file.size:,} bytes would give {size:,}, more than {MAX_RATIO} times as many"
            raise UnsupportedError("bag/bomb", detail)
        members = ((info.filename, info.file_size, info) for info in self._zip.infolist())
        sizes, self._members = _below_one_directory(members)
        return sizes

    def pieces(self, path: str) -> Iterator[bytes]:
        """No more than the size that the directory of the ZIP says."""
        with _damage(self._file), self._zip.open(self._members[path]) as member:
            while piece := member.read(PIECE):
                yield piece

    def close(self) -> None:
        """Nothing can be read any more."""
        self._zip.close()
        self._file.close()


class Tar:
    """A bag in a tar file; implements Source."""

    def __init__(self, file: "_Bounded") -> None:
        self._file = file
        self._members: dict[str, bag_tar.Member] = {}

    def names(self) -> dict[str, int]:
        """Raises MalformedError, UnsupportedError."""
        with refusals(self._file.path):
            members = bag_tar.members(self._file.pread, self._file.size)
            sizes, self._members = _below_one_directory((member.name, member.size, member) for member in members)
        return sizes

    def pieces(self, path: str) -> Iterator[bytes]:
        """The bytes of a member, fewer where the file has been cut."""
        _, at, size = self._members[path]
        end = at + size
        with refusals(self._file.path):
            while piece := self._file.pread(min(end - at, PIECE), at):
                at += len(piece)
                yield piece

    def close(self) -> None:
        """Nothing can be read any more."""
        self._file.close()


def open_source(path: Path) -> Source:
    """A folder, or a ZIP or tar file by what it begins with. Raises MissingError, MalformedError."""
    with refusals(path):
        if path.is_dir():
            return Folder(path)
        file = _Bounded(path)
    try:
        for (at, magic), kind in ((_ZIP, Zip), (bag_tar.MAGIC, Tar)):
            if file.pread(len(magic), at) == magic:
                return kind(file)
        detail = f"{path} is neither a folder nor a ZIP or tar file"
        raise MalformedError("bag/member", detail, hint="uncompress a compressed tar first")
    except BaseException:
        file.close()
        raise


class _Bounded(io.FileIO):
    """A regular file of which nobody reads more at once than a bag's directory may have."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        status = os.fstat(self.fileno())
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise OSError(errno.EINVAL, "is no regular file")
        self.path, self.size = path, status.st_size

    def read(self, size: int | None = -1, /) -> Any:
        """Raises UnsupportedError `bag/limit`."""
        if size is not None and size > MAX_DIRECTORY:
            raise UnsupportedError("bag/limit", f"{self.path} has a directory of more than {MAX_DIRECTORY:,} bytes")
        return super().read(size)

    def pread(self, size: int, at: int) -> bytes:
        """So many bytes from one place on, fewer at the end."""
        return os.pread(self.fileno(), size, at)


def _below_one_directory(members: Iterable[tuple[str, int, _M]]) -> tuple[dict[str, int], dict[str, _M]]:
    """Sizes and members of files, by their paths below the one directory that all are in.

    Names of directories end in a slash.
    """
    top, sizes, found = "", Sizes(), dict[str, _M]()
    every = dict[str, bool]()  # is it a directory?
    for name, size, member in members:
        path, folder = name.removeprefix("./").removesuffix("/"), name.endswith("/")
        if folder and path in ("", "."):
            continue
        try:
            require_path(path)
        except MalformedError as error:
            raise _member(name, "is a name that leads out") from error
        first, _, rest = path.partition("/")
        top = top or first
        if first != top or not (rest or folder):
            raise _member(name, f"does not lie below the one directory {top[:200]!r}", _ONE)
        if every.setdefault(path, folder) is not folder or rest in found:
            raise _member(name, "comes twice")
        if folder:
            sizes.count(rest)
        else:
            sizes.add(rest, size)
            found[rest] = member
    # A directory comes right before what lies in it, once a slash sorts before everything else.
    for before, after in pairwise(sorted(every, key=lambda path: path.replace("/", "\0"))):
        if after.startswith(f"{before}/") and not every[before]:
            raise _member(before, "is a file and a directory")
    return sizes.found, found


def _member(name: str, why: str, hint: str = "") -> MalformedError:
    return MalformedError("bag/member", f"{name[:200]!r} {why}", hint=hint)


@contextmanager
def _damage(file: _Bounded) -> Iterator[None]:
    """Turns what zipfile raises for damaged files into errors of a bag."""
    with refusals(file.path):
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
            raise MalformedError("bag/member", f"{file.path} is damaged: {error}") from error
