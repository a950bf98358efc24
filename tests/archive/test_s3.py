"""What only a bucket has: versions, markers, locks, credentials, a network; each server keeps these as it does."""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.exceptions import ClientError

from attest.archive import s3_bucket, s3_client
from attest.archive.address import address_of, address_of_pieces
from attest.archive.intake import Intake
from attest.archive.s3 import S3Objects, open_s3
from attest.archive.s3_bucket import PART, Bucket, Kept
from attest.errors import ArchiveError, AttestError, MissingError
from tests.archive.faults import FAULTS, FOREVER, Fault, Front, front
from tests.archive.servers import KEYS, Server, free_ports
from tests.archive.test_objects import drawn, put, read

PAGE = Path(__file__).resolve().parents[2] / "README.md"
NAME = "custody/entries/000"


def code(act: Any) -> str:
    with pytest.raises(AttestError) as error:
        act()
    assert error.value.hint
    return error.value.code


def test_the_page_says_how_to_start_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its line, on a port that is free here."""
    port = free_ports(1)[0]
    server = Server(f"http://127.0.0.1:{port}")
    server.chosen(monkeypatch)
    (line,) = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("moto_server"))
    (tmp_path / "line").write_text(line.replace("5055", str(port)))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (tmp_path / "said").open("wb") as said:
        shell = subprocess.Popen(
            ["bash", "-e", "line"],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        assert shell.wait(60) == 0, (tmp_path / "said").read_text()
        store = open_s3("s3://archive/regulator")
        assert store.retain(put(store, b"tried"), int(time.time()) + 1_000)
    finally:
        os.killpg(shell.pid, signal.SIGTERM)


# Versions and markers.


def test_what_was_there_first_is_the_object(bucket: S3Objects) -> None:
    address = put(bucket, b"the evidence")
    bucket.bucket.send(address.path, b"other things")  # of the same size
    bucket.bucket.send(address.path, b"short")
    assert read(bucket, address) == b"the evidence"
    (found,) = bucket.walk()
    assert found.size == len(b"the evidence")
    assert len(found.versions) == 3
    assert bucket.put(address, list) == (found.versions[-1], False)


def test_what_is_sent_twice_alike_is_one_thing(bucket: S3Objects) -> None:
    address = put(bucket, b"the evidence")
    bucket.bucket.send(address.path, b"the evidence")
    (found,) = bucket.walk()
    assert (len(found.versions), len(found.all)) == (1, 2)
    assert len(bucket.bucket.kept(address.path).versions) == 2
    bucket.remove(address)
    assert not bucket.bucket.kept(address.path).versions


def test_of_several_versions_of_its_size_the_one_with_its_bytes_is_the_object(
    bucket: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the server calls them the same: a failing disk changes what is stored, and not its name."""
    data = b"".join(drawn(9, (1 << 20) + 7))
    address = address_of(data)
    listed = Bucket.listed

    def alike(self: Bucket, prefix: str) -> Iterator[Kept]:
        for kept in listed(self, prefix):
            yield kept._replace(versions=tuple(version._replace(tag="same") for version in kept.versions))

    monkeypatch.setattr(Bucket, "listed", alike)
    for bad in (b"1", b"2"):
        bucket.bucket.send(address.path, data[:-1] + bad)
    oldest = bucket.bucket.kept(address.path).versions[-1].id
    assert bucket.version(address) == oldest and read(bucket, address) == data[:-1] + b"1"
    version, new = bucket.put(address, lambda: [data], again=True)
    assert new and version != oldest
    bucket.bucket.send(address.path, data)
    assert bucket.version(address) == open_s3(bucket.name).version(address) == version
    assert read(bucket, address) == data
    assert bucket.put(address, list) == (version, False)
    (found,) = bucket.walk()
    assert len(found.all) == 4 and found.all[1] == version


def test_a_server_that_does_not_take_it_again_is_found_out(bucket: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    address = address_of(b"the evidence")
    bucket.bucket.send(address.path, b"the evidencE")
    monkeypatch.setattr(Bucket, "send", lambda *_: None)
    assert code(lambda: bucket.put(address, lambda: [b"the evidence"], again=True)) == "archive/store"


def test_a_marker_of_deletion_hides_nothing_and_is_shown(bucket: S3Objects) -> None:
    address = put(bucket, b"the evidence")
    bucket.put_named(NAME, b"genesis")
    for path in (address.path, NAME):
        bucket.bucket.ask("delete_object", path)
    assert bucket.has(address)
    assert read(bucket, address) == b"the evidence"
    assert bucket.named(NAME) == b"genesis"
    assert [len(found.versions) for found in bucket.walk("")] == [2, 2]
    with pytest.raises(ArchiveError, match="archive/exists"):
        bucket.put_named(NAME, b"another story")
    bucket.remove(address)
    assert bucket.bucket.kept(address.path) == (address.path, (), ())


def test_a_name_has_its_first_meaning(bucket: S3Objects) -> None:
    bucket.put_named(NAME, b"genesis")
    bucket.bucket.send(NAME, b"another story")
    assert bucket.named(NAME) == b"genesis"
    assert [len(found.versions) for found in bucket.walk("custody/")] == [2]


def test_who_comes_second_unawares_is_told(bucket: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the write of one, another writes."""
    send = Bucket.send

    def second(self: Bucket, path: str, data: bytes) -> None:
        send(self, path, b"the other's")
        send(self, path, data)

    monkeypatch.setattr(Bucket, "send", second)
    with pytest.raises(ArchiveError, match="archive/exists"):
        bucket.put_named(NAME, b"mine")
    assert bucket.named(NAME) == b"the other's"


def test_what_is_too_large_under_a_name_is_not_read(bucket: S3Objects) -> None:
    bucket.bucket.send(NAME, bytes((1 << 20) + 1))
    with pytest.raises(ArchiveError, match="more than 1,048,576 bytes"):
        bucket.named(NAME)


def test_listings_that_come_in_pages(bucket: S3Objects) -> None:
    """A page may end between the versions of one key."""
    for n in range(7):
        for version in range(n % 3 + 1):
            bucket.bucket.send(f"custody/{n}", b"x" * version)
    bucket.bucket.ask("delete_object", "custody/2")
    whole = list(bucket.walk("custody/"))
    asked = []

    def short(params: dict[str, Any], **_: Any) -> None:
        asked.append(params.setdefault("MaxKeys", 2))

    bucket.bucket.client.meta.events.register("provide-client-params.s3.ListObjectVersions", short)
    assert list(bucket.walk("custody/")) == whole
    assert len(asked) > 5
    assert [len(found.versions) for found in whole] == [1, 2, 4, 1, 2, 3, 1]
    assert bucket.named("custody/2") == b""


def test_stores_in_one_bucket_do_not_meet(s3: Server, request: pytest.FixtureRequest) -> None:
    name = s3.bucket(request.node.nodeid)
    one, other, all_ = (open_s3(f"s3://{name}{prefix}") for prefix in ("/regulator/one", "/regulator/one1/", ""))
    assert [store.name for store in (one, other, all_)] == [
        f"s3://{name}/regulator/one",
        f"s3://{name}/regulator/one1",
        f"s3://{name}",
    ]
    address = put(one, b"of one")
    assert not other.has(address)
    assert not all_.has(address)
    assert list(other.walk("")) == []
    assert [found.path for found in all_.walk("")] == [f"regulator/one/{address.path}"]


def test_a_store_is_asked_once_for_what_it_has(bucket: S3Objects) -> None:
    asked: Counter[str] = Counter()
    bucket.bucket.client.meta.events.register("before-call.s3", lambda model, **_: asked.update([model.name]))
    intake = Intake(bucket)
    for n in range(3):
        intake.document(b"%d" % n)
    assert asked == {"ListObjectVersions": 6, "PutObject": 3}  # who writes looks afterwards which version it is
    for n in range(3):
        intake.document(b"%d" % n)
    assert asked == {"ListObjectVersions": 9, "PutObject": 3}
    assert (intake.objects, intake.size) == (3, 3)


# Locks.


def test_a_bucket_without_object_lock_locks_nothing_and_says_so(s3: Server, request: pytest.FixtureRequest) -> None:
    store = open_s3(f"s3://{s3.bucket(request.node.nodeid, lock=False)}")
    address = put(store, b"data")
    assert not store.retain(address, int(time.time()) + 1_000)
    assert not store.hold(address, True)
    store.remove(address)
    assert not store.has(address)


def test_a_weaker_retention_becomes_compliance(bucket: S3Objects) -> None:
    address, until = put(bucket, b"data"), int(time.time()) + 5_000
    (version,) = bucket.bucket.kept(address.path).versions
    bucket.bucket.retain(address.path, version.id, until, mode="GOVERNANCE")
    assert bucket.retain(address, until - 1_000)
    assert bucket.bucket.lock(address.path, version.id) == ("COMPLIANCE", until, False)


@pytest.mark.parametrize("ignored", ["retain", "hold", "delete", "send"])
def test_a_server_that_only_says_yes_is_found_out(
    bucket: S3Objects, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    address = put(bucket, b"data")
    monkeypatch.setattr(Bucket, ignored, lambda *_, **__: None)
    act = {
        "retain": lambda: bucket.retain(address, int(time.time()) + 1_000),
        "hold": lambda: bucket.hold(address, True),
        "delete": lambda: bucket.remove(address),
        "send": lambda: put(bucket, b"more"),
    }[ignored]
    assert code(act) == "archive/store"


# Names of stores, credentials, errors.


@pytest.mark.parametrize(
    "url",
    ["", "s3://", "s3:///x", "http://bucket/x", "s3://B/x", "s3://bucket//x", "s3://bucket/a/../b", "s3://bucket/a?b"],
)
def test_a_url_that_names_no_store(url: str) -> None:
    assert code(lambda: open_s3(url)) == "archive/store"


def test_a_bucket_that_is_not_there(s3: Server) -> None:
    assert code(lambda: open_s3("s3://there-is-none-of-this-name/x")) == "archive/store"


def test_a_bucket_that_keeps_no_versions(s3: Server, request: pytest.FixtureRequest) -> None:
    name = s3.bucket(request.node.nodeid, lock=False, versions=False)
    assert code(lambda: open_s3(f"s3://{name}")) == "archive/store"


def test_no_credentials(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    moto_server.chosen(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert code(lambda: open_s3("s3://bucket")) == "archive/denied"


@pytest.mark.stress  # moto looks at nobody's keys
def test_wrong_credentials_are_refused_and_never_told(
    radosgw_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    radosgw_server.chosen(monkeypatch)
    name = radosgw_server.bucket(request.node.nodeid)
    for key, secret in ((KEYS[0], "a secret that is wrong"), ("AKIAUNKNOWN", KEYS[1])):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        with pytest.raises(ArchiveError) as error:
            open_s3(f"s3://{name}")
        assert error.value.code == "archive/denied"
        told = "".join(traceback.format_exception(error.value)) + error.value.hint + caplog.text
        assert secret not in told
        assert key not in told


@pytest.mark.parametrize("endpoint", ["not a url", "http://127.0.0.1:99999"])
def test_an_endpoint_that_is_none(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Server(endpoint).chosen(monkeypatch)
    assert code(lambda: open_s3("s3://bucket")) in ("archive/store", "archive/unreachable")


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    Server(f"http://127.0.0.1:{free_ports(1)[0]}").chosen(monkeypatch)
    assert code(lambda: open_s3("s3://bucket")) == "archive/unreachable"


@pytest.mark.parametrize("package", ["boto3.session", "botocore.exceptions"])
def test_without_boto3(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert code(lambda: open_s3("s3://bucket")) == "archive/package"


def test_boto3_is_loaded_only_for_a_store_that_needs_it() -> None:
    program = (
        "import sys, attest.archive.s3, attest.archive.probe\n"
        "assert not {'boto3', 'botocore'} & {m.split('.')[0] for m in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "status, said, expected",
    [
        (403, "QuotaExceeded", "archive/full"),
        (507, "XMinioStorageFull", "archive/full"),
        (403, "RequestTimeTooSkewed", "archive/denied"),
        (400, "ExpiredToken", "archive/denied"),
        (429, "TooManyRequests", "archive/unreachable"),
        (400, "BadDigest", "archive/unreachable"),
        (503, "SlowDown", "archive/unreachable"),
        (501, "NotImplemented", "archive/store"),
        (400, "EntityTooLarge", "archive/store"),
        (404, "NoSuchBucket", "archive/store"),
        (404, "NoSuchVersion", "archive/missing"),
    ],
)
def test_what_a_server_says_has_a_code(status: int, said: str, expected: str) -> None:
    answer = {"Error": {"Code": said, "Message": "m" * 5_000}, "ResponseMetadata": {"HTTPStatusCode": status}}

    with pytest.raises(AttestError) as error, s3_client.failures("s3://bucket"):
        raise ClientError(answer, "PutObject")  # type: ignore[arg-type]
    assert error.value.code == expected
    assert error.value.hint
    assert len(error.value.detail) < 300


# A network that fails.


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """boto3 does not sleep between tries, and waits two seconds for an answer where none will come."""
    if "silence" in request.node.name:
        monkeypatch.setattr(s3_client, "ANSWER", 2)
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def faults(moto_server: Server, monkeypatch: pytest.MonkeyPatch, impatient: None) -> Iterator[Front]:
    with front(moto_server) as server:
        server.server.chosen(monkeypatch)
        yield server


@pytest.fixture
def weak(faults: Front, moto_server: Server, request: pytest.FixtureRequest) -> S3Objects:
    """A store behind the faults."""
    return open_s3(f"s3://{moto_server.bucket(request.node.nodeid)}/p")


@pytest.mark.parametrize("what", [what for what in FAULTS if what != "silence"])
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_fault_that_passes_is_not_noticed(weak: S3Objects, faults: Front, what: str, method: str) -> None:
    data = b"".join(drawn(1, 300_000))
    faults.plan = [Fault(method, what, word="objects"), Fault(method, what, word="custody")]
    address = put(weak, data)
    weak.put_named(NAME, b"genesis")
    assert read(weak, address) == data
    assert weak.named(NAME) == b"genesis"
    assert [(found.size, len(found.versions)) for found in weak.walk("")] == [(7, 1), (300_000, 1)]
    assert faults.asked == 2


@pytest.mark.parametrize("what", FAULTS)
def test_a_body_that_breaks_off_is_asked_for_again(weak: S3Objects, faults: Front, what: str) -> None:
    data = b"".join(drawn(2, 300_000))
    address = put(weak, data)
    faults.plan = [Fault("GET", what, word="versionId")]
    assert read(weak, address) == data
    assert faults.asked == 1


@pytest.mark.parametrize(
    "method, what",
    [*(("PUT", what) for what in FAULTS if what != "half answered"), ("GET", "500"), ("GET", "half answered")],
)
def test_a_fault_that_stays_is_told_after_few_tries(weak: S3Objects, faults: Front, what: str, method: str) -> None:
    data = b"".join(drawn(3, 300_000))
    fault = Fault(method, what, times=FOREVER)
    faults.plan = [fault]
    assert code(lambda: put(weak, data)) == "archive/unreachable"
    assert faults.asked <= s3_client.ATTEMPTS
    fault.times = 0
    assert read(weak, put(weak, data)) == data
    assert [len(found.versions) for found in weak.walk("")] == [1]


def test_a_name_whose_answers_are_all_lost_was_given_all_the_same(weak: S3Objects, faults: Front) -> None:
    fault = Fault("PUT", "lost answer", times=FOREVER)
    faults.plan = [fault]
    assert code(lambda: weak.put_named(NAME, b"genesis")) == "archive/unreachable"
    fault.times = 0
    weak.put_named(NAME, b"genesis")
    assert code(lambda: weak.put_named(NAME, b"another story")) == "archive/exists"
    assert [len(found.versions) for found in weak.walk("")] == [1]


def test_reading_is_given_up(weak: S3Objects, faults: Front) -> None:
    address = put(weak, b"".join(drawn(4, 300_000)))
    faults.plan = [Fault("GET", "half answered", times=FOREVER, word="versionId")]
    assert code(lambda: read(weak, address)) == "archive/unreachable"
    assert faults.asked == s3_client.ATTEMPTS


@pytest.mark.parametrize("what", [what for what in FAULTS if what != "silence"])
@pytest.mark.parametrize("word, method", [("partNumber=2", "PUT"), ("uploadId", "POST"), ("uploads", "POST")])
def test_an_upload_in_parts_meets_a_fault(weak: S3Objects, faults: Front, what: str, method: str, word: str) -> None:
    size = PART + 1
    address = address_of_pieces(drawn(5, size))
    fault = Fault(method, what, word=word)
    faults.plan = [fault]
    weak.put(address, lambda: drawn(5, size))
    assert faults.asked == 1
    with weak.open(address) as reader:
        assert address_of(reader.read(0, size)) == address
    assert [(found.size, len(found.versions)) for found in weak.walk()] == [(size, 1)]


def test_an_upload_that_is_given_up_leaves_nothing(weak: S3Objects, faults: Front) -> None:
    size = 2 * PART + 1
    address = address_of_pieces(drawn(6, size))
    fault = Fault("PUT", "half sent", times=FOREVER, word="partNumber=2")
    faults.plan = [fault]
    assert code(lambda: weak.put(address, lambda: drawn(6, size))) == "archive/unreachable"
    assert "Uploads" not in weak.bucket.ask("list_multipart_uploads", "")
    assert not weak.has(address)


def test_a_server_that_does_not_know_ranges(bucket: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    address = put(bucket, bytes(3 << 20))
    ask = Bucket.ask
    monkeypatch.setattr(
        Bucket,
        "ask",
        lambda self, what, path, Range="", **more: ask(self, what, path, **more),  # noqa: N803
    )
    with bucket.open(address) as reader:
        assert code(lambda: reader.read(0, 10)) == "archive/store"


def test_parts_are_as_few_as_a_server_takes(monkeypatch: pytest.MonkeyPatch, bucket: S3Objects) -> None:
    monkeypatch.setattr(s3_bucket, "MAX_PARTS", 2)
    size = 2 * PART + 5
    address = address_of_pieces(drawn(7, size))
    bucket.put(address, lambda: drawn(7, size))
    (version,) = bucket.bucket.kept(address.path).versions
    assert version.tag.strip('"').endswith("-2")


def test_a_child_has_connections_of_its_own(bucket: S3Objects) -> None:
    address = put(bucket, b"from the parent")
    client = bucket.bucket.client
    assert bucket.bucket.client is client
    child = os.fork()
    if child == 0:
        ended = 9
        try:
            ended = int(bucket.bucket.client is client or read(bucket, address) != b"from the parent")
        finally:
            os._exit(ended)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bucket.bucket.client is client


def test_what_goes_while_it_is_open_is_missing(bucket: S3Objects) -> None:
    address = put(bucket, b"soon gone")
    with bucket.open(address) as reader:
        bucket.remove(address)
        with pytest.raises(MissingError, match="archive/missing"):
            reader.read(0, 4)
