"""What one source signs: each place of its chain once, whatever crashes, and on the disk before anybody gets it.

    with Outbox(path) as box:
        for signed in box.waiting():             # signed before a crash, and perhaps never handed on
            send(signed.entry, signed.block)
            box.taken(signed.seq)
        if not box.drafts:
            box.propose((payload, block))        # on the disk; more may follow, each the next of the one before
        for signed in box.sign(sign):            # signs what was proposed; on the disk, too
            send(signed.entry, signed.block)     # again and again, until somebody has it
            box.taken(signed.seq)

Whoever holds two statements of one source for one place holds the proof that it lied (chain/equivocation). So the
payload lasts before `sign` sees it: after a crash nobody knows whether it was signed and who has that, and the same
payload is signed again, never another one for its seq. The signed entry lasts before `sign` returns it: signed once
more, the same payload may be another entry (ECDSA, ML-DSA), and only one is ever handed on. A payload whose seq is not
above everything that was signed here is refused.

Several statements cost as many syncs as one. Of those that follow in a proposal `prev` is `UNSIGNED` until the one
before is signed, so only a key that always gives the same signature may sign them: else, after a crash between two of
them, the second one would be signed anew with another `prev` (attest.sign.keys.repeats).

A directory of small files, each put whole and checked by its hash when it is read; one process at a time has the lock:

    draft                   the payloads that are signed next, with their blocks
    00000000000000000017    a signed entry with its block, not handed on yet; its seq. Or several, then the first seq, a
                            dash and the last
    last                    the newest entry that was handed on

    attest outbox 1         a line, then SHA-256 of what follows, and of each statement
    u64, u64                the size of the payload or entry and of the block (2**64 - 1 for none), big endian
    payload or entry, block

After an error of the disk the box is closed: open it again. Raises LogError, and what `parse_payload` and
`parse_statement` raise.

    outbox/drafted   another payload is to be signed first     outbox/entry     what came back is not the draft, signed
    outbox/place     its place was signed already, or passed   outbox/damaged   a file is not as it was written
    outbox/empty     nothing was proposed                      outbox/closed    after an error, or its end
"""

import contextlib
import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, Self

from attest.errors import LogError
from attest.format.bodies import MAX_BLOCK
from attest.format.cose import parse_sign1
from attest.format.statement import MAX_STATEMENT, format_payload, parse_payload, parse_statement, peek
from attest.log.merkle import leaf_hash
from attest.store import disk
from attest.store.directory import OUTBOX

DRAFT: Final = "draft"
LAST: Final = "last"
LOCK: Final = "lock"
TEMPORARY: Final = "tmp"

MAX_TOGETHER: Final = 64 << 20  # bytes of statements that are proposed together, unless it is one
UNSIGNED: Final = bytes(32)  # for `prev`, until it is known

_MAGIC: Final = b"attest outbox 1\n"
_SUM: Final = 32
_HEAD: Final = struct.Struct(">QQ")
_NO_BLOCK: Final = (1 << 64) - 1
_FILE: Final = re.compile(r"(\d{20})(?:-(\d{20}))?")
_MAX_FILE: Final = len(_MAGIC) + _SUM + MAX_TOGETHER + _HEAD.size + MAX_STATEMENT + MAX_BLOCK

Item = tuple[bytes, bytes | None]


def box_path(log: Path, sub: str) -> Path:
    """Where the outbox of a source is that signs onto the log in this directory."""
    return log / OUTBOX / hashlib.sha256(sub.encode()).hexdigest()


class Draft(NamedTuple):
    """What is to be signed for a place, before it is."""

    seq: int
    payload: bytes
    block: bytes | None


class Signed(NamedTuple):
    """A signed statement, to be handed on."""

    seq: int
    entry: bytes
    block: bytes | None


class Outbox:
    """An open box. drafts: what was proposed and is not signed. last: the entry of the highest seq, None at first."""

    def __init__(self, path: Path) -> None:
        """Opens the box, making it where it is not there. Raises LogError."""
        self.path = path
        self.closed = False
        with disk.failures(path), contextlib.ExitStack() as stack:
            disk.keep_directory(path)
            stack.callback(os.close, disk.lock(path / LOCK))
            # Whoever was killed before may not have come to this, and what is read here is acted upon.
            disk.sync_directory(path)
            self.last = self._read(LAST)[0][0] if (path / LAST).exists() else None
            self._taken = _seq(self.last)
            self._files = sorted(file for item in path.iterdir() if (file := _parse_name(item.name)))
            self._remove_taken()
            if self._files:
                self.last = self._read(_name(*self._files[-1]))[-1][0]
            self.drafts = self._read_drafts()
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back."""
        self._open.close()
        self.closed = True

    def propose(self, *items: Item) -> None:
        """The payloads that are signed next, for good. To propose again what is there changes nothing."""
        self._require_open()
        drafts = _drafts(items)
        if self.drafts == drafts:
            return
        if self.drafts:
            detail = f"{self.path}: seq {self.drafts[0].seq} is to be signed first, as it was proposed"
            raise LogError("outbox/drafted", detail, hint="sign the draft, whose signature somebody may have already")
        if drafts[0].seq <= (signed := _seq(self.last)):
            detail = f"{self.path}: seq {drafts[0].seq}, after seq {signed} was signed"
            raise LogError("outbox/place", detail, hint="nothing was signed; continue the chain where it ends")
        with disk.fatal(self.path, self.close):
            self._write(DRAFT, items)
        self.drafts = drafts

    def sign(self, sign: Callable[[bytes], bytes]) -> list[Signed]:
        """Has the drafts signed, by what makes an entry of a payload. An exception out of `sign` leaves them."""
        self._require_open()
        if not self.drafts:
            raise LogError("outbox/empty", f"{self.path} holds nothing to sign")
        done: list[Signed] = []
        for draft in self.drafts:
            payload = _after(draft.payload, done[-1].entry) if done else draft.payload
            entry = sign(payload)
            self._require_signed(draft.seq, payload, entry)
            done.append(Signed(draft.seq, entry, draft.block))
        file = (done[0].seq, done[-1].seq)
        with disk.fatal(self.path, self.close):
            self._write(_name(*file), [(signed.entry, signed.block) for signed in done])
            disk.unlink(self.path / DRAFT)  # if it comes back, its seq is signed and it is removed again
        self._files.append(file)
        self.drafts, self.last = [], done[-1].entry
        return done

    def waiting(self) -> Iterator[Signed]:
        """What was signed and is not taken yet, in the order of the chain."""
        self._require_open()
        for first, last in tuple(self._files):
            for seq, (entry, block) in enumerate(self._read(_name(first, last)), first):
                if seq > self._taken:
                    yield Signed(seq, entry, block)

    def until(self) -> int | None:
        """When the last window ends that was proposed or signed and is not taken yet, Unix s."""
        ends = [parse_statement(signed.entry).statement.end for signed in self.waiting()]
        ends += [parse_payload(draft.payload).end for draft in self.drafts]
        return max(ends, default=None)

    def taken(self, seq: int) -> None:
        """Somebody keeps the entries up to this seq: they are not handed on any more."""
        self._require_open()
        here = [(first, last) for first, last in self._files if first <= seq]
        if not here or (newest := min(seq, here[-1][1])) <= self._taken:
            return
        with disk.fatal(self.path, self.close):
            entry, _ = self._read(_name(*here[-1]))[newest - here[-1][0]]
            self._write(LAST, [(entry, None)])
            self._taken = newest
            self._remove_taken()

    # -- files

    def _remove_taken(self) -> None:
        for file in [file for file in self._files if file[1] <= self._taken]:
            disk.unlink(self.path / _name(*file))
            self._files.remove(file)

    def _read_drafts(self) -> list[Draft]:
        if not (self.path / DRAFT).exists():
            return []
        drafts = _drafts(self._read(DRAFT))
        if drafts[0].seq <= _seq(self.last):  # it was signed before the crash
            disk.unlink(self.path / DRAFT)
            return []
        return drafts

    def _require_signed(self, seq: int, payload: bytes, entry: bytes) -> None:
        sub = parse_statement(entry).header.sub
        if parse_sign1(entry).payload != payload:
            raise LogError("outbox/entry", f"{self.path}: what came back for seq {seq} is another statement")
        if self.last is not None and sub != (known := peek(self.last).sub):
            raise LogError("outbox/entry", f"{self.path}: signed as {sub}, and before as {known}")

    def _write(self, name: str, items: Iterable[Item]) -> None:
        parts = [_MAGIC, b""]
        for data, block in items:
            parts += _HEAD.pack(len(data), _NO_BLOCK if block is None else len(block)), data, block or b""
        parts[1] = _sum(parts[2:])
        disk.replace(self.path / TEMPORARY, self.path / name, parts)
        disk.sync_directory(self.path)

    def _read(self, name: str) -> list[Item]:
        path = self.path / name
        with disk.failures(path):
            if path.stat().st_size > _MAX_FILE:
                self._damaged(name)
            text = memoryview(path.read_bytes())
        at = len(_MAGIC) + _SUM
        if len(text) == at or text[:at] != _MAGIC + _sum([text[at:]]):
            self._damaged(name)
        items: list[Item] = []
        while at < len(text):
            size, block = _HEAD.unpack_from(text, at)
            middle = at + _HEAD.size + size
            end = middle + (0 if block == _NO_BLOCK else block)
            items.append((bytes(text[middle - size : middle]), None if block == _NO_BLOCK else bytes(text[middle:end])))
            at = end
        return items

    def _damaged(self, name: str) -> NoReturn:
        hint = "restore it from a copy; without it nobody can say what was signed for that place"
        raise LogError("outbox/damaged", f"{self.path / name} is not as it was written", hint=hint)

    def _require_open(self) -> None:
        if self.closed:
            raise LogError("outbox/closed", f"{self.path} was closed; open it again")


def _drafts(items: Sequence[Item]) -> list[Draft]:
    """Statements that are to be signed one after the other. Raises LogError `outbox/place`."""
    drafts = [Draft(parse_payload(payload).seq, payload, block) for payload, block in items]
    for number, draft in enumerate(drafts[1:], 1):
        if draft.seq != drafts[0].seq + number or parse_payload(draft.payload).prev != UNSIGNED:
            raise LogError("outbox/place", f"seq {draft.seq} is proposed, and is not the next after the one before")
    return drafts


def _after(payload: bytes, entry: bytes) -> bytes:
    """The payload of the statement after an entry."""
    return format_payload(parse_payload(payload)._replace(prev=leaf_hash(entry)))


def _seq(entry: bytes | None) -> int:
    """The seq of an entry; -1 of none."""
    return -1 if entry is None else peek(entry).seq


def _sum(parts: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _name(first: int, last: int) -> str:
    return f"{first:020}" if first == last else f"{first:020}-{last:020}"


def _parse_name(name: str) -> tuple[int, int] | None:
    match = _FILE.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2] or match[1]))
