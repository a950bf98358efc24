"""What `probe` finds out about stores that are what they say, and about some that are not."""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from attest.archive.attempts import ALLOWED, PREVENTED, PROTECTING, UNTRIED, Tried, write_once
from attest.archive.folder import FolderObjects
from attest.archive.probe import probe
from attest.archive.s3 import S3Objects, open_s3
from attest.archive.s3_bucket import Bucket
from attest.errors import ArchiveError
from tests.archive.servers import Server
from tests.archive.test_objects import put, read

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "archive.md"
ATTEMPTS = (*PROTECTING, "lift-hold", "create-again", "clean-up")


def clock() -> int:
    return int(time.time())


def outcomes(found: list[Tried]) -> dict[str, str]:
    assert [tried.attempt for tried in found] == list(ATTEMPTS)
    assert all(tried.detail for tried in found)
    return {tried.attempt: tried.outcome for tried in found}


def page(store: str) -> dict[str, str]:
    """What schemas/archive.md says of a store."""
    lines = PAGE.read_text("utf-8").split("| attempt |")[1].splitlines()
    stores, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: len(ATTEMPTS) + 2]]
    return {row[0]: row[1 + stores.index(store)] for row in rows[1:]}


@pytest.fixture
def moto_bucket(moto_server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    moto_server.chosen(monkeypatch)
    return open_s3(f"s3://{moto_server.bucket(request.node.nodeid)}/p")


@pytest.fixture
def radosgw_bucket(
    radosgw_server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> S3Objects:
    radosgw_server.chosen(monkeypatch)
    return open_s3(f"s3://{radosgw_server.bucket(request.node.nodeid)}/p")


@pytest.mark.stress
def test_radosgw_keeps_every_rule_of_object_lock(radosgw_bucket: S3Objects) -> None:
    found = probe(radosgw_bucket, clock)
    assert outcomes(found) == page("Ceph 16")
    assert write_once(found)


def test_moto_lets_compliance_be_shortened_and_weakened(moto_bucket: S3Objects) -> None:
    found = probe(moto_bucket, clock)
    assert outcomes(found) == page("moto 5.2")
    assert not write_once(found)


def test_a_folder_prevents_nothing(tmp_path: Path) -> None:
    found = probe(FolderObjects(tmp_path), clock)
    assert outcomes(found) == page("folder")
    assert not write_once(found)
    assert not (tmp_path / "probe").exists()


def test_versions_alone_prevent_little(s3: Server, request: pytest.FixtureRequest) -> None:
    found = probe(open_s3(f"s3://{s3.bucket(request.node.nodeid, lock=False)}"), clock)
    said = outcomes(found)
    assert said.pop("create-again") in (ALLOWED, PREVENTED)
    assert said == {
        "overwrite": PREVENTED,
        "delete": PREVENTED,
        "delete-version": ALLOWED,
        "delete-bulk": ALLOWED,
        **dict.fromkeys(("delete-bypass", "shorten", "mode", "delete-held", "lift-hold"), UNTRIED),
        "clean-up": ALLOWED,
    }
    assert not write_once(found)


def test_nothing_but_canaries_is_touched(objects: Any) -> None:
    address = put(objects, b"evidence")
    objects.put_named("custody/entries/000", b"genesis")
    before = list(objects.walk("objects/")), list(objects.walk("custody/"))
    probe(objects, clock)
    assert (list(objects.walk("objects/")), list(objects.walk("custody/"))) == before
    assert read(objects, address) == b"evidence"


@pytest.mark.stress
def test_a_later_probe_takes_away_what_an_earlier_one_had_to_leave(
    radosgw_bucket: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retention of canaries is real, so that it has to end for real: five seconds."""
    left = radosgw_bucket.below("probe/earlier")
    held, locked = put(left, b"left under a hold"), put(left, b"left under a retention")
    left.hold(held, True)
    until = clock() + 5
    left.retain(locked, until)
    while clock() <= until:
        time.sleep(0.2)
    probe(radosgw_bucket, clock)
    assert list(left.walk("")) == []


Ask = Callable[..., Any]


def obeying(ask: Ask, self: Bucket, what: str, path: str, more: dict[str, Any]) -> None:
    """Takes away, by what moto allows, every lock that stands against a request."""
    if what in ("delete_object", "delete_objects"):
        paths = [path] if path else [each["Key"].removeprefix(self.prefix) for each in more["Delete"]["Objects"]]
        for each in paths:
            for version in self.kept(each).versions:
                if self.lock(each, version.id).held:
                    ask(self, "put_object_legal_hold", each, VersionId=version.id, LegalHold={"Status": "OFF"})
                if self.lock(each, version.id).mode:
                    ask(
                        self,
                        "put_object_retention",
                        each,
                        VersionId=version.id,
                        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": time.time() - 1_000},
                        BypassGovernanceRetention=True,
                    )


def test_a_store_that_takes_the_lock_and_deletes_all_the_same(
    moto_bucket: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Bucket.ask

    def lax(self: Bucket, what: str, path: str, **more: Any) -> Any:
        obeying(ask, self, what, path, more)
        return ask(self, what, path, **more)

    monkeypatch.setattr(Bucket, "ask", lax)
    found = probe(moto_bucket, clock)
    assert {name for name, outcome in outcomes(found).items() if outcome == PREVENTED} == {
        "overwrite",
        "delete",
        "create-again",
    }
    assert not write_once(found)


def test_a_store_that_refuses_and_deletes_all_the_same(moto_bucket: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Bucket.ask

    def lying(self: Bucket, what: str, path: str, **more: Any) -> Any:
        obeying(ask, self, what, path, more)
        answer = ask(self, what, path, **more)
        if what == "delete_object" and "VersionId" in more:
            raise ArchiveError("archive/denied", "the server says 403 AccessDenied")
        return answer

    monkeypatch.setattr(Bucket, "ask", lying)
    found = {tried.attempt: tried for tried in probe(moto_bucket, clock)}
    assert found["delete-version"].outcome == ALLOWED
    assert found["delete-version"].detail == "the server says 403 AccessDenied, and it happened"


def test_a_retention_that_may_have_ended_proves_nothing(moto_bucket: S3Objects) -> None:
    """An hour between any two looks at the clock."""
    hours = count(int(time.time()), 3_600)
    said = outcomes(probe(moto_bucket, lambda: next(hours)))
    assert said["shorten"] == said["mode"] == UNTRIED
    assert said["delete-version"] == PREVENTED


def test_a_store_that_locks_nothing_it_was_asked_to(moto_bucket: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "retain", lambda *_, **__: None)
    found = probe(moto_bucket, clock)
    assert outcomes(found)["delete-version"] == UNTRIED
    assert "no canary could be locked" in found[2].detail
    assert not write_once(found)
