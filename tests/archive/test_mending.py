"""A delivery that is put again mends what the store has changed or lost of it, once fixity has found that."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from attest.archive import deliveries, putting, retention
from attest.archive.address import Address
from attest.archive.bagging import take_bag, write_delivery
from attest.archive.entries import entries_of
from attest.archive.fixity import fixity, record_fixity
from attest.archive.flaws import Flaw
from attest.archive.manifest import File
from attest.archive.putting import Received
from attest.archive.reindex import dump, reindex
from attest.archive.s3 import S3Objects
from attest.archive.stored import read_whole
from attest.archive.tables import FLAWS
from attest.errors import MissingError
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW
from tests.archive.test_objects import YEAR
from tests.archive.vandal import flip, spoil, vandal_of
from tests.check.world import LATER
from tests.cli.sandbox import run

CLOCK: Callable[[], int] = lambda: NOW  # noqa: E731


def looked(deliverer: Deliverer, share: float = 1.0) -> tuple[Flaw, ...]:
    """What fixity finds, which is entered."""
    found = fixity(deliverer.archive, share=share)
    record_fixity(deliverer.archive, found, share, actor="a", clock=CLOCK)
    return found.flaws


def files(deliverer: Deliverer, received: Received) -> list[File]:
    with deliverer.archive.index.reading() as connection:
        row = deliveries.find(connection, received.id)
        return list(deliveries.manifest_of(deliverer.archive.objects, row).copies[0].files)


def part(deliverer: Deliverer, received: Received) -> Address:
    """The first part of the file that a log that has grown keeps in two."""
    grown = (file for file in files(deliverer, received) if len(file.parts) == 2)
    return max(file.parts[0] for file in grown)


def lose(deliverer: Deliverer, address: Address) -> None:
    vandal_of(deliverer.archive).lose(address.path)


def change(deliverer: Deliverer, address: Address) -> None:
    spoil(deliverer.archive, address.path, flip)


def require_sound(deliverer: Deliverer) -> None:
    assert looked(deliverer) == ()
    same = dump(deliverer.archive.index)
    reindex(deliverer.archive)
    assert dump(deliverer.archive.index) == same


def last(deliverer: Deliverer, action: str) -> tuple[int, dict[str, str | int]]:
    with deliverer.archive.index.reading() as connection:
        entry = [entry for entry in entries_of(connection, None) if entry["action"] == action][-1]
    return entry["entry"], entry["details"]


@pytest.mark.parametrize("harm", [change, lose])
def test_what_fixity_found_is_written_anew(deliverer: Deliverer, harm: Callable[[Deliverer, Address], None]) -> None:
    received = deliverer.put("late")
    address = max((file.whole for file in files(deliverer, received)), key=lambda whole: whole.size)
    harm(deliverer, address)
    (flaw,) = looked(deliverer)
    assert flaw.deliveries == (received.id,) and flaw.address == address
    again = deliverer.put("late")
    assert (again.id, again.repaired, again.objects, again.size) == (received.id, 1, 0, 0)
    assert read_whole(deliverer.archive.objects, address)
    n, said = last(deliverer, "put")
    assert said["repaired"] == 1
    record = deliverer.archive.custody.object_of(n, "repairs")
    assert record is not None
    (told,) = json.loads(read_whole(deliverer.archive.objects, record))["objects"]
    assert told["sha256"] == address.sha256.hex() and (told["found"] is None) == (harm is lose)
    assert told["version"] == (deliverer.archive.objects.version(address) or None)
    require_sound(deliverer)
    assert deliverer.put("late").repaired == 0


def test_what_fixity_has_not_found_is_not_looked_for(deliverer: Deliverer) -> None:
    """Every put would read all that the archive has of a log."""
    received = deliverer.put("late")
    address = files(deliverer, received)[0].whole
    change(deliverer, address)
    assert deliverer.put("late").repaired == 0
    assert [flaw.path for flaw in looked(deliverer)] == [address.path]


@pytest.mark.parametrize("name", ["early", "late"])
def test_the_parts_of_a_log_that_has_grown_are_mended_by_any_copy_of_it(deliverer: Deliverer, name: str) -> None:
    ids = (deliverer.put("early").id, (late := deliverer.put("late")).id)
    address = part(deliverer, late)
    change(deliverer, address)
    (flaw,) = looked(deliverer)
    assert flaw.deliveries == ids
    assert deliverer.put(name).repaired == 1
    require_sound(deliverer)


def test_a_document_and_a_verdict_are_mended(deliverer: Deliverer) -> None:
    received = deliverer.put("late")
    with deliverer.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(deliverer.archive.objects, deliveries.find(connection, received.id))
    n, _ = last(deliverer, "verdict")
    verdict = deliverer.archive.custody.object_of(n, "verdict")
    assert verdict is not None
    for address in (manifest.documents[0].whole, verdict):
        change(deliverer, address)
    assert [flaw.deliveries for flaw in looked(deliverer) if flaw.address == verdict] == [()]
    deliverer.put("late")
    assert last(deliverer, "put")[1]["repaired"] == last(deliverer, "verdict")[1]["repaired"] == 1
    require_sound(deliverer)


def test_a_bag_mends_the_manifest_too(deliverer: Deliverer, tmp_path: Path) -> None:
    deliverer.put("early")
    late = deliverer.put("late")
    with deliverer.archive.index.reading() as connection:
        row = deliveries.find(connection, late.id)
    write_delivery(deliverer.archive, row, tmp_path / "bag")
    change(deliverer, deliveries.address(row))
    (flaw,) = looked(deliverer)
    assert flaw.deliveries == ()
    received, _ = take_bag(deliverer.archive, tmp_path / "bag", actor="a", clock=CLOCK, at=LATER)
    assert (received.id, received.repaired) == (late.id, 1)
    require_sound(deliverer)


def test_a_sample_that_missed_it_takes_nothing_back(deliverer: Deliverer) -> None:
    received = deliverer.put("late")
    address = files(deliverer, received)[0].whole
    change(deliverer, address)
    looked(deliverer)
    record_fixity(deliverer.archive, fixity(deliverer.archive)._replace(flaws=()), 0.5, actor="a", clock=CLOCK)
    assert deliverer.put("late").repaired == 1
    require_sound(deliverer)


def test_what_was_mended_by_other_means_is_taken_back(deliverer: Deliverer) -> None:
    received = deliverer.put("late")
    address, archive = files(deliverer, received)[0].whole, deliverer.archive
    vandal = vandal_of(archive)
    kept = vandal.read(address.path)
    change(deliverer, address)
    looked(deliverer)
    vandal.write(address.path, kept)
    assert deliverer.put("late").repaired == archive.objects.keeps_versions  # a version that is not on record
    require_sound(deliverer)
    with archive.index.reading() as connection:
        assert connection.execute(select(FLAWS.c.mended_n)).scalar_one() is not None


def test_who_dies_after_mending_is_followed_by_the_next(deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch) -> None:
    received = deliverer.put("late")
    address = files(deliverer, received)[0].whole
    change(deliverer, address)
    looked(deliverer)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(putting, "mended", _dies)
        deliverer.put("late")
    deliverer.put("late")
    require_sound(deliverer)


def _dies(*_: object) -> None:
    raise RuntimeError("killed")


def test_nothing_is_removed_while_a_manifest_is_lost(deliverer: Deliverer, capsys: pytest.CaptureFixture[str]) -> None:
    """An index that was made without it does not know that the delivery needs what another one shares with it."""
    early, late, archive = deliverer.put("early"), deliverer.put("late"), deliverer.archive
    retention.retain(archive, late.id, NOW, actor="a", clock=CLOCK)
    with archive.index.reading() as connection:
        change(deliverer, deliveries.address(deliveries.find(connection, early.id)))
    assert run(f"archive reindex {archive.path}") == 0
    assert "the store has lost 1 object" in capsys.readouterr().err
    assert run(f"archive list {archive.path}") == run(f"archive show {archive.path} {early.id}") == 0
    assert capsys.readouterr().out.count("unknown: the store has lost its manifest") == 2
    with pytest.raises(MissingError, match=f"archive/unknown: .*{early.id[:12]}"):
        retention.expirable(archive, NOW + 2)
    with pytest.raises(MissingError, match="archive/unknown"):
        retention.expire(archive, actor="a", clock=lambda: NOW + 2)
    looked(deliverer)
    assert deliverer.put("early").repaired == 1
    require_sound(deliverer)
    (removed,) = retention.expire(archive, actor="a", clock=lambda: NOW + 2)
    assert removed.id == late.id
    require_sound(deliverer)
    assert all(read_whole(archive.objects, each) for file in files(deliverer, early) for each in file.objects)


@pytest.mark.parametrize("archive", ["moto"], indirect=True, ids=["a bucket"])
def test_what_is_mended_in_a_bucket_is_locked_as_before(deliverer: Deliverer) -> None:
    received, archive = deliverer.put("late"), deliverer.archive
    address, store = files(deliverer, received)[0].whole, archive.objects
    assert isinstance(store, S3Objects)
    change(deliverer, address)
    bad = store.version(address)
    looked(deliverer)
    retention.retain(archive, received.id, NOW + YEAR, actor="a", clock=CLOCK)
    retention.hold(archive, received.id, "2026/117", actor="a", clock=CLOCK)
    assert deliverer.put("late").repaired == 1
    own = store.version(address)
    assert own is not None and own != bad
    assert [version.id for version in store.bucket.kept(address.path).versions] == [own, bad]
    assert store.bucket.lock(address.path, own) == ("COMPLIANCE", NOW + YEAR, True)
    require_sound(deliverer)


@pytest.mark.parametrize("archive", ["moto"], indirect=True, ids=["a bucket"])
def test_a_broken_version_on_record_beside_a_whole_one_is_found_and_replaced_on_record(deliverer: Deliverer) -> None:
    received, archive = deliverer.put("late"), deliverer.archive
    address, store = files(deliverer, received)[0].whole, archive.objects
    assert isinstance(store, S3Objects)
    data = read_whole(store, address)
    change(deliverer, address)
    reindex(archive)  # which takes what it finds
    store.bucket.send(address.path, data)
    (flaw,) = looked(deliverer)
    assert flaw.kind == "changed" and "is not what was put" in flaw.text
    assert deliverer.put("late").repaired == 1
    assert len(store.bucket.kept(address.path).versions) == 2  # nothing was sent
    require_sound(deliverer)
