"""Judging what is in the archive: the verdict on a delivery, from the store alone."""

from collections.abc import Iterable
from typing import NamedTuple

from attest.acts import Paper
from attest.agreement import Agreement, SignedAgreement, verify_agreement
from attest.archive.address import Address
from attest.archive.intake import there
from attest.archive.manifest import Manifest
from attest.archive.objects import Objects
from attest.archive.stored import StoredBundle, read_whole
from attest.check import Map, check
from attest.errors import AttestError, MissingError
from attest.log.tiles import CHECKPOINT
from attest.report.verdict import as_json
from attest.trust.pins import Trust, parse_trust
from attest.verdict import Outcome, as_data

UNJUDGED = "unjudged"


class Judged(NamedTuple):
    """The outcome in a word, the verdict's JSON if there is one, and why there is none."""

    outcome: str
    verdict: bytes | None = None
    why: AttestError | None = None


def judge(objects: Objects, manifest: Manifest, at: int, map_: Map = map) -> Judged:
    """The verdict on a delivery at a time (Unix s). Bad evidence is in the verdict; an agreement or trust file that
    cannot be read leaves the delivery unjudged.

    So does an object that is not what was stored, unless the delivery holds all the same: what a store does to evidence
    is said of nobody who delivered it. Checkpoints are looked at first: another one in their place, signed and older,
    would be judged in place of what was delivered, and everything else a log has hangs on them.
    """
    heads = {
        part for copy in manifest.copies for file in copy.files if file.path == CHECKPOINT for part in file.objects
    }
    try:
        _require_whole(objects, heads)
        signed, trust, papers = documents_of(objects, manifest)
        bundles = [StoredBundle(objects, copy) for copy in manifest.copies]
        verdict = check(bundles, signed, trust, at=at, map=map_, papers=papers)
        if verdict.outcome is not Outcome.HOLDS:
            _require_whole(objects, manifest.objects())
    except AttestError as error:
        return Judged(UNJUDGED, None, error)
    return Judged(verdict.outcome.value, as_json(as_data(verdict)).encode())


def _require_whole(objects: Objects, addresses: Iterable[Address]) -> None:
    for address in sorted(addresses):
        if there(objects, address) != address:
            detail = f"{objects.name}/{address.path} is not what was stored, so that the delivery cannot be judged"
            raise MissingError("archive/changed", detail, hint="attest archive fixity says what mends it")


def agreement_of(objects: Objects, manifest: Manifest) -> Agreement | None:
    """The agreement of a delivery, None if none can be read."""
    try:
        return documents_of(objects, manifest)[0].agreement
    except AttestError:
        return None


def documents_of(objects: Objects, manifest: Manifest) -> tuple[SignedAgreement, Trust | None, list[Paper]]:
    """The agreement, the trust file and the events of a delivery. Raises what reading them raises."""
    found: dict[str, list[bytes]] = {"agreement": [], "event": [], "trust": []}
    for document in manifest.documents:
        found[document.role].append(read_whole(objects, document.whole))
    if not found["agreement"]:
        raise MissingError("archive/no-agreement", "the delivery came without an agreement")
    signed = verify_agreement(found["agreement"][0])
    trust = parse_trust(found["trust"][0]) if found["trust"] else None
    return signed, trust, [Paper(data) for data in found["event"]]
