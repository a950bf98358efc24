"""Opening a bag: everything is verified before anything of it is used.

1. What is there: files and directories, and nothing else (`bag_source`, `bag_serial`).
2. The declaration, `bagit.txt`.
3. The manifests and the other tag files that this program reads; every tag file that a tag manifest lists is hashed.
4. The payload is what the manifests list: no file missing, none unlisted, none to be fetched, and at least one.
5. Every payload file is hashed by every algorithm of a manifest, and by SHA-256 and SHA-512 for its address.
6. The payload is as large as the bag says (Payload-Oxum).

What is used afterwards is read again and hashed again on the way: `Bag.read` gives nothing that is not what was
verified, and whoever takes `Bag.pieces` compares the whole with its address, as a store does.

    with open_bag(Path("delivery.zip")) as bag:
        for path, address in bag.files.items():
            store.put(address, partial(bag.pieces, path))

A bag is not signed: whoever changes a file can write its manifests anew.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attest.archive.address import Address, Digests
from attest.archive.bag import (
    CURRENT,
    DECLARATION,
    FETCH,
    MAX_DECLARATION,
    PAYLOAD,
    WEAK,
    Declaration,
    Remark,
    Remarks,
    folded,
    info_name,
    manifest_name,
    manifests,
    oxums,
    parse_declaration,
    parse_entry,
    parse_fetch,
    parse_info,
)
from attest.archive.bag_serial import open_source
from attest.archive.bag_source import MAX_FILES, Source
from attest.archive.bag_tags import TagFiles, hash_pieces
from attest.errors import AttestError, MalformedError, UnsupportedError

MAX_INFO: Final = 1 << 20  # bytes of bag-info.txt
NAMED: Final = 3  # of many files that are wrong

# What systems write beside files by themselves, and what the next system deletes.
_OF_SYSTEMS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_AGAIN: Final = "ask for another copy of the bag"


@dataclass(frozen=True)
class Bag:
    """A bag that has been verified.

    `files` are the payload's addresses by path from the base directory (`data/...`), `tags` those of the tag files that
    a tag manifest lists, `info` the metadata in its order, `remarks` what deviates and is no error.
    """

    path: Path
    version: str
    info: tuple[tuple[str, str], ...]
    files: Mapping[str, Address]
    tags: Mapping[str, Address]
    remarks: tuple[Remark, ...]
    _source: Source
    _places: Mapping[str, str]  # where a file lies, if not under the name that it is listed by

    def pieces(self, path: str) -> Iterator[bytes]:
        """A file's bytes as they are now: the caller compares the whole with its address.

        Raises MalformedError `bag/missing` at once for what is not of the payload, whoever gave the name.
        """
        if path not in self.files:
            raise MalformedError("bag/missing", f"{path[:200]!r} is not in the bag's payload")
        return self._source.pieces(self._places.get(path, path))

    def read(self, path: str, limit: int) -> bytes:
        """A whole payload file of at most `limit` bytes, as it was verified.

        Raises MalformedError `bag/missing`, `bag/changed`, UnsupportedError `bag/limit`.
        """
        pieces, address = self.pieces(path), self.files[path]
        if address.size > limit:
            raise UnsupportedError("bag/limit", f"{path[:200]!r} has {address.size:,} bytes, at most {limit:,}")
        digests, found = Digests(), []
        for piece in pieces:
            digests.update(piece)
            found.append(piece)
        if digests.address() != address:
            raise MalformedError("bag/changed", f"{path[:200]!r} has changed since the bag was verified", hint=_AGAIN)
        return b"".join(found)

    def close(self) -> None:
        """Nothing can be read any more."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_bag(path: Path) -> Bag:
    """A bag in a folder, or in a ZIP or tar file, verified by the steps above; it is closed by `close`.

    Raises MalformedError where it is not valid, UnsupportedError where this program does not know its version,
    encoding or algorithm or it is too large, MissingError `bag/unreadable`. The error's `file` is the bag.
    """
    try:
        with ExitStack() as stack:
            source = open_source(path)
            stack.callback(source.close)
            bag = _Reading(source).bag(path)
            stack.pop_all()
            return bag
    except AttestError as error:
        error.file = str(path)
        raise


class _Reading:
    """The steps, over what the ones before have found."""

    def __init__(self, source: Source) -> None:
        self._source, self._remarks = source, Remarks()
        self._sizes = source.names()
        self._there = {path for path in self._sizes if path.startswith(PAYLOAD)}
        payload, tags = (dict(manifests(self._sizes, tag=tag)) for tag in (False, True))
        self._manifests = frozenset(payload.values())
        self._tags = TagFiles(source, self._sizes, {*payload, *tags})
        self._version, self._codec = self._declaration()
        self._listed = {algorithm: self._entries(name, algorithm, tag=False) for algorithm, name in payload.items()}
        self._tagged = {algorithm: self._entries(name, algorithm, tag=True) for algorithm, name in tags.items()}

    def bag(self, path: Path) -> Bag:
        """Steps 3 to 6."""
        info = tuple(self._info())
        tags = self._verify_tags()
        places = self._require_payload()
        files = self._verify_payload(places)
        self._require_oxum(info)
        self._look_around(tags)
        return Bag(path, self._version, info, files, tags, self._remarks.all(), self._source, places)

    def _declaration(self) -> Declaration:
        if DECLARATION not in self._sizes:
            raise MalformedError("bag/declaration", f"there is no {DECLARATION}", hint="name the folder that holds it")
        return parse_declaration(self._tags.whole(DECLARATION, MAX_DECLARATION))

    def _entries(self, name: str, algorithm: str, *, tag: bool) -> dict[str, bytes]:
        """The digests that a manifest lists, by path."""
        found: dict[str, bytes] = {}
        for number, line in self._tags.lines(name, self._codec):
            with _line(name, number):
                digest, path = parse_entry(line, algorithm, self._version, self._remarks)
                if path.startswith(PAYLOAD) is tag:
                    raise MalformedError("bag/path", f"{path[:200]!r} is {'' if tag else 'not '}below {PAYLOAD}")
                if path in found:
                    self._twice(path, found[path] == digest)
            found[path] = digest
            if len(found) > MAX_FILES:
                raise UnsupportedError("bag/limit", f"{name} lists more than {MAX_FILES:,} files")
        return found

    def _twice(self, path: str, same: bool) -> None:
        if not same or self._version == CURRENT:
            raise MalformedError("bag/duplicate", f"{path[:200]!r} is listed twice")
        self._remarks.add("bag/form", f"{path[:200]!r} is listed twice")

    def _info(self) -> Iterator[tuple[str, str]]:
        name = info_name(self._version)
        if name in self._sizes:
            lines = (line for _, line in self._tags.lines(name, self._codec, MAX_INFO))
            yield from parse_info(lines, self._version, self._remarks)

    def _verify_tags(self) -> dict[str, Address]:
        """Every tag manifest lists what it must (2.2.1), and what it lists is there and unchanged."""
        changed = []
        for algorithm, entries in self._tagged.items():
            name = manifest_name(algorithm, tag=True)
            if not entries or (self._version == CURRENT and not self._manifests <= entries.keys()):
                raise MalformedError("bag/manifest", f"{name} does not list the manifests of the payload")
            _require_none("bag/missing", entries.keys() - self._sizes.keys(), f"listed in {name} and not there")
            changed += [path for path, digest in entries.items() if self._tags.hash(path).digests[algorithm] != digest]
        _require_none("bag/changed", changed, "not what a tag manifest says", _AGAIN)
        return {path: self._tags.hash(path).address for entries in self._tagged.values() for path in entries}

    def _require_payload(self) -> dict[str, str]:
        """Step 4 (RFC 8493, section 3). Returns where files lie that are listed under another name."""
        every = {path for entries in self._listed.values() for path in entries}
        if not self._listed:
            raise MalformedError("bag/manifest", f"there is no {manifest_name('sha512')}, nor any other manifest")
        if not every and not self._there:
            raise MalformedError("bag/empty", "the payload is empty, and so are its manifests", hint=_AGAIN)
        places = self._places(every)
        missing = every - self._there - places.keys()
        self._require_fetched(every, missing)
        _require_none("bag/missing", missing, "listed and not there", _AGAIN)
        unlisted = self._there - every - set(places.values())
        _require_none("bag/unlisted", unlisted, "there and listed in no manifest of the payload")
        if self._version == CURRENT:  # older ones may list a file in one manifest only
            for algorithm, entries in self._listed.items():
                _require_none("bag/disagree", every - entries.keys(), f"not in {manifest_name(algorithm)}")
        return places

    def _places(self, every: set[str]) -> dict[str, str]:
        """Names that a medium has changed in case or in Unicode form, where it is clear which (6.1.1)."""
        if every <= self._there:
            return {}
        there: dict[str, list[str]] = {}
        for path in self._there:
            there.setdefault(folded(path), []).append(path)
        found = {path: there.get(folded(path), ()) for path in every - self._there}
        return {path: names[0] for path, names in found.items() if len(names) == 1}

    def _require_fetched(self, every: set[str], missing: set[str]) -> None:
        """An archive fetches nothing, from no address that a bag names."""
        if FETCH not in self._sizes:
            return
        wanted = set()
        for number, line in self._tags.lines(FETCH, self._codec):
            with _line(FETCH, number):
                wanted.add(parse_fetch(line, self._version, self._remarks))
        _require_none("bag/fetch", wanted - every, f"in {FETCH} and in no manifest of the payload")
        hint = "ask for the whole bag: an archive fetches nothing"
        _require_none("bag/fetch", wanted & missing, "not there, but to be fetched", hint)

    def _verify_payload(self, places: Mapping[str, str]) -> dict[str, Address]:
        found, changed = {}, []
        for path in sorted({path for entries in self._listed.values() for path in entries}):
            sums = hash_pieces(self._source.pieces(places.get(path, path)), self._listed)
            if any(entries.get(path, sums.digests[a]) != sums.digests[a] for a, entries in self._listed.items()):
                changed.append(path)
            found[path] = sums.address
        _require_none("bag/changed", changed, "not what its manifests say", _AGAIN)
        return found

    def _require_oxum(self, info: Sequence[tuple[str, str]]) -> None:
        is_ = sum(self._sizes[path] for path in self._there), len(self._there)
        for said in oxums(info):
            if said != is_:
                detail = f"the bag says {said[0]:,} bytes in {said[1]:,} files; they are {is_[0]:,} in {is_[1]:,}"
                raise MalformedError("bag/oxum", detail, hint=_AGAIN)

    def _look_around(self, tags: Mapping[str, Address]) -> None:
        """What is worth saying of a valid bag."""
        every = {path for entries in self._listed.values() for path in entries}
        names: dict[str, str] = {}
        for path in sorted(every | self._there):
            other = names.setdefault(folded(path), path)
            if other != path:
                self._remarks.add("bag/alike", f"{other[:200]!r} and {path[:200]!r}")
            if path.rpartition("/")[2] in _OF_SYSTEMS:
                self._remarks.add("bag/of-system", f"{path[:200]!r}")
        if self._listed.keys() <= WEAK:
            self._remarks.add("bag/weak", ", ".join(self._listed))
        own = {manifest_name(algorithm, tag=True) for algorithm in self._tagged}
        for path in sorted(self._sizes.keys() - self._there - tags.keys() - own):
            self._remarks.add("bag/untagged", f"{path[:200]!r}")


@contextmanager
def _line(name: str, number: int) -> Iterator[None]:
    """Says where an error was."""
    try:
        yield
    except MalformedError as error:
        error.path = f"{name}, line {number:,}"
        raise


def _require_none(code: str, paths: Collection[str], what: str, hint: str = "") -> None:
    """Raises MalformedError if there are any."""
    if paths:
        first = ", ".join(repr(path[:200]) for path in sorted(paths)[:NAMED])
        more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
        raise MalformedError(code, f"{first}{more}: {what}", hint=hint)
