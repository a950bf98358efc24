"""BagIt 1.0 (RFC 8493): what the tag files of a bag say, parsed and formatted. No file is opened here.

    >>> parse_declaration(DECLARED)
    Declaration(version='1.0', codec='utf-8')
    >>> format_entry(bytes(2), "data/100%")
    '0000  data/100%25'
    >>> parse_path("data/100%25", CURRENT, Remarks())
    'data/100%'

A bag of an older version (0.93 to 0.97) is read by the rules of its day, where RFC 8493 says that they differ. What
deviates from the rules and can be read in one way only is a remark; what could be read in two ways is an error.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from attest.errors import MalformedError, UnsupportedError

CURRENT: Final = "1.0"
VERSIONS: Final = ("0.93", "0.94", "0.95", "0.96", "0.97", CURRENT)
DECLARATION: Final = "bagit.txt"
FETCH: Final = "fetch.txt"
INFO: Final = "bag-info.txt"
PAYLOAD: Final = "data/"
OXUM: Final = "Payload-Oxum"
DECLARED: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

# Names of algorithms as manifests have them (2.4), and as hashlib has them.
ALGORITHMS: Final = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha3224": "sha3_224",
    "sha3256": "sha3_256",
    "sha3384": "sha3_384",
    "sha3512": "sha3_512",
}
SIZES: Final = {name: hashlib.new(python, usedforsecurity=False).digest_size for name, python in ALGORITHMS.items()}
WEAK: Final = frozenset({"md5", "sha1"})
# Encodings of IANA's registry that a bag may name (2.1.1); Python knows names that decompress or that run code.
ENCODINGS: Final = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
}

MAX_DECLARATION: Final = 1_024  # bytes
MAX_PATH: Final = 4_096  # bytes in UTF-8, as long as a path can be on Linux
MAX_DEPTH: Final = 100  # names in a path: every one is a directory to open
MAX_LINE: Final = 3 * MAX_PATH + 4_096  # characters: a path with every character escaped, and a checksum or an address

_DECLARATION: Final = re.compile(
    rb"BagIt-Version: (\d+\.\d+)(?:\r\n|\r|\n)Tag-File-Character-Encoding: ([!-~]+)(?:\r\n|\r|\n)?"
)
_MANIFEST: Final = re.compile(r"(tag)?manifest-([^/]+)\.txt")
_ENTRY: Final = re.compile(r"([0-9A-Fa-f]+)[ \t]+(\*?)([^ \t*].*)", re.DOTALL)
_FETCH: Final = re.compile(r"(\S+)[ \t]+(?:\d+|-)[ \t]+(\S.*)", re.DOTALL)
_ESCAPE: Final = re.compile(r"%(0[AaDd]|25)")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_OXUM: Final = re.compile(r"(\d{1,20})\.(\d{1,20})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # how Python has a name on a disk that is no UTF-8


class Declaration(NamedTuple):
    """What `bagit.txt` says: the version, and Python's name for the encoding of the other tag files."""

    version: str
    codec: str


class Remark(NamedTuple):
    """What deviates in a valid bag: its code, how often, and the first case of it."""

    code: str
    times: int
    first: str


class Remarks:
    """What has been remarked so far, one a code, so that no bag can fill memory with them."""

    def __init__(self) -> None:
        self._found: dict[str, Remark] = {}

    def add(self, code: str, detail: str) -> None:
        """One more case."""
        before = self._found.get(code, Remark(code, 0, detail))
        self._found[code] = before._replace(times=before.times + 1)

    def all(self) -> tuple[Remark, ...]:
        """In order of their codes."""
        return tuple(self._found[code] for code in sorted(self._found))


def parse_declaration(data: bytes) -> Declaration:
    """`bagit.txt` (2.1.1): exactly two lines, in UTF-8 without a byte-order mark.

    Raises MalformedError `bag/declaration`, UnsupportedError for a version or an encoding that is not known.
    """
    found = _DECLARATION.fullmatch(data)
    if found is None:
        detail = f"{DECLARATION} is not the two lines of a bag's declaration, but begins {data[:60]!r}"
        raise MalformedError("bag/declaration", detail)
    version, encoding = (text.decode("ascii") for text in found.groups())
    if version not in VERSIONS:
        raise UnsupportedError("bag/version", f"BagIt {version} is none of {', '.join(VERSIONS)}")
    codec = ENCODINGS.get(encoding.lower())
    if codec is None:
        raise UnsupportedError("bag/encoding", f"{encoding[:60]!r} is none of {', '.join(ENCODINGS)}")
    return Declaration(version, codec)


def info_name(version: str) -> str:
    """What the file of a bag's metadata is called; `package-info.txt` before 0.96."""
    return "package-info.txt" if version in ("0.93", "0.94", "0.95") else INFO


def manifest_name(algorithm: str, *, tag: bool = False) -> str:
    """What the manifest, or the tag manifest, of an algorithm is called."""
    return f"{'tag' * tag}manifest-{algorithm}.txt"


def manifests(names: Iterable[str], *, tag: bool) -> Iterator[tuple[str, str]]:
    """The payload manifests, or the tag manifests, among the names of a bag: (algorithm, name).

    Raises UnsupportedError `bag/algorithm` for one that cannot be verified.
    """
    for name in sorted(names):
        found = _MANIFEST.fullmatch(name)
        if found is None or bool(found[1]) is not tag:
            continue
        if found[2] not in ALGORITHMS:
            detail = f"{name[:100]!r} is of no algorithm of {', '.join(ALGORITHMS)}"
            raise UnsupportedError("bag/algorithm", detail)
        yield found[2], name


def parse_entry(line: str, algorithm: str, version: str, remarks: Remarks) -> tuple[bytes, str]:
    """A line of a manifest (2.1.3): checksum and path. Raises MalformedError `bag/manifest`, `bag/path`.

    The asterisk before a path is what `md5sum` writes in binary mode (6.1.3).
    """
    found, digits = _ENTRY.fullmatch(line), 2 * SIZES[algorithm]
    if found is None or len(found[1]) != digits:
        detail = f"{line[:200]!r} is not {digits} hexadecimal digits, a space and a path"
        raise MalformedError("bag/manifest", detail)
    if found[2]:
        remarks.add("bag/form", f"{line[:200]!r} has an asterisk before the path")
    return bytes.fromhex(found[1]), parse_path(found[3], version, remarks)


def format_entry(checksum: bytes, path: str) -> str:
    """A line of a manifest, without its end."""
    escaped = path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"{checksum.hex()}  {escaped}"


def parse_path(text: str, version: str, remarks: Remarks) -> str:
    """The path that stands in a manifest, from the bag's base directory. Raises MalformedError `bag/path`.

    RFC 8493 has CR, LF and % percent-encoded; older versions did not encode the percent sign.
    """
    meant = {"0A": "\n", "0D": "\r"} | ({"25": "%"} if version == CURRENT else {})
    path = _ESCAPE.sub(lambda found: meant.get(found[1].upper(), found[0]), text)
    if version == CURRENT and "%" in _ESCAPE.sub("", text):
        remarks.add("bag/form", f"{text[:200]!r} has a percent sign that is not encoded")
    if path.startswith("./"):
        remarks.add("bag/form", f"{text[:200]!r} begins with ./")
        path = path.removeprefix("./")
    require_path(path)
    return path


def require_path(path: str) -> None:
    """Raises MalformedError `bag/path` for a path that leads out of a bag, on this system or on another (5.1)."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        why = "is absolute, names a directory, or has . or .. in it"
    elif "\\" in path or _DRIVE.match(path) or path.startswith("~"):
        why = "leads elsewhere on some systems: a backslash, a drive letter, a home directory"
    elif "\0" in path or _SURROGATE.search(path):
        why = "is no text"
    elif len(path.encode()) > MAX_PATH or len(parts) > MAX_DEPTH:
        why = f"is longer than {MAX_PATH:,} bytes, or more than {MAX_DEPTH} directories deep"
    else:
        return
    raise MalformedError("bag/path", f"{path[:200]!r} {why}")


def parse_info(lines: Iterable[str], version: str, remarks: Remarks) -> Iterator[tuple[str, str]]:
    """The metadata of a bag (2.2.2): labels and values, in order. Raises MalformedError `bag/info`.

    A value that goes on in the next line keeps the line's end and loses its indentation.
    """
    label, value = "", ""
    for line in lines:
        if line[:1] in (" ", "\t") and label:
            value += "\n" + line.strip(" \t")
            continue
        if label:
            yield label, value
        said, colon, rest = line.partition(":")
        label, value = said.strip(" \t"), rest.strip(" \t")
        if version == CURRENT and (label != said or rest[:1] not in " \t" or value != rest[1:]):
            remarks.add("bag/form", f"{line[:200]!r} is not a label, a colon, a space and a value")
        if not colon or not label or line[:1] in (" ", "\t"):
            raise MalformedError("bag/info", f"{line[:200]!r} is no label and value")
    if label:
        yield label, value


def format_info(fields: Sequence[tuple[str, str]]) -> bytes:
    """`bag-info.txt`. Raises MalformedError `bag/info` for what would be read as something else."""
    for label, value in fields:
        if not label or label != label.strip() or ":" in label or value != value.strip():
            raise MalformedError("bag/info", f"{label[:100]!r}: {value[:100]!r} is no label and value")
        if _CONTROL.search(label + value) or _SURROGATE.search(label + value):
            raise MalformedError("bag/info", f"{label[:100]!r}: {value[:100]!r} is not printable, on one line")
    return "".join(f"{label}: {value}\n" for label, value in fields).encode()


def oxums(fields: Iterable[tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """The bytes and files that the payload is said to have. Raises MalformedError `bag/oxum`."""
    for label, value in fields:
        if label.lower() == OXUM.lower():
            found = _OXUM.fullmatch(value)
            if found is None:
                raise MalformedError("bag/oxum", f"{value[:100]!r} is not OCTETS.FILES")
            yield int(found[1]), int(found[2])


def parse_fetch(line: str, version: str, remarks: Remarks) -> str:
    """The path in a line of `fetch.txt` (2.2.3). Raises MalformedError `bag/fetch`, `bag/path`."""
    found = _FETCH.fullmatch(line)
    if found is None:
        raise MalformedError("bag/fetch", f"{line[:200]!r} is not an address, a length and a path")
    return parse_path(found[2], version, remarks)


def folded(path: str) -> str:
    """What file systems that do not tell case or Unicode forms apart take a path for (6.1.1)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
