"""One suite for every store: a folder, and S3 servers that the tests start."""

import os
import pickle
import random
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest

from attest.archive.address import Address, address_of, address_of_pieces
from attest.archive.folder import FolderObjects
from attest.archive.objects import Objects
from attest.archive.s3 import S3Objects
from attest.archive.s3_bucket import PART
from attest.errors import ArchiveError, MissingError

MIB = 1 << 20
LARGE = 2 * PART + 12_345  # bytes: three parts
YEAR = 31_557_600


def drawn(seed: int, size: int) -> Iterator[bytes]:
    """The same random bytes for a seed, piece by piece."""
    rng = random.Random(seed)
    while size > 0:
        piece = rng.randbytes(min(size, MIB))
        size -= len(piece)
        yield piece


def put(objects: Objects, data: bytes) -> Address:
    address = address_of(data)
    objects.put(address, lambda: [data])
    return address


def read(objects: Objects, address: Address) -> bytes:
    with objects.open(address) as reader:
        assert len(reader) == address.size
        return reader.read(0, address.size + 1)


def in_bucket(objects: Objects) -> bool:
    return isinstance(objects, S3Objects)


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 5_000])
def test_what_is_put_is_there(objects: Objects, data: bytes) -> None:
    address = address_of(data)
    assert not objects.has(address)
    assert objects.version(address) is None
    version, new = objects.put(address, lambda: [data])
    assert new and bool(version) == in_bucket(objects)
    assert objects.has(address)
    assert read(objects, address) == data
    assert objects.version(address) == version
    assert list(objects.walk()) == [(address.path, len(data), (version,), (version,))]


def test_what_is_there_is_not_sent_again(objects: Objects) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("asked for the bytes of what is there")

    address = address_of(b"once")
    version, _ = objects.put(address, lambda: [b"on", b"ce"])
    assert objects.put(address, never) == (version, False)


def test_a_large_object_streams(objects: Objects) -> None:
    size = 5 * PART + 12_345
    address = address_of_pieces(drawn(1, size))
    tracemalloc.start()
    try:
        version, _ = objects.put(address, lambda: drawn(1, size))
        assert tracemalloc.get_traced_memory()[1] < 4 * PART
    finally:
        tracemalloc.stop()
    assert objects.has(address)
    assert [found.all for found in objects.walk()] == [(version,)]
    with objects.open(address) as reader:
        assert address_of_pieces(reader.read(at, MIB) for at in range(0, size, MIB)) == address


@pytest.mark.parametrize("size", [1_000, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"",
    ],
    ids=["altered", "cut", "grown", "empty"],
)
def test_what_changed_on_the_way_is_not_stored(objects: Objects, size: int, change: Callable[[bytes], bytes]) -> None:
    data = b"".join(drawn(2, size))
    address = address_of(data)
    with pytest.raises(ArchiveError) as error:
        objects.put(address, lambda: [change(data)])
    assert error.value.code == "archive/changed"
    require_nothing(objects, address)
    assert put(objects, data) == address


@pytest.mark.parametrize("size", [1_000, LARGE], ids=["small", "large"])
def test_a_source_that_breaks_off_leaves_nothing(objects: Objects, size: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from drawn(3, size - 1)
        raise MissingError("bundle/missing", "the disk it comes from")

    address = address_of_pieces(drawn(3, size))
    with pytest.raises(MissingError, match="bundle/missing"):
        objects.put(address, broken)
    require_nothing(objects, address)


@pytest.mark.parametrize("size", [1_000, LARGE], ids=["small", "large"])
def test_a_source_without_end_is_left(objects: Objects, size: int) -> None:
    address = address_of(bytes(size))
    with pytest.raises(ArchiveError, match="archive/changed"):
        objects.put(address, lambda: repeat(bytes(MIB)))
    require_nothing(objects, address)


def test_killed_in_the_middle_of_a_put(objects: Objects) -> None:
    def deadly() -> Iterator[bytes]:
        yield from drawn(8, LARGE - 1)
        os.kill(os.getpid(), signal.SIGKILL)

    address = address_of_pieces(drawn(8, LARGE))
    child = os.fork()
    if child == 0:
        try:
            objects.put(address, deadly)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not objects.has(address)
    assert list(objects.walk()) == []
    objects.put(address, lambda: drawn(8, LARGE))
    assert [found.path for found in objects.walk()] == [address.path]


def require_nothing(objects: Objects, address: Address) -> None:
    assert not objects.has(address)
    assert list(objects.walk("")) == []
    if isinstance(objects, S3Objects):
        assert "Uploads" not in objects.bucket.ask("list_multipart_uploads", "")
    if isinstance(objects, FolderObjects):
        assert list(objects.place("incoming").iterdir()) == []


def test_reading_anywhere(objects: Objects) -> None:
    data = random.Random(4).randbytes(3 * MIB + 5)
    rng = random.Random(5)
    with objects.open(put(objects, data)) as reader:
        for _ in range(60):
            begin = rng.choice([0, rng.randrange(len(data)), len(data) - 3, len(data), len(data) + 7])
            size = rng.choice([0, 1, 100, MIB, 2 * MIB, len(data)])
            assert reader.read(begin, size) == data[begin : begin + size]


def test_what_is_not_there_is_missing(objects: Objects) -> None:
    address = address_of(b"never put")
    for act in (
        lambda: read(objects, address),
        lambda: objects.retain(address, 2_000_000_000),
        lambda: objects.hold(address, True),
    ):
        with pytest.raises(MissingError) as error:
            act()
        assert error.value.code == "archive/missing"
        assert error.value.hint
        assert address.path in error.value.detail


def test_an_object_has_its_size_or_is_none(objects: Objects) -> None:
    data = b"as long as it must be"
    address = address_of(data)
    plant(objects, address.path, b"cut")
    assert not objects.has(address)
    with pytest.raises(MissingError):
        read(objects, address)
    put(objects, data)
    assert objects.has(address)
    assert read(objects, address) == data


def plant(objects: Objects, path: str, data: bytes) -> None:
    """Puts a file into a store past its rules."""
    if isinstance(objects, S3Objects):
        objects.bucket.send(path, data)
    elif isinstance(objects, FolderObjects):
        objects.place(path).parent.mkdir(parents=True, exist_ok=True)
        objects.place(path).write_bytes(data)


def test_the_walk_is_in_order_and_shows_what_does_not_belong(objects: Objects) -> None:
    paths = {put(objects, bytes([n])).path for n in range(40)}
    strange = {"objects/00.txt", "objects/zz/x", "objects/00/é", "objects/ab/cd/ef", "objects/top"}
    for path in strange:
        plant(objects, path, b"?!")
    plant(objects, "objectsbeside", b"")
    objects.put_named("custody/entries/000", b"0")
    found = [each.path for each in objects.walk()]
    assert found == sorted(paths | strange, key=str.encode)
    assert [each.path for each in objects.walk("objects/00")] == [p for p in found if p.startswith("objects/00")]
    assert [each.path for each in objects.walk("custody/")] == ["custody/entries/000"]
    assert list(objects.walk("nowhere/")) == []


def test_removal(objects: Objects) -> None:
    address, other = put(objects, b"to be destroyed"), put(objects, b"to stay")
    objects.remove(address)
    assert not objects.has(address)
    assert [each.path for each in objects.walk("objects/")] == [other.path]
    objects.remove(address)  # as after a crash
    put(objects, b"to be destroyed")
    assert objects.has(address)


def test_things_under_names(objects: Objects) -> None:
    assert objects.named("custody/entries/000") is None
    objects.put_named("custody/entries/000", b"genesis")
    objects.put_named("custody/entries/001", b"")
    objects.put_named("custody/entries/000", b"genesis")  # as after a crash
    with pytest.raises(ArchiveError) as error:
        objects.put_named("custody/entries/000", b"another story")
    assert error.value.code == "archive/exists"
    assert objects.named("custody/entries/000") == b"genesis"
    assert objects.named("custody/entries/001") == b""
    assert [(each.path, each.size) for each in objects.walk("custody/")] == [
        ("custody/entries/000", 7),
        ("custody/entries/001", 0),
    ]


def test_of_several_who_name_one_thing_one_succeeds(objects: Objects) -> None:
    """Without any lock: each thinks that it may."""
    writers: list[Objects] = [pickle.loads(pickle.dumps(objects)) for _ in range(4)]
    for turn in range(8):
        name, ready = f"custody/entries/{turn:03}", threading.Barrier(len(writers))
        outcomes: dict[int, str] = {}

        def write(
            n: int, name: str = name, ready: threading.Barrier = ready, outcomes: dict[int, str] = outcomes
        ) -> None:
            ready.wait()
            try:
                writers[n].put_named(name, b"written by %d" % n)
                outcomes[n] = "put"
            except ArchiveError as error:
                outcomes[n] = error.code

        threads = [threading.Thread(target=write, args=(n,)) for n in range(len(writers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == ["archive/exists"] * 3 + ["put"]
        (winner,) = (n for n, outcome in outcomes.items() if outcome == "put")
        assert objects.named(name) == b"written by %d" % winner


def test_several_processes_put_the_same(objects: Objects) -> None:
    contents = [random.Random(n).randbytes(100 + n) for n in range(12)]
    put(objects, b"the parent has a connection already")
    children = []
    for seed in range(4):
        child = os.fork()
        if child == 0:
            code = 9
            try:
                for data in random.Random(seed).sample(contents, len(contents)):
                    assert read(objects, put(objects, data)) == data
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    expected = {address_of(data).path for data in (*contents, b"the parent has a connection already")}
    found = list(objects.walk())
    assert {each.path for each in found} == expected
    assert {len(each.versions) for each in found} == {1}  # what two sent alike is one


def test_retention_is_only_ever_extended(objects: Objects) -> None:
    address, now = put(objects, b"kept"), int(time.time())
    assert objects.retain(address, now + YEAR) == in_bucket(objects)
    objects.retain(address, now + 60)
    if isinstance(objects, S3Objects):
        assert lock_of(objects, address) == ("COMPLIANCE", now + YEAR, False)
        objects.retain(address, now + 2 * YEAR)
        assert lock_of(objects, address) == ("COMPLIANCE", now + 2 * YEAR, False)
        with pytest.raises(ArchiveError) as error:
            objects.remove(address)
        assert error.value.code == "archive/locked"
        assert "its retention until" in error.value.detail
        assert read(objects, address) == b"kept"


def test_a_legal_hold_stands_until_it_is_lifted(objects: Objects) -> None:
    address = put(objects, b"evidence")
    assert objects.hold(address, True) == in_bucket(objects)
    if in_bucket(objects):
        with pytest.raises(ArchiveError) as error:
            objects.remove(address)
        assert error.value.code == "archive/locked"
        assert "a legal hold" in error.value.detail
        assert read(objects, address) == b"evidence"
    assert objects.hold(address, False) == in_bucket(objects)
    objects.remove(address)
    assert not objects.has(address)


def lock_of(objects: S3Objects, address: Address) -> tuple[str, int, bool]:
    (version,) = objects.bucket.kept(address.path).versions
    return objects.bucket.lock(address.path, version.id)


def test_a_store_goes_to_other_processes(objects: Objects) -> None:
    address = put(objects, b"shared out")
    other = pickle.loads(pickle.dumps(objects))
    assert other.name == objects.name
    assert read(other, address) == b"shared out"
