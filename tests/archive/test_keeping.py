"""Fixity, holds, retention, expiry, recheck and what a crash leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from attest.archive import deliveries, retention
from attest.archive.address import Address
from attest.archive.custody import CHECKPOINTS_AT, ENTRIES_AT, numbered
from attest.archive.export import write_custody, write_out
from attest.archive.fixity import fixity, record_fixity
from attest.archive.intake import Intake
from attest.archive.objects import MAX_NAMED, Found
from attest.archive.recheck import everything, recheck
from attest.archive.reindex import dump, reindex
from attest.archive.stored import read_whole
from attest.archive.tables import ENTRIES
from attest.check import check
from attest.errors import ArchiveError, MissingError
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW
from tests.archive.vandal import flip, spoil, vandal_of
from tests.check.world import START

CLOCK: Callable[[], int] = lambda: NOW  # noqa: E731
FAR = 4_102_444_800  # 2100-01-01: a time that no server's clock has passed


def kinds(deliverer: Deliverer) -> list[str]:
    return [flaw.kind for flaw in fixity(deliverer.archive).flaws]


def objects(deliverer: Deliverer) -> list[Found]:
    return list(deliverer.archive.objects.walk())


def largest(deliverer: Deliverer) -> str:
    return max(objects(deliverer), key=lambda found: found.size).path


def test_what_is_whole_has_no_flaw(deliverer: Deliverer) -> None:
    deliverer.put("early", "late")
    found = fixity(deliverer.archive)
    assert found.flaws == () and found.objects == len(objects(deliverer))
    assert found.size == sum(each.size for each in objects(deliverer))


@pytest.mark.parametrize("number", range(6))
def test_a_flipped_bit_a_cut_and_a_loss_are_found(deliverer: Deliverer, number: int) -> None:
    deliverer.put("late")
    archive, path = deliverer.archive, objects(deliverer)[number].path
    vandal = vandal_of(archive)
    kept = vandal.read(path)
    spoil(archive, path, flip)
    assert kinds(deliverer) == ["changed"]
    spoil(archive, path, lambda data: data.append(0))
    assert kinds(deliverer) == ["changed"]
    vandal.lose(path)
    assert kinds(deliverer) == ["missing"]
    vandal.write(path, kept)  # in a bucket, as another version than the archive's
    assert kinds(deliverer) == ["changed"] * archive.objects.keeps_versions


def test_a_sample_finds_every_version_that_is_not_the_one_on_record(deliverer: Deliverer) -> None:
    deliverer.put("late")
    archive, path = deliverer.archive, objects(deliverer)[0].path
    vandal = vandal_of(archive)
    vandal.write(path, vandal.read(path))
    found = fixity(archive, share=1e-9)
    assert found.objects == 0
    assert [(flaw.kind, flaw.path) for flaw in found.flaws] == [("changed", path)] * archive.objects.keeps_versions
    assert all("the version on record" in flaw.text for flaw in found.flaws)
    reindex(archive)
    assert kinds(deliverer) == []


def test_what_nobody_put_is_untracked(deliverer: Deliverer) -> None:
    deliverer.put("late")
    vandal_of(deliverer.archive).write(f"{largest(deliverer)[:-1]}x", b"stray")
    assert kinds(deliverer) == ["untracked"]


def test_what_nobody_put_is_not_compared_with_each_object(
    deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put of many files that was killed leaves as many behind."""
    deliverer.put("late")
    stray, needed = 20, len(objects(deliverer))
    for number in range(stray):
        Intake(deliverer.archive.objects).document(bytes([number]))
    asked = []

    class Counting(Address):
        __slots__ = ()

        def __getitem__(self, key: Any) -> Any:
            asked.append(key)
            return super().__getitem__(key)

    monkeypatch.setattr("attest.archive.fixity.Address", Counting)
    assert kinds(deliverer) == ["untracked"] * stray
    assert len(asked) <= 2 * needed


def test_the_custody_log_itself_is_looked_at(deliverer: Deliverer) -> None:
    deliverer.put("late")
    entry = "custody/entries/000/000/000/002"
    spoil(deliverer.archive, entry, flip)
    assert kinds(deliverer) == ["changed"]
    spoil(deliverer.archive, entry, lambda data: data.extend(bytes(MAX_NAMED)))
    assert kinds(deliverer) == ["changed"]
    vandal_of(deliverer.archive).lose(entry)
    assert kinds(deliverer) == ["missing"]


@pytest.mark.parametrize("size", [2, 5])
def test_a_head_of_the_custody_log_is_looked_at_to_its_last_byte(deliverer: Deliverer, size: int) -> None:
    """The first head and the newest, in its text and in its signature."""
    deliverer.put("late")
    archive, head = deliverer.archive, numbered(CHECKPOINTS_AT, size)
    kept = vandal_of(archive).read(head)
    for at in (3, len(kept) - 12, len(kept) - 1):
        spoil(archive, head, lambda data, at=at: data.__setitem__(at, data[at] ^ 1))  # type: ignore[misc]
        assert kinds(deliverer) == ["changed"]
        vandal_of(archive).write(head, kept)
    vandal_of(archive).write("custody/checkpoints/notes.txt", b"stray")
    assert kinds(deliverer) == ["untracked"]


@pytest.mark.parametrize(("lost", "until", "head"), [(2, 3, 4), (4, 5, 5)])
def test_an_index_does_not_hide_what_the_custody_log_has_lost(
    deliverer: Deliverer, lost: int, until: int, head: int
) -> None:
    """One entry in the midst, or all from one on: the index is left as it is, and after it was lost they are missed."""
    archive = deliverer.archive
    deliverer.put("late")
    before = dump(archive.index)
    for n in range(lost, until):
        vandal_of(archive).lose(numbered(ENTRIES_AT, n))
    with pytest.raises(ArchiveError, match=f"archive/hole: .*/{lost:03d} is gone: the index that is there has 5"):
        reindex(archive)
    assert dump(archive.index) == before
    archive.index.migrate()
    with archive.index.locked() as connection:
        archive.index.empty(connection)
    with pytest.raises(ArchiveError, match=f"archive/hole: .* {numbered(CHECKPOINTS_AT, head)} is there"):
        reindex(archive)
    assert "missing" in kinds(deliverer)


def test_a_sample_finds_every_loss(deliverer: Deliverer) -> None:
    deliverer.put("late")
    vandal_of(deliverer.archive).lose(objects(deliverer)[0].path)
    found = fixity(deliverer.archive, share=0.01)
    assert [flaw.kind for flaw in found.flaws] == ["missing"] and found.objects < len(objects(deliverer))


def test_a_hold_stands_until_each_case_is_released(deliverer: Deliverer) -> None:
    id_ = deliverer.put("late").id
    archive = deliverer.archive
    retention.retain(archive, id_, NOW - 1, actor="a", clock=CLOCK)
    retention.hold(archive, id_, "one", actor="a", clock=CLOCK)
    retention.hold(archive, id_, "two", actor="a", clock=CLOCK)
    retention.release(archive, id_, "one", actor="a", clock=CLOCK)
    assert retention.expire(archive, actor="a", clock=CLOCK) == []
    with pytest.raises(ArchiveError, match="archive/no-hold"):
        retention.release(archive, id_, "one", actor="a", clock=CLOCK)
    retention.release(archive, id_, "two", actor="a", clock=CLOCK)
    assert [gone.id for gone in retention.expire(archive, actor="a", clock=CLOCK)] == [id_]
    with pytest.raises(ArchiveError, match="archive/expired"):
        retention.hold(archive, id_, "three", actor="a", clock=CLOCK)


def test_what_the_store_locks_is_not_expired(deliverer: Deliverer) -> None:
    id_ = deliverer.put("late").id
    archive = deliverer.archive
    with archive.index.reading() as connection:
        manifest = deliveries.manifest_of(archive.objects, deliveries.find(connection, id_))
    retention.retain(archive, id_, NOW - 1, actor="a", clock=CLOCK)
    locks = archive.objects.hold(min(manifest.objects()), True)
    (found,) = retention.expirable(archive, NOW)
    assert bool(found.locked) == locks
    assert retention.expire(archive, actor="a", clock=CLOCK) == [found]
    with archive.index.reading() as connection:
        assert [row["expired"] for row in deliveries.listed(connection, expired=True)] == [not locks]
    assert kinds(deliverer) == []


def test_a_retention_is_only_extended(deliverer: Deliverer) -> None:
    id_ = deliverer.put("late").id
    retention.retain(deliverer.archive, id_, FAR, actor="a", clock=CLOCK)
    with pytest.raises(ArchiveError, match="archive/retained"):
        retention.retain(deliverer.archive, id_, FAR - 1, actor="a", clock=CLOCK)
    retention.retain(deliverer.archive, id_, FAR + 1, actor="a", clock=CLOCK)
    assert retention.expirable(deliverer.archive, FAR) == []


def test_a_retention_that_could_not_be_locked_is_locked_when_it_is_said_again(
    deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, id_ = deliverer.archive, deliverer.put("late").id

    def refuse(*_: object) -> bool:
        raise ArchiveError("archive/denied", "no", hint="no")

    with monkeypatch.context() as patched:
        patched.setattr(type(archive.objects), "retain", refuse)
        with pytest.raises(ArchiveError, match="archive/denied"):
            retention.retain(archive, id_, FAR, actor="a", clock=CLOCK)
    retention.retain(archive, id_, FAR, actor="a", clock=CLOCK)
    with archive.index.reading() as connection:
        needed = deliveries.manifest_of(archive.objects, deliveries.find(connection, id_)).objects()
        said = connection.execute(select(ENTRIES.c.n).where(ENTRIES.c.action == "retain")).all()
    assert len(said) == 1
    assert {bool(archive.objects.locked(each)) for each in needed} == {archive.objects.keeps_versions}


def test_what_nobody_retained_never_expires(deliverer: Deliverer) -> None:
    deliverer.put("late")
    assert retention.expirable(deliverer.archive, NOW + 10**10) == []


def test_what_expires_leaves_a_certificate_and_what_others_need(deliverer: Deliverer) -> None:
    early, late = deliverer.put("early").id, deliverer.put("late").id
    archive, before = deliverer.archive, len(objects(deliverer))
    retention.retain(archive, early, NOW - 1, actor="a", clock=CLOCK)
    (gone,) = retention.expire(archive, actor="a", clock=CLOCK)
    assert gone.objects > 0 and len(objects(deliverer)) == before - gone.objects + 1
    assert kinds(deliverer) == []
    assert [moved.moved for moved in recheck(archive, [late], actor="a", clock=CLOCK)] == [False]
    address = archive.custody.object_of(max(row[0] for row in dump(archive.index)["entries"]) - 1, "certificate")
    assert address is not None
    certificate = json.loads(read_whole(archive.objects, address))
    assert certificate["delivery"] == early and len(certificate["objects"]) == gone.objects
    same = dump(archive.index)
    reindex(archive)
    assert dump(archive.index) == same
    again = deliverer.put("early")
    assert again.objects == gone.objects and kinds(deliverer) == []
    same = dump(archive.index)
    reindex(archive)
    assert dump(archive.index) == same


def test_an_expiry_that_died_before_it_removed_is_finished_by_the_next(
    deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = deliverer.put("late").id
    archive = deliverer.archive
    retention.retain(archive, id_, NOW - 1, actor="a", clock=CLOCK)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(archive.objects, "remove", _dies)
        retention.expire(archive, actor="a", clock=CLOCK)
    assert retention.expire(archive, actor="a", clock=CLOCK) == []
    assert kinds(deliverer) == []
    with archive.index.reading() as connection:
        assert [row["expired"] for row in deliveries.listed(connection, expired=True)] == [True]


def _dies(_: object) -> None:
    raise RuntimeError("killed")


def test_recheck_says_what_moved_and_why(deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch) -> None:
    deliverer.put("late")
    (same,) = recheck(deliverer.archive, everything(deliverer.archive), actor="a", clock=CLOCK)
    assert not same.moved
    monkeypatch.setattr("attest.archive.recheck.__version__", "0.9")
    monkeypatch.setattr("attest.archive.judging.check", lambda *given, **more: check(*given, **more | {"at": START}))
    (moved,) = recheck(deliverer.archive, everything(deliverer.archive), actor="a", clock=CLOCK)
    assert moved.moved and (moved.before, moved.now) == ("holds", "unproven")
    assert moved.reasons[0] == "outcome holds is now unproven"
    assert any(reason.startswith("parties[0].outcome: ") for reason in moved.reasons)


def test_an_older_checkpoint_in_the_place_of_what_was_delivered_is_not_judged(
    deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is signed, and of the same log: nothing else would tell."""
    archive = deliverer.archive
    ids = [deliverer.put(name).id for name in ("early", "late")]
    with archive.index.reading() as connection:
        manifests = [deliveries.manifest_of(archive.objects, deliveries.find(connection, each)) for each in ids]
    old, new = (next(file for file in each.copies[0].files if file.path == "checkpoint") for each in manifests)
    vandal = vandal_of(archive)
    vandal.write(new.whole.path, vandal.read(old.whole.path))
    monkeypatch.setattr("attest.archive.judging.check", lambda *_, **__: pytest.fail("it is judged"))
    (moved,) = recheck(archive, [ids[1]], actor="a", clock=CLOCK)
    assert (moved.before, moved.now) == ("holds", "unjudged")


def test_what_a_store_did_to_evidence_is_said_of_nobody(deliverer: Deliverer) -> None:
    """Neither when it is judged again nor when a lab delivers it anew, or what shares it: that is unjudged."""
    archive = deliverer.archive
    deliverer.put("early")
    id_ = deliverer.put("late").id
    spoil(archive, largest(deliverer), flip)
    for moved in recheck(archive, everything(archive), actor="a", clock=CLOCK):
        assert moved.now == "unjudged" and moved.reasons[0] == f"outcome {moved.before} is now unjudged"
        assert "archive/changed" in moved.reasons[1]
    judged = deliverer.put("late").judged
    assert judged is not None and judged.outcome == "unjudged"
    assert isinstance(judged.why, MissingError) and judged.why.code == "archive/changed"
    record_fixity(archive, fixity(archive), 1.0, actor="a", clock=CLOCK)
    judged = deliverer.put("late").judged
    assert judged is not None and judged.outcome == "holds"
    assert not [moved for moved in recheck(archive, [id_], actor="a", clock=CLOCK) if moved.moved]


@pytest.mark.parametrize("broken", ["verdict", "entry", "entry lost"])
def test_recheck_goes_on_where_a_verdict_is_lost(deliverer: Deliverer, broken: str) -> None:
    """It says so of this one, which may have been another, and judges the others."""
    archive = deliverer.archive
    first, second = deliverer.put("early"), deliverer.put("late")
    address = archive.custody.object_of(4, "verdict")
    assert address is not None
    if broken == "entry lost":
        vandal_of(archive).lose(numbered(ENTRIES_AT, 4))
    else:
        spoil(archive, address.path if broken == "verdict" else numbered(ENTRIES_AT, 4), lambda data: data.reverse())
    moved, same = recheck(archive, [first.id, second.id], actor="a", clock=CLOCK)
    assert (moved.before, moved.now) == ("unproven", "unproven") and not same.moved
    (reason,) = moved.reasons
    assert reason.startswith("the verdict before cannot be read: ")


def test_get_gives_back_what_was_delivered(deliverer: Deliverer, tmp_path: Path, copies: Path) -> None:
    deliverer.put("early")
    id_ = deliverer.put("late").id
    with deliverer.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(deliverer.archive.objects, deliveries.find(connection, id_))
    write_out(deliverer.archive, manifest, tmp_path / "out")
    given = {p.relative_to(copies / "late"): p.read_bytes() for p in (copies / "late").rglob("*") if p.is_file()}
    bundle = tmp_path / "out" / "bundles" / "late"
    assert {p.relative_to(bundle): p.read_bytes() for p in bundle.rglob("*") if p.is_file()} == given
    with pytest.raises(ArchiveError, match="archive/exists"):
        write_out(deliverer.archive, manifest, tmp_path / "out")


def test_get_does_not_give_what_a_store_has_changed(deliverer: Deliverer, tmp_path: Path) -> None:
    id_ = deliverer.put("late").id
    with deliverer.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(deliverer.archive.objects, deliveries.find(connection, id_))
    spoil(deliverer.archive, largest(deliverer), flip)
    with pytest.raises(MissingError, match="archive/changed"):
        write_out(deliverer.archive, manifest, tmp_path / "out")


def test_the_custody_log_is_a_log(deliverer: Deliverer, tmp_path: Path) -> None:
    for name in ("early", "late", "other"):
        deliverer.put(name)
    archive, whole = deliverer.archive, len(dump(deliverer.archive.index)["entries"])
    assert write_custody(archive, tmp_path / "custody") == (whole, 0)
    assert (tmp_path / "custody" / "checkpoint").read_bytes().split(b"\n")[1] == b"%d" % whole
    vandal_of(archive).lose(numbered(CHECKPOINTS_AT, whole))
    size, headless = write_custody(archive, tmp_path / "shorter")
    assert headless > 0 and size + headless == whole
