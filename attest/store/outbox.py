"""What one source signs: each place of its chain once, whatever crashes, and on the disk before anybody gets it.

    with Outbox(path) as box:
        for signed in box.waiting():             # signed before a crash, and perhaps never handed on
            send(signed.entry, signed.block)
            box.taken(signed.seq)
        if box.draft is None:
            box.propose(payload, block)          # on the disk
        signed = box.sign(sign)                  # signs what was proposed; on the disk, too
        send(signed.entry, signed.block)         # again and again, until somebody has it
        box.taken(signed.seq)

Whoever holds two statements of one source for one place holds the proof that it lied (chain/equivocation). So the
payload lasts before `sign` sees it: after a crash nobody knows whether it was signed and who has that, and the same
payload is signed again, never another one for its seq. The signed entry lasts before `sign` returns it: signed once
more, the same payload may be another entry (ECDSA, ML-DSA), and only one is ever handed on. A payload whose seq is not
above everything that was signed here is refused.

A directory of small files, each put whole and checked by its hash when it is read; one process at a time has the lock:

    draft                   the payload that is signed next, with its block
    00000000000000000017    a signed entry with its block, not handed on yet; its seq
    last                    the newest entry that was handed on

    attest outbox 1         a line, then SHA-256 of what follows, u64 size of the payload or entry, big endian,
    payload or entry        u64 size of the block (2**64 - 1 for none)
    block

After an error of the disk the box is closed: open it again. Raises LogError, and what `parse_payload` and
`parse_statement` raise.

    outbox/drafted   another payload is to be signed first     outbox/entry     what came back is not the draft, signed
    outbox/place     its place was signed already, or passed   outbox/damaged   a file is not as it was written
    outbox/empty     nothing was proposed                      outbox/closed    after an error, or its end
"""

import contextlib
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, Self

from attest.errors import LogError
from attest.format.bodies import MAX_BLOCK
from attest.format.cose import parse_sign1
from attest.format.statement import MAX_STATEMENT, parse_payload, parse_statement, peek
from attest.store import disk
from attest.store.directory import OUTBOX

DRAFT: Final = "draft"
LAST: Final = "last"
LOCK: Final = "lock"
TEMPORARY: Final = "tmp"

_MAGIC: Final = b"attest outbox 1\n"
_HEAD: Final = struct.Struct(">32sQQ")
_NO_BLOCK: Final = (1 << 64) - 1
_MAX_FILE: Final = len(_MAGIC) + _HEAD.size + MAX_STATEMENT + MAX_BLOCK


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
    """An open box. draft: what was proposed and is not signed. last: the entry of the highest seq, None at first."""

    def __init__(self, path: Path) -> None:
        """Opens the box, making it where it is not there. Raises LogError."""
        self.path = path
        self.closed = False
        with disk.failures(path), contextlib.ExitStack() as stack:
            disk.keep_directory(path)
            stack.callback(os.close, disk.lock(path / LOCK))
            # Whoever was killed before may not have come to this, and what is read here is acted upon.
            disk.sync_directory(path)
            self._waiting = sorted(int(item.name) for item in path.iterdir() if item.name.isdecimal())
            self.last = self._read_last()
            self.draft = self._read_draft()
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back."""
        self._open.close()
        self.closed = True

    def propose(self, payload: bytes, block: bytes | None = None) -> None:
        """The payload that is signed next, for good. To propose again what is the draft changes nothing."""
        self._require_open()
        seq = parse_payload(payload).seq
        draft = Draft(seq, payload, block)
        if self.draft == draft:
            return
        if self.draft is not None:
            detail = f"{self.path}: seq {self.draft.seq} is to be signed first, as it was proposed"
            raise LogError("outbox/drafted", detail, hint="sign the draft, whose signature somebody may have already")
        if self.last is not None and seq <= (signed := peek(self.last).seq):
            detail = f"{self.path}: seq {seq}, after seq {signed} was signed"
            raise LogError("outbox/place", detail, hint="nothing was signed; continue the chain where it ends")
        with self._fatal():
            self._write(DRAFT, payload, block)
        self.draft = draft

    def sign(self, sign: Callable[[bytes], bytes]) -> Signed:
        """Has the draft signed, by what makes an entry of a payload. An exception out of `sign` leaves the draft."""
        self._require_open()
        if self.draft is None:
            raise LogError("outbox/empty", f"{self.path} holds nothing to sign")
        entry = sign(self.draft.payload)
        self._require_signed(self.draft, entry)
        signed = Signed(self.draft.seq, entry, self.draft.block)
        with self._fatal():
            self._write(_name(signed.seq), entry, signed.block)
            disk.unlink(self.path / DRAFT)  # if it comes back, its seq is signed and it is removed again
        self._waiting.append(signed.seq)
        self.draft, self.last = None, entry
        return signed

    def waiting(self) -> Iterator[Signed]:
        """What was signed and is not taken yet, in the order of the chain."""
        self._require_open()
        for seq in tuple(self._waiting):
            entry, block = self._read(_name(seq))
            yield Signed(seq, entry, block)

    def until(self) -> int | None:
        """When the last window ends that was proposed or signed and is not taken yet, Unix s."""
        ends = [parse_statement(signed.entry).statement.end for signed in self.waiting()]
        if self.draft is not None:
            ends.append(parse_payload(self.draft.payload).end)
        return max(ends, default=None)

    def taken(self, seq: int) -> None:
        """Somebody keeps the entries up to this seq: they are not handed on any more."""
        self._require_open()
        gone = [waiting for waiting in self._waiting if waiting <= seq]
        with self._fatal():
            for number in gone:
                entry, _ = self._read(_name(number))
                if number == gone[-1]:
                    self._write(LAST, entry, None)
                disk.unlink(self.path / _name(number))
        self._waiting = self._waiting[len(gone) :]

    # -- files

    def _read_last(self) -> bytes | None:
        if self._waiting:
            return self._read(_name(self._waiting[-1]))[0]
        return self._read(LAST)[0] if (self.path / LAST).exists() else None

    def _read_draft(self) -> Draft | None:
        if not (self.path / DRAFT).exists():
            return None
        payload, block = self._read(DRAFT)
        draft = Draft(parse_payload(payload).seq, payload, block)
        if self.last is not None and draft.seq <= peek(self.last).seq:  # it was signed before the crash
            disk.unlink(self.path / DRAFT)
            return None
        return draft

    def _require_signed(self, draft: Draft, entry: bytes) -> None:
        sub = parse_statement(entry).header.sub
        if parse_sign1(entry).payload != draft.payload:
            raise LogError("outbox/entry", f"{self.path}: what came back for seq {draft.seq} is another statement")
        if self.last is not None and sub != (known := peek(self.last).sub):
            raise LogError("outbox/entry", f"{self.path}: signed as {sub}, and before as {known}")

    def _write(self, name: str, data: bytes, block: bytes | None) -> None:
        rest = _HEAD.pack(bytes(32), len(data), _NO_BLOCK if block is None else len(block))[32:] + data + (block or b"")
        disk.replace(self.path / TEMPORARY, self.path / name, [_MAGIC, hashlib.sha256(rest).digest(), rest])
        disk.sync_directory(self.path)

    def _read(self, name: str) -> tuple[bytes, bytes | None]:
        path = self.path / name
        with disk.failures(path), path.open("rb") as file:
            text = file.read(_MAX_FILE + 1)
        start = len(_MAGIC) + _HEAD.size
        if len(text) < start or text[: len(_MAGIC)] != _MAGIC:
            self._damaged(name)
        digest, size, block = _HEAD.unpack_from(text, len(_MAGIC))
        whole = start + size + (0 if block == _NO_BLOCK else block)
        if len(text) != whole or hashlib.sha256(text[len(_MAGIC) + 32 :]).digest() != digest:
            self._damaged(name)
        return text[start : start + size], None if block == _NO_BLOCK else text[start + size :]

    def _damaged(self, name: str) -> NoReturn:
        hint = "restore it from a copy; without it nobody can say what was signed for that place"
        raise LogError("outbox/damaged", f"{self.path / name} is not as it was written", hint=hint)

    def _require_open(self) -> None:
        if self.closed:
            raise LogError("outbox/closed", f"{self.path} was closed; open it again")

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """After an error of the disk nobody knows what it holds but who reads it again: close."""
        try:
            with disk.failures(self.path):
                yield
        except BaseException:
            self.close()
            raise


def _name(seq: int) -> str:
    return f"{seq:020}"
