"""Deliveries that travel: what comes out of one archive goes into another under its id, and nothing else does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.archive import deliveries
from attest.archive.address import address_of
from attest.archive.bag_write import Item, write_bag
from attest.archive.bagging import take_bag, write_delivery
from attest.archive.fixity import fixity
from attest.archive.founding import found
from attest.archive.manifest import Copy, Document, File, Manifest, format_manifest, parse_manifest
from attest.archive.place import Archive
from attest.archive.reindex import dump, reindex
from attest.errors import MalformedError
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW
from tests.check.world import LATER

CLOCK: Callable[[], int] = lambda: NOW  # noqa: E731


@pytest.fixture
def other(tmp_path: Path) -> Archive:
    return found(tmp_path / "other", "other.example/archive", None, None, CLOCK, "test")


def exported(deliverer: Deliverer, id_: str, target: Path) -> Path:
    with deliverer.archive.index.reading() as connection:
        write_delivery(deliverer.archive, deliveries.find(connection, id_), target)
    return target


def test_a_delivery_travels(deliverer: Deliverer, other: Archive, tmp_path: Path) -> None:
    deliverer.put("early")
    sent = deliverer.put("late")
    bag = exported(deliverer, sent.id, tmp_path / "bag")
    received, _ = take_bag(other, bag, actor="b", clock=CLOCK, at=LATER)
    assert received.id == sent.id and received.judged is not None and sent.judged is not None
    assert received.judged.verdict == sent.judged.verdict
    assert [standing.word for _, standing in received.standings] == ["current"]
    assert fixity(other).flaws == ()
    before = dump(other.index)
    reindex(other)
    assert dump(other.index) == before
    verdicts = list((bag / "data" / "verdicts").iterdir())
    assert [json.loads(path.read_bytes())["outcome"] for path in verdicts] == ["holds"]
    assert list((bag / "data" / "verifier").glob("*.whl")) and (bag / "data" / "specification" / "archive.md").is_file()


def test_the_same_delivery_gives_the_same_bag(deliverer: Deliverer, tmp_path: Path) -> None:
    id_ = deliverer.put("late").id
    bags = [exported(deliverer, id_, tmp_path / name) for name in ("one", "two")]
    trees = [{p.relative_to(bag): p.read_bytes() for p in bag.rglob("*") if p.is_file()} for bag in bags]
    assert trees[0] == trees[1]


def test_a_changed_bag_is_not_taken(deliverer: Deliverer, other: Archive, tmp_path: Path) -> None:
    bag = exported(deliverer, deliverer.put("late").id, tmp_path / "bag")
    checkpoint = bag / "data" / "bundles" / "late" / "checkpoint"
    data = bytearray(checkpoint.read_bytes())
    data[-5] ^= 1
    checkpoint.write_bytes(data)
    with pytest.raises(MalformedError, match="bag/changed"):
        take_bag(other, bag, actor="b", clock=CLOCK)
    with other.index.reading() as connection:
        assert deliveries.listed(connection) == []


def test_a_sound_bag_of_something_else(other: Archive, tmp_path: Path) -> None:
    write_bag(tmp_path / "photos", [Item("cat.jpg", address_of(b"cat"), [b"cat"])], [])
    with pytest.raises(MalformedError, match="archive/bag"):
        take_bag(other, tmp_path / "photos", actor="b", clock=CLOCK)


def test_a_manifest_that_lists_other_files_than_the_bag_has(other: Archive, tmp_path: Path) -> None:
    said = File("checkpoint", address_of(b"said"))
    manifest = format_manifest(Manifest((Copy("b", (said,)),)))
    items = [Item("bundles/b/checkpoint", address_of(b"real"), [b"real"])]
    write_bag(tmp_path / "bag", [*items, Item("manifest", address_of(manifest), [manifest])], [])
    with pytest.raises(MalformedError, match="archive/bag"):
        take_bag(other, tmp_path / "bag", actor="b", clock=CLOCK)


@pytest.mark.parametrize("name", ["../out", "/etc", "..", "a/b", "", "a\nb", "..\\out"])
def test_no_name_in_a_manifest_leads_elsewhere(name: str) -> None:
    whole = address_of(b"x")
    for manifest in (
        Manifest((Copy(name, (File("checkpoint", whole),)),)),
        Manifest((Copy("b", (File("checkpoint", whole),)),), (Document("event", name, whole),)),
    ):
        with pytest.raises(MalformedError):
            parse_manifest(format_manifest(manifest))
    if name != "a/b":
        with pytest.raises(MalformedError):
            parse_manifest(format_manifest(Manifest((Copy("b", (File(name, whole),)),))))


def test_a_bag_that_was_packed(deliverer: Deliverer, other: Archive, tmp_path: Path) -> None:
    bag = exported(deliverer, deliverer.put("late").id, tmp_path / "bag")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, bag.name)
    received, _ = take_bag(other, Path(packed), actor="b", clock=CLOCK, at=LATER)
    assert received.judged is not None and received.judged.outcome == "holds"
