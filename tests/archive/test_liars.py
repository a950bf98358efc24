"""A rival's bag: its manifest may say anything, and what others deliver is stored and judged as they delivered it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attest.archive import deliveries
from attest.archive.address import Address, address_of
from attest.archive.bag_write import Item, write_bag
from attest.archive.bagging import take_bag
from attest.archive.export import files_of
from attest.archive.intake import MOST_PARTS, SHARED, Intake
from attest.archive.manifest import Copy, Document, File, Manifest, format_manifest
from attest.archive.objects import Objects
from attest.errors import MalformedError
from attest.store.inside import Inside
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW, pact
from tests.check.world import LATER

CLOCK: Callable[[], int] = lambda: NOW  # noqa: E731
Parts = Callable[[bytes], tuple[Address, ...]]


def bag_of(source: Path, target: Path, parts: Parts) -> Path:
    """A sound bag of a lab's own copy and papers; its manifest says of large files what a rival likes."""
    folder = Inside(source, "")
    content = {path: b"".join(folder.pieces(path)) for path in folder.walk()}
    files = [File(path, address_of(data), parts(data) if len(data) > SHARED else ()) for path, data in content.items()]
    documents = [Document(paper.role, paper.name, address_of(paper.data)) for paper in pact()]
    manifest = Manifest((Copy("ACME", tuple(files)),), tuple(documents))
    given = {f"bundles/ACME/{path}": data for path, data in content.items()}
    given |= dict(zip(("agreement", "trust.toml"), (paper.data for paper in pact()), strict=True))
    assert given.keys() == {path for path, _ in files_of(manifest)}
    given["manifest"] = format_manifest(manifest)
    write_bag(target, [Item(path, address_of(data), [data]) for path, data in given.items()], [])
    return target


def split(data: bytes, number: int) -> list[bytes]:
    step = len(data) // number
    return [data[at : at + step] for at in range(0, (number - 1) * step, step)] + [data[(number - 1) * step :]]


def test_parts_that_do_not_give_the_file_are_not_taken(deliverer: Deliverer, tmp_path: Path) -> None:
    """Else the lab's next delivery would be stored as made of what somebody else had put at these addresses."""
    archive = deliverer.archive

    def others(data: bytes) -> tuple[Address, ...]:
        return (Intake(archive.objects).document(bytes(len(data))),)

    with pytest.raises(MalformedError, match=r"archive/bag: .* is not made of the parts that its manifest lists"):
        take_bag(archive, bag_of(deliverer.copies / "early", tmp_path / "bag", others), actor="b", clock=CLOCK)
    with archive.index.reading() as connection:
        assert deliveries.listed(connection) == []
    received = deliverer.put("late")
    assert received.judged is not None and received.judged.outcome == "holds"


@pytest.mark.parametrize("grown", [False, True])
def test_nothing_is_believed_of_the_copy_that_objects_are_shared_with(
    objects: Objects, tmp_path: Path, grown: bool
) -> None:
    data, other = bytes(range(256)) * 32, bytes(8_192)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "pack").write_bytes(data + b"more" * grown)
    lie = Copy("b", (File("pack", address_of(data), (Intake(objects).document(other),)),))
    (file,) = Intake(objects).copy(Inside(tmp_path / "b", ""), "b", lie).files
    assert file.parts == () and objects.has(file.whole)


def test_many_parts_are_shared_no_further(deliverer: Deliverer, tmp_path: Path) -> None:
    """Each is open while the file is read: somebody who delivers the lab's log in crumbs would make it unreadable."""
    archive = deliverer.archive

    def crumbs(data: bytes) -> tuple[Address, ...]:
        return tuple(map(address_of, split(data, MOST_PARTS + 1)))

    bag = bag_of(deliverer.copies / "early", tmp_path / "bag", crumbs)
    received, _ = take_bag(archive, bag, actor="b", clock=CLOCK, at=LATER)
    assert [standing.word for _, standing in received.standings] == ["current"]
    for name in ("early", "late"):
        id_ = deliverer.put(name).id
        with archive.index.reading() as connection:
            manifest = deliveries.manifest_of(archive.objects, deliveries.find(connection, id_))
        assert max(len(file.parts) for copy in manifest.copies for file in copy.files) <= 2


def test_a_file_that_grows_for_good_is_stored_whole_now_and_then(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    copy, most = None, 0
    for number in range(MOST_PARTS + 2):
        (tmp_path / "b" / "pack").write_bytes(bytes(SHARED + number))
        copy = Intake(objects).copy(Inside(tmp_path / "b", ""), "b", copy)
        (file,) = copy.files
        assert file.whole == address_of(bytes(SHARED + number))
        most = max(most, len(file.parts))
    assert most == MOST_PARTS and len(copy.files[0].parts) == 2


def test_a_file_of_many_parts_is_read_once(objects: Objects) -> None:
    data, asked = bytes(range(256)) * 4, []

    def pieces() -> Iterator[bytes]:
        asked.append(1)
        yield from (data[:300], b"", data[300:])

    parts = tuple(map(address_of, split(data, 100)))
    intake = Intake(objects)
    intake.parts(File("pack", address_of(data), parts), pieces)
    assert len(asked) == 1 and intake.objects == len(set(parts))
    assert all(objects.has(part) for part in parts)
