"""Who may write to the store and has none of the archive's keys does nothing in its name."""

from collections.abc import Callable

import pytest

from attest.archive import deliveries, retention
from attest.archive.custody import ENTRIES_AT, numbered
from attest.archive.place import Archive
from attest.archive.reindex import dump, reindex
from attest.errors import ArchiveError
from attest.format.custody import CustodyBody, CustodyObject
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW
from tests.archive.vandal import flip, spoil, vandal_of

STRANGER = seeded_key("stranger")
CLOCK: Callable[[], int] = lambda: NOW  # noqa: E731


def size_of(archive: Archive) -> int:
    with archive.index.reading() as connection:
        return archive.custody.catch_up(connection)


def release(archive: Archive, delivery: str, signer: Signer, n: int, *, prev: bytes | None = None) -> bytes:
    """An entry that lifts the hold of a case, as somebody would have it."""
    with archive.index.reading() as connection:
        address = deliveries.address(deliveries.find(connection, delivery))
    entries = [archive.objects.named(numbered(ENTRIES_AT, number)) or b"" for number in (0, n - 1)]
    log, before = map(leaf_hash, entries)
    body = CustodyBody(
        "release", "carol", (CustodyObject("manifest", *address),), (("case", "1"), ("delivery", delivery))
    )
    statement = Statement(Kind.CUSTODY, log, n, prev or before, NOW, NOW, None, body)
    header = header_for(signer, archive.named.iss, archive.named.office)
    return sign_statement(header, statement, signer)


def _stranger(archive: Archive, id_: str, n: int) -> bytes:
    return release(archive, id_, STRANGER, n)


def _elsewhere(archive: Archive, id_: str, n: int) -> bytes:
    assert archive.custody.keys is not None
    return release(archive, id_, archive.custody.keys.office, n, prev=bytes(32))


def _unsigned(archive: Archive, id_: str, n: int) -> bytes:
    assert archive.custody.keys is not None
    entry = release(archive, id_, archive.custody.keys.office, n)
    return entry[:-1] + bytes([entry[-1] ^ 1])


def _again(archive: Archive, id_: str, n: int) -> bytes:
    return archive.objects.named(numbered(ENTRIES_AT, n - 1)) or b""


def _garbage(archive: Archive, id_: str, n: int) -> bytes:
    return b"nothing"


@pytest.mark.parametrize("forge", [_stranger, _elsewhere, _unsigned, _again, _garbage])
def test_what_the_office_did_not_sign_there_is_no_entry(
    deliverer: Deliverer, forge: Callable[[Archive, str, int], bytes]
) -> None:
    received, archive = deliverer.put("early"), deliverer.archive
    retention.hold(archive, received.id, "1", actor="a", clock=CLOCK)
    n = size_of(archive)
    before = dump(archive.index)
    archive.objects.put_named(numbered(ENTRIES_AT, n), forge(archive, received.id, n))
    for act in (lambda: retention.hold(archive, received.id, "2", actor="a", clock=CLOCK), lambda: reindex(archive)):
        with pytest.raises(ArchiveError, match="archive/forged") as error:
            act()
        assert numbered(ENTRIES_AT, n) in str(error.value)
    assert dump(archive.index) == before
    vandal_of(archive).lose(numbered(ENTRIES_AT, n))
    retention.hold(archive, received.id, "2", actor="a", clock=CLOCK)
    with archive.index.reading() as connection:
        assert retention.holds(connection, received.id) == ["1", "2"]


def test_an_index_is_not_made_of_changed_entries(deliverer: Deliverer) -> None:
    received, archive = deliverer.put("early"), deliverer.archive
    retention.hold(archive, received.id, "2026/117", actor="a", clock=CLOCK)
    before = dump(archive.index)
    name = numbered(ENTRIES_AT, size_of(archive) - 1)
    kept = vandal_of(archive).read(name)
    spoil(archive, name, lambda data: data.__setitem__(data.index(b"2026/117"), ord("3")))
    assert parse_statement(vandal_of(archive).read(name))
    with pytest.raises(ArchiveError, match="archive/forged"):
        reindex(archive)
    vandal_of(archive).write(name, kept)
    spoil(archive, numbered(ENTRIES_AT, 0), flip)
    with pytest.raises(ArchiveError, match="archive/forged"):
        reindex(archive)
    assert dump(archive.index) == before
