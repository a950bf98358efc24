"""Opening a bag in a folder: one fault each, and nothing used that was not verified."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attest.archive import bag_read, bag_source
from attest.archive.address import address_of
from attest.archive.bag_read import Bag, open_bag
from attest.errors import AttestError, MalformedError, MissingError, UnsupportedError
from tests.archive import bags
from tests.archive.bags import FILES, line, put

ALL = "".join(line("sha256", path, data) for path, data in FILES.items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bags.make(tmp_path / "bag", info="Payload-Oxum: 117.3\n")


def refused(path: Path) -> AttestError:
    with pytest.raises(AttestError) as caught:
        open_bag(path)
    assert caught.value.file == str(path)
    return caught.value


def codes(bag: Bag) -> list[str]:
    return [remark.code for remark in bag.remarks]


def test_a_bag(folder: Path) -> None:
    with open_bag(folder) as bag:
        assert bag.version == "1.0"
        assert bag.info == (("Payload-Oxum", "117.3"),)
        assert bag.files == {path: address_of(data) for path, data in FILES.items()}
        assert bag.tags.keys() == {"bag-info.txt", "bagit.txt", "manifest-sha256.txt"}
        assert bag.remarks == ()
        for path, data in FILES.items():
            assert bag.read(path, len(data)) == data
            assert b"".join(bag.pieces(path)) == data


@pytest.mark.parametrize("version", ["0.93", "0.94", "0.95", "0.96", "0.97", "1.0"])
def test_every_version(version: str, tmp_path: Path) -> None:
    with open_bag(bags.make(tmp_path / "bag", version=version)) as bag:
        assert (bag.version, len(bag.files)) == (version, 3)


def test_metadata_before_0_96_has_another_name(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", version="0.95")
    put(folder, "package-info.txt", b"Contact-Name : Ada\n")
    bags.seal(folder)
    with open_bag(folder) as bag:
        assert bag.info == (("Contact-Name", "Ada"),)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_every_algorithm_finds_a_changed_byte(algorithm: str, tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", algorithms=[algorithm])
    with open_bag(folder) as bag:
        assert codes(bag) == (["bag/weak"] if algorithm in ("md5", "sha1") else [])
        assert bag.files == {path: address_of(data) for path, data in FILES.items()}
    put(folder, "data/agreement", b"the agreemend\n")
    assert refused(folder).code == "bag/changed"


def test_sha3(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag")
    text = "".join(line("sha3_256", path, data) for path, data in FILES.items())
    put(folder, "manifest-sha3256.txt", text.encode())
    bags.seal(folder)
    open_bag(folder).close()
    put(folder, "manifest-sha3256.txt", text.replace(text[:4], "0000").encode())
    bags.seal(folder)
    assert refused(folder).code == "bag/changed"


def test_the_weakest_of_two_manifests_does_not_decide(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", algorithms=["md5", "sha512"])
    text = (folder / "manifest-sha512.txt").read_text().replace(FILES_512, "0" * 128)
    put(folder, "manifest-sha512.txt", text.encode())
    bags.seal(folder, ["md5", "sha512"])
    assert str(refused(folder)) == "bag/changed: 'data/agreement': not what its manifests say"


FILES_512 = line("sha512", "", FILES["data/agreement"])[:128]


def empty(folder: Path) -> None:
    for path in FILES:
        (folder / path).unlink()


def blank(folder: Path) -> None:
    bags.relist(folder, "")


def emptied(folder: Path) -> None:
    empty(folder)
    blank(folder)
    (folder / "bag-info.txt").unlink()
    bags.seal(folder)


def of_two(folder: Path) -> None:
    put(folder, "manifest-sha512.txt", line("sha512", "data/agreement", FILES["data/agreement"]).encode())
    bags.seal(folder)


def add(path: str, data: bytes = b"x") -> Callable[[Path], None]:
    return lambda folder: put(folder, path, data)


def tag(path: str, data: bytes) -> Callable[[Path], None]:
    """A tag file of other bytes, in a bag that is sealed again."""

    def change(folder: Path) -> None:
        put(folder, path, data)
        bags.seal(folder)

    return change


def listed(more: str) -> Callable[[Path], None]:
    return lambda folder: bags.relist(folder, ALL + more)


def raw_tags(text: str) -> Callable[[Path], None]:
    return lambda folder: put(folder, "tagmanifest-sha256.txt", text.encode())


SUM = "0" * 64
LONG = "data/" + "x/" * 100 + "y"
FAULTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("no payload", empty, "bag/missing"),
    ("blank manifests", blank, "bag/unlisted"),
    ("emptied, with blank manifests", emptied, "bag/empty"),
    ("no manifest", lambda f: (f / "manifest-sha256.txt").unlink(), "bag/missing"),
    ("no manifest, sealed", lambda f: ((f / "manifest-sha256.txt").unlink(), bags.seal(f))[1], "bag/manifest"),
    ("one file gone", lambda f: (f / "data/agreement").unlink(), "bag/missing"),
    ("altered, of the same size", add("data/agreement", b"The agreement\n"), "bag/changed"),
    ("longer", add("data/agreement", b"the agreement\n\n"), "bag/changed"),
    ("unlisted", add("data/more"), "bag/unlisted"),
    ("listed, and not there", listed(f"{SUM}  data/more\n"), "bag/missing"),
    ("listed twice", listed(ALL), "bag/duplicate"),
    ("listed twice, by two digests", listed(f"{SUM}  data/agreement\n"), "bag/duplicate"),
    ("listed twice, once escaped", listed(f"{SUM}  data/%61greement\n"), "bag/missing"),
    ("listed twice, once with ./", listed(f"{SUM}  ./data/agreement\n"), "bag/duplicate"),
    ("manifests that disagree", of_two, "bag/disagree"),
    ("a manifest that is altered", lambda f: put(f, "manifest-sha256.txt", ALL.upper().encode()), "bag/path"),
    ("an altered tag file", add("bag-info.txt", b"Payload-Oxum: 117.3\n\n"), "bag/info"),
    ("an altered tag file that parses", add("bag-info.txt", b"A: b\nPayload-Oxum: 117.3\n"), "bag/changed"),
    ("a blank tag manifest", raw_tags(""), "bag/manifest"),
    ("a tag manifest without the manifests", raw_tags(f"{SUM}  bagit.txt\n"), "bag/manifest"),
    ("a tag manifest that lists payload", raw_tags(f"{SUM}  data/agreement\n"), "bag/path"),
    ("a manifest that lists a tag file", listed(f"{SUM}  bagit.txt\n"), "bag/path"),
    ("a manifest that lists the folder", listed(f"{SUM}  data/bundles\n"), "bag/missing"),
    ("a digest that is too short", listed(f"{SUM[1:]}  data/more\n"), "bag/manifest"),
    ("a digest that is none", listed(f"{SUM[1:]}g  data/more\n"), "bag/manifest"),
    ("no path", listed(f"{SUM}\n"), "bag/manifest"),
    ("a blank line", listed("\n"), "bag/manifest"),
    ("a comment", listed("# nothing\n"), "bag/manifest"),
    ("md5sum's backslash", listed(f"\\{SUM}  data/a\\\\b\n"), "bag/manifest"),
    ("a byte-order mark", lambda f: bags.relist(f, "\ufeff" + ALL), "bag/manifest"),
    ("up and out", listed(f"{SUM}  data/../../etc/passwd\n"), "bag/path"),
    ("a dot", listed(f"{SUM}  data/./agreement\n"), "bag/path"),
    ("two slashes", listed(f"{SUM}  data//agreement\n"), "bag/path"),
    ("a slash at the end", listed(f"{SUM}  data/agreement/\n"), "bag/path"),
    ("absolute", listed(f"{SUM}  /etc/passwd\n"), "bag/path"),
    ("home", listed(f"{SUM}  ~root/x\n"), "bag/path"),
    ("a drive", listed(f"{SUM}  C:/x\n"), "bag/path"),
    ("backslashes", listed(f"{SUM}  data\\..\\..\\x\n"), "bag/path"),
    ("a NUL", listed(f"{SUM}  data/x\0y\n"), "bag/path"),
    ("too deep", listed(f"{SUM}  {LONG}\n"), "bag/path"),
    ("out of the tag manifest", raw_tags(f"{SUM}  ../bagit.txt\n"), "bag/path"),
    ("no declaration", lambda f: (f / "bagit.txt").unlink(), "bag/declaration"),
    ("three lines", add("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n\n"), "bag/declaration"),
    ("a long declaration", add("bagit.txt", b" " * 2_000), "bag/limit"),
    ("version 2.0", add("bagit.txt", b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n"), "bag/version"),
    ("encoding zip", add("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: zip\n"), "bag/encoding"),
    ("not in its encoding", tag("bag-info.txt", b"Contact-Name: \xff\n"), "bag/encoding"),
    ("an unknown algorithm", tag("manifest-crc32.txt", b""), "bag/algorithm"),
    ("an unknown tag algorithm", add("tagmanifest-sha-256.txt"), "bag/algorithm"),
    ("metadata without a label", tag("bag-info.txt", b"Ada\n"), "bag/info"),
    ("metadata that begins indented", tag("bag-info.txt", b"  Ada: b\n"), "bag/info"),
    ("metadata without end", tag("bag-info.txt", b"A: " + b"x" * (1 << 20)), "bag/limit"),
    ("another Payload-Oxum", tag("bag-info.txt", b"payload-oxum: 118.3\n"), "bag/oxum"),
    ("a second Payload-Oxum", tag("bag-info.txt", b"Payload-Oxum: 117.3\nPayload-Oxum: 1.1\n"), "bag/oxum"),
    ("a Payload-Oxum that is none", tag("bag-info.txt", b"Payload-Oxum: many\n"), "bag/oxum"),
    ("a file to be fetched", lambda f: fetch(f, "data/agreement"), "bag/fetch"),
    ("a fetched tag file", tag("fetch.txt", b"https://a.example/x - bagit.txt\n"), "bag/fetch"),
    ("a fetch out of the bag", tag("fetch.txt", b"https://a.example/x 3 ../x\n"), "bag/path"),
    ("a fetch that is none", tag("fetch.txt", b"https://a.example/x data/agreement\n"), "bag/fetch"),
    ("a link", lambda f: link(f, "data/agreement", "/etc/hostname"), "bag/link"),
    ("a link inside", lambda f: link(f, "data/agreement", "bundles/acme/checkpoint"), "bag/link"),
    ("a link to a folder", lambda f: link(f, "data/more", "bundles"), "bag/link"),
    ("a link beside the payload", lambda f: link(f, "notes", "data"), "bag/link"),
    ("a payload that is a link", lambda f: ((f / "data").rename(f / "x"), (f / "data").symlink_to("x"))[1], "bag/link"),
    ("a pipe", lambda f: os.mkfifo(f / "data/pipe"), "bag/link"),
    ("a socket", lambda f: sock(f / "data/s"), "bag/link"),
]


def fetch(folder: Path, path: str) -> None:
    (folder / path).unlink()
    put(folder, "fetch.txt", f"https://a.example/x - {path}\n".encode())
    bags.seal(folder)


def link(folder: Path, path: str, target: str) -> None:
    (folder / path).unlink(missing_ok=True)
    (folder / path).symlink_to(target)


def sock(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(("fault", "code"), [(f, c) for _, f, c in FAULTS], ids=[n for n, _, _ in FAULTS])
def test_one_fault(fault: Callable[[Path], None], code: str, folder: Path) -> None:
    open_bag(folder).close()
    fault(folder)
    assert refused(folder).code == code


def test_an_error_says_where(folder: Path) -> None:
    bags.relist(folder, ALL + f"{SUM}  data/../x\n")
    error = refused(folder)
    assert str(error) == (
        "bag/path: 'data/../x' is absolute, names a directory, or has . or .. in it (manifest-sha256.txt, line 4)"
    )


def test_many_faults_are_counted_and_a_few_are_named(folder: Path) -> None:
    for n in range(9):
        put(folder, f"data/{n}", b"")
    expected = "bag/unlisted: 'data/0', 'data/1', 'data/2' and 6 more: there and listed in no manifest of the payload"
    assert str(refused(folder)) == expected


def test_no_error_of_a_bag_lets_its_files_be_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    close = bag_source.Folder.close
    monkeypatch.setattr(bag_source.Folder, "close", lambda self: (closed.append(1), close(self))[1])
    (folder / "data/agreement").unlink()
    refused(folder)
    assert closed == [1]


def test_what_cannot_be_read_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(AttestError) as caught:
            open_bag(path)
        assert caught.value.code == ("bag/unreadable" if path.name == "none" else "bag/declaration")
    assert isinstance(refused(tmp_path / "none"), MissingError)


def test_older_versions_may_list_a_file_once_and_once_again(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", version="0.97", algorithms=["md5", "sha256"])
    first, *rest = ALL.splitlines(keepends=True)
    put(folder, "manifest-sha256.txt", (first + first).encode())
    put(folder, "manifest-md5.txt", "".join(line("md5", path, FILES[path]) for path in sorted(FILES)[1:]).encode())
    bags.seal(folder, ["md5", "sha256"])
    with open_bag(folder) as bag:
        assert codes(bag) == ["bag/form"]
        assert bag.files.keys() == FILES.keys()
    put(folder, "data/bundles/acme/checkpoint", b"acme\n4\n")
    assert refused(folder).code == "bag/changed"
    assert len(rest) == 2


def test_a_blank_tag_manifest_of_an_older_version(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", version="0.97")
    put(folder, "tagmanifest-sha256.txt", b"")
    assert refused(folder).code == "bag/manifest"


def test_a_fetch_file_of_what_is_all_there(folder: Path) -> None:
    put(folder, "fetch.txt", b"https://a.example/x 14 data/agreement\n")
    bags.seal(folder)
    with open_bag(folder) as bag:
        assert bag.remarks == ()


def test_names_are_escaped(tmp_path: Path) -> None:
    files = {"data/a\nb": b"1", "data/a%b": b"2", "data/%0A": b"3", "data/a\r": b"4"}
    folder = bags.make(tmp_path / "bag", files, algorithms=[])
    escaped = {"data/a\nb": "data/a%0ab", "data/a%b": "data/a%25b", "data/%0A": "data/%250A", "data/a\r": "data/a%0D"}
    bags.relist(folder, "".join(line("sha256", escaped[path], data) for path, data in files.items()))
    with open_bag(folder) as bag:
        assert {path: bag.read(path, 1) for path in bag.files} == files
        assert bag.remarks == ()


def test_a_percent_sign_as_others_write_it(tmp_path: Path) -> None:
    with open_bag(bags.make(tmp_path / "bag", {"data/100%": b"", "data/%41": b""})) as bag:
        assert [(remark.code, remark.times) for remark in bag.remarks] == [("bag/form", 2)]
    with open_bag(bags.make(tmp_path / "old", {"data/100%25": b""}, version="0.97")) as bag:
        assert list(bag.files) == ["data/100%25"]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", ""])
def test_line_ends(end: str, tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", {"data/a\u2028b\x85\x0bc": b"x", "data/d": b"y"})
    text = (folder / "manifest-sha256.txt").read_bytes()
    put(folder, "manifest-sha256.txt", text.rstrip(b"\n").replace(b"\n", (end or "\n").encode()) + end.encode())
    bags.seal(folder)
    with open_bag(folder) as bag:
        assert set(bag.files) == {"data/a\u2028b\x85\x0bc", "data/d"}


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8", "ISO-8859-1", "UTF-16", "UTF-16LE", "windows-1252"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    codec = "cp1252" if encoding == "windows-1252" else encoding
    folder = bags.make(tmp_path / "bag", {"data/Núñez": b"x"}, encoding=encoding, info="Contact-Name: Núñez\n")
    assert (folder / "bag-info.txt").read_bytes() == "Contact-Name: Núñez\n".encode(codec)
    with open_bag(folder) as bag:
        assert bag.info == (("Contact-Name", "Núñez"),)
        assert list(bag.files) == ["data/Núñez"]


def test_metadata_in_its_order(tmp_path: Path) -> None:
    text = "B: 1\nA: two\n  lines\n\tthree\nB: 2\n"
    with open_bag(bags.make(tmp_path / "bag", info=text)) as bag:
        assert bag.info == (("B", "1"), ("A", "two\nlines\nthree"), ("B", "2"))
        assert bag.remarks == ()
    with open_bag(bags.make(tmp_path / "loose", info="A : 1\nB:2\nC:  3\nD: 4 \n")) as bag:
        assert bag.info == (("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"))
        assert [(remark.code, remark.times) for remark in bag.remarks] == [("bag/form", 4)]


def test_names_that_differ_in_case_or_form_are_both_kept(tmp_path: Path) -> None:
    files = {"data/a": b"1", "data/A": b"2", "data/\u00e9": b"3", "data/e\u0301": b"4", "data/x": b"5"}
    folder = bags.make(tmp_path / "bag", files)
    if len(list((folder / "data").iterdir())) < len(files):
        pytest.skip("this file system does not tell such names apart")
    with open_bag(folder) as bag:
        assert [(remark.code, remark.times) for remark in bag.remarks] == [("bag/alike", 2)]
        assert {path: bag.read(path, 1) for path in bag.files} == files


def test_a_name_that_a_medium_has_changed(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", {"data/\u00e9": b"3", "data/readme": b"5"})
    (folder / "data/\u00e9").rename(folder / "data/e\u0301")
    (folder / "data/readme").rename(folder / "data/README")
    with open_bag(folder) as bag:
        assert codes(bag) == ["bag/alike"]
        assert bag.read("data/\u00e9", 1) == b"3"
        assert bag.read("data/readme", 1) == b"5"
    put(folder, "data/README", b"6")
    assert refused(folder).code == "bag/changed"
    put(folder, "data/Readme", b"5")
    assert refused(folder).code == "bag/missing"  # which of the two it was, nobody knows


def test_a_name_that_is_no_text(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/data/\xff", os.O_CREAT))
    assert refused(folder).code == "bag/unlisted"


def test_a_change_between_verifying_and_using(folder: Path) -> None:
    with open_bag(folder) as bag:
        put(folder, "data/agreement", b"The agreement\n")
        with pytest.raises(MalformedError, match="bag/changed"):
            bag.read("data/agreement", 100)
        link(folder, "data/agreement", "/etc/hostname")
        with pytest.raises(MalformedError, match="bag/link"):
            bag.read("data/agreement", 100)
        (folder / "data/agreement").unlink()
        with pytest.raises(MissingError, match="bag/unreadable"):
            bag.read("data/agreement", 100)
        os.mkfifo(folder / "data/agreement")
        with pytest.raises(MalformedError, match="bag/link"):
            bag.read("data/agreement", 100)
        (folder / "data/bundles").rename(folder / "elsewhere")
        link(folder, "data/bundles", "../elsewhere")
        with pytest.raises(MalformedError, match="bag/link"):
            bag.read("data/bundles/acme/checkpoint", 100)


def test_a_folder_that_is_replaced_is_not_followed(folder: Path, tmp_path: Path) -> None:
    with open_bag(folder) as bag:
        folder.rename(tmp_path / "moved")
        bags.make(tmp_path / "bag", {"data/agreement": b"another\n"})
        assert bag.read("data/agreement", 100) == FILES["data/agreement"]


def test_a_file_that_grows_while_it_is_read_ends(folder: Path) -> None:
    with open_bag(folder) as bag:
        pieces = bag.pieces("data/agreement")
        assert next(pieces) == FILES["data/agreement"]
        with (folder / "data/agreement").open("ab") as file:
            file.write(bytes(100))
        assert list(pieces) == [b"\0"]


@pytest.mark.parametrize("path", ["../outside", "data/../../outside", "data/none", "data", "bagit.txt", ""])
def test_nothing_but_the_payload_is_given(path: str, folder: Path, tmp_path: Path) -> None:
    """A name may come out of a file of the bag, and lead anywhere."""
    (tmp_path / "outside").write_bytes(b"secret")
    with open_bag(folder) as bag:
        for give in (lambda: bag.read(path, 100), lambda: bag.pieces(path)):
            with pytest.raises(MalformedError, match="bag/missing"):
                give()


def test_what_is_read_at_once_is_bounded(folder: Path) -> None:
    with open_bag(folder) as bag, pytest.raises(UnsupportedError, match="bag/limit"):
        bag.read("data/agreement", 13)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (bag_source, "MAX_FILES", 3),
        (bag_source, "MAX_NAMES", 20),
        (bag_source, "MAX_SIZE", 100),
        (bag_source, "MAX_PATH", 20),
        (bag_source, "MAX_DEPTH", 3),
        (bag_read, "MAX_FILES", 2),
        (bag_read, "MAX_INFO", 10),
    ],
)
def test_bounds(module: object, name: str, value: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, value)
    assert refused(folder).code == "bag/limit"


def test_a_line_has_a_bound(folder: Path) -> None:
    bags.relist(folder, ALL + f"{SUM}  data/{'x' * 20_000}\n")
    assert refused(folder).code == "bag/limit"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bags.make(tmp_path_factory.mktemp("flips") / "bag", info="Payload-Oxum: 117.3\n")


def flips(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.rglob("*.txt")) + sorted((folder / "data").rglob("*")):
        if path.is_file() and not path.name.startswith("tagmanifest-"):
            yield from ((path, at) for at in range(path.stat().st_size))


def test_every_byte_counts(original: Path) -> None:
    number = 0
    for path, at in flips(original):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(AttestError):
            open_bag(original)
        data[at] ^= 1
        path.write_bytes(data)
        number += 1
    open_bag(original).close()
    assert number > 400
