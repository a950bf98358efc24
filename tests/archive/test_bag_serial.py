"""Bags in one file: what a ZIP or a tar may hold, and what it must not."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from attest.archive import bag_serial
from attest.archive.address import address_of
from attest.archive.bag_read import open_bag
from attest.errors import AttestError, MalformedError, UnsupportedError
from tests.archive import bags
from tests.archive.bags import FILES

LONG = "data/" + "/".join("a-long-name-of-a-folder" for _ in range(20)) + "/" + "y" * 200
MORE: Mapping[str, bytes] = {**FILES, LONG: b"z", "data/Núñez": b"n", "data/empty": b""}
ADDRESSES = {path: address_of(data) for path, data in MORE.items()}

Change = Callable[[tarfile.TarFile], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bags.make(tmp_path_factory.mktemp("serial") / "delivery", MORE)


def tar_of(folder: Path, target: Path, form: int = tarfile.PAX_FORMAT, more: Change | None = None) -> Path:
    with tarfile.open(target, "w", format=form) as tar:
        tar.add(folder, "delivery")
        if more is not None:
            more(tar)
    return target


def zip_of(folder: Path, target: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, f"delivery/{path.relative_to(folder).as_posix()}")
    return target


def refused(path: Path) -> AttestError:
    with pytest.raises(AttestError) as caught:
        open_bag(path)
    return caught.value


def check(path: Path) -> None:
    with open_bag(path) as bag:
        assert bag.files == ADDRESSES
        assert {name: bag.read(name, 1_000) for name in bag.files} == MORE


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar(form: int, folder: Path, tmp_path: Path) -> None:
    if form == tarfile.USTAR_FORMAT:  # has no room for the long name
        folder = bags.make(tmp_path / "short", {path: data for path, data in MORE.items() if path != LONG})
        with open_bag(tar_of(folder, tmp_path / "bag.tar", form)) as bag:
            assert bag.files.keys() == ADDRESSES.keys() - {LONG}
    else:
        check(tar_of(folder, tmp_path / "bag.tar", form))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip(method: int, folder: Path, tmp_path: Path) -> None:
    check(zip_of(folder, tmp_path / "bag.zip", method))


def test_names_that_begin_with_a_dot_and_slash(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bag.tar", "w") as tar:
        top = tarfile.TarInfo(".")
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        tar.add(folder, "./delivery")
    check(tmp_path / "bag.tar")


def test_a_tar_without_its_end(folder: Path, tmp_path: Path) -> None:
    data = tar_of(folder, tmp_path / "bag.tar").read_bytes()
    (tmp_path / "bag.tar").write_bytes(data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512))
    check(tmp_path / "bag.tar")


def entry(name: str, data: bytes = b"x", **fields: object) -> Change:
    """One more member of a tar."""

    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data))

    return add


def both(*names: str) -> Change:
    def add(tar: tarfile.TarFile) -> None:
        for name in names:
            entry(name)(tar)

    return add


def raw(block: bytes) -> Change:
    """Bytes in place of the end of a tar."""

    def add(tar: tarfile.TarFile) -> None:
        assert tar.fileobj is not None
        tar.fileobj.write(block)
        tar.offset += len(block)

    return add


def header(name: str, kind: bytes, data: bytes = b"") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def record(text: bytes) -> bytes:
    """A record of pax, of 10 to 99 bytes with its length before it."""
    assert 6 <= len(text) <= 95
    return b"%d %s\n" % (len(text) + 4, text)


def said(records: bytes, kind: bytes = tarfile.XHDTYPE) -> Change:
    """A member after what a header says of it, or of all."""
    return raw(header("x", kind, records) + header("delivery/y", b"0"))


def sized(field: bytes) -> bytes:
    """A member whose size field is this, with the right sum."""
    block = bytearray(header("delivery/x", tarfile.REGTYPE))
    block[124:136] = field
    block[148:156] = b"%06o\0 " % (256 + sum(block[:148]) + sum(block[156:]))
    return bytes(block)


IN_TAR: list[tuple[str, Change, str]] = [
    ("up and out", entry("delivery/../../x"), "bag/member"),
    ("absolute", entry("/delivery/x"), "bag/member"),
    ("beside the folder", entry("other/x"), "bag/member"),
    ("in no folder", entry("x"), "bag/member"),
    ("a drive", entry("C:/x"), "bag/member"),
    ("a backslash", entry("delivery/..\\x"), "bag/member"),
    ("twice", entry("delivery/bagit.txt"), "bag/member"),
    ("twice, once with ./", entry("./delivery/bagit.txt"), "bag/member"),
    ("a file that is a folder", entry("delivery/data"), "bag/member"),
    ("a file in a file", entry("delivery/bagit.txt/x"), "bag/member"),
    ("a file in a file, and a name between", both("delivery/bagit.txt!", "delivery/bagit.txt/x"), "bag/member"),
    ("a folder that is a file", entry("delivery/bagit.txt/", b"", type=tarfile.DIRTYPE), "bag/member"),
    ("a link", entry("delivery/x", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "bag/member"),
    ("a hard link", entry("delivery/x", b"", type=tarfile.LNKTYPE, linkname="delivery/bagit.txt"), "bag/member"),
    ("a device", entry("delivery/x", b"", type=tarfile.CHRTYPE), "bag/member"),
    ("a pipe", entry("delivery/x", b"", type=tarfile.FIFOTYPE), "bag/member"),
    ("GNU's holes", entry("delivery/x", type=tarfile.GNUTYPE_SPARSE), "bag/member"),
    ("pax's holes", entry("delivery/x", pax_headers={"GNU.sparse.size": "99999999999"}), "bag/member"),
    ("a name for all", said(record(b"path=delivery/x"), tarfile.XGLTYPE), "bag/member"),
    ("a size for all", said(record(b"size=4"), tarfile.XGLTYPE), "bag/member"),
    (
        "holes for all",
        said(record(b"GNU.sparse.size=4"), tarfile.XGLTYPE),
        "bag/member",
    ),
    ("a record too long", said(b"99 path=x\n"), "bag/member"),
    ("a record too short", said(b"5 path=x\n"), "bag/member"),
    ("a record that ends in its key", said(b"4 a\n" + record(b"path=delivery/x")), "bag/member"),
    ("a record without a line's end", said(b"19 path=delivery/yy"), "bag/member"),
    (
        "a size that is no number",
        said(record(b"size=-")),
        "bag/member",
    ),
    ("a size that is negative", raw(sized(b"\xff" * 12)), "bag/member"),
    ("a size beyond the file", raw(sized(b"\x80" + b"\0" * 8 + b"\x7f\xff\xff")), "bag/member"),
    ("a size that is huge", raw(sized(b"\x80" + b"\xff" * 11)), "bag/member"),
    ("a long name that is huge", raw(header("L", b"L", bytes(1 << 17))), "bag/member"),
    ("a wrong sum", raw(header("delivery/x", b"0").replace(b"0000644", b"0000645")), "bag/member"),
    ("no header", raw(b"x" * 512), "bag/member"),
    ("something after the end", raw(bytes(1_024) + header("delivery/x", b"0")), "bag/member"),
    ("an unlisted file", entry("delivery/data/x"), "bag/unlisted"),
    ("a NUL", said(record(b"path=delivery/a\0b")), "bag/member"),
    (
        "not UTF-8",
        said(record(b"path=delivery/\xff\xff")),
        "bag/member",
    ),
]


@pytest.mark.parametrize(("more", "code"), [(m, c) for _, m, c in IN_TAR], ids=[n for n, _, _ in IN_TAR])
def test_what_a_tar_must_not_hold(more: Change, code: str, folder: Path, tmp_path: Path) -> None:
    check(tar_of(folder, tmp_path / "good.tar"))
    error = refused(tar_of(folder, tmp_path / "bag.tar", more=more))
    assert error.code == code
    assert error.file == str(tmp_path / "bag.tar")


def test_headers_that_say_nothing_of_names(folder: Path, tmp_path: Path) -> None:
    def comment(tar: tarfile.TarFile) -> None:
        raw(header("g", tarfile.XGLTYPE, record(b"comment=x")))(tar)
        entry("delivery/notes", pax_headers={"mtime": "1.5"})(tar)

    with open_bag(tar_of(folder, tmp_path / "bag.tar", more=comment)) as bag:
        assert [remark.code for remark in bag.remarks] == ["bag/untagged"]


def test_a_size_by_pax_counts(folder: Path, tmp_path: Path) -> None:
    def add(tar: tarfile.TarFile) -> None:
        member = bytearray(header("delivery/notes", b"0")) + b"four" + bytes(508)
        raw(header("x", tarfile.XHDTYPE, b"9 size=4\n") + bytes(member))(tar)
        entry("delivery/more")(tar)

    with open_bag(tar_of(folder, tmp_path / "bag.tar", more=add)) as bag:
        assert [remark.times for remark in bag.remarks] == [2]


def test_a_compressed_tar_is_refused_with_a_hint(folder: Path, tmp_path: Path) -> None:
    data = tar_of(folder, tmp_path / "bag.tar").read_bytes()
    (tmp_path / "bag.tar.gz").write_bytes(gzip.compress(data))
    error = refused(tmp_path / "bag.tar.gz")
    assert (error.code, error.hint) == ("bag/member", "uncompress a compressed tar first")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bag.tar")
    assert refused(tmp_path / "bag.tar").code == "bag/unreadable"


class Member(zipfile.ZipInfo):
    """A member of a ZIP by a name as it is, and not as zipfile would have it."""

    def __init__(self, name: str, *, mode: int = 0, flags: int = 0) -> None:
        super().__init__("x")
        self.filename = name
        self.external_attr = mode << 16
        self.flags = flags


IN_ZIP: list[tuple[str, Member, str]] = [
    ("up and out", Member("delivery/../../x"), "bag/member"),
    ("absolute", Member("/delivery/x"), "bag/member"),
    ("beside the folder", Member("other/x"), "bag/member"),
    ("in no folder", Member("x"), "bag/member"),
    ("a backslash", Member("delivery\\x"), "bag/member"),
    ("a NUL", Member("delivery/x\0y"), "bag/member"),
    ("twice", Member("delivery/bagit.txt"), "bag/member"),
    ("a file in a file", Member("delivery/bagit.txt/x"), "bag/member"),
    ("a folder with bytes", Member("delivery/x/"), "bag/member"),
    ("a link", Member("delivery/x", mode=stat.S_IFLNK | 0o777), "bag/member"),
    ("a device", Member("delivery/x", mode=stat.S_IFCHR | 0o666), "bag/member"),
    ("a folder that is named as a file", Member("delivery/x", mode=stat.S_IFDIR | 0o755), "bag/member"),
    ("encrypted", Member("delivery/x", flags=1), "bag/member"),
    ("an unlisted file", Member("delivery/data/x", mode=stat.S_IFREG | 0o644), "bag/unlisted"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("member", "code"), [(m, c) for _, m, c in IN_ZIP], ids=[n for n, _, _ in IN_ZIP])
def test_what_a_zip_must_not_hold(member: Member, code: str, folder: Path, tmp_path: Path) -> None:
    path = zip_of(folder, tmp_path / "bag.zip")
    check(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(member, b"x")
        member.flag_bits |= member.flags
    error = refused(path)
    assert error.code == code
    assert error.file == str(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method: int, folder: Path, tmp_path: Path) -> None:
    assert refused(zip_of(folder, tmp_path / "bag.zip", method)).code == "bag/member"


def test_a_bag_without_its_folder_is_refused_with_a_hint(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bag.zip", "w") as file:
        file.write(folder / "bagit.txt", "bagit.txt")
    error = refused(tmp_path / "bag.zip")
    assert error.code == "bag/member"
    assert error.hint.startswith("put the bag's folder itself into")


def test_a_bomb(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", {"data/zeros": bytes(10 << 20)})
    assert refused(zip_of(folder, tmp_path / "bag.zip")).code == "bag/bomb"
    open_bag(zip_of(folder, tmp_path / "stored.zip", zipfile.ZIP_STORED)).close()


def test_a_bomb_of_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Each is within the ratio, and all of them together are not (Fifield, A better zip bomb)."""
    data = random.Random(1).randbytes(20_000)
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as file:
        file.writestr("delivery/data/0", data)
        for n in range(1, 400):
            twin = zipfile.ZipInfo(f"delivery/data/{n}")
            first = file.infolist()[0]
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            twin.file_size, twin.compress_size = first.file_size, first.compress_size
            file.filelist.append(twin)
    (tmp_path / "bag.zip").write_bytes(room.getvalue())
    assert refused(tmp_path / "bag.zip").code == "bag/bomb"


def test_a_size_that_lies_gives_no_more_than_it_says(tmp_path: Path) -> None:
    folder = bags.make(tmp_path / "bag", {"data/zeros": bytes(9_999)})
    data = zip_of(folder, tmp_path / "bag.zip").read_bytes()
    lying = data.replace(struct.pack("<L", 9_999), struct.pack("<L", 1_111))
    assert lying != data
    (tmp_path / "bag.zip").write_bytes(lying)
    assert refused(tmp_path / "bag.zip").code in ("bag/member", "bag/changed")


def test_the_directory_of_a_zip_is_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(folder, tmp_path / "bag.zip")
    monkeypatch.setattr(bag_serial, "MAX_DIRECTORY", 500)
    error = refused(path)
    assert isinstance(error, UnsupportedError)
    assert error.code == "bag/limit"


def test_a_zip_inside_a_zip_is_a_file(folder: Path, tmp_path: Path) -> None:
    inner = zip_of(folder, tmp_path / "inner.zip").read_bytes()
    outer = zip_of(bags.make(tmp_path / "bag", {"data/inner.zip": inner}), tmp_path / "outer.zip")
    with open_bag(outer) as bag:
        assert bag.files == {"data/inner.zip": address_of(inner)}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_change_between_verifying_and_using(kind: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / f"bag.{kind}"
    if kind == "zip":
        zip_of(folder, path, zipfile.ZIP_STORED)
    else:
        tar_of(folder, path)
    with open_bag(path) as bag:
        data = path.read_bytes()
        path.write_bytes(data.replace(b"the agreement", b"The agreement"))
        with pytest.raises(MalformedError, match=r"bag/(changed|member)"):
            bag.read("data/agreement", 100)
        path.unlink()  # what is open stays
        assert bag.read("data/empty", 0) == b""


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_damage_is_an_error_or_changes_nothing(kind: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / f"bag.{kind}"
    good = (zip_of(folder, path) if kind == "zip" else tar_of(folder, path)).read_bytes()
    draws = random.Random(kind)
    number = 0
    for _ in range(600):
        bad = bytearray(good)
        for _ in range(draws.randint(1, 3)):
            bad[draws.randrange(len(bad))] = draws.choice((0, 1, 0x7F, 0x80, 0xFF, draws.randrange(256)))
        if draws.random() < 0.1:
            del bad[draws.randrange(len(bad)) :]
        path.write_bytes(bad)
        try:
            with open_bag(path) as bag:
                assert {name: bag.files[name] for name in MORE} == ADDRESSES
        except AttestError:
            number += 1
    assert number > 200
