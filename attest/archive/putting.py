"""Taking a delivery in: stored first, recorded, compared with what is known of its logs, and only then judged.

Whatever ends the process, what was recorded is stored. The same delivery put again stores nothing and is judged anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from sqlalchemy import Connection

from attest import __version__
from attest.archive import deliveries
from attest.archive.address import Address, address_of
from attest.archive.custody import Session, line
from attest.archive.forks import format_fork
from attest.archive.intake import Intake
from attest.archive.judging import Judged, agreement_of, judge
from attest.archive.manifest import Copy, Document, Manifest, format_manifest, parse_manifest, require_name
from attest.archive.mending import doubting, mended
from attest.archive.place import KEYS, Archive
from attest.archive.retention import lock_again
from attest.archive.standing import Standing, standing_of
from attest.archive.stored import StoredBundle, read_whole
from attest.check import Map
from attest.errors import EvidenceError, MissingError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import MAX_NOTE, parse_note
from attest.log.tiles import CHECKPOINT
from attest.report.style import utc
from attest.store.inside import Inside

ITSELF: Final = "name the folder that holds the copy of a log"


class Paper(NamedTuple):
    """A file beside the bundles: agreement, event or trust."""

    role: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Received:
    """What became of a delivery: its id, what was new in it, what of it was mended in the store, how each copy stands,
    and the verdict."""

    id: str
    objects: int
    size: int
    repaired: int
    standings: tuple[tuple[str, Standing], ...]
    judged: Judged | None = None

    def with_verdict(self, judged: Judged) -> Self:
        """The same, judged."""
        return replace(self, judged=judged)


def put(
    archive: Archive,
    bundles: Sequence[Inside],
    papers: Sequence[Paper],
    *,
    actor: str,
    clock: Callable[[], int],
    at: int | None = None,
    map_: Map = map,
) -> Received:
    """Takes a delivery in and judges it, at the time `at` or as of now. Raises MissingError for what cannot be read."""
    received, manifest = receive(archive, bundles, papers, actor=actor, clock=clock)
    time = clock() if at is None else at
    judged = record_verdict(archive, received.id, manifest, time, "put", actor=actor, clock=clock, map_=map_)
    return received.with_verdict(judged)


def receive(
    archive: Archive, bundles: Sequence[Inside], papers: Sequence[Paper], *, actor: str, clock: Callable[[], int]
) -> tuple[Received, Manifest]:
    """Stores a delivery and records it, unjudged.

    Raises MalformedError for a paper's name that no manifest can say, and MissingError `archive/itself` for a folder
    that the archive's keys are in.
    """
    keys = archive.path.resolve() / KEYS
    for bundle in bundles:
        if keys.is_relative_to(bundle.path.resolve()):
            raise MissingError("archive/itself", f"{bundle.path} holds the archive and its keys", hint=ITSELF)
    titles = [require_name(title) for title in _different([paper.name for paper in papers])]
    while True:
        with archive.index.reading() as connection:
            epoch = deliveries.last_expiry(connection)
            earlier = [_earlier(connection, archive, bundle) for bundle in bundles]
        intake = doubting(archive)
        named = zip(_different([bundle.name for bundle in bundles]), bundles, earlier, strict=True)
        copies = tuple(intake.copy(bundle, name, before) for name, bundle, before in named)
        documents = (Document(p.role, name, intake.document(p.data)) for p, name in zip(papers, titles, strict=True))
        manifest = Manifest(copies, tuple(documents))
        received = record(archive, manifest, intake, "put", {}, actor=actor, clock=clock, epoch=epoch)
        if received is not None:
            return received, manifest


def record(
    archive: Archive,
    manifest: Manifest,
    intake: Intake,
    action: str,
    details: Mapping[str, str | int],
    *,
    actor: str,
    clock: Callable[[], int],
    epoch: int,
) -> Received | None:
    """Stores the manifest of a delivery whose objects are stored, records it, and how its copies stand.

    None if anything was removed after the entry `epoch`: what was there already, and so not stored again, may be gone.
    Raises MalformedError for a manifest that nobody could read.
    """
    data = format_manifest(manifest)
    parse_manifest(data)
    address = intake.document(data)
    id_ = address.sha256.hex()
    with archive.custody.session(intake.versions) as session:
        if deliveries.last_expiry(session.connection) != epoch:
            return None
        mend = mended(archive, session, intake)
        said = {"delivery": id_, "objects": intake.objects, "bytes": intake.size, **mend.details, **details}
        session.record(action, actor, {"manifest": address, **mend.objects}, said, clock())
        lock_again(archive, session.connection, {repair.address for repair in mend.repairs}, clock())
        standings = _compare(archive, session, address, manifest, actor, clock)
    return Received(id_, intake.objects, intake.size, len(mend.repairs), standings)


def record_verdict(
    archive: Archive,
    id_: str,
    manifest: Manifest,
    at: int,
    cause: str,
    *,
    actor: str,
    clock: Callable[[], int],
    map_: Map = map,
) -> Judged:
    """Judges a delivery, stores the verdict and records it."""
    judged, intake = judge(archive.objects, manifest, at, map_), doubting(archive)
    address = address_of(format_manifest(manifest))
    objects = {"manifest": address}
    details: dict[str, str | int] = {
        "delivery": id_,
        "outcome": judged.outcome,
        "at": utc(at),
        "verifier": __version__,
        "cause": cause,
    }
    if judged.verdict is not None:
        objects["verdict"] = intake.document(judged.verdict)
    if judged.why is not None:
        details |= {"code": judged.why.code, "detail": line(str(judged.why))}
    with archive.custody.session(intake.versions) as session:
        mend = mended(archive, session, intake)
        session.record("verdict", actor, {**objects, **mend.objects}, {**details, **mend.details}, clock())
    return judged


def _compare(
    archive: Archive, session: Session, address: Address, manifest: Manifest, actor: str, clock: Callable[[], int]
) -> tuple[tuple[str, Standing], ...]:
    intake = Intake(archive.objects)

    def earlier(delivery: str, name: str) -> StoredBundle | None:
        copy = deliveries.copy_of(session.connection, archive.objects, delivery, name)
        return None if copy is None else StoredBundle(archive.objects, copy)

    def note_of(n: int) -> bytes:
        head = archive.custody.object_of(n, "head")
        if head is None:
            raise MissingError("archive/missing", f"entry {n} of the custody log names no head")
        return read_whole(archive.objects, head)

    agreement = agreement_of(archive.objects, manifest)
    found = []
    for copy in manifest.copies:
        bundle = StoredBundle(archive.objects, copy)
        standing = standing_of(session.connection, bundle, agreement, earlier, note_of)
        said = {"delivery": address.sha256.hex(), "name": copy.name, **standing.details()}
        named = {"manifest": address}
        if standing.note is not None:
            named["head"] = intake.document(standing.note)
        session.record("standing", actor, named, said, clock())
        if standing.fork is not None and standing.head is not None:
            proof = intake.document(format_fork(standing.fork))
            against = {"origin": standing.head.origin, "against": standing.against or ""}
            said = {"delivery": address.sha256.hex(), **against}
            session.record("fork", actor, {"manifest": address, "proof": proof}, said, clock())
        found.append((copy.name, standing))
    return tuple(found)


def _earlier(connection: Connection, archive: Archive, bundle: Inside) -> Copy | None:
    """The newest copy of what says to be the same log, to share objects with; nothing is believed for it."""
    try:
        note = next(bundle.pieces(CHECKPOINT), b"")[: MAX_NOTE + 1]
        origin = parse_checkpoint(parse_note(note).text).origin
    except (EvidenceError, MissingError):
        return None
    return deliveries.newest_copy(connection, archive.objects, origin)


def _different(given: Sequence[str]) -> list[str]:
    """Names as they were given, made different where two are the same."""
    names: list[str] = []
    for each in given:
        name, number = each, 2
        while name in names:
            name, number = f"{each}-{number}", number + 1
        names.append(name)
    return names
