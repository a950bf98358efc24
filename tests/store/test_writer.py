"""What a log's writer accepts, refuses and publishes."""

import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from attest.errors import AttestError, LogError, MalformedError
from attest.format.note import parse_note
from attest.log.checkpoint import parse_checkpoint
from attest.sign.notes import cosign, sign_note
from attest.sign.seeded import seeded_key as key
from attest.store import writer as module
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter

Lab = Any


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def refused(code: str, error: pytest.ExceptionInfo[AttestError]) -> None:
    assert error.value.code == code
    assert str(error.value)


def test_from_nothing_to_a_published_log(lab: Lab, path: Path) -> None:
    items = lab.items(3)
    with LogWriter.create(path, lab.origin) as log:
        assert (log.origin, log.size, log.pending, log.checkpoint, log.repaired) == (lab.origin, 0, 0, None, "")
        assert [log.append(*item) for item in items] == [0, 1, 2]
        assert (log.size, log.pending) == (0, 3)
        note = log.seal(lab.sign)
        assert (log.size, log.pending, log.checkpoint) == (3, 0, note)
        assert log.seal(lambda text: pytest.fail("nothing to sign")) == note
    assert lab.read(path) == items
    assert parse_checkpoint(parse_note(note).text).size == 3


@pytest.mark.parametrize("step", [1, 7, 100, 255, 256, 257, 600])
def test_growing_in_steps_gives_the_same_files(lab: Lab, path: Path, step: int, tmp_path: Path) -> None:
    items = lab.items(600)
    with LogWriter.create(tmp_path / "whole", lab.origin) as log:
        log.extend(items)
        log.seal(lab.sign)
    with LogWriter.create(path, lab.origin) as log:
        for begin in range(0, 600, step):
            log.extend(items[begin : begin + step])
            log.seal(lab.sign)
            if step > 50:
                assert lab.read(path) == items[: begin + step]
    assert lab.read(path) == items
    assert contents(path) == contents(tmp_path / "whole")


def contents(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_a_tree_of_three_levels(lab: Lab, path: Path) -> None:
    items = [(lab.entry("urn:host", i), None) for i in range(65_536 + 3)]
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:65_000])
        log.seal(lab.sign)
        log.extend(items[65_000:])
        log.seal(lab.sign)
    with LogWriter.open(path) as log:
        assert (log.size, log.last("urn:host")) == (65_539, 65_538)
    assert (path / "tile/2/000.p/1").stat().st_size == 32
    assert not (path / "tile/1/000.p").exists()


def test_appending_again_changes_nothing(lab: Lab, path: Path) -> None:
    items = lab.items(300)
    with LogWriter.create(path, lab.origin) as log:
        assert log.extend(items + items) == [*range(300), *range(300)]
        assert log.append(*items[5]) == 5
        log.seal(lab.sign)
        assert [log.append(*item) for item in items] == list(range(300))
        assert log.pending == 0
    with LogWriter.open(path) as log:
        assert [log.append(*item) for item in items] == list(range(300))
        assert log.pending == 0


def test_a_second_statement_for_one_place_is_refused(lab: Lab, path: Path) -> None:
    first, second = lab.entry("urn:host", 4), lab.entry("urn:host", 4, say=1)
    with LogWriter.create(path, lab.origin) as log:
        with pytest.raises(LogError) as caught:
            log.extend([(first, None), (second, None)])
        refused("log/equivocation", caught)
        assert log.pending == 0
        log.append(first)
        for _ in ("pending", "sealed"):
            with pytest.raises(LogError) as caught:
                log.append(second)
            refused("log/equivocation", caught)
            log.seal(lab.sign)
        log.append(lab.entry("urn:other", 4, say=1))
    with LogWriter.open(path) as log, pytest.raises(LogError) as caught:
        log.append(second)
    refused("log/equivocation", caught)


def test_a_block_rides_with_its_entry_or_not_at_all(lab: Lab, path: Path) -> None:
    with_block, without = lab.entry("urn:host", 0, b"block"), lab.entry("urn:host", 0)
    with LogWriter.create(path, lab.origin) as log:
        for entry, block in ((with_block, None), (with_block, b"other"), (with_block, b""), (without, b"block")):
            with pytest.raises(LogError) as caught:
                log.append(entry, block)
            refused("log/block", caught)
        assert log.append(with_block, b"block") == 0


def test_what_is_no_statement_is_refused(lab: Lab, path: Path) -> None:
    with LogWriter.create(path, lab.origin) as log:
        for entry in (b"", b"junk", b"x" * 70_000, lab.entry("urn:host", 0)[:-1]):
            with pytest.raises(MalformedError):
                log.append(entry)
        assert log.pending == 0


def test_what_is_pending_waits_for_the_next_writer(lab: Lab, path: Path) -> None:
    items = lab.items(10)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:4])
        log.seal(lab.sign)
        log.extend(items[4:7])
    with LogWriter.open(path) as log:
        assert (log.size, log.pending, log.last("urn:host"), log.repaired) == (4, 3, 6, "")
        assert [(log.entry(i), log.block(i)) for i in range(7)] == items[:7]
        assert [log.find("urn:host", seq) for seq in (0, 6, 7)] == [0, 6, None]
        assert log.append(*items[5]) == 5
        log.extend(items[7:])
        log.seal(lab.sign)
    assert lab.read(path) == items


def test_large_imports_are_accepted_in_frames(lab: Lab, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FRAME", 1000)
    items = lab.items(50)
    with LogWriter.create(path, lab.origin) as log, pytest.raises(LogError) as caught:
        log.extend([*items, (lab.entry("urn:host", 3, say=9), None)])
    refused("log/equivocation", caught)
    with LogWriter.open(path) as log:
        assert 40 < log.pending < 50
        assert log.extend(items) == list(range(50))
        log.seal(lab.sign)
    assert lab.read(path) == items


def test_places_may_be_filled_in_any_order(lab: Lab, path: Path) -> None:
    seqs = [5, 0, 1, 9, 2]
    entries = {seq: lab.entry("urn:host", seq) for seq in seqs}
    with LogWriter.create(path, lab.origin) as log:
        assert [log.append(entries[seq]) for seq in seqs] == [0, 1, 2, 3, 4]
        assert [log.append(entries[seq]) for seq in seqs] == [0, 1, 2, 3, 4]
        assert (log.last("urn:host"), log.last("urn:nobody")) == (3, None)


def test_witnesses_cosign_what_is_published(lab: Lab, path: Path) -> None:
    witness = key("store witness")
    with LogWriter.create(path, lab.origin) as log:
        with pytest.raises(LogError) as caught:
            log.cosign(b"")
        refused("log/empty", caught)
        log.extend(lab.items(2))
        note = log.seal(lab.sign)
        log.cosign(cosign(note, "w.example", witness, 1_700_000_000))
        assert log.checkpoint == DirectoryBundle(path).checkpoint() != note
        with pytest.raises(LogError) as caught:
            log.cosign(note)  # would drop the witness
        refused("log/note", caught)
        renewed = cosign(log.checkpoint, "w.example", witness, 1_700_000_060)
        log.cosign(renewed)
        other = lab.sign(parse_note(note).text.replace("\n2\n", "\n3\n"))
        with pytest.raises(LogError) as caught:
            log.cosign(other)
        refused("log/note", caught)
    assert DirectoryBundle(path).checkpoint() == renewed
    assert len(lab.read(path)) == 2


def test_a_signer_that_fails_leaves_the_log_as_it_was(lab: Lab, path: Path) -> None:
    items = lab.items(5)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:3])
        before = log.seal(lab.sign)
        log.extend(items[3:4])
        with pytest.raises(RuntimeError, match="token removed"):
            log.seal(broken)
        for wrong in (lambda text: before, lambda text: sign_note("hello\n", lab.origin, [lab.key])):
            with pytest.raises(LogError) as caught:
                log.seal(wrong)
            refused("log/note", caught)
        assert (log.size, log.pending, DirectoryBundle(path).checkpoint()) == (3, 1, before)
        log.extend(items[4:])
        log.seal(lab.sign)
    assert lab.read(path) == items


def broken(text: str) -> bytes:
    raise RuntimeError("token removed")


def test_there_is_one_writer(lab: Lab, path: Path) -> None:
    with LogWriter.create(path, lab.origin) as log:
        log.append(lab.entry("urn:host", 0))
        with pytest.raises(LogError) as caught:
            LogWriter.open(path)
        refused("log/locked", caught)
        with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(LogError, match="log/locked"):
            pool.apply(LogWriter.open, (path,))
    assert (path / ".lock").stat().st_size == 0
    LogWriter.open(path).close()


def test_looking_needs_no_lock_and_changes_nothing(lab: Lab, path: Path) -> None:
    items = lab.items(5)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:3])
        log.seal(lab.sign)
        log.extend(items[3:])
        with (path / ".journal").open("ab") as file:
            file.write(b"torn")
        before = contents(path)
        with LogWriter.open(path, read_only=True) as look:
            assert (look.origin, look.size, look.pending, look.checkpoint) == (lab.origin, 3, 2, log.checkpoint)
            assert look.entry(4) == items[4][0]
            for act in (lambda: look.append(*items[0]), lambda: look.seal(lab.sign), lambda: look.last("urn:host")):
                with pytest.raises(LogError) as caught:
                    act()
                refused("log/read-only", caught)
        assert contents(path) == before


@pytest.mark.parametrize("more", [1, 300])
def test_who_looks_while_another_seals_reads_on(lab: Lab, path: Path, more: int) -> None:
    items = lab.items(5 + more)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:5])
        log.seal(lab.sign)
        with LogWriter.open(path, read_only=True) as look:
            log.extend(items[5:])
            log.seal(lab.sign)  # the partial tiles of 5 leaves are swept
            assert [look.entry(index) for index in range(look.size)] == [entry for entry, _ in items[:5]]
            assert [look.block(index) for index in range(look.size)] == [block for _, block in items[:5]]


@pytest.mark.parametrize("again", [0, 4, 8])
def test_who_looks_while_what_is_pending_is_sealed_gets_its_block(lab: Lab, path: Path, again: int) -> None:
    items = lab.items(7)
    more = [(lab.entry("urn:more", seq, data := bytes([seq]) * 2), data) for seq in range(again)]
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:2])
        log.seal(lab.sign)
        log.extend(items[2:])
        with LogWriter.open(path, read_only=True) as look:
            log.seal(lab.sign)  # empties the journal, which is then filled with others
            log.extend(more[:4])
            if more[4:]:
                log.seal(lab.sign)
                log.extend(more[4:])
            assert (look.size, look.pending) == (2, 5)
            assert [(look.entry(index), look.block(index)) for index in range(7)] == items


@pytest.mark.parametrize("sealed", [0, 2])
def test_a_pending_block_that_is_nowhere_is_damage(lab: Lab, path: Path, sealed: int) -> None:
    items = lab.items(sealed + 3)
    with LogWriter.create(path, lab.origin) as log:
        if sealed:
            log.extend(items[:sealed])
            log.seal(lab.sign)
        log.extend(items[sealed:])
        with LogWriter.open(path, read_only=True) as look:
            os.truncate(path / ".journal", 40)  # as no writer does
            index = next(index for index in range(sealed, sealed + 3) if items[index][1] is not None)
            with pytest.raises(LogError) as caught:
                look.block(index)
            refused("log/damaged", caught)


def test_a_copy_without_its_journal_can_be_continued(lab: Lab, path: Path, tmp_path: Path) -> None:
    items = lab.items(300)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:280])
        log.seal(lab.sign)
    copy = tmp_path / "copy"
    shutil.copytree(path, copy, ignore=shutil.ignore_patterns(".journal", ".lock"))
    with LogWriter.open(copy, read_only=True) as look:
        assert (look.origin, look.size, look.pending) == (lab.origin, 280, 0)
    with LogWriter.open(copy) as log:
        log.extend(items)
        log.seal(lab.sign)
    assert lab.read(copy) == items


def test_where_no_log_is(lab: Lab, path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for place in (path, tmp_path / "empty", tmp_path / "file"):
        with pytest.raises(LogError):
            LogWriter.open(place)
    with pytest.raises(LogError) as caught:
        LogWriter.open(tmp_path / "empty")
    refused("log/not-a-log", caught)
    (tmp_path / "empty/.journal").write_bytes(b"something else\n")
    with pytest.raises(LogError) as caught:
        LogWriter.open(tmp_path / "empty")
    refused("log/not-a-log", caught)
    for name in ("", "two\nlines", "x" * 300):
        with pytest.raises(LogError) as caught:
            LogWriter.create(path, name)
        refused("log/origin", caught)
    assert not path.exists()


def test_a_log_is_made_only_in_an_empty_place(lab: Lab, path: Path) -> None:
    LogWriter.create(path, lab.origin).close()
    with pytest.raises(LogError) as caught:
        LogWriter.create(path, lab.origin)
    refused("log/exists", caught)
    (path / ".journal").unlink()  # what a killed `create` leaves
    with LogWriter.create(path, lab.origin) as log, pytest.raises(LogError) as caught:
        log.seal(lab.sign)
    refused("log/empty", caught)


def test_a_closed_writer_says_so(lab: Lab, path: Path) -> None:
    with LogWriter.create(path, lab.origin) as log:
        pass
    log.close()
    with pytest.raises(LogError) as caught:
        log.append(lab.entry("urn:host", 0))
    refused("log/closed", caught)


@pytest.mark.parametrize(
    "damage",
    [
        "tile/entries/000",
        "tile/entries/001.p/44",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "checkpoint",
        ".journal",
    ],
)
@pytest.mark.parametrize("how", ["flip", "cut", "remove", "grow"])
def test_a_damaged_log_is_not_written_on(lab: Lab, path: Path, damage: str, how: str) -> None:
    with LogWriter.create(path, lab.origin) as log:
        log.extend(lab.items(300))
        log.seal(lab.sign)
    file = path / damage
    data = file.read_bytes()
    if how == "remove":
        file.unlink()
        if damage == ".journal":
            return  # a copy
    else:
        middle = 3 if damage == "checkpoint" else len(data) // 2  # signatures are not verified
        file.write_bytes(
            {
                "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
                "cut": data[:-1],
                "grow": data + b"x",
            }[how]
        )
    before = contents(path)
    if damage == ".journal" and how == "grow":
        with LogWriter.open(path) as log:
            assert log.repaired == "cut 1 bytes of an unfinished append off the journal"
        return
    with pytest.raises(LogError) as caught:
        LogWriter.open(path)
    assert caught.value.code in ("log/damaged", "log/not-a-log")
    assert contents(path) == before


def test_an_older_copy_of_a_part_is_noticed(lab: Lab, path: Path) -> None:
    """A checkpoint or journal that was put back would let a log sign two histories."""
    items = lab.items(300)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:100])
        log.seal(lab.sign)
        old = contents(path)
        log.extend(items[100:300])
        journal = (path / ".journal").read_bytes()
        log.seal(lab.sign)
        log.append(lab.entry("urn:host", 300))
        late = (path / ".journal").read_bytes()
    new = contents(path)
    for name, put_back in (("checkpoint", old["checkpoint"]), ("checkpoint", None)):
        for kept in (new[".journal"], old[".journal"]):
            if put_back is None:
                (path / name).unlink(missing_ok=True)
            else:
                (path / name).write_bytes(put_back)
            (path / ".journal").write_bytes(kept)
            with pytest.raises(LogError) as caught:
                LogWriter.open(path)
            refused("log/damaged", caught)
    # The journal of before the last sealing holds nothing that the tree has not.
    (path / "checkpoint").write_bytes(new["checkpoint"])
    (path / ".journal").write_bytes(journal)
    with LogWriter.open(path) as log:
        assert (log.size, log.pending) == (300, 0)
    assert late != journal
    assert lab.read(path) == items


def test_a_tile_that_changed_under_a_writer_stops_it(lab: Lab, path: Path) -> None:
    items = lab.items(10)
    with LogWriter.create(path, lab.origin) as log:
        log.extend(items[:5])
        note = log.seal(lab.sign)
        log.extend(items[5:])
        (path / "blocks/000.p/5").write_bytes(b"short")
        with pytest.raises(LogError) as caught:
            log.seal(lab.sign)
        refused("log/damaged", caught)
        assert DirectoryBundle(path).checkpoint() == note
        with pytest.raises(LogError) as caught:
            log.seal(lab.sign)
        refused("log/closed", caught)


def test_no_descriptor_is_left_open(lab: Lab, path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with LogWriter.create(path, lab.origin) as log:
            log.extend(lab.items(3))
            log.seal(lab.sign)
            with pytest.raises(LogError):
                LogWriter.open(path)
        (path / "checkpoint").write_bytes(b"")
        with pytest.raises(LogError):
            LogWriter.open(path)
        shutil.rmtree(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
