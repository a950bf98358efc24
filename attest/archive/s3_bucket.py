"""Requests about keys of a bucket below a prefix: what an S3 server lists, sends, takes, removes and locks.

Every request about what is there names a version. What a server says that it has done is not asked here: whoever
depends on it looks (attest.archive.s3). Errors are those of attest.archive.s3_client.
"""

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from attest.archive.s3_client import ATTEMPTS, connect, failures
from attest.errors import ArchiveError, MissingError

PART: Final = 1 << 23  # bytes in one request, unless an object is so large that it needs larger parts
MAX_PARTS: Final = 10_000  # of one object, on any server
COMPLIANCE: Final = "COMPLIANCE"


class Version(NamedTuple):
    """Its id, its size in bytes, and what the server calls its contents: the same for two that were sent alike."""

    id: str
    size: int
    tag: str


class Kept(NamedTuple):
    """What a server lists under one key: versions, the newest first, and ids of markers of deletion."""

    path: str
    versions: tuple[Version, ...]
    markers: tuple[str, ...]


class Lock(NamedTuple):
    """What locks a version: the mode of its retention and its end (Unix s, 0 without), a legal hold."""

    mode: str
    until: int
    held: bool


class Bucket:
    """A bucket and a prefix, which is empty or ends in a slash; these two are what is pickled."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._client: tuple[int, Any] = (0, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.bucket, self.prefix)

    @property
    def name(self) -> str:
        """s3://bucket/prefix."""
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")

    def where(self, path: str) -> str:
        """What to call a key, or the bucket itself, in an error."""
        return f"{self.name}/{path}" if path else self.name

    @property
    def client(self) -> Any:
        """One for each process: connections cannot be shared with a child."""
        process, client = self._client
        if process != os.getpid():
            client = connect()
            self._client = (os.getpid(), client)
        return client

    def ask(self, operation: str, path: str, **more: Any) -> Any:
        """One request about a key, or about the bucket where `path` is empty."""
        key = {"Key": self.prefix + path} if path else {}
        with failures(self.where(path)):
            return getattr(self.client, operation)(Bucket=self.bucket, **key, **more)

    def listed(self, prefix: str) -> Iterator[Kept]:
        """All that is kept under keys that begin so, in order."""
        for key, group in groupby(self._items(prefix), itemgetter("Key")):
            items = list(group)
            versions = tuple(Version(i["VersionId"], i["Size"], i["ETag"]) for i in items if "Size" in i)
            markers = tuple(i["VersionId"] for i in items if "Size" not in i)
            yield Kept(key.removeprefix(self.prefix), versions, markers)

    def kept(self, path: str) -> Kept:
        """What is kept under one key."""
        first = next(self.listed(path), None)  # of the keys that begin so, the key itself comes first
        return first if first is not None and first.path == path else Kept(path, (), ())

    def fetch(self, path: str, version: str, begin: int, end: int) -> bytes:
        """The bytes of a version in [begin, end), which are some. Raises MissingError where there is no version."""
        left = ATTEMPTS
        while True:
            left -= 1
            try:
                got = self._got(path, version, begin, end)
                break
            except ArchiveError as error:  # boto3 does not ask again for a body that breaks off
                if error.code != "archive/unreachable" or not left:
                    raise
        if len(got) != end - begin:
            detail = f"{self.where(path)}: asked for {end - begin:,} bytes, the server sent {len(got):,}"
            raise ArchiveError("archive/store", detail, hint="use a server that answers requests for a range of bytes")
        return got

    def send(self, path: str, data: bytes) -> None:
        """A new version in one request."""
        self.ask("put_object", path, Body=data, ContentMD5=_md5(data))

    def send_parts(self, path: str, size: int, pieces: Iterable[bytes]) -> None:
        """A new version of so many bytes in several requests; there is none if `pieces` raises."""
        upload = self.ask("create_multipart_upload", path)["UploadId"]
        sent: list[dict[str, Any]] = []
        with ExitStack() as undo:
            undo.callback(self._abort, path, upload)
            for part in _parts(pieces, max(PART, -(-size // MAX_PARTS))):
                number = len(sent) + 1
                more = {"UploadId": upload, "PartNumber": number, "Body": part, "ContentMD5": _md5(part)}
                sent.append({"PartNumber": number, "ETag": self.ask("upload_part", path, **more)["ETag"]})
            self.ask("complete_multipart_upload", path, UploadId=upload, MultipartUpload={"Parts": sent})
            undo.pop_all()

    def delete(self, path: str, version: str) -> None:
        """Removes one version. Raises ArchiveError `archive/locked` where a lock is why it cannot be."""
        try:
            self.ask("delete_object", path, VersionId=version)
        except ArchiveError as error:
            if error.code == "archive/unreachable":
                raise
            why = self.locked(path, version)
            if not why:
                raise
            hint = "it can be removed when that has ended"
            raise ArchiveError("archive/locked", f"{self.where(path)} is locked by {why}", hint=hint) from error

    def locked(self, path: str, version: str) -> str:
        """What locks a version now, in words; "" for nothing."""
        lock = self.lock(path, version)
        if lock.held:
            return "a legal hold"
        if lock.until <= datetime.now(UTC).timestamp():
            return ""
        return f"its retention until {datetime.fromtimestamp(lock.until, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def lock(self, path: str, version: str) -> Lock:
        """What locks a version."""
        found = self.ask("head_object", path, VersionId=version)
        until = found.get("ObjectLockRetainUntilDate")
        held = found.get("ObjectLockLegalHoldStatus") == "ON"
        return Lock(found.get("ObjectLockMode", ""), int(until.timestamp()) if until else 0, held)

    def retain(self, path: str, version: str, until: int, *, mode: str = COMPLIANCE, bypass: bool = False) -> None:
        """Sets the retention of a version; `bypass` is to get past one of mode GOVERNANCE."""
        retention = {"Mode": mode, "RetainUntilDate": datetime.fromtimestamp(until, UTC)}
        more = {"BypassGovernanceRetention": True} if bypass else {}
        self.ask("put_object_retention", path, VersionId=version, Retention=retention, **more)

    def hold(self, path: str, version: str, on: bool) -> None:
        """Sets or lifts the legal hold of a version."""
        self.ask("put_object_legal_hold", path, VersionId=version, LegalHold={"Status": "ON" if on else "OFF"})

    def _items(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Versions and markers in order of their keys; the versions of a key as the server orders them."""
        with failures(self.name):
            pages = self.client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                yield from sorted([*page.get("Versions", ()), *page.get("DeleteMarkers", ())], key=itemgetter("Key"))

    def _got(self, path: str, version: str, begin: int, end: int) -> bytes:
        answer = self.ask("get_object", path, VersionId=version, Range=f"bytes={begin}-{end - 1}")
        got, most = bytearray(), end - begin + 1  # read to its end, a body that is cut short is an error
        with failures(self.where(path)), closing(answer["Body"]) as body:
            while len(got) < most and (piece := body.read(most - len(got))):
                got += piece
        return bytes(got)

    def _abort(self, path: str, upload: str) -> None:
        with suppress(ArchiveError, MissingError):  # what is left of it then is the bucket's lifecycle's to remove
            self.ask("abort_multipart_upload", path, UploadId=upload)


def _parts(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in parts of one size, but for the last."""
    held: list[bytes] = []
    room = size
    for piece in pieces:
        while len(piece) >= room:
            held.append(piece[:room])
            piece, room = piece[room:], size
            yield b"".join(held)
            held.clear()
        held.append(piece)
        room -= len(piece)
    if room < size:
        yield b"".join(held)


def _md5(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
