"""An archive over twenty years: what it stamped and renewed shows what existed when, and what it did not does not."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from attest.archive import deliveries
from attest.archive.address import Address
from attest.archive.fixity import fixity
from attest.archive.place import Archive
from attest.archive.putting import put
from attest.archive.reindex import reindex
from attest.archive.renewal_records import Revocation, Stamp, Timestamp
from attest.archive.renewal_verify import Existed, NotShown
from attest.archive.renewing import Renewed, evidence, renew_archive
from attest.errors import ArchiveError
from attest.store.inside import Inside
from tests.archive.authority import DAY, Operator, at
from tests.archive.decades import (
    N26,
    N31,
    N36,
    N42,
    NORTH,
    NORTH_35,
    NOW,
    S26,
    S31,
    S36,
    S42,
    SOUTH,
    SOUTH_35,
    STAMPED,
    lists,
    policy_of,
)
from tests.archive.papers import pact
from tests.check.world import LATER

YEAR = 365 * DAY


def asking(*operators: Operator) -> Callable[[bytes, int], Sequence[Stamp]]:
    return lambda message, time: [one.stamp(message, time) for one in operators]


def known(time: int) -> Callable[[Iterable[Timestamp], int], Revocation]:
    roots = (NORTH, SOUTH) if time < at(2040) else (NORTH_35, SOUTH_35)
    return lambda timestamps, _: lists(time, *roots)


def renewed(archive: Archive, time: int, name: str, *operators: Operator, within: int = 2 * YEAR) -> list[Renewed]:
    return renew_archive(
        archive,
        policy_of(),
        asking(*operators),
        known(time),
        name=name,
        within=within,
        actor="archivist",
        clock=lambda: time,
    )


def delivered(archive: Archive, bundle: Path, time: int) -> set[Address]:
    received = put(archive, [Inside(bundle, "")], pact(), actor="a", clock=lambda: time, at=LATER)
    with archive.index.reading() as connection:
        row = deliveries.find(connection, received.id)
        return deliveries.manifest_of(archive.objects, row).objects() | {deliveries.address(row)}


@pytest.mark.parametrize("archive", [""], indirect=True, ids=["folder"])
def test_twenty_years(archive: Archive, copies: Path) -> None:
    y26, y31, y36, y42 = STAMPED
    objects = delivered(archive, copies / "early", y26)
    (first,) = renewed(archive, y26, "sha256", N26, S26)
    assert first.new > len(objects) and (first.renewed, first.rehashed) == (0, 0)
    assert renewed(archive, y26 + DAY, "sha256", N26, S26) == []
    assert renewed(archive, y31, "sha256", N31, S31) == [Renewed("sha256", 0, 1, 0)]
    later = delivered(archive, copies / "late", y31)
    (again,) = renewed(archive, y36, "sha512", N36, S36, within=5 * YEAR)
    assert again.rehashed == first.new - 1 and again.new > 0  # all but the head of 2026, which newer ones contain
    (last,) = renewed(archive, y42, "sha512", N42, S42, within=3 * YEAR)
    assert last.renewed == 1
    for found in evidence(archive, objects, policy_of(), NOW):
        assert isinstance(found, Existed) and found.since == y26
    for found in evidence(archive, later - objects, policy_of(), NOW):
        assert isinstance(found, Existed) and found.since == y36
    assert fixity(archive).flaws == ()
    reindex(archive)
    assert all(isinstance(found, Existed) for found in evidence(archive, objects, policy_of(), NOW))


@pytest.mark.parametrize("archive", [""], indirect=True, ids=["folder"])
def test_what_was_never_renewed_says_so(archive: Archive, copies: Path) -> None:
    objects = delivered(archive, copies / "early", STAMPED[0])
    assert {type(found) for found in evidence(archive, objects, policy_of(), NOW)} == {NotShown}
    renewed(archive, STAMPED[0], "sha256", N26, S26)
    for found in evidence(archive, objects, policy_of(), NOW):
        assert isinstance(found, NotShown)
        assert "renewal/lapsed" in {finding.code for finding in found.findings}
    for found in evidence(archive, objects, policy_of(), at(2028)):
        assert isinstance(found, Existed) and found.since == STAMPED[0]


@pytest.mark.parametrize("archive", [""], indirect=True, ids=["folder"])
def test_what_was_renewed_too_late_is_shown_from_then_on(archive: Archive, copies: Path) -> None:
    objects = delivered(archive, copies / "early", STAMPED[0])
    renewed(archive, STAMPED[0], "sha512", N26, S26)
    (late,) = renewed(archive, STAMPED[2], "sha512", N36, S36)
    assert late.renewed == 1
    for found in evidence(archive, objects, policy_of(), at(2041)):
        assert isinstance(found, Existed) and found.since == STAMPED[2]
        assert "renewal/late" in {finding.code for finding in found.findings}


@pytest.mark.parametrize("archive", [""], indirect=True, ids=["folder"])
def test_a_weak_or_unknown_hash_stamps_nothing(archive: Archive) -> None:
    for name in ("md5", "sha256"):
        with pytest.raises(ArchiveError, match="renewal/hash"):
            renewed(archive, at(2041), name, N42, S42)
