"""A store in a bucket of an S3 server that keeps versions, and locks them where the bucket has Object Lock.

    store = open_s3("s3://bucket/prefix")

Whoever may write to a bucket may write over everything in it, but that makes a new version and leaves the old one; a
marker of deletion hides a version from those only who do not list versions. So nothing here asks for the newest
version: an object is the oldest version that has its size, and of several such the oldest that has its bytes; a thing
under a name is the oldest of all, and who puts something under a name looks afterwards whether it came first. That
holds for several hosts without a conditional write, of which some servers know nothing.

An object is hashed while it is sent, and what is not what it must be is not completed. Up to PART bytes go in one
request, more in parts, of which a few are in memory at a time. What a crash leaves of an upload in parts has no
address; a rule of the bucket's lifecycle (AbortIncompleteMultipartUpload) removes it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from attest.archive.address import FOLDER, Address, address_of_pieces
from attest.archive.objects import LOST, MAX_NAMED, Found, Stored, swollen, taken, verified
from attest.archive.s3_bucket import COMPLIANCE, PART, Bucket, Version
from attest.errors import ArchiveError, MissingError

AHEAD: Final = 1 << 20  # bytes fetched at once, where fewer are asked for

_URL: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?")


class S3Reader:
    """Implements attest.archive.objects.Reader over one version."""

    def __init__(self, bucket: Bucket, path: str, version: Version) -> None:
        self._bucket, self._path, self._version = bucket, path, version
        self._begin, self._held = 0, b""

    def __len__(self) -> int:
        return self._version.size

    def read(self, begin: int, size: int) -> bytes:
        """So many bytes from one place on, fewer at the end. Raises MissingError, ArchiveError."""
        end = min(begin + size, len(self))
        if begin >= end:
            return b""
        if begin < self._begin or end > self._begin + len(self._held):
            until = min(max(end, begin + AHEAD), len(self))
            self._held, self._begin = self._bucket.fetch(self._path, self._version.id, begin, until), begin
        return self._held[begin - self._begin : end - self._begin]


class S3Objects:
    """Implements attest.archive.objects.Objects."""

    keeps_versions = True

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._right: set[tuple[Address, str]] = set()  # versions that were found to be what they must be

    @property
    def name(self) -> str:
        """s3://bucket/prefix."""
        return self.bucket.name

    @cached_property
    def locks(self) -> bool:
        """Has the bucket, which is there, Object Lock?"""
        try:
            found = self.bucket.ask("get_object_lock_configuration", "")
        except ArchiveError as error:
            if error.code == "archive/store":
                return False  # it was made without, or the server has never heard of it
            raise
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def below(self, path: str) -> "S3Objects":
        """A store of its own under this one's prefix."""
        return S3Objects(Bucket(self.bucket.bucket, f"{self.bucket.prefix}{path}/"))

    def put(self, address: Address, pieces: Callable[[], Iterable[bytes]], *, again: bool = False) -> Stored:
        """Stores an object unless it is there."""
        version = None if again else self._counting(address)
        if version is not None:
            return Stored(version.id, False)
        if address.size <= PART:
            self.bucket.send(address.path, b"".join(verified(address, pieces())))
        else:
            self.bucket.send_parts(address.path, address.size, verified(address, pieces()))
        version = self._counting(address)
        if version is None:
            raise self._ignored(address, "the server took it, and does not list it with its size")
        if again and not self._is(address, version):
            raise self._ignored(address, "the server took it again, and still has something else")
        return Stored(version.id, True)

    @contextmanager
    def open(self, address: Address) -> Iterator[S3Reader]:
        """An object to read from."""
        yield S3Reader(self.bucket, address.path, self._require(address))

    def has(self, address: Address) -> bool:
        """Is there a version of its size?"""
        return self._counting(address) is not None

    def version(self, address: Address) -> str | None:
        """The id of the version that is the object."""
        version = self._counting(address)
        return None if version is None else version.id

    def walk(self, prefix: str = f"{FOLDER}/") -> Iterator[Found]:
        """All keys that begin so and have a version, in order.

        A version that was sent as the oldest one was is no version of its own: two who put at once send it twice.
        """
        for kept in self.bucket.listed(prefix):
            if kept.versions:
                *newer, oldest = kept.versions
                others = (version.id for version in newer if version[1:] != oldest[1:])
                all_ = (*kept.markers, *(version.id for version in kept.versions))
                yield Found(kept.path, oldest.size, (*kept.markers, *others, oldest.id), all_)

    def remove(self, address: Address) -> None:
        """Removes all versions of an object, the oldest first, and looks whether they are gone."""
        kept = self.bucket.kept(address.path)
        for version in reversed(kept.versions):
            self.bucket.delete(address.path, version.id)
        for marker in kept.markers:
            self.bucket.delete(address.path, marker)
        left = self.bucket.kept(address.path)
        if left.versions or left.markers:
            raise self._ignored(address, "the server took its removal, and still lists it")

    def retain(self, address: Address, until: int) -> bool:
        """COMPLIANCE until a time, or for as long as it is already; looks whether the server has done it."""
        version = self._require(address)
        if not self.locks:
            return False
        lock = self.bucket.lock(address.path, version.id)
        if lock.mode != COMPLIANCE or lock.until < until:
            wanted = max(until, lock.until)
            self.bucket.retain(address.path, version.id, wanted, bypass=lock.mode not in ("", COMPLIANCE))
            lock = self.bucket.lock(address.path, version.id)
            if lock.mode != COMPLIANCE or lock.until < wanted:
                raise self._ignored(address, "the server took its retention, and does not show it")
        return True

    def hold(self, address: Address, on: bool) -> bool:
        """Sets or lifts a legal hold; looks whether the server has done it."""
        version = self._require(address)
        if not self.locks:
            return False
        self.bucket.hold(address.path, version.id, on)
        if self.bucket.lock(address.path, version.id).held != on:
            raise self._ignored(address, "the server took its legal hold, and shows another")
        return True

    def locked(self, address: Address) -> str:
        """The lock of any version that has one that stands."""
        found = (self.bucket.locked(address.path, version.id) for version in self.bucket.kept(address.path).versions)
        return next(filter(None, found), "")

    def put_named(self, name: str, data: bytes) -> None:
        """Stores something under a name where nothing is yet, and looks whether it came first."""
        found = self.named(name)
        if found is None:
            self.bucket.send(name, data)
            found = self.named(name)
        if found != data:
            raise taken(f"{self.name}/{name}")

    def named(self, name: str) -> bytes | None:
        """What is stored under a name, in its oldest version; None if there is nothing."""
        versions = self.bucket.kept(name).versions
        if not versions:
            return None
        oldest = versions[-1]
        if oldest.size > MAX_NAMED:
            raise swollen(f"{self.name}/{name}")
        return self.bucket.fetch(name, oldest.id, 0, oldest.size) if oldest.size else b""

    def _counting(self, address: Address) -> Version | None:
        """The version that is the object: the oldest of its size, and of several the oldest with its bytes.

        What the server calls their contents says nothing: where a disk has failed, it is what was sent once.
        """
        found = [v for v in reversed(self.bucket.kept(address.path).versions) if v.size == address.size]
        if len(found) < 2:
            return next(iter(found), None)
        return next((version for version in found if self._is(address, version)), found[0])

    def _is(self, address: Address, version: Version) -> bool:
        """Are these the bytes of the address?"""
        if (address, version.id) in self._right:
            return True
        reader = S3Reader(self.bucket, address.path, version)
        if address_of_pieces(reader.read(at, AHEAD) for at in range(0, address.size, AHEAD)) != address:
            return False
        self._right.add((address, version.id))
        return True

    def _require(self, address: Address) -> Version:
        version = self._counting(address)
        if version is None:
            raise MissingError("archive/missing", f"{self.name}/{address.path}: there is no such object", hint=LOST)
        return version

    def _ignored(self, address: Address, what: str) -> ArchiveError:
        hint = "attest archive probe says what this store does"
        return ArchiveError("archive/store", f"{self.name}/{address.path}: {what}", hint=hint)


def open_s3(url: str) -> S3Objects:
    """The store s3://bucket or s3://bucket/prefix, whose bucket is there and keeps versions. Raises ArchiveError."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ArchiveError(
            "archive/store", f"{url[:300]!r} is no store", hint="write s3://bucket or s3://bucket/prefix"
        )
    bucket = Bucket(found[1], f"{found[2][1:]}/" if found[2] else "")
    if bucket.ask("get_bucket_versioning", "").get("Status") != "Enabled":
        hint = "make the bucket with Object Lock, which brings versions, or turn versioning on"
        raise ArchiveError("archive/store", f"the bucket {bucket.bucket} keeps no versions", hint=hint)
    return S3Objects(bucket)
