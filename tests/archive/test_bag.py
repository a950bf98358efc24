"""What the tag files of a bag say: parsed and formatted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.archive.bag import (
    CURRENT,
    DECLARED,
    ENCODINGS,
    MAX_PATH,
    SIZES,
    VERSIONS,
    Declaration,
    Remarks,
    folded,
    format_entry,
    format_info,
    info_name,
    manifests,
    parse_declaration,
    parse_entry,
    parse_fetch,
    parse_info,
    parse_path,
    require_path,
)
from attest.errors import AttestError, MalformedError, UnsupportedError

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=20)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=5).map(
    lambda names: "/".join(["data", *names])
)
LABELS = st.text(st.characters(categories=["L", "N", "P"], exclude_characters=":"), min_size=1, max_size=20)
VALUES = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=40).map(str.strip)


@given(PATHS, st.sampled_from(sorted(SIZES)))
def test_an_entry_says_what_was_written(path: str, algorithm: str) -> None:
    remarks = Remarks()
    digest = bytes(range(SIZES[algorithm]))
    line = format_entry(digest, path)
    assert "\n" not in line and "\r" not in line
    assert parse_entry(line, algorithm, CURRENT, remarks) == (digest, path)
    assert remarks.all() == ()


@given(st.lists(st.tuples(LABELS, VALUES), max_size=5))
def test_metadata_says_what_was_written(fields: list[tuple[str, str]]) -> None:
    remarks = Remarks()
    lines = format_info(fields).decode().split("\n")[:-1]
    assert list(parse_info(lines, CURRENT, remarks)) == fields
    assert remarks.all() == ()


@given(st.text(), st.sampled_from(VERSIONS))
def test_any_line_is_read_or_refused(line: str, version: str) -> None:
    remarks = Remarks()
    for parse in (
        lambda: parse_entry(line, "md5", version, remarks),
        lambda: parse_entry(f"{'0' * 32} {line}", "md5", version, remarks),
        lambda: parse_path(line, version, remarks),
        lambda: parse_fetch(f"https://a.example/x - {line}", version, remarks),
        lambda: list(parse_info([line], version, remarks)),
    ):
        try:
            parse()
        except MalformedError as error:
            assert error.code in ("bag/manifest", "bag/path", "bag/fetch", "bag/info")


@given(st.binary(max_size=100))
def test_any_declaration_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(AttestError):
        parse_declaration(data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_declaration(version: str, encoding: str) -> None:
    data = DECLARED.replace(b"1.0", version.encode()).replace(b"UTF-8", encoding.upper().encode())
    for text in (data, data[:-1], data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r")):
        assert parse_declaration(text) == Declaration(version, ENCODINGS[encoding])


@pytest.mark.parametrize(
    "data",
    [
        DECLARED + b"\n",
        b"\xef\xbb\xbf" + DECLARED,
        DECLARED.lower(),
        DECLARED.replace(b": ", b" : "),
        DECLARED.replace(b": ", b":  "),
        DECLARED.replace(b"1.0", b"1.0 "),
        DECLARED.replace(b"1.0", b".97"),
        DECLARED.replace(b"1.0", b"1"),
        b"".join(reversed(DECLARED.splitlines(keepends=True))),
        b"",
    ],
)
def test_a_declaration_is_two_lines_exactly(data: bytes) -> None:
    with pytest.raises(MalformedError, match="bag/declaration"):
        parse_declaration(data)


def test_what_a_later_version_or_another_encoding_needs_is_not_guessed() -> None:
    with pytest.raises(UnsupportedError, match="bag/version"):
        parse_declaration(DECLARED.replace(b"1.0", b"1.1"))
    for name in (b"zip", b"idna", b"utf-7", b"utf_8", b"rot13"):
        with pytest.raises(UnsupportedError, match="bag/encoding"):
            parse_declaration(DECLARED.replace(b"UTF-8", name))


def test_manifests_are_told_from_other_files() -> None:
    names = ["manifest-md5.txt", "tagmanifest-sha256.txt", "x/manifest-sha1.txt", "manifest-sha1.txt.bak", "a.txt"]
    assert list(manifests(names, tag=False)) == [("md5", "manifest-md5.txt")]
    assert list(manifests(names, tag=True)) == [("sha256", "tagmanifest-sha256.txt")]
    for name in ("manifest-SHA256.txt", "manifest-sha-256.txt", "manifest-.txt", "manifest-crc32.txt"):
        assert list(manifests([name], tag=True)) == []
        if name != "manifest-.txt":
            with pytest.raises(UnsupportedError, match="bag/algorithm"):
                list(manifests([name], tag=False))


def test_what_the_metadata_is_called() -> None:
    assert [info_name(version) for version in VERSIONS] == ["package-info.txt"] * 3 + ["bag-info.txt"] * 3


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b"),
        *("~", "~a/b", "C:", "c:/a", "a\\b", "\\\\?\\C:\\a", "a\0", "a\udcff"),
        *("a" * (MAX_PATH + 1), "\u00e9" * (MAX_PATH // 2 + 1), "/".join("a" * 101)),
    ],
)
def test_paths_that_lead_out(path: str) -> None:
    with pytest.raises(MalformedError, match="bag/path"):
        require_path(path)


@pytest.mark.parametrize("path", ["a", "a/~b", "a/C:", "...", "a..b", "-", " ", "a\n", "%", "/".join("a" * 100)])
def test_paths_that_do_not(path: str) -> None:
    require_path(path)


def test_names_that_some_file_systems_take_for_one() -> None:
    assert folded("data/README") == folded("data/readme")
    assert folded("data/\u00c9") == folded("data/e\u0301") == folded("data/\u00e9")
    assert folded("data/Stra\u00dfe") == folded("data/STRASSE")
    assert folded("data/a") != folded("data/b")


def test_remarks_are_one_a_code_and_keep_the_first_case() -> None:
    remarks = Remarks()
    for n in range(1_000):
        remarks.add("bag/form", str(n))
    remarks.add("bag/alike", "x")
    assert [tuple(remark) for remark in remarks.all()] == [("bag/alike", 1, "x"), ("bag/form", 1_000, "0")]


@pytest.mark.parametrize(
    "field",
    [
        *(("", "x"), ("a:b", "x"), (" a", "x"), ("a ", "x"), ("a", " x")),
        *(("a", "x\ny"), ("a\r", "x"), ("a", "\u2028x."), ("a", "x\x85y"), ("a", "\udcff")),
    ],
)
def test_metadata_that_would_be_read_otherwise(field: tuple[str, str]) -> None:
    with pytest.raises(MalformedError, match="bag/info"):
        format_info([field])
