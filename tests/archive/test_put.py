"""Deliveries: stored first, compared with what is known, judged, and the same again from the store alone."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from attest.archive import deliveries
from attest.archive.entries import entries_of
from attest.archive.forks import Fork, parse_fork, verify_fork
from attest.archive.putting import Paper
from attest.archive.reindex import dump, reindex
from attest.archive.retention import expire, hold, retain
from attest.archive.stored import read_whole
from attest.archive.tables import LOGS, OBJECTS
from attest.errors import EvidenceError, MalformedError, MissingError
from attest.store.inside import Inside
from attest.trust.notes import log_vkey
from tests.archive.conftest import Deliverer
from tests.archive.papers import NOW, pact
from tests.archive.vandal import flip, spoil, vandal_of
from tests.check.world import ACME


def standing(deliverer: Deliverer, name: str) -> str:
    ((_, found),) = deliverer.put(name).standings
    return found.word


def size_of_objects(deliverer: Deliverer) -> int:
    return sum(found.size for found in deliverer.archive.objects.walk())


def remembered(deliverer: Deliverer) -> list[int]:
    with deliverer.archive.index.reading() as connection:
        return list(connection.execute(select(LOGS.c.size)).scalars())


def test_a_delivery_is_judged_and_recorded(deliverer: Deliverer) -> None:
    received = deliverer.put("late")
    assert received.judged is not None and received.judged.outcome == "holds"
    with deliverer.archive.index.reading() as connection:
        (row,) = deliverers = deliveries.listed(connection)
        actions = [entry["action"] for entry in entries_of(connection, received.id)]
    assert len(deliverers) == 1 and row["outcome"] == "holds" and row["parties"] == {ACME.iss: "holds"}
    assert actions == ["put", "standing", "verdict"]


def test_put_again_it_is_not_stored_again(deliverer: Deliverer) -> None:
    first = deliverer.put("late")
    before = size_of_objects(deliverer)
    again = deliverer.put("late")
    assert (again.id, again.objects, again.size) == (first.id, 0, 0)
    assert size_of_objects(deliverer) == before


def test_the_version_of_each_object_is_on_record(deliverer: Deliverer) -> None:
    deliverer.put("early")
    received, objects = deliverer.put("late"), deliverer.archive.objects
    with deliverer.archive.index.reading() as connection:
        row = deliveries.find(connection, received.id)
        there = {deliveries.address(row), *deliveries.manifest_of(objects, row).objects()}
        found = deliveries.versions(connection, objects, row)
        versions = connection.execute(select(OBJECTS.c.version)).scalars().all()
    assert found == {each.path: objects.version(each) or None for each in there}
    assert all(bool(version) == objects.keeps_versions for version in versions)


def test_a_log_that_grows_is_stored_once(deliverer: Deliverer, copies: Path) -> None:
    deliverer.put("early")
    before = size_of_objects(deliverer)
    grown = deliverer.put("late")
    (late,) = (copies / "late" / "blocks").rglob("*.p/*")
    (early,) = (copies / "early" / "blocks").rglob("*.p/*")
    assert late.stat().st_size > early.stat().st_size > 4_096
    # The pack's rest and small files; not the pack again.
    assert size_of_objects(deliverer) - before < late.stat().st_size
    with deliverer.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(deliverer.archive.objects, deliveries.find(connection, grown.id))
    parts = {file.path: len(file.parts) for file in manifest.copies[0].files}
    assert parts[str(late.relative_to(copies / "late"))] == 2
    assert grown.judged is not None and grown.judged.outcome == "holds"


def test_newer_older_and_forked_copies(deliverer: Deliverer) -> None:
    assert standing(deliverer, "early") == "current"
    assert standing(deliverer, "late") == "current"
    newest = remembered(deliverer)
    assert standing(deliverer, "early") == "older"
    assert standing(deliverer, "other") == "forked"
    assert remembered(deliverer) == newest


def test_a_fork_leaves_a_proof_for_anybody(deliverer: Deliverer) -> None:
    first, second = deliverer.put("late"), deliverer.put("other")
    with deliverer.archive.index.reading() as connection:
        entry = next(e for e in entries_of(connection, second.id) if e["action"] == "fork")
    assert entry["details"]["against"] == first.id
    address = deliverer.archive.custody.object_of(entry["entry"], "proof")
    assert address is not None
    fork = parse_fork(read_whole(deliverer.archive.objects, address))
    keys = (log_vkey(ACME.origin, ACME.key("log").public_key()),)
    before, after = verify_fork(fork, ACME.origin, keys)
    assert before.size < after.size
    with pytest.raises(EvidenceError):
        verify_fork(Fork(fork.smaller, fork.smaller, before.root, ()), ACME.origin, keys)
    with pytest.raises(EvidenceError):
        verify_fork(fork._replace(path=fork.path[1:]), ACME.origin, keys)
    with pytest.raises(EvidenceError):
        verify_fork(fork, ACME.origin, (log_vkey(ACME.origin, ACME.key("office").public_key()),))


def test_a_stranger_s_agreement_changes_nothing_that_is_remembered(deliverer: Deliverer, copies: Path) -> None:
    """A rival signs a longer log of the same name with keys of its own, under an agreement of its own."""
    deliverer.put("early")
    before = remembered(deliverer)
    shutil.copytree(copies / "late", copies.parent / "rival", dirs_exist_ok=True)
    note = copies.parent / "rival" / "checkpoint"
    note.write_bytes(note.read_bytes().replace(b"\n\xe2\x80\x94 " + ACME.origin.encode(), b"\n\xe2\x80\x94 rival"))
    ((_, found),) = Deliverer(deliverer.archive, copies.parent).put("rival").standings
    assert found.word == "unsigned" and remembered(deliverer) == before


def expired(deliverer: Deliverer, id_: str) -> None:
    retain(deliverer.archive, id_, NOW - 1, actor="a", clock=lambda: NOW)
    (gone,) = expire(deliverer.archive, actor="a", clock=lambda: NOW)
    assert gone.id == id_


def test_what_has_expired_is_still_remembered(deliverer: Deliverer) -> None:
    expired(deliverer, deliverer.put("late").id)
    newest = remembered(deliverer)
    assert standing(deliverer, "early") == "unshown"  # smaller, and the tree that would show it is gone
    assert remembered(deliverer) == newest
    assert standing(deliverer, "late") == "current"


def test_a_fork_of_what_has_expired_is_proven(deliverer: Deliverer) -> None:
    early = deliverer.put("early")
    other = deliverer.put("other")  # as large as neither, and the newest head from here on
    expired(deliverer, early.id)
    expired(deliverer, other.id)
    received = deliverer.put("late")
    ((_, found),) = received.standings
    assert found.word == "forked" and found.against == other.id and found.fork is not None
    keys = (log_vkey(ACME.origin, ACME.key("log").public_key()),)
    before, after = verify_fork(found.fork, ACME.origin, keys)
    assert before.size < after.size


def head_of(deliverer: Deliverer) -> str:
    """Where the store has the note of the newest head."""
    with deliverer.archive.index.reading() as connection:
        n = connection.execute(select(LOGS.c.standing_n)).scalar_one()
    address = deliverer.archive.custody.object_of(n, "head")
    assert address is not None
    return address.path


@pytest.mark.parametrize("broken", [False, True], ids=["lost", "changed"])
def test_a_head_that_the_store_has_lost_turns_no_delivery_away(deliverer: Deliverer, broken: bool) -> None:
    """What it was is known, so that newer and older are told; only a fork cannot be proven without it."""

    def harm() -> None:
        path = head_of(deliverer)
        spoil(deliverer.archive, path, flip) if broken else vandal_of(deliverer.archive).lose(path)

    deliverer.put("early")
    harm()
    assert standing(deliverer, "late") == "current"
    newest = remembered(deliverer)
    harm()
    assert standing(deliverer, "other") == "unshown"
    assert standing(deliverer, "early") == "older"
    assert remembered(deliverer) == newest


def test_a_name_that_no_manifest_can_have_is_refused_whole(deliverer: Deliverer, copies: Path, tmp_path: Path) -> None:
    shutil.copytree(copies / "early", tmp_path / "odd\nname")
    with pytest.raises(MalformedError, match="statement/text"):
        Deliverer(deliverer.archive, tmp_path).put("odd\nname")
    with deliverer.archive.index.reading() as connection:
        assert deliveries.listed(connection) == []
    deliverer.put("early")


@pytest.mark.parametrize("name", ["a\udcff", "a\nb", ""])
def test_a_paper_whose_name_no_manifest_can_have_is_refused_whole(deliverer: Deliverer, name: str) -> None:
    before = list(deliverer.archive.objects.walk())
    with pytest.raises(MalformedError, match="statement/text"):
        deliverer.put("early", papers=[*pact(), Paper("event", name, b"one")])
    assert list(deliverer.archive.objects.walk()) == before


def test_events_of_one_name_are_kept_apart(deliverer: Deliverer) -> None:
    events = [Paper("event", "pause.event", b"one"), Paper("event", "pause.event", b"two")]
    received = deliverer.put("early", papers=[*pact(), *events])
    with deliverer.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(deliverer.archive.objects, deliveries.find(connection, received.id))
    assert [paper.name for paper in manifest.documents if paper.role == "event"] == ["pause.event", "pause.event-2"]


def test_an_entry_that_nobody_could_read_is_not_stored(deliverer: Deliverer) -> None:
    id_ = deliverer.put("early").id
    for case in ("a\nb", "", "x" * 513, "x" * 9_000):
        with pytest.raises(MalformedError):
            hold(deliverer.archive, id_, case, actor="a", clock=lambda: NOW)
    assert hold(deliverer.archive, id_, "2026/117", actor="a", clock=lambda: NOW) == id_


def test_broken_evidence_is_kept_and_marked(deliverer: Deliverer, tmp_path: Path, copies: Path) -> None:
    broken = shutil.copytree(copies / "late", tmp_path / "broken")
    (tile,) = (broken / "tile" / "entries").rglob("*.p/*")
    tile.write_bytes(b"\0" * tile.stat().st_size)
    received = Deliverer(deliverer.archive, tmp_path).put("broken")
    assert received.judged is not None and received.judged.outcome == "invalid"
    empty = tmp_path / "nearly"
    (empty / "tile").mkdir(parents=True)
    (empty / "tile" / "junk").write_bytes(b"junk")
    received = Deliverer(deliverer.archive, tmp_path).put("nearly")
    assert received.judged is not None and received.judged.verdict is not None
    assert json.loads(received.judged.verdict)["exit_code"] == 6


def test_an_agreement_that_nobody_can_read_leaves_it_unjudged(deliverer: Deliverer) -> None:
    papers = [pact()[0]._replace(data=b"not an agreement")]
    received = deliverer.put("late", papers=papers)
    assert received.judged is not None
    assert (received.judged.outcome, received.judged.verdict) == ("unjudged", None)
    with deliverer.archive.index.reading() as connection:
        assert deliveries.listed(connection, outcome="unjudged")[0]["id"] == received.id


def test_nothing_is_no_delivery(deliverer: Deliverer, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(MissingError, match="bundle/missing"):
        Deliverer(deliverer.archive, tmp_path).put("nothing")
    with pytest.raises(MissingError):
        Inside(tmp_path / "absent", "")


def test_a_link_out_of_the_bundle_is_refused(deliverer: Deliverer, tmp_path: Path, copies: Path) -> None:
    linked = shutil.copytree(copies / "late", tmp_path / "linked")
    (tmp_path / "secret").write_text("a secret")
    (linked / "extra").symlink_to(tmp_path / "secret")
    with pytest.raises(MissingError, match="bundle/link"):
        Deliverer(deliverer.archive, tmp_path).put("linked")
    with deliverer.archive.index.reading() as connection:
        assert deliveries.listed(connection) == []


def test_the_index_is_the_same_when_it_is_made_anew(deliverer: Deliverer) -> None:
    for name in ("early", "late", "other", "early"):
        deliverer.put(name)
    before = dump(deliverer.archive.index)
    assert reindex(deliverer.archive) == (len(before["entries"]), 0)
    assert dump(deliverer.archive.index) == before


def test_an_archive_is_not_put_into_itself(deliverer: Deliverer) -> None:
    """Its keys would be objects, which whoever may read it reads."""
    place = deliverer.archive.path
    for folder in (place, place.parent, place / "keys"):
        with pytest.raises(MissingError, match="archive/itself"):
            Deliverer(deliverer.archive, folder.parent).put(folder.name)
    with deliverer.archive.index.reading() as connection:
        assert deliveries.listed(connection) == []
