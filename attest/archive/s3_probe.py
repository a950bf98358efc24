"""What an S3 server really prevents (attest.archive.probe).

Canaries are retained for KEEP seconds only, and go with the clean-up of a later probe. A retention that may have ended
by the server's clock, which may be SKEW seconds ahead (more, and no request is accepted), proves nothing.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from attest.archive.address import Address, address_of
from attest.archive.attempts import ALLOWED, PLACE, PREVENTED, UNTRIED, Tried, tried
from attest.archive.s3 import S3Objects
from attest.archive.s3_bucket import COMPLIANCE, Bucket
from attest.errors import ArchiveError, MissingError
from attest.report.style import utc

KEEP: Final = 1_800  # seconds
SKEW: Final = 900
SHORTER: Final = 600  # seconds that `shorten` takes off

_NO_LOCK: Final = "the bucket has no Object Lock"


class _Canary(NamedTuple):
    address: Address
    version: str
    data: bytes
    until: int  # Unix s; 0: no retention

    @property
    def path(self) -> str:
        return self.address.path


class _Attempt(NamedTuple):
    """`lock` is what the canary has; `act` is tried, and then `kept` says whether it came to nothing."""

    name: str
    lock: str
    act: Callable[[Bucket, _Canary], None]
    kept: Callable[[Bucket, _Canary], bool]


def probe_bucket(store: S3Objects, clock: Callable[[], int]) -> list[Tried]:
    """Tries all of it. Raises ArchiveError where a canary cannot be stored or seen."""
    spot = store.below(f"{PLACE}/{secrets.token_hex(8)}")
    found = [_tried(spot, attempt, clock) for attempt in _ATTEMPTS]
    return [*found, _clean(store.below(PLACE).bucket, clock() + KEEP)]


def _tried(spot: S3Objects, attempt: _Attempt, clock: Callable[[], int]) -> Tried:
    if not spot.locks and attempt.lock in ("hold", "only retention"):
        return Tried(attempt.name, UNTRIED, _NO_LOCK)
    data = secrets.token_bytes(64)
    address = address_of(data)
    until = clock() + KEEP if spot.locks and "retention" in attempt.lock else 0
    canary = _Canary(address, spot.put(address, lambda: [data]).version, data, until)
    try:
        if until:
            spot.retain(address, until)
        elif attempt.lock == "hold":
            spot.hold(address, True)
    except ArchiveError as error:
        return Tried(attempt.name, UNTRIED, f"no canary could be locked: {error.detail}")
    try:
        attempt.act(spot.bucket, canary)
        refused = ""
    except (ArchiveError, MissingError) as error:
        refused = error.detail.removeprefix(f"{spot.bucket.where(canary.path)}: ")
    kept = attempt.kept(spot.bucket, canary)
    if not kept and until and clock() > until - SKEW:
        return Tried(attempt.name, UNTRIED, "it took so long that the canary's retention may have ended")
    return tried(attempt.name, kept, refused)


def _clean(bucket: Bucket, until: int) -> Tried:
    for kept in list(bucket.listed("")):
        for version in (*(version.id for version in kept.versions), *kept.markers):
            with suppress(ArchiveError, MissingError):
                bucket.hold(kept.path, version, False)
            with suppress(ArchiveError, MissingError):
                bucket.delete(kept.path, version)
    left = sum(1 for _ in bucket.listed(""))
    if left:
        return Tried("clean-up", PREVENTED, f"{left} canaries stay for now; after {utc(until)} a probe can remove them")
    return Tried("clean-up", ALLOWED, "no canary is left")


def _overwrite(bucket: Bucket, canary: _Canary) -> None:
    bucket.send(canary.path, secrets.token_bytes(len(canary.data)))


def _delete(bucket: Bucket, canary: _Canary) -> None:
    bucket.ask("delete_object", canary.path)


def _delete_version(bucket: Bucket, canary: _Canary) -> None:
    bucket.ask("delete_object", canary.path, VersionId=canary.version)


def _delete_bulk(bucket: Bucket, canary: _Canary) -> None:
    one = {"Key": bucket.prefix + canary.path, "VersionId": canary.version}
    for error in bucket.ask("delete_objects", "", Delete={"Objects": [one]}).get("Errors", ()):
        raise ArchiveError("archive/denied", f"the server says {error.get('Code', '')}")


def _delete_bypass(bucket: Bucket, canary: _Canary) -> None:
    bucket.ask("delete_object", canary.path, VersionId=canary.version, BypassGovernanceRetention=True)


def _shorten(bucket: Bucket, canary: _Canary) -> None:
    _both(lambda bypass: bucket.retain(canary.path, canary.version, canary.until - SHORTER, bypass=bypass))


def _mode(bucket: Bucket, canary: _Canary) -> None:
    _both(lambda bypass: bucket.retain(canary.path, canary.version, canary.until, mode="GOVERNANCE", bypass=bypass))


def _both(act: Callable[[bool], None]) -> None:
    """Without the flag, which not everybody may use, and with it."""
    with suppress(ArchiveError):
        act(False)
    act(True)


def _lift(bucket: Bucket, canary: _Canary) -> None:
    bucket.hold(canary.path, canary.version, False)


def _create(bucket: Bucket, canary: _Canary) -> None:
    bucket.ask("put_object", canary.path, Body=b"again", IfNoneMatch="*")


def _intact(bucket: Bucket, canary: _Canary) -> bool:
    try:
        return bucket.fetch(canary.path, canary.version, 0, len(canary.data)) == canary.data
    except MissingError:
        return False


def _retained(bucket: Bucket, canary: _Canary) -> bool:
    lock = bucket.lock(canary.path, canary.version)
    return lock.mode == COMPLIANCE and lock.until >= canary.until


def _held(bucket: Bucket, canary: _Canary) -> bool:
    return bucket.lock(canary.path, canary.version).held


def _alone(bucket: Bucket, canary: _Canary) -> bool:
    return len(bucket.kept(canary.path).versions) == 1


_ATTEMPTS: Final = (
    _Attempt("overwrite", "retention", _overwrite, _intact),
    _Attempt("delete", "retention", _delete, _intact),
    _Attempt("delete-version", "retention", _delete_version, _intact),
    _Attempt("delete-bulk", "retention", _delete_bulk, _intact),
    _Attempt("delete-bypass", "only retention", _delete_bypass, _intact),
    _Attempt("shorten", "only retention", _shorten, _retained),
    _Attempt("mode", "only retention", _mode, _retained),
    _Attempt("delete-held", "hold", _delete_version, _intact),
    _Attempt("lift-hold", "hold", _lift, _held),
    _Attempt("create-again", "", _create, _alone),
)
