"""The Library of Congress's BagIt conformance suite: every bag of it, with the code of ours that refuses it.

The suite wants bags of `valid` and `warning` taken, those of `warning` with a remark, and all others refused, whatever
the system. One deviates:

| bag | the suite | here | why |
|---|---|---|---|
| warning/special-system-files | taken | `bag/missing` | `data/.DS_Store` is listed, and not in this copy of the suite |
"""

import shutil
from pathlib import Path

import pytest

from attest.archive.bag_read import open_bag
from attest.errors import AttestError

SUITE = "vectors/bagit-conformance"
ALGORITHM_AGE = {"bag/weak"}  # most bags of the suite have manifests by MD5 alone

REFUSED = {
    "v0.97/invalid/baginfo-missing-encoding": "bag/declaration",
    "v0.97/invalid/bom-in-bagit.txt": "bag/declaration",
    "v0.97/invalid/corrupt-data-file": "bag/changed",
    "v0.97/invalid/corrupt-tag-file": "bag/changed",
    "v0.97/invalid/extra-file-in-bag": "bag/unlisted",
    "v0.97/invalid/invalid-version-number": "bag/declaration",
    "v0.97/invalid/missing-baginfo": "bag/missing",
    "v0.97/invalid/missing-bagit.txt": "bag/declaration",
    "v0.97/invalid/out-of-scope-file-paths-using-dot-notation": "bag/path",
    "v0.97/invalid/out-of-scope-file-paths-using-dot-notation-for-fetch": "bag/path",
    "v0.97/invalid/same-filename-listed-twice-with-different-hashes": "bag/duplicate",
    "v0.97/linux-only/out-of-scope-file-paths-using-absolute-path": "bag/path",
    "v0.97/linux-only/out-of-scope-file-paths-using-absolute-path-for-fetch": "bag/path",
    "v0.97/linux-only/out-of-scope-file-paths-using-shortcut": "bag/path",
    "v0.97/linux-only/out-of-scope-file-paths-using-shortcut-for-fetch": "bag/path",
    "v0.97/linux-only/out-of-scope-file-paths-using-shortcut-username": "bag/path",
    "v0.97/linux-only/out-of-scope-file-paths-using-shortcut-username-for-fetch": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-absolute-path": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-absolute-path-for-fetch": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-shortcut": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-shortcut-for-fetch": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-unc": "bag/path",
    "v0.97/windows-only/out-of-scope-file-paths-using-unc-for-fetch": "bag/path",
    "v1.0/invalid/bagit-with-invalid-whitespace": "bag/declaration",
    "v1.0/invalid/notAllManifestsListAllFiles": "bag/unlisted",
    "v1.0/invalid/same-filename-listed-twice-with-different-hashes": "bag/declaration",  # "1.0 ", see below
    "v1.0/invalid/same-filename-listed-twice-with-the-same-hash": "bag/duplicate",
}
TAKEN: dict[str, set[str]] = {
    "v0.97/valid/ISO-8859-1-encoded-tag-files": set(),
    "v0.97/valid/UTF-16-encoded-tag-files": set(),
    "v0.97/valid/bag-in-a-bag": set(),
    "v0.97/valid/bag-with-encoded-names": set(),
    "v0.97/valid/bag-with-escapable-characters": set(),
    "v0.97/valid/bag-with-leading-dot-slash-in-manifest": {"bag/form"},
    "v0.97/valid/bag-with-space": set(),
    "v0.97/valid/basic-bag": set(),
    "v0.97/valid/duplicate-metadata-entries": set(),
    "v0.97/valid/holey-bag": {"bag/untagged"},
    "v0.97/valid/minimal-bag": set(),
    "v0.97/valid/uncommon-metadata-separators": set(),
    "v0.97/warning/duplicate-file-with-different-case": {"bag/alike"},
    "v0.97/warning/made-with-md5sum-tools": {"bag/form"},
    "v0.97/warning/relative-path": {"bag/form"},
    "v0.97/warning/same-filename-listed-twice-with-different-normalization": {"bag/alike", "bag/untagged"},
    "v0.97/warning/same-filename-listed-twice-with-the-same-hash": {"bag/form", "bag/untagged"},
    "v1.0/valid/basicBag": set(),
}
INCOMPLETE = "v0.97/warning/special-system-files"


@pytest.mark.parametrize("name", REFUSED)
def test_a_bag_that_is_refused(name: str, shared: Path) -> None:
    with pytest.raises(AttestError) as caught:
        open_bag(shared / SUITE / name)
    assert caught.value.code == REFUSED[name]
    assert caught.value.file == str(shared / SUITE / name)


@pytest.mark.parametrize("name", TAKEN)
def test_a_bag_that_is_taken(name: str, shared: Path) -> None:
    with open_bag(shared / SUITE / name) as bag:
        assert {remark.code for remark in bag.remarks} - ALGORITHM_AGE == TAKEN[name]
        for path, address in bag.files.items():
            assert len(bag.read(path, address.size)) == address.size


def test_a_bag_whose_copy_here_lacks_a_file(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(AttestError, match=r"bag/missing.*\.DS_Store"):
        open_bag(shared / SUITE / INCOMPLETE)
    shutil.copytree(shared / SUITE / INCOMPLETE, tmp_path / "bag", copy_function=shutil.copyfile)
    (tmp_path / "bag/data").chmod(0o755)
    (tmp_path / "bag/data/.DS_Store").write_bytes(b"")  # what the manifest says it was
    with open_bag(tmp_path / "bag") as bag:
        assert [(remark.code, remark.times) for remark in bag.remarks] == [("bag/of-system", 2)]


def test_the_duplicate_behind_a_bad_declaration(shared: Path, tmp_path: Path) -> None:
    name = "v1.0/invalid/same-filename-listed-twice-with-different-hashes"
    shutil.copytree(shared / SUITE / name, tmp_path / "bag", copy_function=shutil.copyfile)
    (tmp_path / "bag/bagit.txt").write_bytes(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    with pytest.raises(AttestError) as caught:
        open_bag(tmp_path / "bag")
    assert caught.value.code == "bag/duplicate"


def test_none_is_left_out(shared: Path) -> None:
    found = {path.relative_to(shared / SUITE).as_posix() for path in (shared / SUITE).glob("v*/*/*/")}
    assert found == REFUSED.keys() | TAKEN.keys() | {INCOMPLETE}
