"""A store in a folder. It is not write-once: files are 0444, and whoever may write to the folder may remove them.

    DIR/objects/ab/<sha256>.<sha512>    0444
    DIR/custody/...                     things under names, 0444
    DIR/incoming/<random>               what is being written

A file is written in `incoming`, synced, given its name, and the directories above it are synced: what is in its place
is whole, and stays. Who writes holds a lock of the file (flock), so that a file there that nobody holds was left by a
crash; the first put of a process removes those. Symbolic links below DIR are never followed. Works for several
processes; on a network file system, as far as that knows flock, link and rename.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attest.archive.address import FOLDER, Address
from attest.archive.incoming import create_locked, sweep
from attest.archive.objects import LOST, MAX_NAMED, Found, Stored, swollen, taken, verified
from attest.errors import ArchiveError, MissingError
from attest.store import disk

INCOMING: Final = "incoming"
MODE: Final = 0o444

_CODES: Final = {
    errno.ENOSPC: ("archive/full", "free some space and do it again: what was stored is whole"),
    errno.EDQUOT: ("archive/full", "raise the quota and do it again: what was stored is whole"),
    errno.EROFS: ("archive/denied", "the folder lies on a file system that is mounted read-only"),
    errno.EACCES: ("archive/denied", "the folder and all below it must belong to the account that works with it"),
    errno.EPERM: ("archive/denied", "the folder and all below it must belong to the account that works with it"),
}
_OTHER: Final = ("archive/store", "see that the disk is there and what the system says of it, and do it again")


class FileReader:
    """Implements attest.archive.objects.Reader over an open file, which whoever opened it closes."""

    def __init__(self, file: int, name: str) -> None:
        self._file, self._name, self._size = file, name, os.fstat(file).st_size

    def __len__(self) -> int:
        return self._size

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from one place on, fewer at the end. Raises MissingError where the device fails."""
        found = bytearray()
        try:
            while len(found) < size and (piece := os.pread(self._file, size - len(found), begin + len(found))):
                found += piece
        except OSError as error:
            raise _missing(self._name, error.strerror or str(error)) from error
        return bytes(found)


class FolderObjects:
    """Implements attest.archive.objects.Objects."""

    keeps_versions = False

    def __init__(self, root: Path) -> None:
        """`root` must be there once something is stored; nothing is read or made yet."""
        self._root, self._swept = root, False
        self._lasting: set[Path] = set()  # directories whose own names are known to be on the disk

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._root)

    def place(self, path: str) -> Path:
        """Where something lies. Raises ArchiveError `archive/link` if a directory on the way is a link."""
        place = self._root
        *above, last = path.split("/")
        for segment in above:
            place /= segment
            if place.is_symlink():
                hint = "a link leads where nobody looks after things: put the directory itself there"
                raise ArchiveError("archive/link", f"{place} is a symbolic link", hint=hint)
        return place / last

    def below(self, path: str) -> "FolderObjects":
        """A store in a folder of this one, which is made."""
        with self._failures():
            self._make_directories(self.place(f"{path}/{INCOMING}"))
        return FolderObjects(self._root / path)

    def put(self, address: Address, pieces: Callable[[], Iterable[bytes]], *, again: bool = False) -> Stored:
        """Stores an object unless it is there; what lies in its place with another size is replaced."""
        with self._failures():
            place = self.place(address.path)
            new = again or not self.has(address)
            if new:
                with self._incoming(verified(address, pieces())) as temporary:
                    self._make_directories(place)
                    disk.rename(temporary, place)
            self._sync_above(place)
        return Stored("", new)

    @contextmanager
    def open(self, address: Address) -> Iterator[FileReader]:
        """An object to read from."""
        file = self._opened(address.path)
        if file is None:
            raise _missing(f"{self._root}/{address.path}", "there is no such object")
        try:
            reader = FileReader(file, f"{self._root}/{address.path}")
            if len(reader) != address.size:
                raise _missing(f"{self._root}/{address.path}", f"has {len(reader):,} bytes, not {address.size:,}")
            yield reader
        finally:
            os.close(file)

    def has(self, address: Address) -> bool:
        """Is there a regular file of its size?"""
        with self._failures():
            try:
                found = self.place(address.path).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            return stat.S_ISREG(found.st_mode) and found.st_size == address.size

    def version(self, address: Address) -> str | None:
        """A folder has one version of each."""
        return "" if self.has(address) else None

    def walk(self, prefix: str = f"{FOLDER}/") -> Iterator[Found]:
        """All files whose paths begin so, in order; links are files, too, and are not entered.

        Bytes of a name that are no UTF-8 are shown as `\\xff`.
        """
        with self._failures():
            self.place(prefix)
            waiting = ["".join(prefix.rpartition("/")[:2])]
            while waiting:
                path = waiting.pop()
                if path and not path.endswith("/"):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        size = (self._root / path).lstat().st_size
                        yield Found(os.fsencode(path).decode("utf-8", "backslashreplace"), size, ("",), ("",))
                    continue
                below = (f"{path}{name}" for name in self._names(path))
                waiting += sorted((p for p in below if p.startswith(prefix)), key=os.fsencode, reverse=True)

    def remove(self, address: Address) -> None:
        """Removes an object, if it is there."""
        with self._failures():
            place = self.place(address.path)
            with suppress(FileNotFoundError):
                disk.unlink(place)
                disk.sync_directory(place.parent)

    def retain(self, address: Address, until: int) -> bool:
        """A folder keeps nothing from being removed."""
        self._require(address)
        return False

    def hold(self, address: Address, on: bool) -> bool:
        """A folder keeps nothing from being removed."""
        self._require(address)
        return False

    def locked(self, address: Address) -> str:
        """A folder keeps nothing from being removed."""
        return ""

    def put_named(self, name: str, data: bytes) -> None:
        """Stores something under a name where nothing is yet: a link is made or not made, whoever else makes one."""
        with self._failures():
            place = self.place(name)
            with self._incoming([data]) as temporary:
                self._make_directories(place)
                try:
                    disk.link(temporary, place)
                except FileExistsError:
                    if self.named(name) != data:
                        raise taken(str(place)) from None
                disk.unlink(temporary)
            self._sync_above(place)

    def named(self, name: str) -> bytes | None:
        """What is stored under a name; None if there is nothing."""
        file = self._opened(name)
        if file is None:
            return None
        try:
            data = FileReader(file, name).read(0, MAX_NAMED + 1)
        finally:
            os.close(file)
        if len(data) > MAX_NAMED:
            raise swollen(f"{self._root}/{name}")
        return data

    def _opened(self, path: str) -> int | None:
        """A regular file, opened; None if nothing is there. Raises MissingError for what cannot be read."""
        with self._failures():
            place = self.place(path)
            try:
                file = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except PermissionError:
                raise
            except OSError as error:
                link = "is a symbolic link" if error.errno == errno.ELOOP else error.strerror or str(error)
                raise _missing(str(place), link) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise _missing(str(place), "is no file")
        return file

    def _require(self, address: Address) -> None:
        if not self.has(address):
            raise _missing(f"{self._root}/{address.path}", "there is no such object")

    def _names(self, path: str) -> list[str]:
        """What lies in a directory, the names of directories with a slash behind them."""
        try:
            with os.scandir(self._root / path) as found:
                return [item.name + "/" * item.is_dir(follow_symlinks=False) for item in found]
        except FileNotFoundError:
            return []

    def _make_directories(self, place: Path) -> None:
        """Those that a file needs, below the root, which must be there."""
        above = place.relative_to(self._root).parents
        for directory in reversed(list(above)[:-1]):
            with suppress(FileExistsError):
                disk.make_directory(self._root / directory)

    def _sync_above(self, place: Path) -> None:
        """The names on the way to a file last, whoever made them; of directories, this is seen to once."""
        above = place.relative_to(self._root).parents
        for directory in above:
            disk.sync_directory(self._root / directory)
            if directory in self._lasting:
                break
        self._lasting.update(above)

    @contextmanager
    def _incoming(self, pieces: Iterable[bytes]) -> Iterator[Path]:
        """A new file with these bytes, locked, and gone at the end unless it was renamed or removed."""
        folder = self.place(f"{INCOMING}/*").parent
        with suppress(FileExistsError):
            disk.make_directory(folder)
        if not self._swept:
            sweep(folder)
            self._swept = True
        file, path = create_locked(folder)
        try:
            for piece in pieces:
                disk.write(file, piece)
            os.fchmod(file, MODE)
            disk.sync(file)
            yield path
        except BaseException:
            with suppress(OSError):
                disk.unlink(path)
            raise
        finally:
            os.close(file)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns OSError into ArchiveError."""
        try:
            yield
        except OSError as error:
            code, hint = _CODES.get(error.errno or 0, _OTHER)
            detail = f"{error.filename or self._root}: {error.strerror or error}"
            raise ArchiveError(code, detail, hint=hint) from error


def _missing(name: str, why: str) -> MissingError:
    return MissingError("archive/missing", f"{name}: {why}", hint=LOST)
