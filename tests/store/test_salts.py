"""The private file of salts: whose it is, what of it is on the disk, and what a crash leaves."""

import os
from pathlib import Path
from typing import Any

import pytest

from attest.errors import AttestError, KeyFileError, LogError, MissingError
from attest.store import disk
from attest.store.salts import Record, new_salts, open_salts
from tests.store.crashes import Volatile

A, B = Record("run", "00" * 32, "a run"), Record("lineage", "0000000000000007", "a lineage ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    new_salts(tmp_path / "lab.salts")
    return tmp_path / "lab.salts"


def held(path: Path) -> dict[tuple[str, str], str]:
    with open_salts(path, read_only=True) as salts:
        return salts.records


def refused(path: Path, error: type[AttestError] = KeyFileError, *, read_only: bool = True) -> str:
    with pytest.raises(error) as info, open_salts(path, read_only=read_only):
        pass
    return info.value.code


def test_it_is_its_owner_s_alone_and_never_written_over(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="key/exists"):
        new_salts(path)
    assert path.read_bytes() == before
    path.chmod(0o640)
    assert refused(path) == "key/exposed"


def test_two_files_have_two_secrets_and_a_copy_has_the_same(path: Path, tmp_path: Path) -> None:
    new_salts(tmp_path / "other.salts")
    (tmp_path / "copy.salts").touch(0o600)
    (tmp_path / "copy.salts").write_bytes(path.read_bytes())
    secrets = []
    for name in ("lab", "other", "copy"):
        with open_salts(tmp_path / f"{name}.salts", read_only=True) as salts:
            secrets.append(salts.secret)
    assert secrets[0] == secrets[2] != secrets[1]
    assert [len(secret) for secret in secrets] == [32, 32, 32]


def test_what_is_added_is_there_once(path: Path) -> None:
    with open_salts(path) as salts:
        salts.add([A])
        salts.add([A, B, B])
    size = path.stat().st_size
    with open_salts(path) as salts:
        salts.add([B, A])
    assert path.stat().st_size == size
    assert held(path) == {("run", "a run"): A.value, ("lineage", "a lineage "): B.value}


def test_it_is_synced_before_add_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(disk, "write", lambda file, data: (done.append("write"), os.write(file, data)))
    monkeypatch.setattr(disk, "sync", lambda file: done.append("sync"))
    with open_salts(path) as salts:
        done.clear()
        salts.add([A])
        assert done == ["write", "sync"]
        salts.add([A])
        assert done == ["write", "sync"]


def test_cut_off_anywhere_it_has_what_was_whole(path: Path) -> None:
    with open_salts(path) as salts:
        salts.add([A])
        one = path.stat().st_size
        salts.add([B])
    whole = path.read_bytes()
    for size in range(one, len(whole)):
        path.write_bytes(whole[:size])
        assert held(path) == {("run", "a run"): A.value}
        assert path.read_bytes() == whole[:size]  # reading changes nothing
        with open_salts(path) as salts:
            salts.add([B])
        assert path.read_bytes() == whole
    path.write_bytes(whole + bytes(4_096))  # a file that grew before its bytes were written
    assert len(held(path)) == 2
    with open_salts(path):
        assert path.read_bytes() == whole


def test_a_line_with_a_hole_counts_for_nothing(path: Path) -> None:
    """Of an addition that is longer than a sector the last one may be on the disk, and one before it not."""
    with open_salts(path) as salts:
        salts.add([A])
        one = path.stat().st_size
        salts.add([B])
        two = path.stat().st_size
        salts.add([A._replace(name="another")])
    whole = path.read_bytes()
    for first in range(one, two, 3):
        for last in range(first + 1, two + 20, 5):
            path.write_bytes(whole[:first] + bytes(last - first) + whole[last:])
            assert held(path).keys() - {("run", "another")} == {("run", "a run")}
            assert (("run", "another") in held(path)) == (last < two)
    with open_salts(path) as salts:
        salts.add([B])
    assert held(path).keys() == {("run", "a run"), ("lineage", "a lineage ")}


def test_what_a_killed_process_did_not_sync_lasts_before_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        volatile = Volatile(patch, folder, lambda at: None)
        path = folder / "lab.salts"
        file = disk.create(path)  # as a copy is made, which nobody syncs
        new_salts(tmp_path / "made.salts")
        disk.write(file, (tmp_path / "made.salts").read_bytes())
        path.chmod(0o600)
        with open_salts(path):
            pass
        left = volatile.left(None)
    assert left is not None and left["./lab.salts"] == path.read_bytes()


def test_a_changed_byte_is_noticed(path: Path) -> None:
    with open_salts(path) as salts:
        salts.add([A, B])
    whole = path.read_bytes()
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert refused(path) == "salts/corrupt"


def test_a_full_disk_leaves_it_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def half(file: int, data: bytes) -> None:
        os.write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with open_salts(path) as salts:
        with monkeypatch.context() as patch:
            patch.setattr(disk, "write", half)
            with pytest.raises(LogError, match="log/disk-full"):
                salts.add([A])
        assert path.read_bytes() == before
        assert salts.records == {}
        salts.add([A])
    assert held(path) == {("run", "a run"): A.value}


def test_a_disk_that_takes_no_new_file_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "sync", fail)
    with pytest.raises(LogError, match="log/io"):
        new_salts(tmp_path / "x.salts")
    assert list(tmp_path.iterdir()) == []


def test_one_process_writes_at_a_time(path: Path) -> None:
    with open_salts(path):
        assert refused(path, LogError, read_only=False) == "log/locked"
        assert held(path) == {}


@pytest.mark.parametrize("data", [b"", b"\n", b"attest-salts/1 0 00\n", b"x" * 100, b"\xff\n"])
def test_what_is_no_file_of_salts(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert refused(path) == "salts/corrupt"


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.salts", MissingError) == "salts/unreadable"
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refused(tmp_path / "pipe", read_only=True) == "salts/corrupt"
