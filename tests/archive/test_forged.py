"""Who may write to the store and has none of the archive's keys does nothing in its name."""

from collections.abc import Callable

import pytest

from attest.archive import deliveries, retention
from attest.archive.custody import ENTRIES_AT, numbered
from attest.archive.objects import MAX_NAMED
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
from tests.cli.sandbox import run

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


def _link(archive: Archive, name: str) -> None:
    (archive.path / name).symlink_to("/dev/null")


def _folder(archive: Archive, name: str) -> None:
    (archive.path / name).mkdir()


def _large(archive: Archive, name: str) -> None:
    (archive.path / name).write_bytes(bytes(MAX_NAMED + 1))


def _file(archive: Archive, name: str) -> None:
    (archive.path / name).write_bytes(b"nothing")


@pytest.mark.parametrize("archive", [""], indirect=True, ids=["a folder"])
@pytest.mark.parametrize("plant", [_link, _folder, _large, _file])
@pytest.mark.parametrize("last", [False, True], ids=["next", "last"])
def test_fixity_tells_what_is_wrong_whatever_lies_in_the_place_of_an_entry(
    deliverer: Deliverer, plant: Callable[[Archive, str], None], last: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where nobody can enter anything any more."""
    deliverer.put("early")
    archive = deliverer.archive
    broken = max(archive.objects.walk(), key=lambda found: found.size).path
    spoil(archive, broken, flip)
    name = numbered(ENTRIES_AT, size_of(archive) - last)
    if last:
        vandal_of(archive).lose(name)
    plant(archive, name)
    assert run(f"archive fixity {archive.path}") == (5 if last else 6)
    captured = capsys.readouterr()
    told = {line.split()[1]: line.split()[0] for line in captured.out.splitlines() if line.split()[1:]}
    assert told[broken] == "changed"
    if plant is not _folder:
        assert told[name] == ("changed" if last else "untracked")
    assert last or name in captured.err


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
