"""Bundles with many files beside the log, and with names that somebody chose to make trouble."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.archive import deliveries, intake
from attest.archive.export import write_out
from attest.archive.fixity import fixity
from attest.archive.reindex import dump, reindex
from attest.errors import AttestError
from attest.store.directory import OUTBOX
from tests.archive.conftest import Deliverer

NAMES = (
    "README", "readme", "ReadMe",
    unicodedata.normalize("NFC", "relevé"), unicodedata.normalize("NFD", "relevé"),
    "-rf", "~", "CON", "nul.txt", "a:b", "dot.", "two words", "'quoted\"", "$(id)", "😀", "%2e%2e", "...", ".hidden",
    "/".join(["d"] * 200),
    "x" * 255,
)  # fmt: skip
REFUSED = {
    "a line break": b"two\nlines",
    "a control character": b"\x1b[2J",
    "another direction": "\u202egpj.exe".encode(),
    "no UTF-8": b"caf\xe9",
    "a backslash": b"..\\..\\secret",
    "a space that is none": "a\u00a0b".encode(),
    "a path that is too long": b"/".join([b"long"] * 103),
}


@pytest.fixture
def crowded(deliverer: Deliverer, copies: Path, tmp_path: Path) -> Deliverer:
    """Somebody who may change the copy `log` before it is delivered."""
    shutil.copytree(copies / "early", tmp_path / "log")
    return Deliverer(deliverer.archive, tmp_path)


def write(path: bytes, data: bytes) -> None:
    place = Path(os.fsdecode(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        file.write(data)


def beside_it(crowded: Deliverer, number: int) -> None:
    for n in range(number):
        write(os.fsencode(crowded.copies / "log" / "junk" / f"{n % 7}" / f"{n:06}"), b"%d" % n)


def require_nothing(crowded: Deliverer) -> None:
    assert list(crowded.archive.objects.walk()) == []
    with crowded.archive.index.reading() as connection:
        assert deliveries.listed(connection) == []


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_junk_is_kept_up_to_the_bound(crowded: Deliverer, monkeypatch: pytest.MonkeyPatch) -> None:
    beside_it(crowded, 60)
    number = len(files_of(crowded.copies / "log"))
    write(os.fsencode(crowded.copies / "log" / OUTBOX / "1"), b"of whoever writes the log, and of no copy")
    monkeypatch.setattr(intake, "MAX_FILES", number)
    received = crowded.put("log")
    with crowded.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(crowded.archive.objects, deliveries.find(connection, received.id))
    assert len(manifest.copies[0].files) == number
    assert received.judged is not None and received.judged.outcome == "unproven"  # as without the junk: it stops early
    assert fixity(crowded.archive).flaws == ()


def test_one_file_more_is_refused_before_anything_is_stored(
    crowded: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside_it(crowded, 60)
    monkeypatch.setattr(intake, "MAX_FILES", len(files_of(crowded.copies / "log")) - 1)
    with pytest.raises(AttestError, match="archive/files"):
        crowded.put("log")
    require_nothing(crowded)


def test_names_that_differ_in_little_are_kept_apart(crowded: Deliverer, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        write(os.fsencode(crowded.copies / "log" / "odd" / name), b"%d" % number)
    received = crowded.put("log")
    with crowded.archive.index.reading() as connection:
        manifest = deliveries.manifest_of(crowded.archive.objects, deliveries.find(connection, received.id))
    assert {f"odd/{name}" for name in NAMES} <= {file.path for file in manifest.copies[0].files}
    write_out(crowded.archive, manifest, tmp_path / "out")
    assert files_of(tmp_path / "out" / "bundles" / "log") == files_of(crowded.copies / "log")
    same = dump(crowded.archive.index)
    reindex(crowded.archive)
    assert dump(crowded.archive.index) == same and fixity(crowded.archive).flaws == ()


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_a_name_that_no_manifest_can_say_is_refused_before_anything_is_stored(crowded: Deliverer, name: bytes) -> None:
    write(os.fsencode(crowded.copies / "log") + b"/" + name, b"?")
    with pytest.raises(AttestError, match="archive/path") as error:
        crowded.put("log")
    assert str(error.value).isprintable() and error.value.hint
    require_nothing(crowded)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
def test_what_is_no_file_is_refused_and_no_delivery(crowded: Deliverer, make: Callable[[Path], None]) -> None:
    make(crowded.copies / "log" / "zzz")
    with pytest.raises(AttestError, match="bundle/"):
        crowded.put("log")
    with crowded.archive.index.reading() as connection:
        assert deliveries.listed(connection) == []
    (crowded.copies / "log" / "zzz").unlink()
    crowded.put("log")
    assert fixity(crowded.archive).flaws == ()
