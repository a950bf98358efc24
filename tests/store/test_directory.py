"""A bundle in a directory: what is read, what is missing, what does not belong."""

import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attest.bundle import Bundle
from attest.errors import MissingError, Scope, TreeError
from attest.format.note import MAX_NOTE
from attest.log import tiles
from attest.packs import read_block
from attest.store import directory
from attest.store.by_path import MAX_BUNDLE
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter

Lab = Any
SIZE = 600


@pytest.fixture(scope="module")
def original(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("bundle") / "acme"
    with LogWriter.create(path, lab.origin) as log:
        log.extend(lab.items(SIZE))
        log.seal(lab.sign)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "acme"))


def test_it_is_a_bundle(original: Path) -> None:
    bundle: Bundle = DirectoryBundle(original)
    assert bundle.name == "acme"
    assert bundle.checkpoint() == (original / "checkpoint").read_bytes()
    assert bundle.hash_tile(0, 2, 88) == (original / "tile/0/002.p/88").read_bytes()
    assert bundle.entries(1, 256) == (original / "tile/entries/001").read_bytes()
    pack = bundle.blocks(2, 88)
    assert pack is not None and read_block(pack, 0, len(pack)) == (original / "blocks/002.p/88").read_bytes()
    assert bundle.extra() == ()


def test_one_that_is_given_by_where_one_stands(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(original)
    assert DirectoryBundle(".").name == "acme"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: None, "bundle/missing"),
        (lambda p: p.mkdir(), "bundle/missing"),
        (lambda p: p.write_bytes(b""), "bundle/not-a-directory"),
        (lambda p: os.mkfifo(p), "bundle/not-a-directory"),
        (lambda p: p.symlink_to(p), "bundle/missing"),
        (lambda p: p.symlink_to(p.parent / "nowhere"), "bundle/missing"),
        (lambda p: (p.mkdir(), (p / "checkpoint").mkdir()), "bundle/missing"),
        (lambda p: (p.mkdir(), os.mkfifo(p / "checkpoint")), "bundle/missing"),
        (lambda p: (p.mkdir(), (p / "checkpoint").symlink_to("checkpoint")), "bundle/missing"),
        (lambda p: (p.mkdir(), (p / "checkpoint").symlink_to("/etc/hostname")), "bundle/link"),
    ],
)
def test_what_is_no_bundle_is_missing_and_not_forged(tmp_path: Path, make: Callable[[Path], object], code: str) -> None:
    path = tmp_path / "bundle"
    make(path)
    with pytest.raises(MissingError) as caught:
        DirectoryBundle(path)
    assert caught.value.code == code
    assert str(path) in caught.value.detail
    assert caught.value.hint


def test_what_may_not_be_read_is_missing(path: Path, as_nobody: Callable[[Callable[[], object]], str]) -> None:
    (path / "tile/0/000").chmod(0)
    assert as_nobody(lambda: DirectoryBundle(path).hash_tile(0, 0, 256)) == "bundle/missing"
    (path / "checkpoint").chmod(0)
    assert as_nobody(lambda: DirectoryBundle(path)) == "bundle/missing"
    path.chmod(0)
    assert as_nobody(lambda: DirectoryBundle(path)) == "bundle/missing"
    path.chmod(0o755)


def test_a_read_error_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = DirectoryBundle(path)

    def fail(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(directory.os, "open", fail)
    for read in (bundle.checkpoint, lambda: bundle.entries(0, 256), lambda: bundle.blocks(0, 256)):
        with pytest.raises(MissingError, match=r"bundle/missing: .*Permission denied"):
            read()


def test_files_that_are_not_there(path: Path) -> None:
    bundle = DirectoryBundle(path)
    for read, name in (
        (lambda: bundle.hash_tile(0, 9, 256), "tile/0/009"),
        (lambda: bundle.hash_tile(0, 2, 87), "tile/0/002.p/87"),
        (lambda: bundle.entries(3, 256), "tile/entries/003"),
    ):
        with pytest.raises(MissingError) as caught:
            read()
        assert caught.value.code == "bundle/missing"
        assert f"{path}/{name}: No such file" in caught.value.detail
    # A block that is absent is missing evidence, not missing input.
    assert bundle.blocks(3, 256) is None
    assert bundle.block(b"\0" * 32, 9) is None


@pytest.mark.parametrize("change", [b"", b"x", b"x" * 8191, b"x" * 8193, b"x" * 100_000])
def test_a_hash_tile_of_another_size_accuses_the_copy(path: Path, change: bytes) -> None:
    (path / "tile/0/000").write_bytes(change)
    with pytest.raises(TreeError, match="tree/tile") as caught:
        DirectoryBundle(path).hash_tile(0, 0, 256)
    assert caught.value.scope is Scope.COPY


def test_no_file_is_read_beyond_what_it_can_be(path: Path) -> None:
    for name in ("checkpoint", "tile/entries/000"):
        os.truncate(path / name, 1 << 33)
    bundle = DirectoryBundle(path)
    assert len(bundle.checkpoint()) == MAX_NOTE + 1
    assert len(bundle.entries(0, 256)) == MAX_BUNDLE + 1


def test_links_are_followed_inside_only(path: Path, tmp_path: Path) -> None:
    tile = path / "tile/0/000"
    data = tile.read_bytes()
    tile.rename(path / "inside")
    tile.symlink_to("../../inside")
    assert DirectoryBundle(path).hash_tile(0, 0, 256) == data
    (path / "inside").rename(tmp_path / "outside")
    tile.unlink()
    tile.symlink_to("../../../outside")
    with pytest.raises(MissingError, match="bundle/link"):
        DirectoryBundle(path).hash_tile(0, 0, 256)
    shutil.move(path / "tile", tmp_path / "elsewhere")
    (path / "tile").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MissingError, match="bundle/link"):
        DirectoryBundle(path).entries(0, 256)
    (path / "blocks/sha256").symlink_to("/etc")
    with pytest.raises(MissingError, match="bundle/link"):
        DirectoryBundle(path).block(b"\0" * 32, 9)
    # The bundle itself may be named by a link.
    (tmp_path / "link").symlink_to(path)
    assert DirectoryBundle(tmp_path / "link").name == "acme"


def test_a_pipe_in_place_of_a_file_does_not_hang(path: Path) -> None:
    (path / "tile/entries/000").unlink()
    os.mkfifo(path / "tile/entries/000")
    (path / "blocks/000").unlink()
    os.mkfifo(path / "blocks/000")
    bundle = DirectoryBundle(path)
    for read in (lambda: bundle.entries(0, 256), lambda: bundle.blocks(0, 256)):
        with pytest.raises(MissingError, match="not a regular file"):
            read()


def test_a_block_by_itself(path: Path) -> None:
    (path / "blocks/sha256").mkdir()
    (path / tiles.block_path(b"\xab" * 32)).write_bytes(b"block")
    bundle = DirectoryBundle(path)
    assert bundle.block(b"\xab" * 32, 5) == b"block"
    assert bundle.block(b"\xab" * 32, 1 << 30) == b"block"
    assert bundle.block(b"\xab" * 32, 2) == b"blo"  # longer than it should be, and no more of it is read
    assert bundle.extra() == ()


def test_an_empty_pack(path: Path) -> None:
    (path / "blocks/000").write_bytes(b"")
    pack = DirectoryBundle(path).blocks(0, 256)
    assert pack is not None and len(pack) == 0 and read_block(pack, 0, 9) == b""


def test_open_packs_are_bounded_and_outlive_the_bundle(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "log"
    count = directory.MAX_PACKS + 4
    with LogWriter.create(path, lab.origin) as log:
        log.extend(lab.items(256 * count))
        log.seal(lab.sign)
    before = len(list(Path("/proc/self/fd").iterdir()))
    bundle = DirectoryBundle(path)
    first = bundle.blocks(0, 256)
    for index in range(count):
        assert bundle.blocks(index, 256) is not None
        assert bundle.blocks(index, 256) is bundle.blocks(index, 256)
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= directory.MAX_PACKS + 1
    del bundle
    assert first is not None and read_block(first, 0, len(first)) == (path / "blocks/000").read_bytes()
    del first
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pack_that_is_cut_short_meanwhile_is_a_short_read(path: Path) -> None:
    pack = DirectoryBundle(path).blocks(0, 256)
    assert pack is not None
    os.truncate(path / "blocks/000", 10)
    assert len(read_block(pack, 8, 100)) == 2


def test_workers_open_it_again(original: Path) -> None:
    bundle = DirectoryBundle(original)
    bundle.blocks(0, 256)
    again = pickle.loads(pickle.dumps(bundle))
    assert again.name == bundle.name
    first, second = again.blocks(0, 256), bundle.blocks(0, 256)
    assert first is not None and second is not None and read_block(first, 0, 999) == read_block(second, 0, 999)
    assert again.entries(0, 256) == bundle.entries(0, 256)


def test_threads_may_share_it(original: Path) -> None:
    bundle = DirectoryBundle(original)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(50):
                for index, width in ((0, 256), (1, 256), (2, 88)):
                    assert bundle.blocks(index, width)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


EXTRA = [
    "README",
    "blocks/000.p/3",
    "blocks/003",
    "blocks/sha256/" + "0" * 63,
    "blocks/sha256/" + "A" * 64,
    "checkpoint.bak",
    "tile/.lock",
    "tile/0/000.p/1",
    "tile/0/002",
    "tile/0/0",
    "tile/1/000.p/4",
    "tile/2/000.p/1",
    "tile/entries/002.p/89",
]


def test_files_that_no_checkpoint_needs(path: Path) -> None:
    for name in EXTRA:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"")
    (path / ".outbox").mkdir()
    for name in (".lock", ".journal", ".tmp", ".outbox/draft"):
        (path / name).write_bytes(b"")
    assert set(DirectoryBundle(path).extra()) == set(EXTRA)
    (path / "checkpoint").write_bytes(b"no note")
    assert DirectoryBundle(path).extra() == ()


def test_extra_files_are_listed_in_order_and_bounded(path: Path) -> None:
    for i in range(200):
        (path / f"x{i:03}").write_bytes(b"")
    assert DirectoryBundle(path).extra() == tuple(f"x{i:03}" for i in range(100))


def test_directories_may_be_nested_as_deep_as_a_path_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path)
    depth = 1_200  # deeper than Python recurses, whoever removes it included
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("x").write_bytes(b"")
    try:
        assert DirectoryBundle(path).extra() == ("d/" * depth + "x",)
    finally:
        Path("x").unlink()
        for _ in range(depth):
            os.chdir("..")
            Path("d").rmdir()
